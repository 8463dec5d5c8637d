"""The rates of fees that a symbol reckoned with at a moment of the past, and how they changed later.

A trader's row has the rate of its buy as it was when it decided, and that of its sell as it is now: a trader that
has decided takes a higher one. Which one its sell was decided with shows in the price that it asked.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from msgspec.structs import replace

from naived.core.amount import Price, Rate
from naived.core.market import Filters
from naived.core.orders.intent import Side
from naived.core.orders.state import LIVE, OrderState
from naived.core.strategy.formulas import Fees
from naived.core.strategy.settings import Status
from naived.core.strategy.sizing import asked
from naived.core.strategy.trader_state import Trader
from naived.database.history import History
from naived.database.queries import Life


@dataclass(frozen=True, slots=True)
class PastFees:
    """``told``: rates that decided something, each with the time (exchange ms) of the first such decision.

    ``sells``: by the rate of a trader's buy that of its sell when it decided to buy.
    """

    told: Sequence[tuple[int, Fees]]
    sells: dict[Rate, Rate]

    def at(self, began: int, usual: Fees) -> Fees:
        """Those in force at ``began`` (ms); ``usual`` if nothing was ever decided."""
        before = [fees for at, fees in self.told if at < began]
        return before[-1] if before else next((fees for _, fees in self.told), usual)

    def later(self, began: int) -> Iterator[tuple[int, Fees]]:
        return ((at, fees) for at, fees in self.told if at >= began)

    def decided(self, trader: Trader) -> Trader:
        """The trader with the rates that it decided to buy with."""
        fees = trader.terms.fees
        sell = self.sells.get(fees.buy, fees.sell)
        return replace(trader, terms=replace(trader.terms, fees=replace(fees, sell=sell)))


def past_fees(history: History, filters: Filters) -> PastFees:
    """What the traders of the period tell."""
    own: defaultdict[tuple[int, Side], list[OrderState]] = defaultdict(list)
    for order in history.orders:
        if not order.intent.ioc:
            own[order.intent.trader, order.intent.side].append(order)
    # One whose buy was taken back waits, so its row may have the rates of any time after it.
    lives = [
        life
        for life in history.lives
        if any(buy.executed or buy.state in LIVE for buy in own[life.trader.number, Side.BUY][-1:])
    ]
    known = [life.trader.terms.fees for life in lives]
    rates = {rate for fees in known for rate in (fees.buy, fees.sell)}
    sells: dict[Rate, Rate] = {}
    asking: list[tuple[int, Rate, Rate]] = []
    for life, fees in zip(lives, known, strict=True):
        offers = own[life.trader.number, Side.SELL]
        rate = _rate(life, offers[0].intent.price, rates, filters) if offers else None
        least = fees.sell if rate is None else rate
        sells[fees.buy] = min(least, sells.get(fees.buy, least))
        for offer in offers:
            rate = _rate(life, offer.intent.price, rates, filters)
            if rate is not None:
                asking.append((_begun(history, offer.decided_at), fees.buy, rate))
    told = _Told()
    steps: list[tuple[int, Callable[[], None]]] = []
    for life, fees in zip(lives, known, strict=True):
        buys = own[life.trader.number, Side.BUY]
        at = buys[0 if life is lives[0] else -1].decided_at  # before the first one nothing is told
        steps.append((at, partial(told.bought, buys[0].decided_at, at, replace(fees, sell=sells[fees.buy]))))
    steps += [(at, partial(told.sold, at, rate)) for at, buy, rate in asking if rate > sells[buy]]
    for _, step in sorted(steps, key=lambda each: each[0]):
        step()
    return PastFees(told.changes, sells)


def _begun(history: History, at: int) -> int:
    """When (ms) the symbol was begun that then decided this, if nothing was decided in between."""
    begun = [event.at for event in history.events if event.kind == "desired" and event.message == Status.ON]
    on = max((each for each in begun if each <= at), default=at)
    return at if any(on <= order.decided_at < at for order in history.orders) else on


def _rate(life: Life, price: Price, rates: Iterable[Rate], filters: Filters) -> Rate | None:
    """The rate with which a sell asks this price: that of the buy if it may be; None if none explains the price."""
    terms, bought = life.trader.terms, life.bought
    if bought is None:
        return None
    fitting = [
        rate
        for rate in rates
        if rate <= terms.fees.sell
        and asked(replace(terms, fees=replace(terms.fees, sell=rate)), bought, life.carried, filters) == price
    ]
    return terms.fees.buy if terms.fees.buy in fitting else max(fitting, default=None)


@dataclass(slots=True)
class _Told:
    """The changes so far; what is told comes in the order of its time."""

    changes: list[tuple[int, Fees]] = field(default_factory=list)

    def bought(self, first: int, last: int, fees: Fees) -> None:
        """A trader decided to buy from ``first`` to ``last``: it has rates of that time, not always the newest."""
        ends = [at for at, _ in self.changes[1:]]
        if not self.changes:
            self.changes.append((first, fees))
        elif all(
            each != fees for (_, each), end in zip(self.changes, [*ends, last + 1], strict=True) if end > first
        ):
            self.changes.append((last, fees))

    def sold(self, at: int, rate: Rate) -> None:
        """A sell asked for a rate that was higher than that of its trader's buy."""
        if self.changes and rate > self.changes[-1][1].sell:
            self.changes.append((at, replace(self.changes[-1][1], sell=rate)))
