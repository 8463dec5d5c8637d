"""A breadth-first checker: every state that a model can reach, or the shortest way to one that must not be.

A state is a tuple of hashable parts. Each different part is stored once and has a number; a state is remembered as
one integer made of the numbers of its parts, with that of the state before it. Two states that differ only in which
node is which are one: the nodes are the parts ``NODES``, and ``Model.mirrored`` exchanges them. So are states that
``Model.alike`` names.
"""

import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

State: TypeAlias = tuple[Any, ...]

NODES = (2, 3)  # the places of the two nodes in a state
_BITS = 24  # of the number of a part: 16 million different ones


@dataclass(frozen=True, slots=True)
class Step:
    """What happens, in words; what is true after it; and what it breaks, if it breaks anything."""

    words: str
    state: State
    broken: str | None = None


class Model(Protocol):
    """``steps`` are all that can happen in a state. ``settled``: nothing has to happen any more."""

    def initial(self) -> State: ...

    def steps(self, state: State) -> Iterator[Step]: ...

    def broken(self, state: State) -> str | None: ...

    def alike(self, state: State) -> tuple[State, ...]: ...

    def mirrored(self, state: State) -> State: ...

    def settled(self, state: State) -> bool: ...


@dataclass(frozen=True, slots=True)
class Result:
    """``broken`` with the ``trace`` that leads to it, or None after all ``states`` were seen.

    ``stuck``: states from which nothing that can happen leads to a settled one; None if that was not asked.
    ``complete``: no limit ended the search.
    """

    states: int
    steps: int
    depth: int
    seconds: float
    complete: bool = True
    broken: str | None = None
    trace: tuple[str, ...] = ()
    stuck: int | None = None


class _Numbers:
    """Numbers of states: each different part is kept once."""

    def __init__(self, parts: int) -> None:
        self._number: list[dict[Any, int]] = [{} for _ in range(parts)]
        self._part: list[list[Any]] = [[] for _ in range(parts)]
        one, other = NODES
        self._number[other], self._part[other] = self._number[one], self._part[one]

    def of_part(self, place: int, part: Any) -> int:
        numbers = self._number[place]
        number = numbers.get(part)
        if number is None:
            parts = self._part[place]
            number = numbers[part] = len(parts)
            parts.append(part)
        return number

    def number(self, state: State) -> int:
        packed = 0
        for place, part in enumerate(state):
            packed = packed << _BITS | self.of_part(place, part)
        return packed

    def state(self, packed: int) -> State:
        mask = (1 << _BITS) - 1
        reversed_parts = []
        for parts in reversed(self._part):
            reversed_parts.append(parts[packed & mask])
            packed >>= _BITS
        return tuple(reversed(reversed_parts))


class Search:
    """All states of a model, level by level."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._numbers = _Numbers(len(model.initial()))

    def _key(self, state: State) -> int:
        """The number of the state and of all that are like it."""
        alike = self._model.alike(state)
        return self._key_of(alike[0]) if len(alike) == 1 else min(map(self._key_of, alike))

    def _key_of(self, state: State) -> int:
        numbers = self._numbers
        one, other = (numbers.of_part(place, state[place]) for place in NODES)
        if one < other:
            return numbers.number(state)
        mirrored = numbers.number(self._model.mirrored(state))
        return mirrored if one > other else min(mirrored, numbers.number(state))

    def run(self, most: int | None = None, *, progress: bool = False) -> Result:
        """Until all states are seen, something is broken, or there are ``most`` of them.

        ``progress`` also asks whether every state can lead to a settled one; it takes the memory of all steps.
        """
        began = time.process_time()
        model, numbers = self._model, self._numbers
        first = self._key(model.initial())
        before: dict[int, int] = {first: -1}
        level, depth, steps = [first], 0, 0
        edges = _Edges() if progress else None
        while level:
            following = []
            for key in level:
                for step in model.steps(numbers.state(key)):
                    steps += 1
                    after = self._key(step.state)
                    new = after not in before
                    if new:
                        before[after] = key
                    broken = step.broken or (model.broken(step.state) if new else None)
                    if broken:
                        seconds = time.process_time() - began
                        trace = self._trace(before, key, broken)
                        return Result(len(before), steps, depth + 1, seconds, broken=broken, trace=trace)
                    if new:
                        following.append(after)
                    if edges is not None:
                        edges.add(key, after)
            level = following
            depth += bool(level)
            if most is not None and len(before) >= most:
                return Result(len(before), steps, depth, time.process_time() - began, complete=False)
        stuck = None
        if edges is not None:
            stuck = edges.stuck([model.settled(numbers.state(key)) for key in before], before)
        return Result(len(before), steps, depth, time.process_time() - began, stuck=stuck)

    def _trace(self, before: dict[int, int], key: int, broken: str) -> tuple[str, ...]:
        """The words of the way to ``key`` and of the step that breaks, each node with one name throughout."""
        way = [key]
        while before[way[-1]] != -1:
            way.append(before[way[-1]])
        state, words = self._model.initial(), []
        for wanted in reversed(way[:-1]):
            step = next(step for step in self._model.steps(state) if self._key(step.state) == wanted)
            state = step.state
            words.append(step.words)
        last = next(s for s in self._model.steps(state) if broken in (s.broken, self._model.broken(s.state)))
        return (*words, last.words)


class _Edges:
    """All steps between states, backwards; a state counts by its place in the order of discovery."""

    def __init__(self) -> None:
        self._from: list[int] = []
        self._to: list[int] = []

    def add(self, before: int, after: int) -> None:
        self._from.append(before)
        self._to.append(after)

    def stuck(self, settled: list[bool], order: dict[int, int]) -> int:
        """How many states cannot reach a settled one."""
        place = {key: index for index, key in enumerate(order)}
        into: list[array[int]] = [array("l") for _ in place]
        for before, after in zip(self._from, self._to, strict=True):
            into[place[after]].append(place[before])
        good = list(settled)
        waiting = [index for index, each in enumerate(good) if each]
        while waiting:
            for index in into[waiting.pop()]:
                if not good[index]:
                    good[index] = True
                    waiting.append(index)
        return good.count(False)
