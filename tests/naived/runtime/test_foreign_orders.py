"""Open orders of another naived: a second one on our account, or our own from a journal that was lost."""

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.control.next_steps import next_step
from naived.core.amount import parse_price, parse_quantity
from naived.core.orders.intent import OrderIntent, Side
from tests.support.runtime import Document, Naived, World

OTHER = OrderIntent("ETHUSDT", 1, Side.BUY, 1, parse_price("1000"), parse_quantity("0.1"))


async def told(naived: Naived) -> list[Document]:
    return [event for event in (await naived.call("events"))["events"] if event["kind"] == "other naived"]


async def test_a_journal_without_any_order_does_not_trade_beside_orders_that_may_be_its_own(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    exchange.plant("n1zzzz-1", OTHER)
    exchange.plant("n1yyyy-1", replace(OTHER, price=parse_price("1001")))
    exchange.plant("n1yyyy-2", replace(OTHER, price=parse_price("1002")))
    async with world.naived() as naived:
        await naived.until(lambda: "ETHUSDT" in naived.supervisor.symbols and naived.state() == "quarantined")
        assert "3 open orders of another naived (tags yyyy, zzzz)" in (naived.reason() or "")
        assert next_step(naived.symbol()) == "naivectl resolve ETHUSDT --all --ignore"
        assert (await naived.ask("start"))["error"]["kind"] == "quarantined"
        await naived.start("BTCUSDT")
        await naived.trade("2000")
        assert exchange.wire == []
        assert (await naived.ask("resolve", all=True, action="adopt"))["changed"] is False
        assert naived.state() == "quarantined"
        assert (await naived.ask("resolve", all=True, action="ignore"))["changed"] is True
        await naived.until(lambda: naived.state() == "trading")
        await trio.sleep(130)
        await naived.trade("2000")
        assert len(exchange.wire) == 1


async def test_it_trades_when_those_orders_are_gone(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    exchange.plant("n1zzzz-1", OTHER)
    async with world.naived() as naived:
        await naived.ask("start")
        assert naived.state() == "quarantined"
        assert "1 open order of another naived (tag zzzz)" in (naived.reason() or "")
        (order,) = exchange.open()
        exchange.cancel_by_hand(order)
        await naived.start()


async def test_a_journal_with_orders_tells_of_them_once_and_trades(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
    world.exchange.plant("n1zzzz-1", OTHER)
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "trading")
        await trio.sleep(130)
        (event,) = await told(naived)
        assert event["symbol"] == "ETHUSDT"
        assert "1 open order of another naived (tag zzzz)" in event["message"]


@pytest.mark.parametrize("name", ["web_1", "n1-1", "n1zz1z-1", "n1zzzzz-1"])
async def test_orders_of_other_programs_are_nobodys_concern(world: World, clock: MockClock, name: str) -> None:
    world.exchange.plant(name, OTHER)
    async with world.naived() as naived:
        await naived.start()
        assert await told(naived) == []


async def test_a_node_blocks_them_where_they_are_started_and_trades_on_beside_later_ones(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    exchange.plant("n1zzzz-1", OTHER)
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        await alpha.until(lambda: alpha.service.session.ready.is_set())
        assert (await alpha.ask("start"))["error"]["kind"] == "quarantined"
        assert (await alpha.ask("resolve", all=True, action="ignore"))["changed"] is True
        await alpha.until(lambda: alpha.state() == "trading")
        exchange.plant("n1yyyy-1", OTHER)
        await trio.sleep(130)
        assert (alpha.state(), alpha.reason()) == ("trading", None)
        assert {event["symbol"] for event in await told(beta)} == {"ETHUSDT"}
