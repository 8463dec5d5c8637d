"""Whose task runs, and processes that are stopped: SIGSTOP and SIGCONT in one event loop.

Of a stopped process no task makes a step. Whatever wakes one of them, a frame, a deadline, a cancellation, has
happened by the time it goes on, as for a real process; the rest of the world does not wait.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from unittest.mock import patch

import trio


class Tasks:
    """The tasks of one process; ``stopped`` while they stand still, ``missed`` so many seconds in all."""

    def __init__(self) -> None:
        self.stopped = False
        self.missed = 0.0
        self._since = 0.0
        self._woken: list[trio.lowlevel.Task] = []

    def stop(self) -> None:
        self.stopped = True
        self._since = trio.current_time()

    def go_on(self) -> None:
        """In the order in which they were woken."""
        self.stopped = False
        self.missed += trio.current_time() - self._since
        runner: Any = trio._core._run.GLOBAL_RUN_CONTEXT.runner
        runner.runq.extend(self._woken)
        self._woken.clear()

    def hold(self, task: trio.lowlevel.Task) -> None:
        self._woken.append(task)


CURRENT: ContextVar[Tasks | None] = ContextVar("tasks", default=None)  # those of the process whose task runs


@contextmanager
def inside(tasks: Tasks | None) -> Iterator[None]:
    """Every task that is begun within is one of these; None: of no process."""
    token = CURRENT.set(tasks)
    try:
        yield
    finally:
        CURRENT.reset(token)


@contextmanager
def stoppable() -> Iterator[None]:
    """Processes can be stopped within."""
    runner: Any = trio._core._run.Runner
    reschedule: Callable[..., None] = runner.reschedule

    def wake(self: Any, task: trio.lowlevel.Task, *outcome: Any) -> None:
        reschedule(self, task, *outcome)
        tasks = task.context.get(CURRENT)
        if tasks is not None and tasks.stopped:
            self.runq.pop()
            tasks.hold(task)

    with patch.object(runner, "reschedule", wake):
        yield
