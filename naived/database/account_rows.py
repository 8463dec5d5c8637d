"""Reads and writes what concerns the whole account: its halt, its limits, its worth."""

from collections.abc import Sequence

import sqlalchemy as sa

from naived.core.losses import joined
from naived.core.orders.client_id import Foreign
from naived.core.risk import Account, Exposure, Halt, HaltedBy, Limits, Worth
from naived.database.reading import converted
from naived.database.rows import gain_of, gain_row, halt_of, halt_row, limits_of, worth_of, worth_row
from naived.database.schema import foreign_orders, gains, halts, limits, settings, worth
from naived.database.statements import INSERT_HALT, add_foreign, upsert_gain
from naived.ports import ConflictError, Unit

_WORTH = sa.select(worth).with_for_update()
_HALT = sa.select(halts).where(halts.c.scope == "")


def account(connection: sa.Connection) -> Account:
    """What concerns no symbol alone; raises UnreadableError."""
    limited = converted(connection, sa.select(limits), limits, lambda row: (limits_of(row), row["currency"]))
    known = converted(connection, sa.select(worth), worth, worth_of)
    set_, currency = limited[0] if limited else (Limits(), None)
    return Account(
        halts_in(connection, ("",)).get(""),
        set_,
        currency or Account().currency,
        known[0] if known else None,
        dict(converted(connection, sa.select(gains), gains, lambda row: (row["symbol"], gain_of(row)))),
        _exposures(connection),
        _foreign(connection),
    )


def foreign_alone(connection: sa.Connection) -> Account:
    """What open orders of other naiveds do, and nothing else of the account; raises UnreadableError."""
    return Account(foreign=_foreign(connection))


def _foreign(connection: sa.Connection) -> dict[tuple[str, str], Foreign]:
    return dict(converted(connection, sa.select(foreign_orders), foreign_orders, _foreign_of))


def _exposures(connection: sa.Connection) -> dict[str, Exposure]:
    """Of every symbol that ever made or cost anything."""
    traded = (settings.c.exposure != 0) | (settings.c.realized_profit != 0)
    rows = sa.select(settings.c.symbol, settings.c.quote, settings.c.exposure).where(traded)
    return dict(
        converted(
            connection, rows, settings, lambda row: (row["symbol"], Exposure(row["quote"] or "", row["exposure"]))
        )
    )


def _foreign_of(row: sa.RowMapping) -> tuple[tuple[str, str], Foreign]:
    return (row["symbol"], row["tag"]), Foreign(row["state"])


def halts_in(connection: sa.Connection, scopes: Sequence[str] | None) -> dict[str, Halt]:
    """By symbol, of these or of all; that of the account has none."""
    rows = sa.select(halts) if scopes is None else sa.select(halts).where(halts.c.scope.in_(scopes))
    return dict(converted(connection, rows, halts, lambda row: (row["scope"], halt_of(row))))


def write_account(connection: sa.Connection, unit: Unit) -> None:
    """What of the unit is neither an order nor a trader; ``unit.halt`` is of its symbol, or of the account.

    Raises ConflictError for the halt of a limit that was reached by what is not so any more.
    """
    if unit.worth is not None:
        _write_worth(connection, unit, unit.worth)
    if unit.halt is not None:
        connection.execute(sa.delete(halts).where(halts.c.scope == unit.symbol))
        if unit.halt.halt is not None:
            connection.execute(INSERT_HALT, halt_row(unit.symbol, unit.halt.halt))
    if unit.limits:
        row = {"currency": unit.currency, **unit.limits}  # another node may have changed the others meanwhile
        if connection.execute(sa.update(limits).values(row)).rowcount == 0:
            connection.execute(sa.insert(limits).values({"id": 1, **row}))
    for (symbol, tag), state in unit.foreign.items():
        _write_foreign(connection, symbol, tag, state)
    for symbol, gain in unit.gains.items():
        connection.execute(upsert_gain(connection.dialect.name), gain_row(symbol, gain))


def _write_foreign(connection: sa.Connection, symbol: str, tag: str, state: Foreign | None) -> None:
    """What a person said of them stays: another node may not have read it yet."""
    if state is None:
        ours = (foreign_orders.c.symbol == symbol) & (foreign_orders.c.tag == tag)
        connection.execute(sa.delete(foreign_orders).where(ours, foreign_orders.c.state == Foreign.BLOCKS.value))
        return
    statement = add_foreign(connection.dialect.name, over=state is Foreign.IGNORED)
    connection.execute(statement, {"symbol": symbol, "tag": tag, "state": state.value})


def _write_worth(connection: sa.Connection, unit: Unit, measured: Worth) -> None:
    """Another node may have written since this one read: what it began anew stays, so does what a person ends."""
    known = connection.execute(_WORTH).mappings().one_or_none()
    stored = None if known is None else worth_of(known)
    if unit.halt is not None and stored is not None and stored.round >= measured.round:
        found = connection.execute(_HALT).mappings().one_or_none()
        before = None if found is None else halt_of(found)
        if stored.round > measured.round or not _may_follow(before, unit.halt.halt):
            raise ConflictError("the halt of the account changed meanwhile")
    row = worth_row(measured if stored is None else joined(stored, measured))
    if stored is None:
        connection.execute(sa.insert(worth).values({"id": 1, **row}))
    else:
        connection.execute(sa.update(worth).values(row))


def _may_follow(before: Halt | None, halt: Halt | None) -> bool:
    """May a watch put this in the place of the stored one, which it has perhaps not read yet?"""
    if _by_person(before) != _by_person(halt):
        return False
    return before is None or before.until is not None or (halt is not None and halt.until is None)


def _by_person(halt: Halt | None) -> bool:
    return halt is not None and halt.by is HaltedBy.PERSON
