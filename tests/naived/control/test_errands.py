"""What is asked here of a symbol that another node has, and that node's silence."""

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from naived.control.bulletin import Bulletin
from naived.control.protocol import ControlError
from naived.nodes import NOBODY, Errand, Member, Told, View
from naived.runtime.keeper import Keeper
from tests.support.runtime import Naived, World


class Beta:
    """A ``Cluster`` and a ``Mailbox`` in which ETHUSDT is another node's, which ``answers``, or never does."""

    member = Member("alpha", "0.1.0", 30_000)

    def __init__(self) -> None:
        self.asked: list[Errand] = []
        self.answers: str | None = None

    async def claim(
        self, most: int, names: Collection[str] | None = None, gone: Mapping[str, int] = NOBODY
    ) -> Mapping[str, int]:
        return {}

    async def told(self, known: Mapping[str, int]) -> tuple[Sequence[Told], Mapping[str, str]]:
        return (), {"ETHUSDT": "beta"}

    async def errands(self) -> Sequence[Errand]:
        return ()

    async def ask(self, errand: Errand) -> None:
        self.asked.append(errand)

    async def answer_to(self, errand_id: str) -> tuple[bool, str | None]:
        return self.answers is not None, self.answers

    async def withdraw(self, errand_id: str) -> None:
        pass


@pytest.fixture
async def naived(world: World, clock: MockClock) -> AsyncIterator[Naived]:
    """One that has started ETHUSDT and lost it since, and has not heard of the others yet."""
    async with world.naived() as naived:
        await naived.start()
        naived.supervisor.drop("ETHUSDT")
        yield naived


@pytest.fixture
def beta(naived: Naived) -> Beta:
    async def compared(server: str, over: object) -> None:
        raise AssertionError("the database was not replaced")

    both: Any = Beta()
    service = naived.service
    rest = (naived.exchange, trio.current_time, lambda: None, compared, lambda _: None)
    service.keeper = Keeper(both, naived.journal, naived.supervisor, *rest)
    service.keeper.view = View({}, 1, 0)
    service.mailbox = both
    service.bulletin = Bulletin(both, service.keeper, naived.supervisor.symbols, service.statuses)
    beta: Beta = both
    return beta


async def heard(naived: Naived) -> None:
    """Have it read who has which symbol."""
    bulletin = naived.service.bulletin
    assert bulletin is not None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bulletin.run)
        await bulletin.began.wait()
        nursery.cancel_scope.cancel()


DURABLE = "node beta, which has it, has not answered: what was asked is durable"
SILENT = "node beta, which has it, has not answered"


@pytest.mark.parametrize(
    ("verb", "params", "seconds", "kind", "told"),
    [
        ("shutdown", {}, 18, "timed_out", DURABLE),
        ("shutdown", {"wait": True, "timeout": "2s"}, 5, "timed_out", DURABLE),
        ("start", {"wait": False}, 18, "timed_out", DURABLE),
        ("stop", {"wait": False, "timeout": "2s"}, 5, "timed_out", DURABLE),
        ("settings", {"chunks": 3}, 18, "timed_out", DURABLE),
        ("settings", {}, 8, "busy", SILENT),
        ("wait", {"for": "off", "timeout": "2s"}, 5, "timed_out", SILENT),
    ],
)
async def test_a_node_that_is_silent_is_told_before_the_client_gives_up(
    naived: Naived,
    beta: Beta,
    clock: MockClock,
    verb: str,
    params: dict[str, object],
    seconds: float,
    kind: str,
    told: str,
) -> None:
    await heard(naived)
    began = trio.current_time()
    with trio.fail_after(60):
        result = await naived.ask(verb, **params)
    assert trio.current_time() - began == pytest.approx(seconds, abs=0.5)
    assert (result["error"]["kind"], result["status"], result["state"]) == (kind, "on", "degraded")
    assert result["error"]["message"].startswith(told)
    assert ("durable" in result["error"]["message"]) is (told == DURABLE)


async def test_what_a_silent_node_does_is_not_explained(naived: Naived, beta: Beta, clock: MockClock) -> None:
    await heard(naived)
    began = trio.current_time()
    with pytest.raises(ControlError, match=f"^{SILENT}$"):
        await naived.call("explain", "ETHUSDT")
    assert trio.current_time() - began == pytest.approx(8, abs=0.5)


@pytest.mark.parametrize(
    ("verb", "params"), [("stop", {}), ("start", {}), ("halt", {}), ("forget", {}), ("settings", {"chunks": 3})]
)
async def test_what_another_node_has_just_taken_it_is_asked_for(
    naived: Naived, beta: Beta, clock: MockClock, verb: str, params: dict[str, object]
) -> None:
    beta.answers = json.dumps({"symbol": "ETHUSDT", "error": None, "message": "of beta"})
    assert (await naived.ask(verb, **params))["message"] == "of beta"
    (errand,) = beta.asked
    assert (errand.symbol, errand.verb, errand.changes) == ("ETHUSDT", verb, True)


async def test_what_another_node_has_just_taken_is_explained_by_it(
    naived: Naived, beta: Beta, clock: MockClock
) -> None:
    beta.answers = json.dumps({"error": None, "explained": {"symbol": "ETHUSDT", "state": "trading"}})
    assert (await naived.call("explain", "ETHUSDT"))["state"] == "trading"
    assert [errand.changes for errand in beta.asked] == [False]
