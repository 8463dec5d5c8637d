"""A person ends a quarantine: of orders whose traders had gone on, and of coins that are lost in several places."""

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.core.amount import Amount, Quantity, parse_money
from naived.core.orders.intent import Side
from naived.core.strategy.summary import owned
from naived.core.strategy.trader_state import position
from naived.ports import AccountInfo, Balance
from tests.support.exchange import EVERYWHERE
from tests.support.runtime import FENCE, NO_BALANCE, Naived, World

COIN = 100_000_000


def gained(world: World) -> int:
    """What the exchange's books say that was earned."""
    return world.exchange.markets["ETHUSDT"].quote - parse_money("100000")


@pytest.mark.parametrize("part", [1, 2])
async def test_a_buy_that_appears_beside_the_next_one_is_quarantined_and_its_coins_are_sold(
    world: World, clock: MockClock, part: int
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start(chunks=1)
        exchange.faults.lost_replies, exchange.faults.hidden, exchange.faults.held = 1, EVERYWHERE, True
        await naived.trade("2000")
        exchange.forget_reports()
        await naived.until(lambda: naived.phases() == ["waiting"], FENCE + 30)
        exchange.faults.held = False
        await naived.trade("2001")
        late, successor = exchange.orders()
        exchange.faults.hidden = frozenset()
        exchange.fill(late, late.rest // part)
        await trio.sleep(1)
        assert naived.reason() == "abandoned, and yet order 1 was filled"
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "quarantined")
        assert (await naived.ask("resolve", all=True, action="adopt"))["message"] == "1 resolved"
        await naived.until(lambda: naived.phases() == ["buying", "selling"])
        await naived.until(lambda: exchange.open(side=Side.BUY) == [successor])
        assert owned(naived.symbol().engine.leader).quantity == exchange.markets["ETHUSDT"].base
        await naived.trade("2100")
        await naived.until(lambda: naived.symbol().engine.leader.cycles == 1)
        assert exchange.markets["ETHUSDT"].base == owned(naived.symbol().engine.leader).quantity


async def contradicted(naived: Naived, world: World, kind: str) -> None:
    """A buy ended, and its coins are offered; then the exchange tells something else of it."""
    exchange = world.exchange
    await naived.start(chunks=1)
    await naived.trade("2000")
    (buy,) = exchange.open()
    if kind == "another order":
        await naived.trade("1990")
        exchange.tell(replace(exchange.markets["ETHUSDT"].state(buy), order_id=77))
    else:
        exchange.fill(buy, buy.rest // 2)
        exchange.cancel_by_hand(buy)
        await trio.sleep(1)
        report = exchange.markets["ETHUSDT"].state(buy)
        exchange.tell(replace(report, executed=Quantity(report.executed + COIN // 100)))
    assert (naived.state(), naived.phases()) == ("quarantined", ["selling"])


@pytest.mark.parametrize("action", ["adopt", "ignore"])
@pytest.mark.parametrize("kind", ["another order", "more executed"])
async def test_what_an_order_did_before_it_ended_is_booked_once(
    world: World, clock: MockClock, kind: str, action: str
) -> None:
    async with world.naived() as naived:
        await contradicted(naived, world, kind)
        result = await naived.ask("resolve", all=True, action=action)
        assert (result["message"].partition(";")[0], result["state"]) == ("1 resolved", "trading")
        unknown = action == "ignore" and kind == "more executed"
        assert [(each["asset"], each["quantity"]) for each in result["lost"]] == [("USDT", "499.95")] * unknown
        await trio.sleep(65)
        assert naived.phases() == ["selling"]
        await naived.trade("2100")
        await naived.until(lambda: naived.symbol().engine.leader.cycles == 1)
        leader = naived.symbol().engine.leader
        assert leader.profit == gained(world) + sum(lot.cost for lot in leader.lots)
        assert sum(lot.quantity for lot in leader.lots) == world.exchange.markets["ETHUSDT"].base


async def test_a_sell_that_was_given_up_and_executed_late_is_its_traders(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start(chunks=1)
        await naived.trade("2000")
        exchange.faults.lost_requests = 1
        await naived.trade("1990")
        await trio.sleep(1)
        (sell,) = [each for each in naived.symbol().engine.orders.values() if each.intent.side is Side.SELL]
        await naived.ask("stop", cancel="all", timeout="60s")
        await naived.until(lambda: naived.phases() == ["holding"], 60)
        market = exchange.markets["ETHUSDT"]
        market.place(sell.client_order_id, sell.intent, sell.intent.price, exchange.now())
        market.trade(sell.intent.price + 1, exchange.now())
        exchange.flush()
        assert naived.reason() == "abandoned, and yet order 2 was filled"
        await naived.ask("resolve", all=True, action="adopt")
        await naived.until(lambda: not naived.traders())
        leader = naived.symbol().engine.leader
        assert (leader.profit, leader.owed.quantity, market.base) == (gained(world), 0, 0)
        assert (await naived.ask("forget"))["error"] is None


@pytest.mark.parametrize("action", ["adopt", "ignore"])
async def test_a_sell_that_was_refused_and_exists_all_the_same_is_its_traders_or_written_off(
    world: World, clock: MockClock, action: str
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start(chunks=1)
        await naived.trade("2000")
        exchange.faults.lies = [NO_BALANCE]
        exchange.on_place = lambda _: setattr(exchange.faults, "held", True)
        await naived.trade("1990")
        await trio.sleep(0.1)
        exchange.faults.held = False
        exchange.release()
        await trio.sleep(0.5)
        assert naived.reason() == "refused, and yet order 2 exists"
        result = await naived.ask("resolve", all=True, action=action)
        assert result["message"].startswith("1 resolved")
        assert [each["quantity"] for each in result["lost"]] == ([] if action == "adopt" else ["0.4995"])
        await trio.sleep(65)
        assert naived.phases() == (["selling"] if action == "adopt" else ["waiting"])
        await naived.trade("2100")
        await trio.sleep(1)
        leader = naived.symbol().engine.leader
        assert exchange.markets["ETHUSDT"].base == 0
        assert leader.profit == (gained(world) if action == "adopt" else -parse_money("999.9"))
        assert len(exchange.orders(side=Side.SELL)) == 1


async def test_coins_that_are_written_off_are_not_sold_by_a_sell_that_waits_for_its_turn(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    market = exchange.markets["ETHUSDT"]
    async with world.naived() as naived:
        await naived.start(chunks=1)
        await naived.trade("2000")
        market.base -= COIN // 5
        await naived.trade("1990")
        exchange.throttled_until = exchange.now() + 60_000
        await trio.sleep(5)
        market.base -= COIN // 10
        await naived.ask("resolve", all=True, action="ignore")
        market.base += COIN
        await naived.until(lambda: bool(exchange.open(side=Side.SELL)), 90)
        (sell,) = exchange.open(side=Side.SELL)
        (trader,) = naived.traders()
        assert sell.intent.quantity == position(trader).quantity == market.base - COIN
        await naived.trade("2100")
        await trio.sleep(1)
        assert (market.base, naived.symbol().engine.leader.owed.quantity) == (COIN, 0)


async def test_coins_of_a_sell_in_quarantine_are_none_of_those_that_are_missing(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    market = exchange.markets["ETHUSDT"]
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990", "1980")
        (first,) = exchange.open(side=Side.SELL)
        await naived.ask("stop")
        await naived.trade("1970")
        await trio.sleep(1)
        market.base -= market.free_base
        await naived.ask("start")
        exchange.tell(replace(market.state(first), order_id=77))
        exchange.faults.held = True
        exchange.fill(first, first.rest)
        exchange.forget_reports()
        exchange.faults.held = False
        await naived.ask("start")
        result = await naived.ask("resolve", all=True, action="ignore")
        assert [each["trader"] for each in result["lost"]] == ["ETHUSDT-1", None]
        await trio.sleep(65)
        assert (naived.state(), owned(naived.symbol().engine.leader).quantity) == ("trading", market.base)


async def test_coins_that_are_written_off_with_a_hold_are_not_missing_any_more(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990", "1980", "1970")
        first, second = naived.traders()[:2]
        exchange.cancel_by_hand(exchange.open(side=Side.SELL)[0])
        await trio.sleep(1)
        await naived.ask("stop", cancel="all")
        exchange.markets["ETHUSDT"].base -= position(first).quantity
        await naived.ask("start")
        result = await naived.ask("resolve", all=True, action="ignore")
        assert [each["trader"] for each in result["lost"]] == [first.id]
        await naived.until(lambda: owned(naived.symbol().engine.leader).quantity >= position(second).quantity)
        assert owned(naived.symbol().engine.leader).quantity == exchange.markets["ETHUSDT"].base


async def test_coins_are_written_off_once_where_two_symbols_have_them(world: World, clock: MockClock) -> None:
    exchange, there = world.exchange, [0]
    markets = exchange.markets
    markets["BTCUSDT"].rules = replace(markets["BTCUSDT"].rules, base="ETH")
    asked = exchange.account

    async def account() -> AccountInfo:
        info = await asked()
        locked = sum(each.locked_base for each in markets.values())
        free = sum(each.base for each in markets.values()) - locked - there[0]
        return replace(info, balances={**info.balances, "ETH": Balance(Amount(free), Amount(locked))})

    exchange.account = account  # type: ignore[method-assign]
    async with world.naived() as naived:
        for name in ("ETHUSDT", "BTCUSDT"):
            await naived.start(name, chunks=1)
            await naived.trade("2000", "1990", symbol=name)
            await naived.ask("stop", name, cancel="all")
        there[0] = COIN // 10
        for name in ("ETHUSDT", "BTCUSDT"):
            await naived.ask("start", name)
        answered = naived.journal.answered

        async def slowly(request_id: str) -> str | None:
            await trio.sleep(0.1)
            return await answered(request_id)

        naived.journal.answered = slowly  # type: ignore[method-assign]
        async with trio.open_nursery() as nursery:
            for name in ("ETHUSDT", "BTCUSDT"):
                nursery.start_soon(ignore, naived, name)
        kept = sum(owned(naived.symbol(name).engine.leader).quantity for name in ("ETHUSDT", "BTCUSDT"))
        assert kept == sum(each.base for each in markets.values()) - there[0]


async def ignore(naived: Naived, name: str) -> None:
    await naived.ask("resolve", name, all=True, action="ignore", request_id=name)
