"""The symbols and their rules: rows of an exchangeInfo answer, from a file or built in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from naived.core.amount import (
    Price,
    Quantity,
    Rate,
    format_wire,
    parse_money,
    parse_price,
    parse_quantity,
    parse_rate,
)
from naived.core.market import Filters, SymbolInfo
from naived.simulator.errors import SimulatorError


@dataclass(frozen=True, slots=True)
class Listing:
    """One symbol: its exchangeInfo row, and the values from it that the engine uses.

    ``average_minutes``: the averaging period of the average price; 0 means the last price.
    ``market_step`` and its bounds are the MARKET_LOT_SIZE filter; 0 is off, as it is for the other bounds.
    ``names`` has the older names of filters that the symbol has in place of the present ones.
    """

    row: Mapping[str, Any]
    info: SymbolInfo
    stp_modes: frozenset[str]
    stp_default: str
    average_minutes: int
    market_step: int
    market_least: int
    market_most: int
    max_position: int
    max_amendments: int
    names: Mapping[str, str]


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
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
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
        if "symbols" not in answer:
            raise SimulatorError(f"{where} is not an exchangeInfo answer: {_without_symbols(answer)}")
        listings = {row["symbol"]: listing(row) for row in answer["symbols"]}
        limits = answer.get("rateLimits") or RATE_LIMITS
    except OSError as error:
        raise SimulatorError(f"cannot read {where}: {error.strerror}") from error
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise SimulatorError(f"{where} is not an exchangeInfo answer: {error!r}") from error
    return listings, limits


def _without_symbols(answer: Mapping[str, Any]) -> str:
    error = answer.get("error", answer)
    if "code" in error and "msg" in error:
        return f"the exchange answered with an error, {error['code']} {error['msg']}"
    return "it has no symbols"


def listing(row: Mapping[str, Any]) -> Listing:
    """Read one symbol's row; raises KeyError, TypeError or ValueError if the engine cannot use it.

    A value that is null or 0 is off, as the exchange documents; a tick or step of 0 is then 10^-8.
    """
    by_type = {item["filterType"]: item for item in row["filters"] or ()}
    price, lot = by_type.get("PRICE_FILTER", {}), by_type.get("LOT_SIZE", {})
    notional = by_type.get("NOTIONAL") or by_type.get("MIN_NOTIONAL", {})
    percent, market = _percent(by_type), by_type.get("MARKET_LOT_SIZE", {})
    olds = {"NOTIONAL": "MIN_NOTIONAL", "PERCENT_PRICE_BY_SIDE": "PERCENT_PRICE"}
    filters = Filters(
        tick_size=Price(max(parse_price(price.get("tickSize") or "0"), 1)),
        min_price=parse_price(price.get("minPrice") or "0"),
        max_price=parse_price(price.get("maxPrice") or "0"),
        step_size=Quantity(max(parse_quantity(lot.get("stepSize") or "0"), 1)),
        min_quantity=parse_quantity(lot.get("minQty") or "0"),
        max_quantity=parse_quantity(lot.get("maxQty") or "0"),
        min_notional=parse_money(notional.get("minNotional") or "0"),
        max_notional=parse_money(notional.get("maxNotional") or "0"),
        bid_down=_multiplier(percent, "bidMultiplierDown"),
        bid_up=_multiplier(percent, "bidMultiplierUp"),
        ask_down=_multiplier(percent, "askMultiplierDown"),
        ask_up=_multiplier(percent, "askMultiplierUp"),
        max_orders=_count(by_type, "MAX_NUM_ORDERS", "maxNumOrders"),
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
        stp_modes=frozenset(row.get("allowedSelfTradePreventionModes") or ["NONE"]),
        stp_default=row.get("defaultSelfTradePreventionMode") or "NONE",
        average_minutes=int(percent.get("avgPriceMins", notional.get("avgPriceMins")) or 0),
        market_step=parse_quantity(market.get("stepSize") or "0"),
        market_least=parse_quantity(market.get("minQty") or "0"),
        market_most=parse_quantity(market.get("maxQty") or "0"),
        max_position=parse_quantity(by_type.get("MAX_POSITION", {}).get("maxPosition") or "0"),
        max_amendments=_count(by_type, "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends"),
        names={new: old for new, old in olds.items() if old in by_type and new not in by_type},
    )


def _percent(by_type: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The PERCENT_PRICE_BY_SIDE filter, or the older one with the same bounds for both sides."""
    if "PERCENT_PRICE_BY_SIDE" in by_type or "PERCENT_PRICE" not in by_type:
        return by_type.get("PERCENT_PRICE_BY_SIDE", {})
    old = by_type["PERCENT_PRICE"]
    up, down = old.get("multiplierUp"), old.get("multiplierDown")
    return {
        "bidMultiplierUp": up,
        "bidMultiplierDown": down,
        "askMultiplierUp": up,
        "askMultiplierDown": down,
        "avgPriceMins": old.get("avgPriceMins"),
    }


def _multiplier(percent: Mapping[str, Any], name: str) -> Rate | None:
    return Rate(parse_rate(percent.get(name) or "0")) or None


def _count(by_type: Mapping[str, Mapping[str, Any]], kind: str, name: str) -> int:
    return int(by_type.get(kind, {}).get(name) or 0)
