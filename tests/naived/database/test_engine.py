import os
import resource
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from naived.database import engine as engine_module
from naived.database.engine import (
    PATIENCE,
    ConfigurationError,
    Role,
    describe,
    make_private,
    open_engine,
    opening_error,
    parse_url,
)
from naived.database.migrate import migrate
from naived.ports import JournalError
from tests.support.postgres import execute, newcomer


@pytest.mark.parametrize(
    ("role", "foreign_keys", "query_only"), [(Role.WRITE, 1, 0), (Role.READ, 1, 1), (Role.MIGRATE, 0, 0)]
)
def test_every_sqlite_connection_is_durable_and_checks_what_its_role_allows(
    sqlite_url: str, role: Role, foreign_keys: int, query_only: int
) -> None:
    engine = open_engine(parse_url(sqlite_url), role)
    expected = {
        "journal_mode": "wal",
        "synchronous": 2,
        "busy_timeout": 5_000,
        "foreign_keys": foreign_keys,
        "query_only": query_only,
    }
    for _ in range(2):
        with engine.connect() as connection:
            found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in expected}
        assert found == expected
        engine.dispose()


@pytest.mark.parametrize(
    ("patience", "statement", "lock", "connect"), [(PATIENCE, "10s", "5s", "5"), (2.4, "2s", "2s", "3")]
)
def test_every_postgresql_connection_is_durable_and_bounded(
    postgres_url: str, patience: float, statement: str, lock: str, connect: str
) -> None:
    expected = {
        "synchronous_commit": "on",
        "statement_timeout": statement,
        "lock_timeout": lock,
        "idle_in_transaction_session_timeout": statement,
        "TimeZone": "UTC",
        "plan_cache_mode": "force_generic_plan",
    }
    engine = open_engine(parse_url(postgres_url), Role.WRITE, patience=patience)
    for _ in range(2):
        with engine.connect() as connection:
            assert {name: connection.scalar(sa.text(f"SHOW {name}")) for name in expected} == expected
            asked = connection.connection.driver_connection.info.get_parameters()
            assert (asked["connect_timeout"], asked["tcp_user_timeout"]) == (connect, "10000")
        engine.dispose()


def test_a_migration_takes_its_time_whatever_the_owner_of_a_database_has_set(postgres_url: str) -> None:
    name = parse_url(postgres_url).database
    timeouts = ("statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout")
    for timeout in timeouts:
        execute(postgres_url, f"ALTER DATABASE {name} SET {timeout} = '2s'")
    engine = open_engine(parse_url(postgres_url), Role.MIGRATE)
    try:
        with engine.connect() as connection:
            assert {connection.scalar(sa.text(f"SHOW {timeout}")) for timeout in timeouts} == {"0"}
            assert connection.scalar(sa.text("SHOW lock_timeout")) == "1min"
    finally:
        engine.dispose()
        execute(postgres_url, f"ALTER DATABASE {name} RESET ALL")


@pytest.mark.parametrize("role", Role)
def test_a_session_is_the_same_whatever_the_owner_of_a_database_has_set(postgres_url: str, role: Role) -> None:
    name = parse_url(postgres_url).database
    odd = {
        "datestyle": "German",
        "client_encoding": "SQL_ASCII",  # that of a database made under LANG=C
        "default_transaction_isolation": "serializable",
    }
    for setting, value in odd.items():
        execute(postgres_url, f"ALTER DATABASE {name} SET {setting} = '{value}'")
    engine = open_engine(parse_url(postgres_url), role)
    try:
        with engine.connect() as connection:
            found = connection.execute(sa.text("SELECT 'μ', timestamptz '2026-11-29 12:00:00Z'")).one()
            isolation = connection.scalar(sa.text("SHOW transaction_isolation"))
        assert tuple(found) == ("μ", datetime(2026, 11, 29, 12, tzinfo=UTC))
        assert isolation == ("repeatable read" if role is Role.READ else "read committed")
    finally:
        engine.dispose()
        execute(postgres_url, f"ALTER DATABASE {name} RESET ALL")


def test_a_reader_cannot_write(database_url: str) -> None:
    engine = open_engine(parse_url(database_url), Role.READ)
    with pytest.raises(sa.exc.DBAPIError, match=r"read-?only"), engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE mine (x INTEGER)")
    engine.dispose()


def test_a_reader_sees_one_snapshot(database_url: str) -> None:
    writer = open_engine(parse_url(database_url), Role.WRITE)
    reader = open_engine(parse_url(database_url), Role.READ)
    count = sa.text("SELECT count(*) FROM seen")
    with writer.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE seen (x INTEGER)")
    with reader.begin() as reading:
        assert reading.scalar(count) == 0
        with writer.begin() as connection:
            connection.exec_driver_sql("INSERT INTO seen VALUES (1)")
        assert reading.scalar(count) == 0
    with reader.begin() as reading:
        assert reading.scalar(count) == 1
    writer.dispose()
    reader.dispose()


