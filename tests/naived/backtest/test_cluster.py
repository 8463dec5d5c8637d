"""Points on a real Dask scheduler with workers in processes of their own, one of which is killed."""

import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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
PATIENCE = 60.0  # seconds, on a busy machine


class Programs:
    """`dask scheduler` and `dask worker` as processes."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self.address = ""
        self.running: subprocess.Popen[str]
        self.workers: list[subprocess.Popen[str]] = []

    def scheduler(self) -> None:
        self.running = self._start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        self.address = self._told(self.running, r"Scheduler at: +(tcp://\S+)")

    def worker(self, cache: Path, sources: Path = ROOT) -> None:
        """Begin one that finds naived in this directory."""
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
        process = self._start("dask_worker", self.address, *options, *where, cwd=sources, XDG_CACHE_HOME=str(cache))
        self.workers.append(process)
        self._told(process, r"(Registered to): +tcp://")

    def _start(self, program: str, *arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{program}", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
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


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Programs]:
    """A scheduler without workers, which a test may end."""
    with ExitStack() as stack:
        made = Programs(tmp_path, stack)
        made.scheduler()
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


def test_a_scheduler_without_workers_is_an_error(own: Programs, tmp_path: Path) -> None:
    given, _ = job(file(tmp_path / "trades.csv", 500), None, elsewhere=True)
    with (
        pytest.raises(SweepError, match="has no workers; start one with: dask worker tcp://"),
        cluster(given, own.address, patience=1.0),
    ):
        pass


def program(trades: Path, address: str) -> "subprocess.Popen[str]":
    """`naived sweep` over a hundred slow points on a cluster."""
    return subprocess.Popen(
        [
            *(sys.executable, "-c", "from naived.cli.main import main; main()", "sweep", "ethusdt", "--tape"),
            *(str(trades), "--dask", address, "--profit", "0.001:0.1:0.001", "--max-deviation", "0.0001"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "HOME": str(trades.parent), "XDG_CACHE_HOME": str(trades.parent / "own")},
    )


def without_naived(directory: Path) -> None:
    (directory / "naived").mkdir()
    (directory / "naived" / "__init__.py").touch()  # found before the one that is installed


def with_other_formulas(directory: Path) -> None:
    shutil.copytree(ROOT / "naived", directory / "naived", ignore=shutil.ignore_patterns("__pycache__"))
    with (directory / "naived" / "core" / "strategy" / "formulas.py").open("a") as written:
        written.write("# another release\n")


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (without_naived, r"workers of tcp://\S+ \(tcp://\S+\) cannot run naived: No module named 'naived"),
        (with_other_formulas, "the worker on .+ has other sources of naived than this sweep: their hash is "),
    ],
)
def test_a_worker_that_has_not_this_naived_refuses_and_goes_on(
    own: Programs, tmp_path: Path, made: Callable[[Path], None], told: str
) -> None:
    given, _ = job(file(tmp_path / "trades.csv", 500), None, elsewhere=True)
    made(tmp_path)
    own.worker(tmp_path / "cache", tmp_path)
    for _ in range(2):
        with pytest.raises(SweepError, match=told), cluster(given, own.address) as workers:
            workers.run(all_settings(grid()), lambda index, outcome: None)
    assert own.workers[0].poll() is None


@pytest.mark.parametrize(
    ("which", "told"), [("worker", "has no workers; start one with"), ("scheduler", "went away")]
)
def test_a_last_worker_or_a_scheduler_that_dies_is_an_error(
    own: Programs, tmp_path: Path, which: str, told: str
) -> None:
    given, _ = job(file(tmp_path / "trades.csv", 8_000), None, elsewhere=True)
    points = all_settings(grid(4, 3, max_deviation=SLOW))
    own.worker(tmp_path / "cache")
    dies = own.workers[0] if which == "worker" else own.running
    with pytest.raises(SweepError, match=told), cluster(given, own.address, absence=0.1) as workers:
        workers.run(points, lambda index, outcome: dies.kill())


def test_the_program_tells_of_a_scheduler_that_ends_in_one_line(own: Programs, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    own.worker(cache)
    with program(file(tmp_path / "trades.csv", 8_000), own.address) as process:
        while not cache.exists():
            assert process.poll() is None
            time.sleep(0.01)
        own.running.terminate()
        _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert re.fullmatch(r"naived: in sample .+\nnaived: the Dask scheduler at tcp://\S+ went away\n", told)


def test_the_program_ends_at_once_where_tls_has_no_certificates(tmp_path: Path) -> None:
    began = time.monotonic()
    with program(file(tmp_path / "trades.csv", 500), "tls://127.0.0.1:1") as process:
        _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert re.fullmatch(r"naived: in sample .+\nnaived: tls://127.0.0.1:1 cannot be used as Dask is .+\n", told)
    assert time.monotonic() - began < 15  # a client that is not closed takes 20 s


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("tcp://host", "there is no Dask scheduler at tcp://host: "),
        ("host:port", "there is no Dask scheduler at host:port: "),
        ("bogus://host:1", "there is no Dask scheduler at bogus://host:1: "),
        ("tls://127.0.0.1:1", "tls://127.0.0.1:1 cannot be used as Dask is configured here: TLS expects"),
    ],
)
def test_what_is_no_address_is_an_error_at_once(
    tmp_path: Path, address: str, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    given, _ = job(file(tmp_path / "trades.csv", 500), None, elsewhere=True)
    began = time.monotonic()
    with pytest.raises(SweepError, match=told), cluster(given, address):
        pass
    gc.collect()  # a client that is half made and was not closed would be now
    assert time.monotonic() - began < 5
    assert capfd.readouterr().err == ""


def test_a_scheduler_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    given, _ = job(file(tmp_path / "trades.csv", 500), None, elsewhere=True)
    with (
        pytest.raises(SweepError, match=r"there is no Dask scheduler at 127\.0\.0\.1:1"),
        cluster(given, "127.0.0.1:1", patience=0.1),
    ):
        pass
