"""The fact follows the wish: boot, start and stop in any order, crashes, a journal that is away."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from naived.core.orders.report import Refusal, Refused
from naived.core.strategy.settings import DesiredState, Status
from naived.ports import JournalError, SymbolRecord, Unit
from naived.runtime.symbol_task import Symbol
from tests.runtime_house import NO_BALANCE, SOON, House, World

CLOSED = Refused(Refusal.MARKET_CLOSED, -2010, "Market is closed.")


def crash(symbol: Symbol) -> None:
    """What a bug in a step would do."""
    with symbol.contained():
        raise ZeroDivisionError("a bug")


async def test_a_started_symbol_buys_low_and_sells_higher(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.trade("2000", "1990", "2100")
        (trade,) = (await house.call("trades"))["trades"]
        assert (trade["bought"], trade["sold"], trade["profit"]) == ("0.1", "0.0999", "0.20003858")
        assert house.phases() == ["waiting"]


async def test_a_stop_and_a_start_at_the_same_moment_leave_it_trading(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        house.journal.delay = 0.5  # the task has not seen the first wish when the second comes
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.ask, "stop")
            await trio.sleep(0.02)
            nursery.start_soon(house.ask, "start")
        await house.until(lambda: house.state() == "trading")
        await house.trade("2000")
        assert house.phases() == ["buying"]


async def test_a_start_while_the_task_is_ending_begins_it_again(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        ending = trio.Event()
        unwatch = exchange.unwatch

        async def slow_unwatch(symbol: str) -> None:
            ending.set()
            await trio.sleep(1)
            await unwatch(symbol)

        exchange.unwatch = slow_unwatch  # type: ignore[method-assign]
        await house.ask("stop", wait=False)
        await ending.wait()
        assert house.state() == "stopping"
        await house.start()
        await house.trade("2000")
        assert house.phases() == ["buying"]


async def test_a_start_taken_back_before_its_task_began_is_answered(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        symbol = house.supervisor.configure("ETHUSDT")
        for _ in range(20):  # the order in which tasks run is drawn
            works = []
            for status in (Status.ON, Status.OFF):
                works.append(symbol.direct(DesiredState(symbol.desired.settings, status, keep_buys=False)))
                house.supervisor.follow(symbol)
            with trio.fail_after(SOON):
                for work in works:
                    assert work is not None
                    await work.durable()
            await house.until(lambda: house.state() == "off")


async def test_a_stop_in_the_middle_of_starting_leaves_nothing_active(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start("BTCUSDT")
        await house.ask("start", wait=False)
        for _ in range(20):
            await house.ask("stop", wait=False)
            await trio.sleep(0.007)
            await house.ask("start", wait=False)
            await trio.sleep(0.007)
        await house.ask("stop")
        assert not house.symbol().engine.leader.active
        exchange.trade("2000")
        await trio.sleep(1)
        assert house.phases() == []
        await house.start()
        assert "ETHUSDT" in exchange.watched


async def test_news_that_comes_while_the_task_ends_is_booked(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        unwatch = exchange.unwatch

        async def slow_unwatch(symbol: str) -> None:
            await trio.sleep(0.5)
            exchange.fill(exchange.open()[0], exchange.open()[0].rest)
            await unwatch(symbol)

        exchange.unwatch = slow_unwatch  # type: ignore[method-assign]
        await house.ask("stop")
        await house.until(lambda: house.phases() == ["holding"])
        await trio.sleep(1)
        assert [order["state"] for order in await house.orders()] == ["filled"]


async def test_a_symbol_that_crashes_is_begun_again_and_hurts_no_other(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start("ETHUSDT", "BTCUSDT")
        await house.trade("2000")
        await house.trade("60000", symbol="BTCUSDT")
        crash(house.symbol())
        assert house.state() == "degraded"
        await house.trade("59000", symbol="BTCUSDT")
        assert house.phases("BTCUSDT")[0] == "selling"
        await house.until(lambda: house.state() == "trading")
        await house.trade("1990")
        assert house.phases() == ["selling"]
        assert len(exchange.orders()) == 2


async def test_a_crashed_symbol_says_why_until_it_is_tried_again(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        crash(house.symbol())
        await trio.sleep(0.5)
        assert house.state() == "degraded"
        assert "a bug" in (house.reason() or "")


async def test_a_crashed_symbol_can_be_stopped_at_once(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        for _ in range(4):
            crash(house.symbol())
            await house.until(lambda: house.state() == "trading", 20)
        crash(house.symbol())
        await trio.sleep(1)  # of the 16 s before the next try
        began = trio.current_time()
        result = await house.ask("stop")
        assert (result["error"], result["state"]) == (None, "off")
        assert trio.current_time() - began < 1


async def test_the_sixth_crash_in_ten_minutes_is_a_fault_and_start_tries_again(
    world: World, clock: MockClock
) -> None:
    async with world.house() as house:
        await house.start()
        for _ in range(5):
            crash(house.symbol())
            await house.until(lambda: house.state() == "trading", 120)
        crash(house.symbol())
        await house.until(lambda: house.state() == "faulted")
        assert house.reason() == "crashed 6 times in ten minutes, the last time with: a bug"
        assert house.symbol().desired.status is Status.ON
        await trio.sleep(3600)
        assert house.state() == "faulted"
        result = await house.ask("start")
        assert (result["changed"], result["state"]) == (False, "trading")


async def test_a_crash_in_the_middle_of_a_stop_does_not_lose_it(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.ask("stop", wait=False)
        crash(house.symbol())
        await house.until(lambda: house.state() == "off")


async def test_a_symbol_that_fails_while_off_is_begun_again_too(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        await house.ask("stop")
        crash(house.symbol())
        await trio.sleep(3)
        exchange.fill(exchange.open()[0], exchange.open()[0].rest)
        await house.until(lambda: house.phases() == ["holding"])
        assert (await house.ask("start"))["error"] is None


def note_restarts(house: House) -> list[float]:
    """When (trio time) a symbol is read from the journal again."""
    times, load = list[float](), house.journal.load

    async def noted(symbol: str | None = None) -> Sequence[SymbolRecord]:
        times.append(trio.current_time())
        return await load(symbol)

    house.journal.load = noted  # type: ignore[method-assign]
    return times


@pytest.mark.parametrize("on", [True, False])
async def test_a_symbol_that_crashes_at_every_restart_is_given_up_until_a_person_acts(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch, on: bool
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start("ETHUSDT", "BTCUSDT")
        await house.trade("2000")
        if not on:
            await house.ask("stop")
        restarts = note_restarts(house)
        with monkeypatch.context() as bug:
            bug.setattr("naived.core.orders.state.step", lambda *_: 1 / 0)
            crash(house.symbol())
            await trio.sleep(3600)
        assert [round(later - first) for first, later in pairwise(restarts)] == [1, 2, 4, 8, 16]
        assert house.state() == "faulted"
        assert house.reason() == "crashed 6 times in ten minutes, the last time with: division by zero"
        assert house.state("BTCUSDT") == "trading"
        exchange.fill(exchange.open()[0], exchange.open()[0].rest)
        result = await house.ask("stop")
        assert (result["error"], result["state"]) == (None, "off")
        await house.until(lambda: house.phases() == ["holding"], 60)
        await house.start()
        await house.until(lambda: house.phases() == ["selling"])


async def test_a_person_who_asks_for_a_crashed_symbol_does_not_wait_for_its_pause(
    world: World, clock: MockClock
) -> None:
    async with world.house() as house:
        await house.start()
        for _ in range(5):
            crash(house.symbol())
            await trio.sleep(0.1)
            began = trio.current_time()
            await house.start()
            assert trio.current_time() - began < 1


async def test_a_symbol_off_says_nothing_of_a_fault_that_only_concerns_its_trading(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        exchange.faults.slow_reply = 1
        exchange.faults.refusals = [Refused(Refusal.CREDENTIALS, -2015, "Invalid API-key")]
        await house.trade("2000")
        await house.ask("stop")
        await trio.sleep(5)
        assert (house.state(), house.symbol().failed) == ("off", None)
        assert [order["state"] for order in await house.orders()] == ["rejected"]


async def test_a_journal_that_reads_but_does_not_write_is_not_tried_without_a_pause(
    world: World, clock: MockClock
) -> None:
    async with world.house() as house:
        await house.start()
        restarts, commit = note_restarts(house), house.journal.commit
        house.journal.lies = 1  # the intent is written, so each restart has to write that it is unknown

        async def full(unit: Unit) -> None:
            if not house.journal.lies:
                await trio.sleep(0.01)
                raise JournalError("the disk is full")
            await commit(unit)

        house.journal.commit = full  # type: ignore[method-assign]
        await house.trade("2000")
        await trio.sleep(20)
        assert 5 < len(restarts) <= 12
        house.journal.commit = commit  # type: ignore[method-assign]
        await house.until(lambda: house.phases() == ["waiting"], 90)


async def test_while_the_journal_is_away_nothing_is_placed_and_afterwards_nothing_was_lost(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        house.journal.away = True
        await house.trade("1990")
        await trio.sleep(30)
        document = await house.call("status")
        assert document["daemon"]["state"] == "degraded"
        assert document["symbols"][0]["state"] == "degraded"
        assert len(exchange.orders()) == 1
        assert (await house.ask("stop"))["error"]["kind"] == "database_unavailable"
        house.journal.away = False
        await house.until(lambda: house.state() == "trading")
        await house.until(lambda: len(exchange.orders()) == 2)
        assert house.phases() == ["selling"]
        assert (await house.call("status"))["daemon"]["state"] == "ready"


async def test_a_stop_that_did_not_become_durable_leaves_the_symbol_trading(world: World, clock: MockClock) -> None:
    # Found by a simulated seed: it failed again while it rested from a failure, and nobody gave it another task.
    async with world.house() as house:
        await house.start()
        house.journal.away = True
        world.exchange.trade("2000")
        await trio.sleep(0.1)
        house.journal.away = False
        await house.until(lambda: house.symbol().failed is None)
        house.journal.away = True
        assert (await house.ask("stop", cancel="none"))["error"]["kind"] == "database_unavailable"
        assert not house.symbol().tended
        house.journal.away = False
        await house.until(lambda: house.state() == "trading")
        assert house.symbol().desired.status is Status.ON


async def test_a_journal_that_is_away_for_long_is_no_crash(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        for _ in range(10):
            house.journal.away = True
            exchange.trade("2000")
            await trio.sleep(3)
            house.journal.away = False
            await house.until(lambda: house.state() == "trading")
        assert house.state() == "trading"


async def test_a_journal_that_hangs_for_minutes_holds_up_what_is_new_and_loses_nothing(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        house.journal.delay, house.journal.hanging = 600, "the database does not answer"
        await house.trade("1990", "1960")
        await trio.sleep(590)
        assert (house.state(), house.reason()) == ("degraded", "the database does not answer")
        assert len(exchange.orders()) == 1
        house.journal.delay, house.journal.hanging = 0, None  # what is under way takes its ten minutes
        await house.until(lambda: house.phases() == ["selling", "waiting"], 20)  # too late for the second buy
        await house.until(lambda: len(exchange.orders()) == 2)
        rows = sorted((order["side"], order["state"]) for order in await house.orders())
        assert rows == [("buy", "abandoned"), ("buy", "filled"), ("sell", "open")]


async def test_a_wait_sees_that_a_journal_has_ceased_to_hang(world: World, clock: MockClock) -> None:
    """It makes no news for a symbol that had nothing to commit."""
    async with world.house() as house:
        await house.start()
        house.journal.hanging = "the database does not answer"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(house.ask, "wait", **{"for": "trading"}))
            await trio.sleep(10)
            house.journal.hanging = None
            nursery.cancel_scope.deadline = trio.current_time() + 5
        assert not nursery.cancel_scope.cancelled_caught


async def test_a_commit_that_is_in_doubt_is_read_back(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        house.journal.lies = 1
        await house.trade("2000")
        assert exchange.wire == []
        await house.until(lambda: house.order_states() == ["unknown"])
        await house.until(lambda: house.phases() == ["waiting"], 90)
        assert exchange.orders() == []


async def test_an_unlisted_symbol_is_faulted_with_its_reason(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
    del exchange.markets["ETHUSDT"]
    async with world.house() as house:
        await house.until(lambda: house.state() == "faulted")
        assert house.reason() == "the exchange does not list ETHUSDT (any more)"
        await house.start("BTCUSDT")


async def test_a_halted_symbol_is_faulted_until_somebody_starts_it(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    exchange.relist("ETHUSDT", trading=False)
    async with world.house() as house:
        error = (await house.ask("start"))["error"]
        assert error["kind"] == "invalid_transition"
        assert "BREAK" in error["message"]
        exchange.relist("ETHUSDT", trading=True)
        await house.start()


async def test_a_halt_while_it_trades_needs_no_person(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        exchange.faults.refusals = [CLOSED, CLOSED]
        await house.trade("2000")
        assert (house.state(), house.phases()) == ("trading", ["waiting"])
        document = await house.call("status")
        assert document["symbols"][0]["traders"][0]["reason"] == "Market is closed."
        await house.trade("2000")
        assert len(exchange.wire) == 1
        for _ in range(2):
            await trio.sleep(10)
            await house.trade("2000")
        assert (len(exchange.wire), house.phases()) == (3, ["buying"])
        assert [order["state"] for order in await house.orders()] == ["rejected", "rejected", "open"]


async def test_a_restart_during_a_halt_needs_no_person_where_something_is_to_be_sold(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start("ETHUSDT", "BTCUSDT")
        await house.trade("2000", "1990")
    for name in ("ETHUSDT", "BTCUSDT"):
        exchange.relist(name, trading=False)
    async with world.house() as house:
        await house.until(lambda: house.state("BTCUSDT") == "faulted")  # it has no trader
        await house.until(lambda: house.state() == "trading")
        exchange.relist("ETHUSDT", trading=True)
        await house.trade("2100")
        assert house.symbol().engine.leader.cycles == 1


async def boot(house: House, state: str) -> None:
    await house.until(lambda: house.state() == state)


async def test_after_a_restart_what_was_on_goes_on_with_the_same_orders(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        before = await house.orders()
    async with world.house() as house:
        await boot(house, "trading")
        assert await house.orders() == before
        await house.trade("1990", "2100")
        assert house.symbol().engine.leader.cycles == 1
        assert len(exchange.orders()) == 2


async def test_after_a_restart_a_drain_goes_on_and_off_stays_off(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start("ETHUSDT", "BTCUSDT")
        await house.trade("2000", "1990")
        await house.trade("60000", symbol="BTCUSDT")
        await house.ask("shutdown")
        await house.ask("stop", "BTCUSDT")
    async with world.house() as house:
        await boot(house, "draining")
        await trio.sleep(3)
        assert house.state("BTCUSDT") == "off"
        assert exchange.watched == {"ETHUSDT"}
        await house.trade("2100")
        await house.until(lambda: house.state() == "off")
    async with world.house() as house:
        await trio.sleep(3)
        assert house.state() == "off"


async def test_a_drain_that_had_ended_when_the_process_died_becomes_off(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.trade("2000", "1990")
        await house.ask("shutdown")
        commit = house.journal.commit

        async def dies_before_off(unit: object) -> None:
            if getattr(unit, "desired", None) is not None:
                house.journal.dead = True
            await commit(unit)  # type: ignore[arg-type]

        house.journal.commit = dies_before_off  # type: ignore[method-assign]
        await house.trade("2100")
    async with world.house() as house:
        assert house.symbol().desired.status is Status.SHUTDOWN
        assert house.traders() == ()
        await house.until(lambda: house.state() == "off")


async def test_waiting_for_its_sell_to_be_tried_again_costs_nothing_while_the_exchange_is_away(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        exchange.faults.refusals = [NO_BALANCE]
        await house.trade("1990")
        assert house.phases() == ["holding"]
    exchange.gone = "no route"
    async with world.house() as house:
        await trio.sleep(120)  # it never gets there if the symbol's task spins
        exchange.come_back()
        await house.until(lambda: house.phases() == ["selling"])
