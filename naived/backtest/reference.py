"""The exchange's reference and average prices on a tape: of the trades of the last minutes.

The filters and the price range need them at each order. An average lies between the lowest and the highest price of
the blocks that its trades are in, and nearly always both pass, so it is computed only where one of them does not.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from naived.backtest.search import extremes, last_at
from naived.backtest.tape import BLOCK, Columns
from naived.core.amount import Price, price_down
from naived.core.price_guards import Peak
from naived.core.recent_high import SLOTS, slot_of, slot_start

_MINUTE = 60_000  # ms
REFERENCE_MINUTES = 5  # of the mean of all trades, which is the reference price


@dataclass
class References:
    """``part`` and ``index`` are the last trade that was published; the caller moves them.

    ``doubted`` are the trades that were not believed, by part, in order.
    """

    parts: Sequence[Columns]
    part: int = 0
    index: int = -1
    doubted: dict[int, list[int]] = field(default_factory=dict)

    @property
    def last(self) -> Price | None:
        """The price of the last trade."""
        if self.index < 0 and not self.part:
            return None
        part, index = (self.part, self.index) if self.index >= 0 else (self.part - 1, -1)
        return Price(int(self.parts[part].prices[index]))

    @property
    def believed(self) -> Price | None:
        """The price of the last trade that was believed."""
        part, index = self.part, self.index
        while index < 0 or index in self.doubted.get(part, ()):
            if index <= 0 and not part:
                return None
            part, index = (part, index - 1) if index > 0 else (part - 1, len(self.parts[part - 1].ids) - 1)
        return Price(int(self.parts[part].prices[index]))

    @cached_property
    def extremes(self) -> tuple[Price, Price]:
        """The lowest and the highest price of the whole tape: nearly every test is passed by both."""
        lowest = min(int(part.low.min()) for part in self.parts)
        return Price(lowest), Price(max(int(part.high.max()) for part in self.parts))

    def fits(self, minutes: int, now: int, test: Callable[[Price], bool]) -> bool:
        """Does the price that filters compare with pass ``test``? True if there is none.

        It is the reference price; without one, the average of the last ``minutes`` that the rules say.
        """
        if all(map(test, self.extremes)):
            return True
        if self.traded(REFERENCE_MINUTES, now):
            return self.passes(REFERENCE_MINUTES, now, test, weighted=False)
        return self.passes(minutes, now, test, weighted=True)

    def traded(self, minutes: int, now: int) -> bool:
        """Was there a trade in the last ``minutes``?"""
        return next(self._stretches(_start(minutes, now)), None) is not None

    def measure(self, minutes: int, now: int) -> Price | None:
        """The price that ``fits`` tests; None if there is none."""
        mean = list(self._stretches(_start(REFERENCE_MINUTES, now)))
        if mean:
            return _average(mean, weighted=False)
        if not minutes:
            return self.last
        stretches = list(self._stretches(_start(minutes, now)))
        return _average(stretches, weighted=True) if stretches else None

    def passes(self, minutes: int, now: int, test: Callable[[Price], bool], *, weighted: bool) -> bool:
        """Does the average of the last ``minutes`` pass ``test``? True if there were no trades.

        A test that passes the lowest and the highest price must pass all prices between. ``minutes`` 0 is the last
        price; ``weighted``: by quantity. Minutes are whole ones, as the exchange counts them, and ``now`` is ms.
        """
        if not minutes:
            return self.last is None or test(self.last)
        if all(map(test, self.extremes)):
            return True
        stretches = list(self._stretches(_start(minutes, now)))
        if not stretches:
            return True
        blocks = [(part, slice(start // BLOCK, (stop - 1) // BLOCK + 1)) for part, start, stop in stretches]
        lowest = min(int(part.low[inside].min()) for part, inside in blocks)
        highest = max(int(part.high[inside].max()) for part, inside in blocks)
        if test(Price(lowest)) and test(Price(highest)):
            return True
        return test(_average(stretches, weighted=weighted))

    def peak(self, span: int) -> Peak:
        """The highest believed trade of the last ``span`` ms, as the daemon's price gate would know it."""
        now = int(self.parts[self.part].times[self.index])
        since = slot_start(slot_of(now, span) - SLOTS + 1, span)
        stretches = [believed for stretch in self._numbered(since) for believed in self._believed(*stretch)]
        if not stretches:
            return Peak(Price(0), now + span)
        highest = max(extremes(self.parts[number], start, stop)[1] for number, start, stop in stretches)
        for number, start, stop in stretches:  # the newest first
            index = last_at(self.parts[number], start, stop, highest)
            if index is not None:
                slot = slot_of(int(self.parts[number].times[index]), span)
                return Peak(Price(highest), slot_start(slot + SLOTS, span))
        raise AssertionError(f"no trade at {highest}")

    def _believed(self, number: int, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """The parts of a stretch between trades that were not believed, the newest first."""
        doubted = self.doubted.get(number, ())
        for index in reversed(doubted[bisect_left(doubted, start) : bisect_left(doubted, stop)]):
            if index + 1 < stop:
                yield number, index + 1, stop
            stop = index
        if start < stop:
            yield number, start, stop

    def _stretches(self, since: int) -> Iterator[tuple[Columns, int, int]]:
        """The trades from ``since`` (ms) to the last one, newest file first."""
        for number, start, stop in self._numbered(since):
            yield self.parts[number], start, stop

    def _numbered(self, since: int) -> Iterator[tuple[int, int, int]]:
        """The same, with the number of each file."""
        stop = self.index + 1
        for number in range(self.part, -1, -1):
            part = self.parts[number]
            start = int(np.searchsorted(part.times, since))
            if start < stop:
                yield number, start, stop
            if start or not number:
                return
            stop = len(self.parts[number - 1].ids)


def _start(minutes: int, now: int) -> int:
    return (now // _MINUTE - minutes + 1) * _MINUTE


def _average(stretches: Sequence[tuple[Columns, int, int]], *, weighted: bool) -> Price:
    """Exact, in whole numbers of any size, and rounded down."""
    value = total = 0
    for part, start, stop in stretches:
        prices = part.prices[start:stop].tolist()
        weights = part.quantities[start:stop].tolist() if weighted else [1] * len(prices)
        value += sum(price * weight for price, weight in zip(prices, weights, strict=True))
        total += sum(weights)
    return price_down(value, total, Price(1))
