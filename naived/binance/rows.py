"""The rows of Binance's answers, in its own words and numbers as text; only the fields that we read."""

import msgspec

from naived.binance.codec import RateLimit


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
    """Any filter: the fields of those we know, in one shape."""

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
    """``account.commission``; the discount for paying in BNB is left out: its formula contradicts itself."""

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
