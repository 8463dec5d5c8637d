"""What the exchange reports about an order: answers to requests, execution reports, fills.

Times are milliseconds since 1970 in UTC on the exchange's clock.
"""

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from naived.core.amount import Amount, Money, Price, Quantity
from naived.core.orders.intent import Side


class OrderStatus(StrEnum):
    """An order's status, as the exchange names it."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    REJECTED = "REJECTED"

    @property
    def ended(self) -> bool:
        return self not in _AT_WORK


_AT_WORK = frozenset({OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})


class Fill(Struct, frozen=True):
    """One execution of our order, unique by (symbol, order_id, trade_id); all amounts are the exchange's.

    ``fee_value``: what a fee in a third asset was worth in quote when the fill was booked; None if it is no such
    fee, or no price was known.
    """

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
    fee_value: Money | None = None


class Refusal(StrEnum):
    """Why the exchange refused a request; a refused request created no order."""

    BALANCE = "balance"
    FILTER = "filter"
    MARKET_CLOSED = "market closed"
    FORBIDDEN = "not permitted"
    TOO_MANY = "too many orders or requests"
    CLOCK = "clock"
    CREDENTIALS = "credentials"
    MALFORMED = "malformed"
    LIMIT = "limit of the account"  # by our own journal: it was never sent
    OTHER = "other"


class Refused(Struct, frozen=True):
    """This frame created no order. ``retry_at``: the earliest useful retry, if the exchange gave one."""

    kind: Refusal
    code: int
    message: str
    retry_at: int | None = None


class Unknown(Struct, frozen=True):
    """Any other outcome: a timeout, a broken connection, a 5xx, an unlisted code. The request may have worked."""

    reason: str
    code: int | None = None


class Report(Struct, frozen=True):
    """One order at one moment: from an execution report, the answer to a request, or a query.

    ``client_order_id`` is the id at placement. ``executed`` is cumulative. ``fills`` are those that were included:
    at most one in an execution report, all in a FULL answer, none in a query. ``by_exchange``: it ended without a
    cancel request, ours or a person's; ``by_us``: it ended by a cancel with our id. ``expiry``: the exchange's word
    for why it expired. ``amended``: a person left less of it, and this is the report of that. ``refusal``: the
    exchange told, other than in an answer, that it refused one frame with this client order id; ``Unknown`` if the
    frame was refused because the order exists. ``ioc``: see ``OrderIntent``.
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
    by_exchange: bool = False
    by_us: bool = False
    expiry: str = ""
    amended: bool = False
    refusal: Refused | Unknown | None = None
    ioc: bool = False


class Accepted(Struct, frozen=True):
    """The order exists."""

    report: Report


class Unsent(Struct, frozen=True):
    """Certainly no byte was sent: the connection was closed, the deadline too near, or the order not wanted."""

    reason: str


Answer: TypeAlias = Accepted | Refused | Unknown | Unsent


class CancelAccepted(Struct, frozen=True):
    """The exchange accepted the cancel; the order's final state must still be queried by order id."""

    report: Report


class CancelRefused(Struct, frozen=True):
    """The cancel did nothing: most often the order is not open any more (-2011). Query the order."""

    code: int
    message: str


CancelAnswer: TypeAlias = CancelAccepted | CancelRefused | Unknown | Unsent
