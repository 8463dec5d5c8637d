"""The rows of Binance's answers, and the conversion of rows and execution reports to our types.

Rows have Binance's names, its numbers as text, and only the fields that we read; a field with a default is a side
field (`border.read`). Each ``..._of`` function converts one; it raises ValueError (AmountError is one) when a
number does not fit, a word is unknown, or the fields contradict each other. ``until`` (ms) is the latest time
believed.
"""

from collections.abc import Callable

import msgspec

from naived.binance.border import LATEST, FillId, Id, OrderId, Time, bounded, in_time, message, name, word
from naived.binance.codec import Execution, ExecutionReport, execution_of
from naived.binance.filters import filters_of
from naived.core.amount import (
    Amount,
    Money,
    Quantity,
    parse_amount,
    parse_money,
    parse_price,
    parse_quantity,
    value_down,
)
from naived.core.market import SymbolInfo
from naived.core.orders import client_id
from naived.core.orders.intent import Side
from naived.core.orders.report import Fill, OrderStatus, Report
from naived.ports import Balance

_BUY_STP, _SELL_STP = "EXPIRE_TAKER", "EXPIRE_MAKER"
_CANCELED = "CANCELED"
_IOC = "IOC"
_REPLACED = "REPLACED"  # an execution report of an amendment
_QUOTE_TOLERANCE = 1000  # a quote amount may differ by a thousandth: fiat is rounded to two places


