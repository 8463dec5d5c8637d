"""For tests of a whole runtime: what outlives one naived, and a clock that waits for nobody."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from trio.testing import MockClock

from tests.support.exchange import ExchangeDouble
from tests.support.journal import copy_new_journal
from tests.support.runtime import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An exchange with two symbols, and a journal that is up to date."""
    path = tmp_path / "journal.db"
    copy_new_journal(path)
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
