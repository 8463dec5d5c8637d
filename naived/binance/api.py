"""One connection to the WebSocket API: sends requests, matches answers to them by id, passes events on."""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

import structlog
import trio

from naived.binance.codec import (
    AccountPosition,
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
from naived.websocket import Closed, WebSocket

_log = structlog.get_logger(__name__)

_MAX_GIVEN_UP = 1000  # requests without a caller that may still be answered; above this the oldest is dropped


class NoAnswer(Exception):
    """The request may have arrived; its outcome is unknown."""


@dataclass(slots=True)
class _Waiting:
    """A request in flight; ``outcome`` is its answer, or the reason why there will be none."""

    method: str
    asked_at: float = field(default_factory=trio.current_time)
    done: trio.Event = field(default_factory=trio.Event)
    outcome: ApiAnswer | str = ""

    def settle(self, outcome: ApiAnswer | str) -> None:
        self.outcome = outcome
        self.done.set()


class ApiConnection:
    """Sends requests. The reader of the socket calls ``take`` with each frame, and ``lose`` at the end.

    ``on_answer`` gets every answer before its caller resumes, with the request's time (trio's), or None if no
    caller waits for it. ``on_unclaimed`` gets the answers that no caller receives: with the method if the caller
    gave up, with None if the answer has no request id. ``on_event`` gets the events. ``on_garbled`` gets what each
    unreadable frame is, and why it is unreadable; the request that one answers raises NoAnswer.
    """

    def __init__(
        self,
        socket: WebSocket,
        *,
        on_answer: Callable[[ApiAnswer, float | None], None],
        on_event: Callable[[UserEvent], None],
        on_unclaimed: Callable[[str | None, ApiAnswer], None],
        on_garbled: Callable[[str, str], None],
    ) -> None:
        self._socket = socket
        self._on_answer = on_answer
        self._on_event = on_event
        self._on_unclaimed = on_unclaimed
        self._on_garbled = on_garbled
        self._request_ids = itertools.count(1)
        self._waiting: dict[int, _Waiting] = {}
        self._given_up: OrderedDict[int, str] = OrderedDict()  # methods, by request id
        self._idle = trio.Event()
        self._lost = False

    @property
    def closed(self) -> bool:
        return self._lost or self._socket.closed

    async def request(self, method: str, params: Mapping[str, object], within: float) -> ApiAnswer:
        """Send once and wait for the answer, at most ``within`` seconds; raises NoAnswer."""
        number = next(self._request_ids)
        waiting = _Waiting(method)
        self._waiting[number] = waiting
        returned = False
        try:
            with trio.fail_after(within):
                await self._socket.send(request(number, method, params))
                await waiting.done.wait()
            returned = True
        except Closed as error:
            raise NoAnswer(str(error)) from error
        except trio.TooSlowError as error:
            raise NoAnswer(f"no answer within {within:g} s") from error
        finally:
            self._retire(number, waiting, returned)
        if isinstance(waiting.outcome, str):
            raise NoAnswer(waiting.outcome)
        return waiting.outcome

    def take(self, text: str) -> None:
        """Handle one frame."""
        frame = read_api(text)
        match frame:
            case ApiAnswer():
                self._take_answer(frame)
            case Garbled(why, kind, number):
                self._on_garbled(kind, why)
                waiting = None if number is None else self._waiting.get(number)
                if waiting is not None:
                    waiting.settle(f"unreadable answer: {why}")
            case ExecutionReport() | AccountPosition() | StreamTerminated() | Shutdown() | OtherEvent():
                self._on_event(frame)
            case _:
                assert_never(frame)

    def lose(self, reason: str) -> None:
        """The connection is closed: every request in flight raises NoAnswer with this reason."""
        self._lost = True
        for waiting in self._waiting.values():
            waiting.settle(reason)

    async def drained(self, within: float) -> None:
        """Wait until no request is in flight, at most ``within`` seconds."""
        if self._waiting:
            self._idle = trio.Event()
            with trio.move_on_after(within):
                await self._idle.wait()

    def _take_answer(self, answer: ApiAnswer) -> None:
        waiting = None if answer.id is None else self._waiting.get(answer.id)
        self._on_answer(answer, None if waiting is None else waiting.asked_at)
        if waiting is not None:
            waiting.settle(answer)
        elif answer.id is None:
            self._on_unclaimed(None, answer)
        elif (method := self._given_up.pop(answer.id, None)) is not None:
            _log.warning("late answer", method=method, status=answer.status)
            self._on_unclaimed(method, answer)
        else:
            _log.warning("answer to no request of ours", id=answer.id, status=answer.status)

    def _retire(self, number: int, waiting: _Waiting, returned: bool) -> None:
        del self._waiting[number]
        if not waiting.done.is_set():
            self._given_up[number] = waiting.method
            if len(self._given_up) > _MAX_GIVEN_UP:
                self._given_up.popitem(last=False)
        elif not returned and isinstance(waiting.outcome, ApiAnswer):
            # The answer came after the caller was cancelled, but before the caller ran again.
            self._on_unclaimed(waiting.method, waiting.outcome)
        if not self._waiting:
            self._idle.set()
