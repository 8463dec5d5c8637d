"""Whether the rows of a file are all there, each once, in order: checked by their ids.

Published files had holes, rows twice, months whose halves are interleaved, aggregates that repeat trades of earlier
ones, and two trades under one number at a change of day. A matching checksum says nothing of these. What can be put
right is put right and counted; what contradicts itself is a TapeError.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from naived.backtest.columns import Integers, TapeError
from naived.backtest.rows import Batch, Kind
from naived.core.amount import format_amount

_REMOVE = "download the file again, or remove the line"


class Disordered(Exception):
    """An id is lower than the one before it: the rows have to be sorted first."""


@dataclass(slots=True)
class Findings:
    """What a file holds, and what was found and put right."""

    kind: str  # trades or aggTrades
    first_id: int = 0
    last_id: int = 0
    first_trade: int = 0  # the same for trades; the first and last trade that aggregates add up
    last_trade: int = 0
    rows: int = 0
    microseconds: int = 0  # rows whose time was given so
    tick: int = 0
    gaps: int = 0
    missing: int = 0  # trades in them
    gap_after: int = 0  # the id before the first gap
    duplicates: int = 0  # rows that say again what another said, dropped
    disordered: int = 0  # rows that stood behind a higher id, sorted
    withdrawn: int = 0  # rows that the exchange marked as invalid, dropped
    renumbered: int = 0  # rows with the id of the row before and other trades, kept
    member: str = ""  # the name of the file in a .zip


class Order:
    """Takes batches one after the other, each from where the last one ended."""

    def __init__(self, path: Path, kind: Kind) -> None:
        self._path = path
        self._before: tuple[int, ...] = ()  # the columns of the last row, dropped or not
        self._trade: int | None = None  # the last trade of the last row kept
        self._time = 0
        self.findings = Findings(str(kind))

    def admit(self, batch: Batch) -> Batch:
        """The rows of the batch without those that are dropped; raises Disordered and TapeError."""
        before = self._before or (int(batch.ids[0]) - 1,) * 6
        step = _after(batch.ids, before[0])
        np.subtract(batch.ids, step, out=step)
        if (step < 0).any():
            raise Disordered
        dropped = self._dropped(batch, step, before)
        self._before = tuple(int(column[-1]) for column in batch.columns)
        if dropped is not None:
            batch, step = batch.where(~dropped), step[~dropped]
        if len(batch.ids):
            self._check_amounts(batch)
            self._find_gaps(batch, step)
            self._check_times(batch)
            self._note(batch)
        return batch

    def _dropped(self, batch: Batch, step: Integers, before: tuple[int, ...]) -> NDArray[np.bool_] | None:
        """Rows that are no trade or no new one; None if there are none."""
        withdrawn = (batch.prices == 0) & (batch.quantities == 0) & (batch.firsts == -1) & (batch.lasts == -1)
        repeated = self._repeated(batch, step == 0, before) & ~withdrawn
        if not (withdrawn.any() or repeated.any()):
            return None
        self.findings.withdrawn += int(np.count_nonzero(withdrawn))
        self.findings.duplicates += int(np.count_nonzero(repeated))
        dropped: NDArray[np.bool_] = withdrawn | repeated
        return dropped

    def _repeated(self, batch: Batch, same: NDArray[np.bool_], before: tuple[int, ...]) -> NDArray[np.bool_]:
        """Rows that say what was said; ``same`` are those with the id of the row before."""
        repeated = same
        if same.any():
            columns = zip(batch.columns, before, strict=True)
            repeated = np.all([column == _after(column, last) for column, last in columns], axis=0)
            other = same & ~repeated
            follows = batch.firsts == _after(batch.lasts, before[5]) + 1
            wrong = other if batch.kind is Kind.TRADES else other & ~follows
            if wrong.any():
                row = int(np.argmax(wrong))
                raise self._error(batch, row, f"id {batch.ids[row]} is there twice, with different contents")
            self.findings.renumbered += int(np.count_nonzero(other))
        if batch.kind is Kind.AGGREGATES:
            highest = np.maximum.accumulate(_after(batch.lasts, -1 if self._trade is None else self._trade))
            repeated = repeated | ((batch.lasts <= highest) & (batch.firsts >= 0) & (batch.firsts <= batch.lasts))
        return repeated

    def _check_amounts(self, batch: Batch) -> None:
        if int(batch.prices.min()) <= 0 or int(batch.quantities.min()) <= 0:
            row = int(np.argmax((batch.prices <= 0) | (batch.quantities <= 0)))
            price, quantity = int(batch.prices[row]), int(batch.quantities[row])
            amounts = f"a price of {format_amount(price)} and a quantity of {format_amount(quantity)}"
            raise self._error(batch, row, f"{amounts} are no trade")

    def _find_gaps(self, batch: Batch, step: Integers) -> None:
        last = int(batch.firsts[0]) - 1 if self._trade is None else self._trade
        jump = batch.firsts - _after(batch.lasts, last) - 1
        wrong = (jump < 0) | (batch.lasts < batch.firsts) | (batch.firsts < 0)
        if wrong.any():
            row = int(np.argmax(wrong))
            trades = f"trades {batch.firsts[row]} to {batch.lasts[row]}"
            raise self._error(batch, row, f"{trades} do not follow the trades of the row before")
        gaps = (jump > 0) | (step > 1)
        if gaps.any():
            row = int(np.argmax(gaps))
            if not self.findings.gaps:
                self.findings.gap_after = int(batch.ids[row] - step[row])
            self.findings.gaps += int(np.count_nonzero(gaps))
            self.findings.missing += int(jump.sum())
        self._trade = int(batch.lasts[-1])

    def _check_times(self, batch: Batch) -> None:
        back = batch.times < _after(batch.times, self._time)
        if back.any():
            row = int(np.argmax(back))
            raise self._error(batch, row, f"the time of id {batch.ids[row]} is before that of the id before it")
        self._time = int(batch.times[-1])

    def _note(self, batch: Batch) -> None:
        found = self.findings
        if not found.rows:
            found.first_id, found.first_trade = int(batch.ids[0]), int(batch.firsts[0])
            found.tick = int(batch.prices[0])
        found.last_id, found.last_trade = int(batch.ids[-1]), int(batch.lasts[-1])
        found.rows += len(batch.ids)
        found.microseconds += batch.microseconds
        rest = batch.prices - batch.prices // found.tick * found.tick
        if rest.any():
            found.tick = math.gcd(found.tick, int(np.gcd.reduce(rest)))

    def _error(self, batch: Batch, row: int, cause: str) -> TapeError:
        line = batch.line(row)
        where = f"{self._path}, line {line}" if line else str(self._path)
        return TapeError(f"{where}: {cause}; {_REMOVE}")


def _after(column: Integers, last: int) -> Integers:
    """The value of the row before, for each row; ``last`` before the first."""
    before = np.empty_like(column)
    before[:1] = last
    before[1:] = column[:-1]
    return before
