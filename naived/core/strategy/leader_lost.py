"""Orders that the exchange has and the journal lost, in a failover of its database: whose decision each was.

    buy    of a trader that waits, or whose own buy was never sent; else of one more
    sell   of a trader that would have sold just that and asks no more for it, with lots or without, or of lots
           alone; of these after traders with few coins left them as lots, which by the rules of that time were too
           few to sell; else of a trader that has enough and loses nothing by it
    IOC    the stop-loss's, as nothing else sells so: of a trader that bought so many, and it halts the symbol as
           that does
    else   nobody's: it is quarantined, and a person decides

The settings of that time may be lost too, or be changed by now: neither chunks nor budget nor the profit or the
stop-loss of today say that an order was not decided. They come in the order in which they were placed, each once
the one before is read to its last fill: so a sell finds the trader that its buy belongs to. ``leader.py`` calls
it with the working copy of its step.
"""

from collections.abc import Collection, Iterator

from msgspec import Struct
from msgspec.structs import replace

from naived.core.amount import Price, Quantity, Rate, format_amount
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import Report
from naived.core.strategy.formulas import NOTHING_SOLD, Bought, rebuy_below
from naived.core.strategy.leader_draft import Draft, leave
from naived.core.strategy.lots import NO_LOT, Lots, split, taken, together
from naived.core.strategy.sizing import asked, held, left
from naived.core.strategy.stopping import loss_price, own
from naived.core.strategy.trader_state import (
    Buying,
    Directed,
    Finished,
    Hold,
    Holding,
    Selling,
    Take,
    TooFew,
    Trader,
    Waiting,
)
from naived.core.strategy.traders import rebuy_limit, spent_rebuys


class _Seller(Struct, frozen=True, order=True):
    """Who may have decided a sell. Of several the least is taken: its decision comes nearest to the sell.

    ``odd``: it would have sold more coins. ``cheap``: it asks more. ``other``: it did not decide the same sell
    again. ``away``: how far the sell's price is from what it asks, if its profit is not another one now. ``alone``:
    lots alone, of a trader of their own, whose ``number`` is 0. ``apart``: how far the sell's quantity is from the
    coins that it has.
    """

    odd: bool
    cheap: bool
    other: bool
    away: Price
    alone: bool
    apart: Quantity
    number: int

    @property
    def fits(self) -> bool:
        return not (self.odd or self.cheap)


def find(draft: Draft, report: Report, unsent: Collection[OrderIntent]) -> str | None:
    """Give the order to a trader, or to nobody. ``unsent``: intents that the exchange has not.

    Returns why the symbol is halted by it, None if it is not.
    """
    if report.side is Side.BUY:
        _take_buy(draft, report, unsent)
    elif report.ioc:
        stopped = _take_stopped(draft, report, unsent)
        if stopped is not None:
            return (
                f"the stop-loss of {stopped.id}: its sell at {format_amount(report.price)}, which the database lost"
            )
        _quarantine(draft, report, "no trader has bought so many coins that the stop-loss may have sold")
    elif not _take_sell(draft, report, unsent):
        _quarantine(draft, report, "no trader has coins that it sells at this price")
    return None


def _quarantine(draft: Draft, report: Report, problem: str) -> None:
    nobody = draft.add(Waiting())
    phase = Finished(None, NOTHING_SOLD, NO_LOT, NO_LOT, None, "stands for an order that the database lost")
    draft.put(replace(nobody, phase=phase))
    draft.commands.append(Take(_intent(nobody, report, 1), report, None, problem))


def _intent(trader: Trader, report: Report, seq: int) -> OrderIntent:
    return OrderIntent(trader.symbol, trader.number, report.side, seq, report.price, report.quantity, report.ioc)


def _take_buy(draft: Draft, report: Report, unsent: Collection[OrderIntent]) -> None:
    price = report.price
    trader = _waiting(draft, report, unsent) or draft.add(Waiting(), _origin(draft, price))
    instead = trader.phase.intent if isinstance(trader.phase, Buying) else None
    intent = _intent(trader, report, trader.buys + 1)
    phase = Buying(intent, Bought(price), Price(0), accepted=True)
    trader = replace(trader, phase=phase, since=max(draft.now, trader.since), buys=intent.seq, rebuy_notified=False)
    draft.put(trader)
    draft.commands.append(Take(intent, report, instead))
    if not report.status.ended:
        draft.tell(trader, Directed(draft.leader.desired))  # a drain or a halt may take it back


