"""The rules of a symbol: how they change, and the orders that they refuse."""

import re
from collections.abc import Mapping
from typing import Any

from naived.core.amount import (
    SCALE,
    AmountError,
    Money,
    Price,
    Quantity,
    Rate,
    format_wire,
    parse_price,
    parse_quantity,
    price_down,
    quantity_down,
)
from naived.core.market import refusal
from naived.simulator.errors import ApiError, amend_rejected, filter_failure, invalid, rejected
from naived.simulator.order import NewOrder, Order, OrderType
from naived.simulator.symbols import Listing, listing

_STATUS = re.compile(r"[A-Z_]{1,32}")  # also one that the exchange does not document yet
_FILTERS = {
    "tickSize": "PRICE_FILTER",
    "stepSize": "LOT_SIZE",
    "minQty": "LOT_SIZE",
    "maxQty": "LOT_SIZE",
    "minNotional": "NOTIONAL",
    "maxNotional": "NOTIONAL",
    "maxPosition": "MAX_POSITION",
}
_OFF = format_wire(0)
# Filters that a symbol gets if it has none of their type yet: every bound is off.
_NEW_FILTERS: Mapping[str, Mapping[str, Any]] = {
    "PRICE_FILTER": {"filterType": "PRICE_FILTER", "minPrice": _OFF, "maxPrice": _OFF, "tickSize": _OFF},
    "LOT_SIZE": {"filterType": "LOT_SIZE", "minQty": _OFF, "maxQty": _OFF, "stepSize": _OFF},
    "NOTIONAL": {
        "filterType": "NOTIONAL",
        "minNotional": _OFF,
        "applyMinToMarket": True,
        "maxNotional": _OFF,
        "applyMaxToMarket": False,
        "avgPriceMins": 5,
    },
    "MAX_POSITION": {"filterType": "MAX_POSITION", "maxPosition": _OFF},
}
PRICE_RANGE = (Rate(SCALE // 2), Rate(2 * SCALE))
"""What a taker may trade at, in parts of the reference price; these are the figures of the exchange's example."""

ALTERABLE = ("status", *_FILTERS)
"""What ``sim.rules`` can change."""


def halted(old: Listing) -> Listing:
    """The same symbol with the status HALT."""
    return listing({**old.row, "status": "HALT"})


def coarser(old: Listing) -> Listing:
    """The same symbol with ten times larger tick and step sizes; exchanges make such changes."""

    def tenfold(item: Mapping[str, Any]) -> Mapping[str, Any]:
        names = {"PRICE_FILTER": ("tickSize", "minPrice"), "LOT_SIZE": ("stepSize", "minQty")}
        changed = names.get(item["filterType"], ())
        return {**item, **{n: format_wire(10 * parse_price(item.get(n) or "0")) for n in changed}}

    return listing({**old.row, "filters": [tenfold(item) for item in old.row["filters"] or ()]})


def altered(old: Listing, rules: Mapping[str, str]) -> Listing:
    """The same symbol with other rules, named as in ``sim.rules``; raises ApiError -1130."""
    filters = {item["filterType"]: dict(item) for item in old.row["filters"] or ()}
    if "NOTIONAL" not in filters and "MIN_NOTIONAL" in filters:
        least = filters.pop("MIN_NOTIONAL").get("minNotional")
        filters["NOTIONAL"] = {**_NEW_FILTERS["NOTIONAL"], "minNotional": least}
    for name, value in rules.items():
        if name == "status":
            if not _STATUS.fullmatch(value):
                raise invalid(name)
            continue
        try:
            text = format_wire(parse_quantity(value))
        except AmountError as error:
            raise invalid(name) from error
        kind = _FILTERS[name]
        filters.setdefault(kind, dict(_NEW_FILTERS[kind]))[name] = text
    status = rules.get("status", old.info.status)
    return listing({**old.row, "status": status, "filters": list(filters.values())})


def check(rules: Listing, new: NewOrder, measure: tuple[int, int] | None) -> None:
    """Raises ApiError -1013 for what the API refuses; ``measure``: see ``Market``."""
    filters = rules.info.filters
    if new.stp_mode.value not in rules.stp_modes:
        raise ApiError(-1013, "This symbol does not allow the specified self-trade prevention mode.")
    if new.type is OrderType.MARKET:
        _check_market(rules, new, measure)
        return
    reference = price_down(*measure, Price(1)) if measure else None
    failed = refusal(filters, new.side, new.price, new.quantity, reference)
    if failed is not None:
        raise filter_failure(rules.names.get(failed, failed))


def _check_market(rules: Listing, new: NewOrder, measure: tuple[int, int] | None) -> None:
    filters = rules.info.filters
    if new.quote_quantity:
        if new.quote_quantity < filters.min_notional:
            raise filter_failure(rules.names.get("NOTIONAL", "NOTIONAL"))
        return
    if not _fits(new.quantity, filters.min_quantity, filters.max_quantity, filters.step_size):
        raise filter_failure("LOT_SIZE")
    if not _fits(new.quantity, rules.market_least, rules.market_most, rules.market_step):
        raise filter_failure("MARKET_LOT_SIZE")
    if measure is not None:
        value, quantity = measure
        if value * new.quantity < filters.min_notional * SCALE * quantity:
            raise filter_failure(rules.names.get("NOTIONAL", "NOTIONAL"))


def _fits(quantity: int, least: int, most: int, step: int) -> bool:
    return (not least or quantity >= least) and (not most or quantity <= most) and not (step and quantity % step)


def check_open(rules: Listing, open_orders: int) -> None:
    """Raises ApiError -2010 for a market that is closed or full."""
    if not rules.info.trading:
        raise rejected("Market is closed.")
    most = rules.info.filters.max_orders
    if most and open_orders >= most:
        raise rejected("Filter failure: MAX_NUM_ORDERS")


def check_position(rules: Listing, position: int) -> None:
    """Raises ApiError -2010 if a buy makes the position too large: the base asset, all open buys, and this one."""
    if rules.max_position and position > rules.max_position:
        raise rejected("Filter failure: MAX_POSITION")


def in_range(price: Price, reference: Price | None) -> bool:
    """May a taker trade at ``price``, with this reference price?"""
    low, high = PRICE_RANGE
    return reference is None or reference * low <= price * SCALE <= reference * high


def check_amendment(rules: Listing, order: Order, quantity: Quantity) -> None:
    """Raises ApiError -2038 or -1013 unless ``quantity`` is less than the order's and leaves something to trade."""
    if not rules.info.trading:
        raise amend_rejected("Market is closed.")
    if quantity > order.quantity:
        raise amend_rejected("Order amend (quantity increase) is not supported.")
    if quantity == order.quantity:
        raise amend_rejected("The requested action would change no state; rejecting.")
    if quantity <= order.executed + order.prevented:
        raise amend_rejected("Price * QTY is zero or less.")
    if rules.max_amendments and order.amendments >= rules.max_amendments:
        raise amend_rejected("Filter failure: MAX_NUM_ORDER_AMENDS")
    failed = refusal(rules.info.filters, order.side, order.price, quantity, None)
    if failed is not None and failed != "PRICE_FILTER":  # the price was accepted when the order was placed
        raise filter_failure(rules.names.get(failed, failed))


def affordable(rules: Listing, quote_quantity: Money, price: Price) -> Quantity:
    """The quantity that a MARKET order trades for ``quote_quantity``, rounded down to the step; raises ApiError."""
    step = Quantity(max(rules.info.filters.step_size, rules.market_step, 1))
    quantity = quantity_down(quote_quantity * SCALE, price, step)
    if not quantity:
        raise filter_failure("LOT_SIZE")
    return quantity
