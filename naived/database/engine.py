"""Makes SQLAlchemy engines for SQLite or PostgreSQL, each for one role, and explains their errors."""

import errno
import math
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from naived.database.reading import UNREADABLE, unreadable
from naived.database.sqlite_file import DamagedError, FileConnection, NotOursError, SqliteFile, claim, is_damage
from naived.ports import JournalError

READERS = 2  # connections: a long listing must not keep a symbol from being loaded
_BUSY_TIMEOUT = 5_000  # ms: a person's own sqlite3 shell may hold the lock for a moment
PATIENCE = 12.0  # s for an answer of PostgreSQL: longer than any statement of ours takes, even on a bad disk
_STATEMENT = 5 / 6  # of the patience: by then a working server has ended the statement itself
_LOCK_TIMEOUT = 5_000  # ms
_MIGRATION_LOCK_TIMEOUT = 60_000  # ms: another daemon may be rebuilding a large table
# A migration takes the time it needs, and so does the wait for another one. Not every version has all of them.
_NO_HURRY = (
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('statement_timeout', "
    "'transaction_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout')"
)
_CONNECT_TIMEOUT = 5  # s
_CAN_KEEP_PLANS = 12_00_00  # the version of PostgreSQL
_DEAD_PEER = 10_000  # ms until unacknowledged bytes end a connection, so that no query waits on a half-open one
_KEEPALIVE = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 3, "keepalives_count": 3}  # s, s

# libpq gives no SQLSTATE for a refused connection, only a text; after each of these a person must act.
_REFUSED_FOR_GOOD = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|does not exist"
    r'|invalid (port number|\w+ value): "'  # of an option in the URL
    r"|definition of service .* not found|could not match \d+"
)
# SQLSTATEs: the user may not, and there is no schema in which it could. Its texts are in the server's language.
_NOT_ALLOWED = ("42501", "3F000")
_LACKING = re.compile(r"\b(function|schema) (\w+)$")
_RIGHTS = {"function": "EXECUTE", "schema": "CREATE"}
_MISFIT = "42"  # a class of them: a statement of ours does not fit what is there
# SQLite has no codes for it. The last two: an upgrade meets what it is to make.
_CHANGED = re.compile(r"no such (table|column|index)|has no column named|already exists|duplicate column name")
_READ_ONLY = "attempt to write a readonly database"
_UNABLE = "unable to open database file"  # or a log of it: also where a disk is full, or too many files are open
_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EIO)


class ConfigurationError(JournalError):
    """The database cannot be used as configured: waiting does not help, a person must change something."""


class Role(Enum):
    WRITE = auto()
    READ = auto()
    MIGRATE = auto()


