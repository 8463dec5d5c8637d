import pytest
import trio
from trio.testing import MockClock

from naived.daemon import PATIENCE
from naived.database.writer import HANGING
from tests.support.runtime import Naived, World

DOCKER_KILLS = 10  # seconds after its SIGTERM
SLOWEST = HANGING - 0.1  # seconds that the commits of a suspend may take together


async def buy(naived: Naived, answered: float) -> None:
    """Send a buy whose answer takes so many seconds; no report tells of it before."""
    await naived.start("ETHUSDT", "BTCUSDT")
    naived.exchange.faults.slow_reply = answered
    naived.exchange.faults.held = True
    naived.exchange.trade("2000")
    await trio.sleep(0.1)
    assert naived.order_states() == ["intended"]


@pytest.mark.parametrize("answered", [1.0, 3.4, 4.9, 60.0])
async def test_a_suspend_ends_before_its_patience_though_answer_and_commit_are_slow(
    world: World, clock: MockClock, answered: float
) -> None:
    async with world.naived() as naived:
        await buy(naived, answered)
        naived.journal.delay = SLOWEST
        begun = trio.current_time()
    assert trio.current_time() - begun < PATIENCE < DOCKER_KILLS


@pytest.mark.parametrize("answered", [1.0, 3.4, 4.9, 60.0])
async def test_a_suspend_ends_before_its_patience_though_it_begins_amid_a_slow_commit(
    world: World, clock: MockClock, answered: float
) -> None:
    async with world.naived() as naived:
        await buy(naived, answered)
        naived.journal.delay = SLOWEST / 2
        naived.exchange.trade("60000", "BTCUSDT")  # its intent, and then that it was not sent
        await trio.sleep(0.1)
        begun = trio.current_time()
    assert trio.current_time() - begun < PATIENCE


async def test_an_answer_in_flight_is_awaited_and_made_durable_by_a_suspend(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await buy(naived, 3.2)
        naived.journal.delay = SLOWEST
        world.exchange.forget_reports()
    async with world.naived() as naived:
        assert naived.order_states() == ["open"]


async def test_a_symbol_that_is_configured_while_answers_are_awaited_does_not_break_the_end(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        settle = naived.symbol().settle

        async def configured() -> None:  # as the reconciler does for orders of another naived
            if naived.service.suspending:
                naived.supervisor.configure("XRPUSDT")
            await settle()

        naived.symbol().settle = configured  # type: ignore[method-assign]
