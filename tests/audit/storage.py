"""The database under audit, of either kind: what it holds, whether it is sound, how it dies and grows old."""

import json
import signal
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.exc import SQLAlchemyError

from naived.database.engine import Role, open_engine, parse_url
from naived.database.migrate import migrate
from naived.database.schema import lots, metadata, settings
from tests.simulation.audit import Blame
from tests.support.postgres import Server, running_server
from tests.support.standby import following

_OLDER = "0001"
_LIVE = sa.text("state NOT IN ('filled', 'cancelled', 'expired', 'rejected', 'abandoned')")
_RENAMED = {"leftover_quantity": "owed_quantity", "leftover_cost": "owed_cost"}  # of settings


@dataclass
class Storage:
    """A database at ``url``; ``server`` is its own, None for a file. ``standbys`` ends those that were made."""

    url: str
    server: Server | None = None
    standbys: ExitStack = field(default_factory=ExitStack)

    @property
    def kind(self) -> str:
        return "sqlite" if self.server is None else "postgresql"

    @property
    def address(self) -> sa.URL:
        """Of its server."""
        assert self.server is not None
        return self.server.admin

    def stored(self) -> dict[str, tuple[str, int]] | None:
        """Status and chunks of each configured symbol; None while there is no such table, or no server."""
        try:
            with self._connected(Role.READ) as connection:
                rows = connection.execute(sa.text("SELECT symbol, status, chunks FROM settings")).all()
        except SQLAlchemyError:
            return None
        return {symbol: (status, chunks) for symbol, status, chunks in rows}

    def version(self) -> str | None:
        """Alembic's revision, None of an empty database."""
        try:
            with self._connected(Role.READ) as connection:
                version: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
                return version
        except SQLAlchemyError:
            return None

    def written(self) -> int:
        """How many groups of units have been committed since it was made."""
        with self._connected(Role.READ) as connection:
            return int(connection.execute(sa.text("SELECT sum(written) FROM nodes")).scalar_one())

    def told(self) -> int:
        """How many events there are of the connection to the exchange."""
        with self._connected(Role.READ) as connection:
            count = sa.text("SELECT count(*) FROM events WHERE kind = 'exchange'")
            return int(connection.execute(count).scalar_one())

    def sound(self, blame: Blame) -> None:
        """Does the file's own check find anything wrong? A server has no such check."""
        if self.server is not None:
            return
        with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as connection:
            for pragma, good in (("integrity_check", [("ok",)]), ("foreign_key_check", [])):
                found = connection.execute(f"PRAGMA {pragma}").fetchall()
                if found != good:
                    blame(0, f"{pragma}: {found[:5]}")

    def wind_back(self) -> bool:
        """Make it as its first revision left it; False where it holds what that revision has no word for."""
        if self.version() == _OLDER:  # the migration was killed the last time
            return True
        stored = self.stored()
        if stored is None or any(status == "shutdown" for status, _ in stored.values()):
            return False
        with self._connected(Role.MIGRATE) as connection:
            older = Operations(MigrationContext.configure(connection))
            _leave_over(connection)
            first = _first_revision()
            for table in reversed(metadata.sorted_tables):
                if table.name not in first.tables:
                    older.drop_table(table.name)
            later = {name: _later(connection, table) for name, table in first.tables.items()}
            older.drop_index("one_live_intent", "orders")
            for name, (indexes, columns, missing) in later.items():
                for index in indexes:
                    older.drop_index(index, name)
                for column in missing:
                    older.add_column(name, sa.Column(column, sa.BigInteger, nullable=False, server_default="0"))
                for column in columns if name != "settings" else ():
                    older.drop_column(name, column)
            older.create_index(
                "one_live_intent",
                "orders",
                ["symbol", "trader", "side"],
                unique=True,
                sqlite_where=_LIVE,
                postgresql_where=_LIVE,
            )
            settings_later = later["settings"][1]
            for before, now in _RENAMED.items():
                older.alter_column("settings", now, new_column_name=before)
            if self.server is None:
                with older.batch_alter_table("settings") as table:
                    table.drop_constraint("ck_settings_status", type_="check")
                    table.create_check_constraint("ck_settings_status", "status IN ('on', 'off')")
                    for column in settings_later:
                        table.drop_column(column)
            else:
                older.execute("ALTER TYPE trading_status RENAME TO newer")
                older.execute("CREATE TYPE trading_status AS ENUM ('on', 'off')")
                older.execute(
                    "ALTER TABLE settings ALTER status TYPE trading_status USING status::text::trading_status"
                )
                older.execute("DROP TYPE newer")
                for column in settings_later:
                    older.drop_column("settings", column)
            older.execute(f"UPDATE alembic_version SET version_num = '{_OLDER}'")
            connection.commit()
        return True

    def crash(self, number: signal.Signals) -> None:
        """Kill its server, which has to be started again with ``revive``."""
        assert self.server is not None
        self.server.kill(number)

    def revive(self) -> None:
        assert self.server is not None
        self.server.revive()

    def fail_over(self, meanwhile: Callable[[], None]) -> None:
        """A standby takes the server's place; it lacks what is committed ``meanwhile``. Raises NoPostgresError."""
        assert self.server is not None
        standby = self.standbys.enter_context(following(self.server))
        standby.stop()
        meanwhile()
        self.server.kill(signal.SIGKILL)
        self.server = standby.take_over()

    def dump(self, file: Path) -> None:
        """Every row of every table, a line each: what is left of a server that ends with the job."""
        with self._connected(Role.READ) as connection, file.open("w") as lines:
            for table in metadata.sorted_tables:
                for row in connection.execute(sa.select(table)).mappings():
                    print(table.name, json.dumps(dict(row), default=str), file=lines)

    @contextmanager
    def _connected(self, role: Role) -> Iterator[sa.Connection]:
        engine = open_engine(parse_url(self.url), role)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()


