"""How the daemon is, as ``status`` says it."""

import trio
from trio.testing import MockClock

from tests.support.runtime import World


async def test_the_daemons_state_follows_the_exchange(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:

        async def state() -> tuple[str, str | None]:
            document = await naived.call("status", "ETHUSDT")
            return document["daemon"]["state"], document["symbols"][0]["reason"]

        assert await state() == ("starting", "never configured")
        await naived.start()
        assert await state() == ("ready", None)
        world.exchange.go_away("no route to host")
        assert await state() == ("degraded", "the exchange is away: no route to host")
        world.exchange.come_back()
        await trio.sleep(1)
        assert await state() == ("ready", None)
        naived.service.suspending = True
        assert (await state())[0] == "suspending"


async def test_the_daemons_state_follows_the_database(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.journal.hanging = "the database does not answer"
        document = await naived.call("status")
        assert document["daemon"]["state"] == "degraded"
        assert (document["symbols"][0]["state"], document["symbols"][0]["reason"]) == (
            "degraded",
            "the database does not answer",
        )
        naived.journal.hanging = None
        assert (await naived.call("status"))["daemon"]["state"] == "ready"
