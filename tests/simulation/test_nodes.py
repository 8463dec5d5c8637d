"""Several nodes in one world: a bounded part; ``python -m tests.simulation --nodes`` lives through more seeds."""

from functools import partial

import pytest

from tests.simulation.hunt import first_violation
from tests.simulation.mutants import mutated
from tests.simulation.node_mutants import HUNTING, NODE_MUTANTS
from tests.simulation.nodes import NodesWorld, live, nodes_swarm, singles
from tests.simulation.stopping import CURRENT
from tests.simulation.world import run

CHOSEN = (24,)  # seeds that CI lives through: nodes are stopped, cut off and drained, and the database fails over
# The bugs that CI hunts, each from a seed that shows it early; the command's --nodes --mutants hunts all.
HUNTED = {
    "epoch-unchecked": 0,
    "counted-from-after-the-renewal": 0,
    "clock-stands-still-with-the-process": 0,
    "placed-before-all-is-compared": 1,
    "orders-without-rows-unread": 1,
}
HUNT = 10  # seeds in which each has to be caught when the first is another run by now


def test_after_any_single_fault_of_a_node_another_one_has_its_symbols_within_two_leases() -> None:
    worlds: list[NodesWorld] = []

    def make(*given: object) -> NodesWorld:
        worlds.append(NodesWorld(*given))  # type: ignore[arg-type]
        return worlds[-1]

    outcome = run(singles(), None, make)

    assert outcome.violations == []
    assert {
        "stopped",
        "killed",
        "cut from the database",
        "drained",
        "cut from the exchange",
    } <= outcome.faults.keys()
    assert max(worlds[0].troubles.gaps) > 1.0, "no takeover was seen"


@pytest.mark.parametrize("seed", CHOSEN)
def test_a_seed_of_several_nodes_converges_without_a_violation(seed: int) -> None:
    outcome = live(nodes_swarm(seed))

    assert outcome.violations == [], f"python -m tests.simulation --nodes --from {seed} --seeds 1"


@pytest.mark.parametrize("mutant", NODE_MUTANTS)
def test_each_bug_of_nodes_can_be_put_in(mutant: str) -> None:
    """The names that it replaces are there."""
    with mutated(mutant, NODE_MUTANTS):
        pass


@pytest.mark.parametrize("mutant", HUNTED)
def test_a_bug_of_several_nodes_is_caught(mutant: str) -> None:
    plans = map(HUNTING[mutant], (HUNTED[mutant], *range(HUNT)))

    found = (first_violation(mutated(mutant, NODE_MUTANTS), partial(live, plan)) for plan in plans)
    assert any(found), f"{mutant} survives"


def test_no_task_is_of_a_process_outside_of_one() -> None:
    assert CURRENT.get() is None
