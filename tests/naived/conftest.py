"""For tests of a whole runtime: what outlives one naived, and a clock that waits for nobody."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from trio.testing import MockClock

from naived.database.engine import parse_url
from naived.database.migrate import migrate
from tests.support.exchange import ExchangeDouble
from tests.support.runtime import World


@pytest.fixture(scope="session")
def _migrated_journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("journal") / "empty.db"
    migrate(parse_url(f"sqlite:///{path}"))
    return path


@pytest.fixture
def world(_migrated_journal: Path, tmp_path: Path) -> Iterator[World]:
    """An exchange with two symbols, and a journal that is up to date: migrating one takes most of a second."""
    path = tmp_path / "journal.db"
    shutil.copyfile(_migrated_journal, path)
    path.chmod(0o600)
    with structlog.testing.capture_logs():  # drawing tracebacks takes longer than the tests
        yield World(ExchangeDouble("ETHUSDT", "BTCUSDT"), f"sqlite:///{path}")


@pytest.fixture
def clock() -> MockClock:
    """What a test asks for to run on it: it jumps to whatever is waited for."""
    return MockClock(autojump_threshold=0)


@pytest.fixture
def home() -> Iterator[Path]:
    """Not pytest's: the path of a socket has at most 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="naived-"))
    yield path
    shutil.rmtree(path)
