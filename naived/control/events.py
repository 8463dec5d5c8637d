"""The newest events, numbered and bounded, for clients that follow them and for finding what one missed."""

from collections import Counter, deque
from collections.abc import Sequence
from itertools import islice
from typing import Any, TypeAlias

import trio

from naived.control.protocol import format_time

RING = 10_000  # events that are kept for a client that reconnects; the journal has more

Content: TypeAlias = tuple[int, str | None, str, str]


class EventLog:
    """A ring of events for `events` with ``follow``.

    ``seq`` starts at the wall clock (ms) of the daemon's start, not at 1. So numbers rise over restarts, and a
    follower that returns with an old one gets a gap, not wrong events.
    """

    def __init__(self, first: int) -> None:
        self._ring: deque[dict[str, Any]] = deque(maxlen=RING)
        self._contents: deque[Content] = deque(maxlen=RING)  # of the same events
        self._kept: Counter[Content] = Counter()
        self._next = first
        self._published = trio.Event()
        self.counted: Counter[str] = Counter()  # since the start, by kind

    @property
    def last(self) -> int:
        """The ``seq`` of the newest event; before the first event, its ``seq`` minus 1."""
        return self._next - 1

    def publish(self, at: int, symbol: str | None, kind: str, message: str) -> None:
        """Add an event and wake every follower. ``at`` is in ms; without a symbol it is about the daemon."""
        self._add(at, symbol, kind, message)
        self.counted[kind] += 1

    def relay(self, at: int, symbol: str | None, kind: str, message: str) -> None:
        """Add what another node published, unless it is kept already: then it is our own."""
        if not self._kept[at, symbol, kind, message]:
            self._add(at, symbol, kind, message)

    def _add(self, at: int, symbol: str | None, kind: str, message: str) -> None:
        content = at, symbol, kind, message
        if len(self._contents) == RING:
            oldest = self._contents[0]
            self._kept[oldest] -= 1
            if not self._kept[oldest]:
                del self._kept[oldest]
        self._contents.append(content)
        self._kept[content] += 1
        self._ring.append(
            {"seq": self._next, "at": format_time(at), "symbol": symbol, "kind": kind, "message": message}
        )
        self._next += 1
        self._published.set()
        self._published = trio.Event()

    def after(self, seq: int, most: int) -> Sequence[dict[str, Any]]:
        """The oldest ``most`` kept events after ``seq``. There is a gap if the first one is not ``seq + 1``."""
        oldest = self._next - len(self._ring)
        start = max(0, seq + 1 - oldest)
        return list(islice(self._ring, start, start + most))

    async def news(self, seq: int) -> None:
        """Return when there is an event after ``seq``."""
        while self.last <= seq:
            await self._published.wait()
