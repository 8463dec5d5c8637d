"""The buys of a price that falls and does nothing else, as `start --dry-run` tells them; nothing is sold meanwhile.

Pure. Guards of the price and limits of the account keep buys from being made here as well. What ends by
itself or by a word of a person is not counted on: a halt, a closed market, a fall guard.
"""

from typing import NamedTuple

from msgspec.structs import replace

from naived.core.amount import SCALE, Money, Price, Quantity, Rate, format_amount, value_up
from naived.core.market import Filters
from naived.core.price_guards import blocked_band, limit_of, why_blocked
from naived.core.strategy.formulas import buy_price, buy_quantity, rebuy_below
from naived.core.strategy.guards import living_buys
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.sizing import spending, terms_of, unfit, unfunded
from naived.core.strategy.traders import chunks_spent, chunks_taken, commitments, rebuy_limit, spent_rebuys
from naived.core.strategy.view import Funds

_GUARDS = ("floor", "ceiling", "spacing")
_EXPOSURE, _RESERVE, _MONEY, _BUDGET = "max-exposure", "reserve", "free money", "budget"
_ENDS = {  # behind "until"
    "floor": "the price rises above it, or another --floor is set",
    "ceiling": "the price falls to it, or another --ceiling is set",
    "spacing": "the price has gone away from it, or it is sold",
    _EXPOSURE: "a sell makes room, or naivectl limits --max-exposure",
    _RESERVE: "more is free, or naivectl limits --reserve",
    _MONEY: "more is free",
    _BUDGET: "a sell makes room, or a larger --budget is set",
}


class Buy(NamedTuple):
    """One that a trade at ``at`` decides."""

    at: Price
    price: Price
    quantity: Quantity


class Ladder:
    """``buys`` are all of them; ``stopped_by`` names the guards and limits for which there is none after the last.

    ``kept_back``: why the first is not made where it would be, and until when (in words); None if it is.
    """

    def __init__(self, leader: Leader, last: Price, funds: Funds) -> None:
        self.buys: list[Buy] = []
        self.kept_back: tuple[str, str] | None = None
        self.stopped_by: list[str] = []
        self._leader = leader
        self._terms = terms_of(leader.settings, leader.fees)
        self._funds = funds
        self._committed = commitments(leader.traders, leader.lots)[0]
        self._spent = 0  # by these buys
        self._standing = living_buys(leader.traders)
        self._fall(last)

    def _fall(self, last: Price) -> None:
        leader, traders = self._leader, self._leader.traders
        settings, filters, spent = leader.settings, leader.info.filters, spent_rebuys(traders)
        free = settings.chunks - chunks_spent(traders)
        # Where one that waits buys, or the first one; then where each of the others makes one more join.
        chances = [last] * (chunks_taken(traders) - chunks_spent(traders) or not chunks_taken(traders))
        for trader in traders:
            limit = rebuy_limit(trader)
            if limit is not None and trader.number not in spent:
                chances.append(_joins_at(limit, trader.terms.rebuy, filters))
        at = last
        while free > 0 and chances and max(chances) > 0:
            at = min(at, max(chances))
            chances.remove(max(chances))
            buy = self._at(at)
            if buy is None:
                return
            self.buys.append(buy)
            at = buy.at
            free -= 1
            chances.append(_joins_at(buy.price, settings.rebuy, filters))

    def _at(self, at: Price) -> Buy | None:
        """The next buy, on a trade at this price or the highest one below it at which it may be made."""
        wanted: Price | None = at
        while wanted is not None and (allowed := self._guarded(wanted)) is not None:
            budget, chunks = spending(self._terms, Money(max(0, self._terms.budget - self._committed)))
            if unfit(self._terms, allowed, budget, chunks, self._leader.info.filters):
                self._keep_back(self._no_room(), _BUDGET)
                return None
            buy = self._sized(allowed, budget, chunks)
            cost = value_up(buy.price, buy.quantity)
            if self._funded(cost):
                self._committed += cost
                self._spent += cost
                self._standing.append(buy.price)
                self.stopped_by.clear()
                return buy
            wanted = self._cheaper(buy, budget, chunks)
        return None

    def _sized(self, at: Price, budget: Money, chunks: int) -> Buy:
        filters = self._leader.info.filters
        price = buy_price(at, self._terms.buy_down, filters)
        return Buy(at, price, buy_quantity(budget, chunks, price, filters))

    def _guarded(self, at: Price) -> Price | None:
        """The highest price, no higher than this one, at which no guard blocks a buy; None if there is none."""
        guards, info, down = self._leader.settings.guards, self._leader.info, self._terms.buy_down
        tick = info.filters.tick_size
        why = why_blocked(guards, limit_of(at, down, tick), self._standing, info.quote)
        if why is None:
            return at
        self._keep_back(why, next(name for name in _GUARDS if name in why))
        band = blocked_band(guards, at, self._standing, down, tick)
        below = -1 if band is None else band[0] // tick * tick
        return Price(below) if below > 0 else None

    def _funded(self, cost: Money) -> bool:
        """Does the account allow it behind the buys before?"""
        funds = self._left
        why = unfunded(cost, self._leader.info.quote, funds)
        if why is not None:
            exposed = funds.room is not None and cost > funds.room
            self._keep_back(why, _EXPOSURE if exposed else _RESERVE if funds.reserved else _MONEY)
        return why is None

    @property
    def _left(self) -> Funds:
        """What the buys so far leave of the account."""
        room, quote = self._funds.room, self._funds.quote
        return replace(
            self._funds,
            room=None if room is None else Money(room - self._spent),
            quote=None if quote is None else Money(quote - self._spent),
        )

    def _cheaper(self, buy: Buy, budget: Money, chunks: int) -> Price | None:
        """The highest price at which as much as this can be paid; None if a lower price buys more for the money.

        The cost of a share changes with the price by less than what one step of the quantity is worth.
        """
        filters, left = self._leader.info.filters, self._left
        most = min(money for money in (left.room, left.quote) if money is not None)
        if most <= 0:
            return None
        limit = most * SCALE // buy.quantity // filters.tick_size * filters.tick_size
        at = ((limit + filters.tick_size) * SCALE - 1) // (SCALE - self._terms.buy_down)
        found = self._sized(Price(at // filters.tick_size * filters.tick_size), budget, chunks)
        return found.at if found.at < buy.at and found.quantity == buy.quantity else None

    def _no_room(self) -> str:
        left = format_amount(Money(max(0, self._terms.budget - self._committed)))
        return f"no room in the budget: {left} {self._leader.info.quote} are left"

    def _keep_back(self, why: str, name: str) -> None:
        if not self.buys and self.kept_back is None:
            self.kept_back = why, _ENDS[name]
        if name != _BUDGET and name not in self.stopped_by:
            self.stopped_by.append(name)


def _joins_at(limit: Price, rebuy: Rate, filters: Filters) -> Price:
    """The highest price at which one more trader joins the one that bought at this limit."""
    return Price((rebuy_below(limit, rebuy) - 1) // filters.tick_size * filters.tick_size)
