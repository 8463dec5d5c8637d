"""For tests of sweeps: a tape in a file, jobs over it, grids of settings."""

from collections.abc import Sequence
from pathlib import Path

from naived.backtest import split, sweep
from naived.backtest.grid import Axis, Grid
from naived.backtest.point import Halves, Outcome, Terms
from naived.backtest.rules import rules
from naived.backtest.sweep import Job, Recording
from naived.backtest.tape import load
from naived.backtest.workers import Workers
from naived.core.amount import parse_rate
from naived.core.strategy.settings import Settings
from tests.support.tape import tape, walk
from tests.support.tapes import Row, written

SYMBOL = "ETHUSDT"
SLOW = parse_rate("0.0001")
"""A ``max_deviation`` that makes a backtest ask about every trade: tens of times slower than usual."""


def file(path: Path, length: int = 3_000, seed: int = 1) -> Path:
    """The trades of a walk as a file, packed as its name says."""
    made = tape(*walk(seed, length, step=200, gap=200)).parts[0]
    rows = zip(made.ids.tolist(), made.prices.tolist(), made.quantities.tolist(), made.times.tolist(), strict=True)
    return written(path, [Row(number, price, quantity, time) for number, price, quantity, time in rows])


def job(path: Path, cache: Path | None, *, elsewhere: bool = False) -> tuple[Job, Halves]:
    """A job over a file, split at 0.7, and its tape opened in this process."""
    opened = load(SYMBOL, [path], cache=cache)
    cut = split.moment(opened, split.DEFAULT_SHARE)
    recording = Recording(SYMBOL, (sweep.source(path, hashed=elsewhere),), cache, cut, elsewhere)
    return Job(recording, Terms(rules(SYMBOL, None), parse_rate("0.001"), 0)), sweep.halved(opened, cut)


def grid(profits: int = 3, rebuys: int = 2, **fixed: object) -> Grid:
    """Profits from 0.001 and rebuys from 0.003, in steps of as much."""
    step, fall = parse_rate("0.001"), parse_rate("0.003")
    axes = (
        Axis("profit", tuple(step * (1 + number) for number in range(profits))),
        Axis("rebuy", tuple(fall * (1 + number) for number in range(rebuys))),
    )
    return Grid(axes, fixed)


def all_settings(which: Grid) -> list[Settings]:
    return [which.settings(point) for point in which.points()]


def outcomes(workers: Workers, points: Sequence[Settings]) -> list[Outcome]:
    """What each point earned, in the order of the points; each is told once."""
    told: dict[int, Outcome] = {}

    def done(index: int, outcome: Outcome) -> None:
        assert index not in told
        told[index] = outcome

    workers.run(points, done)
    return [told[index] for index in range(len(points))]
