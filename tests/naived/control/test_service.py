"""How the daemon is, as ``status`` says it."""

import trio
from trio.testing import MockClock

from tests.runtime_house import World


async def test_the_daemons_state_follows_the_exchange(world: World, clock: MockClock) -> None:
    async with world.house() as house:

        async def state() -> tuple[str, str | None]:
            document = await house.call("status", "ETHUSDT")
            return document["daemon"]["state"], document["symbols"][0]["reason"]

        assert await state() == ("starting", "never configured")
        await house.start()
        assert await state() == ("ready", None)
        world.exchange.go_away("no route to host")
        assert await state() == ("degraded", "the exchange is away: no route to host")
        world.exchange.come_back()
        await trio.sleep(1)
        assert await state() == ("ready", None)
        house.service.suspending = True
        assert (await state())[0] == "suspending"


async def test_the_daemons_state_follows_the_database(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        house.journal.hanging = "the database does not answer"
        document = await house.call("status")
        assert document["daemon"]["state"] == "degraded"
        assert (document["symbols"][0]["state"], document["symbols"][0]["reason"]) == (
            "degraded",
            "the database does not answer",
        )
        house.journal.hanging = None
        assert (await house.call("status"))["daemon"]["state"] == "ready"
