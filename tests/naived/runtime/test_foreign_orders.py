"""Open orders of another naived: a second one on our account, or our own from a journal that was lost."""

import sqlite3
from collections.abc import Sequence

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.control.next_steps import next_step
from naived.core.amount import parse_price, parse_quantity
from naived.core.orders.client_id import Foreign
from naived.core.orders.intent import OrderIntent, Side
from naived.ports import CorruptError, OrderRow, Page
from tests.support.runtime import LEASE, Document, FlakyJournal, Naived, World

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


async def rows(naived: Naived) -> dict[tuple[str, str], Foreign]:
    return dict((await naived.journal.account()).foreign)


async def test_the_quarantine_after_a_lost_journal_outlives_restarts_until_those_orders_have_ended(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    exchange.plant("n1zzzz-1", OTHER)
    async with world.naived(suspends=False) as naived:
        await naived.ask("start")
        await naived.start("BTCUSDT")
        await naived.trade("60000", symbol="BTCUSDT")
        assert len(exchange.wire) == 1, "the journal is not without orders any more"
    for _ in range(2):
        async with world.naived(suspends=False) as naived:
            await naived.until(lambda: naived.state() == "quarantined")
            assert "1 open order of another naived (tag zzzz)" in (naived.reason() or "")
            assert next_step(naived.symbol()) == "naivectl resolve ETHUSDT --all --ignore"
            await naived.trade("2000")
            await trio.sleep(130)
            assert len(exchange.wire) == 1
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "quarantined")
        (order,) = exchange.open()
        exchange.cancel_by_hand(order)
        await naived.start()
        assert await rows(naived) == {}
        await naived.trade("2000")
        assert len(exchange.wire) == 2


async def test_what_a_person_said_of_them_outlives_a_restart_that_finds_no_order_in_the_journal(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    exchange.plant("n1zzzz-1", OTHER)
    async with world.naived(suspends=False) as naived:
        await naived.ask("start")
        naived.journal.away = True
        refused = await naived.ask("resolve", all=True, action="ignore")
        assert "away" in refused["error"]["message"]
        naived.journal.away = False
        await naived.until(lambda: naived.state() == "quarantined")
        assert (await naived.ask("resolve", all=True, action="ignore"))["changed"] is True
        assert await rows(naived) == {("ETHUSDT", "zzzz"): Foreign.IGNORED}
        assert (await naived.ask("resolve", all=True, action="ignore"))["changed"] is False
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "trading")
        await naived.trade("2000")
        assert len(exchange.wire) == 1


async def test_a_symbol_that_nobody_started_is_quarantined_after_a_restart_too(
    world: World, clock: MockClock
) -> None:
    world.exchange.plant("n1zzzz-1", OTHER)
    async with world.naived(suspends=False) as naived:
        await naived.until(lambda: "ETHUSDT" in naived.supervisor.symbols)
        await naived.start("BTCUSDT")
        await naived.trade("60000", symbol="BTCUSDT")
    async with world.naived() as naived:
        await naived.until(lambda: "ETHUSDT" in naived.supervisor.symbols and naived.state() == "quarantined")
        assert (await naived.ask("start"))["error"]["kind"] == "quarantined"


async def test_nothing_is_placed_before_it_is_written_what_blocks(world: World, clock: MockClock) -> None:
    world.exchange.plant("n1zzzz-1", OTHER)
    async with world.naived(suspends=False) as naived:
        naived.journal.refuses = 100
        await naived.until(lambda: naived.journal.refuses < 99, 30)
        assert not naived.service.session.ready.is_set()
        assert await rows(naived) == {}
        naived.journal.refuses = 0
        await naived.until(lambda: "ETHUSDT" in naived.supervisor.symbols and naived.state() == "quarantined", 30)
        assert await rows(naived) == {("ETHUSDT", "zzzz"): Foreign.BLOCKS}


@pytest.mark.parametrize("ignored", [False, True])
async def test_a_node_that_takes_a_symbol_knows_what_blocks_it(
    world: World, clock: MockClock, ignored: bool
) -> None:
    exchange = world.exchange
    exchange.plant("n1zzzz-1", OTHER)
    async with world.naived(node="alpha") as alpha:
        await alpha.until(lambda: alpha.service.session.ready.is_set())
        await alpha.ask("start")
        await alpha.start("BTCUSDT")
        assert alpha.state() == "quarantined"
        await alpha.trade("60000", symbol="BTCUSDT")
        async with world.naived(node="beta") as beta:
            await beta.until(lambda: beta.service.session.ready.is_set())
            if ignored:  # beta knows it as blocked
                assert (await alpha.ask("resolve", all=True, action="ignore"))["changed"] is True
            await alpha.call("nodes", drain="alpha")
            state = "trading" if ignored else "quarantined"
            await beta.until(lambda: "ETHUSDT" in beta.supervisor.symbols and beta.state() == state, 90)
            await beta.trade("2000")
            assert len(exchange.orders(side=Side.BUY)) == (2 if ignored else 1), "one is planted"


async def test_a_row_of_another_symbol_that_cannot_be_read_is_not_looked_at(world: World, clock: MockClock) -> None:
    exchange, path = world.exchange, world.url.removeprefix("sqlite:///")
    exchange.plant("n1zzzz-1", OTHER)
    async with world.naived(node="beta") as beta:
        async with world.naived(node="alpha", suspends=False) as alpha:
            await alpha.ask("start")
            await alpha.start("BTCUSDT")
            await alpha.trade("60000", symbol="BTCUSDT")
            with sqlite3.connect(path) as database:
                database.execute("UPDATE settings SET exposure = 'x' WHERE symbol = 'BTCUSDT'")
        exchange.come_back()
        await beta.until(lambda: len(beta.supervisor.symbols) == 2, 2 * LEASE / 1000)
        await trio.sleep(10)
        assert beta.state() == "quarantined"  # for the orders of another naived, as it was before
        assert beta.service.session.away is beta.service.session.unread is None


async def test_an_order_that_cannot_be_read_is_one_that_the_journal_has(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def orders(journal: FlakyJournal, page: Page) -> Sequence[OrderRow]:
        await trio.lowlevel.checkpoint()
        raise CorruptError("the database holds what this version cannot read")

    world.exchange.plant("n1zzzz-1", OTHER)
    monkeypatch.setattr(FlakyJournal, "orders", orders)
    async with world.naived() as naived:
        await naived.until(lambda: naived.service.session.ready.is_set())
        await naived.start()
