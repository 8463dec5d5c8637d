"""The exchange's clock, estimated from the server times in its answers."""

import time
from collections.abc import Callable

import trio

_FRESH = 60.0  # seconds for which an exact reading is kept: in that time the clocks drift by a few milliseconds


class ServerClock:
    """Estimates the server's clock from below and from above.

    The server wrote its time before we received it. So that time plus the time since we received it is a lower
    bound (``now``), and ``now`` plus the whole round trip is an upper bound (``latest``). After a suspend of this
    machine both are too low, which is safe: the exchange refuses an order whose timestamp is too old.

    A reading with a long round trip is inexact. It is ignored while a better one is fresh and agrees with it.
    Otherwise one slow answer would make every order look too late to send until the next reading.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = trio.current_time,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._offset: int | None = None  # ms: server time minus monotonic time, at the last receipt
        self._round_trip = 0  # ms, of the request that gave the offset
        self._received_at = 0.0  # monotonic s

    def received(self, server_time: int, asked_at: float) -> None:
        """An answer with the server's time (ms) came now; its request was sent at ``asked_at`` (monotonic s)."""
        now = self._monotonic()
        offset, round_trip = server_time - int(now * 1000), int((now - asked_at) * 1000) + 1
        if self._offset is not None and round_trip > self._round_trip and now - self._received_at < _FRESH:
            behind = offset > self._offset + self._round_trip
            ahead = offset + round_trip < self._offset
            if not (behind or ahead):
                return
        self._offset, self._round_trip, self._received_at = offset, round_trip, now

    def now(self) -> int:
        """A lower bound of the exchange's clock (ms); before the first reading this machine's own clock."""
        if self._offset is None:
            return int(self._wall() * 1000)
        return self._offset + int(self._monotonic() * 1000)

    def latest(self) -> int:
        """An upper bound of the exchange's clock (ms), except for drift."""
        return self.now() + self._round_trip
