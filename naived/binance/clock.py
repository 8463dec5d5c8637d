"""The exchange's clock, as far as we can know it from here."""

import time
from collections.abc import Callable

import trio

_FRESH = 60.0  # seconds a reading may be preferred to a worse one: drift stays within a few milliseconds


class ServerClock:
    """Follows the server times received; never ahead of the server.

    When a server time arrives, the server has moved on since it wrote it: that time plus what passed here
    since its receipt is a lower bound (``now``), and ``now`` plus the whole round trip an upper one
    (``latest``). A suspend of this machine makes both lag, which the fence makes safe.

    A reading that was long on its way says little: while a better one is fresh and nothing speaks against it, that
    one counts. Else a single slow answer would make every order look too late to send until the next reading.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = trio.current_time,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._offset: int | None = None  # ms: server time minus monotonic time, at the last receipt
        self._round_trip = 0  # ms, of the request that brought it
        self._received_at = 0.0  # monotonic s

    def received(self, server_time: int, asked_at: float) -> None:
        """An answer with the server's time (ms) came just now; it was asked for at ``asked_at`` (monotonic s)."""
        now = self._monotonic()
        offset, round_trip = server_time - int(now * 1000), int((now - asked_at) * 1000) + 1
        if self._offset is not None and round_trip > self._round_trip and now - self._received_at < _FRESH:
            behind = offset > self._offset + self._round_trip
            ahead = offset + round_trip < self._offset
            if not (behind or ahead):
                return
        self._offset, self._round_trip, self._received_at = offset, round_trip, now

    def now(self) -> int:
        """Milliseconds; the local clock before the first contact."""
        if self._offset is None:
            return int(self._wall() * 1000)
        return self._offset + int(self._monotonic() * 1000)

    def latest(self) -> int:
        """Milliseconds: the exchange's clock is not beyond this, drift apart."""
        return self.now() + self._round_trip
