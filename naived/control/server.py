"""The control socket: who may connect, how much one connection may cost, and how requests are answered.

The server knows nothing of the runtime: all it calls is a `Service`.
"""

import os
import resource
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, nullcontext, suppress
from functools import partial
from typing import Any, NoReturn, Protocol

import structlog
import trio

from naived.control.caller import Caller
from naived.control.channel import Channel, GoneError
from naived.control.endpoint import Endpoint, Peer, peer_of
from naived.control.events import EventLog
from naived.control.protocol import (
    MAX_ANSWER,
    MIN_PROTO,
    PROTO,
    Code,
    ControlError,
    encode_body,
    encode_error,
    result_parts,
)
from naived.control.requests import MAX_SYMBOL, METHODS, Request, decode_request, is_symbol
from naived.control.streams import Snapshots, follow, watch

_CONNECTIONS = 1024  # in all: descriptors must be left for the exchange and the database
_CONNECTIONS_PER_UID = 512  # root can still get in when the owner's scripts run wild
_STREAMS = 256  # each may cost a snapshot's bandwidth twice a second

Document = dict[str, Any]  # JSON-able; decimals are texts

_log = structlog.get_logger(__name__)


class Service(Protocol):
    """What the socket is a window to. Documents are those that scripts rely on, ``"v": 1`` included.

    Parameters come parsed and complete (`requests.METHODS`): ``symbols`` is a tuple of upper-case names, of which
    any may be no `requests.is_symbol`, ``all``, ``wait`` and ``keep_buys`` are bool, ``timeout`` is seconds or None
    (without end), ``request_id``, ``client_order_id`` a text or None, ``limit``, ``after`` a whole number or None,
    ``since`` milliseconds or None; ``cancel``, ``for`` and ``action`` are one of their words. Of
    `protocol.SETTINGS` only those sent are there: ``chunks`` as an int, decimals and rates as the texts a person
    wrote.
    """

    @property
    def events(self) -> EventLog:
        """Where the runtime publishes what happens; the server follows it for `events` with ``follow``."""
        ...

    def hello(self) -> Document:
        """{server, instance_id, pid, state, db, started_at}; the server adds the protocol's part."""
        ...

    async def status(self, symbols: Sequence[str]) -> bytes:
        """The `status` document, encoded, of every symbol if none is named, from memory; raises ControlError."""
        ...

    async def check(self, symbols: Sequence[str]) -> None:
        """Raises ControlError for a symbol that the exchange does not list."""
        ...

    async def call(self, method: str, params: Document, caller: Caller) -> bytes:
        """The encoded answer to any other method; raises ControlError when nothing was done for any symbol.

        ``start stop shutdown settings resolve wait``: a document whose ``results`` has one entry a symbol, in which
        ``error`` is None or `ControlError.document()`; it returns, and does not raise, when only some failed.
        What was asked is done although its ``caller`` left meanwhile; what it waits for then is not awaited.
        ``orders trades events``: at most `protocol.MAX_ROWS` rows, oldest first, and ``"next"``: the ``after`` that
        asks for the rows behind the last one, None if there is none. ``limit`` without ``after`` means the newest
        so many, which may be more than one document holds; with ``after`` the next so many.
        """
        ...


async def serve(endpoint: Endpoint, service: Service) -> None:
    """Serve whoever connects until cancelled, which closes the endpoint."""
    with closing(endpoint):
        await trio.serve_listeners(_Server(service).handle, [endpoint.listener])


