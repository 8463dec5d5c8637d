"""Public trades, and a symbol's trading rules.

Times are integers: milliseconds since 1970 in UTC, on the exchange's clock.
"""

from msgspec import Struct

from naived.core.amount import SCALE, Money, Price, Quantity, Rate, format_amount, price_down, price_up
from naived.core.orders.intent import Side


class Trade(Struct, frozen=True):
    """One public trade. ``id`` rises by one with each trade of a symbol and orders trades of the same ``time``."""

    id: int
    price: Price
    quantity: Quantity
    time: int


class Filters(Struct, frozen=True):
    """A symbol's rules for one order. A bound of 0 (multiplier: None) is no bound; tick and step are 1 or more.

    Multipliers are fractions of the exchange's reference price (PERCENT_PRICE_BY_SIDE).
    """

    tick_size: Price
    min_price: Price
    max_price: Price
    step_size: Quantity
    min_quantity: Quantity
    max_quantity: Quantity
    min_notional: Money
    max_notional: Money
    bid_down: Rate | None = None
    bid_up: Rate | None = None
    ask_down: Rate | None = None
    ask_up: Rate | None = None
    max_orders: int = 0
    max_position: Quantity = Quantity(0)


class SymbolInfo(Struct, frozen=True):
    """One row of the exchange's list of symbols.

    ``buy_stp`` and ``sell_stp`` are the exchange's names of the self-trade prevention modes that keep our sell
    alive, None where the symbol does not allow one.
    """

    symbol: str
    base: str
    quote: str
    trading: bool
    status: str
    filters: Filters
    buy_stp: str | None = None
    sell_stp: str | None = None


def unread_rules(symbol: str) -> SymbolInfo:
    """Before those of the exchange are read. The symbol is off for its traders until then: these are not used."""
    nothing, unit = Money(0), Quantity(1)
    filters = Filters(Price(1), Price(0), Price(0), unit, Quantity(0), Quantity(0), nothing, nothing)
    return SymbolInfo(symbol, "", "", False, "UNREAD", filters)


def refusal(filters: Filters, side: Side, price: Price, quantity: Quantity, reference: Price | None) -> str | None:
    """Binance's name of the first filter this order would fail, or None.

    Without a ``reference`` price PERCENT_PRICE_BY_SIDE is not checked.
    """
    if price <= 0 or price % filters.tick_size or price < filters.min_price or 0 < filters.max_price < price:
        return "PRICE_FILTER"
    step, least, most = filters.step_size, filters.min_quantity, filters.max_quantity
    if quantity <= 0 or quantity % step or quantity < least or 0 < most < quantity:
        return "LOT_SIZE"
    value = price * quantity
    if value < filters.min_notional * SCALE or 0 < filters.max_notional * SCALE < value:
        return "NOTIONAL"
    if reference is not None:
        low, high = (filters.bid_down, filters.bid_up) if side is Side.BUY else (filters.ask_down, filters.ask_up)
        if (low is not None and price * SCALE < reference * low) or (
            high is not None and price * SCALE > reference * high
        ):
            return "PERCENT_PRICE_BY_SIDE"
    return None


def least_sell(filters: Filters, reference: Price | None) -> Price:
    """The lowest price that PERCENT_PRICE_BY_SIDE lets a sell ask, 0 if any."""
    if filters.ask_down is None or reference is None:
        return Price(0)
    return price_up(reference * filters.ask_down, SCALE, filters.tick_size)


def most_sell(filters: Filters, reference: Price | None) -> Price | None:
    """The highest price that PERCENT_PRICE_BY_SIDE lets a sell ask, None if any."""
    if filters.ask_up is None or reference is None:
        return None
    return price_down(reference * filters.ask_up, SCALE, filters.tick_size)


def describe(filters: Filters, name: str) -> str:
    """The rule behind the filter ``name``, as text for a person."""
    match name:
        case "PRICE_FILTER":
            return (
                f"a price is a multiple of {format_amount(filters.tick_size)} between "
                f"{format_amount(filters.min_price)} and {format_amount(filters.max_price)}"
            )
        case "LOT_SIZE":
            return (
                f"a quantity is a multiple of {format_amount(filters.step_size)} between "
                f"{format_amount(filters.min_quantity)} and {format_amount(filters.max_quantity)}"
            )
        case "NOTIONAL":
            most = f" and at most {format_amount(filters.max_notional)}" if filters.max_notional else ""
            return f"an order is worth at least {format_amount(filters.min_notional)}{most}"
        case _:
            return "the price is too far from the exchange's reference price"
