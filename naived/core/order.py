"""An order in the words of the house: what we want, what the exchange answered, what it reports.

Times are milliseconds since 1970 in UTC on the exchange's clock.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from naived.core.amount import Amount, Money, Price, Quantity


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


@dataclass(frozen=True, slots=True)
class Intent:
    """An order that is decided: the ``seq``-th of this trader on this side. Its life is a ``Placement``."""

    symbol: str
    trader: int
    side: Side
    seq: int
    price: Price
    quantity: Quantity


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


@dataclass(frozen=True, slots=True)
class Fill:
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


@dataclass(frozen=True, slots=True)
class Report:
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


@dataclass(frozen=True, slots=True)
class Accepted:
    """The order exists."""

    report: Report


@dataclass(frozen=True, slots=True)
class Refused:
    """This frame created nothing. ``retry_at``: when asking again makes sense, if the exchange said so."""

    kind: Refusal
    code: int
    message: str
    retry_at: int | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Anything else: a timeout, a broken connection, a 5xx, an unlisted code. Never means failed."""

    reason: str
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Unsent:
    """Provably no byte left: before the send began the connection was closed, or the deadline too near."""

    reason: str


Answer: TypeAlias = Accepted | Refused | Unknown | Unsent


@dataclass(frozen=True, slots=True)
class CancelAccepted:
    """The exchange took the cancel; the order's last word still comes from a query by order id."""

    report: Report


@dataclass(frozen=True, slots=True)
class CancelRefused:
    """The cancel did nothing: most often the order is not open any more (-2011). Ask for the order."""

    code: int
    message: str


CancelAnswer: TypeAlias = CancelAccepted | CancelRefused | Unknown | Unsent
