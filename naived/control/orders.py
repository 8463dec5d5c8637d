"""Converts orders to JSON documents: those of the runtime, of the journal, and of a backtest."""

from collections.abc import Iterable
from typing import Any

from naived.control.protocol import format_time
from naived.core.amount import format_amount
from naived.core.orders.state import LIVE, OrderState, State


def open_orders(orders: Iterable[OrderState]) -> list[dict[str, Any]]:
    """Live orders, then those in quarantine, which the exchange may have."""
    known = list(orders)
    live = [each for each in known if each.state in LIVE]
    return [order(each) for each in (*live, *(each for each in known if each.state is State.QUARANTINED))]


def order(order: OrderState) -> dict[str, Any]:
    """One entry of ``orders``; ``fence_at`` is when the exchange can no longer accept the latest attempt.

    ``reason``: why it was refused, expired, or is in doubt; else null.
    """
    intent, fence = order.intent, order.fence
    return {
        "symbol": intent.symbol,
        "trader": f"{intent.symbol}-{intent.trader}",
        "side": str(intent.side),
        **order_fields(order),
        "fence_at": None if fence is None else format_time(fence),
        "created_at": format_time(order.created_at),
        "updated_at": format_time(order.updated_at),
        "reason": order.reason,
    }


def order_fields(order: OrderState) -> dict[str, Any]:
    """The fields of an order that a trader of ``status`` shows."""
    intent = order.intent
    return {
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "price": format_amount(intent.price),
        "quantity": format_amount(order.quantity),
        "executed": format_amount(order.executed),
        "state": str(order.state),
    }