def parse_url(text: str) -> URL:
    """The URL of a database; raises ConfigurationError, which never quotes the text: it may hold a password."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"the database's URL cannot be read. {_URL_HINT}") from None
    if url.drivername not in ("sqlite", "postgresql", "postgresql+psycopg"):
        raise ConfigurationError(f"naived knows no database called {url.drivername!r}. {_URL_HINT}")
    if url.get_backend_name() != "sqlite":
        _check_options(url)
    elif url.database in (None, "", ":memory:"):
        raise ConfigurationError(
            f"the journal needs a file: in memory it would not outlive the daemon. {_URL_HINT}"
        )
    elif "?" in text:  # what is behind it would be no part of the path
        raise ConfigurationError(f"an SQLite database has no options, and a ? in its path is %3F. {_URL_HINT}")
    return url


def _check_options(url: URL) -> None:
    """What libpq would refuse is refused before any server is asked, and so are arguments of the driver itself."""
    from psycopg import ProgrammingError, conninfo  # deferred: SQLite needs no psycopg

    try:
        _, options = url.get_dialect()().create_connect_args(url)
        conninfo.make_conninfo(**options)
    except (ProgrammingError, ArgumentError, ValueError) as error:
        raise ConfigurationError(
            f"the options of the database's URL cannot be used: {' '.join(str(error).split())}. {_URL_HINT}"
        ) from None


_URL_HINT = "Use sqlite:///PATH or postgresql://USER@HOST/NAME"


def describe(url: URL) -> str:
    """The database for a person, without user or password."""
    if url.get_backend_name() == "sqlite":
        return f"the database {url.database}"
    where = f"{url.host or 'the local socket'}{f':{url.port}' if url.port else ''}"
    return f"the PostgreSQL database {url.database!r} at {where}"


def open_engine(url: URL, role: Role, file: SqliteFile | None = None, patience: float = PATIENCE) -> sa.Engine:
    """An engine whose connections are set up for their role. It connects at the first use.

    Engines that are open at the same time for one SQLite database share its ``file``. One that waits longer than
    ``patience`` seconds for an answer of PostgreSQL gives up the connection; a migration takes the time it needs.
    """
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, role, file or SqliteFile(url.database or ""))
    return _postgresql(url, role, patience)


def _sqlite(url: URL, role: Role, file: SqliteFile) -> sa.Engine:
    # isolation_level None: the driver's implicit BEGIN would leave half of a failed migration behind.
    # check_same_thread: a pooled connection is used by several threads, one at a time.
    connect_args = {"isolation_level": None, "check_same_thread": False, "factory": FileConnection}
    engine = sa.create_engine(url, connect_args=connect_args, **_pool(role))
    pragmas = [
        f"busy_timeout = {_BUSY_TIMEOUT}",
        "journal_mode = WAL",
        "synchronous = FULL",  # NORMAL may lose the last commits when the power fails
        # A migration that rebuilds a table drops the old one; with foreign keys that fails if rows refer to it.
        f"foreign_keys = {'OFF' if role is Role.MIGRATE else 'ON'}",
        f"query_only = {'ON' if role is Role.READ else 'OFF'}",
    ]
    begin = "BEGIN" if role is Role.READ else "BEGIN IMMEDIATE"

    @event.listens_for(engine, "do_connect")
    def connect(*_: Any) -> None:
        file.check()

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        file.opened(connection)

    @event.listens_for(engine, "begin")
    def start(connection: sa.Connection) -> None:
        file.check()
        connection.exec_driver_sql(begin)

    return engine


def _postgresql(url: URL, role: Role, patience: float) -> sa.Engine:
    # Said, because the default is a setting of the database. A lease is checked as it is when its lock is given: a
    # stricter level fails there.
    isolation: Literal["REPEATABLE READ", "READ COMMITTED"] = (
        "REPEATABLE READ" if role is Role.READ else "READ COMMITTED"
    )
    how = _how_to_connect(patience)
    engine = sa.create_engine(url, connect_args=how, isolation_level=isolation, **_pool(role))
    settings = ["synchronous_commit = on", "timezone = 'UTC'", "datestyle = 'ISO'"]  # psycopg reads no other style
    if role is Role.READ:
        settings.append("default_transaction_read_only = on")
    if role is Role.MIGRATE:
        settings.append(f"lock_timeout = {_MIGRATION_LOCK_TIMEOUT}")
    else:
        longest = round(1_000 * patience * _STATEMENT)  # ms
        settings += [
            f"lock_timeout = {min(_LOCK_TIMEOUT, longest)}",
            f"statement_timeout = {longest}",
            # The locks of a transaction whose connection is lost on its way must end as well.
            f"idle_in_transaction_session_timeout = {longest}",
        ]
        _be_patient(engine, patience)

    # SET, because connection poolers refuse options in the start-up packet.
    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            for setting in settings:
                cursor.execute(f"SET {setting}")
            if role is Role.MIGRATE:
                cursor.execute(_NO_HURRY)
            if role is Role.WRITE and connection.info.server_version >= _CAN_KEEP_PLANS:
                # Its statements find rows by their keys. That with an array would be planned anew each time, which
                # takes longer than to run it.
                cursor.execute("SET plan_cache_mode = force_generic_plan")
        connection.commit()

    return engine


def _how_to_connect(patience: float) -> dict[str, Any]:
    return {
        "connect_timeout": min(_CONNECT_TIMEOUT, math.ceil(patience)),  # whole seconds, and never less than 2
        "tcp_user_timeout": _DEAD_PEER,
        "application_name": "naived",
        "client_encoding": "UTF8",  # a database in SQL_ASCII would give bytes for text
        # Of several hosts the one that takes writes. A standby is behind, and what it tells would be traded on.
        "target_session_attrs": "primary",
        **_KEEPALIVE,
    }


def open_bare(url: URL) -> sa.Engine:
    """An engine on PostgreSQL whose sessions are as the server gives them; each connection is a new one."""
    engine = sa.create_engine(url, connect_args=_how_to_connect(PATIENCE), poolclass=NullPool, hide_parameters=True)
    _be_patient(engine, PATIENCE)
    return engine


def _be_patient(engine: sa.Engine, patience: float) -> None:
    from naived.database.patient import PatientConnection  # deferred: SQLite needs no psycopg

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        connection = PatientConnection.connect(*arguments, **options)
        connection.patience = patience
        return connection


def _pool(role: Role) -> dict[str, Any]:
    """One connection to write, so that units stay in order; a few to read. Each is tested before use."""
    size = READERS if role is Role.READ else 1
    return {"pool_size": size, "max_overflow": 0, "pool_pre_ping": True, "hide_parameters": True}


def make_private(url: URL) -> None:
    """Make an SQLite file, or make ours private, with its WAL files. Raises ConfigurationError, JournalError.

    A file that is not ours, or that is damaged, stays as it is.
    """
    with told_of_file(url) as path:
        claim(path)


@contextmanager
def told_of_file(url: URL) -> Iterator[Path]:
    """The path of an SQLite file; says of whatever is found to be wrong with it what a person can do.

    Raises ConfigurationError, and JournalError for what passes.
    """
    try:
        yield Path(url.database or "")
    except NotOursError as error:
        raise unusable(url, str(error)) from error
    except DamagedError as error:
        raise damaged(url, str(error)) from error
    except sqlite3.Error as error:
        raise _sqlite_error(url, str(error)) from error
    except OSError as error:
        why = error.strerror or str(error)
        raise (_held_up(url, why) if error.errno in _PASSING else _unopened(url, why)) from error


def damaged(url: URL, text: str) -> ConfigurationError:
    """The error for a file that is broken; ``text`` is SQLite's."""
    return ConfigurationError(
        f"{describe(url)} is damaged, or no database: {text}. Keep a copy of it, then put a backup in its "
        f"place, with no -wal or -shm beside it, or what `sqlite3 FILE .recover` reads from it. Or name another "
        f"file with --database"
    )


