"""Databases for tests: a file for SQLite, a real server for PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import NoPostgresError, Server, empty, running_server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-postgres", action="store_true", help="skip the tests that need a PostgreSQL server")


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
