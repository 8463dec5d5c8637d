"""The fault switchboard: which faults are armed, what consumes them, and the errors that they cause.

Faults are armed one by one and consumed oldest first. Whether one with a ``probability`` happens is drawn from the
exchange's seed. What consumes which:

    a request      request_lost late error error_after reply_lost disconnect silence balance not_found_lag
    a request on   request_lost reply_lost disconnect silence, if armed with exactly its method: SUBSCRIBE
    a stream
    a report       report_duplicate report_missing report_late report_reorder
    a fill         partial_fills: only half of what could be filled is filled, once per count
    the exchange   manual_cancel manual_order manual_amend halt filters server_shutdown: done at once, or, armed
                   with a ``method``, right before the next such request; a cancel needs something to cancel, an
                   amendment an order that can be halved, and waits

What ``seconds`` means, for the kinds that use it:

    late           how long a request takes to the engine, which checks its time again
    reply_lost     the reply is sent after that time (without ``seconds``: never)
    disconnect     the request is executed, its reply is lost, and the connection is closed after that time
                   (without ``seconds``: it is closed before the request is executed)
    error          how long no request may be sent (``retryAfter``), for the codes -1003, -1015, 429 and 418
    silence halt filters server_shutdown report_late    how long it lasts, or is delayed
    not_found_lag  how long neither order.status nor openOrders.status nor allOrders finds the order that was
                   placed, or, armed with the method order.status, the order that was queried

The lists lag as the query does: both read memory before the database, and no document says that one is ahead of
the other. Fills do not lag (myTrades, reports).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from random import Random

from naived.simulator.errors import ApiError
from naived.simulator.limits import Limits
from naived.simulator.params import Params, integer, required

REQUEST = frozenset(
    ("request_lost", "late", "error", "error_after", "reply_lost", "disconnect", "silence", "balance")
) | {"not_found_lag"}
REPORT = frozenset(("report_duplicate", "report_missing", "report_late", "report_reorder"))
STREAM = frozenset(("request_lost", "reply_lost", "disconnect", "silence"))
FILL = frozenset(("partial_fills",))
ACT = frozenset(("manual_cancel", "manual_order", "manual_amend", "halt", "filters", "server_shutdown"))
PLACE = "order.place"
# Kinds that make sense for these methods only; armed without a method they wait for an order.place.
_ONLY = {"balance": (PLACE,), "not_found_lag": (PLACE, "order.status")}

_MAX_ARMED = 10_000  # a bound, far above what a test arms
_MAX_COUNT = 1_000_000  # of one armed fault

# The errors of armed faults: a ``code`` below 0 is the exchange's own, and implies the status; one above 0 is the
# status alone, as from a gateway that has no code.
_REFUSED = 400
_TOO_MANY = 429
_BANNED = 418
_UNKNOWN = -1000
_NO_BALANCE = -2010

_STATUS = {
    -1000: 500,
    -1001: 500,
    -1003: _TOO_MANY,
    -1006: 500,
    -1007: 504,
    -1008: 503,
    -1015: _TOO_MANY,
    -1016: 503,
    -2015: 401,
}
_CODE = {401: -2015, _BANNED: -1003, _TOO_MANY: -1003}
_TEXT = {
    -1000: "An unknown error occurred while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1003: "Too much request weight used; current limit is 6000 request weight per 1 MINUTE. "
    "Please use WebSocket Streams for live updates to avoid polling the API.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    -1008: "Server is currently overloaded with other requests. Please try again in a few minutes.",
    -1013: "The request is rejected by the API.",
    -1015: "Too many new orders; current limit is 50 orders per 10 SECOND.",
    -1016: "This service is no longer available.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -1022: "Signature for this request is not valid.",
    -2010: "Account has insufficient balance for requested action.",
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2015: "Invalid API-key, IP, or permissions for action.",
}
_RETRY = 1.0  # seconds until a request refused with 429 may be repeated, if the fault has none
_BAN = 120.0  # seconds; the shortest ban that is documented


@dataclass(slots=True)
class Fault:
    """One armed fault, which can happen ``left`` more times. ``seconds`` and ``probability`` as in sim.fault."""

    kind: str
    method: str | None
    symbol: str | None
    left: int
    seconds: float | None
    code: int
    probability: float

    def fits(self, kinds: Collection[str], method: str | None, symbol: str | None) -> bool:
        if self.kind not in kinds or self.symbol not in (None, symbol):
            return False
        if self.kind in REPORT or self.kind in FILL:
            return True
        if self.kind in _ONLY:
            return method in _ONLY[self.kind] and method == (self.method or PLACE)
        return self.method in (None, method)


def read_fault(params: Params) -> Fault:
    """The fault that the parameters of sim.fault describe; raises ApiError -1102 or -1130."""
    kind = required(params, "kind")
    try:
        seconds = float(params["seconds"]) if "seconds" in params else None
        probability = float(params.get("probability", "1"))
        code = int(params.get("code", "-1007"))
    except ValueError as error:
        raise ApiError(-1130, f"Data sent for a parameter of sim.fault is not valid: {error}") from error
    if not 0 <= probability <= 1 or not (seconds is None or 0 <= seconds < float("inf")):
        raise ApiError(-1130, "Data sent for a parameter of sim.fault is not valid.")
    count = integer(params, "count", most=_MAX_COUNT) or 1
    return Fault(kind, params.get("method"), params.get("symbol"), count, seconds, code, probability)


class Switchboard:
    """The armed faults of one exchange; ``consumed`` is called with the kind of each that happens."""

    def __init__(self, random: Random, consumed: Callable[[str], None]) -> None:
        self._random = random
        self._consumed = consumed
        self._armed: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        """Raises ApiError -1130 for an unknown kind or too many armed faults."""
        if fault.kind not in REQUEST | REPORT | FILL | ACT or len(self._armed) >= _MAX_ARMED:
            raise ApiError(-1130, "Data sent for parameter 'kind' is not valid.")
        self._armed.append(fault)

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def take(
        self,
        kinds: Collection[str],
        *,
        method: str | None = None,
        symbol: str | None = None,
        named: bool = False,
    ) -> Fault | None:
        """Consume the oldest armed fault of ``kinds`` that fits and that its random draw lets happen.

        ``named``: only one that was armed with exactly this method.
        """
        for fault in self._armed:
            if named and fault.method != method:
                continue
            if fault.fits(kinds, method, symbol) and self._random.random() < fault.probability:
                self._consume(fault)
                return fault
        return None

    def act(self, method: str | None, symbol: str | None, do: Callable[[Fault], bool]) -> None:
        """Run the armed actions of the exchange that are due; ``do`` returns False if one is not possible yet."""
        for fault in list(self._armed):
            due = fault.method is None or (fault.method == method and fault.symbol in (None, symbol))
            if fault.kind in ACT and due and self._random.random() < fault.probability and do(fault):
                self._consume(fault)

    def _consume(self, fault: Fault) -> None:
        self._consumed(fault.kind)
        fault.left -= 1
        if not fault.left:
            self._armed.remove(fault)


def failure(fault: Fault, limits: Limits, now: int) -> ApiError:
    """The error that answers the request. A ban (418) begins now, and refuses every request until it ends."""
    code = _NO_BALANCE if fault.kind == "balance" else fault.code
    if code == _BANNED:
        return limits.ban(now, _until(fault, _BAN, now))
    status = code if code > 0 else _STATUS.get(code, _REFUSED)
    if code > 0:
        code = _CODE.get(status, _UNKNOWN)
    data = {"serverTime": now, "retryAfter": _until(fault, _RETRY, now)} if status == _TOO_MANY else None
    return ApiError(code, _TEXT.get(code, _TEXT[_UNKNOWN]), status, data)


def _until(fault: Fault, usual: float, now: int) -> int:
    return now + int(1000 * (usual if fault.seconds is None else fault.seconds))
