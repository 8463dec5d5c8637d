"""The symbols and their rules: rows of an exchangeInfo answer, from a file or built in.

``check`` and the functions after it refuse an order that breaks the rules of its symbol.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from naived.core.amount import (
    SCALE,
    AmountError,
    Money,
    Price,
    Quantity,
    format_wire,
    parse_money,
    parse_price,
    parse_quantity,
    parse_rate,
    price_down,
    quantity_down,
)
from naived.core.market import Filters, SymbolInfo, refusal
from naived.simulator.errors import ApiError, SimulatorError, filter_failure, rejected
from naived.simulator.order import NewOrder, OrderType


@dataclass(frozen=True, slots=True)
class Listing:
    """One symbol: its exchangeInfo row, and the values from it that the engine uses.

    ``average_minutes``: the averaging period of the reference price; 0 means the last price.
    ``market_step`` and its bounds are the MARKET_LOT_SIZE filter; 0 is off.
    """

    row: Mapping[str, Any]
    info: SymbolInfo
    stp_modes: frozenset[str]
    stp_default: str
    average_minutes: int
    market_step: int
    market_least: int
    market_most: int


RATE_LIMITS: tuple[Mapping[str, Any], ...] = (
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50},
    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 160_000},
    {"rateLimitType": "CONNECTIONS", "interval": "MINUTE", "intervalNum": 5, "limit": 300},
)

_STP_MODES = ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER"]

# symbol: base asset, quote asset, start price of the walk, tick size, step size, largest quantity
_BUILT_IN = {
    "BTCUSDT": ("BTC", "USDT", "96000.00", "0.01", "0.00001", "9000"),
    "ETHUSDT": ("ETH", "USDT", "2683.80", "0.01", "0.0001", "9000"),
    "BNBUSDT": ("BNB", "USDT", "910.00", "0.01", "0.001", "900000"),
    "SOLUSDT": ("SOL", "USDT", "168.00", "0.01", "0.001", "90000"),
    "XRPUSDT": ("XRP", "USDT", "2.3100", "0.0001", "0.1", "9000000"),
    "DOGEUSDT": ("DOGE", "USDT", "0.18500", "0.00001", "1", "9000000"),
    "ADAUSDT": ("ADA", "USDT", "0.6100", "0.0001", "0.1", "900000"),
    "TRXUSDT": ("TRX", "USDT", "0.2900", "0.0001", "0.1", "9000000"),
    "AVAXUSDT": ("AVAX", "USDT", "21.50", "0.01", "0.01", "90000"),
    "LINKUSDT": ("LINK", "USDT", "17.20", "0.01", "0.01", "90000"),
    "DOTUSDT": ("DOT", "USDT", "3.900", "0.001", "0.01", "90000"),
    "LTCUSDT": ("LTC", "USDT", "101.00", "0.01", "0.001", "90000"),
    "BCHUSDT": ("BCH", "USDT", "520.0", "0.1", "0.001", "9000"),
    "UNIUSDT": ("UNI", "USDT", "7.900", "0.001", "0.01", "90000"),
    "ATOMUSDT": ("ATOM", "USDT", "3.300", "0.001", "0.01", "90000"),
    "NEARUSDT": ("NEAR", "USDT", "2.700", "0.001", "0.1", "900000"),
    "XLMUSDT": ("XLM", "USDT", "0.2900", "0.0001", "1", "900000"),
    "SHIBUSDT": ("SHIB", "USDT", "0.00001020", "0.00000001", "1", "46116860414"),
    "PEPEUSDT": ("PEPE", "USDT", "0.00000815", "0.00000001", "1", "92141578000"),
    "ETHBTC": ("ETH", "BTC", "0.02795", "0.00001", "0.0001", "100000"),
    "BNBBTC": ("BNB", "BTC", "0.009480", "0.000001", "0.001", "100000"),
}
_LEAST_NOTIONAL = {"USDT": "5", "BTC": "0.0001"}


def built_in_prices() -> dict[str, Price]:
    """The start prices of the random walks of the built-in symbols."""
    return {symbol: parse_price(row[2]) for symbol, row in _BUILT_IN.items()}


def built_in() -> dict[str, Any]:
    """An exchangeInfo answer for the built-in symbols."""
    return {
        "exchangeFilters": [],
        "rateLimits": list(RATE_LIMITS),
        "symbols": [
            _row(symbol, base, quote, tick, step, most)
            for symbol, (base, quote, _, tick, step, most) in _BUILT_IN.items()
        ],
    }


def _row(symbol: str, base: str, quote: str, tick: str, step: str, most: str) -> dict[str, Any]:
    tick_size, step_size = format_wire(parse_price(tick)), format_wire(parse_quantity(step))
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": tick_size,
                "maxPrice": "1000000.00000000",
                "tickSize": tick_size,
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": step_size,
                "maxQty": format_wire(parse_quantity(most)),
                "stepSize": step_size,
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": "0.00000000",
                "maxQty": format_wire(parse_quantity(most)),
                "stepSize": "0.00000000",
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": "1.2",
                "bidMultiplierDown": "0.5",
                "askMultiplierUp": "2",
                "askMultiplierDown": "0.8",
                "avgPriceMins": 5,
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": format_wire(parse_money(_LEAST_NOTIONAL[quote])),
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": _STP_MODES,
    }


def load(source: Path | Mapping[str, Any] | None) -> tuple[dict[str, Listing], Sequence[Mapping[str, Any]]]:
    """Listings by symbol and rate limits of an exchangeInfo answer, bare or as the result of a WebSocket one.

    Raises SimulatorError if the file cannot be read or is not such an answer.
    """
    where = str(source) if isinstance(source, Path) else "the exchangeInfo given"
    try:
        answer: Any = msgspec.json.decode(source.read_bytes()) if isinstance(source, Path) else source or built_in()
        answer = answer.get("result", answer)
        listings = {row["symbol"]: listing(row) for row in answer["symbols"]}
        limits = answer.get("rateLimits") or RATE_LIMITS
    except OSError as error:
        raise SimulatorError(f"cannot read {where}: {error.strerror}") from error
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, AmountError) as error:
        raise SimulatorError(f"{where} is not an exchangeInfo answer: {error!r}") from error
    return listings, limits


def listing(row: Mapping[str, Any]) -> Listing:
    """Read one symbol's row; raises KeyError, TypeError or AmountError if the engine cannot use it."""
    by_type = {item["filterType"]: item for item in row["filters"]}
    price, lot = by_type.get("PRICE_FILTER", {}), by_type.get("LOT_SIZE", {})
    notional = by_type.get("NOTIONAL") or by_type.get("MIN_NOTIONAL", {})
    percent, market = by_type.get("PERCENT_PRICE_BY_SIDE", {}), by_type.get("MARKET_LOT_SIZE", {})
    filters = Filters(
        tick_size=parse_price(price.get("tickSize", "0")),
        min_price=parse_price(price.get("minPrice", "0")),
        max_price=parse_price(price.get("maxPrice", "0")),
        step_size=parse_quantity(lot.get("stepSize", "0")),
        min_quantity=parse_quantity(lot.get("minQty", "0")),
        max_quantity=parse_quantity(lot.get("maxQty", "0")),
        min_notional=parse_money(notional.get("minNotional", "0")),
        max_notional=parse_money(notional.get("maxNotional", "0")),
        bid_down=parse_rate(percent["bidMultiplierDown"]) if percent else None,
        bid_up=parse_rate(percent["bidMultiplierUp"]) if percent else None,
        ask_down=parse_rate(percent["askMultiplierDown"]) if percent else None,
        ask_up=parse_rate(percent["askMultiplierUp"]) if percent else None,
        max_orders=by_type.get("MAX_NUM_ORDERS", {}).get("maxNumOrders", 0),
    )
    return Listing(
        row=row,
        info=SymbolInfo(
            symbol=row["symbol"],
            base=row["baseAsset"],
            quote=row["quoteAsset"],
            trading=row["status"] == "TRADING",
            status=row["status"],
            filters=filters,
        ),
        stp_modes=frozenset(row.get("allowedSelfTradePreventionModes", ["NONE"])),
        stp_default=row.get("defaultSelfTradePreventionMode", "NONE"),
        average_minutes=percent.get("avgPriceMins", notional.get("avgPriceMins", 0)),
        market_step=parse_quantity(market.get("stepSize", "0")),
        market_least=parse_quantity(market.get("minQty", "0")),
        market_most=parse_quantity(market.get("maxQty", "0")),
    )


