"""A fake daemon behind the real control server, and a raw client to talk to it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio

from naived.control.caller import Caller
from naived.control.endpoint import Endpoint
from naived.control.events import EventLog
from naived.control.protocol import Code, ControlError, encode_body
from tests.support.control import IDENTITY, methods_of, serve_alone


class FakeService:
    """Knows ETHUSDT and BTCUSDT; records every call."""

    def __init__(self) -> None:
        self.events = EventLog(1_000)
        self.identity, self.state = IDENTITY, "ready"
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.price = "2683.8"
        self.padding = ""
        self.taken = 0
        self.look_takes = 0.0  # seconds
        self.hold = trio.Event()
        self.cancelled: list[str] = []  # waits that ended with their client
        self.ended: list[str] = []

    async def call(self, method: str, params: dict[str, Any], caller: Caller) -> bytes:
        await trio.lowlevel.checkpoint()
        if method == "status":
            await trio.sleep(self.look_takes)
            return self._status(params["symbols"])
        self.calls.append((method, params))
        match method:
            case "wait" | "stop":
                with caller.waiting():
                    try:
                        await self.hold.wait()
                    except trio.Cancelled:
                        self.cancelled.append(method)
                        raise
                await trio.sleep(1)
                self.ended.append(method)
            case "trades":
                raise RuntimeError("a defect")
        return encode_body({"v": 1, "results": []})

    def _status(self, symbols: Sequence[str]) -> bytes:
        self.taken += 1
        for symbol in symbols:
            if symbol not in ("ETHUSDT", "BTCUSDT"):
                raise ControlError(Code.UNKNOWN_SYMBOL, f"there is no {symbol}", symbol=symbol)
        row = {"symbol": "ETHUSDT", "last_price": self.price}
        return encode_body({"v": 1, "symbols": [row], "padding": self.padding})


class Client:
    """A client that says exactly what a test wants said."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._buffer = b""

    async def say(self, method: str, *, id: object = 1, **params: object) -> None:
        await self.stream.send_all(
            json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).encode() + b"\n"
        )

    async def line(self) -> bytes:
        """The next line, b"" at the end."""
        while b"\n" not in self._buffer:
            try:
                chunk = await self.stream.receive_some()
            except trio.BrokenResourceError:  # a reset: the server closed without reading all we said
                chunk = b""
            if not chunk:
                assert not self._buffer, "the server closed within a line"
                return b""
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    async def answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(await self.line())
        return answer

    async def ask(self, method: str, **params: object) -> dict[str, Any]:
        await self.say(method, **params)
        return await self.answer()


@pytest.fixture
def new_service() -> type[FakeService]:
    return FakeService


@pytest.fixture
def talk() -> type[Client]:
    return Client


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path / "control.sock"


@pytest.fixture
async def server(service: FakeService, socket_path: Path, nursery: trio.Nursery) -> AsyncIterator[FakeService]:
    nursery.start_soon(serve_alone, Endpoint(socket_path), methods_of(service), service)
    yield service
    nursery.cancel_scope.cancel()


@pytest.fixture
async def connect(server: FakeService, socket_path: Path) -> AsyncIterator[Callable[[], Awaitable[Client]]]:
    clients: list[Client] = []

    async def open_connection() -> Client:
        clients.append(Client(await trio.open_unix_socket(socket_path)))
        return clients[-1]

    yield open_connection
    for client in clients:
        await trio.aclose_forcefully(client.stream)
