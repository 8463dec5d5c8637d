"""A database that takes its time: what is asked of it waits for its turn, and the answer for its way back.

Otherwise each question and each transaction is one step of trio's, and nothing happens in the same process between
a question and its answer. As with the threads of naived, commits that wait are written together, the calls of one
connection are made one after the other, and whoever is cancelled meanwhile does not know whether it was done.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar
from unittest.mock import patch

import sqlalchemy as sa
import trio

from naived.core.risk import OverLimit
from naived.database import journal
from naived.database.cluster import Transactions
from naived.database.reader import Reader
from naived.database.store import Store, Work
from naived.database.writer import GROUP, inline
from naived.ports import JournalError
from tests.simulation.process import standing

T = TypeVar("T")

_PATIENCE = 8.0  # seconds that a reading may take, if whoever asks does not say it


@contextmanager
def slow_database() -> Iterator[None]:
    """Within, the database of a process is as slow as its disk says."""
    do, read = Transactions.do, Reader.read

    async def slowly_do(self: Transactions, work: Callable[[sa.Connection], T]) -> T:
        process = standing()
        if process is None or not process.slow:
            return await do(self, work)
        turn: trio.Lock = self.__dict__.setdefault("turn", trio.Lock())
        async with turn:
            try:
                await trio.sleep(process.lag())
            except trio.Cancelled:
                process.leave_behind(lambda: self._run(work))
                raise
            result = self._run(work)
            await trio.sleep(process.lag())
            return result

    async def slowly_read(
        self: Reader, query: Callable[[sa.Connection], T], *, listing: bool = False, within: float | None = None
    ) -> T:
        process = standing()
        if process is None or not process.slow:
            return await read(self, query, listing=listing, within=within)
        with trio.move_on_after(_PATIENCE if within is None else within):
            await trio.sleep(process.lag())
            result = self.run(query)
            await trio.sleep(process.lag())
            return result
        raise JournalError("the database cannot be read now: no answer in time")

    with ExitStack() as patches:
        for owner, name, new in (
            (Transactions, "do", slowly_do),
            (Reader, "read", slowly_read),
            (journal, "inline", _Writer.of),
        ):
            patches.enter_context(patch.object(owner, name, new))
        yield


class _Ticket:
    def __init__(self, work: Work) -> None:
        self.work = work
        self.done = False
        self.outcome: Any = None


class _Writer:
    """As ``writer.inline``, and while the database is slow as the thread: what waits is written together."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._at_once = inline(store)
        self._waiting: deque[_Ticket] = deque()
        self._turn = trio.Lock()

    @staticmethod
    def of(store: Store) -> Callable[[Work], Awaitable[OverLimit | None]]:
        return _Writer(store).submit

    async def submit(self, work: Work) -> OverLimit | None:
        process = standing()
        if process is None or not (process.slow or self._waiting):
            return await self._at_once(work)
        ticket = _Ticket(work)
        self._waiting.append(ticket)
        with trio.CancelScope(shield=True):
            async with self._turn:
                if not ticket.done:
                    await trio.sleep(process.lag())
                    self._write([self._waiting[number] for number in range(min(GROUP, len(self._waiting)))])
                    await trio.sleep(process.lag())
        if isinstance(ticket.outcome, JournalError):
            raise ticket.outcome
        outcome: OverLimit | None = ticket.outcome
        return outcome

    def _write(self, group: Sequence[_Ticket]) -> None:
        outcomes = self._store.apply([ticket.work for ticket in group])
        for ticket, outcome in zip(group, outcomes, strict=True):
            self._waiting.popleft()
            ticket.done, ticket.outcome = True, outcome
