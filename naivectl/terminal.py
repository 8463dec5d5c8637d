"""Tables on a terminal, by Rich: few lines, numbers to the right, colour for what a word means."""

import io
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from naivectl.render import Table

_STYLES = {
    **dict.fromkeys(("trading", "on", "filled", "ready"), "green"),
    **dict.fromkeys(("draining", "shutdown", "starting", "stopping", "unknown", "degraded"), "yellow"),
    **dict.fromkeys(("faulted", "quarantined", "rejected"), "bold red"),
    **dict.fromkeys(("off", "-", "abandoned", "not_placed"), "dim"),
}


def draw(tables: Iterable[Table], headline: str | None, console: Console | None = None) -> None:
    """Print the tables, a blank line between them; NO_COLOR is Rich's own care."""
    console = console or Console(highlight=False)
    if headline:
        console.print(Text(headline, style="dim"))
    for table in tables:
        rich = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for column in table.columns:
            rich.add_column(Text(column.title), justify="right" if column.number else "left", no_wrap=True)
        for row in table.rows:
            rich.add_row(
                *(Text(cell, style=_style(cell, c.number)) for cell, c in zip(row, table.columns, strict=True))
            )
        console.print()
        console.print(rich)


def _style(cell: str, number: bool) -> str:
    if number and cell.startswith("-") and cell != "-":
        return "red"
    return _STYLES.get(cell, "")


def lines(tables: Iterable[Table], headline: str, width: int, height: int) -> list[str]:
    """The drawing as lines for a screen of that size, cut where it ends."""
    paper = io.StringIO()
    draw(tables, headline, Console(file=paper, force_terminal=True, highlight=False, width=width))
    return paper.getvalue().splitlines()[:height]
