"""Questions that are asked at the same time, asked as one.

500 symbols that begin together want one answer each, and one request can bring it to all of them. Whoever asks
before a question goes out is answered by it; whoever asks later waits for the next, so that no answer is older than
its question.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import trio

from naived.ports import ExchangeError

K = TypeVar("K")
T = TypeVar("T")


@dataclass(slots=True)
class _Round(Generic[K, T]):
    """Those who are answered together; ``answers`` has one answer, none yet, or none ever after a ``failure``."""

    keys: list[K] = field(default_factory=list)
    answers: list[T] = field(default_factory=list)
    failure: str | None = None


class Batcher(Generic[K, T]):
    """``put`` asks one question about all these keys; it may raise ExchangeError."""

    def __init__(self, put: Callable[[Sequence[K]], Awaitable[T]]) -> None:
        self._put = put
        self._gathering: _Round[K, T] | None = None
        self._asking: trio.Event | None = None  # set when the question that is out now is over

    async def ask(self, key: K) -> T:
        """The answer about this key and the others of its round; raises ExchangeError, to each of them."""
        if self._gathering is None:
            self._gathering = _Round()
        mine = self._gathering
        mine.keys.append(key)
        await trio.lowlevel.checkpoint()  # who begins at the same moment joins
        while not mine.answers and mine.failure is None:
            # Whoever finds nobody asking asks for all; if it is cancelled meanwhile, another one does.
            if self._asking is None:
                await self._ask(mine)
            else:
                await self._asking.wait()
        if mine.failure is not None:
            raise ExchangeError(mine.failure)
        return mine.answers[0]

    async def _ask(self, mine: _Round[K, T]) -> None:
        over = self._asking = trio.Event()
        if self._gathering is mine:
            self._gathering = None
        try:
            mine.answers.append(await self._put(mine.keys))
        except ExchangeError as error:
            mine.failure = str(error)
        finally:
            self._asking = None
            over.set()
        await trio.lowlevel.checkpoint()  # no sooner than the others: what they ask next is one question again