def _waiting(draft: Draft, report: Report, unsent: Collection[OrderIntent]) -> Trader | None:
    """The trader without a buy at the exchange that decided it: the one that decided the same again, if one did."""
    found = []
    for trader in draft.living.values():
        match trader.phase:
            case Waiting():
                found.append((1, trader.number))
            case Buying(intent=intent) if intent in unsent:
                found.append((0 if _is_same(intent, report) else 2, trader.number))
    return draft.living[min(found)[1]] if found else None


def _is_same(intent: OrderIntent, report: Report) -> bool:
    return (intent.price, intent.quantity) == (report.price, report.quantity)


def _origin(draft: Draft, price: Price) -> int | None:
    """The trader whose rebuy started one that buys at this price."""
    spent = spent_rebuys(draft.living.values())
    reached = [
        (limit, trader.number)
        for trader in draft.living.values()
        if (limit := rebuy_limit(trader)) is not None
        and trader.number not in spent
        and price < rebuy_below(limit, trader.terms.rebuy)
    ]
    return min(reached)[1] if reached else None


def _take_sell(draft: Draft, report: Report, unsent: Collection[OrderIntent]) -> bool:
    """Is there a trader for it?"""
    trader = _seller(draft, report, unsent)
    if trader is None:
        return False
    phase = trader.phase
    assert isinstance(phase, Holding | Selling)
    intent = _intent(trader, report, trader.sells + 1)
    instead = phase.intent if isinstance(phase, Selling) else None
    joining, staying = _joining(draft, phase, report)
    carried = together((phase.carried, *joining)) if joining else phase.carried
    since = trader.since if isinstance(phase, Selling) else max(draft.now, trader.since)
    selling = Selling(phase.bought, intent, carried, phase.sold)
    draft.put(replace(trader, phase=selling, since=since, sells=intent.seq))
    if joining:
        draft.put_lots(staying)
    draft.commands.append(Take(intent, report, instead))
    return True


def _take_stopped(draft: Draft, report: Report, unsent: Collection[OrderIntent]) -> Trader | None:
    """The trader that sold coins of its own at less than they have cost.

    Of several one that does not wait for a person, and that the stop-loss of today has stopped, or would; of these
    that which keeps the least.
    """
    enough = []
    for each, unsold in _unsold(draft, unsent):
        coins = own(unsold.bought, unsold.carried, unsold.sold)
        if coins >= report.quantity:
            stopped = each.stop is not None or _is_stopped(draft, unsold.bought, report)
            enough.append((_is_by_hand(unsold), not stopped, coins, each.number))
    if not enough:
        return None
    trader = draft.living[min(enough)[-1]]
    phase = trader.phase
    assert isinstance(phase, Holding | Selling)
    intent = _intent(trader, report, trader.sells + 1)
    instead, carried = phase.intent if isinstance(phase, Selling) else None, phase.carried
    if carried and not phase.sold.quantity:
        leave(draft, carried)
        carried = NO_LOT
    selling = Selling(phase.bought, intent, carried, phase.sold)
    since = trader.since if instead is not None else max(draft.now, trader.since)
    draft.put(replace(trader, phase=selling, since=since, sells=intent.seq, stop=report.price))
    draft.commands.append(Take(intent, report, instead))
    return trader


def _is_stopped(draft: Draft, bought: Bought, report: Report) -> bool:
    """May the stop-loss have sold these coins at this price?"""
    stop_loss = draft.leader.settings.stop_loss
    return bool(stop_loss) and bought.net > 0 and report.price <= loss_price(bought, stop_loss)


def _seller(draft: Draft, report: Report, unsent: Collection[OrderIntent]) -> Trader | None:
    """The trader that sells it: a new one for lots alone. Others may leave their coins as lots first."""
    best = min(_sellers(draft, report, unsent), default=None)
    if best is None or not best.fits:
        best = _after_leaving(draft, report, unsent, fitting=True) or best
    if best is None:
        best = _after_leaving(draft, report, unsent, fitting=False)
    if best is None:
        return None
    if best.number:
        return draft.living[best.number]
    lots, _ = taken(draft.leader.lots, report.price, report.quantity)
    return draft.add(Holding(Bought(together(lots).price), Hold.STOPPED, "stopped", None))