class _Server:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._snapshots = Snapshots(service.status)
        self._connections: Counter[int] = Counter()  # by uid
        self._streams = 0

    async def handle(self, stream: trio.SocketStream) -> None:
        """Serve one connection to its end; nothing a client does makes this raise."""
        peer = peer_of(stream.socket)
        channel = Channel(stream)
        self._connections[peer.uid] += 1
        try:
            with suppress(GoneError):
                try:
                    self._admit(peer)
                    await self._converse(channel, peer)
                except ControlError as error:
                    await channel.send(encode_error(None, error))
        finally:
            self._connections[peer.uid] -= 1
            await trio.aclose_forcefully(stream)

    def _admit(self, peer: Peer) -> None:
        if peer.uid not in (os.geteuid(), 0):
            raise ControlError(Code.PERMISSION, f"this naived belongs to uid {os.geteuid()}, not to uid {peer.uid}")
        most, most_per_uid = _room()
        if self._connections.total() > most or self._connections[peer.uid] > most_per_uid:
            raise ControlError(Code.BUSY, "naived has too many connections", hint="try again in a moment")

    async def _converse(self, channel: Channel, peer: Peer) -> None:
        # Every answer's send is a checkpoint, so a client that pipelines cannot keep others waiting.
        while True:
            request_id, request = decode_request(await channel.receive())
            if isinstance(request, ControlError):
                await channel.send(encode_error(request_id, request))
                continue
            if request.changes:
                _log.info(
                    "control", method=request.method, params=_loggable(request.params), uid=peer.uid, pid=peer.pid
                )
            failure = await self._perform(channel, request)
            if failure is not None:
                await channel.send(encode_error(request.id, failure))
                # What a client of another version has sent behind its `hello` must not be performed.
                if request.method == "hello" or request.streams:
                    return

    async def _perform(self, channel: Channel, request: Request) -> ControlError | None:
        """Answer a request, or say why not; raises GoneError."""
        try:
            work = partial(self._flow if request.streams else self._answer, channel, request)
            await _attended(channel, work, changes=request.changes)
        except GoneError:
            raise
        except ControlError as error:
            return error
        except Exception:
            # A defect in answering a question must not end the trading that the question was about.
            _log.exception("control request failed", method=request.method)
            return ControlError(Code.INTERNAL_ERROR, f"naived failed to answer {request.method}; see its log")
        return None

    async def _answer(self, channel: Channel, request: Request, caller: Caller) -> None:
        match request.method:
            case "hello":
                body = encode_body(self._hello(request))
            case "status":
                body = await self._service.status(request.params["symbols"])
            case method:
                body = await self._service.call(method, request.params, caller)
        if len(body) > MAX_ANSWER:
            raise ControlError(
                Code.INTERNAL_ERROR,
                f"the answer to {request.method} is larger than {MAX_ANSWER} bytes",
                hint="ask for fewer symbols or rows",
            )
        await channel.send(*result_parts(request.id, body))

    def _hello(self, request: Request) -> Document:
        proto = request.params["proto"]
        if not MIN_PROTO <= proto <= PROTO:
            raise ControlError(
                Code.VERSION_MISMATCH,
                f"naived speaks control protocol {MIN_PROTO} to {PROTO}, the client {proto}",
                hint="run naived and naivectl of the same version",
            )
        known = self._service.hello()
        return {"v": 1, "proto": PROTO, "min_proto": MIN_PROTO, **known, "caps": sorted(METHODS)}

    async def _flow(self, channel: Channel, request: Request, _caller: Caller) -> NoReturn:
        if self._streams >= _STREAMS:
            raise ControlError(Code.BUSY, "naived has too many watchers", hint="close some live views")
        self._streams += 1
        try:
            if request.method == "watch":
                with self._snapshots.watching(request.params["symbols"]) as snapshot:
                    await watch(channel, request.id, snapshot)
            # Of a typo nothing ever happens: whoever follows it would wait for good.
            await self._service.check(request.params["symbols"])
            await follow(channel, request.id, self._service.events, request.params)
        finally:
            self._streams -= 1


def _room() -> tuple[int, int]:
    """Connections in all and of one user: at most half of our descriptors, however few we may have."""
    descriptors, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return _CONNECTIONS, _CONNECTIONS_PER_UID
    return min(_CONNECTIONS, descriptors // 2), min(_CONNECTIONS_PER_UID, descriptors // 4)


async def _attended(channel: Channel, work: Callable[[Caller], Awaitable[None]], *, changes: bool) -> None:
    """Do it for as long as its client is there, so that the place of one who left is free again; raises GoneError.

    A change is done in any case: it gives up only what it waits for by its `Caller`.
    """
    caller = Caller()
    failure: Exception | None = GoneError("the client hung up")
    async with trio.open_nursery() as nursery:

        async def notice() -> None:
            await channel.hung_up()
            caller.leave()

        nursery.start_soon(notice)
        try:
            with nullcontext() if changes else caller.waiting():
                await work(caller)
                failure = None
        except Exception as error:
            failure = error  # raised outside: a nursery would wrap it
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _loggable(params: Document) -> Document:
    """The parameters of a change, with what only looks like a symbol escaped and cut."""
    symbols = [name if is_symbol(name) else ascii(name[:MAX_SYMBOL]) for name in params["symbols"]]
    return {**params, "symbols": symbols}
