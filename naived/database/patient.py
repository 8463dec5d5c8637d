"""A PostgreSQL connection with a client-side timeout for every answer of its server.

The server's own timeouts do not work while it hangs. TCP's do not work as long as bytes are acknowledged: by a
stopped process, by a proxy that drops bytes, on a Unix socket. Only the client can end such a wait.
"""

from collections.abc import Generator
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg import OperationalError

T = TypeVar("T")


class PatientConnection(psycopg.Connection[Any]):
    """Closes itself and raises OperationalError if its server takes longer than ``patience`` seconds to answer."""

    patience: float  # set by ``engine.py`` on each connection

    def wait(self, gen: Generator[Any, Any, T], *arguments: Any, **options: Any) -> T:
        return super().wait(self._bounded(gen), *arguments, **options)

    def _bounded(self, steps: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        """The same steps with a deadline; psycopg resumes them several times a second even without an answer."""
        deadline = monotonic() + self.patience
        try:
            wanted = next(steps)
            while True:
                ready = yield wanted
                if not ready and monotonic() >= deadline:
                    self.close()  # no code would read a late answer
                    raise OperationalError(f"the server has not answered for {self.patience:.0f} s")
                wanted = steps.send(ready)
        except StopIteration as end:
            result: T = end.value
            return result
