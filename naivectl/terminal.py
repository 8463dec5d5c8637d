"""Draws tables on a terminal with Rich: few lines, numbers right-aligned, a colour for each kind of state."""

import io
import os
from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from naivectl.table import Table

_STYLES = {
    **dict.fromkeys(("trading", "on", "filled", "ready"), "green"),
    **dict.fromkeys(("draining", "shutdown", "starting", "stopping", "unknown", "degraded"), "yellow"),
    **dict.fromkeys(("faulted", "quarantined", "rejected"), "bold red"),
    **dict.fromkeys(("off", "-", "abandoned", "not_placed"), "dim"),
}

_MEASURE_WIDTH = 10_000  # characters: tables are measured in this width, not in the terminal's


def draw(tables: Iterable[Table], headline: str | None, console: Console | None = None) -> None:
    """Print the tables, a blank line between them. On a narrow terminal a line may be wider than the screen."""
    console = console or Console(highlight=False, color_system=None if os.environ.get("NO_COLOR") else "auto")
    if headline:
        console.print(Text(headline, style="dim"), soft_wrap=True)
    for table in tables:
        rich = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for column, cells in zip(table.columns, _by_column(table), strict=True):
            rich.add_column(
                Text(column.title),
                justify="right" if column.number else "left",
                no_wrap=not column.prose,
                min_width=None if column.prose else max(map(cell_len, cells)),
            )
        for row in table.rows:
            rich.add_row(
                *(Text(cell, style=_style(cell, c.number)) for cell, c in zip(row, table.columns, strict=True))
            )
        console.print()
        needed = console.measure(rich, options=console.options.update(width=_MEASURE_WIDTH)).minimum
        console.width = max(console.width, needed)
        console.print(rich)


def _by_column(table: Table) -> Iterable[Sequence[str]]:
    return zip(*([column.title for column in table.columns], *table.rows), strict=True)


def _style(cell: str, number: bool) -> str:
    if number and cell.startswith("-") and cell != "-":
        return "red"
    return _STYLES.get(cell, "")


def lines(tables: Iterable[Table], headline: str, width: int, height: int) -> list[str]:
    """The first ``height`` lines of the drawing; the terminal has to cut those wider than ``width``."""
    output = io.StringIO()
    draw(tables, headline, Console(file=output, force_terminal=True, highlight=False, width=width))
    return output.getvalue().splitlines()[:height]
