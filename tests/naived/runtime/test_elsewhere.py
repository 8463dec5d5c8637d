"""Coins that symbols of other nodes hold count as theirs."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import trio
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
from naived.runtime.symbol_task import Symbol, blank
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


class Slow:
    """A ``Cluster`` of which each reading takes a second; it answers as it was when the reading began."""

    def __init__(self, *records: SymbolRecord) -> None:
        self.records = list(records)
        self.readings = 0

    async def others(self, assets: Collection[str], ours: Collection[str]) -> Sequence[SymbolRecord]:
        self.readings += 1
        found = list(self.records)
        await trio.sleep(1)
        return found


async def test_what_many_count_at_the_same_time_is_read_once_and_never_before_they_asked(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        context = naived.symbol().context
        ours = {"ETHUSDT": naived.symbol()}
        cluster = Slow()
        found = Elsewhere(cast(Cluster, cluster), ours, lambda record: shadow(record, context))
        seen: list[int] = []

        async def count() -> None:
            await found.read()
            seen.append(len(found.symbols))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(count)
            await trio.sleep(0.5)
            assert cluster.readings == 1
            cluster.records.append(blank("ETHBTC"))  # it is written while they read
            for _ in range(20):
                nursery.start_soon(count)
        assert cluster.readings == 2
        assert seen == [0] * 20 + [1] * 20


async def test_others_have_their_turn_while_many_symbols_are_made_and_those_whose_rows_are_the_same_are_kept(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        context = naived.symbol().context
        cluster = Slow(*(blank(f"A{number:03}BTC") for number in range(100)))
        made: list[str] = []
        turns: set[int] = set()
        began = trio.Event()

        def make(record: SymbolRecord) -> Symbol:
            began.set()
            made.append(record.symbol)
            return shadow(record, context)

        async def other() -> None:
            await began.wait()
            while len(made) < 100:
                turns.add(len(made))
                await trio.lowlevel.checkpoint()

        found = Elsewhere(cast(Cluster, cluster), {"ETHUSDT": naived.symbol()}, make)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            nursery.start_soon(found.read)
        assert len(made) == 100
        assert len(turns) >= 2
        first = dict(found.symbols)
        cluster.records[7] = replace(cluster.records[7], cycles=1)
        await found.read()
        assert made[100:] == ["A007BTC"]
        assert [name for name, symbol in found.symbols.items() if symbol is not first[name]] == ["A007BTC"]


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
