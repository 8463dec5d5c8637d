"""Many seeds: ``python -m tests.simulation --seeds N --from S``; exits 1 if one fails."""

import argparse
import gc
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import combinations
from pathlib import Path

from tests.simulation.hands import KINDS
from tests.simulation.hunt import first_violation
from tests.simulation.mutants import MUTANTS, UNSEEN, mutated
from tests.simulation.mutations import fields, mutations, report, sample
from tests.simulation.node_mutants import HUNTING, NODE_MUTANTS
from tests.simulation.nodes import NodesPlan, live, nodes_swarm
from tests.simulation.plan import SCENARIOS, Plan, swarm
from tests.simulation.points import reached
from tests.simulation.shrink import shrunk
from tests.simulation.world import Outcome, run
from tests.support.workers import FORK

_KNOWN = {**MUTANTS, **NODE_MUTANTS}
_DAY = 86_400  # seconds
_OFTEN = 500  # runs between two lines that say how far it is
_GARBAGE = 20_000  # objects between two collections: a tenth of a run's time is saved by fewer of them


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds to live through")
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="SEED", help="the first one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="write every line of the first seed's trace")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="cycle", help="of --crashes and --pairs")
    parser.add_argument(
        "--crashes", type=int, nargs="+", default=[], metavar="SEAM", help="one scenario, these crashes"
    )
    parser.add_argument(
        "--points", action="store_true", help="a crash at each seam of every scenario, in place of seeds"
    )
    parser.add_argument("--pairs", action="store_true", help="a crash at each two seams of a scenario")
    parser.add_argument("--nodes", action="store_true", help="several nodes on one database; also for --mutants")
    parser.add_argument("--mutants", action="store_true", help="which seed catches which bug put into naived")
    parser.add_argument(
        "--mutations", action="store_true", help="each field of each kind of frame with each odd value"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="of --mutations only so many, dealt by --from")
    parser.add_argument("--mutant", choices=sorted(_KNOWN), metavar="NAME", help="with this bug in naived")
    return parser.parse_args()


def main() -> int:
    # The order of sets of texts is part of a run.
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(sys.executable, sys.orig_argv, {**os.environ, "PYTHONHASHSEED": "0"})
    gc.set_threshold(_GARBAGE)
    arguments = _arguments()
    if arguments.mutations:
        found = fields()
        every = mutations(found)
        chosen = sample(every, arguments.sample or len(every), arguments.first)
        return report(found, chosen, arguments.jobs)
    if arguments.mutants:
        return _hunt_all(arguments.first, arguments.seeds, arguments.jobs, nodes=arguments.nodes)
    if arguments.trace is not None:
        plan = next(_plans(arguments))
        with arguments.trace.open("w") as file, mutated(arguments.mutant, _KNOWN):
            outcome = live(plan, lambda line: print(line, file=file))
        return _report([outcome], [plan], 0.0)
    plans = list(_plans(arguments))
    began = time.monotonic()
    outcomes: list[Outcome] = []
    try:
        outcomes.extend(_told(plans, _lived(plans, arguments.jobs, arguments.mutant)))
    except* KeyboardInterrupt:
        print(f"interrupted after {len(outcomes)} of {len(plans)}", file=sys.stderr)
    failed = _report(outcomes, plans[: len(outcomes)], time.monotonic() - began)
    return failed or len(outcomes) < len(plans)


def _plans(arguments: argparse.Namespace) -> Iterator[Plan]:
    scenario = SCENARIOS[arguments.scenario]
    if arguments.crashes:
        yield scenario(*arguments.crashes)
    elif arguments.pairs:
        yield from (scenario(*each) for each in combinations(_seams(scenario), 2))
    elif arguments.points:
        yield from (each(seam) for each in SCENARIOS.values() for seam in _seams(each))
    else:
        dealt = nodes_swarm if arguments.nodes else swarm
        yield from (dealt(seed) for seed in range(arguments.first, arguments.first + arguments.seeds))


def _seams(scenario: Callable[..., Plan]) -> range:
    return range(1, run(scenario()).exposed + 1)


