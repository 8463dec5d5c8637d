"""Reads what many ask at the same moment in one query, so that 1,500 symbols of one request wait for one answer."""

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
        self._turn = trio.Lock()
        self._next = _Batch[T]()

    async def ask(self, key: str) -> T | None:
        """What is found for this key; raises JournalError to all that asked together."""
        batch = self._next
        batch.keys.add(key)
        async with self._turn:
            if batch.found is None and batch.failure is None:
                # Nobody joins it any more. If we are cancelled, the next one that waits for it reads.
                if self._next is batch:
                    self._next = _Batch[T]()
                try:
                    batch.found = await self._read(sorted(batch.keys))
                except JournalError as error:
                    batch.failure = error
        if batch.found is None:
            raise JournalError(str(batch.failure)) from batch.failure
        return batch.found.get(key)
