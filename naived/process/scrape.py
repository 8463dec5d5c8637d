"""Serves metrics over HTTP to a Prometheus on this machine: one request a connection, `GET /metrics`.

It runs on the event loop. ``move`` changes the address while naived runs; the old one stays if the new one cannot
be had.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
import trio

from naived.process.config import ConfigError

_PATIENCE = 10.0  # seconds for a whole request
_MOST_BYTES = 8_192  # of the request
_MOST_AT_ONCE = 4  # requests that are answered; more wait
_TEXT = "text/plain; version=0.0.4; charset=utf-8"  # of Prometheus' text format

Address = tuple[str, int]
Render = Callable[[], Awaitable[bytes]]

log = structlog.get_logger()


async def _listen(address: Address) -> list[trio.SocketListener]:
    """Raises ConfigError."""
    host, port = address
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError(
            f"cannot serve metrics at {host}:{port}: {why}. Choose another --metrics-listen"
        ) from error


async def check_address(address: Address) -> None:
    """Listen there for a moment; raises ConfigError where nobody can serve now."""
    for listener in await _listen(address):
        await listener.aclose()


class Scrapes:
    """``render`` makes the text. Use ``open`` first, then ``run``."""

    def __init__(self, render: Render) -> None:
        self._render = render
        self._wanted: Address | None = None
        self._changed = trio.Event()
        self._listeners: list[trio.SocketListener] = []
        self._slots = trio.CapacityLimiter(_MOST_AT_ONCE)

    @property
    def port(self) -> int | None:
        """Where it listens now."""
        return self._listeners[0].socket.getsockname()[1] if self._listeners else None

    async def open(self, address: Address | None) -> None:
        """Listen at the first address; raises ConfigError."""
        self._wanted = address
        if address is not None:
            self._listeners = await _listen(address)

    def move(self, address: Address | None) -> None:
        """Listen there from now on, or nowhere."""
        if address != self._wanted:
            self._wanted = address
            self._changed.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            scope = self._serve(nursery)
            while True:
                await self._changed.wait()
                self._changed = trio.Event()
                try:
                    found = [] if self._wanted is None else await _listen(self._wanted)
                except ConfigError as error:
                    log.error("metrics stay at their old address", error=str(error))
                    continue
                scope.cancel()
                self._listeners = found
                scope = self._serve(nursery)

    def _serve(self, nursery: trio.Nursery) -> trio.CancelScope:
        scope, listeners = trio.CancelScope(), self._listeners

        async def serve() -> None:
            with scope:
                await trio.serve_listeners(self._answer, listeners, handler_nursery=nursery)

        if listeners:
            nursery.start_soon(serve)
            host, port = listeners[0].socket.getsockname()[:2]
            log.info("metrics are served", url=f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics")
        return scope

    async def _answer(self, stream: trio.SocketStream) -> None:
        with trio.move_on_after(_PATIENCE), suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with stream:
                request = await _head(stream)
                if request is not None:
                    async with self._slots:
                        answer = await self._of(request)
                    await stream.send_all(answer)

    async def _of(self, request: bytes) -> bytes:
        method, _, rest = request.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed", b"only GET and HEAD\n", more="Allow: GET, HEAD\r\n")
        if path != b"/metrics":
            return _response("404 Not Found", b"the metrics are at /metrics\n")
        try:
            body = await self._render()
        except Exception as error:  # whatever is wrong with a figure, trading goes on
            log.error("metrics failed", exc_info=True)
            return _response("500 Internal Server Error", f"{type(error).__name__}\n".encode())
        return _response("200 OK", body, only_head=method == b"HEAD", kind=_TEXT)


async def _head(stream: trio.SocketStream) -> bytes | None:
    """The first line of a request, None if it did not come whole."""
    received = bytearray()
    while b"\r\n\r\n" not in received and b"\n\n" not in received:
        piece = await stream.receive_some(_MOST_BYTES)
        received += piece
        if not piece or len(received) > _MOST_BYTES:
            return None
    return bytes(received.splitlines()[0]) if received.strip() else None


def _response(
    status: str, body: bytes, *, only_head: bool = False, kind: str = "text/plain; charset=utf-8", more: str = ""
) -> bytes:
    length = f"Content-Length: {len(body)}\r\n"
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{length}{more}Connection: close\r\n\r\n"
    return head.encode() + (b"" if only_head else body)
