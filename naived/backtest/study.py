"""A seeded search: which points of a grid to run, by what the points before earned. Needs Optuna.

Points are asked for in generations of one size, and told in the order in which they were asked for: so the same
seed asks for the same points with any number of workers.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import optuna
from optuna.trial import Trial, TrialState

from naived.backtest.grid import Grid, Point

Scores: TypeAlias = Sequence[int | None]
"""What points earned, in 10^-8; None for a point that could not be run."""

_GENERATION = 16  # points that are asked for at once: as many as most machines have cores
_REPEATS = 20  # points in a row that were asked for before, after which one is drawn that was not


def search(grid: Grid, count: int, seed: int, run: Callable[[Sequence[Point]], Scores]) -> None:
    """Run ``count`` different points of a grid that has more; ``run`` gets a generation and returns its scores."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    asking = _Asking(grid, study, random.Random(seed))
    while (left := count - len(asking.known)) > 0:
        asked = list(asking.generation(min(_GENERATION, left)))
        scores = run([point for _, point in asked])
        for (trial, point), score in zip(asked, scores, strict=True):
            asking.tell(trial, point, score)


class _Asking:
    def __init__(self, grid: Grid, study: optuna.Study, draw: random.Random) -> None:
        self.known: dict[Point, int | None] = {}
        self._grid = grid
        self._study = study
        self._draw = draw

    def generation(self, size: int) -> Iterator[tuple[Trial, Point]]:
        """So many points that were never asked for."""
        asked: set[Point] = set()
        repeats = 0
        while len(asked) < size:
            if repeats >= _REPEATS:
                self._enqueue(self._unknown(asked))
            trial = self._study.ask()
            point = tuple(trial.suggest_int(axis.name, 0, len(axis.values) - 1) for axis in self._grid.axes)
            if point in asked:
                repeats += 1
                self._study.tell(trial, state=TrialState.FAIL)
            elif point in self.known:
                repeats += 1
                self.tell(trial, point, self.known[point])
            else:
                repeats = 0
                asked.add(point)
                yield trial, point

    def tell(self, trial: Trial, point: Point, score: int | None) -> None:
        self.known[point] = score
        if score is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, float(score))  # the sampler only compares them

    def _unknown(self, asked: set[Point]) -> Point:
        while True:
            point = self._grid.point(self._draw.randrange(self._grid.size))
            if point not in asked and point not in self.known:
                return point

    def _enqueue(self, point: Point) -> None:
        self._study.enqueue_trial({axis.name: index for axis, index in zip(self._grid.axes, point, strict=True)})
