"""A bounded part of the proof; the whole is ``python -m tests.simulation``."""

import os

import pytest

from tests.simulation.mutants import mutated
from tests.simulation.plan import cycle, swarm
from tests.simulation.world import run

SEEDS = int(os.environ.get("NAIVED_SIMULATION_SEEDS", "8"))
"""Each takes about a second."""

# The seams of the order path in one clean cycle; a crash at each of all the others is in the command's --points.
_ORDER_PATH = ("commit", "send order", "answer order", "report")


def _order_path() -> list[int]:
    outcome = run(cycle())
    assert outcome.violations == []
    assert outcome.cycles == 1, "the cycle whose seams are enumerated was not finished"
    return [n for n, seam in enumerate(outcome.visited[: outcome.exposed], 1) if seam.startswith(_ORDER_PATH)]


def test_a_crash_at_any_seam_of_one_cycle_loses_and_doubles_nothing() -> None:
    for seam in _order_path():
        outcome = run(cycle(seam))
        assert outcome.violations == [], f"python -m tests.simulation --crashes {seam}: {outcome.deaths}"
        assert len(outcome.deaths) == 1, f"nothing died at seam {seam}"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_seed_of_faults_and_crashes_converges_without_a_violation(seed: int) -> None:
    outcome = run(swarm(seed))

    assert outcome.violations == [], f"python -m tests.simulation --from {seed} --seeds 1"


def test_the_same_seed_twice_is_the_same_run() -> None:
    first, again = run(swarm(7)), run(swarm(7))

    assert first.digest == again.digest
    assert first.faults, "a seed without a fault shows little"
    assert first.digest != run(swarm(8)).digest


# Those that nearly every seed catches; all of them are in the command's --mutants.
@pytest.mark.parametrize(
    "mutant", ["place-then-record", "fresh-signature", "ended-before-its-fills", "no-reconciliation"]
)
def test_a_bug_put_into_naived_is_caught(mutant: str) -> None:
    with mutated(mutant):
        assert any(run(swarm(seed)).violations for seed in range(6)), f"{mutant} survives"
