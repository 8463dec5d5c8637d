"""The exchange's clock, estimated from the server times in its answers."""

import time
from collections.abc import Callable

import trio

from naived.binance.border import AHEAD, LATEST

_JUMP = 60_000  # ms by which a reading may differ from the clock as we know it, without a second one that agrees
_FIRST_JUMP = 86_400_000  # ms, the same for the first reading: it is compared with this machine's clock
_FRESH = 60.0  # seconds for which an exact reading is kept: in that time the clocks drift by a few milliseconds


class ServerClock:
    """Estimates the server's clock from below and from above.

    The server wrote its time before we received it. So that time plus the time since we received it is a lower
    bound (``now``), and ``now`` plus the whole round trip is an upper bound (``latest``). After a suspend of this
    machine both are too low, which is safe: the exchange refuses an order whose timestamp is too old.

    A reading with a long round trip is inexact. It is ignored while a better one is fresh and agrees with it.
    Otherwise one slow answer would make every order look too late to send until the next reading.

    A reading far from what we know is believed when the next one agrees with it: one absurd number changes nothing,
    and after a suspend of this machine, or if its clock is wrong, two readings are enough.
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
        self._doubtful: int | None = None  # the offset of the last reading, if it was not believed
        self.wrong: str | None = None  # how far this machine's clock was off at the last reading, in words

    @property
    def ahead(self) -> tuple[int, int] | None:
        """By how many ms the server's clock is ahead of this machine's: at least, at most; None if never read."""
        if self._offset is None:
            return None
        local = int(self._wall() * 1000)
        return self.now() - local, self.latest() - local

    @property
    def latest_time(self) -> int:
        """The latest time (ms) that the exchange may tell us: a little ahead of its clock, once that was read."""
        return LATEST if self._offset is None else self.latest() + AHEAD

    def monotonic(self) -> int:
        """Milliseconds on a clock that nobody sets."""
        return int(self._monotonic() * 1000)

    def received(self, server_time: int, asked_at: float) -> bool:
        """An answer with the server's time (ms) came now; its request was sent at ``asked_at`` (monotonic s).

        False if it is not believed: then the next reading decides.
        """
        now = self._monotonic()
        offset, round_trip = server_time - int(now * 1000), int((now - asked_at) * 1000) + 1
        if not self._believable(offset):
            self._doubtful = offset
            return False
        self._doubtful = None
        self.wrong = _wrong(int(self._wall() * 1000) - server_time)
        if self._offset is not None and round_trip > self._round_trip and now - self._received_at < _FRESH:
            behind = offset > self._offset + self._round_trip
            ahead = offset + round_trip < self._offset
            if not (behind or ahead):
                return True
        self._offset, self._round_trip, self._received_at = offset, round_trip, now
        return True

    def _believable(self, offset: int) -> bool:
        known, jump = self._offset, _JUMP
        if known is None:
            known, jump = int((self._wall() - self._monotonic()) * 1000), _FIRST_JUMP
        agreed = self._doubtful is not None and abs(offset - self._doubtful) <= _JUMP
        return agreed or abs(offset - known) <= jump

    def now(self) -> int:
        """A lower bound of the exchange's clock (ms); before the first reading this machine's own clock."""
        if self._offset is None:
            return int(self._wall() * 1000)
        return self._offset + int(self._monotonic() * 1000)

    def latest(self) -> int:
        """An upper bound of the exchange's clock (ms), except for drift."""
        return self.now() + self._round_trip


def _wrong(ahead: int) -> str | None:
    """What is said of a machine's clock that is so many ms ahead of the exchange's; None if it will do."""
    if abs(ahead) <= _JUMP:
        return None
    where = "ahead of" if ahead > 0 else "behind"
    wrong = f"this machine's clock is {abs(ahead) // 1000} s {where} the exchange's"
    return f"{wrong}: set it; what was written before the exchange answered is dated by it"
