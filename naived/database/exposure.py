"""Counts what the account has tied up, in the transaction of a new buy; ``store.py`` calls it.

So two symbols, or two daemons on one database, can never both take the last of the limit: the row of the limits is
locked until that transaction has ended. While a row that is counted cannot be read, nothing is bought.
"""

import sqlalchemy as sa
from msgspec.structs import replace

from naived.core.amount import Money, Quantity, value_up
from naived.core.orders.intent import Side
from naived.core.orders.state import TERMINAL, OrderState
from naived.core.risk import Exposure, OverLimit, UnvaluedError, too_exposed, total
from naived.database.fence import unread, without
from naived.database.reading import UNREADABLE
from naived.database.schema import limits, orders, settings
from naived.ports import Unit

_SET = sa.select(limits.c.max_exposure)
_LIMIT = sa.select(limits.c.max_exposure).with_for_update()
_EXPOSED = sa.select(settings.c.symbol, settings.c.quote, settings.c.exposure)
_KNOWN = sa.select(orders.c.id).where(orders.c.client_order_id == sa.bindparam("client_order_id"))


def within_limit(connection: sa.Connection, unit: Unit) -> tuple[Unit, OverLimit | None]:
    """The unit without its new buys, and why, if the account would have more tied up than its limit."""
    if unit.prices is None:
        return unit, None
    new = [order for order in unit.orders if _is_new_buy(connection, order)]
    if not new:
        return unit, None
    left = without(unit, new)
    try:
        if connection.scalar(_SET) is None or (limit := connection.scalar(_LIMIT)) is None:
            return unit, None
        stored = {row["symbol"]: _exposure(row) for row in connection.execute(_EXPOSED).mappings()}
    except UNREADABLE as error:
        reason = unread(connection, error, (limits, sa.select(limits)), (settings, _EXPOSED))
    else:
        ours = unit.exposure or stored[unit.symbol]
        before = Exposure(ours.quote, Money(ours.money - sum(map(_value, new))))
        others = [exposure for symbol, exposure in stored.items() if symbol != unit.symbol]
        found = _excess(ours, before, others, limit, unit)
        if found is None:
            return unit, None
        left, reason = replace(left, exposure=before), found
    return left, OverLimit(tuple(order.client_order_id for order in new), reason)


def _excess(ours: Exposure, before: Exposure, others: list[Exposure], limit: Money, unit: Unit) -> str | None:
    """Why the limit does not allow it; None if it does. ``before``: without the new buys."""
    currency, prices = unit.currency, unit.prices or {}
    try:
        if total([*others, ours], currency, prices) <= limit:
            return None
        return too_exposed(total([*others, before], currency, prices), limit, currency)
    except UnvaluedError as error:
        return str(error)


def _is_new_buy(connection: sa.Connection, order: OrderState) -> bool:
    """Can it still be left out? Not if the exchange has it, as one whose row a failover lost."""
    if order.intent.side is not Side.BUY or order.state in TERMINAL or order.order_id is not None:
        return False
    return connection.scalar(_KNOWN, {"client_order_id": order.client_order_id}) is None


def _value(order: OrderState) -> int:
    return value_up(order.intent.price, Quantity(order.intent.quantity))


def _exposure(row: sa.RowMapping) -> Exposure:
    return Exposure(row["quote"] or "", Money(row["exposure"]))
