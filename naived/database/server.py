"""Which history of commits a PostgreSQL server continues: its system identifier and its timeline.

A standby that is promoted, or a backup that is restored to a point in time, begins a new timeline, in which the
last commits of the old one may be missing. The timeline is that of the log that is being written, which is right at
once; what the last checkpoint says lags behind a promotion.
"""

import sqlalchemy as sa

HISTORY = (
    "(SELECT system_identifier::text FROM pg_control_system())"
    " || '/' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)"
)
_FILE = "file"  # an SQLite database, which is shared only in tests


def history(connection: sa.Connection) -> str:
    """``SYSTEM/TIMELINE``; two servers with the same one have the same commits."""
    if connection.dialect.name == "sqlite":
        return _FILE
    found: str = connection.scalar(sa.text(f"SELECT {HISTORY}")) or ""
    return found
