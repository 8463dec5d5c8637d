"""The one thread that writes: it commits in groups what many tasks hand in, and tells each its outcome.

A commit costs a round trip to the disk whatever its size, so units that arrive while one is under way share the
next. A trio task cannot commit by itself without stopping all the others; a thread hop per unit would cost more
than the commit.
"""

import queue
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import trio

from naived.database.store import Outcome, Store, Work
from naived.ports import JournalError

GROUP = 500  # units: bounds one transaction to some 100 ms
WAITING = 10_000  # units: a symbol waits for its unit before the next, so this many symbols would have to wait
HANGING = 5.0  # seconds a work may take until the database counts as hung; it takes milliseconds

Submit: TypeAlias = Callable[[Work], Awaitable[None]]


@dataclass(slots=True, eq=False)
class _Ticket:
    """A work and its waiting task since when (trio time); ``outcome`` holds once ``done`` is set."""

    work: Work
    since: float
    done: trio.Event = field(default_factory=trio.Event)
    outcome: Outcome = None


class Writer:
    """Bounded queue, thread, acknowledgements. Made in the trio thread; ``run`` is the thread's."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._token = trio.lowlevel.current_trio_token()
        self._tickets: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
        self._waiting: deque[_Ticket] = deque()  # in the order of the calls, which is that of the outcomes
        self._closed = False

    async def submit(self, work: Work) -> None:
        """Works are committed in the order of the calls: nothing is awaited before the queue.

        A work that was handed in is not abandoned when its task is cancelled: it returns or raises first.
        """
        if self._closed:
            raise JournalError("the journal is closed")
        if len(self._waiting) >= WAITING:
            raise JournalError(f"the database does not keep up: {len(self._waiting)} changes wait for it")
        ticket = _Ticket(work, trio.current_time())
        self._waiting.append(ticket)
        self._tickets.put(ticket)
        with trio.CancelScope(shield=True):
            await ticket.done.wait()
        if ticket.outcome is not None:
            raise ticket.outcome

    def hanging(self) -> str | None:
        """Why nothing becomes durable now: the oldest work has been waiting for too long; None if none has."""
        if not self._waiting or trio.current_time() - self._waiting[0].since < HANGING:
            return None
        return f"the database does not answer: a change has been waiting for it for more than {HANGING:.0f} s"

    def close(self) -> None:
        """Take nothing more; what was handed in is still written."""
        self._closed = True
        self._tickets.put(None)

    def run(self) -> None:
        open_ = True
        while open_:
            group, open_ = self._next_group()
            if group:
                outcomes = self._apply([ticket.work for ticket in group])
                self._token.run_sync_soon(self._acknowledge, group, outcomes)

    def _next_group(self) -> tuple[list[_Ticket], bool]:
        """The tickets that wait, at least one; False once the queue was closed behind them."""
        group: list[_Ticket] = []
        ticket = self._tickets.get()
        while ticket is not None:
            group.append(ticket)
            if len(group) == GROUP:
                return group, True
            try:
                ticket = self._tickets.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _apply(self, works: Sequence[Work]) -> list[Outcome]:
        try:
            return self._store.apply(works)
        except Exception as error:  # a bug of ours: those who wait must be told, and the thread must go on
            return [_broken(error) for _ in works]

    def _acknowledge(self, group: Sequence[_Ticket], outcomes: Sequence[Outcome]) -> None:
        for ticket, outcome in zip(group, outcomes, strict=True):
            self._waiting.popleft()
            ticket.outcome = outcome
            ticket.done.set()


def _broken(error: Exception) -> JournalError:
    broken = JournalError(f"the journal's writer failed: {error!r}. This is a bug in naived")
    broken.__cause__ = error
    return broken


@asynccontextmanager
async def writer_thread(store: Store) -> AsyncIterator[Writer]:
    """Run the thread during the block, and at its end until everything that was handed in is written."""
    writer = Writer(store)
    # A daemon thread: a second signal ends the process at once. What was acknowledged is on the disk by then.
    thread = threading.Thread(target=writer.run, name="naived-journal", daemon=True)
    thread.start()
    try:
        yield writer
    finally:
        writer.close()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(thread.join)


def inline(store: Store) -> Submit:
    """The same without a thread, blocking the loop: for a simulation that must run the same way every time."""

    async def submit(work: Work) -> None:
        (outcome,) = store.apply([work])
        await trio.lowlevel.cancel_shielded_checkpoint()
        if outcome is not None:
            raise outcome

    return submit