@pytest.mark.parametrize("existing", [False, True])
def test_nobody_else_reads_an_sqlite_database(tmp_path: Path, existing: bool) -> None:
    path = tmp_path / "journal.db"
    old = os.umask(0)
    try:
        if existing:
            path.touch(0o666)
        url = parse_url(f"sqlite:///{path}")
        make_private(url)
        engine = open_engine(url, Role.WRITE)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE t (x INTEGER)")
            modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
            files = len(list(tmp_path.iterdir()))
        engine.dispose()
    finally:
        os.umask(old)
    assert (modes, files) == ({0o600}, 3)


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("", "cannot be read"),
        ("/var/lib/hunter2.db", "cannot be read"),
        ("postgresql://me:hunter2@host:port/db", "cannot be read"),
        ("mysql://me:hunter2@host/db", "no database called 'mysql'"),
        ("postgresql+asyncpg://me:hunter2@host/db", "no database called 'postgresql\\+asyncpg'"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:////tmp/a.db?timeout=hunter2", "has no options"),
        ("sqlite:////tmp/hunter2?b/a.db", "a \\? in its path is %3F"),
        ("postgresql://me:hunter2@host/db?foo=hunter2", 'invalid connection option "foo"'),
        ("postgresql://me:hunter2@host/db?row_factory=hunter2", 'invalid connection option "row_factory"'),
        ("postgresql://me:hunter2@/db?host=a:1&host=b&port=2", "Can't mix"),
    ],
)
def test_an_address_that_will_not_do_is_refused_without_quoting_it(url: str, cause: str) -> None:
    with pytest.raises(ConfigurationError, match=cause) as caught:
        parse_url(url)
    error: BaseException | None = caught.value
    assert "hunter2" not in str(error)
    assert "Use sqlite:///PATH or postgresql://" in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


def test_a_password_is_never_part_of_a_description() -> None:
    url = parse_url("postgresql://me:hunter2@db.example:5433/journal?password=hunter2")
    assert describe(url) == "the PostgreSQL database 'journal' at db.example:5433"


def connecting(url_text: str) -> JournalError:
    url = parse_url(url_text)
    engine = open_engine(url, Role.WRITE)
    with pytest.raises(sa.exc.SQLAlchemyError) as caught:
        engine.connect()
    engine.dispose()
    return opening_error(url, caught.value)


def test_a_server_that_is_not_there_may_come_later() -> None:
    error = connecting("postgresql://me:hunter2@127.0.0.1:1/db")
    assert type(error) is JournalError
    assert "'db' at 127.0.0.1:1 cannot be used now" in str(error)
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("sslmode=verify", 'invalid sslmode value: "verify"'),
        ("port=99999", 'invalid port number: "99999"'),
        ("host=/a&host=/b&hostaddr=127.0.0.1", "could not match 2 host names with 1 hostaddr values"),
        ("service=nowhere", 'definition of service "nowhere" not found'),
    ],
)
def test_an_option_that_libpq_refuses_is_for_a_person(option: str, told: str) -> None:
    error = connecting(f"postgresql://me:hunter2@/db?{option}")
    assert type(error) is ConfigurationError
    assert told in str(error)


def test_a_database_that_does_not_exist_is_for_a_person(postgres_url: str) -> None:
    url = parse_url(postgres_url).set(database="nowhere").render_as_string(hide_password=False)
    error = connecting(url)
    assert type(error) is ConfigurationError
    assert 'database "nowhere" does not exist' in str(error)


def test_a_user_that_does_not_exist_is_for_a_person(postgres_url: str) -> None:
    url = parse_url(postgres_url).set(username="stranger", password="hunter2")
    error = connecting(url.render_as_string(hide_password=False))
    assert type(error) is ConfigurationError
    assert "hunter2" not in str(error)


def test_a_server_without_a_free_connection_may_have_one_later(postgres_url: str) -> None:
    execute(postgres_url, "CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
    try:
        url = parse_url(postgres_url).set(username="crowded").render_as_string(hide_password=False)
        error = connecting(url)
    finally:
        execute(postgres_url, "DROP ROLE crowded")
    assert type(error) is JournalError
    assert "too many connections" in str(error)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("ALTER TABLE theirs ADD mine integer", "must be owner of table theirs"),
        ("SELECT FROM theirs", "permission denied for table theirs"),
        ("SET search_path = ''; CREATE TABLE mine ()", "no schema has been selected to create in"),
    ],
)
def test_a_user_who_may_not_is_told_to_own_the_database(postgres_url: str, statement: str, told: str) -> None:
    execute(postgres_url, "CREATE TABLE theirs ()")
    with newcomer(postgres_url) as url:
        engine = open_engine(parse_url(url), Role.MIGRATE)
        with pytest.raises(sa.exc.SQLAlchemyError) as caught, engine.begin() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()
        error = opening_error(parse_url(url), caught.value)
        assert type(error) is ConfigurationError
        name = parse_url(url).database
        assert f"does not let us work: {told}. Let our user own it" in str(error)
        assert f'ALTER DATABASE "{name}" OWNER TO "newcomer"' in str(error)


