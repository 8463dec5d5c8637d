"""The user data stream: sends execution reports and balances to subscribers, and applies the faults of reports."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from naived.simulator import wire
from naived.simulator.errors import ApiError
from naived.simulator.faults import REPORT, Switchboard
from naived.simulator.order import Event, Executed
from naived.simulator.streams import Outbox

Later: TypeAlias = Callable[[float, Callable[[], None]], None]
"""Makes a call after some seconds, in a task of the server's nursery."""

_MAX_ID = 65_535  # of the subscriptions of one session
_LATE = 2.0  # seconds that a report is late, if the fault has none
_REORDER = 1.0  # seconds after which a report that was held back is sent even if no other came before it


class Subscriptions:
    """One session's subscriptions by id; there is one account, so at most one is active.

    ``micro``: its events have their times in microseconds.
    """

    def __init__(self, *, micro: bool = False) -> None:
        self.micro = micro
        self._active: dict[int, bool] = {}
        self._next_id = 0

    def open(self, *, by_session: bool) -> int:
        """Returns the new id; raises ApiError -2035 or -2042. ``by_session``: session.logout ends it."""
        if self._active:
            raise ApiError(-2035, "User Data Stream subscription already active.")
        if self._next_id > _MAX_ID:
            raise ApiError(-2042, "Maximum subscription ID reached for this connection.")
        number = self._next_id
        self._next_id += 1
        self._active[number] = by_session
        return number

    def close(self, number: int | None) -> list[int]:
        """End one, or all, and return those that ended; raises ApiError -2036 for one that is not active."""
        if number is not None and number not in self._active:
            raise ApiError(-2036, "User Data Stream subscription not active.")
        return self._end(list(self._active) if number is None else [number])

    def logout(self) -> list[int]:
        """End those that need the session's logon, and return them."""
        return self._end([number for number, by_session in self._active.items() if by_session])

    def _end(self, numbers: list[int]) -> list[int]:
        for number in numbers:
            del self._active[number]
        return numbers

    def __iter__(self) -> Any:
        return iter(list(self._active))


@dataclass(slots=True)
class Session:
    """One WebSocket API connection. ``api_key`` is set from session.logon to session.logout; times are ms.

    ``micro``: answers have their times in microseconds.
    """

    outbox: Outbox
    subscriptions: Subscriptions
    connected_since: int
    return_rate_limits: bool = True
    micro: bool = False
    api_key: str | None = None
    authorized_since: int | None = None


class Users:
    """All connections that may subscribe to the account."""

    def __init__(self, faults: Switchboard, later: Later) -> None:
        self._faults = faults
        self._later = later
        self._listeners: dict[Outbox, Subscriptions] = {}
        self._held_back: list[_Frame] = []

    def add(self, outbox: Outbox, *, micro: bool = False) -> Subscriptions:
        """Add a connection, which may subscribe until ``remove``."""
        self._listeners[outbox] = Subscriptions(micro=micro)
        return self._listeners[outbox]

    def remove(self, outbox: Outbox) -> None:
        del self._listeners[outbox]

    def publish(self, events: Iterable[Event]) -> None:
        """Send events to every subscription, in order, except for armed faults."""
        for event in events:
            frame = _Frame(event)
            fault = self._faults.take(REPORT, symbol=event.order.symbol) if isinstance(event, Executed) else None
            match fault.kind if fault else None:
                case "report_missing":
                    continue
                case "report_late":
                    assert fault is not None
                    self._later(_LATE if fault.seconds is None else fault.seconds, self._sender(frame))
                    continue
                case "report_reorder":
                    self._held_back.append(frame)
                    self._later(_REORDER, self._send_held_back)
                    continue
                case "report_duplicate":
                    self._send(frame)
            self._send(frame)
            if isinstance(event, Executed):
                self._send_held_back()

    def _sender(self, frame: "_Frame") -> Callable[[], None]:
        return lambda: self._send(frame)

    def _send_held_back(self) -> None:
        held_back, self._held_back = self._held_back, []
        for frame in held_back:
            self._send(frame)

    def _send(self, frame: "_Frame") -> None:
        for outbox, subscriptions in self._listeners.items():
            for number in subscriptions:
                outbox.send(f'{{"subscriptionId":{number},"event":{frame.text(micro=subscriptions.micro)}}}')


class _Frame:
    """One event, encoded once for each unit of time."""

    def __init__(self, event: Event) -> None:
        self._event = wire.event(event)
        self._texts: dict[bool, str] = {}

    def text(self, *, micro: bool) -> str:
        if micro not in self._texts:
            event = wire.in_microseconds(self._event) if micro else self._event
            self._texts[micro] = msgspec.json.encode(event).decode()
        return self._texts[micro]
