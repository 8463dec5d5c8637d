"""The row of an order that the exchange has and the journal lost, in a failover of its database."""

from naived.core.amount import Quantity, format_amount
from naived.core.orders.intent import OrderIntent
from naived.core.orders.report import OrderStatus, Report
from naived.core.orders.state import OrderState, State


def recovered(
    intent: OrderIntent, report: Report, stp_mode: str | None, epoch: int, now: int, problem: str | None
) -> OrderState:
    """As it was when the exchange took it; quarantined if there is a ``problem``.

    One that was cancelled and has our id was cancelled by us: a cancel by a person would show another id.
    """
    reason = None
    if problem is not None:
        reason = f"the database lost our {_words(intent)} (order {report.order_id}), it fits no decision: {problem}"
    return OrderState(
        intent,
        report.client_order_id,
        stp_mode,
        epoch,
        decided_at=report.created,
        created_at=report.created,
        updated_at=now,
        state=State.OPEN if problem is None else State.QUARANTINED,
        attempt=1,
        order_id=report.order_id,
        reported=report.executed if problem is not None else Quantity(0),
        cancelling=report.status is OrderStatus.CANCELED,
        reason=reason,
    )


def story(order: OrderState) -> tuple[str, str]:
    """The kind and the text of the event that tells of it."""
    intent = order.intent
    where = f"{order.client_order_id}, order {order.order_id}"
    lost = f"{intent.symbol}-{intent.trader}: {_words(intent)} ({where}) was placed, and the database lost it"
    if order.state is State.QUARANTINED:
        return "quarantined", f"{lost}: {order.reason}"
    return "recovered", lost


def _words(intent: OrderIntent) -> str:
    return f"{intent.side} {format_amount(intent.quantity)} at {format_amount(intent.price)}"
