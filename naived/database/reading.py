"""Converts the rows that a symbol or the account is loaded from. A person may have changed any of them by hand.

SQLite keeps text in a column of numbers, so each value is held against the type of its column.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import RowMapping

from naived.database.columns import DecimalAmount, Instant

T = TypeVar("T")

# What a conversion of something that should not be there raises.
UNREADABLE = (ValueError, TypeError, ArithmeticError, LookupError)


class UnreadableError(ValueError):
    """A row of this table cannot be converted; ``symbol`` is whose it is, if that is known."""

    def __init__(self, table: str, why: object, symbol: str | None = None) -> None:
        super().__init__(f"table {table}{f', symbol {symbol}' if symbol else ''}: {why}")
        self.table = table
        self.why = why
        self.symbol = symbol


def unreadable(error: Exception) -> str:
    """In words, behind what it is that holds it."""
    return (
        f"holds what this version cannot read: {error}. Was it changed by hand? "
        "Correct that, or put a backup in its place"
    )


def converted(
    connection: sa.Connection, statement: sa.Select[Any], table: sa.Table, convert: Callable[[RowMapping], T]
) -> list[T]:
    """What ``convert`` makes of each row, which has columns of the table; raises UnreadableError."""
    made, symbol = [], None
    try:
        for row in connection.execute(statement).mappings():
            symbol = row.get("symbol")
            for name, kind in _kinds(table):
                value = row.get(name)
                if value is not None and type(value) is not kind:
                    raise ValueError(f"{name} is {str(value)[:40]!r}")
            made.append(convert(row))
            symbol = None  # the next row may be another symbol's, and fail before it is one
    except UNREADABLE as error:
        raise UnreadableError(table.name, error, symbol or _whose(connection, statement, table)) from error
    return made


def _whose(connection: sa.Connection, statement: sa.Select[Any], table: sa.Table) -> str | None:
    """The symbol of a row of which not even that came out, as a driver or a column's type refused it.

    It is found by halves: there may be a thousand symbols. None if the rows are of no symbol.
    """
    if "symbol" not in table.c:
        return None
    found = connection.scalars(statement.with_only_columns(table.c.symbol).order_by(None))
    names = sorted({name for name in found if isinstance(name, str)})
    while len(names) > 1:
        half = names[: len(names) // 2]
        readable = _is_readable(connection, statement.where(table.c.symbol.in_(half)))
        names = names[len(half) :] if readable else half
    return names[0] if names else None


def _is_readable(connection: sa.Connection, statement: sa.Select[Any]) -> bool:
    try:
        connection.execute(statement).all()
    except UNREADABLE:
        return False
    return True


@cache
def _kinds(table: sa.Table) -> tuple[tuple[str, type], ...]:
    """The type that Python sees, by column."""
    return tuple((column.name, _kind(column.type)) for column in table.columns)


def _kind(column: sa.types.TypeEngine[Any]) -> type:
    if isinstance(column, sa.Boolean):
        return bool
    return int if isinstance(column, sa.Integer | DecimalAmount | Instant) else str
