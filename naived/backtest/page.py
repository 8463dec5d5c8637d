"""One self-contained page of figures and charts: no network, light or dark as the system is, fit for paper.

The charts are Plotly figures without colours of their own: they take those of a template for light or for dark.
Every text is escaped; the page's own policy forbids it to load anything.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from naived.backtest.figures import Row
from naived.process.complaint import printable

_FRAME = Path(__file__).with_name("page.html")
_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif'

# In the order of the traces of a figure; both are told apart without colour by shape and dash too.
_LIGHT = ("#2563c9", "#12908a", "#8a94a6", "#c2332d", "#6b7688", "#14804a", "#d9720f")
_DARK = ("#6ea8ff", "#45c4bb", "#7d899c", "#f2776f", "#94a0b4", "#4cc38a", "#f5a04c")


@dataclass(frozen=True, slots=True)
class Chart:
    """``wide``: over the whole page, else two side by side."""

    title: str
    caption: str
    figure: go.Figure
    wide: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """Texts are plain, not HTML. ``tiles`` are the figures that stand on top, ``rows`` all of them."""

    title: str
    heading: str
    period: str
    settings: str
    notes: Sequence[str]
    tiles: Sequence[Row]
    charts: Sequence[Chart]
    rows: Sequence[Row]
    footer: str


def render(page: Page) -> str:
    """The whole document."""
    body = [
        *(f'<p class="note">{_text(note)}</p>' for note in page.notes),
        '<section class="tiles">',
        *(_tile(row) for row in page.tiles),
        "</section>",
        '<div class="row">',
        *(_figure(number, chart) for number, chart in enumerate(page.charts)),
        '<section class="card wide"><h2>All figures</h2><table>',
        *(_table_row(row) for row in page.rows),
        "</table></section></div>",
    ]
    return _FRAME.read_text(encoding="utf-8") % {
        "title": _text(page.title),
        "heading": _text(page.heading),
        "period": _text(page.period),
        "settings": _text(page.settings),
        "body": "\n".join(body),
        "footer": _text(page.footer),
        "library": get_plotlyjs().replace("</script", "<\\/script"),
        "charts": _json(page.charts),
    }


def _text(text: str) -> str:
    return escape(printable(text))


def _tile(row: Row) -> str:
    first, _, _ = row.note.partition(", ")
    note = f"<span>{_text(first)}</span>" if first else ""
    amount = f'<b class="{row.tone}">{_text(row.amount)}</b>'
    return f'<div class="card tile"><span>{_text(row.name)}</span>{amount}{note}</div>'


def _table_row(row: Row) -> str:
    cells = f'<td class="number {row.tone}">{_text(row.amount)}</td><td class="quiet">{_text(row.note)}</td>'
    return f"<tr><th>{_text(row.name)}</th>{cells}</tr>"


def _figure(number: int, chart: Chart) -> str:
    width = "wide" if chart.wide else "half"
    caption = f"<h2>{_text(chart.title)}</h2><figcaption>{_text(chart.caption)}</figcaption>"
    place = f'<div class="chart" id="chart-{number}" style="height:{int(chart.figure.layout.height)}px"></div>'
    return f'<figure class="card {width}">{caption}{place}</figure>'


def _json(charts: Iterable[Chart]) -> str:
    """For a script element: no text in it can end the element."""
    figures = []
    for chart in charts:
        figure = json.loads(chart.figure.to_json())
        figure["layout"].pop("template", None)
        figures.append({**figure, "bar": chart.wide})
    templates = {"light": _template(dark=False), "dark": _template(dark=True)}
    text = json.dumps({"figures": figures, "templates": templates}, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _template(*, dark: bool) -> dict[str, Any]:
    text, quiet, grid, card = (
        ("#e4e8ef", "#97a3b6", "#2b3340", "#191f29") if dark else ("#1c2330", "#5f6b7d", "#e6e9ee", "#ffffff")
    )
    axis = {
        "gridcolor": grid,
        "linecolor": grid,
        "zerolinecolor": quiet,
        "zerolinewidth": 1,
        "tickcolor": grid,
        "tickfont": {"color": quiet, "size": 12},
        "title": {"font": {"color": quiet, "size": 12}},
        "automargin": True,
    }
    layout = go.Layout(
        colorway=_DARK if dark else _LIGHT,
        font={"family": _FONT, "color": text, "size": 13},
        paper_bgcolor=card,
        plot_bgcolor=card,
        xaxis=axis,
        yaxis=axis,
        legend={"bgcolor": "rgba(0,0,0,0)", "font": {"color": text}},
        hoverlabel={"bgcolor": card, "bordercolor": quiet, "font": {"color": text, "family": _FONT}},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": quiet, "activecolor": text},
    )
    outlined = {"marker": {"line": {"color": card, "width": 1}}}
    return {"layout": json.loads(layout.to_json()), "data": {"scatter": [outlined]}}
