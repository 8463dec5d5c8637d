"""An event that many may wait for, again and again."""

import trio


class Notification:
    """``notify`` ends every ``wait`` that is under way; costs nothing while nobody waits."""

    def __init__(self) -> None:
        self._event: trio.Event | None = None

    def notify(self) -> None:
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self) -> None:
        """Until the next ``notify``."""
        if self._event is None:
            self._event = trio.Event()
        await self._event.wait()
