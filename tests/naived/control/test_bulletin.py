"""What a node shows of a symbol that another one has, or nobody."""

from collections.abc import Mapping

import pytest
import trio
from trio.testing import MockClock

from naived.control.methods import _entries
from naived.ports import JournalError
from tests.support.runtime import LEASE, Document, Naived, World


async def shown(naived: Naived) -> Document:
    (entry,) = (await naived.call("status", "ETHUSDT"))["symbols"]
    assert isinstance(entry, dict)
    return entry


async def test_a_forgotten_symbol_is_shown_as_its_own_node_shows_it(world: World, clock: MockClock) -> None:
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        await alpha.start()
        await alpha.ask("stop")
        assert (await beta.ask("forget"))["changed"] is True
        assert (await shown(alpha)).keys() == (await shown(beta)).keys()
        assert (await beta.call("status"))["symbols"] == []


async def test_a_symbol_that_came_back_unchanged_is_told_again(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.naived(node="alpha") as alpha, world.naived(node="beta"):
        await alpha.start()
        await alpha.ask("stop")
        await trio.sleep(20)
        bulletin, told = alpha.service.bulletin, list[str]()
        assert bulletin is not None
        tell = bulletin._mailbox.tell

        async def noted(bodies: Mapping[str, str]) -> None:
            told.extend(bodies)
            await tell(bodies)

        monkeypatch.setattr(bulletin._mailbox, "tell", noted)
        await trio.sleep(20)
        assert told == []
        alpha.symbol().epoch += 1  # as if another node had had it between two looks
        await trio.sleep(2)
        assert told == ["ETHUSDT"]


async def test_where_all_nodes_are_drained_it_is_said_and_the_last_heartbeat_is_not_an_old_one(
    world: World, clock: MockClock
) -> None:
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        await alpha.start()
        assert (await alpha.call("nodes", drain="beta"))["warnings"] == []
        (warning,) = (await alpha.call("nodes", drain="alpha"))["warnings"]
        undrain = "naivectl nodes undrain alpha"
        told = "every node that lives is drained: nothing is traded, no stop-loss sells, until"
        assert warning == f"{told}: {undrain}"
        heard = set()
        for _ in range(3):
            await beta.until(lambda: not alpha.supervisor.symbols, 20)
            await trio.sleep(LEASE / 3000 + 2)
            entry = await shown(beta)
            assert entry["reason"].startswith(
                "no node has it, as all that live are drained: node alpha was last heard"
            )
            assert entry["next_step"] == undrain
            heard.add(entry["reason"])
        assert len(heard) == 3
        assert (await alpha.call("nodes", undrain="alpha"))["warnings"] == []


def silence(naived: Naived, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells the others nothing more."""

    async def nothing(bodies: Mapping[str, str]) -> None:
        await trio.lowlevel.checkpoint()

    bulletin = naived.service.bulletin
    assert bulletin is not None
    monkeypatch.setattr(bulletin._mailbox, "tell", nothing)


async def listed(naived: Naived) -> list[tuple[str, str, str]]:
    symbols = (await naived.call("status"))["symbols"]
    return [(entry["symbol"], entry["status"], entry["state"]) for entry in symbols]


async def test_a_symbol_of_which_its_node_has_not_told_is_shown_as_the_journal_has_it(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.naived(node="alpha") as alpha:
        await alpha.call("nodes", drain="alpha")
        async with world.naived(node="beta", suspends=False) as beta:
            silence(beta, monkeypatch)
            await beta.start()
            await trio.sleep(2)
            assert await listed(alpha) == [("ETHUSDT", "on", "degraded")]
            entry = await shown(alpha)
            assert (entry["node"], entry["reason"]) == ("beta", "node beta has it and has said nothing of it yet")
            assert entry.keys() == (await shown(beta)).keys()
            steady = [await _entries(alpha.service, (), steady=True) for _ in range(2)]
            assert steady[0] == steady[1]
            assert list(steady[0]) == ["ETHUSDT"]
        await trio.sleep(LEASE / 1000 + 3)
        assert await listed(alpha) == [("ETHUSDT", "on", "degraded")]
        entry = await shown(alpha)
        told = "no node has it, as all that live are drained, and none has said anything of it yet"
        assert entry["reason"].startswith(f"{told}: node beta, which had it, was last heard at 2")
        assert (entry["node"], entry["next_step"]) == ("beta", "naivectl nodes undrain alpha")


async def test_a_symbol_that_a_drained_node_never_told_of_is_shown_with_its_status(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        for node in (alpha, beta):
            silence(node, monkeypatch)
            await alpha.call("nodes", drain=node.service.identity.node)
        await alpha.ask("start", timeout="2s")
        await alpha.until(lambda: not alpha.supervisor.symbols)
        await trio.sleep(2)
        for node in (alpha, beta):
            assert await listed(node) == [("ETHUSDT", "on", "degraded")]
            entry = await shown(node)
            told = "no node has it, as all that live are drained, and none has said anything of it yet"
            assert (entry["node"], entry["reason"]) == (None, told)
            assert entry["next_step"] == "naivectl nodes undrain alpha"


async def test_a_forgotten_symbol_that_is_started_again_is_shown_before_its_node_tells_of_it(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        await alpha.start()
        await alpha.ask("stop")
        await alpha.ask("forget")
        await trio.sleep(3)
        assert await listed(beta) == []
        assert (await shown(beta))["state"] == "off"
        silence(alpha, monkeypatch)
        await alpha.start()
        await trio.sleep(2)
        assert await listed(beta) == [("ETHUSDT", "on", "degraded")]


async def test_the_status_of_a_symbol_whose_node_is_gone_is_that_of_the_journal(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.naived(node="alpha") as alpha:
        await alpha.call("nodes", drain="alpha")
        async with world.naived(node="beta", suspends=False) as beta:
            await beta.start()
            await beta.ask("stop")
            await trio.sleep(3)
            silence(beta, monkeypatch)
            await beta.start()
        await trio.sleep(LEASE / 1000 + 3)
        assert await listed(alpha) == [("ETHUSDT", "on", "degraded")]


def deafen(naived: Naived, patch: pytest.MonkeyPatch) -> None:
    """It cannot read what the others tell."""

    async def away(known: Mapping[str, int]) -> None:
        raise JournalError("away")

    bulletin = naived.service.bulletin
    assert bulletin is not None
    patch.setattr(bulletin._mailbox, "told", away)


async def test_a_node_that_has_not_read_of_the_others_yet_calls_nothing_never_configured(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.naived(node="alpha") as alpha:
        with monkeypatch.context() as patch:
            deafen(alpha, patch)
            await trio.sleep(2)
            entry = await shown(alpha)
            assert entry["state"] == "degraded"
            assert entry["reason"].startswith("the database does not answer here: it is not known")
        assert (await shown(alpha))["reason"] == "never configured"


async def test_what_another_node_has_just_begun_is_not_called_never_configured(
    world: World, clock: MockClock
) -> None:
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        await alpha.until(lambda: beta.service.session.ready.is_set())
        await trio.sleep(2)
        await beta.ask("start", wait=False)
        entry = await shown(alpha)
        assert (entry["status"], entry["state"], entry["node"]) == ("on", "degraded", "beta")


async def test_a_database_that_does_not_answer_holds_a_status_up_for_a_second(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.naived(node="alpha") as alpha:
        await trio.sleep(2)
        bulletin, began = alpha.service.bulletin, trio.current_time()
        assert bulletin is not None
        monkeypatch.setattr(bulletin._mailbox, "told", lambda known: trio.Event().wait())
        assert (await shown(alpha))["reason"] == "never configured"
        assert trio.current_time() - began <= 1.0


async def test_a_symbol_that_is_known_and_untold_says_so_while_the_database_is_away(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        silence(beta, monkeypatch)
        await beta.start()
        await trio.sleep(2)
        deafen(alpha, monkeypatch)
        await trio.sleep(LEASE / 1000 + 3)
        entry = await shown(alpha)
        assert (entry["status"], entry["state"]) == ("on", "degraded")
        assert entry["reason"].startswith("the database does not answer here, and")
