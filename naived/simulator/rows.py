"""Orders and fills as rows of the ledger: amounts as canonical decimal text, words as their own text."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from naived.core.amount import format_amount, parse_amount, parse_money, parse_price, parse_quantity
from naived.core.order import Fill, OrderStatus, Side
from naived.simulator.order import Order, OrderType, StpMode, TimeInForce

ORDER_COLUMNS = tuple(f.name for f in fields(Order))
_ORDER_AMOUNTS = frozenset(("price", "quantity", "quote_quantity", "executed", "quote", "prevented"))
SELECT_ORDERS = f"SELECT {', '.join(ORDER_COLUMNS)} FROM orders"
WRITE_ORDER = (
    f"INSERT OR REPLACE INTO orders ({', '.join(ORDER_COLUMNS)}) VALUES ({', '.join('?' * len(ORDER_COLUMNS))})"
)
SELECT_FILLS = "SELECT symbol, id, order_id, price, quantity, quote, fee, fee_asset, maker, time FROM fills"


def order_row(order: Order) -> tuple[Any, ...]:
    """In the order of ORDER_COLUMNS."""
    return tuple(
        format_amount(value) if name in _ORDER_AMOUNTS else value
        for name, value in ((name, getattr(order, name)) for name in ORDER_COLUMNS)
    )


def read_order(row: Sequence[Any]) -> Order:
    """What ``order_row`` wrote."""
    named = dict(zip(ORDER_COLUMNS, row, strict=True))
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
    """In the order of the table's columns."""
    amounts = (fill.price, fill.quantity, fill.quote, fill.fee)
    texts = tuple(format_amount(amount) for amount in amounts)
    return (fill.symbol, fill.trade_id, fill.order_id, *texts, fill.fee_asset, fill.maker, fill.time)


def read_fill(row: Sequence[Any]) -> Fill:
    """What ``fill_row`` wrote."""
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
