"""Coins that symbols of other nodes hold count as theirs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

from msgspec.structs import replace
from trio.testing import MockClock

from naived.core.amount import Quantity
from naived.core.orders.intent import Side
from naived.core.orders.report import OrderStatus
from naived.core.strategy.leader_events import Activated
from naived.core.strategy.trader_state import position
from naived.database.cluster import SqlCluster, Transactions
from naived.database.engine import Role, open_engine, parse_url
from naived.database.leases import Seat
from naived.database.reader import Reader
from naived.nodes import Cluster, Member
from naived.ports import SymbolRecord
from naived.runtime.elsewhere import Elsewhere, shadow
from naived.runtime.fee_losses import owners
from tests.support.runtime import World


@contextmanager
def alongside(world: World) -> Iterator[SqlCluster]:
    """What another node, of which nothing is running, would ask."""
    url = parse_url(world.url)
    engine = open_engine(url, Role.READ)
    seat = Seat(Member("beta", "", 30_000), 0, world.exchange.now)
    reader = Reader(url, engine, threads=False)
    try:
        yield SqlCluster(Transactions(engine, threads=False), seat, reader)
    finally:
        reader.close()
        engine.dispose()


async def test_what_another_node_holds_of_a_coin_is_read_and_nothing_can_be_done_with_it(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000", "1990")
        assert naived.phases() == ["selling"]
        context = naived.symbol().context
        with alongside(world) as cluster:
            assert await cluster.others({"USDT", "BTC"}, {"BTCUSDT"}) == []
            (record,) = await cluster.others({"ETH"}, {"BTCUSDT"})
        there = shadow(record, context)
        ((other, trader),) = owners({"ETHUSDT": there}, naived.symbol())
        assert other is there
        assert position(trader) == position(naived.traders()[0])
        assert there.exposed == naived.symbol().exposed
        assert there.offer(Activated()) is None
        assert not there.engine.leader.active
        assert not there.queue


async def test_only_symbols_of_others_are_kept(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        context = naived.symbol().context
        ours = {"BTCUSDT": naived.symbol("BTCUSDT")}
        with alongside(world) as cluster:
            found = Elsewhere(cluster, ours, lambda record: shadow(record, context))
            found.symbols["BTCUSDT"] = naived.symbol("BTCUSDT")  # it was another node's until now
            await found.read()
            assert found.symbols == {}


async def test_a_symbol_that_was_given_away_counts_as_it_was_until_it_is_read(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        given, context = naived.symbol("ETHUSDT"), naived.symbol("ETHUSDT").context
        ours = {"BTCUSDT": naived.symbol("BTCUSDT"), "ETHUSDT": given}
        with alongside(world) as cluster:

            async def others(*asked: Any) -> Sequence[SymbolRecord]:
                if "ETHUSDT" in ours:  # it was still ours when this reading began
                    found.keep(ours.pop("ETHUSDT"))
                return await cluster.others(*asked)

            reading = cast(Cluster, SimpleNamespace(others=others))
            found = Elsewhere(reading, ours, lambda record: shadow(record, context))
            await found.read()
            assert found.symbols == {"ETHUSDT": given}
            await found.read()
            assert found.symbols == {}  # it has no coin in common with what is ours


async def test_a_buy_that_a_report_told_of_counts_as_coins_until_its_row_is_read(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start("ETHUSDT")
        await naived.trade("2000")
        (buy,) = naived.exchange.open()
        report = naived.exchange.markets["ETHUSDT"].state(buy)
        with alongside(world) as cluster:
            found = Elsewhere(cluster, {}, lambda record: shadow(record, naived.symbol().context))
            found.heard(report)
            found.heard(replace(report, client_order_id="another", side=Side.SELL))
            assert (found.coming("ETH"), found.coming("BTC")) == (report.quantity, 0)
            found.heard(replace(report, status=OrderStatus.CANCELED, executed=Quantity(3)))
            assert found.coming("ETH") == 3
            await found.read()
            assert found.coming("ETH") == 0
        assert found.named == {"ETHUSDT"}
