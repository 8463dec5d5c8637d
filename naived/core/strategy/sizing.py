"""How much a trader may buy, and for how much it sells: its terms against the rules of the exchange.

Pure functions, called by the trader, the leader and ``control/proposal.py``.
"""

from msgspec import Struct

from naived.core.amount import Money, Price, Quantity, Rate, format_amount, price_up, value_up
from naived.core.market import Filters, describe
from naived.core.strategy.formulas import (
    Bought,
    Fees,
    Sold,
    cycle_refusal,
    dust_cost,
    largest_budget,
    least_budget,
    offered,
    sell_price,
    untradable,
)
from naived.core.strategy.lots import NO_LOT, Lot, too_few
from naived.core.strategy.settings import Settings
from naived.core.strategy.view import Funds, SymbolView


class Terms(Struct, frozen=True):
    """What a trader keeps while it buys and sells: its share of the budget, its intervals, the fees of then.

    The fee of its sell follows the exchange's upwards.
    """

    budget: Money
    chunks: int
    buy_down: Rate
    profit: Rate
    rebuy: Rate
    reprice: Rate
    fees: Fees


def terms_of(settings: Settings, fees: Fees) -> Terms:
    """The terms of a trader made now."""
    return Terms(
        settings.budget or Money(0),
        settings.chunks,
        settings.buy_down,
        settings.profit,
        settings.rebuy,
        settings.reprice,
        fees,
    )


def spending(terms: Terms, room: Money) -> tuple[Money, int]:
    """A buy's share of the budget, as a budget and its chunks; what the budget leaves where that is less."""
    return (terms.budget, terms.chunks) if terms.budget <= room * terms.chunks else (room, 1)


def affordable(terms: Terms, last: Price, room: Money, filters: Filters) -> bool:
    """Would a buy decided at ``last`` and the sell of what it buys pass, with the ``room`` in the budget?"""
    return unfit(terms, last, *spending(terms, room), filters) is None


def unfit(terms: Terms, last: Price, budget: Money, chunks: int, filters: Filters) -> str | None:
    """The filter that one of ``chunks`` parts of this budget would fail at ``last``; None if none."""
    return untradable(last, budget, chunks, terms.buy_down, terms.profit, terms.fees, filters)


def obstacle(terms: Terms, last: Price, price: Price, quantity: Quantity, view: SymbolView) -> str | None:
    """Why this buy would be refused, or must not be placed; None if it may be."""
    filters = view.filters
    if view.closed is not None:
        return f"the market is closed ({view.closed})"
    failed = cycle_refusal(last, price, quantity, terms.profit, terms.fees, filters)
    whole = failed
    if spending(terms, view.room) != (terms.budget, terms.chunks):
        whole = unfit(terms, last, terms.budget, terms.chunks, filters)
    if whole:
        return misfit(whole, terms, last, filters, view.quote)
    if failed:
        return f"no room in the budget: {format_amount(view.room)} {view.quote} are left"
    if view.lowest_sell is not None and price >= view.lowest_sell:
        return f"our own sell is in the way: it rests at {format_amount(view.lowest_sell)}"
    position = view.funds.position
    if filters.max_position and position is not None and position + quantity > filters.max_position:
        most = f"{format_amount(filters.max_position)} {view.base}"
        return f"the account may have no more (MAX_POSITION): at most {most}, it has {format_amount(position)}"
    return unfunded(value_up(price, quantity), view.quote, view.funds)


def unfunded(cost: Money, asset: str, funds: Funds) -> str | None:
    """Why the account does not allow a buy that costs this much of the quote ``asset``; None if it does."""
    if funds.room is not None and cost > funds.room:
        return funds.limited
    if funds.quote is None or cost <= funds.quote:
        return None
    free = f"{format_amount(max(0, funds.quote + funds.reserved))} {asset} are free"
    if funds.reserved:
        return f"the reserve: {free}, of them {format_amount(funds.reserved)} are reserved"
    return f"not enough {asset} that no other symbol holds: {free}"


def misfit(failed: str, terms: Terms, last: Price, filters: Filters, quote: str) -> str:
    """In words: the filter that a whole share of the budget fails, and the budget that would pass, if one would."""
    least = least_budget(last, terms.chunks, terms.buy_down, terms.profit, terms.fees, filters)
    if least is not None and terms.budget < least:
        return f"too small to trade ({failed}): the least budget is {format_amount(least)} {quote}"
    largest = largest_budget(last, terms.chunks, terms.buy_down, terms.profit, terms.fees, filters)
    if largest is not None and terms.budget > largest:
        return f"too large to trade ({failed}): the largest budget is {format_amount(largest)} {quote}"
    whatever = "" if least or largest else " at this price with any budget"
    return f"the exchange would refuse it{whatever} ({failed}): {describe(filters, failed)}"


def held(bought: Bought, carried: Lot, sold: Sold) -> Quantity:
    """The coins of a trader that are not sold; below 0 if a fee was taken in more than it had."""
    return Quantity(bought.net + carried.quantity - sold.quantity - sold.base_fees)


def asked(terms: Terms, bought: Bought, carried: Lot, filters: Filters) -> Price:
    """The price to ask: what the trader's own coins must bring, and never less than that of the lots."""
    lots, net = price_up(carried.price, 1, filters.tick_size), bought.net
    if net <= 0:
        return lots
    cost = Money(bought.cost + bought.fees_valued)
    return max(lots, sell_price(bought.limit, cost, net, terms.profit, terms.fees, filters))


def left(terms: Terms, bought: Bought, carried: Lot, sold: Sold, filters: Filters) -> Lot:
    """What a trader that ends now leaves as a lot, at the price that it asks; below 0 coins it owes them."""
    rest = held(bought, carried, sold)
    if not rest:
        return NO_LOT
    have, cost = Quantity(bought.net + carried.quantity), Money(bought.cost + carried.cost)
    return Lot(rest, dust_cost(cost, rest, have), asked(terms, bought, carried, filters))


def offer(
    terms: Terms, bought: Bought, carried: Lot, have: Quantity, filters: Filters, least: Price = Price(0)
) -> tuple[Price, Quantity] | None:
    """The price, at ``least`` this one, and how much of ``have`` to offer at it; None if that is too little."""
    if have <= 0:
        return None
    price = price_up(max(least, asked(terms, bought, carried, filters), filters.min_price), 1, filters.tick_size)
    quantity = offered(have, price, filters) if price else Quantity(0)
    if quantity <= 0 or too_few(price, quantity, filters) is not None:
        return None
    return price, quantity
