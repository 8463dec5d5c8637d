"""The newest events for clients that follow them, numbered and bounded; a client is told what it missed."""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Any

import trio

from naived.control.protocol import format_time

RING = 10_000  # events that are kept for a client that connects again; the journal has more


class EventLog:
    """A ring of events for `events` with ``follow``.

    ``seq`` starts at the wall clock (ms) of the daemon's start, not at 1, so that numbers go on rising over
    restarts and a follower that comes back with an old one sees a gap instead of somebody else's events.
    """

    def __init__(self, first: int) -> None:
        self._ring: deque[dict[str, Any]] = deque(maxlen=RING)
        self._next = first
        self._published = trio.Event()

    @property
    def last(self) -> int:
        """The newest ``seq`` that was given out; before the first event, the one before it."""
        return self._next - 1

    def publish(self, at: int, symbol: str | None, kind: str, message: str) -> None:
        """Tell every follower, at once. ``at`` is in ms; no symbol: it is about the daemon."""
        self._ring.append(
            {"seq": self._next, "at": format_time(at), "symbol": symbol, "kind": kind, "message": message}
        )
        self._next += 1
        self._published.set()
        self._published = trio.Event()

    def after(self, seq: int, most: int) -> Sequence[dict[str, Any]]:
        """The oldest ``most`` events behind ``seq`` that are still kept; compare their first ``seq`` for a gap."""
        oldest = self._next - len(self._ring)
        start = max(0, seq + 1 - oldest)
        return list(islice(self._ring, start, start + most))

    async def news(self, seq: int) -> None:
        """Return when there is an event behind ``seq``."""
        while self.last <= seq:
            await self._published.wait()
