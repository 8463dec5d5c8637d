"""One connection to the WebSocket API: requests out, each matched with its answer by id, and events in."""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

import structlog
import trio

from naived.binance.codec import (
    ApiAnswer,
    ExecutionReport,
    Garbled,
    OtherEvent,
    Shutdown,
    StreamTerminated,
    UserEvent,
    read_api,
    request,
)
from naived.websocket import Closed, Connection

_log = structlog.get_logger(__name__)

_LATE_REQUESTS = 1000  # given up but perhaps still answered; beyond, the oldest is forgotten


class NoAnswer(Exception):
    """The request may have arrived, and what became of it is unknown."""


@dataclass(slots=True)
class _Waiting:
    """A request in flight, and what came of it."""

    method: str
    done: trio.Event = field(default_factory=trio.Event)
    outcome: ApiAnswer | str = ""

    def settle(self, outcome: ApiAnswer | str) -> None:
        self.outcome = outcome
        self.done.set()


class Session:
    """``on_event`` gets what the exchange pushes, ``on_late`` answers that nobody waits for any more.

    ``on_unnamed`` gets answers that name no request, ``on_answer`` every answer, before whoever waits for it wakes.
    Feed frames to ``take``.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        on_answer: Callable[[ApiAnswer], None],
        on_event: Callable[[UserEvent], None],
        on_late: Callable[[str, ApiAnswer], None],
        on_unnamed: Callable[[ApiAnswer], None],
    ) -> None:
        self._connection = connection
        self._on_answer = on_answer
        self._on_event = on_event
        self._on_late = on_late
        self._on_unnamed = on_unnamed
        self._numbers = itertools.count(1)
        self._waiting: dict[int, _Waiting] = {}
        self._late: OrderedDict[int, str] = OrderedDict()
        self._idle = trio.Event()
        self._lost: str | None = None
        self._garbled = 0

    @property
    def closed(self) -> bool:
        return self._lost is not None or self._connection.closed

    async def request(self, method: str, params: Mapping[str, object], within: float) -> ApiAnswer:
        """Send once and wait for the answer, at most ``within`` seconds; raises NoAnswer."""
        number = next(self._numbers)
        waiting = _Waiting(method)
        self._waiting[number] = waiting
        handed_over = False
        try:
            with trio.fail_after(within):
                await self._connection.send(request(number, method, params))
                await waiting.done.wait()
            handed_over = True
        except Closed as error:
            raise NoAnswer(str(error)) from error
        except trio.TooSlowError as error:
            raise NoAnswer(f"no answer within {within:g} s") from error
        finally:
            self._retire(number, waiting, handed_over)
        if isinstance(waiting.outcome, str):
            raise NoAnswer(waiting.outcome)
        return waiting.outcome

    def take(self, text: str) -> None:
        """Digest one frame."""
        frame = read_api(text)
        match frame:
            case ApiAnswer():
                self._answer(frame)
            case Garbled(why):
                self._garbled += 1
                if self._garbled == 1:
                    _log.warning("unreadable frame of the WebSocket API, further ones are only counted", why=why)
            case ExecutionReport() | StreamTerminated() | Shutdown() | OtherEvent():
                self._on_event(frame)
            case _:
                assert_never(frame)

    def lose(self, reason: str) -> None:
        """The connection is over: nothing in flight will be answered."""
        self._lost = reason
        for waiting in self._waiting.values():
            waiting.settle(reason)

    async def drained(self, within: float) -> None:
        """Wait until no request is in flight, at most ``within`` seconds."""
        if self._waiting:
            self._idle = trio.Event()
            with trio.move_on_after(within):
                await self._idle.wait()

    def _answer(self, answer: ApiAnswer) -> None:
        self._on_answer(answer)
        if answer.id is None:
            self._on_unnamed(answer)
            return
        waiting = self._waiting.get(answer.id)
        if waiting is not None:
            waiting.settle(answer)
            return
        method = self._late.pop(answer.id, None)
        if method is None:
            _log.warning("answer to no request of ours", id=answer.id, status=answer.status)
            return
        _log.warning("late answer", method=method, status=answer.status)
        self._on_late(method, answer)

    def _retire(self, number: int, waiting: _Waiting, handed_over: bool) -> None:
        del self._waiting[number]
        if not waiting.done.is_set():
            self._late[number] = waiting.method
            if len(self._late) > _LATE_REQUESTS:
                self._late.popitem(last=False)
        elif not handed_over and isinstance(waiting.outcome, ApiAnswer):
            # It came in the moment in which its caller was cancelled.
            self._on_late(waiting.method, waiting.outcome)
        if not self._waiting:
            self._idle.set()
