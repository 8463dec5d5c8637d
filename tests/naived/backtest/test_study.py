from collections.abc import Sequence

import pytest

from naived.backtest.grid import Axis, Grid, Point

pytest.importorskip("optuna", reason="Optuna is not installed: pip install '.[search]'")

from naived.backtest.study import Scores, search

GRID = Grid((Axis("profit", tuple(range(1, 41))), Axis("rebuy", tuple(range(1, 41)))), {})


def hill(point: Point) -> int:
    """Highest at (30, 8)."""
    return 10**9 - 10**5 * ((point[0] - 30) ** 2 + (point[1] - 8) ** 2)


def generations(grid: Grid, count: int, seed: int) -> list[list[Point]]:
    asked: list[list[Point]] = []

    def run(points: Sequence[Point]) -> Scores:
        asked.append(list(points))
        return [hill(point) for point in points]

    search(grid, count, seed, run)
    return asked


def test_the_same_seed_asks_for_the_same_points_and_another_seed_for_others() -> None:
    assert generations(GRID, 60, 7) == generations(GRID, 60, 7)
    assert generations(GRID, 60, 7) != generations(GRID, 60, 8)


def test_so_many_different_points_are_run() -> None:
    points = [point for generation in generations(GRID, 61, 1) for point in generation]
    assert len(points) == len(set(points)) == 61
    assert all(0 <= index < 40 for point in points for index in point)


def test_it_finds_better_points_than_it_began_with() -> None:
    found = generations(GRID, 112, 3)
    assert max(map(hill, found[-1])) > max(map(hill, found[0]))


def test_nearly_all_points_of_a_small_grid_are_found() -> None:
    grid = Grid((Axis("profit", tuple(range(6))), Axis("rebuy", tuple(range(5)))), {})
    points = [point for generation in generations(grid, 29, 1) for point in generation]
    assert len(set(points)) == 29


def test_points_that_cannot_be_run_are_asked_for_once() -> None:
    asked: list[Point] = []

    def run(points: Sequence[Point]) -> Scores:
        asked.extend(points)
        return [hill(point) if point[0] % 2 else None for point in points]

    search(GRID, 48, 1, run)
    assert len(set(asked)) == len(asked) == 48
