"""Limits of losses: counted at the market over all symbols, durable, right after downtime; no sell waits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from naived.core.amount import SCALE
from naived.core.orders.intent import Side
from naived.core.strategy.day import DAY
from naived.ports import DeploymentError
from tests.support.runtime import Document, Naived, World

BUY = Side.BUY
CLOSE = {"reprice": "0", "max_deviation": "0"}
LOOK = 1.1  # seconds in which a loss is seen


async def seen() -> None:
    await trio.sleep(LOOK)


async def now(naived: Naived) -> Document:
    document: Document = (await naived.call("limits"))["now"]
    return document


def halt(naived: Naived) -> str:
    known = naived.service.account.halt
    return "" if known is None else f"{known.by}: {known.reason}"


@asynccontextmanager
async def holding(world: World, **limits: str) -> AsyncIterator[Naived]:
    """A naived that bought 200 USDT of ETH at 2000; it dies at the end of the block."""
    async with world.naived(suspends=False) as naived:
        await naived.call("limits", **limits)
        await seen()
        await naived.start(**CLOSE, rebuy="0.2")
        await naived.trade("2000", "1999")
        assert naived.phases() == ["selling"]
        await seen()
        yield naived


def until_midnight(naived: Naived) -> float:
    return (DAY - naived.exchange.now() % DAY) / 1000


async def test_a_loss_of_the_day_at_the_market_halts_the_account_until_the_day_ends(
    world: World, clock: MockClock
) -> None:
    async with holding(world, max_daily_loss="20") as naived:
        await naived.trade("1805")
        await seen()
        assert halt(naived) == ""
        await naived.trade("1798")
        await seen()
        reason = "limit: its trading lost 20.5394202 USDT of at most 20 since 00:00 UTC"
        assert halt(naived).startswith(reason)
        assert "of at most 20 since 00:00 UTC (max-daily-loss); the halt ends at 00:00 UTC, or by a resume" in halt(
            naived
        )
        await naived.trade("1500")
        assert len(world.exchange.orders(side=BUY)) == 1
        assert "the account is halted by a limit: its trading lost" in (naived.reason() or "")
    async with world.naived() as naived:
        assert halt(naived).startswith(reason), "halts outlive the process"
        await naived.until(lambda: naived.state() == "trading")
        await naived.trade("2100")
        assert naived.symbol().engine.leader.cycles == 1, "sells go on"
        await trio.sleep(until_midnight(naived) - 1)
        assert halt(naived)
        await trio.sleep(1 + LOOK)
        assert halt(naived) == ""
        await naived.trade("2100")
        assert len(world.exchange.open(side=BUY)) == 1
        told = [event["message"] for event in (await naived.call("events"))["events"]]
        assert "the day of its limit has ended: the account is not halted any more" in told


async def test_a_drawdown_is_ended_by_a_person_alone_and_is_counted_anew_from_then(
    world: World, clock: MockClock
) -> None:
    async with holding(world, max_drawdown="20") as naived:
        await naived.trade("2001")
        await seen()
        await naived.trade("1798")
        await seen()
        assert "since its peak (max-drawdown); only a resume ends the halt" in halt(naived)
        await trio.sleep(until_midnight(naived) + LOOK)
        assert halt(naived)
        lost = await now(naived)
        assert float(lost["drawdown"]) > 20
        (_, thirty, _) = (await naived.call("limits"))["worst"]["falls"]
        assert float(thirty["tied_up"]) > 390, "a fall after a resume buys once more"
        (resumed,) = (await naived.call("resume"))["results"]
        value = lost["value"]
        anew = f"what its trading has made, {value} USDT, is the new start of the day and the new peak"
        assert resumed["message"] == f"the account is resumed; {anew}"
        assert await now(naived) == {**lost, "drawdown": "0", "loss_today": "0", "peak": value}
    async with world.naived() as naived:
        await seen()
        assert halt(naived) == ""
        assert (await now(naived))["peak"] == value
        await naived.until(lambda: naived.state() == "trading")
        await naived.trade("1599", "1598")
        await seen()
        assert len(world.exchange.orders(side=BUY)) == 2
        await naived.trade("1500")
        await seen()
        assert "(max-drawdown)" in halt(naived), "from the new peak"


async def test_a_person_who_ends_their_own_halt_is_told_that_a_limit_halts_again(
    world: World, clock: MockClock
) -> None:
    async with holding(world, max_drawdown="20") as naived:
        await naived.call("halt", reason="to look")
        await naived.trade("1798")
        await seen()
        assert "to look" in halt(naived)
        (resumed,) = (await naived.call("resume"))["results"]
        assert "the account is resumed; a limit halts it again at once: its trading lost " in resumed["message"]
        assert resumed["message"].endswith("To count from here: naivectl resume, once more")
        await seen()
        assert "(max-drawdown)" in halt(naived)
        await naived.call("resume")
        await seen()
        assert halt(naived) == ""


async def test_what_was_lost_while_naived_was_down_over_midnight_is_a_loss_of_the_day_that_sees_it(
    world: World, clock: MockClock
) -> None:
    async with holding(world, max_daily_loss="20"):
        pass
    await trio.sleep(5 * DAY / 1000)
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "trading")
        await naived.trade("1798")
        await seen()
        assert "(max-daily-loss)" in halt(naived)


async def test_a_peak_outlives_the_process(world: World, clock: MockClock) -> None:
    async with holding(world, max_drawdown="20") as naived:
        await naived.trade("2003")
        await seen()
        peak = (await now(naived))["peak"]
        await naived.trade("1950")
        await seen()
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "trading")
        await naived.trade("1950")
        await seen()
        assert (await now(naived))["peak"] == peak
        assert float((await now(naived))["drawdown"]) > 4


async def test_what_a_symbol_that_is_off_holds_counts_at_the_market(world: World, clock: MockClock) -> None:
    async with holding(world, max_daily_loss="20") as naived:
        await naived.ask("stop")
        await seen()
        await naived.trade("1798")
        await seen()
        assert "(max-daily-loss)" in halt(naived)
    async with world.naived() as naived:
        (_,) = (await naived.call("resume"))["results"]
        await seen()
        await naived.trade("1590")
        await seen()
        assert "(max-daily-loss)" in halt(naived), "after a restart too, though nothing trades"


async def test_prices_in_doubt_neither_trip_nor_release_and_that_is_said(world: World, clock: MockClock) -> None:
    async with holding(world, max_daily_loss="20") as naived:
        before = await now(naived)
        assert before["doubtful"] == []
        await trio.sleep(61)
        doubt = {"symbol": "ETHUSDT", "reason": "no trade of it for more than a minute"}
        assert (await now(naived))["doubtful"] == [doubt]
        status = (await naived.call("status"))["daemon"]
        said = "ETHUSDT neither trips nor releases a limit now: no trade of it for more than a minute"
        assert (status["state"], status["reason"]) == ("ready", said)
        # A limit that the old price would have reached.
        await naived.call("limits", max_daily_loss="0.1")
        await seen()
        assert halt(naived) == ""
        await naived.trade("2000")
        await seen()
        assert halt(naived)


async def test_a_suspected_price_trips_nothing_until_it_is_confirmed(world: World, clock: MockClock) -> None:
    async with holding(world, max_daily_loss="20") as naived:
        await naived.call("settings", "ETHUSDT", max_deviation="0.05")
        await naived.trade("1700")
        await seen()
        assert halt(naived) == ""
        assert (await now(naived))["doubtful"][0]["reason"] == "its last price is not confirmed"
        await naived.trade("1700", "1700")
        await seen()
        assert "(max-daily-loss)" in halt(naived)


async def test_a_deposit_changes_neither_loss_nor_drawdown(world: World, clock: MockClock) -> None:
    async with holding(world, max_daily_loss="20") as naived:
        before = await now(naived)
        world.exchange.markets["ETHUSDT"].quote += 5 * SCALE
        after = await now(naived)
        assert float(after["free_quote"]) == float(before["free_quote"]) + 5
        assert {**after, "free_quote": ""} == {**before, "free_quote": ""}


async def test_limits_of_another_currency_are_refused_at_the_start(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.call("limits", max_daily_loss="20")
    with pytest.RaisesGroup(
        pytest.RaisesExc(DeploymentError, match="amounts in USDT, not in BTC"),
        flatten_subgroups=True,
        allow_unwrapped=True,
    ):
        async with world.naived(currency="BTC"):
            pass
    async with world.naived() as naived:
        await naived.call("limits", max_daily_loss="none")
    async with world.naived(currency="BTC") as naived:
        assert (await naived.call("limits"))["now"]["currency"] == "BTC"
