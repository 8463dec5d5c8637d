"""Orders, listings and a running simulator for the simulator's tests."""

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import trio

from naived.core.amount import Money, parse_amount, parse_price, parse_quantity, parse_rate
from naived.core.orders.intent import Side
from naived.simulator.exchange import Exchange
from naived.simulator.ledger import Ledger
from naived.simulator.order import NewOrder, OrderType, StpMode, TimeInForce
from naived.simulator.server import Simulation, SimulatorConfig, simulate
from naived.simulator.symbols import load
from naived.websocket import WebSocket, connect

DATA = Path(__file__).parent.parent.parent.parent / "shared" / "data"
NOW = 1_795_000_000_000
PATIENCE = 5  # seconds a real socket may take

ETH = load(None)[0]["ETHUSDT"]


def new(side: str, price: str, quantity: str, **changes: Any) -> NewOrder:
    """A LIMIT GTC order on ETHUSDT."""
    values: dict[str, Any] = {
        "symbol": "ETHUSDT",
        "side": Side(side),
        "type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "price": parse_price(price),
        "quantity": parse_quantity(quantity),
        "quote_quantity": Money(0),
        "client_order_id": f"{side}-{price}-{quantity}",
        "stp_mode": StpMode.EXPIRE_MAKER,
    }
    return NewOrder(**values | changes)


def exchange(
    ledger: Ledger | None = None,
    *,
    fee: str = "0.001",
    clock: Callable[[], int] = lambda: NOW,
    partly: Callable[[str], bool] = lambda symbol: False,
    **balances: str,
) -> Exchange:
    """An engine with the built-in symbols; 100000 USDT unless told."""
    amounts = {asset: parse_amount(text) for asset, text in (balances or {"USDT": "100000"}).items()}
    return Exchange(load(None)[0], ledger or Ledger(None, 7, amounts), parse_rate(fee), clock=clock, partly=partly)


def print_trade(engine: Exchange, price: str, quantity: str = "1") -> None:
    engine.trade("ETHUSDT", parse_price(price), parse_quantity(quantity))


class Client:
    """A WebSocket API client: one request at a time; what comes without an id is kept in ``events``."""

    def __init__(self, connection: WebSocket) -> None:
        self.connection = connection
        self.events: list[dict[str, Any]] = []
        self._count = 0

    async def send(self, name: str, /, **params: Any) -> int:
        self._count += 1
        await self.connection.send(json.dumps({"id": self._count, "method": name, "params": params}))
        return self._count

    async def receive(self) -> dict[str, Any]:
        with trio.fail_after(PATIENCE):
            frame: dict[str, Any] = json.loads(await self.connection.receive())
        return frame

    async def answer(self, number: int) -> dict[str, Any]:
        while True:
            frame = await self.receive()
            if "event" in frame:
                self.events.append(frame["event"])
            elif frame["id"] == number:
                return frame

    async def next_answer(self, name: str) -> dict[str, Any]:
        """The first answer after a request that may have none, and another one that has."""
        await self.send(name)
        frame = await self.receive()
        assert "id" in frame
        return frame

    async def ask(self, name: str, /, **params: Any) -> dict[str, Any]:
        """The whole answer."""
        return await self.answer(await self.send(name, **params))

    async def get(self, name: str, /, **params: Any) -> Any:
        """The result of a request that must succeed."""
        answer = await self.ask(name, **params)
        assert answer["status"] == 200, answer
        return answer["result"]

    async def fail(self, name: str, /, **params: Any) -> tuple[int, int, str]:
        """Status, code and text of a request that must fail."""
        answer = await self.ask(name, **params)
        error = answer["error"]
        return answer["status"], error["code"], error["msg"]

    async def event(self) -> dict[str, Any]:
        """The next pushed event."""
        while not self.events:
            frame = await self.receive()
            if "event" in frame:
                self.events.append(frame["event"])
        return self.events.pop(0)


def signed(**params: Any) -> dict[str, Any]:
    """What any key may send where signatures are not checked."""
    return {"apiKey": "any", "signature": "any", "timestamp": time.time_ns() // 1_000_000, **params}


def limit(side: str, price: str, quantity: str, **params: Any) -> dict[str, Any]:
    """The parameters of a LIMIT order on ETHUSDT."""
    terms = {"symbol": "ETHUSDT", "side": side, "type": "LIMIT", "timeInForce": "GTC"}
    return signed(**terms, price=price, quantity=quantity, **params)


@asynccontextmanager
async def running(**config: Any) -> AsyncIterator[Simulation]:
    """A simulator that publishes only what it is fed."""
    clock = {"clock": config.pop("clock")} if "clock" in config else {}
    wanted = SimulatorConfig(**{"fed": True, "speed": Fraction(1), **config})
    async with trio.open_nursery() as nursery:
        yield await nursery.start(partial(simulate, wanted, **clock))
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def api(simulation: Simulation, query: str = "") -> AsyncIterator[Client]:
    async with connect(f"{simulation.url}/ws-api/v3{query}") as connection:
        yield Client(connection)
