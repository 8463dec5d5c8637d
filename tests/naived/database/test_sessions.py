"""What a PostgreSQL behind a pooler, and one that is a standby, are to naived."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from naived.database.engine import ConfigurationError, Role, open_engine, parse_url
from naived.database.inspection import inspect
from naived.database.journal import open_journal
from naived.ports import EventRow, JournalError, Page, Unit
from tests.support.database import NOW, event, first_buy
from tests.support.pooler import NoPoolerError, pooled
from tests.support.postgres import Server
from tests.support.standby import Standby

Pooled = Callable[[str], str]


@pytest.fixture
def pooler(postgres_server: Server, postgres_url: str) -> Iterator[Pooled]:
    with ExitStack() as stack:

        def start(mode: str) -> str:
            try:
                return stack.enter_context(pooled(postgres_server, postgres_url, mode))
            except NoPoolerError as error:
                pytest.skip(str(error))

        yield start


@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_a_pooler_that_passes_sessions_on_is_refused_before_anything_is_changed(
    pooler: Pooled, postgres_url: str, mode: str
) -> None:
    url = pooler(mode)
    with pytest.raises(ConfigurationError, match="Set its pool_mode to session"):
        async with open_journal(url, "simulator", now=lambda: NOW):
            pass
    with pytest.raises(ConfigurationError, match="Set its pool_mode to session"):
        inspect(url, "simulator")
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


async def test_a_pooler_whose_sessions_belong_to_their_clients_serves_a_journal(pooler: Pooled) -> None:
    url = pooler("session")
    async with open_journal(url, "simulator", now=lambda: NOW) as journal:
        await journal.commit(first_buy())
        assert [record.symbol for record in await journal.load()] == ["ETHUSDT"]
        assert inspect(url, "simulator") is not None


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252"])
async def test_a_database_that_cannot_hold_every_text_is_refused_before_anything_is_changed(
    postgres_server: Server, encoding: str
) -> None:
    with postgres_server.database(encoding) as url:
        with pytest.raises(ConfigurationError, match=f"its encoding is {encoding}. Copy it into one"):
            async with open_journal(url, "simulator", now=lambda: NOW):
                pass
        with pytest.raises(ConfigurationError, match=f"its encoding is {encoding}"):
            inspect(url, "simulator")
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (
                0,
            )


async def test_a_database_in_sql_ascii_holds_every_text(postgres_server: Server) -> None:
    with postgres_server.database("SQL_ASCII") as url:
        async with open_journal(url, "simulator", now=lambda: NOW) as journal:
            await journal.commit(Unit("", events=(event("5 € ☃ 中"),)))
            (row,) = await journal.rows(EventRow, Page(), lambda each: each.event.message.encode())
        assert row[1].decode() == "5 € ☃ 中"


async def test_a_standby_is_not_read_and_of_two_hosts_the_primary_is_taken(
    postgres_server: Server, standby: Standby
) -> None:
    behind = str(standby.admin.query["host"])
    admin = postgres_server.admin.set(drivername="postgresql")
    with pytest.raises(JournalError, match="is in hot standby mode"):
        async with open_journal(standby.url, "simulator", now=lambda: NOW):
            pass
    both = admin.set(query={"host": [behind, str(admin.query["host"])]})
    for role in Role:
        engine = open_engine(both, role)
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT pg_is_in_recovery()")) is False
        engine.dispose()
    engine = open_engine(parse_url(standby.url), Role.READ)
    with pytest.raises(OperationalError, match="is in hot standby mode"):
        engine.connect()
    engine.dispose()
