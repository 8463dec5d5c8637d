"""A bounded part of the proof, the same each time; the whole is ``python -m tests.simulation``."""

import os
from collections import Counter

import pytest

from tests.simulation.mutants import MUTANTS, mutated
from tests.simulation.plan import SCENARIOS, swarm
from tests.simulation.points import POINTS, reached
from tests.simulation.world import Outcome, run

SEEDS = int(os.environ.get("NAIVED_SIMULATION_SEEDS", "120"))
"""About a minute and a half of one processor; the enumerations and the mutants take as long again."""
GROUP = 10  # seeds of one test: enough of them to share among processors, few enough to read
PARTS = 4  # into which the seams of one scenario are dealt, to share them too
HUNT = 60  # seeds in which every mutant has to be caught; nearly all are in the first three
# Where to begin with those that few seeds catch; without it the hunt only takes longer.
SCENTS = {
    "orders-of-others-are-cancelled": 5,
    "ban-unheeded": 8,
    "resend-after-restart": 8,
    "shutdown-is-forgotten": 13,
    "unknown-costs-nothing": 17,
    "stale-trades": 27,
    "stop-answers-at-once": 27,
}

# The seams of the order path; a crash at each of all the others is in the command's --points.
_ORDER_PATH = ("commit", "send order", "answer order", "report")


def _order_path(clean: Outcome) -> list[int]:
    return [n for n, seam in enumerate(clean.visited[: clean.exposed], 1) if seam.startswith(_ORDER_PATH)]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_crash_at_any_seam_of_the_order_path_loses_and_doubles_nothing(name: str, part: int) -> None:
    scenario = SCENARIOS[name]
    clean = run(scenario())
    assert clean.violations == []
    assert clean.cycles, "the cycle whose seams are enumerated was not finished"
    for seam in _order_path(clean)[part::PARTS]:
        outcome = run(scenario(seam))
        command = f"python -m tests.simulation --scenario {name} --crashes {seam}"
        assert outcome.violations == [], f"{command}: {outcome.deaths}"
        assert outcome.deaths == [clean.visited[seam - 1]], command


def test_the_enumerated_seams_are_all_crash_points_that_have_a_name() -> None:
    passed: Counter[str] = Counter()
    for scenario in SCENARIOS.values():
        clean = run(scenario())
        passed += reached(clean.visited[seam - 1] for seam in _order_path(clean))
    assert all(passed[name] for name in POINTS)


def test_a_crash_during_the_recovery_from_a_crash_is_recovered_from() -> None:
    scenario = SCENARIOS["cycle"]
    clean = run(scenario())
    first = next(seam for seam in _order_path(clean) if "send order.place: after" in clean.visited[seam - 1])
    again = run(scenario(first))
    seams = [n for n in range(first + 1, again.exposed + 1) if "(starting)" in again.visited[n - 1]]
    deaths = []
    for seam in seams:
        outcome = run(scenario(first, seam))
        assert outcome.violations == [], f"python -m tests.simulation --crashes {first} {seam}: {outcome.deaths}"
        deaths += outcome.deaths
    assert reached(deaths)["C12 during a query of the recovery"]


@pytest.mark.parametrize("first", range(0, SEEDS, GROUP))
def test_seeds_of_faults_and_crashes_converge_without_a_violation(first: int) -> None:
    for seed in range(first, first + GROUP):
        outcome = run(swarm(seed))
        assert outcome.violations == [], f"python -m tests.simulation --from {seed} --seeds 1"


@pytest.mark.parametrize("seed", [7, 17, 27])
def test_the_same_seed_twice_is_the_same_run(seed: int) -> None:
    first, again = run(swarm(seed)), run(swarm(seed))

    assert first.digest == again.digest
    assert first.faults, "a seed without a fault shows little"
    assert first.digest != run(swarm(seed + 1)).digest


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_bug_put_into_naived_is_caught(mutant: str) -> None:
    seeds = (SCENTS.get(mutant, 0), *range(HUNT))
    with mutated(mutant):
        assert any(run(swarm(seed)).violations for seed in seeds), f"{mutant} survives"
