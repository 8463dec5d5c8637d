"""A scripted exchange without a network, and a sink that records."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio

from naived.binance.clock import ServerClock
from naived.binance.endpoint import Endpoint
from naived.binance.exchange import BinanceExchange
from naived.binance.signing import credentials
from naived.ports import Balance
from naived.websocket import Closed, ConnectError

API = "memory://api"
STREAMS = "memory://streams"
EPOCH = 1_700_000_000_000  # ms, the peer's clock at trio's time 0
ALL_WITHIN = 1000  # seconds, on a clock that jumps

Json = dict[str, Any]


class Socket:
    """One connection as the peer sees it; the client's half is ``client``."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.to_client, from_peer = trio.open_memory_channel[str](1000)
        to_peer, self.from_client = trio.open_memory_channel[str](1000)
        self.client = ClientHalf(to_peer, from_peer)

    def push(self, frame: Json | str) -> None:
        self.to_client.send_nowait(frame if isinstance(frame, str) else msgspec.json.encode(frame).decode())

    def drop(self) -> None:
        """End the connection from the far side."""
        self.to_client.close()
        self.from_client.close()

    @property
    def open(self) -> bool:
        return not self.client.closed


class ClientHalf:
    """Has the methods of ``websocket.WebSocket``."""

    def __init__(self, out: trio.MemorySendChannel[str], into: trio.MemoryReceiveChannel[str]) -> None:
        self._out = out
        self._in = into
        self.closed = False
        self.silent = False

    async def send(self, text: str) -> None:
        try:
            await self._out.send(text)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Closed("closed by the peer") from error

    async def receive(self) -> str:
        try:
            return await self._in.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError) as error:
            self.closed = True
            raise Closed("closed by the peer") from error

    async def ping(self) -> None:
        if self.silent:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        self.closed = True
        self._out.close()
        self._in.close()


class Peer:
    """Answers requests by ``script[method]``: a function from the request to the answer, or to None: silence.

    ``requests`` are all that came; ``sockets`` every connection ever made, newest last.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.requests: list[Json] = []
        self.sockets: list[Socket] = []
        self.refuses_connections = False
        self.refusal = ConnectError("connection refused")
        self.attempts: list[float] = []
        self.script: dict[str, Callable[[Json], Json | None]] = {
            "time": lambda _: {"status": 200, "result": {"serverTime": self.now()}},
            "userDataStream.subscribe.signature": lambda _: {"status": 200, "result": {"subscriptionId": 0}},
            "SUBSCRIBE": lambda _: {"result": None},
            "UNSUBSCRIBE": lambda _: {"result": None},
        }

    def now(self) -> int:
        return EPOCH + int(trio.current_time() * 1000)

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncGenerator[ClientHalf, None]:
        await trio.lowlevel.checkpoint()
        self.attempts.append(trio.current_time())
        if self.refuses_connections:
            raise self.refusal
        socket = Socket(url)
        self.sockets.append(socket)
        self._nursery.start_soon(self._serve, socket)
        try:
            yield socket.client
        finally:
            socket.client.close()

    async def _serve(self, socket: Socket) -> None:
        try:
            async for text in socket.from_client:
                request = msgspec.json.decode(text, type=dict[str, Any])
                self.requests.append(request)
                answer = self.script[request["method"]](request)
                if answer is not None and socket.open:
                    socket.push({"id": request["id"], **answer})
        except trio.ClosedResourceError:
            return

    @property
    def api(self) -> Socket:
        """The newest connection to the WebSocket API."""
        return [each for each in self.sockets if each.url == API][-1]

    @property
    def streams(self) -> Socket:
        """The newest connection to the market streams."""
        return [each for each in self.sockets if each.url == STREAMS][-1]

    def answer(self, method: str, result: object = None, *, status: int = 200, **more: object) -> None:
        """Answer ``method`` with this from now on."""
        self.script[method] = lambda _: {"status": status, "result": result, **more}

    def fail(self, method: str, code: int, msg: str, *, status: int = 400, data: Json | None = None) -> None:
        """Answer ``method`` with an error from now on."""
        error = {"code": code, "msg": msg} | ({"data": data} if data else {})
        self.script[method] = lambda _: {"status": status, "error": error}

    def ignore(self, method: str) -> None:
        """Never answer ``method``."""
        self.script[method] = lambda _: None

    def asked(self, method: str) -> list[Json]:
        return [each for each in self.requests if each["method"] == method]


class Recorder:
    """A ``Sink`` that records its calls."""

    def __init__(self) -> None:
        self.trades: list[tuple[str, int, int, str, int]] = []
        self.reports: list[Any] = []
        self.said: list[str] = []  # "opened", or "closed: why", in order
        self.missed: list[str] = []  # symbols whose trades were lost
        self.cut: dict[str, str | None] = {}  # why a symbol has no subscription
        self.known: list[tuple[Mapping[str, Balance], int]] = []  # balances with their time
        self._news = trio.Event()

    def trade(self, symbol: str, trade_id: int, price: int, quantity: str, time: int) -> None:
        self.trades.append((symbol, trade_id, price, quantity, time))
        self._wake()

    def lost(self, symbol: str, why: str | None) -> None:
        if why is None or self.cut.get(symbol) is None:
            self.missed.append(symbol)
        self.cut[symbol] = why

    def report(self, report: object) -> None:
        self.reports.append(report)
        self._wake()

    def balances(self, balances: Mapping[str, Balance], time: int) -> None:
        self.known.append((balances, time))
        self._wake()

    def opened(self) -> None:
        self.said.append("opened")
        self._wake()

    def closed(self, reason: str) -> None:
        self.said.append(f"closed: {reason}")
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = trio.Event()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until a call makes the condition true."""
        with trio.fail_after(ALL_WITHIN):
            while not condition():
                await self._news.wait()


@pytest.fixture
def peer(nursery: trio.Nursery) -> Peer:
    return Peer(nursery)


@pytest.fixture
def sink() -> Recorder:
    return Recorder()


@pytest.fixture
def exchange(peer: Peer) -> BinanceExchange:
    """Not running yet."""
    who = credentials("the-key", "the-secret")
    clock = ServerClock(wall=lambda: peer.now() / 1000)
    return BinanceExchange(Endpoint(API, STREAMS), who, connect=peer.connect, jitter=lambda: 0.0, clock=clock)


@pytest.fixture
async def running(exchange: BinanceExchange, sink: Recorder, nursery: trio.Nursery) -> BinanceExchange:
    """Its session is up."""
    nursery.start_soon(exchange.run, sink)
    await sink.until(lambda: exchange.connected)
    return exchange
