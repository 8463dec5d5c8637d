"""The highest trade within the span of a fall guard. The price gate tells it every believed trade.

    span, 60 equal slots on UTC:  | .. | .. | .. | now |
                                    └ each with its highest trade, as long as no later one is as high

A trade costs one comparison, more where it is the highest of its slot; so this is a mutable object. A slot leaves
with the beginning of the 60th after it. Trades that were missed make the whole unknown, until ``learn`` is told
what the exchange remembers, or until the span has passed.
"""

from collections import deque
from collections.abc import Iterable

from msgspec import Struct

from naived.core.amount import Price
from naived.core.price_guards import Peak

SLOTS = 60
_ASKED_AGAIN = 10_000  # ms; while prices are unknown the exchange is asked for them so often


class Candle(Struct, frozen=True):
    """The highest trade from ``start`` to ``end`` (exchange ms, both included)."""

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

    def learn(self, candles: Iterable[Candle], since: int, now: int) -> None:
        """All that was traded from ``since`` until trades were heard; it is ``now`` (exchange ms)."""
        known = [(slot_of(min(each.end, now), self.span), each.high) for each in candles]
        newer = list(self._slots)
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


def slot_of(time: int, span: int) -> int:
    """The number of the slot in which this ms lies."""
    return time * SLOTS // span


def slot_start(number: int, span: int) -> int:
    """The first ms of a slot."""
    return -(-number * span // SLOTS)
