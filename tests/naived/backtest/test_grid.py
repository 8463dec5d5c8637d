from naived.backtest.grid import Axis, Grid, ordered
from naived.core.amount import parse_money, parse_rate
from naived.core.strategy.settings import DEFAULT_BUDGET

PROFITS = (parse_rate("0.001"), parse_rate("0.002"), parse_rate("0.003"))


def test_points_are_the_product_and_the_first_axis_varies_last() -> None:
    grid = Grid((Axis("chunks", (2, 5)), Axis("profit", PROFITS)), {})
    assert grid.size == 6
    assert list(grid.points()) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert [grid.point(number) for number in range(grid.size)] == sorted(grid.points())
    assert grid.values((1, 2)) == {"chunks": 5, "profit": PROFITS[2]}


def test_a_point_has_what_was_given_and_defaults() -> None:
    grid = Grid((Axis("profit", PROFITS),), {"chunks": 3})
    settings = grid.settings((1,))
    assert (settings.profit, settings.chunks, settings.budget) == (PROFITS[1], 3, DEFAULT_BUDGET)
    assert grid.given == {"profit", "chunks"}


def test_a_budget_that_was_given_replaces_the_default() -> None:
    assert Grid((), {"budget": parse_money("50")}).settings(()).budget == parse_money("50")


def test_without_a_swept_setting_there_is_one_point() -> None:
    grid = Grid((), {})
    assert list(grid.points()) == [()]


def test_values_are_ascending_each_once_and_off_comes_first() -> None:
    assert ordered([3, 1, 3, None, 2]) == (None, 1, 2, 3)
    assert ordered([("b", 1), ("a", 2), ("b", 1)]) == (("b", 1), ("a", 2))
