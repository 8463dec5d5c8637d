"""Rules, fees and coins: read once for all, and by whom it is worth waiting for."""

import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.core.amount import parse_quantity, parse_rate
from naived.core.orders.intent import Side
from naived.core.strategy.formulas import Fees
from naived.ports import ExchangeError
from tests.support.exchange import ExchangeDouble
from tests.support.market import TENTH
from tests.support.runtime import World

DEARER = Fees(parse_rate("0.002"), parse_rate("0.002"))


async def test_a_restart_goes_on_by_remembered_fees_and_reads_todays_afterwards(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000")
        await naived.trade("60000", symbol="BTCUSDT")

    async def fees(symbol: str) -> Fees:
        exchange.asked.append("fees")
        return DEARER

    exchange.fees = fees  # type: ignore[method-assign]
    exchange.asked.clear()
    async with world.naived() as naived:
        await naived.until(lambda: {naived.state("ETHUSDT"), naived.state("BTCUSDT")} == {"trading"}, 0.9)
        assert "fees" not in exchange.asked
        assert naived.symbol().engine.leader.fees == Fees(TENTH, TENTH)
        await naived.until(lambda: naived.symbol("BTCUSDT").engine.leader.fees == DEARER)
        await naived.until(lambda: naived.symbol("ETHUSDT").engine.leader.fees == DEARER)
        await trio.sleep(600)
        assert exchange.asked.count("fees") == 2
        await naived.trade("1990", "1980")  # its buy was decided by the old fees; the next one goes by today's
        assert [trader.terms.fees for trader in naived.traders()] == [Fees(TENTH, TENTH), DEARER]


async def test_a_symbol_without_traders_waits_for_its_fees(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    exchange.faults.failing = {"fees"}
    async with world.naived() as naived:
        await naived.ask("start", wait=False)
        await trio.sleep(10)
        assert naived.state() == "starting"
        exchange.faults.failing = set()
        await naived.until(lambda: naived.state() == "trading")


async def test_fees_that_were_not_told_are_asked_for_again(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
    failures = 3

    async def fees(symbol: str) -> Fees:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise ExchangeError("rate limit exceeded")
        return DEARER

    exchange.fees = fees  # type: ignore[method-assign]
    async with world.naived() as naived:
        await naived.until(lambda: naived.symbol().engine.leader.fees == DEARER, 10)
        assert naived.state() == "trading"


async def test_fees_are_known_before_a_fill_of_the_last_process_is_booked(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        exchange.faults.lost_replies = 1
        exchange.faults.held = True
        await naived.trade("2000", "1990")
    exchange.forget_reports()
    exchange.faults.held = False
    exchange.faults.failing = {"symbols"}
    async with world.naived() as naived:
        await trio.sleep(20)
        exchange.faults.failing = set()
        await naived.until(lambda: len(exchange.open(side=Side.SELL)) == 1)
        (sell,) = exchange.open(side=Side.SELL)
        assert sell.intent.quantity == parse_quantity("0.0999")


async def test_rules_that_came_while_a_symbol_had_failed_are_not_taken_for_read(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("stop")
    exchange.trade("3000")
    async with world.naived() as naived:
        with naived.symbol().contained():
            raise ZeroDivisionError("a bug")
        await naived.until(lambda: naived.symbol().engine.leader.cycles == 1, 120)
        assert (await naived.call("trades"))["trades"][0]["profit"] == "0.20003858"


async def test_a_symbol_whose_fees_are_not_told_does_not_keep_the_others_from_starting(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
    world.exchange.faults.refused = {("fees", "BTCUSDT")}
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "trading", 20)
        await naived.until(lambda: naived.state("BTCUSDT") == "degraded", 20)
        world.exchange.faults.refused = set()
        await naived.until(lambda: naived.state("BTCUSDT") == "trading", 70)


async def test_rules_are_read_again_every_hour_and_every_minute_in_a_closed_market(
    world: World, clock: MockClock
) -> None:
    exchange: ExchangeDouble = world.exchange
    async with world.naived() as naived:
        await naived.start()
        market = exchange.markets["ETHUSDT"]
        market.rules = replace(market.rules, status="CHANGED")
        await trio.sleep(3_590)
        assert naived.symbol().engine.leader.info.status == "TRADING"
        await trio.sleep(60)
        assert naived.symbol().engine.leader.info.status == "CHANGED"
        exchange.relist("ETHUSDT", trading=False)
        await trio.sleep(3_600)
        assert naived.state() == "degraded"
        assert "the market is closed" in (naived.reason() or "")
        exchange.relist("ETHUSDT", trading=True)
        await trio.sleep(61)
        assert naived.state() == "trading"


async def test_symbols_that_begin_together_are_asked_for_as_one(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000")
        await naived.trade("60000", symbol="BTCUSDT")
    exchange.asked.clear()
    async with world.naived() as naived:
        await naived.until(lambda: {naived.state("ETHUSDT"), naived.state("BTCUSDT")} == {"trading"})
        # Once for the account, which is known first, and once for both symbols.
        assert exchange.asked.count("symbols") == 2
        assert exchange.asked.count("account") == 3, "two readings name the account, one counts the coins"
