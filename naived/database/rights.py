"""What a user of PostgreSQL must be allowed to do. A start and a check ask before an order depends on it.

Each statement of ours has its right here, and no right is asked for without one: whoever keeps a history may let
naived neither change nor delete what is written once.
"""

import sqlalchemy as sa
from sqlalchemy.engine import URL

from naived.database.engine import not_allowed
from naived.database.migrate import HOME
from naived.database.schema import (
    control_request,
    events,
    fills,
    foreign_orders,
    halts,
    lots,
    metadata,
    nodes,
    requests,
)

_WRITTEN_ONCE = (control_request, events, fills, halts, lots)
# Also by the bound of a table: at each start.
_TAKEN_OUT = (control_request, events, foreign_orders, halts, lots, nodes, requests)
# All of them, so that a person grants once: for each set of rights the tables that lack it.
_LACKING = """
SELECT acts || CASE kind WHEN 'S' THEN ' ON SEQUENCE ' ELSE ' ON ' END || string_agg(name, ', ' ORDER BY name)
FROM (
  SELECT name, relkind AS kind, string_agg(act, ', ' ORDER BY act) AS acts
  FROM unnest(CAST(:names AS text[]), CAST(:acts AS text[])) AS needed(name, act)
  JOIN pg_class ON relname = name AND pg_table_is_visible(oid)
  WHERE NOT CASE relkind WHEN 'S' THEN has_sequence_privilege(oid, act) ELSE has_table_privilege(oid, act) END
  GROUP BY name, relkind
) AS lacking
GROUP BY acts, kind ORDER BY kind, acts
"""
_NOT_OWNED = f"""
SELECT min(relname) FROM pg_class
WHERE relname = ANY(:names) AND relnamespace = {HOME} AND NOT pg_has_role(relowner, 'USAGE')
"""
_HOME_RIGHTS = f"""
SELECT nspname AS name, has_schema_privilege(oid, 'CREATE') AS may_create FROM pg_namespace WHERE oid = {HOME}
"""


def check_writing(connection: sa.Connection, address: URL) -> None:
    """Raises ConfigurationError if the user may not do with our tables what a daemon does; SQLAlchemyError."""
    if connection.dialect.name == "sqlite":
        return
    needed = _needed()
    asked = {"names": [name for name, _ in needed], "acts": [act for _, act in needed]}
    if lacking := connection.scalars(sa.text(_LACKING), asked).all():
        raise not_allowed(address, f"we may not {', nor '.join(lacking)}", lacking)


def _needed() -> list[tuple[str, str]]:
    """Names of tables and of the sequences that number their rows, each with what we do there."""
    needed = []
    for table in metadata.tables.values():
        needed += [(table.name, act) for act in ("SELECT", "INSERT")]
        if table not in _WRITTEN_ONCE:
            needed.append((table.name, "UPDATE"))
        if table in _TAKEN_OUT:
            needed.append((table.name, "DELETE"))
        if table.autoincrement_column is not None:
            needed.append((f"{table.name}_{table.autoincrement_column.name}_seq", "USAGE"))
    return needed


def check_upgrade(connection: sa.Connection, address: URL) -> None:
    """Raises ConfigurationError if the user may not upgrade our tables, or make them; SQLAlchemyError."""
    if connection.dialect.name == "sqlite":
        return
    if table := connection.scalar(sa.text(_NOT_OWNED), {"names": [*metadata.tables]}):
        raise not_allowed(address, f"we may not upgrade its table {table}")
    # Since PostgreSQL 15 only the owner of a database may, unless others are let.
    home = connection.execute(sa.text(_HOME_RIGHTS)).one_or_none()
    if home is None:
        raise not_allowed(address, "there is no schema in which we may make tables")
    if not home.may_create:
        raise not_allowed(address, f"we may make no tables and indexes in schema {home.name}")
