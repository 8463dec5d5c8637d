"""Counts what the account has tied up, in the transaction of a new buy; ``store.py`` calls it.

So two symbols, or two daemons on one database, can never both take the last of the limit: the row of the limits is
locked until that transaction has ended.
"""

import sqlalchemy as sa
from msgspec.structs import replace

from naived.core.amount import Money, Quantity, value_up
from naived.core.orders.intent import Side
from naived.core.orders.state import TERMINAL, OrderState
from naived.core.risk import Exposure, OverLimit, UnvaluedError, too_exposed, total
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
    if connection.scalar(_SET) is None:
        return unit, None
    limit = connection.scalar(_LIMIT)
    if limit is None:
        return unit, None
    others = [
        Exposure(row["quote"] or "", Money(row["exposure"]))
        for row in connection.execute(_EXPOSED).mappings()
        if row["symbol"] != unit.symbol
    ]
    ours = unit.exposure or _stored(connection, unit.symbol)
    currency = unit.currency
    without = Exposure(ours.quote, Money(ours.money - sum(map(_value, new))))
    try:
        if total([*others, ours], currency, unit.prices) <= limit:
            return unit, None
        reason = too_exposed(total([*others, without], currency, unit.prices), limit, currency)
    except UnvaluedError as error:
        reason = str(error)
    traders = {order.intent.trader for order in new}
    left = replace(
        unit,
        exposure=without,
        traders=tuple(trader for trader in unit.traders if trader.number not in traders),
        orders=tuple(order for order in unit.orders if order not in new),
    )
    return left, OverLimit(tuple(order.client_order_id for order in new), reason)


def _is_new_buy(connection: sa.Connection, order: OrderState) -> bool:
    """Can it still be left out? Not if the exchange has it, as one whose row a failover lost."""
    if order.intent.side is not Side.BUY or order.state in TERMINAL or order.order_id is not None:
        return False
    return connection.scalar(_KNOWN, {"client_order_id": order.client_order_id}) is None


def _value(order: OrderState) -> int:
    return value_up(order.intent.price, Quantity(order.intent.quantity))


def _stored(connection: sa.Connection, symbol: str) -> Exposure:
    row = connection.execute(_EXPOSED.where(settings.c.symbol == symbol)).mappings().one()
    return Exposure(row["quote"] or "", Money(row["exposure"]))
