"""What a run counted, and the table that tells it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

DUPLICATES, ORPHANS, LOST = 2, 3, 9  # the invariants that these are breaches of
FAILOVER = "failover"  # a kind of kill, after which the database lacks commits


@dataclass
class Figures:
    """One job's figures. ``recoveries``: seconds from a start until naived is ready and knows every order's fate.

    ``violations`` are (number of the invariant, what is wrong); 0 is what no invariant names.
    ``takeovers``: seconds from the death of a node until others have all its symbols. ``home`` has the
    evidence, None where it is gone.
    """

    seed: int
    database: str
    home: Path | None = None
    kills: Counter[str] = field(default_factory=Counter)
    beside: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    audits: int = 0
    orders: int = 0
    cycles: int = 0
    recoveries: list[float] = field(default_factory=list)
    takeovers: list[float] = field(default_factory=list)
    violations: list[tuple[int, str]] = field(default_factory=list)

    def blame(self, number: int, what: str) -> None:
        self.violations.append((number, what))


def table(jobs: Sequence[Figures], seconds: float) -> str:
    """All jobs together, then each that found something, with where to look."""
    kills, beside, faults, asked = (_sum(jobs, name) for name in ("kills", "beside", "faults", "asked"))
    recoveries = sorted(each for job in jobs for each in job.recoveries)
    takeovers = sorted(each for job in jobs for each in job.takeovers)
    broken = Counter(number for job in jobs for number, _ in job.violations)
    rows: list[tuple[str, object]] = [
        ("kills", kills.total()),
        *_each(kills),
        *beside.items(),
        ("restarts", sum(job.restarts for job in jobs)),
        ("audits", sum(job.audits for job in jobs)),
        ("orders", sum(job.orders for job in jobs)),
        ("finished cycles", sum(job.cycles for job in jobs)),
        ("naivectl requests", asked.total()),
        *_each(asked),
        ("faults", faults.total()),
        *_each(faults),
        ("recoveries timed", len(recoveries)),
        ("recovery p50", f"{quantile(recoveries, 0.5):.2f} s"),
        ("recovery p99", f"{quantile(recoveries, 0.99):.2f} s"),
        *((f"takeover p{share}", f"{quantile(takeovers, share / 100):.2f} s") for share in (50, 99) if takeovers),
        ("duplicates", broken[DUPLICATES]),
        ("orphans", broken[ORPHANS]),
        ("lost fills", broken[LOST]),
        ("violations", broken.total()),
        ("kills per second", f"{kills.total() / seconds:.2f}"),
        ("seconds", f"{seconds:.0f}"),
    ]
    lines = [f"{name:<40}{value!s:>12}" for name, value in rows]
    for job in jobs:
        if job.violations:
            lines += ["", f"seed {job.seed} on {job.database}: {job.home}"]
            lines += [f"    invariant {number}: {what}" for number, what in job.violations[:20]]
    return "\n".join(lines)


def quantile(values: Sequence[float], share: float) -> float:
    """Of sorted values; 0 where there are none."""
    return values[min(int(len(values) * share), len(values) - 1)] if values else 0.0


def _sum(jobs: Iterable[Figures], name: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for job in jobs:
        total.update(getattr(job, name))
    return total


def _each(counts: Mapping[str, int]) -> list[tuple[str, object]]:
    return [(f"  {name}", number) for name, number in sorted(counts.items())]
