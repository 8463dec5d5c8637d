import json
import re
from typing import Any

import pytest

from naived.backtest.grid import Axis, Grid
from naived.backtest.point import Figures, Outcome
from naived.backtest.ranking import ranked
from naived.core.amount import Money, parse_money, parse_rate

pytest.importorskip("plotly", reason="plotly is not installed: pip install '.[backtest]'")

from naived.backtest.heatmap import page

PROFITS = Axis("profit", (parse_rate("0.001"), parse_rate("0.002")))
REBUYS = Axis("rebuy", (parse_rate("0.003"), parse_rate("0.006"), parse_rate("0.009")))
CHUNKS = Axis("chunks", (2, 5))


def figures(score: str, drawdown: str = "1") -> Figures:
    return Figures(parse_money(score), Money(parse_money(drawdown)), {"cycles": 3})


def drawn(text: str) -> tuple[list[Any], dict[str, Any]]:
    """What the page has plotly draw."""
    found = re.search(r"Plotly\.newPlot\(\s*\"[^\"]+\",\s*", text)
    assert found is not None
    decoder = json.JSONDecoder()
    data, end = decoder.raw_decode(text, found.end())
    layout, _ = decoder.raw_decode(text, text.index("{", end))
    return data, layout


def made(grid: Grid, outcomes: dict[tuple[int, ...], Outcome]) -> str:
    return page("a <sweep>", ["a note & more"], grid, ranked(grid, outcomes, {}))


def test_two_settings_are_four_maps_with_a_cell_for_each_point() -> None:
    grid = Grid((PROFITS, REBUYS), {})
    outcomes = {
        (0, 0): Outcome(figures("5", "2"), figures("-1", "3")),
        (1, 2): Outcome(figures("7", "4"), figures("6", "5")),
        (1, 1): Outcome(None, None, "too <small>"),
    }
    data, layout = drawn(made(grid, outcomes))
    assert [trace["z"] for trace in data] == [
        [[5, None], [None, None], [None, 7]],
        [[-1, None], [None, None], [None, 6]],
        [[2, None], [None, None], [None, 4]],
        [[3, None], [None, None], [None, 5]],
    ]
    assert (data[0]["x"], data[0]["y"]) == (["0.001", "0.002"], ["0.003", "0.006", "0.009"])
    assert data[0]["text"][1] == ["not run", "too &lt;small&gt;"]
    assert layout["xaxis"]["title"]["text"] == layout["xaxis4"]["title"]["text"] == "profit"
    assert layout["yaxis"]["title"]["text"] == "rebuy"
    assert "updatemenus" not in layout


def test_of_more_settings_a_menu_chooses_the_pair_and_a_cell_is_its_best_point() -> None:
    grid = Grid((CHUNKS, PROFITS, REBUYS), {})
    outcomes = {
        (0, 0, 0): Outcome(figures("5"), figures("1")),
        (0, 0, 1): Outcome(figures("8"), figures("2")),
        (1, 0, 0): Outcome(figures("3"), figures("9")),
    }
    data, layout = drawn(made(grid, outcomes))
    assert [trace["visible"] for trace in data] == [True] * 4 + [False] * 8
    assert data[0]["z"] == [[8, 3], [None, None]]
    assert data[1]["z"] == [[2, 9], [None, None]]
    (menu,) = layout["updatemenus"]
    assert [button["label"] for button in menu["buttons"]] == [
        "chunks · profit",
        "chunks · rebuy",
        "profit · rebuy",
    ]
    shown, names = menu["buttons"][2]["args"]
    assert shown["visible"] == [False] * 8 + [True] * 4
    assert (names["xaxis.title.text"], names["yaxis4.title.text"]) == ("profit", "rebuy")
    assert data[8]["z"] == [[5, None], [8, None], [None, None]]


@pytest.mark.parametrize(("axes", "point", "cells"), [((PROFITS,), (1,), [[None, 4]]), ((), (), [[4]])])
def test_one_setting_is_a_row_and_none_is_a_cell(
    axes: tuple[Axis, ...], point: tuple[int, ...], cells: Any
) -> None:
    data, _ = drawn(made(Grid(axes, {}), {point: Outcome(figures("4"))}))
    assert data[0]["z"] == cells
    assert data[1]["z"] == [[None] * len(cells[0])]


def test_the_page_needs_nothing_else_and_escapes_text() -> None:
    text = made(Grid((PROFITS,), {}), {(0,): Outcome(figures("4"))})
    assert "<title>a &lt;sweep&gt;</title>" in text
    assert "a note &amp; more" in text
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", text)
