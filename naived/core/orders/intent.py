"""The decision to place one order, whether or not the exchange has it yet."""

from enum import StrEnum

from msgspec import Struct

from naived.core.amount import Price, Quantity


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


class OrderIntent(Struct, frozen=True):
    """The ``seq``-th order of this trader on this side. ``OrderState`` holds what became of it.

    ``ioc``: what is not executed at once expires.
    """

    symbol: str
    trader: int
    side: Side
    seq: int
    price: Price
    quantity: Quantity
    ioc: bool = False
