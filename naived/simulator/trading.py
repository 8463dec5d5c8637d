"""The methods that place, amend and cancel orders; raises ApiError."""

from collections.abc import Callable
from typing import Any

from naived.core.amount import parse_quantity
from naived.simulator import wire
from naived.simulator.errors import ApiError, amend_rejected, invalid, rejected
from naived.simulator.order import NewOrder
from naived.simulator.params import Params, client_id, decimal, flag, new_order, order_ids, required, word
from naived.simulator.users import Session
from naived.simulator.venue import Venue

_SHAPES = {shape: shape for shape in ("ACK", "RESULT", "FULL")}
_RESTRICTIONS = (None, "ONLY_NEW", "ONLY_PARTIALLY_FILLED")
_NO_SHAPE = (-1130, "Data sent for parameter 'newOrderRespType' is not valid.")
_MODES = {"STOP_ON_FAILURE": False, "ALLOW_FAILURE": True}
_WHEN_TOO_MANY = {"DO_NOTHING": False, "CANCEL_ONLY": True}


def place(venue: Venue, session: Session, params: Params) -> Any:
    return _placing(venue, params)()


def _placing(venue: Venue, params: Params) -> Callable[[], wire.Json]:
    """Read and check a new order; the call places it."""
    order = _read(venue, params)
    usual = "ACK" if order.type == "LIMIT_MAKER" else "FULL"
    shape = word({"newOrderRespType": usual, **params}, "newOrderRespType", _SHAPES, *_NO_SHAPE)
    venue.exchange.check(order)

    def run() -> wire.Json:
        now = venue.clock()
        venue.limits.check_order(now)
        done = venue.exchange.place(order)
        venue.limits.count_order(1, now)
        venue.tell(done.events)
        return wire.placed(done.order, done.fills, shape)

    return run


def _read(venue: Venue, params: Params) -> NewOrder:
    listing = venue.exchange.market(required(params, "symbol")).listing
    return new_order(params, venue.new_id(), listing.stp_default)


def test(venue: Venue, session: Session, params: Params) -> Any:
    order = _read(venue, params)
    venue.exchange.check(order)
    if not flag(params, "computeCommissionRates", False):
        return {}
    return wire.order_commission(venue.exchange.fee_rate, venue.exchange.fee_asset)


def cancel(venue: Venue, session: Session, params: Params) -> Any:
    return _cancelling(venue, params, "orderId", "origClientOrderId", "newClientOrderId")()


def _cancelling(venue: Venue, params: Params, by_id: str, by_name: str, new_name: str) -> Callable[[], wire.Json]:
    """Read a cancel, whose parameters have these names; the call performs it."""
    symbol = required(params, "symbol")
    number, original = order_ids(params, by_id, by_name)
    cancel_id = client_id(params, new_name, venue.new_id())
    only = params.get("cancelRestrictions")
    if only not in _RESTRICTIONS:
        raise ApiError(-1145, "Invalid cancelRestrictions")
    market = venue.exchange.market(symbol)

    def run() -> wire.Json:
        order_id = market.by_client_id.get(original or "", 0) if number is None else number
        order = market.open.get(order_id)
        if order is None or original not in (None, order.current_id):
            raise ApiError(-2011, "Unknown order sent.")
        if only is not None and only != f"ONLY_{order.status}":
            raise ApiError(-2011, "Order was not canceled due to cancel restrictions.")
        done = venue.exchange.cancel(symbol, order_id, cancel_id)
        venue.tell(done.events)
        return wire.cancelled(done.order)

    return run


def cancel_all(venue: Venue, session: Session, params: Params) -> Any:
    market = venue.exchange.market(required(params, "symbol"))
    if not market.open:
        raise ApiError(-2011, "Unknown order sent.")
    done = [venue.exchange.cancel(params["symbol"], number, venue.new_id()) for number in list(market.open)]
    for one in done:
        venue.tell(one.events)
    return [wire.cancelled(one.order) for one in done]


def cancel_replace(venue: Venue, session: Session, params: Params) -> Any:
    """Cancel an order and place another. Parameters and rules are checked before anything is done."""
    go_on = word(params, "cancelReplaceMode", _MODES, -1130, invalid("cancelReplaceMode").message)
    mode = {"orderRateLimitExceededMode": "DO_NOTHING", **params}
    still_cancel = word(mode, "orderRateLimitExceededMode", _WHEN_TOO_MANY, -1130, invalid("mode").message)
    listing = venue.exchange.market(required(params, "symbol")).listing
    if not listing.row.get("cancelReplaceAllowed", True):
        raise rejected("Order cancel-replace is not supported for this symbol.")
    cancel_it = _cancelling(venue, params, "cancelOrderId", "cancelOrigClientOrderId", "cancelNewClientOrderId")
    place_it = _placing(venue, params)
    if not still_cancel:
        venue.limits.check_order(venue.clock())
    done = {"cancelResult": "SUCCESS", "newOrderResult": "NOT_ATTEMPTED"}
    cancelled: Any = None
    placed: Any = None
    try:
        cancelled = cancel_it()
    except ApiError as error:
        done["cancelResult"], cancelled = "FAILURE", _described(error)
    if go_on or done["cancelResult"] == "SUCCESS":
        try:
            placed = place_it()
            done["newOrderResult"] = "SUCCESS"
        except ApiError as error:
            done["newOrderResult"], placed = "FAILURE", _described(error)
    else:
        venue.limits.count_order(1, venue.clock())  # an order that was not attempted counts all the same
    result = {**done, "cancelResponse": cancelled, "newOrderResponse": placed}
    match list(done.values()).count("SUCCESS"):
        case 2:
            return result
        case 1:
            raise ApiError(-2021, "Order cancel-replace partially failed.", 409, result)
        case _:
            raise ApiError(-2022, "Order cancel-replace failed.", 400, result)


def _described(error: ApiError) -> wire.Json:
    return {"code": error.code, "msg": error.message}


def amend(venue: Venue, session: Session, params: Params) -> Any:
    symbol = required(params, "symbol")
    market = venue.exchange.market(symbol)
    number, original = order_ids(params)
    quantity = parse_quantity(decimal(params, "newQty"))
    new_id = client_id(params, "newClientOrderId", venue.new_id())
    if not market.listing.row.get("amendAllowed", True):
        raise amend_rejected("Order amend is not supported for this symbol.")
    order = market.open.get(market.by_client_id.get(original or "", 0) if number is None else number)
    if order is None or original not in (None, order.current_id):
        raise amend_rejected("Unknown order sent.")
    done = venue.exchange.amend(symbol, order.id, quantity, new_id)
    venue.tell(done.events)
    return wire.amended(done, order.current_id)
