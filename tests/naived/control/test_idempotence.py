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
