"""Coins of a symbol outside the usual cycle: lots that are sold, coins that are lost, orders that are adopted.

``leader.py`` calls it with the working copy of its step.
"""

from msgspec.structs import replace

from naived.core.amount import Money, Quantity, format_amount
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import Fill
from naived.core.strategy.formulas import NOTHING_SOLD, Bought, Coins, Sold, dust_cost
from naived.core.strategy.leader_draft import Draft, leave, owe, settle
from naived.core.strategy.leader_events import Lost
from naived.core.strategy.lots import Lot, together, whole_orders
from naived.core.strategy.trader_state import (
    BY_HAND,
    Buying,
    Hold,
    Holding,
    Note,
    Released,
    Selling,
    TooFew,
    Trader,
    position,
)


def sell_lots(draft: Draft) -> None:
    """Give lots that make a whole order a trader of their own."""
    most = draft.leader.info.filters.max_orders
    groups, _ = whole_orders(draft.leader.lots, draft.leader.info.filters)
    for group in groups:
        if most and len(draft.living) >= most:
            break
        draft.put_lots(tuple(lot for lot in draft.leader.lots if lot not in group))
        lot = together(group)
        trader = draft.add(Holding(Bought(lot.price), Hold.STOPPED, "stopped", None, carried=lot))
        draft.tell(trader, Released(trader.number, adopt=True))


def lose_lots(draft: Draft) -> None:
    """A person writes off all lots."""
    for lot in draft.leader.lots:
        settle(draft, Bought(lot.price, lot.quantity, lot.cost), NOTHING_SOLD, f"written off {BY_HAND}")
        draft.commands.append(Note("written off", f"{draft.leader.info.symbol}: {_words(draft, lot)} {BY_HAND}"))
    draft.put_lots(())


def lose(draft: Draft, trader: Trader, event: Lost) -> None:
    """A trader that loses all its coins ends; one that loses a part sells the rest at its unchanged price.

    Coins that the symbol owes are missing because they were sold: they are paid back, and only others are lost.
    """
    paid = Quantity(min(event.quantity, -draft.leader.owed.quantity, position(trader).quantity))
    if paid > 0:
        trader = _pay_back(draft, trader, paid)
        event = replace(event, quantity=Quantity(event.quantity - paid))
    if isinstance(trader.phase, Holding) and event.quantity >= position(trader).quantity:
        lost = Released(trader.number, adopt=False, why=event.why)
        draft.tell(trader, lost if event.quantity else TooFew())
        return
    trader, parts = _without(trader, event.quantity)
    if not parts:
        return
    draft.put(trader)
    for part in parts:
        settle(draft, part, NOTHING_SOLD, f"written off {event.why}", of=trader)
    gone = Coins(Quantity(sum(part.net for part in parts)), Money(sum(part.cost for part in parts)))
    draft.commands.append(Note("written off", f"{trader.id}: {_words(draft, gone)} {event.why}"))


def _pay_back(draft: Draft, trader: Trader, quantity: Quantity) -> Trader:
    """The trader without coins that its symbol owes."""
    trader, parts = _without(trader, quantity)
    draft.put(trader)
    for part in parts:
        leave(draft, Lot(part.net, part.cost, part.limit))
    return trader


def _without(trader: Trader, quantity: Quantity) -> tuple[Trader, list[Bought]]:
    """The trader without so many coins, and these: its own first, then those of the lots that it carries."""
    phase, parts = trader.phase, list[Bought]()
    if isinstance(phase, Buying | Holding | Selling) and phase.bought.net > 0 and quantity > 0:
        own = phase.bought.part(quantity)
        parts.append(own)
        phase = replace(phase, bought=phase.bought.without(own))
        quantity = Quantity(quantity - own.net)
    if isinstance(phase, Holding | Selling) and phase.carried.quantity > 0 and quantity > 0:
        lots, lost = phase.carried, Quantity(min(quantity, phase.carried.quantity))
        part = Bought(lots.price, lost, dust_cost(lots.cost, lost, lots.quantity))
        parts.append(part)
        rest = Lot(Quantity(lots.quantity - lost), Money(lots.cost - part.cost), lots.price)
        phase = replace(phase, carried=rest)
    return replace(trader, phase=phase), parts


def _words(draft: Draft, lost: Coins | Lot) -> str:
    info = draft.leader.info
    coins = f"{format_amount(lost.quantity)} {info.base}"
    return f"{coins} that cost {format_amount(lost.cost)} {info.quote} written off"


def readopt(draft: Draft, intent: OrderIntent) -> None:
    """A trader that holds the coins of this sell, its newest, waits for it again."""
    trader = draft.living.get(intent.trader)
    if trader is None or intent.side is not Side.SELL or trader.sells != intent.seq:
        return
    match trader.phase:
        case Holding(bought, carried=carried, sold=sold, failures=failures):
            draft.put(replace(trader, phase=Selling(bought, intent, carried, sold, failures), since=draft.now))
        case _:
            pass


def adopt(draft: Draft, intent: OrderIntent, fills: tuple[Fill, ...]) -> None:
    """A new trader sells bought coins; coins that were sold are taken from the lots, or owed by those to come."""
    info = draft.leader.info
    if not fills:
        return
    if intent.side is Side.BUY:
        bought = Bought(intent.price)
        for fill in fills:
            bought = bought.with_fill(fill, info.base, info.quote)
        trader = draft.add(Holding(bought, Hold.STOPPED, "adopted", None))
        draft.tell(trader, Released(trader.number, adopt=True))
        return
    sold = Sold()
    for fill in fills:
        sold = sold.with_fill(fill, info.base, info.quote)
    gone = Quantity(-sold.quantity - sold.base_fees)
    owe(draft, Coins(gone, Money(sold.quote_fees - sold.received)))
