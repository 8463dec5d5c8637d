"""The fault switchboard: what shall go wrong next, and what already did.

Faults are armed one by one and consumed oldest first; the dice of a ``probability`` fall as the exchange's seed has
it. Who consumes which:

    a request      request_lost late error error_after reply_lost disconnect silence balance not_found_lag
    its like on a  request_lost reply_lost disconnect silence, if armed with that very method: SUBSCRIBE
    stream
    a report       report_duplicate report_missing report_late report_reorder
    a fill         partial_fills: only half of what could be filled is, once per count
    the exchange   manual_cancel manual_order halt filters server_shutdown: done at once, or, armed with a
                   ``method``, right before the next such request; a cancel needs something to cancel and waits

What ``seconds`` says, where it says something:

    late           how long a request takes to the engine, which looks at its time again
    reply_lost     the reply is not lost, but so late (without: lost)
    disconnect     the request is done, its reply lost, and the connection cut so much later (without: before it)
    error          until when nothing may be asked (``retryAfter``), for the codes -1003, -1015, 429 and 418
    silence halt filters server_shutdown report_late    how long it lasts, or is put off
    not_found_lag  how long neither order.status nor openOrders.status nor allOrders knows the order that was
                   placed, or, armed with the method order.status, the order that was asked for

The lists lag as the query does: both read memory before the database, and nothing is documented of the one being
ahead of the other. Fills are told (myTrades, reports) all the same.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from random import Random

from naived.simulator.errors import ApiError

REQUEST = frozenset(
    ("request_lost", "late", "error", "error_after", "reply_lost", "disconnect", "silence", "balance")
) | {"not_found_lag"}
REPORT = frozenset(("report_duplicate", "report_missing", "report_late", "report_reorder"))
STREAM = frozenset(("request_lost", "reply_lost", "disconnect", "silence"))
FILL = frozenset(("partial_fills",))
ACT = frozenset(("manual_cancel", "manual_order", "halt", "filters", "server_shutdown"))
PLACE = "order.place"
# What makes sense for these methods alone, and for placing unless it says so, whatever else is asked meanwhile.
_ONLY = {"balance": (PLACE,), "not_found_lag": (PLACE, "order.status")}

_MOST_ARMED = 10_000  # a bound, far above what a test arms


@dataclass(slots=True)
class Fault:
    """One armed fault; ``left`` times to go. ``seconds`` and ``probability`` as in sim.fault."""

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


class Switchboard:
    """The armed faults of one exchange; ``consumed`` is told of each that happens."""

    def __init__(self, random: Random, consumed: Callable[[str], None]) -> None:
        self._random = random
        self._consumed = consumed
        self._armed: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        """Raises ApiError -1130 for an unknown kind or too many armed faults."""
        if fault.kind not in REQUEST | REPORT | FILL | ACT or len(self._armed) >= _MOST_ARMED:
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
        """Consume the oldest armed fault of ``kinds`` that fits, if its dice fall so.

        ``named``: only one that was armed for this very method.
        """
        for fault in self._armed:
            if named and fault.method != method:
                continue
            if fault.fits(kinds, method, symbol) and self._random.random() < fault.probability:
                self._consume(fault)
                return fault
        return None

    def act(self, method: str | None, symbol: str | None, do: Callable[[Fault], bool]) -> None:
        """Do what the exchange does of its own accord; ``do`` says whether it could be done already."""
        for fault in list(self._armed):
            due = fault.method is None or (fault.method == method and fault.symbol in (None, symbol))
            if fault.kind in ACT and due and self._random.random() < fault.probability and do(fault):
                self._consume(fault)

    def _consume(self, fault: Fault) -> None:
        self._consumed(fault.kind)
        fault.left -= 1
        if not fault.left:
            self._armed.remove(fault)
