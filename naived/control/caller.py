"""The client that waits for an answer. When it disconnects, the server ends its waits."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import trio


class Caller:
    """One client during one request. If it disconnects, the request is still performed; only its waits end."""

    def __init__(self) -> None:
        self._waits: set[trio.CancelScope] = set()
        self._gone = False

    @contextmanager
    def waiting(self, deadline: float = math.inf) -> Iterator[None]:
        """Cancel the block when the client is gone, or at the deadline (trio time); nothing is raised then."""
        with trio.CancelScope(deadline=deadline) as scope:
            if self._gone:
                scope.cancel()
            self._waits.add(scope)
            try:
                yield
            finally:
                self._waits.discard(scope)

    def leave(self) -> None:
        """The client is gone: end its waits, and later ones at once."""
        self._gone = True
        for scope in self._waits:
            scope.cancel()
