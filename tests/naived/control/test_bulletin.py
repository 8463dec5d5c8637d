"""What a node shows of a symbol that another one has, or nobody."""

from collections.abc import Mapping

import pytest
import trio
from trio.testing import MockClock

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
