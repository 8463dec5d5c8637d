"""The statements of ``store.py``, built once: SQLAlchemy takes longer to build an upsert than SQLite to run it.

Each takes a row as its parameters; ``names`` are the row's columns.
"""

from functools import cache

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from naived.database.schema import (
    control_request,
    events,
    fills,
    foreign_orders,
    gains,
    halts,
    lots,
    nodes,
    orders,
    settings,
    traders,
)

INTENT = ("symbol", "trader", "side", "seq", "price", "quantity")

INSERT_FILL = sa.insert(fills).inline()
INSERT_LOT = sa.insert(lots).inline()
INSERT_HALT = sa.insert(halts).inline()
INSERT_EVENT = sa.insert(events).inline()
INSERT_REQUEST = sa.insert(control_request).inline()

TAKE_TURN = (
    sa.update(nodes)
    .where(nodes.c.epoch == sa.bindparam("ours"), nodes.c.written >= sa.bindparam("last"))
    .values(written=sa.bindparam("group"))
)

_KEY = (traders.c.symbol == sa.bindparam("of_symbol"), traders.c.number == sa.bindparam("number"))
FINISHED_PROFIT = sa.select(traders.c.profit).where(*_KEY, traders.c.cycle.is_not(None))
_ITS_SETTINGS = settings.c.symbol == sa.bindparam("of_symbol")
COUNTERS = sa.select(
    settings.c.cycles, settings.c.realized_profit, settings.c.profit_day, settings.c.day_profit
).where(_ITS_SETTINGS)
COUNT = (
    sa.update(settings)
    .where(_ITS_SETTINGS)
    .values(
        cycles=sa.bindparam("counted"),
        realized_profit=sa.bindparam("total"),
        profit_day=sa.bindparam("day"),
        day_profit=sa.bindparam("today"),
    )
)


@cache
def upsert_settings(dialect: str, names: tuple[str, ...]) -> sa.Insert:
    """A symbol's settings; a new row starts with trader number 1 and owes no coins."""
    first = {"next_trader": 1, "owed_quantity": 0, "owed_cost": 0}
    statement = insert(dialect, settings)
    changed = {name: statement.excluded[name] for name in names if name != "symbol"}
    return statement.values(**first).on_conflict_do_update(index_elements=["symbol"], set_=changed)


@cache
def upsert_gain(dialect: str) -> sa.Insert:
    """What a symbol's trading made."""
    statement = insert(dialect, gains)
    changed = {name: statement.excluded[name] for name in ("quote", "gain", "price")}
    return statement.on_conflict_do_update(index_elements=["symbol"], set_=changed)


@cache
def add_foreign(dialect: str, *, over: bool) -> sa.Insert:
    """Orders of another naived; what is known of them stays, or is written ``over``."""
    statement = insert(dialect, foreign_orders)
    if not over:
        return statement.on_conflict_do_nothing(index_elements=["symbol", "tag"])
    return statement.on_conflict_do_update(
        index_elements=["symbol", "tag"], set_={"state": statement.excluded["state"]}
    )


@cache
def upsert_trader(dialect: str, names: tuple[str, ...], *, cycle: bool) -> sa.Insert:
    """A trader; ``cycle`` gives it the next number of finished cycles, unless it has one already."""
    statement = insert(dialect, traders)
    changed: dict[str, sa.ColumnElement[object]] = {
        name: statement.excluded[name] for name in names if name not in ("symbol", "number")
    }
    if cycle:
        following = sa.select(sa.func.coalesce(sa.func.max(traders.c.cycle), 0) + 1).scalar_subquery()
        statement = statement.values(cycle=following)
        changed["cycle"] = sa.func.coalesce(traders.c.cycle, statement.excluded["cycle"])
    return statement.on_conflict_do_update(index_elements=["symbol", "number"], set_=changed)


@cache
def upsert_order(dialect: str, names: tuple[str, ...]) -> sa.Insert:
    """An order; no row is written if its client order id already belongs to another intent."""
    statement = insert(dialect, orders)
    fixed = ("client_order_id", *INTENT)
    return statement.on_conflict_do_update(
        index_elements=["client_order_id"],
        set_={name: statement.excluded[name] for name in names if name not in fixed},
        where=sa.and_(*(orders.c[name] == statement.excluded[name] for name in INTENT)),
    )


def insert(dialect: str, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that supports ON CONFLICT and does not fetch the row's id."""
    if dialect == "postgresql":
        return postgresql.insert(table).inline()
    return sqlite.insert(table).inline()
