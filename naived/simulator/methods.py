"""The methods of the WebSocket API: the parameters, the weight and the effect of each; raises ApiError."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from naived.core.amount import Price, format_wire, parse_price, parse_quantity, price_down
from naived.core.orders.report import Fill
from naived.simulator import wire
from naived.simulator.errors import ApiError
from naived.simulator.faults import read_fault
from naived.simulator.order import Order
from naived.simulator.params import Params, client_id, decimal, flag, integer, new_order, required, strings
from naived.simulator.users import Session
from naived.simulator.venue import Venue

_LONGEST_SPAN = 86_400_000  # milliseconds: a query of history by time covers at most a day
_MOST_ROWS = 1000
_ROWS = 500  # if no limit is given
_NO_LIMIT = -1  # SQLite's LIMIT: an audit needs all rows


@dataclass(frozen=True, slots=True)
class Method:
    """``free``: has no weight if it succeeds; ``orders``: its answer lists the order limits too."""

    run: Callable[[Venue, Session, Params], Any]
    weight: Callable[[Params], int]
    signed: bool = False
    free: bool = False
    orders: bool = False


def _ping(venue: Venue, session: Session, params: Params) -> Any:
    return {}


def _time(venue: Venue, session: Session, params: Params) -> Any:
    return {"serverTime": venue.clock()}


def _exchange_info(venue: Venue, session: Session, params: Params) -> Any:
    names = strings(params, "symbols")
    if "symbol" in params:
        if names is not None:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        names = [params["symbol"]]
    markets = (
        [venue.exchange.market(name) for name in names]
        if names is not None
        else list(venue.exchange.markets.values())
    )
    status = params.get("symbolStatus")
    listings = [m.listing for m in markets if status in (None, m.listing.info.status)]
    sets = flag(params, "showPermissionSets", True)
    return wire.exchange_info(listings, venue.limit_rows, venue.clock(), sets=sets)


def _ticker_price(venue: Venue, session: Session, params: Params) -> Any:
    market = venue.exchange.market(required(params, "symbol"))
    return {"symbol": params["symbol"], "price": format_wire(market.last or 0)}


def _average_price(venue: Venue, session: Session, params: Params) -> Any:
    market, now = venue.exchange.market(required(params, "symbol")), venue.clock()
    reference = market.reference(now)
    price = price_down(*reference, Price(1)) if reference else 0
    return {"mins": market.listing.average_minutes, "price": format_wire(price), "closeTime": now}


def _place(venue: Venue, session: Session, params: Params) -> Any:
    listing = venue.exchange.market(required(params, "symbol")).listing
    order = new_order(params, venue.new_id(), listing.stp_default)
    shape = params.get("newOrderRespType") or ("ACK" if order.type == "LIMIT_MAKER" else "FULL")
    if shape not in ("ACK", "RESULT", "FULL"):
        raise ApiError(-1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    now = venue.clock()
    venue.limits.check_order(now)
    done = venue.exchange.place(order)
    venue.limits.count_order(1, now)
    venue.tell(done.events)
    return wire.placed(done.order, done.fills, shape)


def _test(venue: Venue, session: Session, params: Params) -> Any:
    listing = venue.exchange.market(required(params, "symbol")).listing
    venue.exchange.check(new_order(params, venue.new_id(), listing.stp_default))
    return {}


def _cancel(venue: Venue, session: Session, params: Params) -> Any:
    symbol = required(params, "symbol")
    market = venue.exchange.market(symbol)
    order_id, original = _ids(params)
    if order_id is None:
        order_id = market.by_client_id.get(original or "", 0)
    order = market.open.get(order_id)
    if order is None or original not in (None, order.client_order_id):
        raise ApiError(-2011, "Unknown order sent.")
    only = params.get("cancelRestrictions")
    if only not in (None, "ONLY_NEW", "ONLY_PARTIALLY_FILLED"):
        raise ApiError(-1145, "Invalid cancelRestrictions")
    if only is not None and only != f"ONLY_{order.status}":
        raise ApiError(-2011, "Order was not canceled due to cancel restrictions.")
    done = venue.exchange.cancel(symbol, order_id, client_id(params, "newClientOrderId", venue.new_id()))
    venue.tell(done.events)
    return wire.cancelled(done.order)


def _cancel_all(venue: Venue, session: Session, params: Params) -> Any:
    market = venue.exchange.market(required(params, "symbol"))
    if not market.open:
        raise ApiError(-2011, "Unknown order sent.")
    done = [venue.exchange.cancel(params["symbol"], number, venue.new_id()) for number in list(market.open)]
    for one in done:
        venue.tell(one.events)
    return [wire.cancelled(one.order) for one in done]


def _status(venue: Venue, session: Session, params: Params) -> Any:
    symbol = required(params, "symbol")
    order = venue.exchange.find(symbol, *_ids(params))
    if order is None or venue.hidden(symbol, order.id):
        raise ApiError(-2013, "Order does not exist.")
    return wire.status(order)


def _open_orders(venue: Venue, session: Session, params: Params) -> Any:
    symbol = params.get("symbol")
    markets = [venue.exchange.market(symbol)] if symbol else list(venue.exchange.markets.values())
    return _rows(venue, [order for market in markets for order in market.open.values()])


def _all_orders(venue: Venue, session: Session, params: Params) -> Any:
    symbol = required(params, "symbol")
    venue.exchange.market(symbol)
    start, end = _span(params)
    first = None if start is not None or end is not None else integer(params, "orderId")
    limit = integer(params, "limit", most=_MOST_ROWS) or _ROWS
    return _rows(
        venue, venue.exchange.ledger.history.orders(symbol, first=first, start=start, end=end, limit=limit)
    )


def _my_trades(venue: Venue, session: Session, params: Params) -> Any:
    symbol = required(params, "symbol")
    venue.exchange.market(symbol)
    start, end = _span(params)
    order_id, first = integer(params, "orderId"), integer(params, "fromId")
    if (start is not None or end is not None) and (order_id is not None or first is not None):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    fills = venue.exchange.ledger.history.fills(
        symbol,
        order_id=order_id,
        first=first,
        start=start,
        end=end,
        limit=integer(params, "limit", most=_MOST_ROWS) or _ROWS,
    )
    return _trades(venue, fills)


def _account(venue: Venue, session: Session, params: Params) -> Any:
    exchange = venue.exchange
    omit = flag(params, "omitZeroBalances", False)
    return wire.account(
        exchange.account.balances(), exchange.fee_rate, exchange.ledger.uid, venue.clock(), omit_zero=omit
    )


def _commission(venue: Venue, session: Session, params: Params) -> Any:
    symbol = required(params, "symbol")
    venue.exchange.market(symbol)
    return wire.commission(symbol, venue.exchange.fee_rate)


def _logon(venue: Venue, session: Session, params: Params) -> Any:
    if venue.key.secret is not None:
        raise ApiError(-4056, "HMAC_SHA256 API key is not supported.")
    session.api_key = required(params, "apiKey")
    session.authorized_since = venue.clock()
    return _session(venue, session, params)


def _logout(venue: Venue, session: Session, params: Params) -> Any:
    session.api_key = session.authorized_since = None
    session.subscriptions.logout()
    return _session(venue, session, params)


def _session(venue: Venue, session: Session, params: Params) -> Any:
    return {
        "apiKey": session.api_key,
        "authorizedSince": session.authorized_since,
        "connectedSince": session.connected_since,
        "returnRateLimits": session.return_rate_limits,
        "serverTime": venue.clock(),
        "userDataStream": any(True for _ in session.subscriptions),
    }


def _subscribe(venue: Venue, session: Session, params: Params) -> Any:
    if session.api_key is None:
        raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.")
    return {"subscriptionId": session.subscriptions.open(by_session=True)}


def _subscribe_signed(venue: Venue, session: Session, params: Params) -> Any:
    return {"subscriptionId": session.subscriptions.open(by_session=False)}


def _unsubscribe(venue: Venue, session: Session, params: Params) -> Any:
    session.subscriptions.close(integer(params, "subscriptionId"))
    return {}


def _subscriptions(venue: Venue, session: Session, params: Params) -> Any:
    return [{"subscriptionId": number} for number in session.subscriptions]


def _ledger(venue: Venue, params: Params) -> Any:
    symbol = params.get("symbol")
    exchange = venue.exchange
    if symbol is not None:
        exchange.market(symbol)
    return {
        "orders": [_ledger_row(order) for order in exchange.ledger.history.orders(symbol, limit=_NO_LIMIT)],
        "fills": _trades(venue, exchange.ledger.history.fills(symbol, limit=_NO_LIMIT)),
        "balances": wire.balance_rows(exchange.account.balances(), omit_zero=False),
        "faults": exchange.ledger.faults(),
    }


def _ledger_row(order: Order) -> wire.Json:
    return {
        **wire.status(order),
        "clientOrderId": order.client_order_id,
        "cancelClientOrderId": order.cancel_id,
    }


def _trade(venue: Venue, params: Params) -> Any:
    symbol = required(params, "symbol")
    price, quantity = parse_price(decimal(params, "price")), parse_quantity(decimal(params, "quantity"))
    return {"id": venue.trade(symbol, price, quantity)}


def _play(venue: Venue, params: Params) -> Any:
    venue.pace.play()
    return {}


def _hold(venue: Venue, params: Params) -> Any:
    venue.pace.hold()
    return {}


def _fault(venue: Venue, params: Params) -> Any:
    if params.get("kind") == "clear":
        venue.faults.clear()
        venue.restore(list(venue.outages))
        return {}
    fault = read_fault(params)
    if fault.symbol is not None:
        venue.exchange.market(fault.symbol)
    venue.faults.arm(fault)
    venue.faults.act(None, None, venue.act)
    return {}


def _trades(venue: Venue, fills: list[Fill]) -> list[wire.Json]:
    """Rows of myTrades."""
    sides: dict[tuple[str, int], Order | None] = {}
    rows = []
    for fill in fills:
        key = (fill.symbol, fill.order_id)
        if key not in sides:
            sides[key] = venue.exchange.ledger.history.order(*key)
        order = sides[key]
        assert order is not None, "a fill without its order"
        rows.append(wire.trade(fill, order.side))
    return rows


def _rows(venue: Venue, orders: list[Order]) -> list[wire.Json]:
    return [wire.status(order) for order in orders if not venue.hidden(order.symbol, order.id)]


def _ids(params: Params) -> tuple[int | None, str | None]:
    order_id, original = integer(params, "orderId"), params.get("origClientOrderId")
    if order_id is None and original is None:
        raise ApiError(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    return order_id, original


def _span(params: Params) -> tuple[int | None, int | None]:
    start, end = integer(params, "startTime"), integer(params, "endTime")
    if start is not None and end is not None and not 0 <= end - start <= _LONGEST_SPAN:
        raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
    return start, end


def _costs(weight: int) -> Callable[[Params], int]:
    return lambda params: weight


METHODS = {
    "ping": Method(_ping, _costs(1)),
    "time": Method(_time, _costs(1)),
    "exchangeInfo": Method(_exchange_info, _costs(20)),
    "ticker.price": Method(_ticker_price, _costs(2)),
    "avgPrice": Method(_average_price, _costs(2)),
    "order.place": Method(_place, _costs(1), signed=True, free=True, orders=True),
    "order.test": Method(_test, _costs(1), signed=True),
    "order.cancel": Method(_cancel, _costs(1), signed=True, free=True),
    "openOrders.cancelAll": Method(_cancel_all, _costs(1), signed=True, free=True),
    "order.status": Method(_status, _costs(4), signed=True),
    "openOrders.status": Method(_open_orders, lambda params: 6 if "symbol" in params else 80, signed=True),
    "allOrders": Method(_all_orders, _costs(20), signed=True),
    "myTrades": Method(_my_trades, lambda params: 5 if "orderId" in params else 20, signed=True),
    "account.status": Method(_account, _costs(20), signed=True),
    "account.commission": Method(_commission, _costs(20), signed=True),
    "session.logon": Method(_logon, _costs(2), signed=True),
    "session.status": Method(_session, _costs(2)),
    "session.logout": Method(_logout, _costs(2)),
    "userDataStream.subscribe": Method(_subscribe, _costs(2)),
    "userDataStream.subscribe.signature": Method(_subscribe_signed, _costs(2), signed=True),
    "userDataStream.unsubscribe": Method(_unsubscribe, _costs(2)),
    "session.subscriptions": Method(_subscriptions, _costs(2)),
}

# For tests, not methods of an exchange: unsigned, without weight, and no fault applies to them.
STEERING: Mapping[str, Callable[[Venue, Params], Any]] = {
    "sim.ledger": _ledger,
    "sim.trade": _trade,
    "sim.play": _play,
    "sim.hold": _hold,
    "sim.fault": _fault,
}
