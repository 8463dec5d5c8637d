"""A symbol with traders goes on by the fees they remember; today's are read at leisure, and do matter."""

import trio
from trio.testing import MockClock

from naived.core.amount import parse_rate
from naived.core.strategy import Fees
from naived.ports import ExchangeError
from tests.core_market import TENTH
from tests.runtime_house import World

DEARER = Fees(parse_rate("0.002"), parse_rate("0.002"))


async def test_a_restart_goes_on_by_remembered_fees_and_reads_todays_at_leisure(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start("ETHUSDT", "BTCUSDT")
        await house.trade("2000")
        await house.trade("60000", symbol="BTCUSDT")

    async def fees(symbol: str) -> Fees:
        exchange.asked.append("fees")
        return DEARER

    exchange.fees = fees  # type: ignore[method-assign]
    exchange.asked.clear()
    async with world.house() as house:
        await house.until(lambda: {house.state("ETHUSDT"), house.state("BTCUSDT")} == {"trading"}, 0.9)
        assert "fees" not in exchange.asked
        assert house.symbol().book.leader.fees == Fees(TENTH, TENTH)
        await house.until(lambda: house.symbol("BTCUSDT").book.leader.fees == DEARER)
        await house.until(lambda: house.symbol("ETHUSDT").book.leader.fees == DEARER)
        await trio.sleep(600)
        assert exchange.asked.count("fees") == 2
        await house.trade("1990", "1980")  # its buy was decided by the old fees; the next one goes by today's
        assert [trader.terms.fees for trader in house.traders()] == [Fees(TENTH, TENTH), DEARER]


async def test_a_symbol_without_traders_waits_for_its_fees(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    exchange.faults.failing = {"fees"}
    async with world.house() as house:
        await house.ask("start", wait=False)
        await trio.sleep(10)
        assert house.state() == "starting"
        exchange.faults.failing = set()
        await house.until(lambda: house.state() == "trading")


async def test_fees_that_were_not_told_are_asked_for_again(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
    failures = 3

    async def fees(symbol: str) -> Fees:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise ExchangeError("rate limit exceeded")
        return DEARER

    exchange.fees = fees  # type: ignore[method-assign]
    async with world.house() as house:
        await house.until(lambda: house.symbol().book.leader.fees == DEARER, 10)
        assert house.state() == "trading"
