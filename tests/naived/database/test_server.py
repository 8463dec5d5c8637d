"""What a server says of the history of commits that it continues."""

from contextlib import closing

import psycopg
import sqlalchemy as sa

from naived.database.engine import Role, open_engine, parse_url
from naived.database.server import HISTORY, history
from tests.support.postgres import Server, execute
from tests.support.standby import Standby


def test_a_user_without_privileges_can_ask_for_it(postgres_url: str) -> None:
    execute(postgres_url, "DROP ROLE IF EXISTS naived_plain", "CREATE ROLE naived_plain")
    with closing(psycopg.connect(postgres_url, autocommit=True)) as connection:
        (plain,) = connection.execute(f"SELECT {HISTORY}").fetchone() or ("",)
        connection.execute("SET ROLE naived_plain")
        assert connection.execute(f"SELECT {HISTORY}").fetchone() == (plain,)
        connection.execute("RESET ROLE")
        connection.execute("DROP ROLE naived_plain")
    system, _, timeline = plain.partition("/")
    assert (system.isdigit(), timeline) == (True, "00000001")


def test_a_file_has_one(sqlite_url: str) -> None:
    engine = open_engine(parse_url(sqlite_url), Role.READ)
    with engine.connect() as connection:
        assert history(connection) == history(connection) == "file"
    engine.dispose()


def test_a_promoted_standby_has_another_one_at_once(postgres_server: Server, standby: Standby) -> None:
    def asked(url: sa.URL) -> str:
        engine = open_engine(url, Role.WRITE)
        try:
            with engine.connect() as connection:
                return history(connection)
        finally:
            engine.dispose()

    before = asked(postgres_server.admin.set(drivername="postgresql"))
    standby.promote()
    after = asked(parse_url(standby.url))
    assert (before.partition("/")[0], before[-8:]) == (after.partition("/")[0], "00000001")
    assert after[-8:] == "00000002"
