"""Sends one request for many callers that ask at the same time.

500 symbols that start together need one answer each, and one request can answer all of them. A call before a
request is sent gets its answer; a later call waits for the next request, so no answer is older than its question.
"""

import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import trio

from naived.ports import ExchangeError, JournalError

# After so many requests in a row the next ones wait, on average for so many seconds: symbols that start one after
# the other share requests, too. Each may weigh a percent of a minute's limit.
_BURST = 4
_GATHERING = 0.3

K = TypeVar("K")
T = TypeVar("T")


@dataclass(slots=True)
class _Batch(Generic[K, T]):
    """The calls of one request. ``answers`` is empty until the answer comes; it stays so after a ``failure``."""

    keys: list[K] = field(default_factory=list)
    answers: list[T] = field(default_factory=list)
    failure: str | None = None


class Batcher(Generic[K, T]):
    """``put`` sends one request for all these keys; it may raise ExchangeError, JournalError."""

    def __init__(self, put: Callable[[Sequence[K]], Awaitable[T]]) -> None:
        self._put = put
        self._next: _Batch[K, T] | None = None
        self._starts = deque([-math.inf] * _BURST, maxlen=_BURST)  # trio's times of the latest requests
        self._in_flight: trio.Event | None = None  # set when the current request is over

    async def ask(self, key: K) -> T:
        """The answer for this key and the others of its batch; raises ExchangeError to each of them: ask again."""
        if self._next is None:
            self._next = _Batch()
        batch = self._next
        batch.keys.append(key)
        await trio.lowlevel.checkpoint()  # tasks that start at the same moment join this batch
        while not batch.answers and batch.failure is None:
            # The first call that finds no request in flight sends it; if that one is cancelled, another one does.
            if self._in_flight is None:
                await self._ask(batch)
            else:
                await self._in_flight.wait()
        if batch.failure is not None:
            raise ExchangeError(batch.failure)
        return batch.answers[0]

    async def _ask(self, batch: _Batch[K, T]) -> None:
        over = self._in_flight = trio.Event()
        try:
            await trio.sleep_until(self._starts[0] + _BURST * _GATHERING)
            if self._next is batch:
                self._next = None
            self._starts.append(trio.current_time())
            batch.answers.append(await self._put(batch.keys))
        except (ExchangeError, JournalError) as error:
            batch.failure = str(error)
        finally:
            self._in_flight = None
            over.set()
        # Return no sooner than the others, so that their next calls join one batch.
        await trio.lowlevel.checkpoint()
