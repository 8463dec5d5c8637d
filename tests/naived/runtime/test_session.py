"""The session comes and goes; what happened meanwhile is found, and trading goes on."""

import trio
from trio.testing import MockClock

from naived.core.orders.intent import Side
from tests.support.runtime import World


async def test_what_happened_while_the_exchange_was_away_is_found_afterwards(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        exchange.go_away()
        assert (naived.state(), naived.reason()) == ("degraded", "the exchange is away: connection lost")
        assert (await naived.call("status"))["daemon"]["state"] == "degraded"
        exchange.trade("1990")
        await trio.sleep(30)
        assert naived.phases() == ["buying"]
        exchange.come_back()
        await naived.until(lambda: len(exchange.open(side=Side.SELL)) == 1)
        assert naived.state() == "trading"


async def test_a_connection_that_breaks_under_an_order_leaves_it_unknown_until_it_is_found(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        exchange.faults.slow_reply = 1
        exchange.faults.held = True
        exchange.trade("2000")
        await trio.sleep(0.1)
        exchange.go_away()
        exchange.forget_reports()
        await naived.until(lambda: naived.order_states() == ["unknown"])
        exchange.faults.held = False
        exchange.come_back()
        await naived.until(lambda: naived.order_states() == ["open"])
        assert len(exchange.wire) == 1


async def test_it_boots_without_the_exchange_and_goes_on_when_that_comes(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
    exchange.gone = "connection refused"
    async with world.naived() as naived:
        await trio.sleep(1)
        exchange.go_away("no route to host")
        await trio.sleep(600)
        assert (naived.state(), naived.reason()) == ("degraded", "the exchange is away: no route to host")
        exchange.come_back()
        await naived.until(lambda: naived.state() == "trading")


async def test_a_session_that_closes_while_it_is_reconciled_is_reconciled_again(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        for pause in (0.005, 0.015, 0.025, 0.035):
            exchange.go_away()
            exchange.come_back()
            await trio.sleep(pause)
            exchange.go_away()
            exchange.trade("2000")
            await trio.sleep(1)
            assert naived.state() == "degraded"
            exchange.come_back()
            await naived.until(lambda: naived.state() == "trading")


async def test_after_an_outage_it_trades_again_when_trades_flow_again(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        exchange.go_away()
        exchange.subscribing = 2.0
        exchange.come_back()
        await trio.sleep(1)
        assert naived.state() == "degraded"
        await naived.until(lambda: naived.state() == "trading", 2)


async def test_sells_do_not_wait_for_trades_that_do_not_flow(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        exchange.go_away()
        exchange.subscribing = 3600.0
        exchange.trade("1990", "ETHUSDT")
        exchange.come_back()
        await naived.until(lambda: naived.phases() == ["selling"] and naived.order_states()[-1] == "open", 10)


async def test_a_journal_that_does_not_answer_a_first_comparison_is_no_exchange_that_is_away(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        naived.journal.away = True
        await trio.sleep(5)
        daemon = (await naived.call("status"))["daemon"]
        assert daemon["state"] == "degraded"
        assert "exchange" not in daemon["reason"]
        naived.journal.away = False
        await naived.until(lambda: naived.service.state == "ready", 30)
