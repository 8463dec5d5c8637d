"""The points of a sweep in order, as documents and as rows of a table.

The best is first: the most profit in sample, realised and not; of two that are equal the one that comes first in
the grid. Points without figures are last. The order never depends on which worker was done first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from naived.backtest import documents
from naived.backtest.grid import Grid, Point
from naived.backtest.point import Figures, Outcome
from naived.core.strategy.settings import Settings

Document: TypeAlias = dict[str, Any]

ORDER = "in_sample.profit + in_sample.unrealized_profit, highest first; ties by settings"


@dataclass(frozen=True, slots=True)
class Ranked:
    """``settings`` is None where the values of the point contradict each other."""

    point: Point
    settings: Settings | None
    outcome: Outcome


def ranked(grid: Grid, outcomes: Mapping[Point, Outcome], settings: Mapping[Point, Settings]) -> list[Ranked]:
    """All points that were run, the best first."""

    def place(point: Point) -> tuple[int, int, Point]:
        figures = outcomes[point].in_sample
        return (1, 0, point) if figures is None else (0, -figures.score, point)

    return [Ranked(point, settings.get(point), outcomes[point]) for point in sorted(outcomes, key=place)]


def document(grid: Grid, each: Ranked) -> Document:
    """One entry of ``points``."""
    outcome = each.outcome
    shown = grid.values(each.point) if each.settings is None else documents.settings(each.settings)
    if each.settings is None:
        shown = documents.setting_texts({**grid.fixed, **shown})
    return {
        "settings": shown,
        "in_sample": _summary(outcome.in_sample),
        "out_of_sample": _summary(outcome.out_of_sample),
        "reason": outcome.reason,
    }


def _summary(figures: Figures | None) -> Document | None:
    return None if figures is None else figures.summary


def swept(grid: Grid, each: Ranked) -> Document:
    """The texts of the settings that differ between points."""
    return documents.setting_texts(grid.values(each.point))


def best(points: Sequence[Ranked]) -> Ranked | None:
    """The first point, if it has figures."""
    return points[0] if points and points[0].outcome.in_sample is not None else None
