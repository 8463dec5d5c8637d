"""What every run of tests needs: programs that start fast, runs that are the same each time, and databases."""

import gc
import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support import forks
from tests.support.postgres import NoPostgresError, Server, empty, running_server

# Compiling its sources is a fifth of a start of naived.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# For the processes of `-n`: a seed of tests/simulation is the same run only while sets have the same order.
os.environ["PYTHONHASHSEED"] = "0"
# A shell ignores it for what it runs in the background, and so would every program that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A red run is red again; --hypothesis-profile explore draws new examples each time.
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.register_profile("explore", derandomize=False)
hypothesis.settings.load_profile("repeatable")

# Where a test takes seconds. With `-n` they begin first, so that all processes end together.
_LONG = ("audit", "simulation", "acceptance", "field", "fuzz", "conformance", "test_demo.py")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """With `-n`: in the order of the tests, those that share programs in one process."""
    if config.option.numprocesses and config.option.dist == "no":
        config.option.dist, config.option.loadscopereorder = "loadgroup", False


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
    forks.wanted = not item.config.getoption("--exec") and item.get_closest_marker("executed") is None


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
def sqlite_url(tmp_path: Path) -> str:
    """An SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'journal.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn."""
    kind = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(kind)
    return url
