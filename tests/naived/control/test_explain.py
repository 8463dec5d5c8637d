"""The reasons in words, checked against what the symbol then does."""

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.control.protocol import Code, ControlError
from naived.core.amount import parse_money, parse_price, parse_quantity
from naived.core.engine import Blocked, BlockedBy
from naived.core.strategy.leader_events import Informed
from naived.core.strategy.lots import Lot
from naived.ports import Remarks
from tests.support.runtime import Document, Naived, World


async def explained(naived: Naived) -> Document:
    return await naived.call("explain", "ETHUSDT")


async def buys(naived: Naived) -> tuple[bool, str]:
    told = (await explained(naived))["buys"]
    return told["may"], told["text"]


async def test_it_waits_then_rests_then_says_where_the_next_trader_joins(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start(chunks=2)
        assert await buys(naived) == (True, "yes: at the next trade")
        await naived.trade("2000")
        assert await buys(naived) == (True, "yes: a buy rests")
        (trader,) = (await explained(naived))["traders"]
        assert trader == {"trader": "ETHUSDT-1", "text": "buys 0.25 ETH at 1999.8 (-0.01%)"}
        await naived.trade("1999")
        told = "when the price falls below 1987.8012 (-0.56%): one more joins"
        assert await buys(naived) == (True, told)
        await naived.trade("1987.81")
        assert naived.phases() == ["selling"]
        await naived.trade("1987.80")
        assert naived.phases() == ["selling", "buying"]
        await naived.trade("1980")
        assert await buys(naived) == (False, "no: all 2 chunks have bought; one that sells makes room")
        first, second = (await explained(naived))["traders"]
        assert first["text"].startswith("sells 0.2497 ETH at 2005.81 (+1.30%)")
        assert second["trader"] == "ETHUSDT-2"


async def test_where_a_guard_blocks_the_next_trader_is_said(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start(chunks=3)
        await naived.trade("2000", "1999")
        told = "when the price falls below 1987.8012 (-0.56%): one more joins"
        assert await buys(naived) == (True, told)
        await naived.ask("settings", floor="1995")
        blocked = "a buy would be below the floor 1995: at 1987.6 USDT"
        assert await buys(naived) == (False, f"no: below 1987.8012, where one more would join, {blocked}")
        await naived.ask("settings", floor="none", fall_guard="0.5%/1h")
        await naived.until(lambda: naived.symbol().gate.peak(naived.exchange.now()).price is not None)
        may, text = await buys(naived)
        assert (may, text.partition(":")[0]) == (False, "no")
        assert "the price fell too far within 1h" in text
        await naived.ask("settings", fall_guard="none", spacing="1%")
        may, text = await buys(naived)
        assert may
        assert text == "when the price falls below 1980.01 (-0.94%): one more joins"
        await naived.trade("1980.01")
        assert naived.phases() == ["selling"]
        await naived.trade("1980")
        assert naived.phases() == ["selling", "buying"]


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (
            {"max_exposure": "300"},
            "the account's limit leaves no room: 199.98 of 300 USDT are tied up (max-exposure)",
        ),
        ({"reserve": "99700"}, "the reserve: 99800.02 USDT are free, of them 99700 are reserved"),
    ],
)
async def test_where_a_limit_forbids_the_next_trader_is_said(
    world: World, clock: MockClock, limits: dict[str, str], why: str
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1999")
        told = "when the price falls below 1987.8012 (-0.56%): one more joins"
        assert await buys(naived) == (True, told)
        await naived.call("limits", **limits)
        assert await buys(naived) == (False, f"no: below 1987.8012, where one more would join, {why}")
        await naived.trade("1987.80")
        assert "buying" not in naived.phases()
        await naived.call("limits", **dict.fromkeys(limits, "none"))
        await naived.trade("1987.79")
        assert naived.phases() == ["selling", "buying"]


async def test_a_limit_that_forbids_the_first_buy_is_said(world: World, clock: MockClock) -> None:
    world.exchange.trade("2000")
    async with world.naived() as naived:
        await naived.call("limits", max_exposure="150")
        await naived.start()
        await naived.until(lambda: naived.symbol().gate.price is not None)
        told = "no: the account's limit leaves no room: 0 of 150 USDT are tied up (max-exposure)"
        assert await buys(naived) == (False, told)
        await naived.trade("2000")
        assert await buys(naived) == (False, told)
        await naived.call("limits", max_exposure="none")
        assert await buys(naived) == (True, "yes: at the next trade")
        assert (await explained(naived))["traders"][0]["text"] == "waits for the next trade"


async def test_a_buy_that_rests_is_told_whatever_keeps_others_from_it(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start(chunks=2)
        await naived.trade("2000")
        await naived.ask("halt", keep_buys=True)
        may, text = await buys(naived)
        assert may
        assert text.startswith("yes: a buy rests; no other one is placed: ")


async def test_after_a_buy_that_was_cancelled_by_hand_it_says_when_it_goes_on(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start(chunks=1)
        await naived.trade("2000")
        world.exchange.cancel_by_hand(world.exchange.open()[0])
        await naived.until(lambda: naived.phases() == ["waiting"])
        may, text = await buys(naived)
        assert may
        assert text.startswith("yes: at a trade after 20")
        (trader,) = (await explained(naived))["traders"]
        assert trader["text"] == f"waits for {text.removeprefix('yes: at ')}"
        await trio.sleep(61)
        assert await buys(naived) == (True, "yes: at the next trade")


async def test_what_keeps_it_from_buying_is_said(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.symbol().offer(Blocked(BlockedBy.COINS, "coins are missing"))
        assert await buys(naived) == (False, "no: coins are missing")
        naived.symbol().offer(Blocked(BlockedBy.COINS, None))
        naived.journal.hanging = "disk is full"
        assert await buys(naived) == (False, "no: disk is full")
        naived.journal.hanging = None
        await naived.trade("2000", "1999")
        await naived.ask("shutdown")
        assert await buys(naived) == (False, "no: it ends what is open and starts nothing")
        world.exchange.cancel_by_hand(world.exchange.open()[-1])
        await naived.until(lambda: naived.phases() == ["holding"])
        told = await explained(naived)
        assert told["traders"][0]["text"] == "holds its coins: cancelled by hand"
        assert told["next_step"] == "naivectl resolve ETHUSDT --all --adopt"
        naived.journal.hanging = "disk is full"
        told = await explained(naived)
        assert (told["state"], told["reason"], told["next_step"]) == ("degraded", "disk is full", None)
        naived.journal.hanging = None
        await naived.ask("stop")
        assert await buys(naived) == (False, "no: it is off")


async def test_what_is_decided_and_not_placed_is_not_said_to_be_for_sale(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        naived.symbol().offer(Blocked(BlockedBy.COINS, "coins are missing"))
        await naived.trade("1999")
        await naived.until(lambda: naived.phases() == ["selling"])
        (trader,) = (await explained(naived))["traders"]
        assert trader["text"].startswith("wants to sell 0.0999 ETH at 2005.81")
        assert trader["text"].endswith("not placed yet: coins are missing")
        naived.symbol().offer(Blocked(BlockedBy.COINS, None))
        await naived.until(lambda: len(world.exchange.open()) == 1)
        assert (await explained(naived))["traders"][0]["text"].startswith("sells 0.0999 ETH at 2005.81")


async def test_a_buy_that_the_exchange_does_not_take_yet_does_not_rest(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        world.exchange.throttled_until = world.exchange.now() + 60_000
        world.exchange.remarked = Remarks("the limit of orders is used up")
        await naived.trade("2000")
        unplaced = "not placed yet: the limit of orders is used up"
        assert await buys(naived) == (True, f"yes: a buy is {unplaced}")
        (trader,) = (await explained(naived))["traders"]
        assert trader["text"].endswith(unplaced)


async def test_a_buy_that_is_not_written_is_not_placed(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.journal.delay = 2
        await naived.trade("2000")
        (trader,) = (await explained(naived))["traders"]
        assert trader["text"] == "wants to buy 0.1 ETH at 1999.8 (-0.01%); not placed yet"
        await trio.sleep(3)
        assert await buys(naived) == (True, "yes: a buy rests")


async def test_a_symbol_that_only_sells_lots_buys_at_the_next_trade(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start(chunks=2)
        symbol = naived.symbol()
        lot = Lot(parse_quantity("1"), parse_money("2000"), parse_price("2100"))
        symbol.engine = replace(symbol.engine, leader=replace(symbol.engine.leader, lots=(lot,)))
        symbol.offer(Informed(symbol.engine.leader.info, symbol.engine.leader.fees))
        assert [trader.sells_lots for trader in naived.traders()] == [True]
        assert await buys(naived) == (True, "yes: at the next trade")


async def test_one_that_was_never_configured_says_how_to_begin(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.until(lambda: naived.service.state == "ready")
        with pytest.raises(ControlError) as raised:
            await explained(naived)
        assert (raised.value.code, raised.value.hint) == (
            Code.NOT_CONFIGURED,
            "begin with: naivectl start ETHUSDT",
        )


@pytest.mark.parametrize("symbols", [(), ("ETHUSDT", "BTCUSDT")])
async def test_it_takes_one_symbol(world: World, clock: MockClock, symbols: tuple[str, ...]) -> None:
    async with world.naived() as naived:
        with pytest.raises(ControlError) as raised:
            await naived.call("explain", *symbols)
        assert raised.value.code == Code.INVALID_PARAMS
