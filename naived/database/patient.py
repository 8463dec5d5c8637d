"""A PostgreSQL connection that waits for its server for a limited time.

The server's own timeouts do nothing while it hangs, and those of TCP nothing as long as somebody acknowledges: a
stopped process, a proxy that swallows bytes, a Unix socket. Only this side of the connection can end such a wait.
"""

from collections.abc import Generator
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg import OperationalError

T = TypeVar("T")

PATIENCE = 12.0  # seconds: a server that lives has ended any statement of ours by then


class PatientConnection(psycopg.Connection[Any]):
    """Ends itself, and raises OperationalError, when its server takes longer than ``PATIENCE`` to answer."""

    def wait(self, gen: Generator[Any, Any, T], *arguments: Any, **options: Any) -> T:
        return super().wait(self._bounded(gen), *arguments, **options)

    def _bounded(self, steps: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        """The same steps, resumed by psycopg several times a second even if the server says nothing."""
        deadline = monotonic() + PATIENCE
        try:
            wanted = next(steps)
            while True:
                ready = yield wanted
                if not ready and monotonic() >= deadline:
                    self.close()  # nobody reads what it answers later
                    raise OperationalError(f"the server has not answered for {PATIENCE:.0f} s")
                wanted = steps.send(ready)
        except StopIteration as end:
            result: T = end.value
            return result
