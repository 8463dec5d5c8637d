"""What is so already is success at once, with nothing changed: any verb, twice, wherever the symbol is."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.support.runtime import Document, Naived, World

VERBS: dict[str, Document] = {
    "start": {},
    "stop": {"cancel": "all"},
    "shutdown": {},
    "settings": {"chunks": 3},
    "halt": {},
    "resume": {},
    "resolve": {"all": True, "action": "adopt"},
    "forget": {},
}
MAY_FAIL = ("forget", "resolve")  # while anything is open, or where there is nothing


async def never_configured(_: Naived) -> None:
    pass


async def off(naived: Naived) -> None:
    await naived.start()
    await naived.ask("stop", cancel="all")


async def off_with_a_buy(naived: Naived) -> None:
    await buying(naived)
    await naived.ask("stop")


async def off_with_coins(naived: Naived) -> None:
    await selling(naived)
    await naived.ask("stop", cancel="all")


async def buying(naived: Naived) -> None:
    await naived.start()
    await naived.trade("2000")


async def selling(naived: Naived) -> None:
    await naived.start(chunks=1)
    await naived.trade("2000", "1990")


async def draining(naived: Naived) -> None:
    await selling(naived)
    await naived.ask("shutdown")


async def halted(naived: Naived) -> None:
    await buying(naived)
    await naived.ask("halt")


async def off_and_halted(naived: Naived) -> None:
    await off(naived)
    await naived.ask("halt")


async def halted_account(naived: Naived) -> None:
    await buying(naived)
    await naived.call("halt")


STATES = (
    never_configured,
    off,
    off_with_a_buy,
    off_with_coins,
    buying,
    selling,
    draining,
    halted,
    off_and_halted,
    halted_account,
)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", STATES, ids=lambda state: str(state.__name__))
async def test_a_verb_that_changes_nothing_succeeds_at_once(
    world: World, clock: MockClock, state: Any, verb: str
) -> None:
    async with world.naived() as naived:
        await state(naived)
        await naived.ask(verb, request_id="one", **VERBS[verb])
        began = trio.current_time()
        for request_id in ("two", "three"):
            result = await naived.ask(verb, request_id=request_id, **VERBS[verb])
            assert result["changed"] is False
            assert result["error"] is None or verb in MAY_FAIL
        assert trio.current_time() - began < 1


@pytest.mark.parametrize(
    ("verb", "params"), [("limits", {"reserve": "77"}), ("halt", {"reason": "news"}), ("resume", {})]
)
async def test_the_same_request_at_two_nodes_at_the_same_moment_is_answered_as_one(
    world: World, clock: MockClock, verb: str, params: Document
) -> None:
    told: list[Document] = []
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        await alpha.until(lambda: alpha.service.session.ready.is_set())
        if verb == "resume":
            await alpha.call("halt")

        async def ask(naived: Naived) -> None:
            told.append(await naived.call(verb, request_id="one", **params))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, alpha)
            nursery.start_soon(ask, beta)
        first, second = ((answer.get("limits"), answer.get("halt"), answer.get("results")) for answer in told)
        assert first == second
        assert (told[0]["changed"] if verb == "limits" else told[0]["results"][0]["changed"]) is True
        events = [event["kind"] for event in (await alpha.call("events"))["events"]]
        assert events[-1:] == [{"limits": "limits", "halt": "halted", "resume": "resumed"}[verb]]
        assert len(events) == 1 + (verb == "resume")
