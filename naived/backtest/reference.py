"""The exchange's reference prices on a tape: averages over the trades of the last minutes.

The filters and the price range need them at each order. An average lies between the lowest and the highest price of
the blocks that its trades are in, and nearly always both pass, so it is computed only where one of them does not.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from naived.backtest.tape import BLOCK, Columns
from naived.core.amount import Price, price_down

_MINUTE = 60_000  # ms


@dataclass(slots=True)
class References:
    """``part`` and ``index`` are the last trade that was published; the caller moves them."""

    parts: Sequence[Columns]
    part: int = 0
    index: int = -1

    @property
    def last(self) -> Price | None:
        """The price of the last trade."""
        if self.index < 0 and not self.part:
            return None
        part, index = (self.part, self.index) if self.index >= 0 else (self.part - 1, -1)
        return Price(int(self.parts[part].prices[index]))

    def passes(self, minutes: int, now: int, test: Callable[[Price], bool], *, weighted: bool) -> bool:
        """Does the average of the last ``minutes`` pass ``test``? True if there were no trades.

        A test that passes the lowest and the highest price must pass all prices between. ``minutes`` 0 is the last
        price; ``weighted``: by quantity. Minutes are whole ones, as the exchange counts them, and ``now`` is ms.
        """
        if not minutes:
            return self.last is None or test(self.last)
        stretches = list(self._stretches((now // _MINUTE - minutes + 1) * _MINUTE))
        if not stretches:
            return True
        blocks = [(part, slice(start // BLOCK, (stop - 1) // BLOCK + 1)) for part, start, stop in stretches]
        lowest = min(int(part.low[inside].min()) for part, inside in blocks)
        highest = max(int(part.high[inside].max()) for part, inside in blocks)
        if test(Price(lowest)) and test(Price(highest)):
            return True
        return test(_average(stretches, weighted=weighted))

    def _stretches(self, since: int) -> Iterator[tuple[Columns, int, int]]:
        """The trades from ``since`` (ms) to the last one, newest file first."""
        stop = self.index + 1
        for number in range(self.part, -1, -1):
            part = self.parts[number]
            start = int(np.searchsorted(part.times, since))
            if start < stop:
                yield part, start, stop
            if start or not number:
                return
            stop = len(self.parts[number - 1].ids)


def _average(stretches: Sequence[tuple[Columns, int, int]], *, weighted: bool) -> Price:
    """Exact, in whole numbers of any size, and rounded down."""
    value = total = 0
    for part, start, stop in stretches:
        prices = part.prices[start:stop].tolist()
        weights = part.quantities[start:stop].tolist() if weighted else [1] * len(prices)
        value += sum(price * weight for price, weight in zip(prices, weights, strict=True))
        total += sum(weights)
    return price_down(value, total, Price(1))