def halted(old: Listing) -> Listing:
    """The same symbol with the status HALT."""
    return listing({**old.row, "status": "HALT"})


def coarser(old: Listing) -> Listing:
    """The same symbol with ten times larger tick and step sizes; exchanges make such changes."""

    def tenfold(item: Mapping[str, Any]) -> Mapping[str, Any]:
        names = {"PRICE_FILTER": ("tickSize", "minPrice"), "LOT_SIZE": ("stepSize", "minQty")}
        return {**item, **{n: format_wire(10 * parse_price(item[n])) for n in names.get(item["filterType"], ())}}

    return listing({**old.row, "filters": [tenfold(item) for item in old.row["filters"]]})


def check(listing: Listing, new: NewOrder, reference: tuple[int, int] | None) -> None:
    """Raises ApiError -1013 for what the API refuses; ``reference`` is the average price as a quotient."""
    filters = listing.info.filters
    if new.stp_mode.value not in listing.stp_modes:
        raise ApiError(-1013, "This symbol does not allow the specified self-trade prevention mode.")
    if new.type is OrderType.MARKET:
        _check_market(listing, new, reference)
        return
    average = price_down(*reference, Price(1)) if reference else None
    failed = refusal(filters, new.side, new.price, new.quantity, average)
    if failed is not None:
        raise filter_failure(failed)


def _check_market(listing: Listing, new: NewOrder, reference: tuple[int, int] | None) -> None:
    filters = listing.info.filters
    if new.quote_quantity:
        if new.quote_quantity < filters.min_notional:
            raise filter_failure("NOTIONAL")
        return
    if not _fits(new.quantity, filters.min_quantity, filters.max_quantity, filters.step_size):
        raise filter_failure("LOT_SIZE")
    if not _fits(new.quantity, listing.market_least, listing.market_most, listing.market_step):
        raise filter_failure("MARKET_LOT_SIZE")
    if reference is not None:
        value, quantity = reference
        if value * new.quantity < filters.min_notional * SCALE * quantity:
            raise filter_failure("NOTIONAL")


def _fits(quantity: int, least: int, most: int, step: int) -> bool:
    return (not least or quantity >= least) and (not most or quantity <= most) and not (step and quantity % step)


def check_open(listing: Listing, open_orders: int) -> None:
    """Raises ApiError -2010 for what the matching engine refuses."""
    if not listing.info.trading:
        raise rejected("Market is closed.")
    most = listing.info.filters.max_orders
    if most and open_orders >= most:
        raise rejected("Filter failure: MAX_NUM_ORDERS")


def affordable(listing: Listing, quote_quantity: Money, price: Price) -> Quantity:
    """The quantity that a MARKET order trades for ``quote_quantity``, rounded down to the step; raises ApiError."""
    step = Quantity(max(listing.info.filters.step_size, listing.market_step, 1))
    quantity = quantity_down(quote_quantity * SCALE, price, step)
    if not quantity:
        raise filter_failure("LOT_SIZE")
    return quantity
