"""Which orders are kept for how long, and how news of one reaches its trader or becomes a quarantine."""

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.core.orders.intent import Side
from naived.core.orders.report import Refusal, Refused
from naived.core.orders.state import State
from tests.support.runtime import FENCE, Naived, World


def kept(naived: Naived) -> list[tuple[int, str, int]]:
    orders = naived.symbol().engine.orders.values()
    return [(order.intent.trader, str(order.intent.side), order.intent.seq) for order in orders]


async def test_orders_are_kept_as_long_as_their_trader_lives(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        assert kept(naived) == [(1, "buy", 1), (1, "sell", 1)]
        await naived.trade("3000")
        assert kept(naived) == []


async def test_of_a_traders_orders_the_latest_of_each_side_is_kept(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "2050", "2050")
        assert kept(naived) == [(1, "buy", 2)]
        assert [order["state"] for order in await naived.orders()] == ["cancelled", "open"]


async def test_an_abandoned_buy_is_watched_for_a_day(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        world.exchange.faults.lost_requests = 1
        await naived.trade("2000")
        await naived.until(lambda: naived.phases() == ["waiting"], FENCE + 30)
        await naived.trade("2000", "1990", "3000")
        assert kept(naived) == [(1, "buy", 1)]
        assert naived.symbol().engine.watched
        clock.jump(86_300)  # to sleep for so long would be as many looks of whatever looks each second
        await trio.sleep(99)
        await naived.trade("2000", "1990", "3000")
        assert kept(naived) == []


async def test_a_restart_keeps_the_same_orders(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990", "1980", "1970", "1960")
        before = sorted(kept(naived))
    async with world.naived() as naived:
        assert sorted(kept(naived)) == before


async def test_a_contradiction_quarantines_the_symbol_with_its_evidence(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000")
        order = exchange.open()[0]
        market = exchange.markets["ETHUSDT"]
        exchange.tell(replace(market.state(order), order_id=99))
        assert (naived.state(), naived.reason()) == ("quarantined", "two orders under one id: 1 and 99")
        assert naived.order_states() == ["quarantined"]
        assert naived.state("BTCUSDT") == "trading"
        await naived.trade("1990", "1980")
        assert len(exchange.wire) == 1
    async with world.naived() as naived:
        await trio.sleep(5)
        assert naived.state() == "quarantined"
        assert naived.symbol().engine.quarantined[0].state is State.QUARANTINED
        await naived.ask("resolve", all=True, action="adopt")
        await naived.until(lambda: len(exchange.open(side=Side.SELL)) == 1, 20)
        assert naived.state() == "trading"


async def test_a_self_trade_prevention_mode_is_only_asked_for_where_the_symbol_allows_it(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    market = exchange.markets["BTCUSDT"]
    market.rules = replace(market.rules, buy_stp=None)
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000", "1990")
        await naived.trade("60000", symbol="BTCUSDT")
        assert [request.stp_mode for request in exchange.wire] == ["OF BUYS", "OF SELLS", None]


async def test_the_symbol_grows_by_rebuys_up_to_its_chunks_and_its_budget(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start(chunks=3)
        await naived.trade("2000", "1990", "1980", "1970", "1960", "1950", "1940", "1930")
        assert len(naived.phases()) == 3
        bought = [request for request in world.exchange.wire if request.side is Side.BUY]
        assert len(bought) == 3
        spent = sum(request.price * request.quantity for request in bought) // 10**8
        assert spent <= 1000 * 10**8
        await naived.trade("3000")
        assert naived.symbol().engine.leader.cycles == 3


async def test_a_buy_that_the_price_has_left_behind_is_moved(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "2020")
        assert len(exchange.wire) == 1
        await naived.trade("2020.01", "2021")
        assert [order.intent.price for order in exchange.open()] == [202_079 * 10**6]


async def test_a_refused_sell_does_not_wait_for_as_long_as_the_exchanges_clock_went_back(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange, now = world.exchange, world.exchange.now
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        exchange.faults.refusals.append(Refused(Refusal.CLOCK, -1021, "1000ms ahead of the server's time"))
        monkeypatch.setattr(exchange, "now", lambda: now() + 3_600_000)
        await naived.trade("1990")
        assert naived.phases() == ["holding"]
        monkeypatch.setattr(exchange, "now", now)
        await naived.until(lambda: naived.phases() == ["selling"])
