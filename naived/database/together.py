"""Reads what many ask at the same moment in one query, so that 1,500 symbols of one request wait for one answer.

``Jointly`` writes what many have to write at the same moment, likewise.
"""

import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

import trio

from naived.ports import JournalError

T = TypeVar("T")


class _Batch(Generic[T]):
    """The keys of one query, then what was found, or why nothing was."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.found: Mapping[str, T] | None = None
        self.failure: JournalError | None = None


class Together(Generic[T]):
    """``read`` looks for all these keys; it may raise JournalError.

    Who asks while a query runs waits for the next one, so that no answer is older than its question.
    """

    def __init__(self, read: Callable[[Sequence[str]], Awaitable[Mapping[str, T]]]) -> None:
        self._read = read
        self._next = _Batch[T]()
        self._over: trio.Event | None = None  # set when the query that runs is over

    async def ask(self, key: str) -> T | None:
        """What is found for this key; raises JournalError to all that asked together."""
        batch = self._next
        batch.keys.add(key)
        while batch.found is None and batch.failure is None:
            # Whoever finds that no query runs sends one; if that one is cancelled, another one does. An event and
            # not a lock: a lock wakes one task after the other, each in a pass of a loop that may be busy.
            if self._over is None:
                await self._send(batch)
            else:
                await self._over.wait()
        if batch.found is None:
            raise JournalError(str(batch.failure)) from batch.failure
        return batch.found.get(key)

    async def _send(self, batch: _Batch[T]) -> None:
        over = self._over = trio.Event()
        try:
            await trio.lowlevel.checkpoint()  # tasks that start at the same moment join this batch
            if self._next is batch:
                self._next = _Batch[T]()
            batch.found = await self._read(sorted(batch.keys))
        except JournalError as error:
            batch.failure = error
        finally:
            self._over = None
            over.set()


class Jointly(Generic[T]):
    """``write`` makes these durable, in the order in which they came; it may raise JournalError.

    What is under way may be written twice if whoever sent it is cancelled.
    """

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._write = write
        self._numbers = itertools.count()
        self._given: dict[str, T] = {}
        self._together = Together[None](self._put)

    async def put(self, value: T) -> None:
        """Return when it is durable; raises JournalError. Cancelled before it is sent, it is not written."""
        number = f"{next(self._numbers):020}"  # numbers are sorted as texts
        self._given[number] = value
        try:
            await self._together.ask(number)
        finally:
            del self._given[number]

    async def _put(self, numbers: Sequence[str]) -> Mapping[str, None]:
        await self._write([self._given[number] for number in numbers if number in self._given])
        return {}
