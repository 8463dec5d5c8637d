"""A home in the system's temporary directory, and whatever was started in it: ended on every path."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.harness import Daemon, Exchange
from tests.support import forks


@pytest.fixture
def home() -> Iterator[Path]:
    """Not pytest's: the path of a socket has at most 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="naived-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def programs(home: Path) -> Iterator[ExitStack]:
    """Ends what was started, the last first."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def simulate(home: Path, programs: ExitStack) -> Callable[..., Exchange]:
    """Start the simulator with these options."""

    def start(*options: str) -> Exchange:
        exchange = Exchange(home, *options)
        programs.callback(exchange.end)
        exchange.start()
        return exchange

    return start


@pytest.fixture
def naived(home: Path, programs: ExitStack) -> Callable[..., Daemon]:
    """Make ``naived`` with these options, for the test to start."""

    def make(*options: str) -> Daemon:
        daemon = Daemon(home, *options)
        programs.callback(daemon.end)
        return daemon

    return make


@pytest.fixture
def exchange(simulate: Callable[..., Exchange]) -> Exchange:
    """A held exchange without fees: prices are easy to follow."""
    return simulate("--fee", "0")


@pytest.fixture
def daemon(exchange: Exchange, naived: Callable[..., Daemon]) -> Daemon:
    """Running on that exchange, with nothing configured; forked if at all possible."""
    daemon = naived("--exchange-url", exchange.url)
    daemon.start(forked=forks.beside)
    return daemon
