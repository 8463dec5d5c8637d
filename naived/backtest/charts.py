"""The charts of a backtest, and the page with them. Only here amounts become floats: a chart needs no more."""

from importlib.metadata import version
from itertools import pairwise
from statistics import median_low

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from naived.backtest import figures, series
from naived.backtest.page import Chart, Page, render
from naived.backtest.result import Result
from naived.backtest.series import Line, Periods
from naived.backtest.tape import Tape
from naived.core.amount import SCALE, format_amount, money_down
from naived.core.orders.intent import Side

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400  # seconds
# Where a bar of cycle times ends (seconds); the last one has no end.
_TIMES = (
    *((10, "10 s"), (30, "30 s"), (_MINUTE, "1 m"), (2 * _MINUTE, "2 m"), (5 * _MINUTE, "5 m")),
    *((10 * _MINUTE, "10 m"), (30 * _MINUTE, "30 m"), (_HOUR, "1 h"), (2 * _HOUR, "2 h"), (6 * _HOUR, "6 h")),
    *((12 * _HOUR, "12 h"), (_DAY, "1 d"), (2 * _DAY, "2 d"), (4 * _DAY, "4 d"), (7 * _DAY, "7 d")),
    *((14 * _DAY, "14 d"), (30 * _DAY, "30 d")),
)
_QUARTERS = 12  # bars of distances: up to 3 rebuys, and one for all beyond
_TILES = ("profit after fees", "both together", "buy and hold", "largest drawdown")

Floats = NDArray[np.float64]


def page(tape: Tape, result: Result) -> str:
    """The page of ``--html``."""
    rows = list(figures.rows(result, figures.rounded(result.setup.settings.budget)))
    head, _, period = figures.title(result).partition(", ")
    notes = [] if result.idle is None else [f"Nothing was bought: {result.idle}."]
    return render(
        Page(
            title=f"{figures.title(result)}: backtest",
            heading=f"{head} backtest",
            period=period,
            settings=figures.settings(result),
            notes=[*notes, *(f"Warning: {warning}" for warning in result.warnings)],
            tiles=[row for row in rows if row.name in _TILES],
            charts=[_over_time(tape, result), _cycle_times(result), _distances(result)],
            rows=rows,
            footer=_footer(tape),
        )
    )


def _footer(tape: Tape) -> str:
    names = [part.source.name for part in tape.parts]
    files = names[0] if len(names) == 1 else f"{len(names)} files, {names[0]} to {names[-1]}"
    return f"naived {version('naived')}. Tape: {files}. Times are UTC."


def _amounts(values: list[int]) -> Floats:
    made: Floats = np.array(values, np.float64) / SCALE
    return made


def _points(line: Line) -> dict[str, Floats]:
    """A date axis takes ms since 1970 for UTC."""
    return {"x": np.array(line.times, np.float64), "y": _amounts(line.values)}


def _over_time(tape: Tape, result: Result) -> Chart:
    """Equity, drawdown and price with fills over one axis of time. The order of traces is that of their colours."""
    info, periods = result.setup.rules.info, Periods(tape)
    worth, price = series.equity(tape, result, periods), series.price(tape, periods)
    figure = make_subplots(
        rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.035, row_heights=[0.36, 0.17, 0.47]
    )
    thin = {"width": 1.4}
    hover = f"%{{y:,.{figures.places(result.setup.settings.budget)}f}} {info.quote}"
    figure.add_scatter(
        **_points(series.realised(result, periods)),
        name="realised profit",
        mode="lines",
        line={"width": 2.2, "shape": "hv"},
        hovertemplate=hover,
        row=1,
        col=1,
    )
    figure.add_scatter(
        **_points(worth.equity), name="with unrealised", mode="lines", line=thin, hovertemplate=hover, row=1, col=1
    )
    figure.add_scatter(
        **_points(_buy_and_hold(result, price)),
        name="buy and hold",
        mode="lines",
        line={"width": 1.2, "dash": "dot"},
        visible="legendonly",
        hovertemplate=hover,
        row=1,
        col=1,
    )
    figure.add_scatter(
        **_points(worth.fall),
        name="drawdown",
        mode="lines",
        fill="tozeroy",
        line={"width": 1},
        hovertemplate=hover,
        row=2,
        col=1,
    )
    figure.add_scatter(
        **_points(price),
        name="price",
        mode="lines",
        line={"width": 1},
        hovertemplate="%{y:,} " + info.quote,
        row=3,
        col=1,
    )
    for side, name, symbol in ((Side.BUY, "buys", "triangle-up"), (Side.SELL, "sells", "triangle-down")):
        figure.add_scatter(
            **_points(series.fills(result, side, periods)),
            name=name,
            mode="markers",
            marker={"symbol": symbol, "size": 10},
            hovertemplate="%{y:,} " + info.quote,
            row=3,
            col=1,
        )
    figure.update_layout(
        height=860,
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        hovermode="x",
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
    )
    figure.update_xaxes(type="date", range=[result.began, result.ended], hoverformat="%Y-%m-%d %H:%M:%S")
    for row, name in enumerate(("profit", "drawdown", "price"), 1):
        figure.update_yaxes(title_text=f"{name}, {info.quote}", title_standoff=6, tickformat=",", row=row, col=1)
    caption = (
        "Drag to zoom all three, double-click to go back, click a name to hide its line. No peak and no fall is "
        f"lost: lines have the lowest and highest value of each of {series.PERIODS:,} periods."
    )
    return Chart("Profit, drawdown, price and fills", caption, figure)


