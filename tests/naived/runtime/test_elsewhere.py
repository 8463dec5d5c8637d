"""Coins that symbols of other nodes hold count as theirs."""

from collections.abc import Iterator
from contextlib import contextmanager

from trio.testing import MockClock

from naived.core.strategy.leader_events import Activated
from naived.core.strategy.trader_state import position
from naived.database.cluster import SqlCluster, Transactions
from naived.database.engine import Role, open_engine, parse_url
from naived.database.leases import Seat
from naived.database.reader import Reader
from naived.nodes import Member
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
