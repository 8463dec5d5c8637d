"""Paper trading end to end: one simulator stands for the real exchange, another one fills the orders."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
from msgspec.structs import replace

from naived import daemon, paper
from naived.binance.endpoint import simulator
from naived.binance.signing import credentials
from naived.core.amount import parse_price, parse_quantity
from naived.paper import PaperExchange
from naived.simulator.server import Simulation, SimulatorConfig, simulate
from naived.websocket import WebSocket, connect
from tests.support.daemon import Document, Naived, configured, naived, until
from tests.support.simulator import ETH, api, running

NEW = {**ETH.row, "symbol": "NEWUSDT", "baseAsset": "NEW"}
RULES = {"symbols": [ETH.row, NEW]}
PRICE = "2000"
BOUGHT_AT = "1999.8"  # a ten-thousandth below


class Source:
    """The exchange that prices and rules come from; it may close and open again at its address."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._scope = trio.CancelScope()
        self._port = 0
        self._over = trio.Event()
        self.simulation: Simulation

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port}"

    async def open(self, **config: Any) -> None:
        wanted = SimulatorConfig(**{"fed": True, "exchange_info": RULES, **config})
        self.simulation = await self._nursery.start(self._run, wanted)
        self._port = int(self.simulation.url.rpartition(":")[2])

    async def _run(self, config: SimulatorConfig, task_status: trio.TaskStatus[Simulation]) -> None:
        over = self._over = trio.Event()
        with trio.CancelScope() as self._scope:
            await simulate(config, port=self._port, task_status=task_status)
        over.set()

    async def close(self) -> None:
        self._scope.cancel()
        await self._over.wait()

    def publish(self, price: str, symbol: str = "ETHUSDT") -> None:
        self.simulation.publish(symbol, parse_price(price), parse_quantity("1"))


@pytest.fixture
async def source(nursery: trio.Nursery) -> Source:
    source = Source(nursery)
    await source.open()
    return source


@asynccontextmanager
async def trading(home: Path, source: Source) -> AsyncIterator[Naived]:
    """Paper trading is ready."""
    async with naived(configured(home, exchange="paper", exchange_url=source.url)) as running_:
        await running_.ready()
        yield running_


async def told(running_: Naived, source: Source, price: str, symbol: str = "ETHUSDT") -> None:
    """Publish a trade at the source until ``status`` has its price."""

    async def heard() -> bool:
        source.publish(price, symbol)
        (entry,) = (await running_.ask("status", symbol))["symbols"]
        return entry["last_price"] == price

    await until(heard)


async def states(running_: Naived, symbol: str = "ETHUSDT") -> list[tuple[str, str]]:
    return [(order["side"], order["state"]) for order in await running_.orders(symbol)]


async def reaches(running_: Naived, *expected: tuple[str, str], symbol: str = "ETHUSDT") -> None:
    async def there() -> bool:
        return await states(running_, symbol) == list(expected)

    await until(there)


async def bought(running_: Naived, source: Source) -> Document:
    """Start, and let a buy rest; its row."""
    assert (await running_.do("start", chunks=1))["state"] == "trading"
    await told(running_, source, PRICE)
    await reaches(running_, ("buy", "open"))
    (buy,) = await running_.orders()
    assert buy["price"] == BOUGHT_AT
    return buy


async def test_the_sources_prices_fill_orders_that_are_never_sent_to_it(home: Path, source: Source) -> None:
    async with trading(home, source) as running_, api(source.simulation) as client:
        await bought(running_, source)
        await told(running_, source, "1999")
        await reaches(running_, ("buy", "filled"), ("sell", "open"))
        await told(running_, source, "2100")

        async def cycles() -> list[Document]:
            found: list[Document] = (await running_.ask("trades", "ETHUSDT"))["trades"]
            return found

        (cycle,) = await until(cycles)
        assert Decimal(cycle["profit"]) > 0
        ledger = await client.get("sim.ledger")
        assert (ledger["orders"], ledger["fills"]) == ([], [])


async def test_a_symbol_trades_by_the_rules_of_the_source(home: Path, source: Source) -> None:
    coarse = [{**item, "tickSize": "5"} if "tickSize" in item else item for item in ETH.row["filters"]]
    source.simulation.list({**ETH.row, "filters": coarse})
    async with trading(home, source) as running_:
        await running_.do("start")
        await told(running_, source, PRICE)
        await reaches(running_, ("buy", "open"))
        (buy,) = await running_.orders()
        assert buy["price"] == "1995"


async def test_a_symbol_that_the_source_does_not_list_is_unknown(home: Path, source: Source) -> None:
    async with trading(home, source) as running_:
        assert (await running_.do("start", "BTCUSDT"))["error"]["kind"] == "unknown_symbol"
        assert (await running_.ask("status"))["symbols"] == []


async def test_a_symbol_whose_rules_cannot_be_simulated_does_not_affect_others(home: Path, source: Source) -> None:
    odd = [{**item, "minQty": "1e-9"} if "minQty" in item else item for item in NEW["filters"]]
    async with trading(home, source) as running_:
        await running_.do("start")
        await running_.do("start", "NEWUSDT")

    row = {**NEW, "filters": odd}
    real = paper.symbol_rows

    async def read(url: str, names: Collection[str], connect_noted: Any) -> Any:
        rows = await real(url, names, connect_noted)
        return {name: row if name == "NEWUSDT" else rows[name] for name in rows}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paper, "symbol_rows", read)
        async with trading(home, source) as running_:
            assert (await running_.do("wait", **{"for": "trading"}))["error"] is None

            async def faulted() -> bool:
                (entry,) = (await running_.ask("status", "NEWUSDT"))["symbols"]
                return entry["state"] == "faulted"

            await until(faulted)


