"""Public trades that do not come, or come too late, are said so."""

import trio
from trio.testing import MockClock

from naived.core.amount import parse_price
from tests.support.runtime import Naived, World

LATE = "its trades come more than 5 s late: nothing is decided on them"


async def events(naived: Naived) -> list[str]:
    told = (await naived.call("events", "ETHUSDT"))["events"]
    return [each["message"] for each in told if each["kind"] == "state"]


async def test_a_symbol_without_a_subscription_is_degraded_until_it_has_one(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        session = naived.service.session
        session.lost("ETHUSDT", "the connection was lost")
        await trio.sleep(3)
        assert naived.state() == "trading", "a new connection takes a moment"
        session.lost("ETHUSDT", "no route")
        await trio.sleep(5)
        assert (naived.state(), naived.reason()) == ("degraded", "its trades do not come: no route")
        session.lost("ETHUSDT", None)
        await trio.sleep(2)
        assert (naived.state(), naived.reason()) == ("trading", None)
        assert await events(naived) == ["degraded: its trades do not come: no route", "trading"]


async def test_a_start_without_a_subscription_says_so(world: World, clock: MockClock) -> None:
    world.exchange.subscribing = 100
    async with world.naived() as naived:
        await naived.until(lambda: naived.service.state == "ready")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: naived.ask("start", wait=False))
            await trio.sleep(1)
            assert naived.state() == "starting"
            naived.service.session.lost("ETHUSDT", "it does not serve this address's region")
            await trio.sleep(7)
        assert naived.state() == "degraded"
        assert naived.reason() == "its trades do not come: it does not serve this address's region"


async def test_trades_that_come_too_late_to_buy_on_are_told(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        for _ in range(15):
            world.exchange.trade("2000", age=8_000)
            await trio.sleep(1)
        assert (naived.state(), naived.reason()) == ("degraded", LATE)
        assert naived.phases() == []
        assert (await naived.call("explain", "ETHUSDT"))["buys"] == {"may": False, "text": f"no: {LATE}"}
        await naived.trade("2000")
        await trio.sleep(2)
        assert (naived.state(), naived.phases()) == ("trading", ["buying"])


async def test_a_moment_of_late_trades_is_none(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        for age in (8_000, 8_000, 0, 8_000, 8_000):
            for _ in range(4):
                world.exchange.trade("2000", age=age)
                await trio.sleep(1)
                assert naived.state() == "trading"


async def test_trades_that_the_exchange_shows_and_that_do_not_come_are_told_and_asked_for_anew(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        world.exchange.last["ETHUSDT"] = parse_price("2001")
        await trio.sleep(100)
        world.exchange.last["ETHUSDT"] = parse_price("2002")
        await trio.sleep(60)
        reason = "the exchange shows a price of 2002, and no trade came"
        assert (naived.state(), naived.reason()) == ("degraded", reason)
        assert world.exchange.renewed == [f"ETHUSDT: {reason}"]
        await naived.trade("2003")
        await trio.sleep(2)
        assert naived.state() == "trading"


async def test_a_symbol_that_nobody_trades_is_not_degraded(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        for _ in range(20):
            await trio.sleep(60)
            assert (naived.state(), naived.reason()) == ("trading", None)
        assert world.exchange.asked.count("last_prices") >= 15
        assert world.exchange.renewed == []


async def test_one_late_trade_of_a_thin_market_says_nothing_of_the_next_one(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        world.exchange.trade("2000", age=8_000)
        for _ in range(60):
            await trio.sleep(60)
            assert naived.state() == "trading"


async def test_a_naived_that_stood_still_does_not_call_trades_late(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        for _ in range(4):
            world.exchange.trade("2000")
            clock.jump(7)
            await trio.sleep(5)
            assert naived.state() == "trading"


async def test_late_trades_that_end_are_forgotten_after_a_minute(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        for _ in range(15):
            world.exchange.trade("2000", age=8_000)
            await trio.sleep(1)
        assert naived.reason() == LATE
        await trio.sleep(60)
        assert naived.state() == "trading"


async def test_nothing_is_remembered_of_a_symbol_that_was_off(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        await trio.sleep(130)
        await naived.ask("stop")
        world.exchange.last["ETHUSDT"] = parse_price("2001")
        naived.service.session.lost("ETHUSDT", "no route")
        await trio.sleep(60)
        await naived.start()
        for _ in range(70):
            await trio.sleep(1)
            assert naived.state() == "trading"
        assert world.exchange.renewed == []
        for price in range(2002, 2006):
            world.exchange.last["ETHUSDT"] = parse_price(str(price))
            await trio.sleep(60)
        assert naived.state() == "degraded"
        assert world.exchange.renewed


async def test_why_there_was_no_subscription_before_a_stop_is_not_said_of_the_next_start(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.service.session.lost("ETHUSDT", "no route")
        await naived.ask("stop")
        await trio.sleep(5)
        world.exchange.watched.clear()
        world.exchange.subscribing = 20
        await naived.ask("start", wait=False)
        await trio.sleep(10)
        assert naived.state() == "starting"
