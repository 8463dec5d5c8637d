"""What is asked here of a symbol that another node has."""

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from naived.control.bulletin import Bulletin
from naived.nodes import Errand, Member, Told, View
from naived.runtime.keeper import Keeper
from tests.support.runtime import Naived, World


class Beta:
    """A ``Cluster`` and a ``Mailbox`` in which ETHUSDT is another node's, which ``answers``, or never does."""

    member = Member("alpha", "0.1.0", 30_000)

    def __init__(self) -> None:
        self.asked: list[Errand] = []
        self.answers: str | None = None

    async def claim(self, most: int, names: Collection[str] | None = None) -> Mapping[str, int]:
        return {}

    async def told(self, since: int) -> tuple[Sequence[Told], Mapping[str, str]]:
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
