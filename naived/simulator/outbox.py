"""What waits to be sent on one connection: bounded, so that a slow reader loses its connection, not our memory."""

from math import inf

import trio

from naived.websocket import Closed, Connection

# Frames; a trade is about 200 bytes. Far more than any burst of a tape, far less than would hurt.
CAPACITY = 10_000


class Outbox:
    """Frames for one connection, put in synchronously by anyone and sent in order by ``run``."""

    def __init__(self) -> None:
        self._put, self._get = trio.open_memory_channel[str](CAPACITY)
        self._dropped = trio.Event()
        self._paused_until = -inf  # on trio's clock

    @property
    def crowded(self) -> bool:
        """Is it time to let the reader catch up?"""
        return not self._dropped.is_set() and self._put.statistics().current_buffer_used > CAPACITY // 2

    def send(self, frame: str) -> None:
        """Queue one frame; a reader that left no room is dropped."""
        try:
            self._put.send_nowait(frame)
        except trio.WouldBlock:
            self.drop()

    def pause(self, seconds: float) -> None:
        """Send nothing for a while; what comes meanwhile is queued."""
        self._paused_until = trio.current_time() + seconds

    def drop(self) -> None:
        """Give the connection up; what is queued is lost."""
        self._dropped.set()

    async def dropped(self) -> None:
        """Wait until the connection is given up."""
        await self._dropped.wait()

    async def run(self, connection: Connection) -> None:
        """Send until cancelled or the connection is gone."""
        try:
            async for frame in self._get:
                if trio.current_time() < self._paused_until:
                    await trio.sleep_until(self._paused_until)
                await connection.send(frame)
        except Closed:
            self.drop()