@pytest.mark.parametrize(
    ("setting", "value", "statement", "told"),
    [
        ("_STATEMENT", 0.01, "SELECT pg_sleep(10)", "statement timeout"),
        ("_LOCK_TIMEOUT", 100, "LOCK TABLE kept", "lock timeout"),
    ],
)
def test_a_server_ends_a_statement_that_takes_too_long(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, setting: str, value: float, statement: str, told: str
) -> None:
    monkeypatch.setattr(engine_module, setting, value)
    execute(postgres_url, "CREATE TABLE kept ()")
    engine = open_engine(parse_url(postgres_url), Role.WRITE)
    with closing(psycopg.connect(postgres_url)) as other, engine.connect() as connection:
        other.execute("LOCK TABLE kept")
        with pytest.raises(sa.exc.OperationalError, match=told):
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_a_file_that_is_no_database_is_for_a_person(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, this is not a database. " * 100)
    error = connecting(f"sqlite:///{path}")
    assert type(error) is ConfigurationError
    assert "file is not a database" in str(error)


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE mine (id integer)", "ALTER TABLE theirs ADD mine trading_status"]
)
def test_what_is_in_the_place_of_ours_is_for_a_person(postgres_url: str, statement: str) -> None:
    url = parse_url(postgres_url)
    engine = open_engine(url, Role.MIGRATE)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE theirs (id integer)")
        connection.exec_driver_sql("CREATE VIEW mine AS SELECT 1")
        with pytest.raises(sa.exc.SQLAlchemyError) as caught:
            connection.exec_driver_sql(statement)
        connection.rollback()
    engine.dispose()
    error = opening_error(url, caught.value)
    assert type(error) is ConfigurationError
    assert "has other tables than naived made" in str(error)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT mine FROM theirs", "mine"),
        ("SELECT * FROM mine", "mine"),
        ("INSERT INTO theirs (mine) VALUES (1)", "mine"),
        ("DROP INDEX mine", "mine"),
        ("CREATE TABLE theirs (id integer)", "theirs"),
        ("ALTER TABLE theirs ADD id integer", "id"),
    ],
)
def test_tables_that_somebody_changed_are_for_a_person(database_url: str, statement: str, told: str) -> None:
    url = parse_url(database_url)
    engine = open_engine(url, Role.WRITE)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE theirs (id integer)")
        with pytest.raises(sa.exc.SQLAlchemyError) as caught:
            connection.exec_driver_sql(statement)
        connection.rollback()
    engine.dispose()
    error = opening_error(url, caught.value)
    assert type(error) is ConfigurationError
    assert "has other tables than naived made" in str(error)
    assert told in str(error).partition("than naived made")[2]


def test_a_missing_directory_is_for_a_person(tmp_path: Path) -> None:
    url = parse_url(f"sqlite:///{tmp_path}/missing/journal.db")
    with pytest.raises(ConfigurationError, match="No such file or directory"):
        make_private(url)


@contextmanager
def no_more_files() -> Iterator[None]:
    """Whatever opens a file is refused by the system (EMFILE), for a while."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("existing", [False, True])
def test_what_the_system_refuses_for_a_while_may_be_given_later(tmp_path: Path, existing: bool) -> None:
    url = parse_url(f"sqlite:///{tmp_path}/journal.db")
    if existing:
        migrate(url)
    with pytest.raises(JournalError) as caught, no_more_files():
        make_private(url)
    assert type(caught.value) is JournalError
    assert "has room and free inodes, then start naived again" in str(caught.value)


@pytest.mark.parametrize("there", [True, False])
def test_a_log_that_cannot_be_made_may_be_made_later_where_we_may_write(tmp_path: Path, there: bool) -> None:
    (tmp_path / "journal.db").touch()
    url = parse_url(f"sqlite:///{tmp_path}/{'' if there else 'missing/'}journal.db")
    error = sa.exc.OperationalError("PRAGMA", {}, sqlite3.OperationalError("unable to open database file"))
    told = opening_error(url, error)
    assert isinstance(told, ConfigurationError) is not there
    assert ("free inodes" if there else "Check the path and who owns it") in str(told)


def test_a_locked_file_may_be_free_later(tmp_path: Path) -> None:
    url = parse_url(f"sqlite:///{tmp_path}/journal.db")
    error = sa.exc.OperationalError("BEGIN", {}, sqlite3.OperationalError("database is locked"))
    assert type(opening_error(url, error)) is JournalError


@pytest.mark.parametrize(
    ("said", "quoted"),
    [
        ("database is locked", "database is locked"),
        ("Connection refused\n\tIs the server running?", "Connection refused Is the server running"),
        ("the disk is full.\n", "the disk is full"),
    ],
)
def test_what_a_database_says_fits_into_a_sentence(said: str, quoted: str) -> None:
    error = sa.exc.OperationalError("SELECT secret", {"a": 1}, psycopg.OperationalError(said))
    assert engine_module.cause(error) == quoted
