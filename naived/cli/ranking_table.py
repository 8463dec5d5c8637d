"""The best points of a sweep as a table: with Rich on a terminal, 80 columns wide, plain columns in a pipe."""

from collections.abc import Sequence

from naived.backtest import ranking
from naived.backtest.grid import Grid
from naived.backtest.point import Figures
from naived.backtest.ranking import Ranked
from naived.core.amount import SCALE, format_amount

_WIDTH = 80  # columns of a terminal that all of it has to fit in
_ONE_SIDE = 27  # of them the figures of one side take
_LONGEST = 14  # the longest name of a setting, and a comma
_REASONS = 16  # and the reasons, which are folded
_DIGITS = 5  # of the largest amount that is shown on a terminal
_FIGURES = ("PROFIT", "DRAWDOWN", "CYCLES")


def plain(grid: Grid, points: Sequence[Ranked]) -> str:
    """Columns with two spaces between them; a point a line, amounts in full."""
    head = [*_names(grid), *(f"{name} IN" for name in _FIGURES), *(f"{name} OUT" for name in _FIGURES), "REASON"]
    rows = [
        [
            *_settings(grid, each),
            *_cells(each.outcome.in_sample, 8),
            *_cells(each.outcome.out_of_sample, 8),
            each.outcome.reason or "-",
        ]
        for each in points
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(
            text.ljust(width) if number == len(head) - 1 else text.rjust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
    return "\n".join(lines)


def draw(grid: Grid, points: Sequence[Ranked]) -> None:
    """The table on a terminal."""
    from rich import box  # deferred: it takes a tenth of a second, and a pipe needs none of it
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    split = any(each.outcome.out_of_sample for each in points)
    reasons = any(each.outcome.reason for each in points)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    names = [name.replace(" ", "\n") for name in _names(grid)]
    room = _WIDTH - _ONE_SIDE * (2 if split else 1) - (_REASONS if reasons else 0)
    together = _width(names, [_settings(grid, each) for each in points]) > room
    if together:
        table.add_column("SETTINGS", overflow="fold", min_width=_LONGEST)
    for name in () if together else names:
        table.add_column(name, justify="right", no_wrap=True)
    for side in ("in", "out") if split else ("in",):
        for name in _FIGURES:
            table.add_column(f"{name}\n{side}", justify="right", no_wrap=True)
    if reasons:
        table.add_column("REASON", overflow="fold")
    places = _places(points)
    for each in points:
        outcome, texts = each.outcome, _settings(grid, each)
        if together:
            texts = [", ".join(f"{name} {text}" for name, text in ranking.swept(grid, each).items())]
        cells = [*texts, *_cells(outcome.in_sample, places)]
        cells += _cells(outcome.out_of_sample, places) if split else []
        table.add_row(*(Text(cell) for cell in cells), *([Text(outcome.reason or "")] if reasons else []))
    Console().print(table)


def _width(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Of the columns of settings, each with one space behind it."""
    columns = zip(*([max(head.split("\n"), key=len) for head in heads], *rows), strict=True)
    return sum(max(map(len, column)) + 1 for column in columns)


def _names(grid: Grid) -> list[str]:
    return [axis.name.replace("_", " ").upper() for axis in grid.axes]


def _settings(grid: Grid, each: Ranked) -> list[str]:
    return ["none" if text is None else str(text) for text in ranking.swept(grid, each).values()]


def _cells(figures: Figures | None, places: int) -> list[str]:
    if figures is None:
        return ["-"] * len(_FIGURES)
    return [_rounded(figures.score, places), _rounded(figures.drawdown, places), str(figures.summary["cycles"])]


def _rounded(value: int, places: int) -> str:
    """Towards zero, so that no profit is shown that is not there."""
    unit = 10 ** (8 - places)
    return format_amount(value // unit * unit if value >= 0 else -(-value // unit * unit))


def _places(points: Sequence[Ranked]) -> int:
    """Decimals with which the largest amount has ``_DIGITS`` digits."""
    shown = [
        figures for each in points for figures in (each.outcome.in_sample, each.outcome.out_of_sample) if figures
    ]
    largest = max((max(abs(figures.score), figures.drawdown) for figures in shown), default=0)
    if largest < SCALE:
        return 8
    return max(0, _DIGITS - len(str(largest // SCALE)))
