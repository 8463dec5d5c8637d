"""Runs the queries of a journal: in threads, on connections of their own that cannot write, or inline."""

from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa
import trio
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from naived.database.engine import READERS, cause, damaged
from naived.database.reading import UNREADABLE, unreadable
from naived.database.sqlite_file import is_damage
from naived.ports import CorruptError, JournalError

T = TypeVar("T")

_PATIENCE = 8.0  # seconds for a query: less than a client waits, so that it gets the reason for a failure


class Reader:
    """Runs queries, in threads or inline. After ``close`` each connection is closed when its last query ends."""

    def __init__(self, address: URL, engine: sa.Engine, threads: bool) -> None:
        self._address = address
        self._engine = engine
        self._pool = engine.pool
        self._closed = False
        # Listings share one connection, so that many of them cannot delay the load of a symbol.
        self._limiters = (trio.CapacityLimiter(READERS - 1), trio.CapacityLimiter(1)) if threads else None

    async def read(
        self, query: Callable[[sa.Connection], T], *, listing: bool = False, within: float | None = None
    ) -> T:
        """Raises JournalError, also without an answer ``within`` seconds (8): the database or others may hang."""
        if self._limiters is None:
            await trio.lowlevel.checkpoint()
            return self.run(query)
        limiter = self._limiters[listing]
        within = _PATIENCE if within is None else within
        with trio.move_on_after(within):
            return await trio.to_thread.run_sync(self.run, query, limiter=limiter, abandon_on_cancel=True)
        raise JournalError(f"the database cannot be read now: no answer for {within:.0f} s")

    def run(self, query: Callable[[sa.Connection], T]) -> T:
        """Raises JournalError."""
        try:
            with self._engine.begin() as connection:
                return query(connection)
        except SQLAlchemyError as error:
            text = cause(error)
            if is_damage(text):
                raise damaged(self._address, text) from error
            raise JournalError(f"the database cannot be read now: {text}") from error
        except UNREADABLE as error:
            raise CorruptError(f"the database {unreadable(error)}") from error
        finally:
            if self._closed:  # closed during the query: the connection has just gone back into the pool
                self._pool.dispose()

    def close(self) -> None:
        """Does not wait for running queries: each closes its connection itself."""
        self._closed = True
        self._pool.dispose()
