import math
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from naived.control.call import EACH, PATIENCE, Call
from naived.control.caller import Caller
from tests.support.runtime import World


@pytest.mark.parametrize(
    ("params", "seconds"), [({}, PATIENCE), ({"timeout": 3.0}, 3.0), ({"timeout": None}, math.inf)]
)
async def test_a_caller_waits_as_long_as_it_said(
    clock: MockClock, params: dict[str, object], seconds: float
) -> None:
    began = trio.current_time()
    call = Call("ETHUSDT", params, Caller())
    await trio.sleep(1)  # all steps of a request share its time
    assert call.patience.deadline == began + seconds


async def test_a_request_of_many_symbols_waits_longer_unless_it_has_a_timeout(clock: MockClock) -> None:
    now = trio.current_time()
    assert Call("ETHUSDT", {}, Caller(), together=1_501).patience.deadline == now + PATIENCE + 1_500 * EACH
    assert Call("ETHUSDT", {"timeout": 3.0}, Caller(), together=1_501).until_stored == now + 3.0


async def test_what_becomes_so_without_news_is_seen_all_the_same(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        due = trio.current_time() + 7
        patience = Call("ETHUSDT", {"timeout": 60.0}, Caller()).patience
        assert await patience.until(naived.symbol(), lambda: trio.current_time() >= due)
        assert trio.current_time() < due + 1.1
        assert not await patience.until(naived.symbol(), lambda: False)


async def test_a_request_is_known_by_its_id_its_verb_its_symbol_and_what_it_asks(clock: MockClock) -> None:
    asked = {"request_id": "one", "symbols": ("ETHUSDT",), "all": False, "chunks": 3, "wait": True}
    call = Call("ETHUSDT", asked, Caller(), "start")
    repeated = {**asked, "symbols": ("ETHUSDT", "BTCUSDT"), "wait": False, "timeout": 1.0}
    assert replace(call, params=repeated, together=2).key == call.key
    others = (
        replace(call, verb="settings"),
        replace(call, name="BTCUSDT"),
        replace(call, params={**asked, "chunks": 4}),
        replace(call, params={**asked, "request_id": "two"}),
    )
    assert len({call.key, *(each.key for each in others)}) == 5
    assert Call("ETHUSDT", {"request_id": None}, Caller(), "start").key is None
