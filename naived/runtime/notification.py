"""An event that many tasks may wait for, repeatedly."""

import trio


class Notification:
    """``notify`` ends every current ``wait``; it costs nothing if there is none."""

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
