"""Tables of clean text, and their plain form.

Every text from outside passes `clean` before it becomes a cell, so that no text can move the cursor.
"""

from collections.abc import Sequence


class Column:
    """Numbers are aligned to the right."""

    def __init__(self, title: str, number: bool = False) -> None:
        self.title = title
        self.number = number


class Table:
    """``rows`` hold clean text, one cell a column."""

    def __init__(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        self.columns = columns
        self.rows = rows


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
