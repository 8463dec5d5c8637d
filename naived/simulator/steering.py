"""The ``sim.*`` methods: the hand that holds the tape, feeds trades, arms faults and audits the ledger."""

from collections.abc import Mapping
from typing import Any

from naived.core.amount import parse_price, parse_quantity
from naived.simulator import wire
from naived.simulator.errors import ApiError
from naived.simulator.faults import Fault
from naived.simulator.methods import trades
from naived.simulator.order import Order
from naived.simulator.params import Params, decimal, integer, required
from naived.simulator.venue import Venue

_MOST_COUNT = 1_000_000  # of one armed fault
_EVERYTHING = -1  # SQLite's LIMIT for no limit: an audit sees all


def _ledger(venue: Venue, params: Params) -> Any:
    symbol = params.get("symbol")
    exchange = venue.exchange
    if symbol is not None:
        exchange.market(symbol)
    return {
        "orders": [_audited(order) for order in exchange.ledger.history.orders(symbol, limit=_EVERYTHING)],
        "fills": trades(venue, exchange.ledger.history.fills(symbol, limit=_EVERYTHING)),
        "balances": wire.balance_rows(exchange.account.balances(), omit_zero=False),
        "faults": exchange.ledger.faults(),
    }


def _audited(order: Order) -> wire.Json:
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
    kind = required(params, "kind")
    if kind == "clear":
        venue.faults.clear()
        venue.restore(list(venue.outages))
        return {}
    symbol = params.get("symbol")
    if symbol is not None:
        venue.exchange.market(symbol)
    try:
        seconds = float(params["seconds"]) if "seconds" in params else None
        probability = float(params.get("probability", "1"))
        code = int(params.get("code", "-1007"))
    except ValueError as error:
        raise ApiError(-1130, f"Data sent for a parameter of sim.fault is not valid: {error}") from error
    if not 0 <= probability <= 1 or not (seconds is None or 0 <= seconds < float("inf")):
        raise ApiError(-1130, "Data sent for a parameter of sim.fault is not valid.")
    count = integer(params, "count", most=_MOST_COUNT) or 1
    venue.faults.arm(Fault(kind, params.get("method"), symbol, count, seconds, code, probability))
    venue.faults.act(None, None, venue.act)
    return {}


_METHODS = {
    "sim.ledger": _ledger,
    "sim.trade": _trade,
    "sim.play": _play,
    "sim.hold": _hold,
    "sim.fault": _fault,
}


def steer(venue: Venue, method: str, params: Mapping[str, str]) -> Any:
    """Do one ``sim.*`` request; raises ApiError."""
    if method not in _METHODS:
        raise ApiError(-1020, "This operation is not supported.")
    return _METHODS[method](venue, params)
