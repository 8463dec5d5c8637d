from collections.abc import Mapping

import pytest

from naived.backtest.grid import Axis, Grid, Point
from naived.backtest.point import Figures, Outcome
from naived.backtest.ranking import Ranked, ranked
from naived.cli import ranking_table
from naived.core.amount import Money, parse_money, parse_rate

PROFITS = Axis("profit", (parse_rate("0.001"), parse_rate("0.002")))
REBUYS = Axis("rebuy", (parse_rate("0.003"), parse_rate("0.006")))
FLOORS = Axis("floor", (None, 2000 * 10**8))
DEVIATIONS = Axis("max_deviation", (parse_rate("0.05"), parse_rate("0.1")))
GRID = Grid((PROFITS, REBUYS), {})


def figures(score: str, drawdown: str, cycles: int = 12) -> Figures:
    return Figures(parse_money(score), Money(parse_money(drawdown)), {"cycles": cycles})


def points(grid: Grid, outcomes: Mapping[Point, Outcome]) -> list[Ranked]:
    return ranked(grid, outcomes, {})


OUTCOMES = {
    (0, 1): Outcome(figures("123.456789", "40.1"), figures("-7.8", "1234.5", 7)),
    (1, 0): Outcome(figures("-3.4", "17")),
    (1, 1): Outcome(None, None, "too small to trade (NOTIONAL): the least budget is 25.9974 USDT"),
}


def test_in_a_pipe_each_point_is_a_line_with_amounts_in_full() -> None:
    text = ranking_table.plain(GRID, points(GRID, OUTCOMES))
    assert text.splitlines() == [
        "PROFIT  REBUY   PROFIT IN  DRAWDOWN IN  CYCLES IN  PROFIT OUT  DRAWDOWN OUT  CYCLES OUT  REASON",
        " 0.001  0.006  123.456789         40.1         12        -7.8        1234.5           7  -",
        " 0.002  0.003        -3.4           17         12           -             -           -  -",
        " 0.002  0.006           -            -          -           -             -           -  "
        "too small to trade (NOTIONAL): the least budget is 25.9974 USDT",
    ]


@pytest.mark.parametrize("axes", [(), (PROFITS,), (PROFITS, REBUYS, FLOORS), (PROFITS, REBUYS, FLOORS, DEVIATIONS)])
@pytest.mark.parametrize("reason", [None, "too small to trade (NOTIONAL): the least budget is 25.9974 USDT"])
def test_on_a_terminal_it_fits_80_columns_and_no_figure_is_cut(
    axes: tuple[Axis, ...], reason: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    grid = Grid(axes, {})
    first, last = grid.point(0), grid.point(grid.size - 1)
    outcomes = {last: Outcome(None, None, reason)} if reason else {}
    outcomes[first] = Outcome(figures("12345.678", "2345.1", 12345), figures("-1234.5", "99999.9", 99))
    ranking_table.draw(grid, points(grid, outcomes))
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    for text in ("12345 ", "2345 ", "-1234 ", "99999 ", "PROFIT", "DRAWDOWN", "CYCLES"):
        assert text in shown
    assert "…" not in shown
    assert "".join(reason.split() if reason and axes else []) in "".join(shown.split()) or axes


def test_small_amounts_keep_their_digits_and_large_ones_their_size(capsys: pytest.CaptureFixture[str]) -> None:
    grid = Grid((PROFITS,), {})
    ranking_table.draw(grid, points(grid, {(0,): Outcome(figures("0.00012345", "0.1"))}))
    assert "0.00012345" in capsys.readouterr().out
    ranking_table.draw(grid, points(grid, {(0,): Outcome(figures("-12.34567", "0.1"))}))
    assert "-12.345 " in capsys.readouterr().out
