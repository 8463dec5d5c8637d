"""The fact beside the wish; the most serious one wins."""

from collections.abc import Callable

import pytest
from trio.testing import MockClock

from naived.core.settings import Status
from naived.ports import Wish
from naived.runtime.condition import condition
from naived.runtime.symbol import Bar, Symbol
from tests.runtime_house import World


def _wish(status: Status) -> Callable[[Symbol], None]:
    def change(symbol: Symbol) -> None:
        symbol.wish = Wish(symbol.wish.settings, status, keep_buys=False)

    return change


def _bar(bar: Bar) -> Callable[[Symbol], None]:
    return lambda symbol: symbol.bar(bar, str(bar))


def _fault(symbol: Symbol) -> None:
    symbol.fault = "fault"


def _fail(symbol: Symbol) -> None:
    symbol.failed = OSError("failed")


def _hang(symbol: Symbol) -> None:
    symbol._desk.journal.hanging = "hangs"  # type: ignore[misc]


def _inactive(symbol: Symbol) -> None:
    symbol.active = False


RISING = [
    (_wish(Status.SHUTDOWN), "draining", None),
    (_inactive, "starting", None),
    (_bar(Bar.EXCHANGE), "degraded", "exchange"),
    (_bar(Bar.CRASH), "degraded", "crash"),
    (_hang, "degraded", "hangs"),
    (_fail, "degraded", "failed"),
    (_fault, "faulted", "fault"),
    (_wish(Status.OFF), "stopping", "hangs"),
    (_bar(Bar.COINS), "quarantined", "coins"),
    (_bar(Bar.LINEAGE), "quarantined", "lineage"),
    (_bar(Bar.QUARANTINE), "quarantined", "quarantine"),
]


@pytest.mark.parametrize("worst", range(len(RISING)))
async def test_the_most_serious_condition_is_told(world: World, clock: MockClock, worst: int) -> None:
    async with world.house(farewell=False) as house:
        await house.start()
        assert condition(house.symbol()) == ("trading", None)
        bars_first = sorted(RISING[: worst + 1], key=lambda row: row[0] in (_fail, _inactive))
        for change, _, _ in bars_first:
            change(house.symbol())
        assert condition(house.symbol()) == RISING[worst][1:]


async def test_off_is_told_once_the_task_has_ended(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.ask("stop")
        assert condition(house.symbol()) == ("off", None)


async def test_an_open_fate_is_counted(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        world.exchange.faults.lost_requests = 1
        await house.trade("2000")
        await house.ask("stop", timeout="1s")
        assert condition(house.symbol()) == ("stopping", "the fate of 1 order is open")
