"""The command that is shown beside a reason."""

import pytest
from msgspec.structs import replace
from trio.testing import MockClock

from naived.control.next_steps import next_step
from naived.core.amount import parse_quantity
from naived.core.engine import Blocked, BlockedBy
from naived.core.orders.state import State
from naived.core.strategy.leader_events import Informed
from tests.support.runtime import World


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (BlockedBy.LINEAGE, "naivectl start ETHUSDT"),
        (BlockedBy.COINS, "naivectl start ETHUSDT"),
        (BlockedBy.EXCHANGE, None),
    ],
)
async def test_a_block_names_what_ends_it(
    world: World, clock: MockClock, by: BlockedBy, expected: str | None
) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.symbol().offer(Blocked(by, "why"))
        assert next_step(naived.symbol()) == expected


async def test_a_quarantined_order_is_looked_at_first(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        symbol = naived.symbol()
        (order,) = symbol.engine.orders.values()
        doubtful = replace(order, state=State.QUARANTINED)
        symbol.engine = replace(symbol.engine, orders={order.client_order_id: doubtful})
        symbol.offer(Blocked(BlockedBy.QUARANTINE, "why"))
        assert next_step(symbol) == f"naivectl why ETHUSDT {order.client_order_id}"


async def test_what_works_needs_no_step(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        assert next_step(naived.symbol()) is None


async def test_a_fault_is_started_again_and_a_sell_cancelled_by_hand_is_taken_back(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        world.exchange.cancel_by_hand(world.exchange.open()[-1])
        await naived.until(lambda: naived.phases() == ["holding"])
        assert next_step(naived.symbol()) == "naivectl resolve ETHUSDT --all --adopt"
        naived.symbol().fault = "it failed"
        assert next_step(naived.symbol()) == "naivectl start ETHUSDT"


async def test_a_trader_without_room_in_the_budget_needs_other_settings(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start(chunks=1, budget="1000")
        symbol = naived.symbol()
        leader = symbol.engine.leader
        small = replace(leader.desired, settings=replace(leader.desired.settings, budget=1))
        symbol.engine = replace(symbol.engine, leader=replace(leader, desired=small))
        await naived.trade("2000")
        assert naived.reason() is not None
        assert next_step(symbol) == "naivectl settings ETHUSDT"


async def test_a_trader_that_cannot_start_needs_other_settings(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start(chunks=2, budget="1000")
        await naived.trade("2000", "1990")
        await naived.start(budget="505")
        assert next_step(naived.symbol()) == "naivectl settings ETHUSDT"
        symbol = naived.symbol()
        info = symbol.engine.leader.info
        coarse = replace(info, filters=replace(info.filters, step_size=parse_quantity("1")))
        symbol.offer(Informed(coarse, symbol.engine.leader.fees))
        reason = naived.reason()
        assert reason is not None
        assert reason.startswith("no further trader can start: too small to trade (LOT_SIZE): the least budget is ")
        assert next_step(symbol) == "naivectl settings ETHUSDT"
