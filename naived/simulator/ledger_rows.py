"""The rows of the ledger's orders, fills and amendments: from a value to a row, and back."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from naived.core.amount import format_amount, parse_amount, parse_money, parse_price, parse_quantity
from naived.core.orders.intent import Side
from naived.core.orders.report import Fill, OrderStatus
from naived.simulator.order import Amendment, Order, OrderType, StpMode, TimeInForce

_ORDER_COLUMNS = tuple(f.name for f in fields(Order))
_ORDER_AMOUNTS = frozenset(("price", "quantity", "quote_quantity", "executed", "quote", "prevented"))
SELECT_ORDERS = f"SELECT {', '.join(_ORDER_COLUMNS)} FROM orders"
WRITE_ORDER = (
    f"INSERT OR REPLACE INTO orders ({', '.join(_ORDER_COLUMNS)}) VALUES ({', '.join('?' * len(_ORDER_COLUMNS))})"
)
SELECT_FILLS = "SELECT symbol, id, order_id, price, quantity, quote, fee, fee_asset, maker, time FROM fills"


def order_row(order: Order) -> tuple[Any, ...]:
    """The values of a row of ``orders``."""
    return tuple(
        format_amount(value) if name in _ORDER_AMOUNTS else value
        for name, value in ((name, getattr(order, name)) for name in _ORDER_COLUMNS)
    )


def read_order(row: Sequence[Any]) -> Order:
    """The inverse of ``order_row``."""
    named = dict(zip(_ORDER_COLUMNS, row, strict=True))
    named.update({name: parse_amount(named[name]) for name in _ORDER_AMOUNTS})
    return Order(
        **named
        | {
            "side": Side(named["side"]),
            "type": OrderType(named["type"]),
            "time_in_force": TimeInForce(named["time_in_force"]),
            "stp_mode": StpMode(named["stp_mode"]),
            "status": OrderStatus(named["status"]),
        }
    )


def fill_row(fill: Fill) -> tuple[Any, ...]:
    """The values of a row of ``fills``."""
    amounts = (fill.price, fill.quantity, fill.quote, fill.fee)
    texts = tuple(format_amount(amount) for amount in amounts)
    return (fill.symbol, fill.trade_id, fill.order_id, *texts, fill.fee_asset, fill.maker, fill.time)


def read_fill(row: Sequence[Any]) -> Fill:
    """The inverse of ``fill_row``."""
    symbol, trade_id, order_id, price, quantity, quote, fee, fee_asset, maker, time = row
    return Fill(
        symbol=symbol,
        order_id=order_id,
        trade_id=trade_id,
        price=parse_price(price),
        quantity=parse_quantity(quantity),
        quote=parse_money(quote),
        fee=parse_amount(fee),
        fee_asset=fee_asset,
        maker=bool(maker),
        time=time,
    )


def amendment_row(amendment: Amendment) -> tuple[Any, ...]:
    """The values of a row of ``amendments``."""
    known = amendment
    quantities = format_amount(known.original_quantity), format_amount(known.new_quantity)
    return (known.symbol, known.order_id, known.id, known.original_id, known.new_id, *quantities, known.time)


def read_amendment(row: Sequence[Any]) -> Amendment:
    """The inverse of ``amendment_row``."""
    symbol, order_id, number, original_id, new_id, original, new, time = row
    return Amendment(
        symbol, order_id, number, original_id, new_id, parse_quantity(original), parse_quantity(new), time
    )
