"""The highest trade within the span of a fall guard. The price gate tells it every believed trade.

    span, 60 equal slots on UTC:  | .. | .. | .. | now |
                                    └ each with its highest trade, as long as no later one is as high

A trade costs one comparison, more where it is the highest of its slot; so this is a mutable object. A slot leaves
with the beginning of the 60th after it. Trades that were missed make the whole unknown, until ``learn`` is told
what the exchange remembers, or until the span has passed.

What it remembers was not checked trade by trade: a candle's high may be one bad print. In a candle of at most a
minute, a high above that of the candle before and after (at last: above the trades heard since), and near neither
(``PriceCheck.near``), is none: it counts no more than the one before. A price that rose for real is in the candle
beside it too, but for a rise that came and went within the minute. In longer candles such a rise is likelier than a
bad print, so their highs count as they are, and so do the first, which leaves first, and a last one that no trade
followed: where candles cannot tell, the guard holds back too much.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from msgspec import Struct

from naived.core.amount import Price
from naived.core.price_guards import Peak

SLOTS = 60
_ASKED_AGAIN = 10_000  # ms; while prices are unknown the exchange is asked for them so often
_SHORT = 60_000  # ms; a rise of more than the deviation hardly comes and goes within such a candle

Near: TypeAlias = Callable[[Price, Price], bool]
"""Is the first price near the second one?"""


class Candle(Struct, frozen=True):
    """The highest trade from ``start`` to ``end`` (exchange ms, both included); ``high`` 0: there was none."""

    start: int
    end: int
    high: Price


class RecentHigh:
    """The highest trade of one symbol's last ``span`` ms; ``lost`` counts how often trades were missed.

    ``asked``: after which loss the exchange is being asked what it remembers; None while it is not.
    """

    __slots__ = ("_ends", "_high", "_since", "_slots", "asked", "lost", "span")

    def __init__(self, span: int) -> None:
        self.span = span
        self.lost = 0
        self.asked: int | None = None
        self.forget()

    def forget(self) -> None:
        """Trades were missed: what came before the next one is not known any more."""
        self.lost += 1
        self._slots: deque[tuple[int, Price]] = deque()  # number and highest trade, falling
        self._high = self._ends = 0  # of the newest slot: its highest trade, the ms at which the next one begins
        self._since: int | None = None  # the ms from which on every trade is known

    def trade(self, price: Price, time: int) -> None:
        """One believed trade of ``time`` (exchange ms)."""
        if time >= self._ends:
            if self._since is None:
                self._since = time
            number = slot_of(time, self.span)
            self._ends, self._high = slot_start(number + 1, self.span), 0
        if price > self._high:
            self._high = price
            self._put(slot_of(self._ends - 1, self.span), price)

    def learn(self, candles: Iterable[Candle], since: int, now: int, near: Near) -> None:
        """All that was traded from ``since`` until trades were heard; it is ``now`` (exchange ms)."""
        traded = sorted((each for each in candles if each.high), key=lambda each: each.start)
        newer = list(self._slots)
        heard = newer[-1][1] if newer else None
        highs = _believed(traded, heard, near)
        known = [(slot_of(min(each.end, now), self.span), high) for each, high in zip(traded, highs, strict=True)]
        self._slots.clear()
        for number, high in sorted([*known, *newer]):
            self._put(number, high)
        if self._since is None or since < self._since:
            self._since = since

    def peak(self, now: int) -> Peak:
        """The highest trade of the span that ends ``now`` (exchange ms)."""
        since = now if self._since is None else self._since
        if since + self.span > now:
            return Peak(None, min(since + self.span, now + _ASKED_AGAIN))
        oldest = slot_of(now, self.span) - SLOTS + 1
        while self._slots and self._slots[0][0] < oldest:
            self._slots.popleft()
        if not self._slots:
            return Peak(Price(0), now + self.span)
        number, high = self._slots[0]
        return Peak(high, slot_start(number + SLOTS, self.span))

    def _put(self, number: int, price: Price) -> None:
        while self._slots and self._slots[-1][1] <= price:
            self._slots.pop()
        self._slots.append((number, price))


def _believed(candles: Sequence[Candle], heard: Price | None, near: Near) -> Iterator[Price]:
    """The high of each candle that counts; ``heard`` is the highest of the latest trades, which came after them."""
    before: Price | None = None
    for number, each in enumerate(candles, 1):
        after = candles[number].high if number < len(candles) else heard
        if (
            before is None
            or after is None
            or each.end - each.start >= _SHORT
            or each.high <= max(before, after)
            or near(each.high, before)
            or near(each.high, after)
        ):
            before = each.high
        yield before


def slot_of(time: int, span: int) -> int:
    """The number of the slot in which this ms lies."""
    return time * SLOTS // span


def slot_start(number: int, span: int) -> int:
    """The first ms of a slot."""
    return -(-number * span // SLOTS)
