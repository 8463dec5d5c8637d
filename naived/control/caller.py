"""Whoever waits for an answer, and the end of that wait when they leave."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import trio


class Caller:
    """One client for the time of one request. What it asked for is done all the same; only its waits end early."""

    def __init__(self) -> None:
        self._waits: set[trio.CancelScope] = set()
        self._gone = False

    @contextmanager
    def waiting(self, deadline: float = math.inf) -> Iterator[None]:
        """Cancel the block when the client is gone, or at the deadline (trio time); nothing is raised behind it."""
        with trio.CancelScope(deadline=deadline) as scope:
            if self._gone:
                scope.cancel()
            self._waits.add(scope)
            try:
                yield
            finally:
                self._waits.discard(scope)

    def leave(self) -> None:
        """The client is gone: every wait of it ends, those to come at once."""
        self._gone = True
        for scope in self._waits:
            scope.cancel()
