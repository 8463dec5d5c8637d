"""A network in memory: connections between naived and the simulator, and what happens to frames on the way.

Frames arrive in order, as TCP has it. A frame is text when it is sent: nothing can change it on its way.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random
from urllib.parse import urlsplit

import trio

from naived.websocket import Closed, ConnectError
from tests.simulation.stopping import inside

Handler = Callable[["End"], Awaitable[None]]

_BUFFER = 100_000  # frames on their way; far more than anything here sends at once
_TELLING = ('"clientOrderId"', '"executionReport"')  # in an answer, in a report
_LATENCY = (0.001, 0.030)  # seconds one way


@dataclass(slots=True)
class Weather:
    """How likely a frame, or an attempt to connect (``refused``), meets what; ``longest`` is of a stall, in s."""

    lost: float = 0.0
    doubled: float = 0.0
    stalled: float = 0.0
    cut: float = 0.0
    hole: float = 0.0  # from here on nothing passes, and nobody is told
    refused: float = 0.0
    hushed: float = 0.0  # what tells naived of an order is lost
    longest: float = 0.0


class Frames:
    """One direction of a wire."""

    def __init__(self) -> None:
        self._put, self._get = trio.open_memory_channel[tuple[float, str]](_BUFFER)
        self._last = 0.0
        self._next: tuple[float, str] | None = None

    def put(self, text: str, delay: float) -> None:
        """Raises Closed."""
        self._last = max(self._last, trio.current_time() + delay)
        try:
            self._put.send_nowait((self._last, text))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Closed("connection lost") from error

    async def take(self, broken: trio.Event) -> str:
        """The next frame when it arrives; raises Closed."""
        if self._next is None:
            try:
                self._next = await self._get.receive()
            except (trio.EndOfChannel, trio.ClosedResourceError) as error:
                raise Closed("connection lost") from error
        with trio.move_on_at(self._next[0]):
            await broken.wait()
        if broken.is_set():
            raise Closed("connection lost")
        _, text = self._next
        self._next = None
        return text

    def end(self) -> None:
        """Nothing more is sent; what is on its way arrives."""
        self._put.close()

    def drop(self) -> None:
        """Nobody receives any more."""
        self._get.close()


class Wire:
    """What both ends of a connection share. ``sheltered``: from the weather."""

    def __init__(self, target: str, *, sheltered: bool) -> None:
        self.target = target
        self.sheltered = sheltered
        self.up = Frames()
        self.down = Frames()
        self.broken = trio.Event()
        self.hole = False
        self.muted_until = 0.0  # trio's time

    def cut(self) -> None:
        """What is on its way is lost, and both ends see it."""
        self.broken.set()
        self.up.drop()
        self.down.drop()


class End:
    """One end of a connection; has the methods of ``websocket.WebSocket``."""

    def __init__(self, network: "Network", wire: Wire, *, client: bool) -> None:
        self._network = network
        self._wire = wire
        self._out, self._in = (wire.up, wire.down) if client else (wire.down, wire.up)
        self._client = client
        self._left = False

    @property
    def closed(self) -> bool:
        return self._left or self._wire.broken.is_set()

    @property
    def target(self) -> str:
        return self._wire.target

    async def send(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        if self.closed:
            raise Closed("connection lost")
        self._network.carry(self._wire, self._out, text, from_client=self._client)

    async def receive(self) -> str:
        if self.closed:
            await trio.lowlevel.checkpoint()
            raise Closed("connection lost")
        return await self._in.take(self._wire.broken)

    async def ping(self) -> None:
        """Raises Closed."""
        await trio.sleep(max(2 * _LATENCY[1], self._wire.muted_until - trio.current_time()))
        if self._wire.hole:
            await self._wire.broken.wait()
        if self.closed:
            raise Closed("connection lost")

    async def mute(self, seconds: float, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        self._wire.muted_until = trio.current_time() + seconds
        task_status.started()
        await trio.lowlevel.checkpoint()

    def sever(self, *, told: bool) -> None:
        """Nothing passes any more; ``told``: both ends see it."""
        if told:
            self._wire.cut()
        self._wire.hole = True

    def leave(self) -> None:
        """What was sent arrives, then the other end sees the end."""
        self._left = True
        self._out.end()
        self._in.drop()


class Network:
    """``seen`` is told of every frame that is sent; the weather falls from ``random``.

    ``change`` makes what arrives at the client of a frame: given the wire, the text and whether the client sent it.
    """

    def __init__(self, random: Random, seen: Callable[[str, str], None]) -> None:
        self.weather = Weather()
        self.befell: dict[str, int] = {}
        self.change: Callable[[Wire, str, bool], str] | None = None
        self._random = random
        self._seen = seen
        self._handler: Handler | None = None
        self._nursery: trio.Nursery | None = None

    async def serve(self, handler: Handler, host: str, port: int, *, task_status: trio.TaskStatus[int]) -> None:
        """In place of ``websocket.serve``."""
        async with trio.open_nursery() as nursery:
            self._handler, self._nursery = handler, nursery
            task_status.started(port or 1)
            await trio.sleep_forever()

    @asynccontextmanager
    async def connect(self, url: str, *, sheltered: bool = False) -> AsyncIterator[End]:
        """In place of ``websocket.connect``; raises ConnectError."""
        await trio.sleep(self._latency())
        if self._handler is None or self._nursery is None or (not sheltered and self._falls("refused")):
            raise ConnectError("connection refused")
        parts = urlsplit(url)
        wire = Wire(f"{parts.path}?{parts.query}" if parts.query else parts.path, sheltered=sheltered)
        client = End(self, wire, client=True)
        with inside(None):  # it is the exchange's
            self._nursery.start_soon(self._handled, self._handler, End(self, wire, client=False))
        try:
            yield client
        finally:
            client.leave()

    async def _handled(self, handler: Handler, end: End) -> None:
        try:
            with suppress(Closed):
                await handler(end)
        finally:
            end.leave()

    def carry(self, wire: Wire, frames: Frames, text: str, *, from_client: bool) -> None:
        """Send one frame on its way; raises Closed if that is its end."""
        self._seen(">" if from_client else "<", text)
        if self.change is not None and not wire.sheltered:
            text = self.change(wire, text, from_client)
        delay = self._latency()
        if wire.hole:
            return
        if not wire.sheltered:
            if self._falls("cut"):
                wire.cut()
                raise Closed("connection reset")
            if self._falls("hole"):
                wire.hole = True
                return
            if self._falls("lost"):
                return
            if not from_client and any(word in text for word in _TELLING) and self._falls("hushed"):
                return
            if self._falls("stalled"):
                delay += self._random.uniform(0, self.weather.longest)
            # A request is never doubled: no network replays what TLS carries.
            if not from_client and self._falls("doubled"):
                frames.put(text, delay)
        frames.put(text, delay)

    def _latency(self) -> float:
        return self._random.uniform(*_LATENCY)

    def _falls(self, what: str) -> bool:
        probability: float = getattr(self.weather, what)
        if not probability or self._random.random() >= probability:
            return False
        self.befell[f"network {what}"] = self.befell.get(f"network {what}", 0) + 1
        return True
