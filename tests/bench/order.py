"""Decision to order on the wire, with the durable intent in between, against this disk's own fsync."""

import logging
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median, quantiles

import msgspec
import structlog
import trio
from msgspec.structs import replace

from naived.app import Signing, assemble, running
from naived.binance.endpoint import simulator as endpoint
from naived.binance.exchange import BinanceExchange
from naived.binance.signing import credentials
from naived.control.answers import Identity
from naived.core.amount import parse_rate
from naived.core.orders.intent import Side
from naived.core.strategy.settings import DesiredState, Status
from naived.database.journal import open_journal
from naived.ports import Unit
from naived.websocket import WebSocket, connect
from tests.bench.programs import simulator
from tests.bench.worlds import orders, sellers, settings

_NAME = "ETHUSDT"
_PRICES = ("2000", "1990", "2010")  # decides a buy, fills it, fills its sell
_CYCLES = 60
_PAUSE = 0.15  # seconds for everything to come to rest
_ORDERS = 400


def measure() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="naived-bench-") as directory:
        disk = _fsync(Path(directory) / "disk")
        waits = trio.run(_commits, f"sqlite:///{Path(directory) / 'journal.db'}")
    yield f"{median(disk) * 1e6:8.0f} us fdatasync of 4 KiB appended, this disk (median of {len(disk)})"
    middle, high = median(waits), quantiles(waits, n=100)[98]
    yield (
        f"{middle * 1e6:8.0f} us from the decision to a durable intent, nothing else going on "
        f"(p99 {high * 1e6:.0f} us; {middle / median(disk):.1f} fsyncs)"
    )
    yield from _on_the_wire()


def _fsync(path: Path) -> list[float]:
    times = []
    with open(path, "wb", buffering=0) as file:
        for _ in range(_ORDERS):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return times


async def _commits(url: str) -> list[float]:
    """Intents one after the other through the real writer thread."""
    times = []
    async with open_journal(url) as journal:
        for number in range(_ORDERS):
            name = f"S{number:03}USDT"
            leader = sellers(name, living=1)
            unit = Unit(name, DesiredState(settings(), Status.OFF, False), traders=leader.traders)
            await journal.commit(unit)
            intent = Unit(name, orders=orders(leader, journal.tag))
            began = time.perf_counter()
            await journal.commit(intent)
            times.append(time.perf_counter() - began)
    return times


def _on_the_wire() -> Iterator[str]:
    """The whole way: a trade or fill decides, the intent is committed, the signed frame is handed to the socket.

    One order at a time, below the exchange's order limit: waiting for others, or for a slot, is not measured.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with simulator("--hold", "--fee", "0") as url, tempfile.TemporaryDirectory(prefix="naived-bench-") as directory:
        waits = trio.run(_traded, url, f"sqlite:///{Path(directory) / 'journal.db'}")
    yield (
        f"{median(waits) * 1e6:8.0f} us from the decision to the order on the wire "
        f"(p99 {quantiles(waits, n=100)[98] * 1e6:.0f} us; {len(waits)} orders)"
    )


async def _traded(url: str, database: str) -> list[float]:
    """Seconds from each decision, when it takes its slot of the order limit, to its frame in the socket."""
    decided = 0.0  # when the newest one was
    waits: list[float] = []

    @asynccontextmanager
    async def timed(address: str) -> AsyncIterator[WebSocket]:
        async with connect(address) as connection:
            send = connection.send

            async def noted(text: str) -> None:
                if "order.place" in text:
                    waits.append(time.perf_counter() - decided)
                await send(text)

            connection.send = noted  # type: ignore[method-assign]
            yield connection

    class Timed(BinanceExchange):
        def admit(self, side: Side) -> int | None:
            nonlocal decided
            timestamp = super().admit(side)
            if timestamp is not None:
                decided = time.perf_counter()
            return timestamp

    async with open_journal(database) as journal:
        exchange = Timed(endpoint(url), credentials("key", "secret"), connect=timed)
        identity = Identity("0.1.0", "bench", 1, 0, "simulator", url, journal.kind)
        signing = Signing(journal.tag, journal.epoch, 5_000, 60_000, None, os.urandom)
        app = await assemble(exchange, journal, identity, signing)
        async with running(app):
            wanted = replace(settings(), profit=parse_rate("0.0001"), rebuy=parse_rate("0.0002"))
            symbol = app.supervisor.configure(_NAME)
            symbol.direct(DesiredState(wanted, Status.ON, keep_buys=False))
            app.supervisor.follow(symbol)
            while not symbol.engine.leader.active:
                await symbol.news.wait()
            async with connect(endpoint(url).api_url) as steering:
                for number in range(_CYCLES * len(_PRICES)):
                    await _print(steering, number, _PRICES[number % len(_PRICES)])
                    await trio.sleep(_PAUSE)
    return waits


async def _print(steering: WebSocket, number: int, price: str) -> None:
    """Have the simulator print one trade."""
    params = {"symbol": _NAME, "price": price, "quantity": "1"}
    await steering.send(msgspec.json.encode({"id": number, "method": "sim.trade", "params": params}).decode())
    await steering.receive()
