"""The life of one intent, from the decision to its last fill (rules and diagram to come with the steps)."""

from dataclasses import dataclass
from enum import StrEnum

from naived.core.amount import Quantity
from naived.core.order import Fill, Intent, OrderStatus


class State(StrEnum):
    """An order's state as it is stored and shown."""

    INTENDED = "intended"
    UNKNOWN = "unknown"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    NOT_PLACED = "not_placed"
    ABANDONED = "abandoned"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Placement:
    """One intent and all that is known of it; a row of ``orders`` with its fills. Times are exchange ms.

    ``decided_at`` is the time of the trade (or fill) the decision rests on. ``attempt`` counts signed frames;
    0 is an intent that was never admitted. ``executed`` is the sum of the applied ``fills``, ``reported`` the
    exchange's own cumulative quantity; ``final`` its final status, believed once the two are equal.
    ``cancelling``: we asked for its end, under the id ``<client_order_id>-x``.
    """

    intent: Intent
    client_order_id: str
    stp_mode: str | None
    epoch: int
    decided_at: int
    created_at: int
    updated_at: int
    state: State = State.NOT_PLACED
    attempt: int = 0
    timestamp: int | None = None
    recv_window: int | None = None
    order_id: int | None = None
    executed: Quantity = Quantity(0)
    reported: Quantity = Quantity(0)
    final: OrderStatus | None = None
    cancelling: bool = False
    reason: str | None = None
    code: int | None = None
    fills: tuple[Fill, ...] = ()
