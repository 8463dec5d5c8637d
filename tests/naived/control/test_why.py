"""One order's life, with the times of the exchange and of the journal."""

import pytest
from trio.testing import MockClock

from naived.control.protocol import Code, ControlError
from tests.support.runtime import Document, Naived, World


async def why(naived: Naived, beginning: str) -> Document:
    return await naived.call("why", "ETHUSDT", client_order_id=beginning)


async def test_a_filled_order_tells_its_life_in_order(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        buy = world.exchange.orders()[0]
        told = await why(naived, buy.client_order_id)
        assert told["order"]["client_order_id"] == buy.client_order_id
        assert [moment["what"] for moment in told["life"]] == [
            *("decided", "durable", "signed", "placed", "fill", "filled")
        ]
        times = [moment["at"] for moment in told["life"]]
        assert times == sorted(times)
        texts = [moment["text"] for moment in told["life"]]
        assert texts[0] == "buy 0.1 at 1999.8, by ETHUSDT-1 on a trade of this moment"
        assert texts[2].startswith("to be sent once: the first and only time; the exchange refuses it after 20")
        assert texts[4].startswith("0.1 at 1999.8, fee 0.0001 ETH, trade ")


async def test_a_trade_that_is_ahead_of_our_clock_still_decides_first(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        world.exchange.trade("2000", age=-3)
        await naived.trade("2000", "1990")
        buy = world.exchange.orders()[0]
        life = (await why(naived, buy.client_order_id))["life"]
        assert [moment["what"] for moment in life][:3] == ["decided", "durable", "signed"]
        assert life[0]["at"] <= life[1]["at"]


async def test_a_beginning_is_enough_that_only_one_order_has(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        ids = [order.client_order_id for order in world.exchange.orders()]
        tail = [each.partition("-")[2] for each in ids]
        common = next(n for n in range(len(tail[0])) if tail[0][n] != tail[1][n])
        assert (await why(naived, tail[0][: common + 1]))["order"]["client_order_id"] == ids[0]
        with pytest.raises(ControlError, match="more than one order begins with") as raised:
            await why(naived, tail[0][:common])
        assert raised.value.hint == "give more of its id"


@pytest.mark.parametrize("beginning", ["nothing", "%", "_", "n1"])
async def test_what_no_order_begins_with_is_said(world: World, clock: MockClock, beginning: str) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        with pytest.raises(ControlError) as raised:
            await why(naived, beginning)
        assert raised.value.code == Code.INVALID_TRANSITION
        assert raised.value.hint == "see them with: naivectl orders ETHUSDT"


async def test_resolve_takes_a_beginning_too(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        sell = world.exchange.open()[-1]
        world.exchange.cancel_by_hand(sell)
        await naived.until(lambda: naived.phases() == ["holding"])
        tail = sell.client_order_id.partition("-")[2]
        assert (await naived.ask("resolve", client_order_id=tail, action="adopt"))["changed"] is True
        assert naived.phases() == ["selling"]
