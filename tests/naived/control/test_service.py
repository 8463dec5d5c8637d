"""How the daemon is, as ``status`` says it."""

import trio
from trio.testing import MockClock

from naived.ports import Remarks
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


async def test_whoever_is_not_ready_says_why_and_how_the_exchange_is(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:

        async def daemon() -> tuple[str, str, str | None]:
            told = (await naived.call("status"))["daemon"]
            assert told["state"] == "ready" or told["reason"]
            return told["state"], told["exchange_state"], told["reason"]

        assert (await daemon())[:2] == ("starting", "down")
        await naived.start()
        assert await daemon() == ("ready", "up", None)
        world.exchange.go_away("no route to host")
        assert await daemon() == ("degraded", "down", "the exchange is away: no route to host")
        world.exchange.come_back()
        await trio.sleep(1)
        naived.journal.hanging = "the database does not answer"
        assert await daemon() == ("degraded", "up", "the database does not answer")
        naived.journal.hanging = None
        naived.service.suspending = True
        assert (await daemon())[0] == "suspending"


async def test_a_limit_of_the_exchange_and_what_was_refused_of_its_frames_are_told(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        world.exchange.remarked = Remarks(refused="3 unreadable values refused")
        document = await naived.call("status")
        assert (document["daemon"]["exchange_state"], document["daemon"]["reason"]) == (
            "up",
            "3 unreadable values refused",
        )
        assert document["symbols"][0]["reason"] is None
        world.exchange.remarked = Remarks("nothing may be sent until 7", "3 unreadable values refused")
        document = await naived.call("status")
        assert document["daemon"]["exchange_state"] == "limited"
        assert document["daemon"]["reason"] == "nothing may be sent until 7"
        assert document["symbols"][0]["state"] == "trading"
        assert document["symbols"][0]["reason"] == "nothing may be sent until 7"
