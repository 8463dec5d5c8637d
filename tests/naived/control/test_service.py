"""How the daemon is, as ``status`` says it."""

from typing import NoReturn

import pytest
import trio
from trio.testing import MockClock

from naived.control.metrics import exposition
from naived.ports import JournalError, Remarks
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


async def test_a_node_whose_leases_cannot_be_renewed_has_no_symbol_that_trades(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its journal has nothing to write, and so does not know yet that the database is away."""
    why = "connection refused"

    async def refused() -> NoReturn:
        await trio.lowlevel.checkpoint()
        raise JournalError(why)

    async with world.naived(node="alpha") as naived:
        await naived.start()
        await trio.sleep(3)
        assert naived.service.keeper is not None
        with monkeypatch.context() as patch:
            patch.setattr(naived.service.keeper.heartbeats, "look", refused)
            await trio.sleep(1.5)
            document = await naived.call("status")
            [row] = document["symbols"]
            assert (document["daemon"]["state"], document["daemon"]["reason"]) == ("degraded", why)
            assert (row["state"], row["reason"], row["next_step"]) == ("degraded", why, None)
            assert (await naived.call("explain", "ETHUSDT"))["buys"] == {"may": False, "text": f"no: {why}"}
            assert b"naived_database_up 0.0" in await exposition(naived.service)
        await trio.sleep(2.5)
        [row] = (await naived.call("status"))["symbols"]
        assert (row["state"], row["reason"]) == ("trading", None)
        told = [event for event in naived.events.after(0, 1000) if event["kind"] in ("database", "state")]
        assert [(event["symbol"], event["message"]) for event in told] == [(None, why), (None, "answers again")]


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
