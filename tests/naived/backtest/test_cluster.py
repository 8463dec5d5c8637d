"""Points on a real Dask scheduler with workers in processes of their own, one of which is killed."""

import gc
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from naived.backtest.point import Outcome
from naived.backtest.sweep import SweepError
from naived.backtest.workers import Serial
from tests.support.sweeps import SLOW, all_settings, file, grid, job, outcomes

pytest.importorskip("distributed", reason="Dask is not installed: pip install '.[cluster]'")

from naived.backtest.cluster import cluster

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning"
)  # of sockets that distributed leaves to the collector

ROOT = Path(__file__).parents[3]


class Programs:
    """`dask scheduler` and `dask worker` as processes."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self.address = ""
        self.workers: list[subprocess.Popen[str]] = []

    def scheduler(self) -> subprocess.Popen[str]:
        process = self._start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        self.address = self._told(process, r"Scheduler at: +(tcp://\S+)")
        return process

    def worker(self, cache: Path) -> None:
        number = len(self.workers)
        options = [
            "--nworkers",
            "1",
            "--nthreads",
            "1",
            "--no-nanny",
            "--no-dashboard",
            "--name",
            f"worker-{number}",
        ]
        where = ["--local-directory", str(self._directory / f"worker-{number}")]
        process = self._start("dask_worker", self.address, *options, *where, XDG_CACHE_HOME=str(cache))
        self.workers.append(process)
        self._told(process, r"(Registered to): +tcp://")

    def _start(self, program: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{program}", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
        )
        self._stack.enter_context(process)
        self._stack.callback(process.kill)
        return process

    @staticmethod
    def _told(process: subprocess.Popen[str], pattern: str) -> str:
        """Wait until it writes this; what is in the parentheses."""
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if found := re.search(pattern, line):
                return found[1]
        raise AssertionError(f"it ended: {''.join(lines)}")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    directory = tmp_path_factory.mktemp("dask")
    with ExitStack() as stack:
        made = Programs(directory, stack)
        made.scheduler()
        for number in range(2):
            made.worker(directory / f"cache-{number}")
        yield made


def test_a_cluster_finds_what_one_process_finds_also_when_a_worker_is_killed(
    programs: Programs, tmp_path: Path
) -> None:
    given, halves = job(file(tmp_path / "trades.csv", 8_000), tmp_path, elsewhere=True)
    points = all_settings(grid(4, 3, max_deviation=SLOW))
    alone = outcomes(Serial(halves, given.terms), points)
    with cluster(given, programs.address) as workers:
        assert outcomes(workers, points) == alone
        told: dict[int, Outcome] = {}

        def done(index: int, outcome: Outcome) -> None:
            if not told:
                programs.workers[0].send_signal(signal.SIGKILL)
            told[index] = outcome

        workers.run(points, done)
    assert [told[index] for index in range(len(points))] == alone
    assert programs.workers[0].wait() == -signal.SIGKILL
    assert programs.workers[1].poll() is None


def test_a_worker_whose_file_is_another_one_refuses(programs: Programs, tmp_path: Path) -> None:
    trades = file(tmp_path / "trades.csv", 500)
    given, _ = job(trades, tmp_path, elsewhere=True)
    file(trades, 500, seed=2)
    with (
        cluster(given, programs.address) as workers,
        pytest.raises(SweepError, match="is another file here: its sha256"),
    ):
        workers.run(all_settings(grid()), lambda index, outcome: None)


def test_a_scheduler_without_workers_is_an_error(tmp_path: Path) -> None:
    given, _ = job(file(tmp_path / "trades.csv", 500), None, elsewhere=True)
    with ExitStack() as stack:
        alone = Programs(tmp_path, stack)
        alone.scheduler()
        stack.enter_context(pytest.raises(SweepError, match="has no workers; start one with: dask worker tcp://"))
        stack.enter_context(cluster(given, alone.address, patience=1.0))


@pytest.mark.parametrize("address", ["tcp://host", "host:port", "bogus://host:1"])
def test_what_is_no_address_is_an_error_at_once(
    tmp_path: Path, address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    given, _ = job(file(tmp_path / "trades.csv", 500), None, elsewhere=True)
    began = time.monotonic()
    with pytest.raises(SweepError, match=f"there is no Dask scheduler at {address}: "), cluster(given, address):
        pass
    gc.collect()  # a client that was half made is closed now
    assert time.monotonic() - began < 5
    assert capfd.readouterr().err == ""


def test_a_scheduler_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    given, _ = job(file(tmp_path / "trades.csv", 500), None, elsewhere=True)
    with (
        pytest.raises(SweepError, match=r"there is no Dask scheduler at 127\.0\.0\.1:1"),
        cluster(given, "127.0.0.1:1", patience=0.1),
    ):
        pass
