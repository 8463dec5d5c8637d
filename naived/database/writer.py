"""The only thread that writes: it commits in groups what many tasks submit, and reports to each its outcome.

A commit costs a round trip to the disk whatever its size, so units that arrive during one commit share the next. A
commit in a trio task would block all other tasks; a thread call per unit would cost more than the commit.
"""

import queue
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import trio

from naived.core.risk import OverLimit
from naived.database.store import Outcome, Store, Work
from naived.ports import ConflictError, DeploymentError, JournalError, Unit

GROUP = 500  # units: bounds one transaction to about 100 ms
WAITING = 10_000  # units; a symbol submits one at a time, so this many symbols would have to wait
_LOOK = 1.0  # seconds between two looks at the files of an idle database
HANGING = 5.0  # seconds after which the database counts as hung; a commit takes milliseconds
REFUSING = 2.0  # seconds of refusals after which it counts as away: one that is not repeated is nobody's concern

Submit: TypeAlias = Callable[[Work], Awaitable[OverLimit | None]]


@dataclass(slots=True, eq=False)
class _Ticket:
    """A work, submitted at ``since`` (trio time); ``outcome`` is valid once ``done`` is set."""

    work: Work
    since: float
    done: trio.Event = field(default_factory=trio.Event)
    outcome: Outcome = None


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Nothing was written since the work of ``since`` (trio time); ``why`` is what was said last."""

    since: float
    why: str


class Writer:
    """A bounded queue and its acknowledgements. Made in the trio thread; ``run`` runs in the writer's thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._token = trio.lowlevel.current_trio_token()
        self._tickets: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
        self._waiting: deque[_Ticket] = deque()  # in the order of the calls; outcomes come in the same order
        self._refusal: _Refusal | None = None  # set in the trio thread
        self._closed = False

    async def submit(self, work: Work) -> OverLimit | None:
        """Commit one work, in the order of the calls: nothing is awaited before it is queued. Raises JournalError.

        Once queued it is not abandoned if its task is cancelled: the call returns or raises first.
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
        return _written(ticket.outcome)

    def hanging(self) -> str | None:
        """Why nothing becomes durable now; None if it does.

        The files are not in their place, all was refused for REFUSING, or the oldest work has waited for HANGING.
        """
        if self._store.lost is not None:
            return self._store.lost
        now = trio.current_time()
        if self._refusal is not None and now - self._refusal.since >= REFUSING:
            return self._refusal.why
        if not self._waiting or now - self._waiting[0].since < HANGING:
            return None
        return f"the database does not answer: a change has been waiting for it for more than {HANGING:.0f} s"

    def close(self) -> None:
        """Accept nothing more; what is queued is still written."""
        self._closed = True
        self._tickets.put(None)

    def run(self) -> None:
        open_ = True
        while open_:
            group, open_ = self._next_group()
            if group:
                self._write(group)

    def _next_group(self) -> tuple[list[_Ticket], bool]:
        """Wait for tickets, then take all that wait (at most GROUP); False if the queue was closed after them."""
        group: list[_Ticket] = []
        ticket = self._first()
        while ticket is not None:
            group.append(ticket)
            if len(group) == GROUP:
                return group, True
            try:
                ticket = self._tickets.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _first(self) -> _Ticket | None:
        """The next ticket; while none comes, look after the database; one that refused is asked again."""
        while True:
            try:
                return self._tickets.get(timeout=_LOOK)
            except queue.Empty:
                self._store.look()
                if self._refusal is not None:
                    self._write(())

    def _write(self, group: Sequence[_Ticket]) -> None:
        outcomes = self._apply([ticket.work for ticket in group] or [Unit("")])
        self._token.run_sync_soon(self._acknowledge, group, outcomes)

    def _apply(self, works: Sequence[Work]) -> list[Outcome]:
        try:
            return self._store.apply(works)
        except Exception as error:  # a bug of ours: the waiting tasks need an outcome, and the thread must go on
            return [_broken(error) for _ in works]

    def _acknowledge(self, group: Sequence[_Ticket], outcomes: Sequence[Outcome]) -> None:
        if not all(_is_refusal(outcome) for outcome in outcomes):
            self._refusal = None
        else:
            since = group[0].since if group else trio.current_time()
            self._refusal = _Refusal(since if self._refusal is None else self._refusal.since, str(outcomes[-1]))
        for ticket, outcome in zip(group, outcomes, strict=False):  # a question has an outcome, and no ticket
            self._waiting.popleft()
            ticket.outcome = outcome
            ticket.done.set()


def _written(outcome: Outcome) -> OverLimit | None:
    if isinstance(outcome, JournalError):
        raise outcome
    return outcome


def _is_refusal(outcome: Outcome) -> bool:
    """Was it the database that failed, and not this unit alone?"""
    return isinstance(outcome, JournalError) and not isinstance(outcome, ConflictError | DeploymentError)


def _broken(error: Exception) -> JournalError:
    broken = JournalError(f"the journal's writer failed: {error!r}. This is a bug in naived")
    broken.__cause__ = error
    return broken


@asynccontextmanager
async def writer_thread(store: Store) -> AsyncIterator[Writer]:
    """Run the thread during the block, and after it until everything that is queued is written."""
    writer = Writer(store)
    # A daemon thread, so that a second signal can end the process at once; acknowledged units are on the disk.
    thread = threading.Thread(target=writer.run, name="naived-journal", daemon=True)
    thread.start()
    try:
        yield writer
    finally:
        writer.close()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(thread.join)


def inline(store: Store) -> Submit:
    """The same without a thread, blocking the loop: for a simulation that must be deterministic."""

    async def submit(work: Work) -> OverLimit | None:
        (outcome,) = store.apply([work])
        await trio.lowlevel.cancel_shielded_checkpoint()
        return _written(outcome)

    return submit
