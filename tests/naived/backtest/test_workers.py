"""Points in several processes: the same outcomes as in one, also when workers die; and none is left behind."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future
from multiprocessing import active_children
from pathlib import Path

import pytest

from naived.backtest import sweep
from naived.backtest.point import Halves, Outcome
from naived.backtest.sweep import Done, Job, SweepError
from naived.backtest.workers import Serial, Spread, processes
from naived.core.strategy.settings import Settings
from tests.support.sweeps import SLOW, all_settings, file, grid, job, outcomes


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Halves]:
    directory = tmp_path_factory.mktemp("sweep")
    return job(file(directory / "trades.csv", 20_000), directory / "cache")


def kill_workers() -> None:
    for child in active_children():
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)


@pytest.mark.parametrize("jobs", [1, 3])
def test_any_number_of_processes_finds_what_one_finds(prepared: tuple[Job, Halves], jobs: int) -> None:
    given, halves = prepared
    points = all_settings(grid(4, 3))
    with processes(given, jobs) as workers:
        assert outcomes(workers, points) == outcomes(Serial(halves, given.terms), points)
    assert active_children() == []


def test_points_of_a_worker_that_dies_are_run_again(prepared: tuple[Job, Halves]) -> None:
    given, halves = prepared
    points = all_settings(grid(3, 2, max_deviation=SLOW))
    with processes(given, 2) as workers:
        told: dict[int, Outcome] = {}

        def done(index: int, outcome: Outcome) -> None:
            if not told:
                kill_workers()
            told[index] = outcome

        workers.run(points, done)
    assert [told[index] for index in range(len(points))] == outcomes(Serial(halves, given.terms), points)
    assert active_children() == []


def test_workers_that_die_again_over_the_same_points_are_an_error(prepared: tuple[Job, Halves]) -> None:
    given, _ = prepared
    points = all_settings(grid(3, 2, max_deviation=SLOW))
    with (
        processes(given, 2) as workers,
        pytest.raises(SweepError, match="a worker died, and another one over the same"),
    ):
        workers.run(points, lambda index, outcome: kill_workers())
    assert active_children() == []


def test_what_a_worker_cannot_open_is_the_error_of_the_sweep(prepared: tuple[Job, Halves], tmp_path: Path) -> None:
    trades = file(tmp_path / "trades.csv", 100)
    given, _ = job(trades, None)
    trades.unlink()
    with (
        processes(given, 1) as workers,
        pytest.raises(SweepError, match=r"trades\.csv cannot be read: No such file"),
    ):
        workers.run(all_settings(grid()), lambda index, outcome: None)


def test_an_interrupt_leaves_no_worker(prepared: tuple[Job, Halves]) -> None:
    given, _ = prepared

    def done(index: int, outcome: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), processes(given, 2) as workers:
        workers.run(all_settings(grid(6, 5, max_deviation=SLOW)), done)
    assert active_children() == []


class Instant(Executor):
    """Runs a batch when it is submitted; each point is said to take so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.sizes: list[int] = []

    def submit(self, call: Callable[..., Done], /, *args: object, **_: object) -> Future[Done]:  # type: ignore[override]
        assert call is sweep.run
        (_, batch) = args
        assert isinstance(batch, list)
        self.sizes.append(len(batch))
        future: Future[Done] = Future()
        future.set_result(Done(tuple(Outcome(None) for _ in batch), self.seconds * len(batch)))
        return future


@pytest.mark.parametrize(("seconds", "largest"), [(1.0, 1), (0.2, 1), (0.05, 4), (1e-9, 64)])
def test_a_batch_takes_about_a_fifth_of_a_second(
    prepared: tuple[Job, Halves], seconds: float, largest: int
) -> None:
    executor = Instant(seconds)
    points = [Settings(chunks=1 + number % 1000) for number in range(3_000)]
    seen: list[int] = []
    Spread(prepared[0], 2, executor).run(points, lambda index, outcome: seen.append(index))
    assert sorted(seen) == list(range(3_000))
    assert executor.sizes[0] == 1
    assert max(executor.sizes) == largest
    assert executor.sizes[-1] == 1
