"""Orders that the exchange has and the journal lost, in a failover of its database: whose decision each was.

    buy    of a trader that waits, or whose own buy was never sent; else of one more
    sell   of a trader that has its coins and asks no more for them, else of one that loses nothing by it; lots join
           it as they would have joined, or are sold by a trader of their own; one at less than any coins have cost
           is the stop-loss's, and halts the symbol as that does
    else   nobody's: it is quarantined, and a person decides

The settings of that time may be lost too, or be changed by now: neither chunks nor budget nor the profit of today
say that an order was not decided. They come in the order in which they were placed, each once the one before is
read to its last fill: so a sell finds the trader that its buy belongs to. ``leader.py`` calls it with the working
copy of its step.
"""

from collections.abc import Collection, Iterator

from msgspec import Struct
from msgspec.structs import replace

from naived.core.amount import Price, Quantity, Rate, format_amount
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import Report
from naived.core.strategy.formulas import NOTHING_SOLD, Bought, rebuy_below
from naived.core.strategy.leader_draft import Draft, leave
from naived.core.strategy.lots import NO_LOT, Lots, split, together, whole_orders
from naived.core.strategy.sizing import asked, held
from naived.core.strategy.stopping import own
from naived.core.strategy.trader_state import (
    Buying,
    Directed,
    Finished,
    Hold,
    Holding,
    Selling,
    Take,
    Trader,
    Waiting,
)
from naived.core.strategy.traders import rebuy_limit, spent_rebuys


class _Seller(Struct, frozen=True, order=True):
    """A trader that may have decided a sell. Of several the least is taken: its decision comes nearest to the sell.

    ``cheap``: it asks more. ``other``: it did not decide the same sell again. ``away``: how far the sell's price is
    from what it asks. ``rest``: the coins that it would keep. ``joining``: the lots that it would sell along.
    """

    cheap: bool
    other: bool
    away: Price
    rest: Quantity
    number: int
    joining: Lots


def find(draft: Draft, report: Report, unsent: Collection[OrderIntent]) -> str | None:
    """Give the order to a trader, or to nobody. ``unsent``: intents that the exchange has not.

    Returns why the symbol is halted by it, None if it is not.
    """
    if report.side is Side.BUY:
        _take_buy(draft, report, unsent)
    elif not _take_sell(draft, report, unsent):
        stopped = _take_stopped(draft, report, unsent)
        if stopped is not None:
            return (
                f"the stop-loss of {stopped.id}: its sell at {format_amount(report.price)}, which the database lost"
            )
        problem = "no trader has coins that it sells at this price"
        nobody = draft.add(Waiting())
        phase = Finished(None, NOTHING_SOLD, NO_LOT, NO_LOT, None, "stands for an order that the database lost")
        draft.put(replace(nobody, phase=phase))
        draft.commands.append(Take(_intent(nobody, report, 1), report, None, problem))
    return None


def _intent(trader: Trader, report: Report, seq: int) -> OrderIntent:
    return OrderIntent(trader.symbol, trader.number, report.side, seq, report.price, report.quantity)


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
    sellers = list(_sellers(draft, report, unsent)) or list(_lot_seller(draft, report))
    if not sellers:
        return False
    seller = min(sellers)
    joining, trader = seller.joining, draft.living[seller.number]
    phase = trader.phase
    assert isinstance(phase, Holding | Selling)
    intent = _intent(trader, report, trader.sells + 1)
    instead = phase.intent if isinstance(phase, Selling) else None
    carried = together((phase.carried, *joining)) if joining else phase.carried
    since = trader.since if isinstance(phase, Selling) else max(draft.now, trader.since)
    selling = Selling(phase.bought, intent, carried, phase.sold)
    draft.put(replace(trader, phase=selling, since=since, sells=intent.seq))
    if joining:
        draft.put_lots(tuple(lot for lot in draft.leader.lots if lot not in joining))
    draft.commands.append(Take(intent, report, instead))
    return True


def _take_stopped(draft: Draft, report: Report, unsent: Collection[OrderIntent]) -> Trader | None:
    """The trader that sold coins of its own at less than they have cost: of several that which keeps the least."""
    found = []
    for trader in draft.living.values():
        match trader.phase:
            case Holding(bought, carried=carried, sold=sold):
                found.append((own(bought, carried, sold), trader.number))
            case Selling(bought, intent, carried, sold) if intent in unsent:
                found.append((own(bought, carried, sold), trader.number))
            case _:
                pass
    enough = [each for each in found if each[0] >= report.quantity]
    if not enough:
        return None
    trader = draft.living[min(enough)[1]]
    phase = trader.phase
    assert isinstance(phase, Holding | Selling)
    intent = replace(_intent(trader, report, trader.sells + 1), ioc=True)
    instead, carried = phase.intent if isinstance(phase, Selling) else None, phase.carried
    if carried and not phase.sold.quantity:
        leave(draft, carried)
        carried = NO_LOT
    selling = Selling(phase.bought, intent, carried, phase.sold)
    since = trader.since if instead is not None else max(draft.now, trader.since)
    draft.put(replace(trader, phase=selling, since=since, sells=intent.seq, stop=report.price))
    draft.commands.append(Take(intent, report, instead))
    return trader


def _lot_seller(draft: Draft, report: Report) -> Iterator[_Seller]:
    """A trader of its own for lots that make this order together."""
    leader = draft.leader
    groups, _ = whole_orders(leader.lots, leader.info.filters)
    below, _ = split(leader.lots, report.price)
    for group in (*groups, below):
        lot = together(group)
        if lot.price <= report.price and lot.quantity >= report.quantity:
            draft.put_lots(tuple(each for each in leader.lots if each not in group))
            phase = Holding(Bought(lot.price), Hold.STOPPED, "stopped", None, carried=lot)
            rest = Quantity(lot.quantity - report.quantity)
            yield _Seller(False, False, Price(0), rest, draft.add(phase).number, ())
            return


def _sellers(draft: Draft, report: Report, unsent: Collection[OrderIntent]) -> Iterator[_Seller]:
    """Traders whose coins it may sell."""
    filters = draft.leader.info.filters
    for trader in draft.living.values():
        phase, same = trader.phase, False
        match phase:
            case Holding():
                pass
            case Selling(intent=intent) if intent in unsent:
                same = _is_same(intent, report)
            case _:
                continue
        joining: Lots = ()
        if held(phase.bought, phase.carried, phase.sold) < report.quantity and not phase.sold.quantity:
            joining, _ = split(draft.leader.lots, report.price)
        lots = together((phase.carried, *joining)) if joining else phase.carried
        rest = Quantity(held(phase.bought, lots, phase.sold) - report.quantity)
        wanted = asked(trader.terms, phase.bought, lots, filters)
        least = asked(replace(trader.terms, profit=Rate(0)), phase.bought, lots, filters)
        if rest >= 0 and report.price >= least:
            away = Price(abs(report.price - wanted))
            yield _Seller(report.price < wanted, not same, away, rest, trader.number, joining)
