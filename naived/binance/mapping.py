"""The rows of Binance's answers, and the conversion of rows and execution reports to our types.

Rows have Binance's names, its numbers as text, and only the fields that we read. Each ``..._of`` function converts
one; it raises ValueError (AmountError is one) when a number does not fit or a word is unknown.
"""

import msgspec
import structlog

from naived.binance.codec import ExecutionReport, RateLimit
from naived.core.amount import (
    Quantity,
    Rate,
    parse_amount,
    parse_money,
    parse_price,
    parse_quantity,
    parse_rate,
    value_down,
)
from naived.core.market import Filters, SymbolInfo
from naived.core.orders import client_id
from naived.core.orders.intent import Side
from naived.core.orders.report import Fill, OrderStatus, Report
from naived.core.strategy.formulas import Fees
from naived.ports import AccountInfo, Balance

_log = structlog.get_logger(__name__)


# Filters that do not apply to a plain LIMIT order, or that only the exchange can check.
_IGNORED_FILTERS = frozenset(
    {
        "EXCHANGE_MAX_NUM_ALGO_ORDERS",
        "EXCHANGE_MAX_NUM_ICEBERG_ORDERS",
        "EXCHANGE_MAX_NUM_ORDER_LISTS",
        "EXCHANGE_MAX_NUM_ORDERS",
        "ICEBERG_PARTS",
        "MARKET_LOT_SIZE",
        "MAX_ASSET",
        "MAX_NUM_ALGO_ORDERS",
        "MAX_NUM_ICEBERG_ORDERS",
        "MAX_NUM_ORDER_AMENDS",
        "MAX_NUM_ORDER_LISTS",
        "MAX_POSITION",
        "TRAILING_DELTA",
    }
)

_BUY_STP, _SELL_STP = "EXPIRE_TAKER", "EXPIRE_MAKER"


