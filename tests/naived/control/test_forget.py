"""What was forgotten is not shown, loses nothing silently, and can be started again."""

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.core.amount import Money, Quantity, parse_money, parse_price, parse_quantity
from naived.core.strategy.lots import Lot
from tests.support.runtime import Naived, World

LOT = Lot(parse_quantity("0.001"), parse_money("2"), parse_price("2010"))


async def stopped(naived: Naived, *lots: Lot) -> None:
    await naived.start(max_deviation="0")
    await naived.trade("2000", "1990", "2100")
    await naived.ask("stop", cancel="all")
    symbol = naived.symbol()
    symbol.engine = replace(symbol.engine, leader=replace(symbol.engine.leader, lots=lots))


async def shown(naived: Naived) -> list[str]:
    return [entry["symbol"] for entry in (await naived.call("status"))["symbols"]]


async def test_a_symbol_that_is_forgotten_is_gone_and_its_history_stays(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await stopped(naived)
        result = await naived.ask("forget")
        assert (result["changed"], result["error"], result["lost"]) == (True, None, [])
        assert await shown(naived) == []
        assert (await naived.ask("forget"))["changed"] is False
        assert len((await naived.call("trades", "ETHUSDT"))["trades"]) == 1
    async with world.naived() as naived:
        assert await shown(naived) == []
        await naived.start()
        assert await shown(naived) == ["ETHUSDT"]
        await naived.trade("2100")
        assert naived.traders()[0].number > 1


async def test_lots_are_named_first_and_then_written_off_with_it(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await stopped(naived, LOT)
        before = naived.symbol().engine.leader.profit
        expected = [{"asset": "ETH", "quantity": "0.001", "cost": "2", "value": "2.1"}]
        asked = await naived.ask("forget", dry_run=True)
        assert (asked["changed"], asked["lost"]) == (False, expected)
        assert await shown(naived) == ["ETHUSDT"]
        result = await naived.ask("forget")
        assert result["lost"] == expected
        assert "0.001 ETH (cost 2 USDT, worth 2.1 USDT now)" in result["message"]
        assert naived.symbol().engine.leader.lots == ()
        assert "ETHUSDT: 0.001 ETH that cost 2 USDT written off by hand" in [
            event["message"] for event in (await naived.call("events"))["events"]
        ]
        assert naived.symbol().engine.leader.profit == before - LOT.cost


@pytest.mark.parametrize(("cancel", "why"), [("none", "open or in quarantine"), ("all", "its traders hold")])
async def test_what_is_still_open_or_held_is_not_forgotten(
    world: World, clock: MockClock, cancel: str, why: str
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        error = (await naived.ask("forget"))["error"]
        assert error["message"].startswith("not forgotten: it is on")
        await naived.ask("stop", cancel=cancel)
        error = (await naived.ask("forget"))["error"]
        assert why in error["message"]
        assert error["hint"] == "first: naivectl shutdown ETHUSDT --wait"
        assert await shown(naived) == ["ETHUSDT"]


async def test_coins_that_are_owed_are_not_forgotten(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await stopped(naived)
        symbol = naived.symbol()
        owed = replace(symbol.engine.leader.owed, quantity=Quantity(-1), cost=Money(-1))
        symbol.engine = replace(symbol.engine, leader=replace(symbol.engine.leader, owed=owed))
        assert "sold coins" in (await naived.ask("forget"))["error"]["message"]


async def test_a_symbol_that_is_started_meanwhile_is_not_forgotten(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await stopped(naived, LOT)
        answered = naived.journal.answered

        async def slowly(request_id: str) -> str | None:
            await trio.sleep(0.05)
            return await answered(request_id)

        naived.journal.answered = slowly  # type: ignore[method-assign]
        results = []

        async def forget() -> None:
            results.append(await naived.ask("forget", request_id="one"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(forget)
            await trio.sleep(0.01)
            await naived.ask("start")
        assert results[0]["error"]["message"].startswith("not forgotten: it is on")
        assert await shown(naived) == ["ETHUSDT"]
        assert naived.symbol().engine.leader.lots == (LOT,)


async def test_a_repeated_request_is_answered_as_it_was_whatever_came_of_the_symbol(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.ask("stop")
        assert (await naived.ask("forget", request_id="one"))["changed"] is True
        await naived.start()
        again = await naived.ask("forget", request_id="one")
        assert (again["changed"], again["status"], again["error"]) == (True, "on", None)
        assert (await naived.ask("forget", request_id="two"))["error"]["message"].startswith("not forgotten")
