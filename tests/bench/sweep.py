"""A sweep of 60 points over a mapped tape of five million trades: in this process, and in two with their start."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from naived.backtest import split, sweep
from naived.backtest.grid import Axis, Grid
from naived.backtest.point import Outcome, Terms
from naived.backtest.rules import rules
from naived.backtest.sweep import Job, Recording
from naived.backtest.tape import load
from naived.backtest.workers import Serial, Workers, processes
from naived.core.amount import parse_rate
from naived.core.strategy.settings import Settings
from tests.support.tapes import synthetic

_TRADES = 5_000_000
_RUNS = 3
_JOBS = 2
_GRID = Grid(
    (
        Axis("profit", tuple(parse_rate("0.0005") * each for each in range(1, 11))),
        Axis("rebuy", tuple(parse_rate("0.001") * each for each in range(2, 14, 2))),
    ),
    {},
)


def measure() -> Iterator[str]:
    points = [_GRID.settings(point) for point in _GRID.points()]
    with tempfile.TemporaryDirectory(prefix="naived-bench-") as directory:
        cache = Path(directory) / "cache"
        path = synthetic(Path(directory) / "trades.csv", _TRADES, 1, cache=cache)
        tape = load("ETHUSDT", [path], cache=cache)
        cut = split.moment(tape, split.DEFAULT_SHARE)
        job = Job(
            Recording("ETHUSDT", (sweep.source(path, hashed=False),), cache, cut),
            Terms(rules("ETHUSDT", None), parse_rate("0.001"), 0),
        )
        serial, spread = [], []
        for _ in range(_RUNS):
            began = time.perf_counter()
            alone = _outcomes(Serial(sweep.halved(tape, cut), job.terms), points)
            serial.append(time.perf_counter() - began)
            began = time.perf_counter()
            with processes(job, _JOBS) as workers:
                assert _outcomes(workers, points) == alone
            spread.append(time.perf_counter() - began)
    one, two = min(serial), min(spread)
    yield (
        f"{one:9.2f} s for {len(points)} points over {_TRADES:,} trades, in and out of sample, in this process: "
        f"{one / len(points) * 1e3:.0f} ms a point"
    )
    yield f"{two:9.2f} s in {_JOBS} processes with their start, {one / two:.2f} times as fast (best of {_RUNS})"


def _outcomes(workers: Workers, points: list[Settings]) -> list[Outcome]:
    found: dict[int, Outcome] = {}
    workers.run(points, found.__setitem__)
    return [found[index] for index in range(len(points))]
