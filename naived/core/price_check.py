"""Tells which public trades may decide something: one bad print must not make anybody buy.

    price ──near the reference──────────────────────────────────────> believed
          └─far from it──> suspected ──a second later trade near it─> believed
                                     └─a trade near the reference───> forgotten

1. The reference is the last believed trade of an earlier millisecond, at first the price that the exchange told.
2. A trade further from it than ``deviation``, and than two ticks, is suspected. Two later trades of different
   milliseconds, each within ``deviation`` of the suspected one, confirm the price; the second of them is believed.

The price gate asks for each public trade, so this is a mutable object and allocates nothing for a believed trade.
"""

from naived.core.amount import SCALE, Price, Rate

_TICKS = 2
_ENOUGH = 2  # later trades that confirm a price


class PriceCheck:
    """One symbol's check; ``deviation`` 0 believes everything.

    ``price`` is the last believed one, ``time`` its ms (None: the exchange told it); ``suspect`` is the price that
    waits to be confirmed, or None.
    """

    __slots__ = ("_before", "_heard", "_seen", "deviation", "price", "suspect", "tick", "time")

    def __init__(self, deviation: Rate = Rate(0), tick: Price = Price(1)) -> None:
        self.deviation = deviation
        self.tick = tick
        self.price: Price | None = None
        self.time: int | None = None
        self.suspect: Price | None = None
        self._before: Price | None = None  # the last believed price of an earlier millisecond than ``time``
        self._heard = 0  # ms of the latest trade near the suspect
        self._seen = 0  # trades near the suspect, of different milliseconds, after it

    def told(self, price: Price) -> None:
        """The exchange told this price: the next trade is compared with it."""
        self.price, self.time = price, None
        self.suspect = self._before = None

    def forget(self) -> None:
        """No price is known any more."""
        self.price = self.time = self.suspect = self._before = None

    def believes(self, price: Price, time: int) -> bool:
        """Take in one trade of ``time`` (exchange ms); may it decide something?"""
        same = time == self.time
        reference = self._before if same else self.price
        if reference is not None and not self.near(price, reference):
            if not self._confirmed(price, time):
                return False
            self._before = self.suspect
        elif not same:
            self._before = self.price
        self.price, self.time = price, time
        self.suspect = None
        return True

    def near(self, price: Price, reference: Price) -> bool:
        """Is ``price`` within the deviation of ``reference``, or within two ticks?"""
        away = abs(price - reference)
        return not self.deviation or away * SCALE <= self.deviation * reference or away <= _TICKS * self.tick

    def _confirmed(self, price: Price, time: int) -> bool:
        if self.suspect is None or not self.near(price, self.suspect):
            self.suspect, self._heard, self._seen = price, time, 0
        elif time > self._heard:
            self._heard = time
            self._seen += 1
        return self._seen == _ENOUGH
