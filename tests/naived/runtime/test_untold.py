"""A user data stream that says nothing although its connection lives is noticed by orders that changed."""

from types import SimpleNamespace
from typing import cast

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.core.amount import Price, Quantity
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


@pytest.mark.parametrize("ends", [False, True])
async def test_a_part_that_was_filled_and_an_end_without_a_fill_are_noticed_too(
    world: World, clock: MockClock, ends: bool
) -> None:
    async with world.naived() as naived:
        await buying(naived)
        market = world.exchange.markets["ETHUSDT"]
        (order,) = market.orders
        if ends:
            market.end(order, OrderStatus.CANCELED, world.exchange.now())
        else:
            market.fill(order, order.rest // 2, order.intent.price, world.exchange.now())
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
        untold = Untold(world.exchange, cast(Session, SimpleNamespace(silent=None, away=None)))
        await trio.sleep(20)
        naived.symbol().compared_at = None
        Untold(world.exchange, cast(Session, SimpleNamespace(away="lost"))).compared(
            [naived.symbol()], order.changed
        )
        assert naived.symbol().compared_at is None, "a comparison that the end of the session overtook"
        for compared, renewals in ((world.exchange.now(), 0), (order.changed, 1), (order.changed, 1)):
            untold.compared([naived.symbol()], compared)
            untold.read(naived.symbol(), market.state(order))
            assert len(world.exchange.renewed) == renewals


async def test_what_the_stream_need_not_tell_again_is_no_silence(world: World, clock: MockClock) -> None:
    """One was told during the comparison, the fill of one lags, one symbol failed and takes nothing in."""
    async with world.naived() as naived:
        await buying(naived)
        exchange, symbol, market = world.exchange, naived.symbol(), world.exchange.markets["ETHUSDT"]
        untold = Untold(exchange, cast(Session, SimpleNamespace(silent=None, away=None)))
        untold.compared([symbol], exchange.now())
        await naived.trade("1990")
        buy, sell = market.orders
        exchange.faults.failing.add("fills")
        market.fill(sell, sell.rest, sell.intent.price, exchange.now())
        market.outbox.clear()
        exchange.tell(market.state(sell))  # without its fill, which could not be read
        await trio.sleep(20)
        untold.read(symbol, market.state(buy))
        untold.read(symbol, market.state(sell))
        symbol.failed = ValueError("a bug")
        symbol.compared_at = sell.changed
        untold.read(symbol, replace(market.state(sell), executed=Quantity(sell.executed + 1)))
        assert exchange.renewed == []
        symbol.failed = None


async def test_fills_that_were_told_while_the_database_was_away_are_no_silence(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await buying(naived)
        naived.journal.away = True
        await naived.trade("1990")
        await trio.sleep(20)
        naived.journal.away = False
        await trio.sleep(5 * PASS)
        assert naived.phases() == ["selling"]
        assert world.exchange.renewed == []


async def test_fills_of_a_quarantined_order_are_no_silence(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await buying(naived)
        market = world.exchange.markets["ETHUSDT"]
        (order,) = market.orders
        world.exchange.tell(replace(market.state(order), price=Price(order.intent.price + 1)))
        await trio.sleep(1)
        assert naived.order_states() == ["quarantined"]
        for _ in range(3):
            await trio.sleep(PASS - 20)
            world.exchange.fill(order, order.rest // 4)
            await trio.sleep(20)
        assert world.exchange.renewed == []


async def test_what_comes_until_the_new_connection_is_up_is_not_its_to_tell(world: World, clock: MockClock) -> None:
    world.exchange = ExchangeDouble("ETHUSDT", "BTCUSDT")
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000")
        await naived.trade("60000", symbol="BTCUSDT")
        await trio.sleep(PASS + 5)
        for symbol in ("ETHUSDT", "BTCUSDT"):
            market = exchange.markets[symbol]
            market.fill(market.orders[0], market.orders[0].rest, market.orders[0].intent.price, exchange.now())
            market.outbox.clear()
            await naived.until(lambda: bool(exchange.renewed), PASS)
        await trio.sleep(5 * PASS)
        assert len(exchange.renewed) == 1


async def test_an_order_that_changed_during_an_outage_is_not_the_next_sessions_to_tell(
    world: World, clock: MockClock
) -> None:
    """Also if a comparison that a person asked for comes before the first one of that session."""
    exchange = world.exchange
    async with world.naived() as naived:
        await buying(naived)
        market = exchange.markets["ETHUSDT"]
        exchange.go_away()
        await trio.sleep(5)
        naived.supervisor.follow(naived.symbol())
        market.fill(market.orders[0], market.orders[0].rest, market.orders[0].intent.price, exchange.now())
        market.outbox.clear()
        await trio.sleep(20)
        exchange.faults.failing.add("account")
        exchange.come_back()
        await trio.sleep(5)
        exchange.faults.failing.clear()
        await trio.sleep(3 * PASS)
        assert naived.phases() == ["selling"]
        assert exchange.renewed == []


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