def _buy_and_hold(result: Result, price: Line) -> Line:
    """The profit of the budget spent at the first price, if it were sold at each price, with both fees."""
    keep = (SCALE - result.setup.fee) ** 2
    budget = result.setup.settings.budget or 0
    first = result.first_price * SCALE * SCALE
    return Line(price.times, [money_down(budget * value * keep, first) - budget for value in price.values])


def _cycle_times(result: Result) -> Chart:
    """A bar for each range of durations, from the first to the last that has any."""
    times = figures.cycle_times(result)
    ends = [seconds * 1000 for seconds, _ in _TIMES]
    counts = np.bincount(np.searchsorted(ends, times, "right"), minlength=len(ends) + 1).tolist()
    words = [word for _, word in _TIMES]
    names = [f"under {words[0]}", *(f"{a} to {b}" for a, b in pairwise(words)), "longer"]
    used = [position for position, number in enumerate(counts) if number] or [0]
    chosen = slice(max(0, used[0]), used[-1] + 1)
    figure = _bars(names[chosen], counts[chosen], "cycles")
    caption = "No cycle has finished."
    if times:
        caption = (
            f"{len(times):,} finished cycles, from a trader's start to its end: half of them within "
            f"{figures.span(median_low(times))}, the longest {figures.span(max(times))}."
        )
    return Chart("How long cycles took", caption, figure, wide=False)


def _distances(result: Result) -> Chart:
    """A bar for each quarter of a rebuy interval."""
    found = series.distances(result)
    quarters = [min(4 * distance // SCALE, _QUARTERS) for distance in found]
    counts = np.bincount(quarters, minlength=_QUARTERS + 1).tolist()
    edges = [f"{quarter / 4:g}" for quarter in range(_QUARTERS + 1)]
    names = [*(f"{a} to {b}" for a, b in pairwise(edges)), f"over {edges[-1]}"]
    caption = "No buy was filled while another trader held coins."
    if found:
        near = sum(distance < SCALE for distance in found)
        rebuy = format_amount(result.setup.settings.rebuy * 100)
        caption = (
            f"At each buy that filled: how far the nearest buy was whose coins were still held, in rebuy intervals "
            f"({rebuy}%). {figures.percent(near, len(found))} of {len(found):,} stood nearer than one."
        )
    return Chart("Distances between entries", caption, _bars(names, counts, "buys"), wide=False)


def _bars(names: list[str], counts: list[int], unit: str) -> go.Figure:
    figure = go.Figure(
        go.Bar(x=names, y=counts, hovertemplate=f"%{{x}}: %{{y:,}} {unit}<extra></extra>", marker_line_width=0)
    )
    figure.update_layout(height=330, margin={"l": 8, "r": 8, "t": 12, "b": 8}, bargap=0.12, showlegend=False)
    figure.update_xaxes(type="category", tickangle=-40, showgrid=False)
    figure.update_yaxes(title_text=unit, title_standoff=6, rangemode="tozero", tickformat=",d")
    return figure
