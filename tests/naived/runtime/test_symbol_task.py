"""One sequencer: memory may be ahead of the journal, the exchange never, and what fails stops here."""

from functools import partial

import pytest
import trio
from trio.testing import MockClock

from naived.core.engine import Blocked, BlockedBy
from naived.core.orders.intent import Side
from naived.core.orders.state import Restarted
from naived.core.strategy.leader import EVERY, NONE
from naived.core.strategy.leader_events import Activated
from naived.core.strategy.settings import DesiredState, Status
from naived.core.strategy.trader_state import Note
from naived.runtime.symbol_task import Symbol, blank
from tests.support.runtime import Naived, World


def step_wrongly(symbol: Symbol) -> None:
    with symbol.contained():
        raise ZeroDivisionError("a bug")


async def test_units_are_committed_in_the_order_of_their_events(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        before = len(naived.journal.commits)
        naived.journal.delay = 0.05
        for status in (Status.SHUTDOWN, Status.ON, Status.OFF):
            naived.symbol().direct(DesiredState(naived.symbol().desired.settings, status, keep_buys=False))
        assert naived.symbol().behind
        await naived.until(lambda: not naived.symbol().behind)
        statuses = [unit.desired.status for unit in naived.journal.commits[before:] if unit.desired is not None]
        assert statuses == [Status.SHUTDOWN, Status.OFF, Status.ON, Status.OFF]  # the drain ended at once


async def test_the_band_follows_the_leader_at_once(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        gate = naived.symbol().gate
        assert (gate.low, gate.high) == EVERY
        world.exchange.trade("2000")
        assert (gate.low, gate.high) == NONE  # the buy is not accepted yet
        await trio.sleep(0.2)
        assert gate.low < 1990 * 10**8 < gate.high
        await naived.ask("stop")
        assert (gate.low, gate.high) == NONE


async def test_an_ordinary_trade_leaves_nothing_to_do(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        before = len(naived.journal.commits)
        await naived.trade("2001", "2000.5", "1999.9")
        assert len(naived.journal.commits) == before


async def test_a_failed_symbol_takes_no_events_until_it_is_restored(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        symbol = naived.symbol()
        step_wrongly(symbol)
        step_wrongly(symbol)
        assert str(symbol.failed) == "a bug"
        assert symbol.offer(Blocked(BlockedBy.EXCHANGE, "later")) is None
        assert symbol.direct(blank("ETHUSDT").desired) is None
        assert symbol.desired.status is Status.ON
        assert not symbol.engine.may_place
        assert (symbol.gate.low, symbol.gate.high) == NONE


async def test_nothing_is_committed_behind_a_commit_that_failed(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        symbol, desired = naived.symbol(), naived.symbol().desired
        naived.journal.delay = 0.2
        first = symbol.direct(desired, note=Note("desired", "first"))
        await trio.sleep(0.1)
        second = symbol.direct(desired, note=Note("desired", "second"))
        naived.journal.away = True
        before = len(naived.journal.commits)
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(symbol.settle)  # as a suspend would, beside the symbol's own task
            await trio.sleep(0.15)
            naived.journal.away = False
        assert first is not None
        assert second is not None
        assert second.done.is_set()
        assert (first.committed, second.committed) == (False, False)
        messages = [event.message for unit in naived.journal.commits[before:] for event in unit.events]
        assert "second" not in messages


async def test_a_journal_that_is_far_behind_fails_the_symbol_and_no_other(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("naived.runtime.commit._MOST_PENDING", 3)
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        naived.journal.delay = 1
        notes = [Note("desired", str(number)) for number in range(4)]
        works = [naived.symbol().direct(naived.symbol().desired, note=note) for note in notes]
        assert works[3] is None
        assert isinstance(naived.symbol().failed, OverflowError)
        assert all(work is not None and work.done.is_set() for work in works[:3])
        naived.journal.delay = 0
        await naived.until(lambda: naived.state() == "trading")
        assert naived.state("BTCUSDT") == "trading"


async def test_each_block_has_to_be_lifted_by_itself(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        symbol = naived.symbol()
        symbol.offer(Blocked(BlockedBy.EXCHANGE, "away"))
        symbol.offer(Blocked(BlockedBy.COINS, "missing"))
        symbol.offer(Blocked(BlockedBy.EXCHANGE, None))
        assert symbol.engine.blocked == "missing"
        assert not symbol.engine.may_place
        symbol.offer(Blocked(BlockedBy.COINS, None))
        assert symbol.engine.may_place
        await naived.trade("2000")
        assert len(world.exchange.wire) == 1


async def test_a_blocked_symbol_does_not_send_what_it_had_decided(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.journal.delay = 0.2
        world.exchange.trade("2000")
        naived.symbol().offer(Blocked(BlockedBy.COINS, "missing"))
        await trio.sleep(1)
        assert world.exchange.wire == []
        assert naived.order_states() == ["not_placed"]
        naived.symbol().offer(Blocked(BlockedBy.COINS, None))
        await naived.until(lambda: len(world.exchange.wire) == 1)


async def test_an_activation_that_comes_behind_a_stop_or_a_failure_changes_nothing(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.ask("stop")
        naived.symbol().offer(Activated())
        assert not naived.symbol().engine.leader.active
        naived.symbol().direct(DesiredState(naived.symbol().desired.settings, Status.ON, keep_buys=False))
        step_wrongly(naived.symbol())
        naived.symbol().offer(Activated())
        assert not naived.symbol().engine.leader.active


async def test_news_of_an_order_that_is_not_ours_any_more_is_ignored(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        assert naived.symbol().offer(Restarted("n1gone")) is None
        assert naived.symbol().failed is None


async def test_only_what_is_durable_is_restored(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.journal.away = True
        await naived.trade("2000")
        naived.journal.away = False
        await naived.until(lambda: naived.state() == "trading")
        assert (naived.phases(), naived.order_states()) == ([], [])
        assert await naived.orders() == []


async def prices_of_buys(naived: Naived) -> list[str]:
    return [order["price"] for order in await naived.orders() if order["side"] == "buy"]


async def test_a_bad_print_starts_no_trader_and_the_symbol_says_what_it_waits_for(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "20")
        assert await prices_of_buys(naived) == ["1999.8"]
        assert naived.phases() == ["selling"]  # the exchange filled the buy at its own price
        assert naived.state() == "trading"
        expected = "a trade at 20, the one before at 2000: two later trades have to confirm it (max-deviation)"
        assert naived.reason() == expected
        assert expected in [event["message"] for event in naived.events.after(0, 10)]
        await naived.trade("1998")
        assert naived.reason() is None


async def test_a_price_that_two_later_trades_confirm_is_acted_on(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1500", "1501")
        assert len(await prices_of_buys(naived)) == 1
        await naived.trade("1502")
        assert await prices_of_buys(naived) == ["1999.8", "1501.84"]


async def test_the_first_trade_is_compared_with_the_last_price_of_the_exchange(
    world: World, clock: MockClock
) -> None:
    world.exchange.trade("2000")
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("20")
        assert await prices_of_buys(naived) == []
        await naived.trade("2001")
        assert await prices_of_buys(naived) == ["2000.79"]


async def test_without_a_deviation_every_trade_decides(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start(max_deviation="0")
        await naived.trade("2000", "1500")
        assert await prices_of_buys(naived) == ["1999.8", "1499.85"]


async def test_a_new_deviation_binds_a_running_symbol(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        await naived.call("settings", "ETHUSDT", max_deviation="0.001")
        await naived.trade("1980")
        assert len(await prices_of_buys(naived)) == 1


async def test_the_end_of_a_buy_is_written_though_the_next_one_is_left_out(world: World, clock: MockClock) -> None:
    """Else its trader would wait for ever, after a crash, for a buy that has ended."""
    async with world.naived(suspends=False) as naived:
        journal, exchange = naived.journal, naived.exchange
        await naived.start(chunks=1)
        await naived.trade("2000")
        journal.delay = 0.5
        exchange.trade("2025")  # its buy is taken back, once that is durable
        written = len(journal.commits)
        await naived.until(lambda: any(unit.orders for unit in journal.commits[written:]))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(naived.ask, "settings", profit="0.002"))  # is being written
            await trio.sleep(0.001)
            nursery.start_soon(partial(naived.call, "halt", reason="news"))  # of the account, behind it
            await trio.sleep(0.05)
            assert naived.order_states() == ["cancelled"]
            exchange.trade("2025.5")
            assert naived.order_states() == ["intended"]
            written = len(journal.commits)
            await naived.until(lambda: any(unit.orders for unit in journal.commits[written:]))
            journal.dead = True
            nursery.cancel_scope.cancel()
    async with world.naived() as naived:
        assert naived.phases() == ["waiting"]
        await naived.call("resume")
        await naived.start()
        await naived.trade("2000")
        assert len(naived.exchange.open(side=Side.BUY)) == 1
