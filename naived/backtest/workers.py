"""Runs the points of a sweep: in this process, in several, or on a Dask cluster. The outcomes are always the same.

    points ──batches of about 0.2 s──> executor ──outcomes, in any order──> done(index, outcome)

1. A batch is as large as the time of the points so far says, so that the way to a worker costs little, and small
   enough near the end that no worker waits long for another.
2. A worker process that dies breaks its executor: a new one runs again what was on its way, once. If that ends the
   same way, the sweep ends with an error.
3. Workers end with this process, however it ends.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import active_children
from typing import Protocol, TypeAlias

from naived.backtest import children, point, sweep
from naived.backtest.point import Halves, Outcome, Terms
from naived.backtest.sweep import Done, Job, SweepError
from naived.core.strategy.settings import Settings

Told: TypeAlias = Callable[[int, Outcome], None]
"""Told of each outcome: its index among the points, and the outcome."""

_SECONDS = 0.2  # of a batch: a hundred times what it costs to send one to a Dask worker
_LARGEST = 64  # points of a batch: more would be many kilobytes to a worker, and much to run again
_AHEAD = 2  # batches that wait for each worker, so that none is ever without one
_LOOK = 2.0  # seconds without an outcome after which it is asked whether there are workers


class Workers(Protocol):
    def run(self, points: Sequence[Settings], done: Told) -> None:
        """Run all points, and tell of each as it comes; raises SweepError."""


@dataclass(frozen=True, slots=True)
class Serial:
    """All points in this process, one after the other."""

    halves: Halves
    terms: Terms

    def run(self, points: Sequence[Settings], done: Told) -> None:
        for index, settings in enumerate(points):
            done(index, point.run(self.halves, settings, self.terms))


@dataclass(slots=True)
class _Batch:
    indices: Sequence[int]
    again: bool = False  # a worker died while it was on its way


class Spread:
    """Batches over an executor with ``width`` workers; ``renew`` makes another in place of one that broke.

    ``look`` raises SweepError if no outcome can come any more though the executor is not broken.
    """

    def __init__(
        self,
        job: Job,
        width: int,
        executor: Executor,
        renew: Callable[[], Executor] | None = None,
        look: Callable[[], None] = lambda: None,
    ) -> None:
        self._job = job
        self._width = width
        self._executor = executor
        self._renew = renew
        self._look = look
        self._ran = 0
        self._seconds = 0.0

    def run(self, points: Sequence[Settings], done: Told) -> None:
        waiting = deque(range(len(points)))
        again: deque[_Batch] = deque()
        running: dict[Future[Done], _Batch] = {}
        while waiting or again or running:
            lost: list[_Batch] = []
            while len(running) < _AHEAD * self._width and (waiting or again) and not lost:
                batch = again.popleft() if again else self._next(waiting)
                try:
                    with children.no_interrupt():
                        future = self._executor.submit(
                            sweep.run, self._job, [points[each] for each in batch.indices]
                        )
                except BrokenExecutor:
                    lost.append(batch)
                else:
                    running[future] = batch
            finished = running if lost else wait(running, _LOOK, FIRST_COMPLETED).done
            if not finished:
                self._look()
            for future in list(finished):
                batch = running.pop(future)
                try:
                    result = future.result()
                except BrokenExecutor:
                    lost.append(batch)
                    continue
                self._ran += len(batch.indices)
                self._seconds += result.seconds
                for index, outcome in zip(batch.indices, result.outcomes, strict=True):
                    done(index, outcome)
            if lost:
                lost += running.values()  # they were on their way to the same executor
                running.clear()
                again.extend(self._once_more(lost))

    def _next(self, waiting: deque[int]) -> _Batch:
        """The next batch: points for about ``_SECONDS``, but a fair share of what is left at most."""
        each = self._seconds / self._ran if self._ran else _SECONDS
        fair = -(-len(waiting) // (_AHEAD * self._width))
        size = max(1, min(int(_SECONDS / max(each, 1e-9)), fair, _LARGEST))
        return _Batch([waiting.popleft() for _ in range(size)])

    def _once_more(self, lost: Sequence[_Batch]) -> Iterator[_Batch]:
        """What was lost with its worker, one point a batch, on a new executor; raises SweepError the next time."""
        if self._renew is None or any(batch.again for batch in lost):
            raise SweepError(
                "a worker died, and another one over the same points; if they were killed for want of memory, "
                "take fewer with --jobs N"
            )
        self._executor = self._renew()
        for batch in lost:
            for index in batch.indices:
                yield _Batch([index], again=True)


@dataclass(slots=True)
class _Pools:
    """The process pools of one sweep, of which only the last one is not broken."""

    jobs: int
    before: frozenset[int | None] = field(
        default_factory=lambda: frozenset(child.pid for child in active_children())
    )
    pools: list[ProcessPoolExecutor] = field(default_factory=list)

    def begin(self) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(self.jobs, children.CONTEXT, children.end_with_parent)
        self.pools.append(pool)
        return pool

    def end(self) -> None:
        """End all workers now, also those in the middle of a point."""
        for child in active_children():
            if child.pid not in self.before:
                child.terminate()
        for pool in self.pools:
            pool.shutdown(cancel_futures=True)


@contextmanager
def processes(job: Job, jobs: int) -> Iterator[Spread]:
    """Workers in processes of their own, which end with the context."""
    pools = _Pools(jobs)
    try:
        yield Spread(job, jobs, pools.begin(), pools.begin)
    finally:
        pools.end()