def _told(plans: list[Plan], outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Say at once what fails, and how far it is: many seeds take an hour."""
    for number, (plan, outcome) in enumerate(zip(plans, outcomes, strict=True), 1):
        if outcome.violations:
            print(f"{_command(plan)}: {outcome.violations[0]}", file=sys.stderr, flush=True)
        if number % _OFTEN == 0:
            print(f"{number} of {len(plans)}", file=sys.stderr, flush=True)
        yield outcome


def _lived(plans: list[Plan], jobs: int, mutant: str | None) -> Iterable[Outcome]:
    if jobs == 1 or len(plans) == 1:
        with mutated(mutant, _KNOWN):
            yield from map(live, plans)
        return
    # Ctrl-C is for this process: it says what was lived through until then.
    with ProcessPoolExecutor(jobs, FORK, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        yield from pool.map(_live, plans, [mutant] * len(plans))


def _live(plan: Plan, mutant: str | None) -> Outcome:
    with mutated(mutant, _KNOWN):
        try:
            return live(plan)
        except Exception as error:  # one world that breaks does not end the others
            return Outcome(plan.seed, violations=[f"the world broke: {''.join(traceback.format_exception(error))}"])


def _hunt_all(first: int, seeds: int, jobs: int, *, nodes: bool) -> int:
    survivors, mutants = 0, list(NODE_MUTANTS) if nodes else [name for name in MUTANTS if name not in UNSEEN]
    with ProcessPoolExecutor(jobs, FORK) as pool:
        hunts = [pool.submit(_hunt, name, first, seeds, nodes) for name in mutants]
        for name, hunt in zip(mutants, hunts, strict=True):
            seed, violation = hunt.result()
            survivors += seed is None
            print(f"{name:<36}{'SURVIVES' if seed is None else f'seed {seed}':<12}{violation}", flush=True)
    print(f"{len(mutants)} mutants, {survivors} survive {seeds} seeds")
    return 1 if survivors else 0


def _hunt(name: str, first: int, seeds: int, nodes: bool) -> tuple[int | None, str]:
    """The first seed that catches a mutant, and the first thing it says."""
    for seed in range(first, first + seeds):
        plan = HUNTING[name](seed) if nodes else swarm(seed)
        violation = first_violation(mutated(name, _KNOWN), partial(live, plan))
        if violation is not None:
            return seed, violation
    return None, ""


def _report(outcomes: list[Outcome], plans: list[Plan], seconds: float) -> int:
    faults: Counter[str] = Counter()
    points: Counter[str] = Counter()
    hands: Counter[str] = Counter()
    seen: Counter[str] = Counter()  # by kind of hand: in how many runs
    for outcome in outcomes:
        faults.update(outcome.faults)
        hands.update(outcome.hands)
        seen.update(outcome.hands.keys())
        points.update(outcome.deaths)
    named = reached(points.elements())
    recoveries = sorted(each for outcome in outcomes for each in outcome.recoveries)
    failed = [(plan, outcome) for plan, outcome in zip(plans, outcomes, strict=True) if outcome.violations]
    rows = [
        ("runs", str(len(outcomes))),
        ("virtual days", f"{sum(outcome.seconds for outcome in outcomes) / _DAY:.2f}"),
        ("orders", str(sum(outcome.orders for outcome in outcomes))),
        ("finished cycles", str(sum(outcome.cycles for outcome in outcomes))),
        ("faults", str(sum(faults.values()))),
        *((f"  {kind}", str(number)) for kind, number in sorted(faults.items())),
        ("other hands", str(sum(hands.values()))),
        *((f"  {kind}, in {seen[kind]} runs", str(hands[kind])) for kind in (*KINDS, "wild")),
        ("kinds of them in a run, p50", str(_quantile(sorted(len(outcome.hands) for outcome in outcomes), 0.5))),
        ("deaths", str(sum(points.values()))),
        ("seams died at", str(len(points))),
        ("crash points reached", f"{sum(map(bool, named.values()))} of {len(named)}"),
        *((f"  {name}", str(number)) for name, number in named.items()),
        ("recovery p50", f"{_quantile(recoveries, 0.5):.1f} s"),
        ("recovery p99", f"{_quantile(recoveries, 0.99):.1f} s"),
        ("violations", str(sum(len(outcome.violations) for _, outcome in failed))),
        ("failed runs", str(len(failed))),
    ]
    if seconds:
        rows.append(("runs per second", f"{len(outcomes) / seconds:.2f} ({seconds:.0f} s)"))
    for name, value in rows:
        print(f"{name:<55}{value:>12}")
    for plan, outcome in failed:
        print(f"\n{_command(plan)}")
        for violation in outcome.violations[:10]:
            print(f"    {violation}")
    if failed and seconds:
        print("\nthe first one, with all that it does not need taken out:")
        print(f"    {shrunk(failed[0][0])}")
    return 1 if failed else 0


def _command(plan: Plan) -> str:
    which = f"{'--nodes ' if isinstance(plan, NodesPlan) else ''}--from {plan.seed} --seeds 1"
    if plan.scenario is not None:
        which = f"--scenario {plan.scenario} --crashes {' '.join(map(str, plan.crashes))}"
    return f"python -m tests.simulation {which} --trace trace.txt"


def _quantile(values: Sequence[float], share: float) -> float:
    return values[min(int(len(values) * share), len(values) - 1)] if values else 0.0


if __name__ == "__main__":
    sys.exit(main())
