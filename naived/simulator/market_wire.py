"""Converts public market data to the exchange's JSON. Every amount has 8 decimals, times are ms."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from naived.core.amount import Price, format_wire, value_down
from naived.simulator.order import BookTop, PublicTrade
from naived.simulator.rules import PRICE_RANGE
from naived.simulator.symbols import Listing
from naived.simulator.wire import Json


def exchange_info(
    listings: Iterable[Listing], limits: Sequence[Mapping[str, Any]], now: int, *, sets: bool
) -> Json:
    """The answer to exchangeInfo; ``sets`` includes the symbols' permission sets."""
    rows = [listing.row for listing in listings]
    return {
        "timezone": "UTC",
        "serverTime": now,
        "rateLimits": list(limits),
        "exchangeFilters": [],
        "symbols": rows if sets else [{k: v for k, v in row.items() if k != "permissionSets"} for row in rows],
    }


def public_trade(happened: PublicTrade) -> Json:
    """One event of ``<symbol>@trade``, its nine keys in the recorded order."""
    return {
        "e": "trade",
        "E": happened.time,
        "s": happened.symbol,
        "t": happened.id,
        "p": format_wire(happened.price),
        "q": format_wire(happened.quantity),
        "T": happened.time,
        "m": happened.buyer_is_maker,
        "M": True,
    }


def aggregate_trade(happened: PublicTrade) -> Json:
    """One event of ``<symbol>@aggTrade``: here every trade is an aggregate of its own."""
    return {
        "e": "aggTrade",
        "E": happened.time,
        "s": happened.symbol,
        "a": happened.id,
        "p": format_wire(happened.price),
        "q": format_wire(happened.quantity),
        "f": happened.id,
        "l": happened.id,
        "T": happened.time,
        "m": happened.buyer_is_maker,
        "M": True,
    }


def recent_trade(happened: PublicTrade) -> Json:
    """One row of trades.recent and trades.historical."""
    return {
        "id": happened.id,
        "price": format_wire(happened.price),
        "qty": format_wire(happened.quantity),
        "quoteQty": format_wire(value_down(happened.price, happened.quantity)),
        "time": happened.time,
        "isBuyerMaker": happened.buyer_is_maker,
        "isBestMatch": True,
    }


def aggregate(happened: PublicTrade) -> Json:
    """One row of trades.aggregate."""
    whole = aggregate_trade(happened)
    return {name: whole[name] for name in ("a", "p", "q", "f", "l", "T", "m", "M")}


def price(symbol: str, last: Price | None) -> Json:
    """One row of ticker.price; 0 before the first trade."""
    return {"symbol": symbol, "price": format_wire(last or 0)}


def book(symbol: str, top: BookTop) -> Json:
    """One row of ticker.book."""
    return {
        "symbol": symbol,
        "bidPrice": format_wire(top.bid),
        "bidQty": format_wire(top.bid_quantity),
        "askPrice": format_wire(top.ask),
        "askQty": format_wire(top.ask_quantity),
    }


def book_ticker(symbol: str, number: int, top: BookTop) -> Json:
    """One event of ``<symbol>@bookTicker``, which has neither type nor time."""
    row = book(symbol, top)
    return {
        "u": number,
        "s": symbol,
        "b": row["bidPrice"],
        "B": row["bidQty"],
        "a": row["askPrice"],
        "A": row["askQty"],
    }


def price_range(symbol: str) -> Json:
    """One row of executionRules."""
    low, high = (format_wire(rate) for rate in PRICE_RANGE)
    rule = {
        "ruleType": "PRICE_RANGE",
        "bidLimitMultUp": high,
        "bidLimitMultDown": low,
        "askLimitMultUp": high,
        "askLimitMultDown": low,
    }
    return {"symbol": symbol, "rules": [rule]}