@cache
def _first_revision() -> sa.MetaData:
    """Its tables, as it makes them."""
    found = sa.MetaData()
    with tempfile.TemporaryDirectory() as directory:
        url = parse_url(f"sqlite:///{directory}/first.db")
        migrate(url, _OLDER)
        engine = open_engine(url, Role.READ)
        found.reflect(engine)
        engine.dispose()
    found.remove(found.tables["alembic_version"])
    return found


def _later(connection: sa.Connection, first: sa.Table) -> tuple[list[str], list[str], list[str]]:
    """Indexes and columns that the table had not, and columns that it has no more, but for renamed ones."""
    inspector = sa.inspect(connection)
    indexes = {
        str(index["name"])
        for index in inspector.get_indexes(first.name)
        if "duplicates_constraint" not in index and not index["unique"]
    }
    columns = {column["name"] for column in inspector.get_columns(first.name)}
    before = {column.name for column in first.columns}
    renamed = _RENAMED if first.name == "settings" else {}
    return (
        sorted(indexes - {str(index.name) for index in first.indexes}),
        sorted(columns - before - set(renamed.values())),
        sorted(before - columns - set(renamed)),
    )


def _leave_over(connection: sa.Connection) -> None:
    """Coins that are lots now were one leftover a symbol."""
    for symbol, quantity, cost in connection.execute(sa.select(lots.c.symbol, lots.c.quantity, lots.c.cost)).all():
        row = settings.c.symbol == symbol
        owed = connection.execute(sa.select(settings.c.owed_quantity, settings.c.owed_cost).where(row)).one()
        values = {"owed_quantity": owed.owed_quantity + quantity, "owed_cost": owed.owed_cost + cost}
        connection.execute(sa.update(settings).where(row).values(values))


@contextmanager
def storage(kind: str, home: Path) -> Iterator[Storage]:
    """An empty database; raises NoPostgresError."""
    if kind == "sqlite":
        yield Storage(f"sqlite:///{home / 'journal.db'}")
        return
    with running_server() as server, ExitStack() as standbys, server.database() as url:
        yield Storage(url, server, standbys)
