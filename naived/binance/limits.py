"""Keeps Binance's rate limits: checks and counts every request before it is sent.

Windows are aligned to the exchange's clock (10 s at :00, :10, ...; a day at 00:00 UTC). Requests are counted here,
and the count is raised to the one in an answer, if that is higher: it includes other programs on our account, but
not our own requests in flight. The exchange lowers a count when an order fills; we do not, so we may send too few.

A count that reaches its limit would forbid every order, for the longest interval until tomorrow: the account's own
count has to confirm it first (``doubtful``). A wait that the exchange demands runs on a clock that nobody sets, so
that no wrong time of the server prolongs it.

Shares give priority: queries leave a part of the weight to orders and cancels, buys leave a part of the orders to
sells, and buys wait a little longer after a window opens, and while a sell waits.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

import trio

from naived.binance.codec import RateLimit
from naived.ports import ExchangeError

_UNITS = {"SECOND": 1_000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000}  # ms

_ALL = 100  # percent
_QUERIES_SHARE = 80  # percent of the weight
_BUYS_SHARE = 80  # percent of the orders
_BUY_DELAY = 100  # ms after a window opens, so that the sells that wait for it take their slots first
_LONGEST_INTERVAL = 86_400_000  # ms, as documented
_LONGEST_WAIT = 60_000  # ms, the longest window of the request weight
_LONGEST_SLEEP = 1_000  # ms, of an order: slots may become free before a window ends, when a node leaves, for one
_PER_WAITING = 10  # ms: the sleep of many orders is longer, so that all together look a hundred times a second

# Used until the exchange sent its own: the lowest that Binance ever documented.
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
    """At most ``limit`` in ``interval`` ms; ``count`` is that of the interval that began at ``start`` (ms).

    ``ours`` of them are this process's own.
    """

    interval: int
    limit: int
    start: int = 0
    count: int = 0
    ours: int = 0

    def roll(self, now: int) -> None:
        start = now - now % self.interval
        # One interval back: the clock was corrected a little. Further back: it was wrong, and so is the count.
        if not self.start - self.interval <= start <= self.start:
            self.start = start
            self.count = self.ours = 0

    def free(self, amount: int, share: int, now: int, sharers: int = 1) -> int:
        """Milliseconds until ``amount`` fits into the share (percent), or until the count is 0 if it exceeds it.

        Of what ``sharers`` processes may use together ours is an equal part.
        """
        self.roll(now)
        ours_fits = self.ours == 0 or (self.ours + amount) * _ALL * sharers <= self.limit * share
        return 0 if ours_fits and self.fits(amount, share) else self.start + self.interval - now

    def fits(self, amount: int, share: int) -> bool:
        """Does ``amount`` fit into the share of the whole account, in the interval that was rolled to?"""
        return self.count == 0 or (self.count + amount) * _ALL <= self.limit * share


class Limits:
    """All limits of one account and address; ``now`` is the exchange's clock. All times are ms.

    ``monotonic`` is a clock that nobody sets.
    """

    def __init__(self, now: Callable[[], int], monotonic: Callable[[], int]) -> None:
        self._now = now
        self._monotonic = monotonic
        self._weight: dict[int, _Window] = {}
        self._orders: dict[int, _Window] = {}
        # The limits of connections and raw requests are ignored: we stay far below them.
        self._windows = {"REQUEST_WEIGHT": self._weight, "ORDERS": self._orders}
        self._halted_until = monotonic()
        self._doubt = trio.Event()
        self._waiting = dict.fromkeys(Use, 0)  # orders in ``sleep``
        self.learn(_ASSUMED)

    def learn(self, rows: Iterable[RateLimit], *, confirmed: bool = False) -> None:
        """Update limits, and counts where given, from ``exchangeInfo`` or from an answer.

        ``confirmed``: the counts answer a request for them, so one that reaches its limit is believed.
        """
        for row in rows:
            windows = self._windows.get(row.rate_limit_type)
            interval = _UNITS.get(row.interval, 0) * row.interval_num
            if windows is None or not 0 < interval <= _LONGEST_INTERVAL:
                continue
            window = windows.setdefault(interval, _Window(interval, row.limit))
            window.limit = row.limit
            if row.count is None:
                continue
            window.roll(self._now())
            if row.count >= row.limit > window.count and windows is self._orders and not confirmed:
                self._doubt.set()
            else:
                window.count = max(window.count, row.count)

    async def doubtful(self) -> None:
        """Wait until a count of orders reached its limit that only the exchange's own count can confirm."""
        await self._doubt.wait()
        self._doubt = trio.Event()

    def halt(self, wait: int) -> None:
        """Allow no request for ``wait`` ms: the exchange demands it, and bans clients that go on."""
        self._halted_until = max(self._halted_until, self._monotonic() + wait)

    @property
    def halted(self) -> bool:
        return self._monotonic() < self._halted_until

    def reached(self, use: Use, sharers: int = 1) -> str | None:
        """Which limit forbids such an order now, and until when, in words; None if none does."""
        now = self._now()
        if self.halted:
            return (
                f"the exchange told us to send nothing until {_clock(now + self._halted_until - self._monotonic())}"
            )
        wait, what = 0, ""
        for window in self._weight.values():
            if (longer := window.free(1, _ALL, now)) > wait:
                wait, what = longer, f"the limit of {window.limit} request weight in {window.interval // 1000} s"
        share = _share(use)
        for window in self._orders.values():
            if (longer := window.free(1, share, now, sharers)) > wait:
                wait, what = longer, _part(window, share, sharers)
        return f"{what} is used up until {_clock(now + wait)}" if wait else None

    @property
    def weight(self) -> tuple[int, int]:
        """The request weight that is used and its limit, of the interval that is fullest."""
        now = self._now()
        for window in self._weight.values():
            window.roll(now)
        fullest = max(self._weight.values(), key=lambda window: window.count / max(1, window.limit))
        return fullest.count, fullest.limit

    def delay(self, use: Use, weight: int, sharers: int = 1) -> int:
        """Milliseconds until a request of this weight may be sent; 0 is now. ``sharers`` divide the orders."""
        now = self._now()
        share = _QUERIES_SHARE if use is Use.QUERY else _ALL
        longest = max(0, self._halted_until - self._monotonic())
        for window in self._weight.values():
            longest = max(longest, window.free(weight, share, now))
        if use.places:
            share = _share(use)
            for window in self._orders.values():
                longest = max(longest, window.free(1, share, now, sharers))
        if use is Use.BUY and (longest or self._waiting[Use.SELL]):
            return longest + _BUY_DELAY
        return longest

    async def sleep(self, use: Use, weight: int, sharers: int = 1) -> None:
        """Sleep until an order may be sent, about a second at most; where more than a hundred wait it is longer."""
        delay = self.delay(use, weight, sharers)
        longest = max(_LONGEST_SLEEP, _PER_WAITING * self._waiting[use])
        if delay > longest + _BUY_DELAY:  # else a buy would wake before its delay is over
            delay = longest
        waits = delay > 0
        self._waiting[use] += waits
        try:
            await trio.sleep(delay / 1000)
        finally:
            self._waiting[use] -= waits

    def take(self, use: Use, weight: int, sharers: int = 1) -> bool:
        """Count a request that is about to be sent; False if it may not be sent now."""
        if self.delay(use, weight, sharers):
            return False
        for window in self._weight.values():
            window.count += weight
        if use.places:
            for window in self._orders.values():
                window.count += 1
                window.ours += 1
        return True

    async def wait(self, use: Use, weight: int) -> None:
        """Wait until a request may be sent, and count it; raises ExchangeError if that would take over a minute."""
        while not self.take(use, weight):
            delay = self.delay(use, weight)
            if delay > _LONGEST_WAIT:
                raise ExchangeError(f"rate limit exceeded: nothing may be asked for {delay // 1000} s")
            await trio.sleep(delay / 1000)


def _share(use: Use) -> int:
    """Of the orders, in percent."""
    return _BUYS_SHARE if use is Use.BUY else _ALL


def _part(window: _Window, share: int, sharers: int) -> str:
    """What of a limit of orders is used up, in words."""
    orders = f"{window.limit} orders in {window.interval // 1000} s"
    if not window.fits(1, _ALL):
        return f"the account's limit of {orders}"
    whose = "this node's part" if window.fits(1, share) else "the part"
    part = window.limit * share // (_ALL * sharers if window.fits(1, share) else _ALL)
    return f"{whose}{' for buys' if share < _ALL else ''} of the account's limit, {part} of {orders},"


def _clock(time: int) -> str:
    """A time (ms) as text, to the second."""
    return datetime.fromtimestamp(time // 1000, UTC).isoformat().replace("+00:00", "Z")