def _after_leaving(
    draft: Draft, report: Report, unsent: Collection[OrderIntent], *, fitting: bool
) -> _Seller | None:
    """Let traders leave their coins as lots until somebody sells it; nothing is done if nobody does."""
    trial = replace(draft, living=dict(draft.living), touched=dict(draft.touched), commands=list(draft.commands))
    for trader in _few(draft, report, unsent):
        trial.tell(trader, TooFew())
        found = min(_sellers(trial, report, unsent), default=None)
        if found is not None and (found.fits or not fitting):
            draft.leader, draft.money = trial.leader, trial.money
            draft.living, draft.touched, draft.commands = trial.living, trial.touched, trial.commands
            return found
    return None


def _few(draft: Draft, report: Report, unsent: Collection[OrderIntent]) -> list[Trader]:
    """Those whose coins make this order with the lots, the fewest first; none if all together are too few.

    What waits for a person comes last.
    """
    found, filters = [], draft.leader.info.filters
    for trader, phase in _unsold(draft, unsent):
        rest = left(trader.terms, phase.bought, phase.carried, phase.sold, filters)
        if rest.quantity > 0 and rest.price <= report.price:
            found.append((_is_by_hand(phase), rest.quantity, trader.number))
    below, _ = split(draft.leader.lots, report.price)
    coins = together(below).quantity + sum([quantity for _, quantity, _ in found])
    if coins < report.quantity or draft.leader.owed.quantity:
        return []
    return [draft.living[number] for *_, number in sorted(found)]


def _sellers(draft: Draft, report: Report, unsent: Collection[OrderIntent]) -> Iterator[_Seller]:
    """Traders whose coins it may sell. Rounding to the tick of today makes none of them ask more."""
    filters, step = draft.leader.info.filters, _coarsest(report.quantity)
    exact = replace(filters, tick_size=Price(1))
    for trader, phase in _unsold(draft, unsent):
        same = isinstance(phase, Selling) and _is_same(phase.intent, report)
        joining, staying = _joining(draft, phase, report)
        lots = together((phase.carried, *joining)) if joining else phase.carried
        rest = held(phase.bought, lots, phase.sold) - report.quantity
        least = asked(replace(trader.terms, profit=Rate(0)), phase.bought, lots, exact)
        if rest >= 0 and report.price >= least:
            odd = rest >= step or bool(joining and staying and staying[0].price <= report.price)
            cheap = report.price < asked(trader.terms, phase.bought, lots, exact)
            away = abs(report.price - asked(trader.terms, phase.bought, phase.carried, filters))
            apart = Quantity(abs(report.quantity - held(phase.bought, phase.carried, phase.sold)))
            yield _Seller(odd, cheap, not same, Price(0 if cheap else away), False, apart, trader.number)
    joining, staying = taken(draft.leader.lots, report.price, report.quantity)
    lots = together(joining)
    if lots.quantity == report.quantity:
        apart = next((lot.quantity for lot in staying if lot.price == joining[-1].price), Quantity(0))
        yield _Seller(apart >= step, False, True, Price(report.price - lots.price), True, apart, 0)


def _coarsest(quantity: Quantity) -> int:
    """The coarsest step that the quantity of an order fits: what was left of the coins was less."""
    step = 1
    while quantity % (step * 10) == 0:
        step *= 10
    return next(step * factor for factor in (5, 2, 1) if quantity % (step * factor) == 0)


def _unsold(draft: Draft, unsent: Collection[OrderIntent]) -> Iterator[tuple[Trader, Holding | Selling]]:
    """Traders with coins that no order at the exchange sells."""
    for trader in draft.living.values():
        match trader.phase:
            case Holding() as phase:
                yield trader, phase
            case Selling(intent=intent) as phase if intent in unsent:
                yield trader, phase
            case _:
                pass


def _is_by_hand(phase: Holding | Selling) -> bool:
    return type(phase) is Holding and phase.hold is Hold.BY_HAND


def _joining(draft: Draft, phase: Holding | Selling, report: Report) -> tuple[Lots, Lots]:
    """The lots that join this order if its coins lack some, and those that stay. After a first sell none join.

    All that its price is enough for, as for any sell; only so many coins as it lacks, if those are too many.
    """
    lots = draft.leader.lots
    lacking = Quantity(report.quantity - held(phase.bought, phase.carried, phase.sold))
    if phase.sold.quantity or lacking <= 0:
        return (), lots
    below, above = split(lots, report.price)
    if together(below).quantity - lacking < _coarsest(report.quantity):
        return below, above
    return taken(lots, report.price, lacking)
