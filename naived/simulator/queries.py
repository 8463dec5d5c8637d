"""The methods that read orders, fills and the account; raises ApiError."""

from typing import Any

from naived.core.orders.report import Fill, OrderStatus
from naived.simulator import wire
from naived.simulator.errors import ApiError, missing
from naived.simulator.order import Order
from naived.simulator.params import Params, flag, integer, moment, order_ids, required
from naived.simulator.users import Session
from naived.simulator.venue import Venue

_LONGEST_SPAN = 86_400_000  # milliseconds: a query of history by time covers at most a day
_ARCHIVED_AFTER = 90 * 86_400_000  # milliseconds after which an order that ended without a fill is archived
_MOST_ROWS = 1000
_ROWS = 500  # if no limit is given


def order_status(venue: Venue, session: Session, params: Params) -> Any:
    symbol = required(params, "symbol")
    order = venue.exchange.find(symbol, *order_ids(params))
    if order is None or venue.hidden(symbol, order.id):
        raise ApiError(-2013, "Order does not exist.")
    if _archived(order, venue.clock()):
        raise ApiError(
            -2026, "Order was canceled or expired with no executed qty over 90 days ago and has been archived."
        )
    return wire.status(order)


def open_orders(venue: Venue, session: Session, params: Params) -> Any:
    symbol = params.get("symbol")
    markets = [venue.exchange.market(symbol)] if symbol else list(venue.exchange.markets.values())
    return _rows(venue, [order for market in markets for order in market.open.values()])


def all_orders(venue: Venue, session: Session, params: Params) -> Any:
    symbol = required(params, "symbol")
    venue.exchange.market(symbol)
    start, end = _span(params)
    first = None if start is not None or end is not None else integer(params, "orderId")
    limit = integer(params, "limit", most=_MOST_ROWS) or _ROWS
    return _rows(
        venue, venue.exchange.ledger.history.orders(symbol, first=first, start=start, end=end, limit=limit)
    )


def my_trades(venue: Venue, session: Session, params: Params) -> Any:
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
    return trade_rows(venue, fills)


def order_amendments(venue: Venue, session: Session, params: Params) -> Any:
    symbol = required(params, "symbol")
    venue.exchange.market(symbol)
    order_id = integer(params, "orderId")
    if order_id is None:
        raise missing("orderId")
    first, limit = integer(params, "fromExecutionId"), integer(params, "limit", most=_MOST_ROWS) or _ROWS
    found = venue.exchange.ledger.history.amendments(symbol, order_id, first=first, limit=limit)
    return [wire.amendment(each) for each in found]


def account_status(venue: Venue, session: Session, params: Params) -> Any:
    exchange = venue.exchange
    omit = flag(params, "omitZeroBalances", False)
    return wire.account(
        exchange.account.balances(), exchange.fee_rate, exchange.ledger.uid, venue.clock(), omit_zero=omit
    )


def account_commission(venue: Venue, session: Session, params: Params) -> Any:
    symbol = required(params, "symbol")
    venue.exchange.market(symbol)
    return wire.commission(symbol, venue.exchange.fee_rate, venue.exchange.fee_asset)


def order_limits(venue: Venue, session: Session, params: Params) -> Any:
    return venue.limits.rows(venue.clock(), kinds=("ORDERS",))


def trade_rows(venue: Venue, fills: list[Fill]) -> list[wire.Json]:
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
    now = venue.clock()
    return [
        wire.status(order)
        for order in orders
        if not (venue.hidden(order.symbol, order.id) or _archived(order, now))
    ]


def _archived(order: Order, now: int) -> bool:
    ended = (OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.EXPIRED_IN_MATCH)
    return order.status in ended and not order.executed and now - order.updated > _ARCHIVED_AFTER


def _span(params: Params) -> tuple[int | None, int | None]:
    start, end = moment(params, "startTime"), moment(params, "endTime")
    if start is not None and end is not None and not 0 <= end - start <= _LONGEST_SPAN:
        raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
    return start, end
