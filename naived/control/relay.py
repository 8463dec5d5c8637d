"""Events of other nodes for clients that follow events at this one: read from the journal that all of them write.

They come a second or two after they became durable. What this node wrote itself was told at once, and is not told
again: it is known by its content.
"""

from collections import deque
from collections.abc import Sequence

import structlog
import trio

from naived.control.events import EventLog
from naived.nodes import Mailbox
from naived.ports import EventRow, JournalError

_EVERY = 1.0  # seconds between two looks; what is new waits for one more, so that our own is told before
_OVERLAP = 5  # looks: so much later a row may still appear among those that were read

log = structlog.get_logger()


class Relay:
    def __init__(self, mailbox: Mailbox, events: EventLog) -> None:
        self._mailbox = mailbox
        self._events = events
        self._newest: deque[int] = deque()  # row that each of the last looks found
        self._seen: set[int] = set()  # rows behind the oldest of those
        self._held: Sequence[EventRow] = ()

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                await self._look()
            except JournalError as error:
                log.warning("events of other nodes not read", error=str(error))
            await trio.sleep(_EVERY)

    async def _look(self) -> None:
        behind = self._newest[0] if self._newest else None
        newest, rows = await self._mailbox.happened(behind)
        for row in self._held:
            event = row.event
            self._events.relay(event.at, event.symbol, event.kind, event.message)
        self._held = [row for row in rows if row.row not in self._seen]
        self._seen.update(row.row for row in rows)
        if behind is not None and newest < behind:  # the database lost its last commits
            self._newest.clear()
            self._seen.clear()
        self._newest.append(newest)
        if len(self._newest) > _OVERLAP:
            self._newest.popleft()
            self._seen = {row for row in self._seen if row > self._newest[0]}
