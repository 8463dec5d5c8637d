"""What a leader's state adds up to: coins, the day's profit, room in the budget. It decides nothing."""

from collections.abc import Collection

from naived.core.amount import Money, Price, Quantity, format_amount, value_up
from naived.core.orders.intent import OrderIntent
from naived.core.risk import Exposure
from naived.core.strategy.day import DAY
from naived.core.strategy.formulas import Coins, rebuy_below
from naived.core.strategy.guards import why_guarded
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.settings import Status
from naived.core.strategy.sizing import affordable, misfit, terms_of, unfit
from naived.core.strategy.trader_state import Buying, Selling, Trader, Waiting, position
from naived.core.strategy.traders import chunks_taken, commitments, rebuy_limit, spent_rebuys

NO_FURTHER = "no further trader can start"


def profit_today(leader: Leader, now: int) -> Money:
    """The profit of the cycles that finished since 00:00 UTC; ``now`` is exchange ms."""
    return leader.day_profit if leader.day == now // DAY else Money(0)


def owned(leader: Leader) -> Coins:
    """Everything that was bought and not sold, lots included; coins that are owed are missing from it."""
    kept = (Coins(lot.quantity, lot.cost) for lot in leader.lots)
    return sum((*map(position, leader.traders), *kept), leader.owed)


def shortage(leader: Leader, last: Price) -> str | None:
    """Why no further trader could start at this price though chunks are free; None if one could.

    None as well where a trader waits, or will at the next trade, and says why it does not buy.
    """
    settings, traders = leader.settings, leader.traders
    taken = chunks_taken(traders)
    if leader.status is not Status.ON or taken >= settings.chunks:
        return None
    room = Money((settings.budget or 0) - sum(commitments(traders, leader.lots)))
    terms, filters = terms_of(settings, leader.fees), leader.info.filters
    if filters.max_orders and len(traders) >= filters.max_orders:
        return f"{NO_FURTHER}: the exchange allows {filters.max_orders} orders of one symbol (MAX_NUM_ORDERS)"
    if affordable(terms, last, room, filters):
        return None
    failed = unfit(terms, last, terms.budget, terms.chunks, filters)
    if failed is None:
        left = f"{format_amount(max(0, room))} {leader.info.quote} are left"
        return f"no room in the budget for another trader: {left}"
    if not taken or any(isinstance(trader.phase, Waiting) for trader in traders):
        return None
    return f"{NO_FURTHER}: {misfit(failed, terms, last, filters, leader.info.quote)}"


def tied_up(leader: Leader) -> Money:
    """The quote money in live buys."""
    phases = (trader.phase for trader in leader.traders)
    return Money(
        sum(
            value_up(phase.intent.price, Quantity(phase.intent.quantity - phase.bought.quantity))
            for phase in phases
            if type(phase) is Buying
        )
    )


def exposure(leader: Leader) -> Exposure:
    """What everything that is held has cost, and live buys tie up. What was sold and is owed lets nobody buy."""
    return Exposure(leader.info.quote, Money(max(0, owned(leader).cost) + tied_up(leader)))


def held_back(leader: Leader, last: Price) -> str | None:
    """Why a guard keeps somebody from buying at this price; None if none does, or nobody would buy.

    A fall guard whose highest trade has left its span lets the next trade decide, and says so.
    """
    if (leader.guarded is None and leader.told is None) or leader.status is not Status.ON:
        return None
    spent = spent_rebuys(leader.traders)
    first = not chunks_taken(leader.traders)
    if first or any(type(each.phase) is Waiting or _rebuys(each, last, spent) for each in leader.traders):
        if leader.guarded is None:
            return f"waits for the next trade: {leader.told} at the last one"
        return why_guarded(leader.settings, leader.info, leader.traders, last, leader.guarded.peak)
    return None


def _rebuys(trader: Trader, last: Price, spent: Collection[int]) -> bool:
    """Would one more trader join this one at this price?"""
    limit = rebuy_limit(trader)
    return limit is not None and trader.number not in spent and last < rebuy_below(limit, trader.terms.rebuy)


def awaits(leader: Leader, intent: OrderIntent) -> bool:
    """Does a trader wait for news of this order? None does if the order was given up and appeared later."""
    for trader in leader.traders:
        if trader.number == intent.trader:
            phase = trader.phase
            return isinstance(phase, (Buying, Selling)) and phase.intent == intent
    return False
