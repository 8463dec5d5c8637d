"""The fact follows the wish: boot, start and stop in any order, crashes, a journal that is away."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import pytest
import sqlalchemy as sa
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.core.orders.report import Refusal, Refused
from naived.core.strategy.settings import DesiredState, Status
from naived.nodes import UncomparedError
from naived.ports import JournalError, SymbolRecord, Unit
from naived.runtime.symbol_task import Symbol
from tests.support.market import Exchange
from tests.support.runtime import NO_BALANCE, SOON, Naived, World

CLOSED = Refused(Refusal.MARKET_CLOSED, -2010, "Market is closed.")


def crash(symbol: Symbol, error: Exception | None = None) -> None:
    """What a bug in a step would do, or this error."""
    with symbol.contained():
        raise error or ZeroDivisionError("a bug")


async def test_a_started_symbol_buys_low_and_sells_higher(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990", "2100")
        (trade,) = (await naived.call("trades"))["trades"]
        assert (trade["bought"], trade["sold"], trade["profit"]) == ("0.1", "0.0999", "0.20003858")
        assert naived.phases() == ["waiting"]


async def test_a_stop_and_a_start_at_the_same_moment_leave_it_trading(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.journal.delay = 0.5  # the task has not seen the first wish when the second comes
        async with trio.open_nursery() as nursery:
            nursery.start_soon(naived.ask, "stop")
            await trio.sleep(0.02)
            nursery.start_soon(naived.ask, "start")
        await naived.until(lambda: naived.state() == "trading")
        await naived.trade("2000")
        assert naived.phases() == ["buying"]


async def test_a_start_while_the_task_is_ending_begins_it_again(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        ending = trio.Event()
        unwatch = exchange.unwatch

        async def slow_unwatch(symbol: str) -> None:
            ending.set()
            await trio.sleep(1)
            await unwatch(symbol)

        exchange.unwatch = slow_unwatch  # type: ignore[method-assign]
        await naived.ask("stop", wait=False)
        await ending.wait()
        assert naived.state() == "stopping"
        await naived.start()
        await naived.trade("2000")
        assert naived.phases() == ["buying"]


async def test_a_price_that_values_others_goes_on_when_its_symbol_stops_or_becomes_another_nodes(
    world: World, clock: MockClock
) -> None:
    rules = replace(world.exchange.markets["ETHUSDT"].rules, symbol="ETHBTC", quote="BTC")
    world.exchange.markets["ETHBTC"] = Exchange(rules)
    async with world.naived() as naived:
        await naived.call("limits", max_exposure="250")
        await naived.start("ETHBTC", budget="100")
        await naived.start("BTCUSDT")
        await naived.trade("0.03", symbol="ETHBTC")  # from now on the value of BTC is needed
        await naived.ask("stop", "BTCUSDT")
        assert "BTCUSDT" in world.exchange.watched
        await naived.start("BTCUSDT")
        naived.supervisor.drop("BTCUSDT")
        await trio.sleep(SOON)
        assert "BTCUSDT" in world.exchange.watched
        naived.supervisor.drop("ETHBTC")
        await trio.sleep(SOON)
        assert "ETHBTC" not in world.exchange.watched


async def test_a_start_taken_back_before_its_task_began_is_answered(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        symbol = naived.supervisor.configure("ETHUSDT")
        for _ in range(20):  # the order in which tasks run is drawn
            works = []
            for status in (Status.ON, Status.OFF):
                works.append(symbol.direct(DesiredState(symbol.desired.settings, status, keep_buys=False)))
                naived.supervisor.follow(symbol)
            with trio.fail_after(SOON):
                for work in works:
                    assert work is not None
                    await work.durable()
            await naived.until(lambda: naived.state() == "off")


async def test_a_stop_in_the_middle_of_starting_leaves_nothing_active(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("BTCUSDT")
        await naived.ask("start", wait=False)
        for _ in range(20):
            await naived.ask("stop", wait=False)
            await trio.sleep(0.007)
            await naived.ask("start", wait=False)
            await trio.sleep(0.007)
        await naived.ask("stop")
        assert not naived.symbol().engine.leader.active
        exchange.trade("2000")
        await trio.sleep(1)
        assert naived.phases() == []
        await naived.start()
        assert "ETHUSDT" in exchange.watched


async def test_news_that_comes_while_the_task_ends_is_booked(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        unwatch = exchange.unwatch

        async def slow_unwatch(symbol: str) -> None:
            await trio.sleep(0.5)
            exchange.fill(exchange.open()[0], exchange.open()[0].rest)
            await unwatch(symbol)

        exchange.unwatch = slow_unwatch  # type: ignore[method-assign]
        await naived.ask("stop")
        await naived.until(lambda: naived.phases() == ["holding"])
        await trio.sleep(1)
        assert [order["state"] for order in await naived.orders()] == ["filled"]


async def test_a_symbol_that_crashes_is_begun_again_and_hurts_no_other(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000")
        await naived.trade("60000", symbol="BTCUSDT")
        crash(naived.symbol())
        assert naived.state() == "degraded"
        await naived.trade("59000", symbol="BTCUSDT")
        assert naived.phases("BTCUSDT")[0] == "selling"
        await naived.until(lambda: naived.state() == "trading")
        await naived.trade("1990")
        assert naived.phases() == ["selling"]
        assert len(exchange.orders()) == 2


async def test_a_crashed_symbol_says_why_until_it_is_tried_again(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        crash(naived.symbol())
        await trio.sleep(0.5)
        assert naived.state() == "degraded"
        assert "a bug" in (naived.reason() or "")


async def test_a_crashed_symbol_can_be_stopped_at_once(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        for _ in range(4):
            crash(naived.symbol())
            await naived.until(lambda: naived.state() == "trading", 20)
        crash(naived.symbol())
        await trio.sleep(1)  # of the 16 s before the next try
        began = trio.current_time()
        result = await naived.ask("stop")
        assert (result["error"], result["state"]) == (None, "off")
        assert trio.current_time() - began < 1


async def test_the_sixth_crash_in_ten_minutes_is_a_fault_and_start_tries_again(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        for _ in range(5):
            crash(naived.symbol())
            await naived.until(lambda: naived.state() == "trading", 120)
        crash(naived.symbol())
        await naived.until(lambda: naived.state() == "faulted")
        assert naived.reason() == "crashed 6 times in ten minutes, the last time with: a bug"
        assert naived.symbol().desired.status is Status.ON
        await trio.sleep(3600)
        assert naived.state() == "faulted"
        result = await naived.ask("start")
        assert (result["changed"], result["state"]) == (False, "trading")


async def test_what_a_replaced_database_refuses_is_no_crash(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        for _ in range(7):
            crash(naived.symbol(), UncomparedError("the database was replaced"))
            assert (naived.state(), naived.reason()) == ("degraded", "the database was replaced")
            await naived.until(lambda: naived.state() == "trading", 3)


async def test_a_crash_in_the_middle_of_a_stop_does_not_lose_it(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.ask("stop", wait=False)
        crash(naived.symbol())
        await naived.until(lambda: naived.state() == "off")


async def test_a_symbol_that_fails_while_off_is_begun_again_too(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        await naived.ask("stop")
        crash(naived.symbol())
        await trio.sleep(3)
        exchange.fill(exchange.open()[0], exchange.open()[0].rest)
        await naived.until(lambda: naived.phases() == ["holding"])
        assert (await naived.ask("start"))["error"] is None


def note_restarts(naived: Naived) -> list[float]:
    """When (trio time) a symbol is read from the journal again."""
    times, load = list[float](), naived.journal.load

    async def noted(symbol: str | None = None) -> Sequence[SymbolRecord]:
        times.append(trio.current_time())
        return await load(symbol)

    naived.journal.load = noted  # type: ignore[method-assign]
    return times


@pytest.mark.parametrize("on", [True, False])
async def test_a_symbol_that_crashes_at_every_restart_is_given_up_until_a_person_acts(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch, on: bool
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000")
        if not on:
            await naived.ask("stop")
        restarts = note_restarts(naived)
        with monkeypatch.context() as bug:
            bug.setattr("naived.core.orders.state.step_order", lambda *_: 1 / 0)
            crash(naived.symbol())
            await trio.sleep(3600)
        assert [round(later - first) for first, later in pairwise(restarts)] == [1, 2, 4, 8, 16]
        assert naived.state() == "faulted"
        assert naived.reason() == "crashed 6 times in ten minutes, the last time with: division by zero"
        assert naived.state("BTCUSDT") == "trading"
        exchange.fill(exchange.open()[0], exchange.open()[0].rest)
        result = await naived.ask("stop")
        assert (result["error"], result["state"]) == (None, "off")
        await naived.until(lambda: naived.phases() == ["holding"], 60)
        await naived.start()
        await naived.until(lambda: naived.phases() == ["selling"])


async def test_a_person_who_asks_for_a_crashed_symbol_does_not_wait_for_its_pause(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        for _ in range(5):
            crash(naived.symbol())
            await trio.sleep(0.1)
            began = trio.current_time()
            await naived.start()
            assert trio.current_time() - began < 1


async def test_a_symbol_off_says_nothing_of_a_fault_that_only_concerns_its_trading(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        exchange.faults.slow_reply = 1
        exchange.faults.refusals = [Refused(Refusal.CREDENTIALS, -2015, "Invalid API-key")]
        await naived.trade("2000")
        await naived.ask("stop")
        await trio.sleep(5)
        assert (naived.state(), naived.symbol().failed) == ("off", None)
        assert [order["state"] for order in await naived.orders()] == ["rejected"]


async def test_a_journal_that_reads_but_does_not_write_is_not_tried_without_a_pause(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        restarts, commit = note_restarts(naived), naived.journal.commit
        naived.journal.lies = 1  # the intent is written, so each restart has to write that it is unknown

        async def full(unit: Unit) -> None:
            if not naived.journal.lies:
                await trio.sleep(0.01)
                raise JournalError("the disk is full")
            await commit(unit)

        naived.journal.commit = full  # type: ignore[method-assign]
        await naived.trade("2000")
        await trio.sleep(20)
        assert 5 < len(restarts) <= 12
        naived.journal.commit = commit  # type: ignore[method-assign]
        await naived.until(lambda: naived.phases() == ["waiting"], 90)


async def test_while_the_journal_is_away_nothing_is_placed_and_afterwards_nothing_was_lost(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        naived.journal.away = True
        await naived.trade("1990")
        await trio.sleep(30)
        document = await naived.call("status")
        assert document["daemon"]["state"] == "degraded"
        assert document["symbols"][0]["state"] == "degraded"
        assert len(exchange.orders()) == 1
        assert (await naived.ask("stop"))["error"]["kind"] == "database_unavailable"
        naived.journal.away = False
        await naived.until(lambda: naived.state() == "trading")
        await naived.until(lambda: len(exchange.orders()) == 2)
        assert naived.phases() == ["selling"]
        assert (await naived.call("status"))["daemon"]["state"] == "ready"


async def test_a_stop_that_did_not_become_durable_leaves_the_symbol_trading(world: World, clock: MockClock) -> None:
    # Found by a simulated seed: it failed again while it rested from a failure, and nobody gave it another task.
    async with world.naived() as naived:
        await naived.start()
        naived.journal.away = True
        world.exchange.trade("2000")
        await trio.sleep(0.1)
        naived.journal.away = False
        await naived.until(lambda: naived.symbol().failed is None)
        naived.journal.away = True
        assert (await naived.ask("stop", cancel="none"))["error"]["kind"] == "database_unavailable"
        assert not naived.symbol().tended
        naived.journal.away = False
        await naived.until(lambda: naived.state() == "trading")
        assert naived.symbol().desired.status is Status.ON


async def test_a_journal_that_is_away_for_long_is_no_crash(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        for _ in range(10):
            naived.journal.away = True
            exchange.trade("2000")
            await trio.sleep(3)
            naived.journal.away = False
            await naived.until(lambda: naived.state() == "trading")
        assert naived.state() == "trading"


async def test_a_journal_that_hangs_for_minutes_holds_up_what_is_new_and_loses_nothing(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        naived.journal.delay, naived.journal.hanging = 600, "the database does not answer"
        await naived.trade("1990", "1960")
        await trio.sleep(590)
        assert (naived.state(), naived.reason()) == ("degraded", "the database does not answer")
        assert len(exchange.orders()) == 1
        naived.journal.delay, naived.journal.hanging = 0, None  # what is under way takes its ten minutes
        await naived.until(lambda: naived.phases() == ["selling", "waiting"], 20)  # too late for the second buy
        await naived.until(lambda: len(exchange.orders()) == 2)
        rows = sorted((order["side"], order["state"]) for order in await naived.orders())
        assert rows == [("buy", "abandoned"), ("buy", "filled"), ("sell", "open")]


async def test_a_wait_sees_that_a_journal_has_ceased_to_hang(world: World, clock: MockClock) -> None:
    """It makes no news for a symbol that had nothing to commit."""
    async with world.naived() as naived:
        await naived.start()
        naived.journal.hanging = "the database does not answer"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(naived.ask, "wait", **{"for": "trading"}))
            await trio.sleep(10)
            naived.journal.hanging = None
            nursery.cancel_scope.deadline = trio.current_time() + 5
        assert not nursery.cancel_scope.cancelled_caught


async def test_a_commit_that_is_in_doubt_is_read_back(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        naived.journal.lies = 1
        await naived.trade("2000")
        assert exchange.wire == []
        await naived.until(lambda: naived.order_states() == ["unknown"])
        await naived.until(lambda: naived.phases() == ["waiting"], 90)
        assert exchange.orders() == []


async def test_an_unlisted_symbol_is_faulted_with_its_reason(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
    del exchange.markets["ETHUSDT"]
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "faulted")
        assert naived.reason() == "the exchange does not list ETHUSDT (any more)"
        await naived.start("BTCUSDT")


async def test_what_is_started_in_a_closed_market_trades_when_it_opens(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    exchange.relist("ETHUSDT", trading=False)
    async with world.naived() as naived:
        error = (await naived.ask("start"))["error"]
        assert error["kind"] == "timed_out"
        assert "the market is closed: BREAK" in error["message"]
    async with world.naived() as naived:
        await boot(naived, "degraded")
        await naived.trade("2000")
        assert (naived.phases(), exchange.wire) == (["waiting"], [])
        exchange.relist("ETHUSDT", trading=True)
        await trio.sleep(60)
        assert naived.state() == "trading"
        await naived.trade("2000")
        assert naived.phases() == ["buying"]


async def test_a_halt_while_it_trades_needs_no_person(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        exchange.faults.refusals = [CLOSED, CLOSED]
        await naived.trade("2000")
        assert (naived.state(), naived.phases()) == ("trading", ["waiting"])
        document = await naived.call("status")
        assert document["symbols"][0]["traders"][0]["reason"] == "Market is closed."
        await naived.trade("2000")
        assert len(exchange.wire) == 1
        for _ in range(2):
            await trio.sleep(10)
            await naived.trade("2000")
        assert (len(exchange.wire), naived.phases()) == (3, ["buying"])
        assert [order["state"] for order in await naived.orders()] == ["rejected", "rejected", "open"]


async def test_a_restart_during_a_halt_needs_no_person(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000", "1990")
    for name in ("ETHUSDT", "BTCUSDT"):
        exchange.relist(name, trading=False)
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == naived.state("BTCUSDT") == "degraded")
        for name in ("ETHUSDT", "BTCUSDT"):
            exchange.relist(name, trading=True)
        await naived.trade("2100")
        assert naived.symbol().engine.leader.cycles == 1
        await trio.sleep(60)
        await naived.trade("60000", symbol="BTCUSDT")
        assert naived.phases("BTCUSDT") == ["buying"]


async def boot(naived: Naived, state: str) -> None:
    await naived.until(lambda: naived.state() == state)


async def test_after_a_restart_what_was_on_goes_on_with_the_same_orders(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        before = await naived.orders()
    async with world.naived() as naived:
        await boot(naived, "trading")
        assert await naived.orders() == before
        await naived.trade("1990", "2100")
        assert naived.symbol().engine.leader.cycles == 1
        assert len(exchange.orders()) == 2


async def test_after_a_restart_a_drain_goes_on_and_off_stays_off(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000", "1990")
        await naived.trade("60000", symbol="BTCUSDT")
        await naived.ask("shutdown")
        await naived.ask("stop", "BTCUSDT")
    async with world.naived() as naived:
        await boot(naived, "draining")
        await trio.sleep(3)
        assert naived.state("BTCUSDT") == "off"
        assert exchange.watched == {"ETHUSDT"}
        await naived.trade("2100")
        await naived.until(lambda: naived.state() == "off")
    async with world.naived() as naived:
        await trio.sleep(3)
        assert naived.state() == "off"


async def test_a_drain_that_had_ended_when_the_process_died_becomes_off(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("shutdown")
        commit = naived.journal.commit

        async def dies_before_off(unit: object) -> None:
            if getattr(unit, "desired", None) is not None:
                naived.journal.dead = True
            await commit(unit)  # type: ignore[arg-type]

        naived.journal.commit = dies_before_off  # type: ignore[method-assign]
        await naived.trade("2100")
    async with world.naived() as naived:
        assert naived.symbol().desired.status is Status.SHUTDOWN
        assert naived.traders() == ()
        await naived.until(lambda: naived.state() == "off")


async def test_waiting_for_its_sell_to_be_tried_again_costs_nothing_while_the_exchange_is_away(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        exchange.faults.refusals = [NO_BALANCE]
        await naived.trade("1990")
        assert naived.phases() == ["holding"]
    exchange.gone = "no route"
    async with world.naived() as naived:
        await trio.sleep(120)  # it never gets there if the symbol's task spins
        exchange.come_back()
        await naived.until(lambda: naived.phases() == ["selling"])


async def test_a_person_who_acts_on_a_symbol_that_another_node_has_just_taken_breaks_nothing(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        symbol = naived.symbol()
        naived.supervisor.drop(symbol.name)

        naived.supervisor.follow(symbol)

        assert naived.supervisor.measured(symbol)
        assert symbol.name not in naived.supervisor.symbols


async def test_a_row_that_was_changed_by_hand_stops_its_symbol_alone_and_is_named(
    world: World, clock: MockClock
) -> None:
    engine = sa.create_engine(world.url)
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE settings SET chunks = 'five' WHERE symbol = 'ETHUSDT'")
        crash(naived.symbol())
        await naived.trade("60000", symbol="BTCUSDT")
        await trio.sleep(10)
        assert naived.phases("BTCUSDT") == ["buying"]
        assert (naived.state("BTCUSDT"), naived.state()) == ("trading", "degraded")
        assert "table settings, symbol ETHUSDT: chunks is 'five'" in (naived.reason() or "")
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE settings SET chunks = 5 WHERE symbol = 'ETHUSDT'")
        await naived.until(lambda: naived.state() == "trading")
    engine.dispose()