async def test_without_the_source_start_answers_that_it_is_unavailable(home: Path, source: Source) -> None:
    async with trading(home, source) as running_:
        await source.close()
        error = (await running_.do("start"))["error"]
        assert error["kind"] == "exchange_unavailable"
        assert "the source of prices did not answer" in error["message"]


async def test_after_the_source_came_back_resting_orders_fill(home: Path, source: Source) -> None:
    async with trading(home, source) as running_:
        await bought(running_, source)
        await source.close()
        await source.open()
        await told(running_, source, "1999")
        await reaches(running_, ("buy", "filled"), ("sell", "open"))


async def test_the_resting_order_of_a_stopped_symbol_fills(home: Path, source: Source) -> None:
    async with trading(home, source) as running_:
        await bought(running_, source)
        (resting,) = (await running_.do("stop"))["open_orders"]
        assert resting["side"] == "buy"

        async def filled() -> bool:
            source.publish("1999")
            return await states(running_) == [("buy", "filled")]

        await until(filled)
        assert (await running_.do("start"))["state"] == "trading"
        await reaches(running_, ("buy", "filled"), ("sell", "open"))


@pytest.mark.parametrize("verb", ["stop", None], ids=["stopped", "trading"])
async def test_an_order_that_rested_before_a_restart_rests_and_fills_after_it(
    home: Path, source: Source, verb: str | None
) -> None:
    async with trading(home, source) as running_:
        before = await bought(running_, source)
        if verb is not None:
            await running_.do(verb)
    async with trading(home, source) as running_:
        (after,) = await running_.orders()
        assert (after["order_id"], after["state"]) == (before["order_id"], "open")

        async def filled() -> bool:
            source.publish("1999")
            return (await states(running_))[0] == ("buy", "filled")

        await until(filled)


async def test_after_a_restart_without_the_source_naived_is_degraded_until_it_is_there(
    home: Path, source: Source
) -> None:
    async with trading(home, source) as running_:
        before = await bought(running_, source)
    await source.close()
    async with naived(configured(home, exchange="paper", exchange_url=source.url)) as running_:
        await until(running_.config.socket.exists)

        async def degraded() -> bool:
            document = await running_.ask("status")
            states = document["daemon"]["state"], document["symbols"][0]["state"]
            reason = document["symbols"][0]["reason"] or ""
            return states == ("degraded", "degraded") and "the source of prices did not answer" in reason

        await until(degraded)
        await source.open()
        await running_.ready()
        assert (await running_.do("wait", **{"for": "trading"}))["error"] is None
        (after,) = await running_.orders()
        assert (after["order_id"], after["state"]) == (before["order_id"], "open")
        await told(running_, source, "1999")
        await reaches(running_, ("buy", "filled"), ("sell", "open"))


@asynccontextmanager
async def exchange(connected: list[str]) -> AsyncIterator[tuple[PaperExchange, Simulation]]:
    """The adapter alone with its session up, and its source; every address to which it connects is noted."""

    @asynccontextmanager
    async def connect_noted(url: str) -> AsyncIterator[WebSocket]:
        connected.append(url)
        async with connect(url) as connection:
            yield connection

    class Quiet:
        def trade(self, *_: object) -> None: ...
        def lost(self, *_: object) -> None: ...
        def report(self, *_: object) -> None: ...
        def opened(self) -> None:
            up.set()

        def closed(self, *_: object) -> None: ...

    up = trio.Event()
    async with running(exchange_info=RULES) as there, running(exchange_info={"symbols": []}) as inside:
        adapter = PaperExchange(inside, simulator(there.url), credentials("key", "secret"), connect=connect_noted)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(adapter.run, Quiet())
            await up.wait()
            yield adapter, there
            nursery.cancel_scope.cancel()


async def test_rules_are_read_again_when_they_are_a_minute_old(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[str] = []
    async with exchange(connected) as (adapter, there):
        asked = partial(connected.count, simulator(there.url).api_url)
        listed = replace(ETH.info, buy_stp="EXPIRE_TAKER", sell_stp="EXPIRE_MAKER")
        assert await adapter.symbols(["ETHUSDT", "NOSUCH"]) == {"ETHUSDT": listed}
        await adapter.symbols(["ETHUSDT"])
        assert asked() == 1
        there.list({**ETH.row, "status": "HALT"})
        assert (await adapter.symbols(["ETHUSDT"]))["ETHUSDT"].trading
        monkeypatch.setattr(paper, "_FRESH", 0)
        assert not (await adapter.symbols(["ETHUSDT"]))["ETHUSDT"].trading
        assert asked() == 2


async def test_an_unreadable_trade_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as simulation, api(simulation) as client:
        trades = paper._TradeSink(simulation, daemon._Unheard())
        with structlog.testing.capture_logs() as records:
            trades.trade("ETHUSDT", 1, parse_price("2000"), "a lot", 0)
        trades.trade("ETHUSDT", 2, parse_price("2001"), "1.5", 0)
        assert [record["log_level"] for record in records] == ["warning"]
        assert (await client.get("ticker.price", symbol="ETHUSDT"))["price"] == "2001.00000000"
