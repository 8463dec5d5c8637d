"""The fact beside what is desired; the most serious one wins."""

from collections.abc import Callable

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.core.engine import Blocked, BlockedBy
from naived.core.orders.report import Refusal, Refused, Unknown
from naived.core.strategy.settings import DesiredState, Status
from naived.core.strategy.trader_state import Hold, Holding, Selling
from naived.runtime.actual_state import actual_state
from naived.runtime.symbol_task import Symbol
from tests.support.runtime import World


def _desire(status: Status) -> Callable[[Symbol], None]:
    def change(symbol: Symbol) -> None:
        desired = DesiredState(symbol.desired.settings, status)
        symbol.engine = replace(symbol.engine, leader=replace(symbol.engine.leader, desired=desired))

    return change


def _block(by: BlockedBy) -> Callable[[Symbol], None]:
    return lambda symbol: symbol.offer(Blocked(by, str(by)))


def _fault(symbol: Symbol) -> None:
    symbol.fault = "fault"


def _fail(symbol: Symbol) -> None:
    symbol.failed = OSError("failed")


def _hang(symbol: Symbol) -> None:
    symbol.context.journal.hanging = "hangs"  # type: ignore[misc]


def _inactive(symbol: Symbol) -> None:
    symbol.engine = replace(symbol.engine, leader=replace(symbol.engine.leader, active=False))


def _wait(symbol: Symbol) -> None:
    symbol.awaited = "awaited"


RISING = [
    (_desire(Status.SHUTDOWN), "draining", None),
    (_inactive, "starting", "its rules, orders and coins are being read"),
    (_wait, "degraded", "awaited"),
    (_block(BlockedBy.EXCHANGE), "degraded", "exchange"),
    (_block(BlockedBy.CRASH), "degraded", "crash"),
    (_hang, "degraded", "hangs"),
    (_fail, "degraded", "failed"),
    (_desire(Status.OFF), "stopping", "hangs"),
    (_fault, "faulted", "fault"),
    (_block(BlockedBy.COINS), "quarantined", "coins"),
    (_block(BlockedBy.LINEAGE), "quarantined", "lineage"),
    (_block(BlockedBy.QUARANTINE), "quarantined", "quarantine"),
]


@pytest.mark.parametrize("worst", range(len(RISING)))
async def test_the_most_serious_state_is_told(world: World, clock: MockClock, worst: int) -> None:
    async with world.naived(suspends=False) as naived:
        await naived.start()
        assert actual_state(naived.symbol()) == ("trading", None)
        blocks_first = sorted(RISING[: worst + 1], key=lambda row: row[0] in (_fail, _inactive))
        for change, _, _ in blocks_first:
            change(naived.symbol())
        assert actual_state(naived.symbol()) == RISING[worst][1:]


