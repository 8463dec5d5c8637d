"""How long the refusal of a buy stands: the trades that a waiting trader need not be asked about again.

A trader that lacks money, or has less than the exchange takes, waits for long, and looking at every trade again
costs more than all else. Pure functions, called by the trader, the leader and whoever knows the account's funds.
"""

from collections.abc import Sequence

from msgspec import Struct

from naived.core.amount import Money, Price, value_up
from naived.core.strategy.formulas import buy_price, buy_quantity
from naived.core.strategy.sizing import Terms, spending
from naived.core.strategy.view import Funds, SymbolView

# Of the price, both ways: farther away the reason is worded anew, with the numbers of then.
_NEAR, _OF = 1, 10


class Standing(Struct, frozen=True):
    """Inside the open interval ``low`` to ``high`` of trade prices the buy is refused again.

    ``least``: only while the account's funds leave less than this (None: whatever they leave).
    """

    low: int
    high: int
    least: Money | None = None


def standing(terms: Terms, last: Price, view: SymbolView) -> Standing | None:
    """How long the refusal of a buy decided at ``last`` stands; None if the next trade may change it.

    A buy costs at most its share of the budget, and less than that by at most one step at its price.
    """
    filters, low, high = view.filters, last * (_OF - _NEAR) // _OF, last * (_OF + _NEAR) // _OF + 1
    if view.surplus is not None or view.closed is not None:
        return Standing(low, high)
    budget, chunks = spending(terms, view.room)
    if budget < filters.min_notional * chunks:
        return Standing(low, high)
    lowest = buy_price(Price(low + 1), terms.buy_down, filters)
    if lowest and buy_quantity(budget, chunks, lowest, filters) < max(filters.min_quantity, 1):
        return Standing(low, high)
    if view.lowest_sell is not None and buy_price(last, terms.buy_down, filters) >= view.lowest_sell:
        return Standing(last - 1, high)
    highest = buy_price(Price(high), terms.buy_down, filters)
    least = Money(budget // chunks - value_up(highest, filters.step_size))
    return Standing(low, high, least) if lacking(least, view.funds) else None


def lacking(least: Money, funds: Funds) -> bool:
    """Do the funds leave less than this for a buy?"""
    room, quote = funds.room, funds.quote
    return (room is not None and room < least) or (quote is not None and quote < least)


def stands(standing: Standing | None, price: Price, funds: Funds) -> bool:
    """Is a buy refused again on a trade at this price?"""
    if standing is None or not standing.low < price < standing.high:
        return False
    return standing.least is None or lacking(standing.least, funds)


def together(each: Sequence[Standing]) -> Standing:
    """How long several refusals stand, all of them."""
    least = [one.least for one in each if one.least is not None]
    return Standing(max(one.low for one in each), min(one.high for one in each), min(least, default=None))
