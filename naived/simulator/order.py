"""The simulator's types for orders and for what happens to them.

Times are milliseconds since 1970 in UTC. ``NewOrder`` is a parsed request, ``Order`` a row of the ledger,
``Executed`` and ``Position`` are events of the user data stream.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from naived.core.amount import Amount, Money, Price, Quantity
from naived.core.orders.intent import Side
from naived.core.orders.report import Fill, OrderStatus


class OrderType(StrEnum):
    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    MARKET = "MARKET"


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class StpMode(StrEnum):
    """Self-trade prevention; TRANSFER moves balances between accounts; within one account it equals DECREMENT."""

    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"
    DECREMENT = "DECREMENT"
    TRANSFER = "TRANSFER"


@dataclass(frozen=True, slots=True)
class NewOrder:
    """``price`` is 0 for MARKET; ``quote_quantity`` is set if a MARKET order gives the quote amount instead."""

    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price: Price
    quantity: Quantity
    quote_quantity: Money
    client_order_id: str
    stp_mode: StpMode


@dataclass(frozen=True, slots=True)
class Order:
    """One order. ``quote`` is what its fills were worth, ``prevented`` what self-trade prevention took away."""

    symbol: str
    id: int
    client_order_id: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price: Price
    quantity: Quantity
    quote_quantity: Money
    stp_mode: StpMode
    created: int
    updated: int
    status: OrderStatus = OrderStatus.NEW
    executed: Quantity = Quantity(0)
    quote: Money = Money(0)
    prevented: Quantity = Quantity(0)
    cancel_id: str | None = None
    expiry: str | None = None

    @property
    def remaining(self) -> Quantity:
        """What may still be executed if the order is open."""
        return Quantity(self.quantity - self.executed - self.prevented)


@dataclass(frozen=True, slots=True)
class Balance:
    free: Amount
    locked: Amount


class Execution(StrEnum):
    """Why an execution report is sent."""

    NEW = "NEW"
    CANCELED = "CANCELED"
    TRADE = "TRADE"
    EXPIRED = "EXPIRED"
    TRADE_PREVENTION = "TRADE_PREVENTION"


@dataclass(frozen=True, slots=True)
class Prevention:
    """A match that self-trade prevention prevented, as one of its two orders sees it."""

    id: int
    counter_order_id: int
    price: Price
    quantity: Quantity


@dataclass(frozen=True, slots=True)
class Executed:
    """One execution report; ``id`` counts the reports of a symbol."""

    id: int
    kind: Execution
    order: Order
    time: int
    fill: Fill | None = None
    prevention: Prevention | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """The balances that may have changed, after the change."""

    time: int
    balances: tuple[tuple[str, Balance], ...]


Event: TypeAlias = Executed | Position


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """One trade of the public tape."""

    symbol: str
    id: int
    price: Price
    quantity: Quantity
    time: int
    buyer_is_maker: bool
