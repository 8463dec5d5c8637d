"""A client and a server of WebSocket text frames. Only this module imports trio-websocket.

The Binance adapter and the simulator use it. A failure is a ConnectError or Closed.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import trio
import trio_websocket
from wsproto.events import Event, Pong

# The library's reader task stops answering pings while its queue is full: large enough for a burst (default: 1).
_QUEUE = 1024
_MAX_MESSAGE = 16 * 1024 * 1024  # bytes; the largest frame is an exchangeInfo of all symbols
_OPEN_TIMEOUT = 10  # seconds for TCP and TLS, and again for the WebSocket handshake
_CLOSE_TIMEOUT = 5  # seconds for the closing handshake
_LONGEST_WAIT = 10  # digits of seconds in a Retry-After: three hundred years
_SEND_TIMEOUT = 10  # seconds within which a working peer accepts a frame

# At DEBUG it logs every frame, signatures included.
logging.getLogger("trio-websocket").setLevel(logging.INFO)


class ConnectError(Exception):
    """No connection was made: refused, unresolved, timed out or not a WebSocket.

    ``status`` and ``retry_after`` (seconds) are those of an answer in HTTP.
    """

    def __init__(self, why: str, status: int | None = None, retry_after: int | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.retry_after = retry_after


class Closed(Exception):
    """The connection ended, by either side or by the network."""


class WebSocket:
    """One WebSocket. ``send`` may be called from several tasks, ``receive`` from one."""

    def __init__(self, inner: trio_websocket.WebSocketConnection) -> None:
        self._inner = inner
        self._send, inner._send = inner._send, self._send_unless_late  # type: ignore[method-assign]

    async def _send_unless_late(self, event: Event) -> None:
        """Do not answer a ping that arrives after our close: the library would raise, and its server would end."""
        if not (self.closed and isinstance(event, Pong)):
            await self._send(event)

    @property
    def closed(self) -> bool:
        return self._inner.closed is not None

    @property
    def target(self) -> str:
        """Path and query that the client requested: ``/stream?streams=ethusdt@trade``."""
        return str(self._inner.path)

    async def send(self, text: str) -> None:
        """Send one text frame; raises Closed, and then some bytes may have been sent.

        If cancelled before the send begins, nothing is sent. If cancelled later, it waits for the end of the frame,
        because half a frame would make all later ones unreadable; after 10 s it closes the connection instead.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        with trio.move_on_after(_SEND_TIMEOUT, shield=True) as scope:
            try:
                await self._inner.send_message(text)
            except (trio_websocket.ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise Closed(_why(error)) from error
        if scope.cancelled_caught:
            await trio.aclose_forcefully(self._inner)
            raise Closed(f"the peer took no frame for {_SEND_TIMEOUT} s")

    async def receive(self) -> str:
        """The next frame's text (binary frames are decoded as UTF-8); raises Closed."""
        try:
            message = await self._inner.get_message()
        except (trio_websocket.ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Closed(_why(error)) from error
        return message if isinstance(message, str) else bytes(message).decode("utf-8", "replace")

    async def ping(self) -> None:
        """Ping and wait for the pong; raises Closed. The caller limits the wait."""
        try:
            await self._inner.ping()
        except (trio_websocket.ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Closed(_why(error)) from error

    async def mute(self, seconds: float, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send nothing for a while, not even a pong, to simulate an exchange that stalls."""
        async with self._inner._stream_lock:
            task_status.started()
            await trio.sleep(seconds)

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close with a handshake of at most 5 s; closing twice is allowed."""
        with trio.move_on_after(_CLOSE_TIMEOUT, shield=True):
            await self._inner.aclose(code=code, reason=reason)


def _why(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    if reason is None:
        return "connection lost"
    text = f"closed with {reason.code}"
    return f"{text}: {reason.reason}" if reason.reason else text


@asynccontextmanager
async def connect(url: str) -> AsyncGenerator[WebSocket, None]:
    """Connect to ``ws://`` or ``wss://``, close at the end; raises ConnectError, also for an error of the protocol.

    The library's own connect function waits forever for a server that does not answer, and does not close the
    socket after the peer closed; so we open the stream and the reader's nursery ourselves.
    """
    # Not an ``async with``: it would wrap an exception of the body in a group.
    stream = await _open_stream(url)
    cleanup = AsyncExitStack()
    cleanup.push_async_callback(trio.aclose_forcefully, stream)
    nursery = await cleanup.enter_async_context(trio.open_nursery())
    try:
        inner = await _handshake(nursery, stream, url)
        try:
            yield WebSocket(inner)
        finally:
            # The peer may be gone without a close frame.
            with trio.move_on_after(_CLOSE_TIMEOUT):
                await inner.aclose()
    finally:
        nursery.cancel_scope.cancel()
        try:
            await cleanup.aclose()
        except ExceptionGroup as group:
            raise _failure(url, group.exceptions[0]) from group


async def _open_stream(url: str) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
    try:
        parts = urlsplit(url)
        with trio.fail_after(_OPEN_TIMEOUT):
            match parts.scheme:
                case "ws":
                    return await trio.open_tcp_stream(parts.hostname or "", parts.port or 80)
                case "wss":
                    secure = await trio.open_ssl_over_tcp_stream(
                        parts.hostname or "", parts.port or 443, https_compatible=True
                    )
                    await _handshake_tls(secure)
                    return secure
                case scheme:
                    raise ConnectError(f"cannot connect to {url}: {scheme!r} is neither ws nor wss")
    except (OSError, ValueError, trio.BrokenResourceError, trio.TooSlowError) as error:
        raise _failure(url, error) from error


async def _handshake_tls(stream: trio.SSLStream[trio.SocketStream]) -> None:
    try:
        await stream.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise


async def _handshake(
    nursery: trio.Nursery, stream: trio.SocketStream | trio.SSLStream[trio.SocketStream], url: str
) -> trio_websocket.WebSocketConnection:
    parts = urlsplit(url)
    resource = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    try:
        with trio.fail_after(_OPEN_TIMEOUT):
            return await trio_websocket.wrap_client_stream(
                nursery,
                stream,
                parts.netloc,
                resource,
                message_queue_size=_QUEUE,
                max_message_size=_MAX_MESSAGE,
            )
    except trio.TooSlowError as error:
        raise _failure(url, error) from error


def _failure(url: str, error: BaseException) -> ConnectError:
    status: int | None = None
    retry_after: int | None = None
    match error:
        case trio_websocket.ConnectionRejected():
            status = error.status_code
            why = f"it answers with status {status}, not with a WebSocket"
            told = dict(error.headers).get(b"retry-after", b"")
            retry_after = int(told) if told.isdigit() and len(told) < _LONGEST_WAIT else None
        case trio.TooSlowError():
            why = f"no answer within {_OPEN_TIMEOUT} s"
        case trio.BrokenResourceError(__cause__=BaseException() as cause):
            why = str(cause)
        case _:
            why = str(error)
    return ConnectError(f"cannot connect to {urlsplit(url).netloc}: {why}", status, retry_after)


async def serve(
    handler: Callable[[WebSocket], Awaitable[None]],
    host: str,
    port: int,
    *,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled, one ``handler`` task per connection; ``started`` gives the port that was bound."""

    async def accept(request: trio_websocket.WebSocketRequest) -> None:
        await handler(WebSocket(await request.accept()))

    listen = partial(
        trio_websocket.serve_websocket,
        message_queue_size=_QUEUE,
        max_message_size=_MAX_MESSAGE,
        connect_timeout=_OPEN_TIMEOUT,
        disconnect_timeout=_CLOSE_TIMEOUT,
    )
    async with trio.open_nursery() as nursery:
        server = await nursery.start(listen, accept, host, port, None)
        task_status.started(server.port)
