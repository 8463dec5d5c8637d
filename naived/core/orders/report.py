"""What the exchange says of an order: answers to a request, execution reports, fills.

Times are milliseconds since 1970 in UTC on the exchange's clock.
"""

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from naived.core.amount import Amount, Money, Price, Quantity
from naived.core.orders.intent import Side


class OrderStatus(StrEnum):
    """The exchange's own word for an order's status."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    REJECTED = "REJECTED"

    @property
    def ended(self) -> bool:
        return self not in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


class Fill(Struct, frozen=True):
    """One execution of an order of ours, keyed (symbol, order_id, trade_id); the exchange's own amounts."""

    symbol: str
    order_id: int
    trade_id: int
    price: Price
    quantity: Quantity
    quote: Money
    fee: Amount
    fee_asset: str
    maker: bool
    time: int


class Report(Struct, frozen=True):
    """What the exchange says of one order at one moment: an execution report, an answer, or a query's hit.

    ``client_order_id`` is the id at placement. ``executed`` is cumulative. ``fills`` are those that came
    along: at most one in an execution report, all in a FULL answer, none in a query.
    """

    symbol: str
    order_id: int
    client_order_id: str
    side: Side
    price: Price
    quantity: Quantity
    status: OrderStatus
    executed: Quantity
    created: int
    time: int
    fills: tuple[Fill, ...] = ()


class Refusal(StrEnum):
    """Why a definite no was said; it created nothing."""

    BALANCE = "balance"
    FILTER = "filter"
    MARKET_CLOSED = "market closed"
    FORBIDDEN = "not permitted"
    TOO_MANY = "too many orders or requests"
    CLOCK = "clock"
    CREDENTIALS = "credentials"
    MALFORMED = "malformed"
    OTHER = "other"


class Accepted(Struct, frozen=True):
    """The order exists."""

    report: Report


class Refused(Struct, frozen=True):
    """This frame created nothing. ``retry_at``: when asking again makes sense, if the exchange said so."""

    kind: Refusal
    code: int
    message: str
    retry_at: int | None = None


class Unknown(Struct, frozen=True):
    """Anything else: a timeout, a broken connection, a 5xx, an unlisted code. Never means failed."""

    reason: str
    code: int | None = None


class Unsent(Struct, frozen=True):
    """Provably no byte left: before the send began the connection was closed, or the deadline too near."""

    reason: str


Answer: TypeAlias = Accepted | Refused | Unknown | Unsent


class CancelAccepted(Struct, frozen=True):
    """The exchange took the cancel; the order's last word still comes from a query by order id."""

    report: Report


class CancelRefused(Struct, frozen=True):
    """The cancel did nothing: most often the order is not open any more (-2011). Ask for the order."""

    code: int
    message: str


CancelAnswer: TypeAlias = CancelAccepted | CancelRefused | Unknown | Unsent