async def test_off_is_told_once_the_task_has_ended(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.ask("stop")
        assert actual_state(naived.symbol()) == ("off", None)


async def test_an_open_fate_is_counted(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        world.exchange.faults.lost_requests = 1
        await naived.trade("2000")
        await naived.ask("stop", timeout="1s")
        assert actual_state(naived.symbol()) == ("stopping", "the state of 1 order is not known yet")


async def test_an_order_that_may_be_placed_or_not_is_told_with_what_the_exchange_said(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        world.exchange.faults.refusals = [Unknown("-1008 Server is currently overloaded", -1008)]
        await naived.trade("2000")
        told = "it is not known yet whether the buy of ETHUSDT-1 was placed: -1008 Server is currently overloaded"
        assert actual_state(naived.symbol()) == ("trading", told)
        document = await naived.call("explain", "ETHUSDT")
        assert document["buys"]["text"] == "yes: a buy is perhaps not placed: -1008 Server is currently overloaded"
        await naived.until(lambda: naived.order_states() == ["abandoned"], within=120)
        assert naived.reason() is None
        events = [event["message"] for event in (await naived.call("events", "ETHUSDT"))["events"]]
        assert events[-2].endswith("): -1008 Server is currently overloaded")
        assert events[-1].endswith("): the exchange does not have it (-1008 Server is currently overloaded)")


@pytest.mark.parametrize(("failures", "state"), [(1, "trading"), (2, "degraded")])
async def test_a_sell_that_was_refused_again_and_again_is_told_until_the_exchange_has_it(
    world: World, clock: MockClock, failures: int, state: str
) -> None:
    async with world.naived() as naived:
        await naived.start()
        no = Refused(Refusal.FILTER, -2010, "Filter failure: T_PLUS_SELL")
        await naived.trade("2000")
        world.exchange.faults.refusals = [no] * failures
        world.exchange.faults.slow_reply = 0.4
        await naived.trade("1990")
        await naived.until(lambda: len(world.exchange.wire) == 2 + failures)
        assert naived.state() == state
        await naived.until(lambda: naived.order_states()[-1] == "open")
        assert naived.state() == "trading"


async def test_a_sell_that_is_sent_again_because_nothing_is_known_is_told(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        world.exchange.faults.refusals = [Unknown("status 403")] * 2
        await naived.trade("1990")
        await naived.until(lambda: naived.order_states()[-1] == "unknown")
        assert naived.state() == "trading"
        await naived.until(lambda: not world.exchange.faults.refusals, within=120)
        await naived.until(lambda: naived.order_states()[-1] == "unknown")
        assert (naived.state(), naived.reason()) == ("degraded", "ETHUSDT-1 cannot sell: status 403")
        await naived.until(lambda: naived.state() == "trading", within=120)


async def test_coins_that_a_person_keeps_from_being_sold_are_told(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        assert naived.phases() == ["selling"]
        (sell,) = world.exchange.open()
        world.exchange.cancel_by_hand(sell)
        await naived.until(lambda: naived.phases() == ["holding"])
        assert naived.state() == "degraded"
        assert naived.reason() == "ETHUSDT-1 cannot sell: cancelled by hand"


@pytest.mark.parametrize(("failures", "state"), [(1, "trading"), (2, "degraded")])
async def test_a_sell_that_keeps_expiring_is_told(
    world: World, clock: MockClock, failures: int, state: str
) -> None:
    async with world.naived(suspends=False) as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        (trader,) = naived.traders()
        assert isinstance(trader.phase, Selling)
        held = Holding(trader.phase.bought, Hold.EXPIRED, "the sell expired", None, failures=failures)
        symbol = naived.symbol()
        leader = replace(symbol.engine.leader, traders=(replace(trader, phase=held),))
        symbol.engine = replace(symbol.engine, leader=leader)
        assert naived.state() == state


async def test_a_budget_without_room_for_a_further_trader_is_told(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start(chunks=2, budget="1000")
        await naived.trade("2000", "1990")
        assert (naived.phases(), naived.reason()) == (["selling"], None)
        await naived.start(budget="505")
        assert naived.state() == "trading"
        assert naived.reason() == "no room in the budget for another trader: 5.05 USDT are left"
        await naived.start(budget="1000")
        assert naived.reason() is None


@pytest.mark.parametrize("traded", [True, False])
async def test_a_symbol_that_is_not_traded_for_a_minute_while_others_are_says_so_and_reads_its_rules(
    world: World, clock: MockClock, traded: bool
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        if traded:
            await naived.trade("2000")
        await naived.trade("60000", symbol="BTCUSDT")
        assert naived.reason() is None
        for _ in range(7):
            await trio.sleep(10)
            await naived.trade("60000", symbol="BTCUSDT")
        assert (naived.state(), naived.reason()) == ("trading", "it was not traded for a minute, while others were")
        assert naived.reason("BTCUSDT") is None
        asked = exchange.asked.count("fees")
        for _ in range(13):
            await trio.sleep(10)
            await naived.trade("60000", symbol="BTCUSDT")
        assert exchange.asked.count("fees") == asked, "a quiet market costs one request a minute, not one a symbol"
        exchange.relist("ETHUSDT", trading=False)
        await naived.until(lambda: naived.state() == "degraded", 70)
        exchange.relist("ETHUSDT", trading=True)
        await naived.until(lambda: naived.state() == "trading", 70)
        await naived.trade("2000")
        assert naived.reason() is None


async def test_a_symbol_that_has_just_been_started_is_not_quiet(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000")
        await naived.ask("stop", cancel="all")
        for _ in range(13):
            await naived.trade("60000", symbol="BTCUSDT")
            await trio.sleep(10)
        await naived.start()
        await naived.trade("60000", symbol="BTCUSDT")
        assert (naived.state(), naived.reason()) == ("trading", None)
