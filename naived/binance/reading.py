"""Reads the results of answers: one object, or a list of which each row is read alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import msgspec

from naived.binance.border import read
from naived.binance.clock import ServerClock
from naived.binance.codec import ApiAnswer, read_result
from naived.binance.mapping import OrderRow, report_of
from naived.binance.refusals import Refusals
from naived.core.orders.report import Report
from naived.ports import UnreadableError

Row = TypeVar("Row")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Rows(Generic[Value]):
    """What was read of a list of ``total`` rows; ``unreadable``: why a row could not be read, None if all could."""

    values: list[Value]
    unreadable: str | None
    total: int


class Reader:
    """Counts in ``refusals`` what cannot be read; ``kind`` names what is read."""

    def __init__(self, refusals: Refusals, clock: ServerClock) -> None:
        self._refusals = refusals
        self._clock = clock

    @property
    def until(self) -> int:
        """The latest time (ms) that is believed in an answer."""
        return self._clock.latest_time

    def one(self, answer: ApiAnswer, kind: str, shape: type[Row], convert: Callable[[Row], Value]) -> Value:
        """Decode and convert the answer's result; raises UnreadableError if it cannot be read."""
        note = self._refusals.adder(kind)
        try:
            return convert(read(answer.result, shape, note))
        except ValueError as error:
            note(str(error))
            raise UnreadableError(f"unreadable answer: {kind}: {error}") from error

    def orders(self, answer: ApiAnswer, kind: str) -> Rows[Report]:
        """A list of orders; raises UnreadableError if it is none."""
        return self.rows(answer, kind, OrderRow, partial(report_of, until=self.until))

    def rows(self, answer: ApiAnswer, kind: str, shape: type[Row], convert: Callable[[Row], Value]) -> Rows[Value]:
        """The rows of a list; raises UnreadableError if it is none."""
        try:
            rows = read_result(answer, tuple[msgspec.Raw, ...])
        except ValueError as error:
            self._refusals.add(kind, str(error))
            raise UnreadableError(f"unreadable answer: {kind}: {error}") from error
        return self.converted(rows, kind, shape, convert)

    def converted(
        self, rows: Sequence[msgspec.Raw], kind: str, shape: type[Row], convert: Callable[[Row], Value]
    ) -> Rows[Value]:
        """The rows that can be read; another one is counted and left out."""
        note = self._refusals.adder(kind)
        found, unreadable = [], None
        for raw in rows:
            try:
                found.append(convert(read(raw, shape, note)))
            except ValueError as error:
                note(str(error))
                unreadable = f"{kind} cannot be read: {error}"
        return Rows(found, unreadable, len(rows))
