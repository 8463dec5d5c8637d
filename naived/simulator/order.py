"""The simulator's types for orders and for what happens to them.

Times are milliseconds since 1970 in UTC. ``NewOrder`` is a parsed request, ``Order`` a row of the ledger,
``Executed``, ``Position`` and ``Transfer`` are
events of the user data stream.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from naived.core.amount import Amount, Money, Price, Quantity, Rate
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
    strategy_id: int | None = None
    strategy_type: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One order. ``quote`` is what its fills were worth, ``prevented`` what self-trade prevention took away.

    ``client_order_id`` is the id at placement, ``amended_id`` the one that an amendment gave it instead.
    """

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
    amended_id: str | None = None
    amendments: int = 0
    strategy_id: int | None = None
    strategy_type: int | None = None

    @property
    def current_id(self) -> str:
        """The client order id that reports and queries show until the order is cancelled."""
        return self.amended_id or self.client_order_id

    @property
    def remaining(self) -> Quantity:
        """What may still be executed if the order is open."""
        return Quantity(self.quantity - self.executed - self.prevented)


@dataclass(frozen=True, slots=True)
class Balance:
    free: Amount
    locked: Amount


@dataclass(frozen=True, slots=True)
class FeeAsset:
    """A third asset in which fees are paid while it lasts: ``price`` in quote money for one, less ``discount``."""

    asset: str
    price: Price
    discount: Rate


class Execution(StrEnum):
    """Why an execution report is sent."""

    NEW = "NEW"
    CANCELED = "CANCELED"
    REPLACED = "REPLACED"
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
class Amendment:
    """What an amendment changed of an order; ``id`` is that of its execution report."""

    symbol: str
    order_id: int
    id: int
    original_id: str
    new_id: str
    original_quantity: Quantity
    new_quantity: Quantity
    time: int


@dataclass(frozen=True, slots=True)
class Executed:
    """One execution report; ``id`` counts the reports of a symbol, ``original_id`` is what REPLACED replaced."""

    id: int
    kind: Execution
    order: Order
    time: int
    fill: Fill | None = None
    prevention: Prevention | None = None
    original_id: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """The balances that may have changed, after the change."""

    time: int
    balances: tuple[tuple[str, Balance], ...]


@dataclass(frozen=True, slots=True)
class Transfer:
    """A deposit of ``change``, or a withdrawal if it is negative."""

    time: int
    asset: str
    change: int


Event: TypeAlias = Executed | Position | Transfer


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """One trade of the public tape."""

    symbol: str
    id: int
    price: Price
    quantity: Quantity
    time: int
    buyer_is_maker: bool


@dataclass(frozen=True, slots=True)
class BookTop:
    """The best bid and the best ask; 0 where there is none."""

    bid: Price
    bid_quantity: Quantity
    ask: Price
    ask_quantity: Quantity
