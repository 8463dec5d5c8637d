"""The summary of a backtest for people: a Rich table on a terminal, plain columns with all digits in a pipe."""

import os
from typing import TYPE_CHECKING, TextIO

from naived.backtest import figures
from naived.backtest.figures import Row, Tone
from naived.backtest.result import Result
from naived.process.complaint import printable

if TYPE_CHECKING:
    from rich.text import Text

_STYLES = {Tone.PLAIN: "", Tone.GOOD: "green", Tone.BAD: "red", Tone.QUIET: "dim"}


def show(result: Result, file: TextIO) -> None:
    """Print the summary to ``file``."""
    if file.isatty() and os.environ.get("TERM") != "dumb":
        _draw(result, file)
    else:
        file.writelines(f"{line}\n" for line in plain(result))


def plain(result: Result) -> list[str]:
    """One line a figure, columns two spaces apart, without colour."""
    rows = list(figures.rows(result, figures.exact))
    names = max(len(row.name) for row in rows)
    amounts = max(len(row.amount) for row in rows)
    lines = [f"{row.name:<{names}}  {row.amount:>{amounts}}  {row.note}".rstrip() for row in rows]
    more = [f"warning: {warning}" for warning in result.warnings]
    head = [figures.title(result), figures.settings(result)]
    return [printable(line) for line in [*head, *_bought_nothing(result), *lines, *more]]


def _bought_nothing(result: Result) -> list[str]:
    return [] if result.idle is None else [f"nothing was bought: {result.idle}"]


def _draw(result: Result, file: TextIO) -> None:
    from rich.console import Console  # deferred: a pipe does not need it
    from rich.table import Table
    from rich.text import Text

    console = Console(file=file, highlight=False, soft_wrap=False)
    symbol, _, period = figures.title(result).partition(", ")
    console.print(Text.assemble((printable(symbol), "bold"), f"  {period}"))
    console.print(Text(printable(figures.settings(result)), "dim"))
    for line in _bought_nothing(result):
        console.print(Text(printable(line), "bold yellow"))
    console.print()
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for number, row in enumerate(figures.rows(result, figures.rounded(result.setup.settings.budget))):
        table.add_row(*_cells(row, first=not number))
    console.print(table)
    for warning in result.warnings:
        console.print(Text(f"warning: {printable(warning)}", "yellow"))


def _cells(row: Row, *, first: bool) -> tuple["Text", ...]:
    from rich.text import Text  # deferred: a pipe does not need it

    style = _STYLES[row.tone]
    return (
        Text(row.name, "bold" if first else "dim" if row.tone is Tone.QUIET else ""),
        Text(printable(row.amount), f"bold {style}" if first else style),
        Text(printable(row.note), "dim"),
    )
