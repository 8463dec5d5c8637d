"""One file to columns: read, checked, and sorted where its rows are not in order."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, cast

import numpy as np

from naived.backtest.columns import Integers, TapeError
from naived.backtest.order import Disordered, Findings, Order
from naived.backtest.rows import Batch, Kind, Six, batches
from naived.backtest.source import member

_NAMES = ("ids", "prices", "quantities", "times")
_SPANS = ("firsts", "lasts")
_AT_ONCE = 1 << 16  # rows of sorted columns checked at once


class Sink(Protocol):
    """Where columns grow; left, it keeps nothing open."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def append(self, columns: Sequence[Integers]) -> None: ...

    def finish(self) -> tuple[Integers, ...]:
        """The columns, whole."""
        ...


class Sinks(Protocol):
    """Makes a sink for columns of these names; a scratch is not needed afterwards."""

    def __call__(self, names: Sequence[str], *, scratch: bool = False) -> Sink: ...


class Memory:
    """Columns as arrays of their own. They grow in place: the kernel moves pages, nothing is copied."""

    def __init__(self, names: Sequence[str], *, scratch: bool = False) -> None:
        self._columns = [bytearray() for _ in names]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._columns.clear()

    def append(self, columns: Sequence[Integers]) -> None:
        for grown, column in zip(self._columns, columns, strict=True):
            grown += np.ascontiguousarray(column).data.cast("B")

    def finish(self) -> tuple[Integers, ...]:
        columns = tuple(np.frombuffer(grown, np.int64) for grown in self._columns)
        for column in columns:
            column.flags.writeable = False
        return columns


def parse(path: Path, sinks: Sinks, advance: Callable[[int, int], None]) -> tuple[tuple[Integers, ...], Findings]:
    """Ids, prices, quantities and times of a file in order of id, and what was found in it; raises TapeError.

    ``advance`` gets bytes and rows read so far.
    """
    columns, findings = _parsed(path, sinks, advance)
    findings.member = member(path)
    return columns, findings


def _parsed(path: Path, sinks: Sinks, advance: Callable[[int, int], None]) -> tuple[tuple[Integers, ...], Findings]:
    order: Order | None = None
    try:
        with sinks(_NAMES) as columns:
            for batch in batches(path, advance):
                order = order or Order(path, batch.kind)
                columns.append(order.admit(batch).columns[: len(_NAMES)])
            if order is None or not order.findings.rows:
                raise TapeError(f"{path} has no trades; download it again, or leave it out")
            return columns.finish(), order.findings
    except Disordered:
        with sinks((*_NAMES, *_SPANS), scratch=True) as unsorted:
            return _sorted(path, unsorted, sinks, advance)


def _sorted(
    path: Path, unsorted: Sink, sinks: Sinks, advance: Callable[[int, int], None]
) -> tuple[tuple[Integers, ...], Findings]:
    """The same from the beginning, with all rows kept until they are sorted."""
    disordered = microseconds = 0
    highest = -1
    kind = Kind.TRADES
    for batch in batches(path, advance):
        kind = batch.kind
        unsorted.append(batch.columns)
        reached = np.maximum.accumulate(np.append(highest, batch.ids))
        disordered += int(np.count_nonzero(batch.ids < reached[:-1]))
        highest = int(reached[-1])
        microseconds += batch.microseconds
    rows = unsorted.finish()
    ids, lasts = rows[0], rows[-1]
    places = np.lexsort((lasts, ids)) if kind is Kind.AGGREGATES else np.argsort(ids, kind="stable")
    order = Order(path, kind)
    with sinks(_NAMES) as columns:
        for begin in range(0, len(places), _AT_ONCE):
            some = places[begin : begin + _AT_ONCE]
            # No lines: an error names the id.
            batch = Batch(
                kind, cast(Six, tuple(column[some] for column in rows)), 0, np.zeros(len(some), np.int64), 0
            )
            columns.append(order.admit(batch).columns[: len(_NAMES)])
        order.findings.disordered = disordered
        order.findings.microseconds = microseconds
        return columns.finish(), order.findings
