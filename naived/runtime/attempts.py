"""The next attempt of an order: whether it takes a slot of the order limit now, and when it may be tried again.

`symbol_task.py` calls this for an order that was just decided, `orders.py` for one that waits.
"""

from naived.core.orders.state import Admitted, OrderState, State, step_order
from naived.ports import Exchange

_SAFETY = 1_000  # ms: in the last second before its fence (or fifth of the window, if shorter) nothing is sent


def next_attempt(exchange: Exchange, order: OrderState, recv_window: int, epoch: int) -> Admitted | None:
    """Take a slot and start the next attempt; None if there is no slot, or nothing could be sent in time.

    An order that is abandoned instead, because its trade is too old, takes no slot.
    """
    now = exchange.now()
    admitted = Admitted(order.client_order_id, now, recv_window, epoch)
    after, _ = step_order(order, admitted, now)
    if after.state is State.ABANDONED:
        return admitted
    if unsendable(exchange, recv_window) is not None or exchange.admit(order.intent.side) is None:
        return None
    return admitted


def is_late(exchange: Exchange, timestamp: int, recv_window: int) -> bool:
    """May a frame that is signed with these (ms) reach the exchange too late?"""
    return exchange.latest() >= timestamp + recv_window - min(_SAFETY, recv_window // 5)


def unsendable(exchange: Exchange, recv_window: int) -> str | None:
    """Why a frame would be too late even if it was signed now; None if it would not."""
    now = exchange.now()
    if not is_late(exchange, now, recv_window):
        return None
    takes = exchange.latest() - now
    return f"an answer of the exchange takes {takes} ms, too long for a recv-window of {recv_window} ms"


def backoff(order: OrderState, now: int, longest: float) -> float:
    """Seconds until an order whose last frame was not sent is tried again; ``longest`` are between two attempts.

    The pause is as long as it was tried before, so it doubles. After the first frame there is none: its connection
    may just have closed.
    """
    if order.timestamp is None:
        return 0
    pause = min(longest * 1000, order.timestamp - order.created_at)
    return min(longest, max(0, order.timestamp + pause - now) / 1000)
