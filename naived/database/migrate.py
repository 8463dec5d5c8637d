"""Upgrades a database to the schema of this program. ``open_journal`` calls it.

Alembic takes most of a second to import, so it is imported only if there is something to upgrade.
"""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL

from naived.database.engine import ConfigurationError, Role, describe, open_engine

HEAD = "0015"
_LOCK = 0x6E616976  # "naiv": advisory lock, so that one daemon at a time migrates a PostgreSQL database


def migrate(url: URL, target: str = HEAD) -> None:
    """Upgrade to ``target``; raises ConfigurationError if the database is newer than that, SQLAlchemyError."""
    engine = open_engine(url, Role.MIGRATE)
    try:
        with engine.connect() as connection:
            version = version_of(connection)
        if version is not None and version > target:
            raise ConfigurationError(
                f"{describe(url)} was made by a newer naived (schema {version}, this one knows {target}). "
                "Install that version, or name another database"
            )
        if version != target:
            _upgrade(engine, target)
    finally:
        engine.dispose()


def version_of(connection: sa.Connection) -> str | None:
    """The version of the schema, None for a database without one."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return version


def _upgrade(engine: sa.Engine, target: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_lock(_LOCK)))
            connection.commit()  # the lock is the session's; Alembic starts its own transactions
        config.attributes["connection"] = connection
        command.upgrade(config, target)
        connection.commit()
        connection.invalidate()  # the lock ends with the session


def _scripts() -> Path:
    """The Alembic scripts: ``naived/_migrations`` in a wheel, ``migrations`` beside the package in a checkout."""
    package = Path(__file__).parents[1]
    shipped = package / "_migrations"
    return shipped if shipped.exists() else package.parent / "migrations"