class ServerTime(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """``time``; milliseconds."""

    server_time: Time


class TickerPrice(msgspec.Struct, gc=False, frozen=True):
    """A row of ``ticker.price``."""

    symbol: str
    price: str


class FillPart(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """One of ``fills`` in a FULL answer; it has neither a time nor a quote amount."""

    price: str
    qty: str
    commission: str
    commission_asset: str
    trade_id: FillId


class OrderRow(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """An order in the answers of ``order.place`` (FULL), ``order.cancel`` and the queries."""

    symbol: str
    order_id: OrderId
    client_order_id: str
    price: str
    orig_qty: str
    executed_qty: str
    status: str
    side: str
    cummulative_quote_qty: str = ""
    orig_client_order_id: str | None = None
    transact_time: Time | None = None
    time: Time | None = None
    update_time: Time | None = None
    time_in_force: str = ""
    expiry_reason: str = ""
    prevented_quantity: str = ""
    fills: tuple[FillPart, ...] = ()


class TradeRow(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """A row of ``myTrades``."""

    symbol: str
    id: FillId
    order_id: OrderId
    price: str
    qty: str
    quote_qty: str
    commission: str
    commission_asset: str
    time: Time
    is_maker: bool


class SymbolRow(msgspec.Struct, frozen=True, rename="camel"):
    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    filters: tuple[msgspec.Raw, ...]
    base_asset_precision: int = 8
    quote_asset_precision: int = 8
    is_spot_trading_allowed: bool = True
    allowed_self_trade_prevention_modes: tuple[str, ...] = ()


class SymbolName(msgspec.Struct, gc=False, frozen=True):
    """What is read of a symbol's row that cannot be read whole."""

    symbol: str


class ExchangeInfo(msgspec.Struct, frozen=True, rename="camel"):
    symbols: tuple[msgspec.Raw, ...]
    rate_limits: tuple[msgspec.Raw, ...] = ()


class BalanceRow(msgspec.Struct, gc=False, frozen=True):
    asset: str
    free: str
    locked: str


class PositionRow(msgspec.Struct, gc=False, frozen=True):
    """A balance as the user data stream tells it."""

    asset: str = msgspec.field(name="a")
    free: str = msgspec.field(name="f")
    locked: str = msgspec.field(name="l")


class AmendmentRow(msgspec.Struct, gc=False, frozen=True):
    earlier_id: str = msgspec.field(name="origClientOrderId")


class AccountRow(msgspec.Struct, frozen=True):
    uid: Id
    balances: tuple[msgspec.Raw, ...]
    commission_rates: msgspec.Raw = msgspec.field(name="commissionRates", default=msgspec.Raw(b"null"))


def report_of(row: OrderRow, until: int = LATEST) -> Report:
    """The answer to a cancel has no time of creation: there ``created`` is the time of the cancel."""
    executed = bounded(parse_quantity, row.executed_qty)
    created = row.time or row.transact_time
    if created is None:
        raise ValueError("it has no time")
    placed_as = row.orig_client_order_id or client_id.placed_id(row.client_order_id)
    report = Report(
        symbol=name(row.symbol),
        order_id=row.order_id,
        client_order_id=placed_as,
        side=Side(row.side.lower()),
        price=bounded(parse_price, row.price),
        quantity=bounded(parse_quantity, row.orig_qty),
        status=_status(row.status, executed),
        executed=executed,
        created=in_time(created, until),
        time=in_time(row.update_time or row.transact_time or created, until),
        fills=_fills_of(row, executed),
        by_exchange=_ended_itself(row.status, row.client_order_id, placed_as, row.expiry_reason),
        by_us=row.status == _CANCELED and client_id.is_cancel(row.client_order_id),
        expiry=_expiry(row.expiry_reason),
        ioc=row.time_in_force == _IOC,
    )
    return _checked(report, row.cummulative_quote_qty, row.prevented_quantity)


def report_of_event(event: ExecutionReport, until: int = LATEST) -> Report:
    """Without ``fills`` if the fill cannot be read: the quantity then shows that one has to be asked for.

    An order of which self-trade prevention took a part is filled with less than its quantity. Where the report does
    not tell the part, only its fill is believed, and the next query tells that it has ended.
    """
    executed, quantity = bounded(parse_quantity, event.executed), bounded(parse_quantity, event.quantity)
    status = _status(event.status, executed)
    if status is OrderStatus.FILLED and not event.prevented and 0 < executed < quantity:
        status = OrderStatus.PARTIALLY_FILLED
    placed_as = event.cancelled_id or client_id.placed_id(event.client_order_id)
    report = Report(
        symbol=name(event.symbol),
        order_id=event.order_id,
        client_order_id=placed_as,
        side=Side(event.side.lower()),
        price=bounded(parse_price, event.price),
        quantity=quantity,
        status=status,
        executed=executed,
        created=in_time(event.created, until),
        time=min(event.time or event.created, until),
        by_exchange=_ended_itself(event.status, event.client_order_id, placed_as, event.expiry_reason),
        by_us=event.status == _CANCELED and client_id.is_cancel(event.client_order_id),
        expiry=_expiry(event.expiry_reason),
        # What was cancelled and goes on was amended, also where the kind of the report cannot be read.
        amended=event.kind == _REPLACED or bool(event.cancelled_id and not status.ended),
        ioc=event.time_in_force == _IOC,
    )
    return _checked(report, event.total, event.prevented)


def fill_of_event(event: ExecutionReport, until: int = LATEST) -> Fill | None:
    """The fill that the report tells, None if it tells none."""
    if event.kind != "TRADE":
        return None
    execution: Execution = execution_of(event)
    return _fill(
        event.symbol,
        event.order_id,
        execution.trade_id,
        (execution.price, execution.quantity, execution.quote),
        (execution.fee, execution.fee_asset),
        in_time(execution.time, until),
        maker=execution.maker,
    )


def fill_of(row: TradeRow, until: int = LATEST, order_id: int | None = None) -> Fill:
    """``order_id``: of which order the fill must be, None if of any."""
    if order_id not in (None, row.order_id):
        raise ValueError(f"it is of order {row.order_id}")
    return _fill(
        name(row.symbol),
        row.order_id,
        row.id,
        (row.price, row.qty, row.quote_qty),
        (row.commission, row.commission_asset),
        in_time(row.time, until),
        maker=row.is_maker,
    )


def _fill(
    symbol: str,
    order_id: int,
    trade_id: int,
    amounts: tuple[str, str, str],
    fee: tuple[str, str | None],
    time: int,
    *,
    maker: bool,
) -> Fill:
    """``amounts`` are price, quantity and quote amount; the last must be the product of the others."""
    price, quantity = bounded(parse_price, amounts[0], 1), bounded(parse_quantity, amounts[1], 1)
    quote, paid = bounded(parse_money, amounts[2]), bounded(parse_amount, fee[0])
    product = value_down(price, quantity)
    if abs(quote - product) > product // _QUOTE_TOLERANCE + 1:
        raise ValueError(f"{amounts[2][:40]} is not {amounts[0][:40]} * {amounts[1][:40]}")
    return Fill(
        symbol=symbol,
        order_id=order_id,
        trade_id=trade_id,
        price=price,
        quantity=quantity,
        quote=quote,
        fee=paid,
        fee_asset=_fee_asset(paid, fee[1] or ""),
        maker=maker,
        time=time,
    )


def symbol_of(row: SymbolRow, note: Callable[[str], None]) -> SymbolInfo:
    """``trading`` is true if a plain order may be placed now. ``note`` is told which filters were left out."""
    filters = filters_of(row.filters, (row.base_asset_precision, row.quote_asset_precision), note)
    modes = row.allowed_self_trade_prevention_modes
    return SymbolInfo(
        symbol=name(row.symbol),
        base=name(row.base_asset),
        quote=name(row.quote_asset),
        trading=row.status == "TRADING" and row.is_spot_trading_allowed,
        status=word(row.status),
        filters=filters,
        # The later order's mode decides. With these the buy expires and the sell stays, whichever is later.
        buy_stp=_BUY_STP if _BUY_STP in modes else None,
        sell_stp=_SELL_STP if _SELL_STP in modes else None,
    )


def balance_of(row: BalanceRow | PositionRow) -> tuple[str, Balance]:
    """The asset and what the account has of it."""
    return name(row.asset), Balance(bounded(parse_amount, row.free), bounded(parse_amount, row.locked))


def _ended_itself(status: str, client_order_id: str, placed_as: str, reason: str) -> bool:
    """Did the exchange end the order without a cancel request? Such a request replaces the client order id.

    In the answer to a query only the new id of a person's cancel is left, so it is no id of ours.
    """
    if reason == "EXCHANGE_CANCELED":
        return True
    return status == _CANCELED and client_order_id == placed_as and client_id.is_naived(placed_as)


def _expiry(reason: str) -> str:
    """Why an order expired, as it is shown; the first of the documented reasons is none."""
    return "" if reason == "NONE" else message(reason)


def _checked(report: Report, quote: str, prevented: str) -> Report:
    """The report of an order of a naived, if its fields agree; ``quote`` is all that was executed, if it was told.

    ``prevented`` is what self-trade prevention took of the order. Others may have no price, or no quantity.
    """
    if not client_id.is_naived(report.client_order_id):
        return report
    status, executed = report.status, report.executed
    whole = status is OrderStatus.FILLED
    if (
        not report.price
        or not 0 < report.quantity >= executed
        or (whole and executed + bounded(parse_quantity, prevented or "0") != report.quantity)
        or (status is OrderStatus.NEW and executed)
        or (status is OrderStatus.PARTIALLY_FILLED and not executed)
        or (not executed and quote.strip("0.") and not quote.startswith("-"))
    ):
        raise ValueError(f"{status} does not agree with {executed} of {report.quantity} at {report.price}")
    return report


def _fills_of(row: OrderRow, executed: Quantity) -> tuple[Fill, ...]:
    """The fills of a FULL answer; none if one cannot be read, or their sums differ from the row's.

    Without them the caller has to query them. The answer has no quote amount for each fill: price * quantity is
    used, if the sum over all fills is exact. Every fill in this answer is a taker's.
    """
    try:
        fills = tuple(_fill_of_part(row, part) for part in row.fills)
        total = parse_money(row.cummulative_quote_qty)
    except ValueError:
        return ()
    exact = sum(fill.quantity for fill in fills) == executed and sum(fill.quote for fill in fills) == total
    return fills if exact else ()


def _fill_of_part(row: OrderRow, part: FillPart) -> Fill:
    if row.transact_time is None:
        raise ValueError("it has no time")
    quote: Money = value_down(bounded(parse_price, part.price, 1), bounded(parse_quantity, part.qty, 1))
    paid = bounded(parse_amount, part.commission)
    return Fill(
        symbol=row.symbol,
        order_id=row.order_id,
        trade_id=part.trade_id,
        price=parse_price(part.price),
        quantity=parse_quantity(part.qty),
        quote=quote,
        fee=paid,
        fee_asset=_fee_asset(paid, part.commission_asset),
        maker=False,
        time=row.transact_time,
    )


def _fee_asset(paid: Amount, text: str) -> str:
    """The asset of a fee; where none was paid it may be missing."""
    return name(text) if paid or text else ""


def _status(text: str, executed: Quantity) -> OrderStatus:
    if text in ("PENDING_NEW", "PENDING_CANCEL"):
        # Both are open; ``PENDING_CANCEL`` is documented as unused.
        return OrderStatus.PARTIALLY_FILLED if executed else OrderStatus.NEW
    return OrderStatus(text)