def unusable(url: URL, why: str) -> ConfigurationError:
    """The error for a database that is not for us."""
    return ConfigurationError(f"{describe(url)} cannot be used: {why}. Name another one with --database")


def changed(url: URL, text: str) -> ConfigurationError:
    """The error for tables that are not those of our schema; ``text`` says which."""
    return ConfigurationError(
        f"{describe(url)} has other tables than naived made: {text}. Put a backup in its place, or name another "
        "one with --database"
    )


def cause(error: SQLAlchemyError) -> str:
    """The database's own error text, as part of a sentence: one line, without statement and parameters."""
    text = str(error.orig) if isinstance(error, DBAPIError) and error.orig is not None else str(error)
    text = text.partition("\nLINE ")[0]  # psycopg quotes the statement behind it
    return " ".join(text.split()).rstrip(".?")


def not_allowed(url: URL, text: str, rights: Sequence[str] = ()) -> ConfigurationError:
    """The error for a user of PostgreSQL who may not do what naived has to; ``text`` says what.

    ``rights`` are what to grant, where that is enough; without them one is found in the text.
    """
    user = f'"{url.username}"' if url.username else "USER"
    if not rights and (found := _LACKING.search(text)):
        kind, name = found.groups()
        rights = (f'{_RIGHTS[kind]} ON {kind.upper()} "{name}"',)
    if rights:
        grants = "; ".join(f"GRANT {right} TO {user}" for right in rights)
        return ConfigurationError(f"{describe(url)} does not let us work: {text}. Let it: {grants}")
    return ConfigurationError(
        f"{describe(url)} does not let us work: {text}. Let our user own it, and each table of naived in it: "
        f'ALTER DATABASE "{url.database}" OWNER TO {user}; ALTER TABLE NAME OWNER TO {user}'
    )


def opening_error(url: URL, error: SQLAlchemyError) -> JournalError:
    """ConfigurationError if a person must change something, otherwise JournalError: try again later."""
    text = cause(error)
    if url.get_backend_name() == "sqlite":
        return _sqlite_error(url, text)
    state = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    if state in _NOT_ALLOWED:
        return not_allowed(url, text)
    if state.startswith(_MISFIT):
        return changed(url, text)
    if not state and _REFUSED_FOR_GOOD.search(text):
        return ConfigurationError(
            f"{describe(url)} refuses us: {text}. Check user, password, name and options in --database"
        )
    return _away(url, text, "See that its server runs and lets us in")


@contextmanager
def opening(url: URL) -> Iterator[None]:
    """Say of whatever a start may meet in the block what a person can do; raises as ``opening_error`` tells."""
    try:
        yield
    except SQLAlchemyError as error:
        raise opening_error(url, error) from error
    except UNREADABLE as error:
        raise ConfigurationError(f"{describe(url)} {unreadable(error)}") from error


def _sqlite_error(url: URL, text: str) -> JournalError:
    if is_damage(text):
        return damaged(url, text)
    if _CHANGED.search(text):
        return changed(url, text)
    if text == _READ_ONLY or (text == _UNABLE and not _may_write(Path(url.database or ""))):
        return _unopened(url, text)
    return _held_up(url, text)


def _may_write(path: Path) -> bool:
    """May we write the file, and make its logs beside it?"""
    return os.access(path, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)


def _unopened(url: URL, text: str) -> ConfigurationError:
    return ConfigurationError(f"{describe(url)} cannot be opened: {text}. Check the path and who owns it")


def _held_up(url: URL, text: str) -> JournalError:
    return _away(url, text, "See that nothing else holds it and that the disk has room and free inodes")


def _away(url: URL, text: str, next_step: str) -> JournalError:
    return JournalError(f"{describe(url)} cannot be used now: {text}. {next_step}, then start naived again")
