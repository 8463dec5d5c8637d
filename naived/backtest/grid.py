"""The points of a sweep: the product of the values that each setting may have, in one order."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from naived.core.strategy.settings import DEFAULT_BUDGET, Settings

Point: TypeAlias = tuple[int, ...]
"""For each axis of a grid the index of its value. Points are ordered by it, the first axis most of all."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A setting that is swept, and its values, each once, in order."""

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """``fixed`` are settings that were given one value; what is neither fixed nor swept has its default."""

    axes: tuple[Axis, ...]
    fixed: Mapping[str, Any]

    @property
    def size(self) -> int:
        """How many points there are: 1 without axes."""
        return math.prod(len(axis.values) for axis in self.axes)

    def points(self) -> Iterator[Point]:
        """All points, in order."""
        for number in range(self.size):
            yield self.point(number)

    def point(self, number: int) -> Point:
        """The point at this place of the order, from 0."""
        found = []
        for axis in reversed(self.axes):
            number, index = divmod(number, len(axis.values))
            found.append(index)
        return tuple(reversed(found))

    def values(self, point: Point) -> dict[str, Any]:
        """The value of each swept setting."""
        return {axis.name: axis.values[index] for axis, index in zip(self.axes, point, strict=True)}

    def settings(self, point: Point) -> Settings:
        """The settings of a point; raises SettingsError for values that contradict each other."""
        return Settings(**{"budget": DEFAULT_BUDGET, **self.fixed, **self.values(point)})

    @property
    def given(self) -> frozenset[str]:
        """The settings that were asked for, one value or more."""
        return frozenset((*self.fixed, *(axis.name for axis in self.axes)))


def ordered(values: Sequence[Any]) -> tuple[Any, ...]:
    """Each value once: numbers ascending after None, which is a setting that is off; others as they are given."""
    once = list(dict.fromkeys(values))
    if all(value is None or isinstance(value, int) for value in once):
        once.sort(key=lambda value: -1 if value is None else value)
    return tuple(once)
