"""A whole daemon in the test's own process: real sockets, real files, real signals; no time of its own."""

import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from naived import daemon
from naived.binance.connection import Connect
from naived.cli.config import load
from naived.process.config import Config
from naived.process.opening import opened
from naived.websocket import connect as connect_websocket

PATIENCE = 20  # seconds for anything here, on a machine that is busy with other tests
_POLL = 0.02  # seconds

Document = dict[str, Any]


def configured(home: Path, **flags: object) -> Config:
    """What ``naived run --home HOME`` with these flags is configured as."""
    return load({"home": str(home), **flags}, {}, terminal=False)


async def ended(config: Config) -> int:
    """Run what is expected to end by itself; the exit code."""
    with trio.fail_after(PATIENCE):
        with opened(config) as endpoint:
            return await daemon.run(config, endpoint)


class Naived:
    """One that runs. ``code`` is its exit code, None until then."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.code: int | None = None
        self._over = trio.Event()

    async def run(self, connect: Connect) -> None:
        with opened(self.config) as endpoint:
            self.code = await daemon.run(self.config, endpoint, connect)
        self._over.set()

    async def ask(self, method: str, /, *symbols: str, **params: object) -> Document:
        """The result of one control request; fails on an error."""
        if symbols:
            params["symbols"] = list(symbols)
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        with trio.fail_after(PATIENCE):
            async with await trio.open_unix_socket(str(self.config.socket)) as stream:
                await stream.send_all(json.dumps(request).encode() + b"\n")
                answer = b""
                while not answer.endswith(b"\n"):
                    answer += await stream.receive_some()
        document: Document = json.loads(answer)["result"]
        return document

    async def do(self, method: str, symbol: str = "ETHUSDT", **params: object) -> Document:
        """The one result of a verb for one symbol, ``error`` included."""
        (entry,) = (await self.ask(method, symbol, **params))["results"]
        found: Document = entry
        return found

    async def state(self) -> Document:
        """The ``daemon`` part of the status."""
        found: Document = (await self.ask("status"))["daemon"]
        return found

    async def orders(self, symbol: str = "ETHUSDT") -> list[Document]:
        found: list[Document] = (await self.ask("orders", symbol))["orders"]
        return found

    async def ready(self) -> None:
        """Wait until it has seen its exchange."""

        async def seen() -> bool:
            return self.config.socket.exists() and (await self.state())["state"] == "ready"

        await until(seen)

    async def over(self) -> int:
        """Wait for its end; the exit code."""
        with trio.fail_after(PATIENCE):
            await self._over.wait()
        assert self.code is not None
        return self.code

    async def suspend(self, number: signal.Signals = signal.SIGTERM) -> int:
        os.kill(os.getpid(), number)
        return await self.over()


@asynccontextmanager
async def naived(config: Config, connect: Connect = connect_websocket) -> AsyncIterator[Naived]:
    """Run until the block ends, which suspends what has not ended by itself."""
    async with trio.open_nursery() as nursery:
        running = Naived(config)
        nursery.start_soon(running.run, connect)
        yield running
        if running.code is None:
            assert await running.suspend() == 0


async def until(look: Callable[[], Any]) -> Any:
    """What ``look`` returns, or its awaitable gives, as soon as it is true; fails with the last."""
    deadline = time.monotonic() + PATIENCE
    while True:
        seen = look()
        if hasattr(seen, "__await__"):
            seen = await seen
        if seen:
            return seen
        assert time.monotonic() < deadline, f"waited {PATIENCE} s in vain; last seen: {seen!r}"
        await trio.sleep(_POLL)
