"""A bounded part of the proof, the same each time; the whole is ``python -m tests.simulation``."""

import os
from collections import Counter
from functools import cache

import pytest

from tests.simulation.hands import KINDS
from tests.simulation.hunt import caught
from tests.simulation.mutants import MUTANTS
from tests.simulation.plan import SCENARIOS, swarm
from tests.simulation.points import POINTS, reached
from tests.simulation.world import Outcome, run

HUNT = 60  # seeds in which every mutant has to be caught; nearly all are in the first six
SEEDS = int(os.environ.get("NAIVED_SIMULATION_SEEDS", 20))
GROUP = 5  # seeds of one test: enough of them to share among processors, few enough to read
PARTS = 4  # into which the seams of one scenario are dealt, to share them too
# The bugs that CI hunts, each from a seed that shows it early; when that has become another run, the hunt is longer
# and ends the same. With any of the others in, a test in tests/naived fails; the command's --mutants hunts all.
HUNTED = {
    "two-transactions": 0,
    "stale-trades": 1,
    "no-reconciliation": 0,
    "repriced-from-the-limit": 11,
    "lot-without-a-price": 1,
    "rebuy-spent-for-good": 21,
    "wait-without-a-bound": 6,
    "coins-of-another-are-money": 23,
    "third-asset-taken-for-coins": 3,
    "third-asset-costs-nothing": 3,
    "amendment-unnoticed": 34,
}

# The seams of the order path; a crash at each of all the others is in the command's --points.
_ORDER_PATH = ("commit", "send order", "answer order", "report")


@cache
def _clean(name: str) -> Outcome:
    return run(SCENARIOS[name]())


def _order_path(clean: Outcome) -> list[int]:
    return [n for n, seam in enumerate(clean.visited[: clean.exposed], 1) if seam.startswith(_ORDER_PATH)]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_crash_at_any_seam_of_the_order_path_loses_and_doubles_nothing(name: str, part: int) -> None:
    scenario, clean = SCENARIOS[name], _clean(name)
    assert clean.violations == []
    assert clean.cycles, "the cycle whose seams are enumerated was not finished"
    # Of the longer scenario every second seam; all are in the command's --points.
    for seam in _order_path(clean)[part :: PARTS if name == "cycle" else 2 * PARTS]:
        outcome = run(scenario(seam))
        command = f"python -m tests.simulation --scenario {name} --crashes {seam}"
        assert outcome.violations == [], f"{command}: {outcome.deaths}"
        assert outcome.deaths == [clean.visited[seam - 1]], command


def test_the_enumerated_seams_are_all_crash_points_that_have_a_name() -> None:
    passed: Counter[str] = Counter()
    for clean in map(_clean, SCENARIOS):
        passed += reached(clean.visited[seam - 1] for seam in _order_path(clean))
    assert all(passed[name] for name in POINTS)


def test_a_crash_during_the_recovery_from_a_crash_is_recovered_from() -> None:
    scenario, clean = SCENARIOS["cycle"], _clean("cycle")
    first = next(seam for seam in _order_path(clean) if "send order.place: after" in clean.visited[seam - 1])
    again = run(scenario(first))
    seams = [n for n in range(first + 1, again.exposed + 1) if "(starting)" in again.visited[n - 1]]
    deaths = []
    for seam in seams[::2]:  # a half of them; all are in the command's --pairs
        outcome = run(scenario(first, seam))
        assert outcome.violations == [], f"python -m tests.simulation --crashes {first} {seam}: {outcome.deaths}"
        deaths += outcome.deaths
    assert reached(deaths)["C12 during a query of the recovery"]


@pytest.mark.parametrize("first", range(0, SEEDS, GROUP))
def test_seeds_of_faults_and_crashes_converge_without_a_violation(first: int) -> None:
    for seed in range(first, first + GROUP):
        outcome = run(swarm(seed))
        assert outcome.violations == [], f"python -m tests.simulation --from {seed} --seeds 1"


def test_the_same_seed_twice_is_the_same_run() -> None:
    outcomes = [run(swarm(seed)) for seed in (7, 7, 17)]

    first, again, other = (outcome.digest for outcome in outcomes)
    assert first == again != other
    assert all(outcome.faults for outcome in outcomes), "a seed without a fault shows little"


def test_seeds_enable_every_kind_that_other_hands_know() -> None:
    plans = [swarm(seed) for seed in range(HUNT)]
    assert {kind for plan in plans for kind in plan.hands} == set(KINDS)
    assert any(plan.wild for plan in plans)


@pytest.mark.parametrize("mutant", HUNTED)
def test_a_bug_put_into_naived_is_caught(mutant: str) -> None:
    assert mutant in MUTANTS
    seeds = (HUNTED[mutant], *range(HUNT))
    assert any(caught(mutant, swarm(seed)) for seed in seeds), f"{mutant} survives"
