"""Upgrades a database to the schema of this program. ``open_journal`` calls it.

Alembic takes most of a second to import, so it is imported only if there is something to upgrade.
"""

import re
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL

from naived.database.engine import ConfigurationError, Role, changed, describe, open_engine, unusable
from naived.database.schema import metadata
from naived.ports import JournalError

HEAD = "0017"
_REVISION = re.compile(r"(?!0000)\d{4}")
_VERSION = "alembic_version"
_FIRST = {"deployment", "settings"}  # tables of every version
# The schema of PostgreSQL in which our tables are, or will be made. It is found first: what other programs have in
# the other schemas of the search_path is in nobody's way.
HOME = """coalesce(
  (SELECT relnamespace FROM pg_class
   WHERE relname IN ('alembic_version', 'deployment', 'settings') AND pg_table_is_visible(oid)
   GROUP BY relnamespace HAVING count(*) = 3),
  (SELECT oid FROM pg_namespace WHERE nspname = current_schema()))"""
# All that could be a table of ours, or be in its place. One question, because another node may just now commit
# all of them.
_NAMES = {
    "postgresql": f"SELECT relname FROM pg_class WHERE relnamespace = {HOME}",
    "sqlite": "SELECT name FROM sqlite_master",
}
_COLUMNS = {
    "postgresql": (
        "SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid "
        "WHERE relnamespace <> 'pg_catalog'::regnamespace AND pg_table_is_visible(pg_class.oid) "
        "AND NOT attisdropped"
    ),
    "sqlite": "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c",
}
# An upgrade sees our schema alone: to Alembic another program's table of versions would be ours.
_AT_HOME = f"SELECT set_config('search_path', quote_ident(nspname), false) FROM pg_namespace WHERE oid = {HOME}"
_NODES = "0010"  # the first version with nodes
# A node that is stopped has no lease any more; one that was killed has its lease to the end.
_ALIVE = "SELECT name FROM nodes WHERE name <> :node AND until > clock_timestamp() ORDER BY name"
_LOCK = 0x6E616976  # "naiv": advisory lock, so that one daemon at a time migrates a PostgreSQL database


def migrate(url: URL, target: str = HEAD, node: str = "") -> None:
    """Upgrade to ``target``; ``node`` is the name of this one.

    Raises ConfigurationError as ``version_of`` does, JournalError as ``check_alone`` does, SQLAlchemyError.
    """
    engine = open_engine(url, Role.MIGRATE)
    try:
        with engine.connect() as connection:
            version = version_of(connection, url, target)
        if version != target:
            _upgrade(engine, url, target, node)
    finally:
        engine.dispose()


def version_of(connection: sa.Connection, url: URL, newest: str = HEAD) -> str | None:
    """The version of the schema, None for a database without one.

    Raises ConfigurationError if it is above ``newest``, or if the tables are another program's; SQLAlchemyError.
    """
    names = set(connection.scalars(sa.text(_NAMES[connection.dialect.name])))
    if _VERSION not in names:
        if taken := names & metadata.tables.keys():
            raise unusable(url, f"it has tables of another program, {min(taken)!r} for one")
        return None
    versions = [str(each) for each in connection.scalars(sa.text(f"SELECT version_num FROM {_VERSION}"))]
    version = versions[0] if len(versions) == 1 else ""
    if not (names >= _FIRST and _REVISION.fullmatch(version)):
        raise unusable(
            url, f"it has tables of another program, whose {_VERSION} is {', '.join(versions) or 'empty'}"
        )
    if version > newest:
        raise ConfigurationError(
            f"{describe(url)} was made by a newer naived (schema {version}, this one knows {newest}). "
            "Install that version, or name another database"
        )
    return version


def check_alone(connection: sa.Connection, url: URL, version: str | None, node: str) -> None:
    """Raises JournalError while another node than ``node`` uses the tables, of this ``version``; SQLAlchemyError.

    What it was made to write may not fit the tables of a newer version.
    """
    if connection.dialect.name == "sqlite" or version is None or version < _NODES:
        return
    if names := connection.scalars(sa.text(_ALIVE), {"node": node}).all():
        some = len(names) > 1
        raise JournalError(
            f"{describe(url)} cannot be upgraded now, from schema {version} to {HEAD}: "
            f"{'nodes' if some else 'node'} {', '.join(names)} {'use' if some else 'uses'} it. Stop naived there, "
            f"start this one first, then {'those' if some else 'that'} with this version. "
            "A node that was killed counts until its lease ends"
        )


def check_tables(connection: sa.Connection, url: URL) -> None:
    """Raises ConfigurationError unless every table of ours is there, with its columns; SQLAlchemyError.

    No table is read: a person may have locked one for long, as to shrink it, of which a start needs nothing.
    """
    found: dict[str, set[str]] = {}
    for name, column in connection.execute(sa.text(_COLUMNS[connection.dialect.name])):
        found.setdefault(name, set()).add(column)
    for table in metadata.sorted_tables:
        if table.name not in found:
            raise changed(url, f"there is no table {table.name}")
        if lacking := {column.name for column in table.columns} - found[table.name]:
            raise changed(url, f"table {table.name} has no column {min(lacking)}")


def _upgrade(engine: sa.Engine, url: URL, target: str, node: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_lock(_LOCK)))
            connection.execute(sa.text(_AT_HOME))
            connection.commit()  # lock and path are the session's
            # Another node may have upgraded it meanwhile, and lives.
            version = version_of(connection, url, target)
            if version == target:
                connection.invalidate()
                return
            if version is None or version < _NODES:
                connection.commit()  # Alembic starts its own transactions
            else:
                # Alembic goes on in this transaction: until its end no other node enters or renews its lease.
                connection.execute(sa.text("LOCK TABLE nodes IN SHARE ROW EXCLUSIVE MODE"))
                check_alone(connection, url, version, node)
        config.attributes["connection"] = connection
        command.upgrade(config, target)
        connection.commit()
        connection.invalidate()  # both end with the session


def _scripts() -> Path:
    """The Alembic scripts: ``naived/_migrations`` in a wheel, ``migrations`` beside the package in a checkout."""
    package = Path(__file__).parents[1]
    shipped = package / "_migrations"
    return shipped if shipped.exists() else package.parent / "migrations"
