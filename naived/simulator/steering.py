"""The ``sim.*`` requests, with which a test steers the exchange.

They are unsigned, have no weight, and no fault applies to them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from naived.core.amount import SCALE, parse_amount, parse_price, parse_quantity, parse_rate
from naived.core.orders.report import OrderStatus
from naived.simulator import wire
from naived.simulator.errors import invalid, missing
from naived.simulator.faults import read_fault
from naived.simulator.interventions import alter_rules, delist, end_orders, set_fee_asset, set_free
from naived.simulator.order import FeeAsset, Order
from naived.simulator.params import SIDES, Params, check_names, decimal, integer, required, word
from naived.simulator.queries import trade_rows
from naived.simulator.rules import ALTERABLE
from naived.simulator.venue import Venue

_NO_LIMIT = -1  # SQLite's LIMIT: an audit needs all rows
_ENDS = {s.value: s for s in (OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.EXPIRED_IN_MATCH)}


def _ledger(venue: Venue, params: Params) -> Any:
    symbol = params.get("symbol")
    exchange = venue.exchange
    if symbol is not None and symbol not in exchange.altered_rules:  # a delisted one has its history
        exchange.market(symbol)
    return {
        "orders": [_ledger_row(order) for order in exchange.ledger.history.orders(symbol, limit=_NO_LIMIT)],
        "fills": trade_rows(venue, exchange.ledger.history.fills(symbol, limit=_NO_LIMIT)),
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


def _rules(venue: Venue, params: Params) -> Any:
    rules = {name: required(params, name) for name in ALTERABLE if name in params}
    if not rules:
        raise missing("status")
    alter_rules(venue.exchange, required(params, "symbol"), rules)
    return {}


def _end(venue: Venue, params: Params) -> Any:
    side = word(params, "side", SIDES, -1117, "Invalid side.") if "side" in params else None
    status = word(params, "status", _ENDS, -1130, "Data sent for parameter 'status' is not valid.")
    ended = end_orders(venue.exchange, required(params, "symbol"), side, status, venue.new_id)
    for done in ended:
        venue.tell(done.events)
    return [wire.status(done.order) for done in ended]


def _balance(venue: Venue, params: Params) -> Any:
    free = parse_amount(decimal(params, "free", zero=True))
    venue.tell(set_free(venue.exchange, required(params, "asset"), free, venue.clock()))
    return {}


def _delist(venue: Venue, params: Params) -> Any:
    symbol = required(params, "symbol")
    for done in delist(venue.exchange, symbol, venue.new_id):
        venue.tell(done.events)
    venue.streams.forget(symbol)
    return {}


def _fees(venue: Venue, params: Params) -> Any:
    fees = None
    if "asset" in params:
        discount = parse_rate(decimal({"discount": "0.25", **params}, "discount", zero=True))
        if discount > SCALE:
            raise invalid("discount")
        fees = FeeAsset(required(params, "asset"), parse_price(decimal(params, "price")), discount)
    set_fee_asset(venue.exchange, fees)
    return {}


def _amend(venue: Venue, params: Params) -> Any:
    symbol, order_id = required(params, "symbol"), integer(params, "order_id")
    if order_id is None:
        raise missing("order_id")
    quantity = parse_quantity(decimal(params, "quantity"))
    done = venue.exchange.amend(symbol, order_id, quantity, venue.new_id())
    venue.tell(done.events)
    return wire.status(done.order)


@dataclass(frozen=True, slots=True)
class Hand:
    """One ``sim.*`` request: what runs it, and the names of its parameters."""

    run: Callable[[Venue, Params], Any]
    takes: str = ""

    def check_names(self, params: Params) -> None:
        """Raises ApiError -1104 for a parameter that it does not know."""
        check_names(params, self.takes.split())


STEERING: Mapping[str, Hand] = {
    "sim.ledger": Hand(_ledger, "symbol"),
    "sim.trade": Hand(_trade, "symbol price quantity"),
    "sim.play": Hand(_play),
    "sim.hold": Hand(_hold),
    "sim.fault": Hand(_fault, "kind method symbol count seconds code probability"),
    "sim.rules": Hand(_rules, " ".join(("symbol", *ALTERABLE))),
    "sim.end": Hand(_end, "symbol side status"),
    "sim.balance": Hand(_balance, "asset free"),
    "sim.delist": Hand(_delist, "symbol"),
    "sim.fees": Hand(_fees, "asset price discount"),
    "sim.amend": Hand(_amend, "symbol order_id quantity"),
}
