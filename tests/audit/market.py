"""The exchange's side of the story: public trades on every symbol, and the faults of the switchboard.

Both go over one connection to the simulator, from a thread of their own, for as long as the market is open.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import trio

from naived.core.amount import Price, format_amount, parse_price
from naived.simulator.symbols import built_in_prices, load
from naived.websocket import Closed, ConnectError, WebSocket, connect

_PARTS = 100_000
_STEP = 200  # of so many parts of the price, at most, with each trade
_REACH = 1_500  # how far from its anchor a target may lie
_PAUSE = 0.03  # seconds at most between two trades of any symbol
_RETRY = 0.2  # seconds before a simulator that is not there is tried again

_ANSWERED_NO = (-1003, -1008, -1015, -1016, -1021)  # codes of a request that never reached the engine
_ANYTHING = (-1000, -1001, -1006, -1007)  # codes that say nothing about what was done
_ASKED = ("order.place", "order.place", "order.cancel", "order.status", "myTrades", "openOrders.status", "time")

Arm = dict[str, str | int | float]


def draw(random: Random, longest: float) -> Arm:
    """One fault; what hides or delays an order does so for ``longest`` seconds at most, which the grace covers."""
    method, seconds = random.choice(_ASKED), round(random.uniform(0.1, longest), 3)
    faults: tuple[Arm, ...] = (
        {"kind": "reply_lost", "method": method},
        {"kind": "request_lost", "method": method},
        {"kind": "disconnect", "method": method},
        {"kind": "late", "method": method, "seconds": seconds},
        {"kind": "error", "method": method, "code": random.choice(_ANSWERED_NO + _ANYTHING)},
        {"kind": "error_after", "method": method, "code": random.choice(_ANYTHING)},
        {"kind": "error", "method": "order.status", "code": -2013, "count": random.randint(1, 3)},
        {"kind": "silence", "method": method, "seconds": seconds},
        {"kind": "not_found_lag", "method": "order.place", "seconds": seconds, "count": random.randint(1, 5)},
        {"kind": "balance", "method": "order.place"},
        {"kind": "report_duplicate"},
        {"kind": "report_missing"},
        {"kind": "report_late", "seconds": seconds},
        {"kind": "report_reorder"},
        {"kind": "partial_fills", "count": random.randint(1, 10)},
        {"kind": "manual_cancel"},
        {"kind": "manual_order"},
        {"kind": "server_shutdown", "seconds": seconds},
        {"kind": "halt", "seconds": seconds},
        {"kind": "filters", "seconds": seconds},
    )
    return random.choice(faults)


class Market:
    """Open or closed; ``troubles`` is how often a second a fault is armed while it is open, on average."""

    def __init__(self, url: str, symbols: tuple[str, ...], random: Random, troubles: float, longest: float) -> None:
        listings, _ = load(None)
        self._url = f"{url}/ws-api/v3"
        self._random = random
        self._troubles = troubles
        self._longest = longest
        self._anchors = {symbol: built_in_prices()[symbol] for symbol in symbols}
        self._ticks = {symbol: listings[symbol].info.filters.tick_size for symbol in symbols}
        self._prices = dict(self._anchors)
        self._targets = dict(self._anchors)
        self._open = threading.Event()
        self._closed = threading.Event()
        self._over = threading.Event()
        self._failure: Exception | None = None
        self._calm = False
        self._thread = threading.Thread(target=self._live, name="market")

    def __enter__(self) -> "Market":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def open(self) -> None:
        if self._failure is None:
            self._closed.clear()
        self._open.set()

    @contextmanager
    def calm(self) -> Iterator[None]:
        """It trades on, and no further fault is armed."""
        self._calm = True
        try:
            yield
        finally:
            self._calm = False

    def close(self) -> None:
        """Returns when nothing more comes from here; raises what went wrong meanwhile."""
        self._open.clear()
        assert self._closed.wait(timeout=60), "the market does not close"
        if self._failure is not None:
            raise self._failure

    def _live(self) -> None:
        try:
            trio.run(self._run)
        except Exception as error:
            self._failure = error
            self._closed.set()

    async def _run(self) -> None:
        while not self._over.is_set():
            try:
                async with connect(self._url) as connection:
                    await self._trade(connection)
            except (ConnectError, Closed):
                if not self._open.is_set():
                    self._closed.set()
                await trio.sleep(_RETRY)

    async def _trade(self, connection: WebSocket) -> None:
        random = self._random
        while not self._over.is_set():
            if not self._open.is_set():
                self._closed.set()
                await trio.sleep(_PAUSE)
                continue
            symbol = random.choice(list(self._prices))
            price = format_amount(self._move(symbol))
            await _ask(connection, "sim.trade", {"symbol": symbol, "price": price, "quantity": "1"})
            if not self._calm and random.random() < self._troubles * _PAUSE / 2:
                await _ask(connection, "sim.fault", draw(random, self._longest))
            await trio.sleep(random.uniform(0, _PAUSE))

    def _move(self, symbol: str) -> Price:
        """A step towards a target near the anchor, which is another one when it is reached."""
        random, price, anchor = self._random, self._prices[symbol], self._anchors[symbol]
        step = price * _STEP // _PARTS
        if abs(self._targets[symbol] - price) <= step:
            self._targets[symbol] = Price(anchor + anchor * random.randint(-_REACH, _REACH) // _PARTS)
        drift = step if self._targets[symbol] > price else -step
        tick = self._ticks[symbol]
        moved = Price((price + drift * random.randint(-1, 3) // 3) // tick * tick)
        self._prices[symbol] = moved
        return moved


async def _ask(connection: WebSocket, method: str, params: Arm) -> None:
    await connection.send(json.dumps({"id": 1, "method": method, "params": params}))
    answer: dict[str, Any] = {}
    while "id" not in answer:  # the exchange announces that it will shut down
        answer = json.loads(await connection.receive())
    assert answer["status"] == 200, (method, params, answer)


def just_above(price: str, symbol: str) -> str:
    """The next price above this one."""
    listings, _ = load(None)
    return format_amount(parse_price(price) + listings[symbol].info.filters.tick_size)
