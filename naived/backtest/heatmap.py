"""A sweep as one self-contained page: two settings against each other, profit and drawdown, in and out of sample.

Where more than two settings are swept, a menu chooses the pair; a cell then shows the point that was best in sample
among those with its two values, in all four maps the same one. Needs plotly.
"""

import html
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from naived.backtest import documents
from naived.backtest.grid import Axis, Grid
from naived.backtest.point import Figures, Outcome
from naived.backtest.ranking import Ranked
from naived.core.amount import SCALE, format_amount

_Cells: TypeAlias = Mapping[tuple[int, int], Outcome]
_NO_AXIS = Axis("", (None,))  # the other one where a single setting is swept


@dataclass(frozen=True, slots=True)
class _Map:
    title: str
    figures: Callable[[Outcome], Figures | None]
    amount: Callable[[Figures], int]
    colors: str


_MAPS = (
    _Map("profit in sample", lambda outcome: outcome.in_sample, lambda found: found.score, "RdYlGn"),
    _Map("profit out of sample", lambda outcome: outcome.out_of_sample, lambda found: found.score, "RdYlGn"),
    _Map("drawdown in sample", lambda outcome: outcome.in_sample, lambda found: found.drawdown, "YlOrRd"),
    _Map("drawdown out of sample", lambda outcome: outcome.out_of_sample, lambda found: found.drawdown, "YlOrRd"),
)


def page(title: str, notes: Sequence[str], grid: Grid, points: Sequence[Ranked]) -> str:
    """The page; ``points`` are in order, the best first, and ``notes`` are lines of plain text above the maps."""
    figure = make_subplots(
        rows=2,
        cols=2,
        subplot_titles=[each.title for each in _MAPS],
        vertical_spacing=0.14,
        horizontal_spacing=0.12,
    )
    pairs = _pairs(grid)
    for number, pair in enumerate(pairs):
        for place, each in enumerate(_MAPS):
            trace = _trace(grid, pair, points, each)
            trace.update(visible=not number, colorbar=_beside(place))
            figure.add_trace(trace, row=place // 2 + 1, col=place % 2 + 1)
    _name_axes(figure, grid, pairs)
    figure.update_layout(height=860, margin={"t": 90}, template="plotly_white")
    body = figure.to_html(full_html=False, include_plotlyjs=True, config={"displaylogo": False})
    lines = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>body{{font-family:sans-serif;margin:1.5em}}p{{margin:.3em 0}}"
        f"</style></head><body><h1>{html.escape(title)}</h1>{lines}{body}</body></html>\n"
    )


def _pairs(grid: Grid) -> list[tuple[int, int]]:
    """Indices of the axes: across and up. One setting has -1 for the other, none for both."""
    axes = range(len(grid.axes))
    if len(grid.axes) < 2:
        return [(0 if grid.axes else -1, -1)]
    return list(itertools.combinations(axes, 2))


def _axis(grid: Grid, index: int) -> Axis:
    return _NO_AXIS if index < 0 else grid.axes[index]


def _texts(axis: Axis) -> list[str]:
    if not axis.name:
        return [""]
    found = [documents.setting_texts({axis.name: value})[axis.name] for value in axis.values]
    return ["none" if text is None else str(text) for text in found]


def _trace(grid: Grid, pair: tuple[int, int], points: Sequence[Ranked], drawn: _Map) -> Any:
    across, up = (_axis(grid, index) for index in pair)
    cells = _best(pair, points)
    rows: list[list[float | None]] = []
    texts: list[list[str]] = []
    for y in range(len(up.values)):
        rows.append([])
        texts.append([])
        for x in range(len(across.values)):
            outcome = cells.get((x, y))
            figures = None if outcome is None else drawn.figures(outcome)
            rows[-1].append(None if figures is None else drawn.amount(figures) / SCALE)  # for a colour
            texts[-1].append(_hover(outcome, figures, drawn))
    return go.Heatmap(
        x=_texts(across),
        y=_texts(up),
        z=rows,
        text=texts,
        hovertemplate="%{x} · %{y}<br>%{text}<extra></extra>",
        colorscale=drawn.colors,
        zmid=0 if drawn.colors == "RdYlGn" else None,
    )


def _best(pair: tuple[int, int], points: Sequence[Ranked]) -> _Cells:
    """The best point of each cell."""
    cells: dict[tuple[int, int], Outcome] = {}
    for each in points:
        across, up = (0 if index < 0 else each.point[index] for index in pair)
        cells.setdefault((across, up), each.outcome)
    return cells


def _hover(outcome: Outcome | None, figures: Figures | None, drawn: _Map) -> str:
    if outcome is None:
        return "not run"
    if figures is None:
        return html.escape(outcome.reason or "not run")
    return f"{drawn.title}: {format_amount(drawn.amount(figures))}<br>{figures.summary['cycles']} cycles"


def _beside(place: int) -> dict[str, Any]:
    """The place of a colour bar: right of its map."""
    return {"len": 0.42, "y": 0.79 if place < 2 else 0.21, "x": 0.44 if place % 2 == 0 else 1.0, "thickness": 12}


def _name_axes(figure: Any, grid: Grid, pairs: Sequence[tuple[int, int]]) -> None:
    """Name the axes by the first pair; with more than one, add the menu that chooses it."""
    figure.update_xaxes(type="category")
    figure.update_yaxes(type="category")
    figure.update_layout(_names(grid, pairs[0]))
    if len(pairs) < 2:
        return
    buttons = []
    for number, pair in enumerate(pairs):
        across, up = (_axis(grid, index).name for index in pair)
        shown = [number == each // len(_MAPS) for each in range(len(pairs) * len(_MAPS))]
        buttons.append(
            {"label": f"{across} · {up}", "method": "update", "args": [{"visible": shown}, _names(grid, pair)]}
        )
    figure.update_layout(updatemenus=[{"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.12, "yanchor": "top"}])


def _names(grid: Grid, pair: tuple[int, int]) -> dict[str, str]:
    across, up = (_axis(grid, index).name for index in pair)
    numbers = ("", *map(str, range(2, len(_MAPS) + 1)))  # plotly's names: xaxis, xaxis2 ...
    return {
        **{f"xaxis{number}.title.text": across for number in numbers},
        **{f"yaxis{number}.title.text": up for number in numbers},
    }
