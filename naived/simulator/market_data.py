"""The methods of public market data; raises ApiError."""

from collections.abc import Sequence
from typing import Any

from naived.core.amount import Price, format_wire, price_down
from naived.simulator import market_wire as wire
from naived.simulator.candles import INTERVALS
from naived.simulator.errors import ApiError, missing
from naived.simulator.order import PublicTrade
from naived.simulator.params import Params, flag, integer, moment, required, strings
from naived.simulator.step import Market
from naived.simulator.users import Session
from naived.simulator.venue import Venue
from naived.simulator.wire import Json

_MOST_ROWS = 1000
_ROWS = 500  # if no limit is given


def ping(venue: Venue, session: Session, params: Params) -> Any:
    return {}


def time(venue: Venue, session: Session, params: Params) -> Any:
    return {"serverTime": venue.clock()}


def exchange_info(venue: Venue, session: Session, params: Params) -> Any:
    _refuse_status_of_named(params)
    listings = [market.listing for market in _named(venue, params)]
    sets = flag(params, "showPermissionSets", True)
    return wire.exchange_info(listings, venue.limit_rows, venue.clock(), sets=sets)


def ticker_price(venue: Venue, session: Session, params: Params) -> Any:
    return _one_or_many(params, [wire.price(m.listing.info.symbol, m.last) for m in _named(venue, params)])


def ticker_book(venue: Venue, session: Session, params: Params) -> Any:
    return _one_or_many(params, [wire.book(m.listing.info.symbol, m.best()) for m in _named(venue, params)])


def average_price(venue: Venue, session: Session, params: Params) -> Any:
    market, now = venue.exchange.market(required(params, "symbol")), venue.clock()
    average = market.average_price(now)
    price = price_down(*average, Price(1)) if average else 0
    return {"mins": market.listing.average_minutes, "price": format_wire(price), "closeTime": now}


def reference_price(venue: Venue, session: Session, params: Params) -> Any:
    symbol, now = required(params, "symbol"), venue.clock()
    price = venue.exchange.market(symbol).mean_price(now)
    return {
        "symbol": symbol,
        "referencePrice": None if price is None else format_wire(price),
        "timestamp": now,
    }


def execution_rules(venue: Venue, session: Session, params: Params) -> Any:
    _refuse_status_of_named(params)
    return {"symbolRules": [wire.price_range(m.listing.info.symbol) for m in _named(venue, params)]}


def recent_trades(venue: Venue, session: Session, params: Params) -> Any:
    known = venue.exchange.market(required(params, "symbol")).trades
    return [wire.recent_trade(trade) for trade in list(known)[-_limit(params) :]]


def historical_trades(venue: Venue, session: Session, params: Params) -> Any:
    return [wire.recent_trade(trade) for trade in _from_id(venue, params)]


def aggregate_trades(venue: Venue, session: Session, params: Params) -> Any:
    start, end = moment(params, "startTime"), moment(params, "endTime")
    if start is None and end is None:
        return [wire.aggregate(trade) for trade in _from_id(venue, params)]
    if "fromId" in params:
        raise _bad_combination()
    known = venue.exchange.market(required(params, "symbol")).trades
    within = [t for t in known if (start is None or t.time >= start) and (end is None or t.time <= end)]
    limit = _limit(params)
    return [wire.aggregate(trade) for trade in (within[-limit:] if start is None else within[:limit])]


def klines(venue: Venue, session: Session, params: Params) -> Any:
    length = INTERVALS.get(required(params, "interval"))
    if length is None:
        raise ApiError(-1120, "Invalid interval.")
    market, now = venue.exchange.market(required(params, "symbol")), venue.clock()
    end = moment(params, "endTime")
    return market.candles.rows(
        length, moment(params, "startTime"), now if end is None else min(end, now), _limit(params)
    )


def _from_id(venue: Venue, params: Params) -> Sequence[PublicTrade]:
    """Trades from ``fromId`` on, or the newest."""
    known = list(venue.exchange.market(required(params, "symbol")).trades)
    first, limit = integer(params, "fromId"), _limit(params)
    return known[-limit:] if first is None else [trade for trade in known if trade.id >= first][:limit]


def _limit(params: Params) -> int:
    return integer(params, "limit", most=_MOST_ROWS) or _ROWS


def _named(venue: Venue, params: Params) -> list[Market]:
    """The markets of ``symbol`` or ``symbols``, or all of them; with ``symbolStatus`` those that have it."""
    names, status = strings(params, "symbols"), params.get("symbolStatus")
    if "symbol" in params:
        if names is not None:
            raise _bad_combination()
        names = [required(params, "symbol")]
    if names is not None:
        if not names:
            raise missing("symbols")
        if len(set(names)) < len(names):
            raise ApiError(-1151, "Symbol is present multiple times in the list.")
    markets = venue.exchange.markets
    found = [venue.exchange.market(name) for name in (markets if names is None else names)]
    left = [market for market in found if status in (None, market.listing.info.status)]
    if not left and "symbol" in params:
        raise ApiError(-1220, "The symbol's status does not match the requested symbolStatus.")
    return left


def _refuse_status_of_named(params: Params) -> None:
    if "symbolStatus" in params and ("symbol" in params or "symbols" in params):
        raise _bad_combination()


def _bad_combination() -> ApiError:
    return ApiError(-1128, "Combination of optional parameters invalid.")


def _one_or_many(params: Params, rows: list[Json]) -> Any:
    return rows[0] if "symbol" in params else rows
