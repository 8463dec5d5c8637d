"""What a fall guard knows of the prices that nobody heard."""

from collections.abc import Sequence

import trio
from trio.testing import MockClock

from naived.core.orders.intent import Side
from naived.core.recent_high import Candle
from tests.support.runtime import Naived, World

GUARDED = {"chunks": 3, "budget": "600", "fall_guard": "5%/10m", "max_deviation": "0", "reprice": "0"}


def buys(naived: Naived) -> int:
    return sum(order.intent.side is Side.BUY for order in naived.exchange.orders())


async def test_it_knows_what_was_traded_while_the_symbol_was_off(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start(**GUARDED)
        await naived.trade("2000", "2000")
        await naived.ask("stop", cancel="all")
        assert buys(naived) == 1
        for price in ("2400", "2500", "2300"):
            await naived.trade(price)
        await naived.start()
        naived.exchange.trade("2300")  # what was traded meanwhile is still on its way
        await trio.sleep(2)
        assert buys(naived) == 1
        await naived.trade("2300")
        assert "from 2500 to 2300" in (naived.reason() or "")
        assert buys(naived) == 1
        await naived.trade("2400")
        assert buys(naived) == 2


async def test_one_bad_print_while_the_symbol_was_off_holds_nothing_back(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start(**{**GUARDED, "max_deviation": "0.1"})
        await naived.trade("2000", "2000")
        await naived.ask("stop", cancel="all")
        assert buys(naived) == 1
        for price in ("2010", "20000", "2005"):
            await naived.trade(price)
        await naived.start()
        for _ in range(2):
            naived.exchange.trade("2005")
            await trio.sleep(2)
        assert buys(naived) == 2


async def test_trades_that_were_on_their_way_make_nothing_unknown_again(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start(**GUARDED)
        await naived.trade("2000", "2000", "1800")
        assert "from 2000 to 1800" in (naived.reason() or "")
        await naived.ask("stop")
        naived.exchange.asked.clear()
        await naived.start()
        for _ in range(20):
            naived.exchange.trade("1800", age=400)
            await trio.sleep(0.3)
        assert 1 <= naived.exchange.asked.count("candles") <= 2
        written = [event for unit in naived.journal.commits for event in unit.events]
        assert sum(event.kind == "waits" for event in written) <= 4
        assert buys(naived) == 1


async def test_while_an_answer_is_on_its_way_it_is_not_asked_again(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        at_once, asked = naived.exchange.candles, []

        async def slowly(symbol: str, span: int) -> Sequence[Candle]:
            asked.append(symbol)
            await trio.sleep(60)
            return await at_once(symbol, span)

        naived.exchange.candles = slowly  # type: ignore[method-assign]
        await naived.start(**GUARDED)
        for _ in range(100):
            await naived.trade("2000")
        assert "are not known yet" in (naived.reason() or "")
        assert (len(asked), buys(naived)) == (2, 0)  # with the settings, and once its trades were heard
        naived.symbol().gate.lost()
        await naived.trade("2000")
        await trio.sleep(10)
        await naived.trade("2000")
        assert len(asked) == 3  # what the first one tells is too little now
        await trio.sleep(60)
        await naived.trade("2000")
        assert (len(asked), buys(naived)) == (3, 1)
