"""Binance's rate limits, as it states them, kept before a request is made.

Windows are aligned to the exchange's clock (10 s at :00, :10, ...; a day at 00:00 UTC). Each is counted here
and corrected upwards by the counts that answers carry: those know of other programs on our account, but not
of our own requests in flight. What fills give back is not taken: it only makes us slower than need be.

Who goes first is decided by what each may use up: queries leave a part of the weight to orders and cancels,
buys leave a part of the orders to sells, and buys look later when a window opens.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from naived.binance.codec import RateLimit

_UNITS = {"SECOND": 1_000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000}  # ms

_QUERIES_SHARE = Fraction(4, 5)  # of the weight
_BUYS_SHARE = Fraction(4, 5)  # of the orders
_BUYS_LAG = 100  # ms after a window opened: the sells that waited for it have their slots by then

# In force until the exchange has stated its own: the lowest that were ever documented.
_ASSUMED = (
    RateLimit("REQUEST_WEIGHT", "MINUTE", 1, 6000),
    RateLimit("ORDERS", "SECOND", 10, 50),
)


class Use(Enum):
    """What a request is for."""

    QUERY = "query"
    CANCEL = "cancel"
    SELL = "sell"
    BUY = "buy"

    @property
    def places(self) -> bool:
        return self in (Use.SELL, Use.BUY)


@dataclass(slots=True)
class _Window:
    """A limit of so many in ``interval`` ms; ``count`` belongs to the interval that began at ``start``."""

    interval: int
    limit: int
    start: int = 0
    count: int = 0

    def roll(self, now: int) -> None:
        start = now - now % self.interval
        # One interval back is a correction of the clock, more means that it was all wrong before.
        if not self.start - self.interval <= start <= self.start:
            self.start = start
            self.count = 0

    def free(self, amount: int, share: Fraction, now: int) -> int:
        """Milliseconds until ``amount`` fits into our share; more than the share goes alone."""
        self.roll(now)
        if self.count == 0 or self.count + amount <= self.limit * share:
            return 0
        return self.start + self.interval - now


class Limits:
    """All limits of one account and address; times are ms on the exchange's clock."""

    def __init__(self) -> None:
        self._weight: dict[int, _Window] = {}
        self._orders: dict[int, _Window] = {}
        self._halted_until = 0
        self.learn(_ASSUMED, 0)

    def learn(self, rows: Iterable[RateLimit], now: int) -> None:
        """Take limits, and counts if they have them, from ``exchangeInfo`` or from an answer."""
        for row in rows:
            windows = self._windows(row.rate_limit_type)
            unit = _UNITS.get(row.interval)
            if windows is None or unit is None or row.interval_num < 1:
                continue
            interval = unit * row.interval_num
            window = windows.setdefault(interval, _Window(interval, row.limit))
            window.limit = row.limit
            window.roll(now)
            window.count = max(window.count, row.count or 0)

    def halt(self, until: int) -> None:
        """Nothing goes before ``until``: the exchange said so, and going on would bring a ban."""
        self._halted_until = max(self._halted_until, until)

    def halted(self, now: int) -> bool:
        """Does ``halt`` last?"""
        return now < self._halted_until

    def delay(self, use: Use, weight: int, now: int) -> int:
        """Milliseconds until a request of this weight may go; 0 is now."""
        share = _QUERIES_SHARE if use is Use.QUERY else Fraction(1)
        waits = [self._halted_until - now, 0]
        waits += [window.free(weight, share, now) for window in self._weight.values()]
        if use.places:
            share = _BUYS_SHARE if use is Use.BUY else Fraction(1)
            waits += [window.free(1, share, now) for window in self._orders.values()]
        longest = max(waits)
        return longest + _BUYS_LAG if longest and use is Use.BUY else longest

    def take(self, use: Use, weight: int, now: int) -> bool:
        """Count a request that is about to go; False if it may not go now."""
        if self.delay(use, weight, now):
            return False
        for window in self._weight.values():
            window.count += weight
        if use.places:
            for window in self._orders.values():
                window.count += 1
        return True

    def _windows(self, kind: str) -> dict[int, _Window] | None:
        match kind:
            case "REQUEST_WEIGHT":
                return self._weight
            case "ORDERS":
                return self._orders
            case _:
                return None  # connections and raw requests: far above what we make
