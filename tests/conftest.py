"""What every run of tests needs: programs that start fast, runs that are the same each time, and databases."""

import gc
import os
import signal
import sys
from collections.abc import Generator, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support import forks
from tests.support.postgres import NoPostgresError, Server, empty, running_server
from tests.support.standby import Standby, following

# Compiling its sources is a fifth of a start of naived.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# For the processes of `-n`: a seed of tests/simulation is the same run only while sets have the same order.
os.environ["PYTHONHASHSEED"] = "0"
# A shell ignores it for what it runs in the background, and so would every program that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A red run is red again. The same examples again find nothing new: --hypothesis-profile explore draws others.
hypothesis.settings.register_profile("repeatable", derandomize=True, max_examples=40)
hypothesis.settings.register_profile("explore", derandomize=False, max_examples=400)
hypothesis.settings.load_profile("repeatable")

# Where a test takes seconds. With `-n` they begin first, so that all processes end together.
_LONG = ("audit", "simulation", "acceptance", "field", "fuzz", "conformance", "test_demo.py", "test_dev.py")
# Whose tests share what takes long to begin: with `-n` they are run by one process.
_TOGETHER = (
    *("acceptance/test_faults.py", "conformance/test_official_client.py", "conformance/test_third_party.py"),
    *("backtest/test_cluster.py", "backtest/test_page.py", "backtest/test_workers.py", "cli/test_sweep.py"),
)
# Processes of `-n auto` that there are beside one for each processor: who talks to real programs mostly waits.
_WAITING = 3


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return len(os.sched_getaffinity(0)) + _WAITING if hasattr(os, "sched_getaffinity") else None


class _InOrder(LoadScopeScheduling):
    """Each test by itself, in their order, but for those that belong together."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return path if path.endswith(_TOGETHER) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """With `-n` alone, not with another --dist."""
    if config.option.dist != "load":
        return None
    config.option.loadscopereorder = False
    return _InOrder(config, log)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Each process of `-n` compiles its share of the tests and finds the rest done: it counts in a new clone."""
    worker: dict[str, Any] = getattr(session.config, "workerinput", {})
    if worker and session.config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        here = Path(__file__).parent
        number, of = int(worker["workerid"].removeprefix("gw")), worker["workercount"]
        for path in sorted(here.rglob("test_*.py"))[number::of]:
            import_module(".".join(path.relative_to(here.parent).with_suffix("").parts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        room = item.path.relative_to(Path(__file__).parent).parts[0]
        return _LONG.index(room) if room in _LONG else len(_LONG)

    items.sort(key=rank)


def pytest_collection_finish() -> None:
    """What stays for the whole run is looked at by the garbage collector no more: a twentieth of a simulation."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    forks.beside = not item.config.getoption("--exec")
    forks.wanted = forks.beside and item.get_closest_marker("executed") is None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if item.config.getoption("--mutant") is None:
        return (yield)
    from tests.simulation.mutants import mutated  # it imports all of naived

    with mutated(item.config.getoption("--mutant")):
        return (yield)


@pytest.hookimpl(trylast=True)  # behind what an interrupted test ends
def pytest_sessionfinish() -> None:
    forks.end()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--exec", action="store_true", help="start every program for real, none as a fork")
    parser.addoption("--mutant", help="put this bug of tests/simulation/mutants.py in: is there a test that fails?")
    parser.addoption("--no-postgres", action="store_true", help="skip the tests that need a PostgreSQL server")
    parser.addoption("--clients", action="store_true", help="install third-party clients and let them trade")


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The server of this run; failing to have one is a failure unless the run says --no-postgres."""
    if request.config.getoption("--no-postgres"):
        pytest.skip("--no-postgres")
    try:
        with running_server() as server:
            yield server
    except NoPostgresError as error:
        pytest.fail(f"{error}. Install PostgreSQL, or run with --no-postgres", pytrace=False)


@pytest.fixture(scope="session")
def _postgres_database(postgres_server: Server) -> Iterator[str]:
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def postgres_url(_postgres_database: str) -> Iterator[str]:
    """An empty PostgreSQL database."""
    yield _postgres_database
    empty(_postgres_database)


@pytest.fixture
def standby(postgres_server: Server) -> Iterator[Standby]:
    """A copy of the server that follows it, and is promoted by nobody."""
    try:
        with following(postgres_server) as copy:
            yield copy
    except NoPostgresError as error:
        pytest.skip(str(error))


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'journal.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn."""
    kind = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(kind)
    return url
