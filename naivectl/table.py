"""Tables of clean text, and their plain form.

Every text from outside passes `clean` before it becomes a cell, so that no text can move the cursor.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Column(NamedTuple):
    """``prose`` may be broken into several lines if space is short."""

    title: str
    number: bool = False
    prose: bool = False


class Table(NamedTuple):
    """``rows`` hold clean text, one cell a column."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]


def clean(value: object) -> str:
    """Text for a cell: None and empty are ``-``; controls, bidi marks and other invisibles are escaped."""
    if value is None or value == "":
        return "-"
    text = str(value)
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )


def plain(table: Table) -> str:
    """Aligned columns, two spaces apart, without colour."""
    rows = [[column.title for column in table.columns], *table.rows]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column.number else cell.ljust(width)
            for cell, width, column in zip(row, widths, table.columns, strict=True)
        ).rstrip()
        for row in rows
    )
