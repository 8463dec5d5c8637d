"""A user data stream that says nothing although its connection lives is noticed by orders that changed."""

from types import SimpleNamespace
from typing import cast

import trio
from trio.testing import MockClock

from naived.core.orders.report import OrderStatus
from naived.runtime.session import Session
from naived.runtime.untold import Untold
from tests.support.exchange import ExchangeDouble
from tests.support.runtime import Naived, World

PASS = 60  # seconds between two reconciliations
SILENT = "the user data stream said nothing of ETHUSDT order {}: its connection is replaced"


def trade_unheard(exchange: ExchangeDouble, *prices: str) -> None:
    exchange.faults.held = True
    for price in prices:
        exchange.trade(price)
    exchange.forget_reports()
    exchange.faults.held = False


def told(naived: Naived) -> list[str]:
    return [event["message"] for event in naived.events.after(0, 1000) if event["kind"] == "exchange"]


async def buying(naived: Naived) -> None:
    """A buy rests, and was compared."""
    await naived.start()
    await naived.trade("2000")
    await trio.sleep(PASS + 5)
    assert naived.phases() == ["buying"]


async def test_a_fill_that_only_a_query_tells_of_replaces_the_connection(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await buying(naived)
        trade_unheard(world.exchange, "1990")
        (order,) = world.exchange.markets["ETHUSDT"].orders
        await trio.sleep(PASS)
        assert naived.phases() == ["selling"]
        assert world.exchange.renewed == [SILENT.format(order.id)]
        assert told(naived)[-1] == SILENT.format(order.id)
        await trio.sleep(5 * PASS)
        assert len(world.exchange.renewed) == 1


async def test_a_part_of_an_open_order_is_noticed_too(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await buying(naived)
        market = world.exchange.markets["ETHUSDT"]
        (order,) = market.orders
        market.fill(order, order.rest // 2, order.intent.price, world.exchange.now())
        market.outbox.clear()
        await trio.sleep(PASS)
        assert world.exchange.renewed == [SILENT.format(order.id)]


async def test_an_end_without_a_fill_is_noticed_too(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await buying(naived)
        market = world.exchange.markets["ETHUSDT"]
        (order,) = market.orders
        market.end(order, OrderStatus.CANCELED, world.exchange.now())
        market.outbox.clear()
        await trio.sleep(PASS)
        assert world.exchange.renewed == [SILENT.format(order.id)]


async def test_an_answer_that_lagged_behind_the_outage_is_no_silence(world: World, clock: MockClock) -> None:
    """It happened before the first comparison of this session, which did not see it yet."""
    async with world.naived() as naived:
        await buying(naived)
        market = world.exchange.markets["ETHUSDT"]
        (order,) = market.orders
        market.fill(order, order.rest, order.intent.price, world.exchange.now())
        untold = Untold(world.exchange, cast(Session, SimpleNamespace(silent=None)))
        await trio.sleep(20)
        for compared, renewals in ((world.exchange.now(), 0), (order.changed, 1)):
            untold.compared([naived.symbol()], compared)
            untold.read(naived.symbol(), market.state(order))
            untold.compared([naived.symbol()], compared)
            assert len(world.exchange.renewed) == renewals


async def test_a_slow_comparison_and_a_symbol_that_failed_are_no_silence(world: World, clock: MockClock) -> None:
    """An order that was told while others were asked for; one that the symbol cannot take in any more."""
    async with world.naived() as naived:
        await buying(naived)
        symbol, market = naived.symbol(), world.exchange.markets["ETHUSDT"]
        untold = Untold(world.exchange, cast(Session, SimpleNamespace(silent=None)))
        untold.compared([symbol], world.exchange.now())
        (order,) = market.orders
        await naived.trade("1990")
        sell = market.orders[1]
        market.fill(sell, sell.rest, sell.intent.price, world.exchange.now())
        await trio.sleep(20)
        untold.read(symbol, market.state(order))
        symbol.failed = ValueError("a bug")
        untold.read(symbol, market.state(sell))
        untold.compared([symbol], world.exchange.now())
        assert world.exchange.renewed == []
        symbol.failed = None


async def test_what_is_told_or_was_not_the_streams_to_tell_replaces_nothing(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await buying(naived)
        await naived.trade("1990", "2010", "1990")
        await trio.sleep(5 * PASS)
        world.exchange.go_away()
        trade_unheard(world.exchange, "1980")
        await trio.sleep(20)
        world.exchange.come_back()
        await trio.sleep(5 * PASS)
    trade_unheard(world.exchange, "1970", "2010")
    await trio.sleep(20)
    async with world.naived() as naived:
        await trio.sleep(5 * PASS)
    assert world.exchange.renewed == []


async def test_a_report_that_may_still_come_is_waited_for(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await buying(naived)
        market = world.exchange.markets["ETHUSDT"]
        world.exchange.faults.held = True
        world.exchange.asked.clear()
        await naived.until(lambda: "open_orders" in world.exchange.asked, PASS)
        await trio.sleep(PASS - 5)
        world.exchange.trade("1990")
        await trio.sleep(10)
        assert naived.phases() == ["selling"]
        assert market.orders[0].executed
        assert world.exchange.renewed == []
