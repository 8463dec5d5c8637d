"""The next attempt of an order: whether it takes a slot of the order limit.

`symbol_task.py` calls this for an order that was just decided, `orders.py` for one that waits.
"""

from naived.core.orders.state import Admitted, OrderState, State, step_order
from naived.ports import Exchange


def next_attempt(exchange: Exchange, order: OrderState, recv_window: int, epoch: int) -> Admitted | None:
    """Take a slot and start the next attempt; None if there is no slot.

    An order that is abandoned instead, because its trade is too old, takes no slot.
    """
    now = exchange.now()
    admitted = Admitted(order.client_order_id, now, recv_window, epoch)
    after, _ = step_order(order, admitted, now)
    if after.state is State.ABANDONED:
        return admitted
    return None if exchange.admit(order.intent.side) is None else admitted
