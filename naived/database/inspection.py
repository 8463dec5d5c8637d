"""Looks at a database and changes nothing: no file is made, no schema upgraded. ``naived check`` calls it.

Everything here blocks. What is read is as of one moment; a daemon that uses the database is not disturbed.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from naived.core.orders.state import TERMINAL
from naived.database import account_rows, queries
from naived.database.deployment import owner
from naived.database.engine import (
    Role,
    describe,
    open_engine,
    opening,
    parse_url,
    told_of_file,
)
from naived.database.migrate import HEAD, check_alone, check_tables, version_of
from naived.database.rights import check_upgrade, check_writing
from naived.database.schema import deployment, orders
from naived.database.server import history
from naived.database.sessions import check_sessions
from naived.database.sqlite_file import connect_to_read, look_at
from naived.ports import SymbolRecord

_TIMES = 5  # questions of which the middle one counts
_MAGIC = b"SQLite format 3\0"  # how an SQLite file begins
_MOST_FILES = 200  # of a directory that are looked at
_LOGS = ("-wal", "-journal")  # they hold commits; -shm holds none


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found. ``version`` is that of the schema, None for an empty database; ``tag`` is in our order ids.

    ``latency`` (ms) is that of a question that commits nothing. ``records``, ``tag`` and ``account_uid`` are read
    only from a schema that this version knows. ``replaced``: its symbols were compared on another server, or
    timeline, so that the next start looks for orders that it may lack.
    """

    name: str
    version: str | None
    latency: float
    tag: str | None = None
    account_uid: str | None = None
    records: tuple[SymbolRecord, ...] = ()
    replaced: bool = False

    @property
    def current(self) -> bool:
        return self.version == HEAD


def inspect(url: str, exchange: str, node: str = "") -> Inspection | None:
    """Look at it, as a start of ``node`` does; None if it is a file that does not exist yet.

    Raises ConfigurationError and DeploymentError where naived would not start with it either, and JournalError.
    """
    address = parse_url(url)
    with reading(address) as connection:
        if connection is None:
            return None
        version = version_of(connection, address)
        server = history(connection)
        latency = _latency(connection)
        if version != HEAD:
            check_upgrade(connection, address)
            check_alone(connection, address, version, node)
            return Inspection(describe(address), version, latency)
        check_writing(connection, address)
        check_tables(connection, address)
        account_uid = owner(connection, exchange)
        account_rows.account(connection)
        row = connection.execute(sa.select(deployment.c.tag, deployment.c.server)).one_or_none()
        return Inspection(
            describe(address),
            version,
            latency,
            None if row is None else row.tag,
            account_uid,
            tuple(queries.load(connection, None, 0)),
            replaced=row is not None and row.server not in (None, server),
        )


def without_owner(url: str, client_order_ids: Iterable[str]) -> set[str]:
    """Those of the ids that no living order of the journal has; raises JournalError."""
    wanted = set(client_order_ids)
    with reading(parse_url(url)) as connection:
        if connection is None:
            return wanted
        for client_order_id in sorted(wanted):
            row = connection.scalar(sa.select(orders.c.state).where(orders.c.client_order_id == client_order_id))
            if row is not None and row not in TERMINAL:
                wanted.discard(client_order_id)
    return wanted


def copies(path: Path, tag: str) -> list[Path]:
    """Other databases in the same directory with the same tag: copies, from which the same orders could be sent."""
    return [each for each in _beside(path) if each.resolve() != path.resolve() and _tag_of(each) == tag]


def orphaned_logs(directory: Path) -> list[Path]:
    """Logs with commits that belong to no database."""
    return [
        each
        for each in _beside(directory / "any")
        for suffix in _LOGS
        if each.name.endswith(suffix)
        and each.stat().st_size
        and not each.with_name(each.name[: -len(suffix)]).exists()
    ]


def _beside(path: Path) -> list[Path]:
    with suppress(OSError):
        return [
            each for each in sorted(path.parent.iterdir())[:_MOST_FILES] if each.is_file() and not each.is_symlink()
        ]
    return []


def _tag_of(path: Path) -> str | None:
    """The tag in a file, None if it is no database of ours."""
    with suppress(OSError, sqlite3.Error):
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return None
        with closing(connect_to_read(path)) as connection:
            row = connection.execute("SELECT tag FROM deployment").fetchone()
            return None if row is None else str(row[0])
    return None


def _latency(connection: sa.Connection) -> float:
    taken = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        connection.execute(sa.text("SELECT count(*) FROM (SELECT 1) AS one")).scalar()
        taken.append((time.perf_counter() - began) * 1000)
    return sorted(taken)[_TIMES // 2]


@contextmanager
def reading(address: URL) -> Iterator[sa.Connection | None]:
    """A connection that cannot write; None where a file does not exist. Raises ConfigurationError, JournalError."""
    if address.get_backend_name() == "sqlite":
        with told_of_file(address) as path:
            found = look_at(path)
        if not found:
            yield None
            return
        engine = sa.create_engine("sqlite://", creator=_opener(path), poolclass=NullPool, hide_parameters=True)
    else:
        engine = open_engine(address, Role.READ)
    try:
        with opening(address):
            check_sessions(address)
            with engine.connect() as connection:
                yield connection
    finally:
        engine.dispose()


def _opener(path: Path) -> Callable[[], sqlite3.Connection]:
    return lambda: connect_to_read(path)