class ServerTime(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """``time``; milliseconds."""

    server_time: int


class TickerPrice(msgspec.Struct, gc=False, frozen=True):
    """``ticker.price`` of one symbol."""

    symbol: str
    price: str


class FillPart(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """One of ``fills`` in a FULL answer; it has neither a time nor a quote amount."""

    price: str
    qty: str
    commission: str
    commission_asset: str
    trade_id: int


class OrderRow(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """An order in the answers of ``order.place`` (FULL), ``order.cancel`` and the queries."""

    symbol: str
    order_id: int
    client_order_id: str
    price: str
    orig_qty: str
    executed_qty: str
    status: str
    side: str
    cummulative_quote_qty: str = ""
    orig_client_order_id: str = ""
    transact_time: int = 0
    time: int = 0
    update_time: int = 0
    fills: tuple[FillPart, ...] = ()


class TradeRow(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """A row of ``myTrades``."""

    symbol: str
    id: int
    order_id: int
    price: str
    qty: str
    quote_qty: str
    commission: str
    commission_asset: str
    time: int
    is_maker: bool


class FilterRow(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """A filter of any type: has the fields of all types that we read."""

    filter_type: str
    min_price: str = "0"
    max_price: str = "0"
    tick_size: str = "0"
    min_qty: str = "0"
    max_qty: str = "0"
    step_size: str = "0"
    min_notional: str = "0"
    max_notional: str = "0"
    bid_multiplier_up: str = ""
    bid_multiplier_down: str = ""
    ask_multiplier_up: str = ""
    ask_multiplier_down: str = ""
    multiplier_up: str = ""
    multiplier_down: str = ""
    max_num_orders: int = 0


class SymbolRow(msgspec.Struct, frozen=True, rename="camel"):
    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    filters: tuple[FilterRow, ...]
    is_spot_trading_allowed: bool = True
    allowed_self_trade_prevention_modes: tuple[str, ...] = ()


class ExchangeInfo(msgspec.Struct, frozen=True, rename="camel"):
    symbols: tuple[SymbolRow, ...]
    rate_limits: tuple[RateLimit, ...] = ()


class Commission(msgspec.Struct, gc=False, frozen=True):
    """Rates of one part of the commission."""

    maker: str = "0"
    taker: str = "0"
    buyer: str = "0"
    seller: str = "0"


class CommissionRow(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """``account.commission``; without the BNB discount, because its documented formula contradicts itself."""

    standard_commission: Commission
    tax_commission: Commission = Commission()
    special_commission: Commission = Commission()


class BalanceRow(msgspec.Struct, gc=False, frozen=True):
    asset: str
    free: str
    locked: str


class AccountRow(msgspec.Struct, frozen=True):
    uid: int
    balances: tuple[BalanceRow, ...]


def report_of(row: OrderRow) -> Report:
    """The answer to a cancel has no time of creation: there ``created`` is the time of the cancel."""
    executed = parse_quantity(row.executed_qty)
    return Report(
        symbol=row.symbol,
        order_id=row.order_id,
        client_order_id=row.orig_client_order_id or client_id.placed_id(row.client_order_id),
        side=Side(row.side.lower()),
        price=parse_price(row.price),
        quantity=parse_quantity(row.orig_qty),
        status=_status(row.status, executed),
        executed=executed,
        created=row.time or row.transact_time,
        time=row.update_time or row.transact_time or row.time,
        fills=_fills_of(row, executed),
    )


def report_of_event(event: ExecutionReport) -> Report:
    executed = parse_quantity(event.executed)
    fill = Fill(
        symbol=event.symbol,
        order_id=event.order_id,
        trade_id=event.trade_id,
        price=parse_price(event.last_price),
        quantity=parse_quantity(event.last_quantity),
        quote=parse_money(event.last_quote),
        fee=parse_amount(event.fee or "0"),
        fee_asset=event.fee_asset or "",
        maker=event.maker,
        time=event.time,
    )
    return Report(
        symbol=event.symbol,
        order_id=event.order_id,
        client_order_id=event.cancelled_id or client_id.placed_id(event.client_order_id),
        side=Side(event.side.lower()),
        price=parse_price(event.price),
        quantity=parse_quantity(event.quantity),
        status=_status(event.status, executed),
        executed=executed,
        created=event.created,
        time=event.time,
        fills=(fill,) if event.execution == "TRADE" else (),
    )


def fill_of(row: TradeRow) -> Fill:
    return Fill(
        symbol=row.symbol,
        order_id=row.order_id,
        trade_id=row.id,
        price=parse_price(row.price),
        quantity=parse_quantity(row.qty),
        quote=parse_money(row.quote_qty),
        fee=parse_amount(row.commission),
        fee_asset=row.commission_asset,
        maker=row.is_maker,
        time=row.time,
    )


def symbol_of(row: SymbolRow) -> SymbolInfo:
    """``trading`` is true if a plain order may be placed now."""
    modes = row.allowed_self_trade_prevention_modes
    return SymbolInfo(
        symbol=row.symbol,
        base=row.base_asset,
        quote=row.quote_asset,
        trading=row.status == "TRADING" and row.is_spot_trading_allowed,
        status=row.status,
        filters=_filters_of(row),
        # The later order's mode decides. With these the buy expires and the sell stays, whichever is later.
        buy_stp=_BUY_STP if _BUY_STP in modes else None,
        sell_stp=_SELL_STP if _SELL_STP in modes else None,
    )


def fees_of(row: CommissionRow) -> Fees:
    """A side's own rate plus the larger of maker and taker rate; standard, tax and special parts are summed."""
    parts = (row.standard_commission, row.tax_commission, row.special_commission)
    either = max(sum(parse_rate(part.maker) for part in parts), sum(parse_rate(part.taker) for part in parts))
    return Fees(
        buy=Rate(either + sum(parse_rate(part.buyer) for part in parts)),
        sell=Rate(either + sum(parse_rate(part.seller) for part in parts)),
    )


def account_of(row: AccountRow) -> AccountInfo:
    return AccountInfo(
        uid=str(row.uid),
        balances={each.asset: Balance(parse_amount(each.free), parse_amount(each.locked)) for each in row.balances},
    )


def _fills_of(row: OrderRow, executed: Quantity) -> tuple[Fill, ...]:
    """The fills of a FULL answer; none if their sums differ from the row's, and the caller has to query them.

    The answer has no quote amount for each fill: price * quantity is used, if the sum over all fills is exact.
    Every fill in this answer is a taker's.
    """
    fills = tuple(
        Fill(
            symbol=row.symbol,
            order_id=row.order_id,
            trade_id=part.trade_id,
            price=parse_price(part.price),
            quantity=parse_quantity(part.qty),
            quote=value_down(parse_price(part.price), parse_quantity(part.qty)),
            fee=parse_amount(part.commission),
            fee_asset=part.commission_asset,
            maker=False,
            time=row.transact_time,
        )
        for part in row.fills
    )
    if not fills:
        return ()
    exact = sum(fill.quantity for fill in fills) == executed and sum(fill.quote for fill in fills) == parse_money(
        row.cummulative_quote_qty
    )
    return fills if exact else ()


def _filters_of(row: SymbolRow) -> Filters:
    by_type = {each.filter_type: each for each in row.filters}
    price = by_type.pop("PRICE_FILTER", FilterRow(""))
    lot = by_type.pop("LOT_SIZE", FilterRow(""))
    old_notional = by_type.pop("MIN_NOTIONAL", FilterRow(""))
    notional = by_type.pop("NOTIONAL", old_notional)
    percent = by_type.pop("PERCENT_PRICE", FilterRow(""))
    by_side = by_type.pop("PERCENT_PRICE_BY_SIDE", FilterRow(""))
    orders = by_type.pop("MAX_NUM_ORDERS", FilterRow(""))
    for unknown in by_type.keys() - _IGNORED_FILTERS:
        _log.warning("unknown filter, only the exchange checks it", symbol=row.symbol, filter=unknown)
    return Filters(
        tick_size=parse_price(price.tick_size),
        min_price=parse_price(price.min_price),
        max_price=parse_price(price.max_price),
        step_size=parse_quantity(lot.step_size),
        min_quantity=parse_quantity(lot.min_qty),
        max_quantity=parse_quantity(lot.max_qty),
        min_notional=parse_money(notional.min_notional),
        max_notional=parse_money(notional.max_notional),
        bid_down=_multiplier(by_side.bid_multiplier_down or percent.multiplier_down),
        bid_up=_multiplier(by_side.bid_multiplier_up or percent.multiplier_up),
        ask_down=_multiplier(by_side.ask_multiplier_down or percent.multiplier_down),
        ask_up=_multiplier(by_side.ask_multiplier_up or percent.multiplier_up),
        max_orders=orders.max_num_orders,
    )


def _multiplier(text: str) -> Rate | None:
    return parse_rate(text) if text else None


def _status(text: str, executed: Quantity) -> OrderStatus:
    if text in ("PENDING_NEW", "PENDING_CANCEL"):
        # Both are open; ``PENDING_CANCEL`` is documented as unused.
        return OrderStatus.PARTIALLY_FILLED if executed else OrderStatus.NEW
    return OrderStatus(text)
