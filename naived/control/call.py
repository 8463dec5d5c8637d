"""One request for one symbol: how long its caller waits, and what was done."""

import hashlib
import json
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import trio

from naived.control.caller import Caller
from naived.control.node_messages import ElsewhereError
from naived.control.protocol import ControlError
from naived.control.requests import Params
from naived.runtime.symbol_task import Symbol

PATIENCE = 15.0  # seconds that a request without a timeout waits for the exchange, and every one for the database
READING = 5.0  # the same for one that only reads: naivectl waits 10 for its answer, also for that of another node
LEAST_WAIT = (
    1.0  # seconds that exchange and database always get, so that a short timeout is not all that is answered
)
ASIDE = 2.0  # seconds that an answer waits for what other nodes wrote; without that it says less
EACH = 0.02  # seconds more for each further symbol of a request: 1,500 are 45 s, less than naivectl waits
_NOT_ASKED = ("request_id", "symbols", "all", "wait", "timeout")  # may differ when a request is repeated
_CHECK_INTERVAL = 1.0  # seconds between two checks of the state: a database that hangs sends no notification


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a request did to one symbol.

    ``error``: why the state it waited for was not reached; what it changed stays. ``more``: other fields of its
    result.
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
        """Cancel the block at the deadline, or when the caller is gone."""
        return self.caller.waiting(self.deadline)

    async def until(self, symbol: Symbol, done: Callable[[], bool]) -> bool:
        """Wait until ``done()``; False if the deadline passed or the caller is gone before.

        Raises ElsewhereError once the symbol is not this node's any more.
        """
        with self.waiting():
            while not (symbol.gone or done()):
                with trio.move_on_after(_CHECK_INTERVAL):
                    await symbol.news.wait()
        if symbol.gone:
            raise ElsewhereError(symbol.name)
        return done()


@dataclass(frozen=True, slots=True)
class Call:
    """``together`` is how many symbols the request has: they share the database, and the processor.

    ``changes``: it is to change something.
    """

    name: str  # of the symbol, which may not exist
    params: Params
    caller: Caller
    verb: str = ""
    together: int = 1
    changes: bool = True
    began: float = field(default_factory=trio.current_time)

    @property
    def key(self) -> str | None:
        """Which request this is: the same if it is repeated, another one if its id is used for something else.

        None if it has no id.
        """
        request_id = self.params.get("request_id")
        if request_id is None:
            return None
        asked = {name: value for name, value in self.params.items() if name not in _NOT_ASKED}
        text = json.dumps([self.verb, asked], sort_keys=True)
        return f"{request_id}/{self.name}/{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    @property
    def until_stored(self) -> float:
        """The time (trio's) until which the database may answer; never longer than the caller waits."""
        now = trio.current_time()
        return min(max(self.patience.deadline, now + LEAST_WAIT), now + self._usual)

    @property
    def patience(self) -> Patience:
        """The caller's timeout. All steps of the request share it: a client waits little longer than that."""
        timeout = self.params.get("timeout", self._usual)
        return Patience(self.caller, math.inf if timeout is None else self.began + timeout)

    @property
    def _usual(self) -> float:
        return PATIENCE + EACH * (self.together - 1) if self.changes else READING
