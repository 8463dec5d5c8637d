"""One request for one symbol: how long its caller waits, and what was done."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import trio

from naived.control.caller import Caller
from naived.control.protocol import ControlError
from naived.control.requests import Params
from naived.runtime.symbol_task import Symbol

PATIENCE = 15.0  # seconds a request without a timeout waits for the exchange, and any for the database
_GLANCE = 1.0  # seconds between two looks at the state: a database that hangs makes no news


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a request did to one symbol.

    ``error`` says why the state that it waited for was not reached; what it changed stays. ``more`` is what else
    its result has.
    """

    changed: bool
    message: str
    error: ControlError | None = None
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Patience:
    """A caller waits until the deadline (trio time), or until it is gone."""

    caller: Caller
    deadline: float

    def waiting(self) -> AbstractContextManager[None]:
        """Cancel the block when nobody waits any more."""
        return self.caller.waiting(self.deadline)

    async def until(self, symbol: Symbol, done: Callable[[], bool]) -> bool:
        """Wait for news of the symbol until it is ``done``; False if nobody waits any more."""
        with self.waiting():
            while not done():
                with trio.move_on_after(_GLANCE):
                    await symbol.news.wait()
        return done()


@dataclass(frozen=True, slots=True)
class Call:
    name: str  # of the symbol, which may be none
    params: Params
    caller: Caller

    @property
    def patience(self) -> Patience:
        """Counted from now."""
        timeout = self.params.get("timeout", PATIENCE)
        return Patience(self.caller, math.inf if timeout is None else trio.current_time() + timeout)
