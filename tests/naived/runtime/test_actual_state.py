"""The fact beside what is desired; the most serious one wins."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace
from trio.testing import MockClock

from naived.core.engine import Blocked, BlockedBy
from naived.core.strategy.settings import DesiredState, Status
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


RISING = [
    (_desire(Status.SHUTDOWN), "draining", None),
    (_inactive, "starting", None),
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
