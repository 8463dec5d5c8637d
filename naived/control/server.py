"""Serves the control socket: who may connect, what one connection may use, and how requests are answered.

The daemon runs ``serve`` with the table of methods; the server itself does not depend on the runtime.
"""

import os
import resource
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import NoReturn

import structlog
import trio

from naived.control.caller import Caller
from naived.control.channel import Channel, GoneError
from naived.control.endpoint import Endpoint, EndpointError, Peer, peer_of
from naived.control.protocol import MAX_ANSWER, Code, ControlError, encode_error, result_parts
from naived.control.requests import (
    MAX_SYMBOL,
    Answer,
    Method,
    Params,
    Request,
    Stream,
    decode_request,
    is_symbol,
)

_CONNECTIONS = 1024  # in total, so that descriptors are left for the exchange and the database
_CONNECTIONS_PER_UID = 512  # so that root can still connect when the owner's scripts use all of theirs
_LOOK = 1.0  # seconds between two looks whether the socket is in its place
_STREAMS = 256  # each may send a snapshot twice a second

_log = structlog.get_logger(__name__)


async def serve(endpoint: Endpoint, methods: Mapping[str, Method], service: object) -> None:
    """Serve connections until cancelled. ``service`` is passed to the methods.

    Who connects later waits for the endpoint's end: a client then learns that nothing of what it asks was done. A
    socket that somebody removed, such as a program that clears /tmp, is made anew.
    """
    server, failure = Server(methods, service), None
    async with trio.open_nursery() as nursery:

        async def accept(task_status: trio.TaskStatus[trio.CancelScope]) -> None:
            with trio.CancelScope() as scope:
                task_status.started(scope)
                await trio.serve_listeners(server.handle, [endpoint.listener], handler_nursery=nursery)

        accepting: trio.CancelScope = await nursery.start(accept)
        while True:
            await trio.sleep(_LOOK)
            try:
                if endpoint.restore():
                    _log.warning("control socket made anew")
                    accepting.cancel("its socket was removed")
                    accepting = await nursery.start(accept)
            except EndpointError as error:
                if str(error) != failure:
                    failure = str(error)
                    _log.warning("control socket not made anew", error=failure)


def refusing(methods: Mapping[str, Method], why: Callable[[], ControlError]) -> Mapping[str, Method]:
    """These methods, while none of them can be performed: each raises ``why()``."""

    async def refuse(*_: object) -> NoReturn:
        raise why()

    return {
        name: replace(method, answer=refuse, stream=None if method.stream is None else refuse)
        for name, method in methods.items()
    }


class Server:
    def __init__(self, methods: Mapping[str, Method], service: object) -> None:
        self._methods = methods
        self._service = service
        self._connections: Counter[int] = Counter()  # by uid
        self._streams = 0

    async def handle(self, stream: trio.SocketStream) -> None:
        """Serve one connection to its end; no action of a client makes this raise."""
        peer = peer_of(stream.socket)
        channel = Channel(stream)
        self._connections[peer.uid] += 1
        try:
            with suppress(GoneError):
                try:
                    self._admit(peer)
                    await self._serve_requests(channel, peer)
                except ControlError as error:
                    await channel.send(encode_error(None, error))
        finally:
            self._connections[peer.uid] -= 1
            await trio.aclose_forcefully(stream)

    def _admit(self, peer: Peer) -> None:
        if peer.uid not in (os.geteuid(), 0):
            raise ControlError(
                Code.PERMISSION,
                f"this naived belongs to uid {os.geteuid()}, not to uid {peer.uid}",
                hint="run naivectl as the same user",
            )
        most, most_per_uid = _room()
        if self._connections.total() > most or self._connections[peer.uid] > most_per_uid:
            raise ControlError(Code.BUSY, "naived has too many connections", hint="try again in a moment")

    async def _serve_requests(self, channel: Channel, peer: Peer) -> None:
        # Each send is a checkpoint, so a client that pipelines requests does not block the others.
        while True:
            request_id, request = decode_request(await channel.receive(), self._methods)
            if isinstance(request, ControlError):
                await channel.send(encode_error(request_id, request))
                continue
            method = self._methods[request.method]
            if method.changes(request.params):
                _log.info(
                    "control", method=request.method, params=_loggable(request.params), uid=peer.uid, pid=peer.pid
                )
            failure = await self._perform(channel, request, method)
            if failure is not None:
                await channel.send(encode_error(request.id, failure))
                # Requests after a failed `hello` are not performed: the client may be of another version.
                if request.method == "hello" or method.stream_for(request.params):
                    return

    async def _perform(self, channel: Channel, request: Request, method: Method) -> ControlError | None:
        """Answer a request; returns the error if that failed; raises GoneError."""
        stream = method.stream_for(request.params)
        work = partial(self._answer, method.answer) if stream is None else partial(self._stream, stream)
        try:
            await _while_connected(channel, partial(work, channel, request), changes=method.changes(request.params))
        except GoneError:
            raise
        except ControlError as error:
            return error
        except Exception:
            # A bug in an answer must not stop trading.
            _log.exception("control request failed", method=request.method)
            return ControlError(Code.INTERNAL_ERROR, f"naived failed to answer {request.method}; see its log")
        return None

    async def _answer(self, answer: Answer, channel: Channel, request: Request, caller: Caller) -> None:
        body = await answer(self._service, request.params, caller)
        if len(body) > MAX_ANSWER:
            raise ControlError(
                Code.INTERNAL_ERROR,
                f"the answer to {request.method} is larger than {MAX_ANSWER} bytes",
                hint="ask for fewer symbols or rows",
            )
        await channel.send(*result_parts(request.id, body))

    async def _stream(self, stream: Stream, channel: Channel, request: Request, caller: Caller) -> NoReturn:
        if self._streams >= _STREAMS:
            raise ControlError(Code.BUSY, "naived has too many watchers", hint="close some live views")
        self._streams += 1
        try:
            await stream(self._service, channel, request, caller)
        finally:
            self._streams -= 1


def _room() -> tuple[int, int]:
    """The limits of connections, in total and per user: at most half of our file descriptors."""
    descriptors, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return _CONNECTIONS, _CONNECTIONS_PER_UID
    return min(_CONNECTIONS, descriptors // 2), min(_CONNECTIONS_PER_UID, descriptors // 4)


async def _while_connected(channel: Channel, work: Callable[[Caller], Awaitable[None]], *, changes: bool) -> None:
    """Do the work, and cancel it when its client disconnects; raises GoneError.

    A change is not cancelled, except for its waits (`Caller.waiting`).
    """
    caller = Caller()
    failure: Exception | None = GoneError("the client hung up")
    async with trio.open_nursery() as nursery:

        async def watch_hangup() -> None:
            await channel.hung_up()
            caller.leave()

        nursery.start_soon(watch_hangup)
        try:
            with nullcontext() if changes else caller.waiting():
                await work(caller)
                failure = None
        except Exception as error:
            failure = error  # raised after the nursery, which would wrap it in a group
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _loggable(params: Params) -> Params:
    """The parameters of a change; names that cannot be symbols are escaped and shortened."""
    symbols = [name if is_symbol(name) else ascii(name[:MAX_SYMBOL]) for name in params.get("symbols", ())]
    return {**params, "symbols": symbols}
