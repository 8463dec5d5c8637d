"""What a person is told of an order that came into a new state."""

from msgspec import Struct

from naived.core.amount import format_amount
from naived.core.orders.state import OrderState, State

# A refusal and a quarantine have notes of their own.
FATES = {
    State.OPEN: "placed",
    State.FILLED: "filled",
    State.CANCELLED: "cancelled",
    State.EXPIRED: "expired",
    State.UNKNOWN: "unknown",
    State.NOT_PLACED: "not placed",
    State.ABANDONED: "abandoned",
}

_EXPLAINED = (State.EXPIRED, State.UNKNOWN, State.NOT_PLACED, State.ABANDONED)


class Turned(Struct, frozen=True):
    """A note that ``order`` came into its state; its text is made where somebody reads it."""

    order: OrderState

    @property
    def kind(self) -> str:
        return FATES[self.order.state]

    @property
    def message(self) -> str:
        order, intent = self.order, self.order.intent
        number = "" if order.order_id is None else f", order {order.order_id}"
        text = f"{intent.side} {format_amount(order.quantity)} at {format_amount(intent.price)}"
        why = f": {order.reason}" if order.state in _EXPLAINED and order.reason else ""
        return f"{intent.symbol}-{intent.trader}: {text} ({order.client_order_id}{number}){why}"
