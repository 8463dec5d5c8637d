"""What the traders of one symbol take together: chunks, money and rebuys. Called by the leader and the engine."""

from collections.abc import Collection, Iterable

from naived.core.amount import Price, Quantity, money_down, value_up
from naived.core.strategy.lots import Lots
from naived.core.strategy.trader_state import Buying, Holding, Selling, Trader, Waiting


def chunks_taken(traders: Iterable[Trader]) -> int:
    """How many traders take one of the symbol's chunks."""
    taken = 0
    for trader in traders:
        if trader.buys or not trader.sells_lots:
            taken += 1
    return taken


def chunks_spent(traders: Iterable[Trader]) -> int:
    """How many of them do more than wait: only these keep a waiting trader from buying."""
    return sum([type(trader.phase) is not Waiting and not trader.sells_lots for trader in traders])


def spent_rebuys(traders: Iterable[Trader]) -> set[int]:
    """The numbers of traders whose rebuy started one that lives, itself or as a successor in its line."""
    spent, notified = set(), []
    for trader in traders:
        if trader.origin is not None:
            spent.add(trader.origin)
        if trader.rebuy_spent:
            spent.add(trader.number)
        if trader.rebuy_notified:
            notified.append(trader.number)
    if notified:
        newest = max([trader.number for trader in traders if not trader.sells_lots], default=0)
        spent.update(number for number in notified if number < newest)
    return spent


def commitment(trader: Trader) -> int:
    """The quote money a trader has spent or may still spend; for a waiting one its whole share."""
    phase = trader.phase
    if type(phase) is Selling or type(phase) is Holding:
        return phase.bought.cost + phase.carried.cost
    if type(phase) is Buying:
        rest = phase.intent.quantity - phase.bought.quantity
        return phase.bought.cost + value_up(phase.intent.price, Quantity(rest))
    if type(phase) is Waiting:
        return money_down(trader.terms.budget, trader.terms.chunks)
    return 0


def commitments(traders: Iterable[Trader], lots: Lots) -> tuple[int, int]:
    """The sum for the lots and the traders that decided to buy, and the sum for those that still wait."""
    spent = shares = 0
    for lot in lots:
        spent += lot.cost
    for trader in traders:
        if type(trader.phase) is Waiting:
            shares += commitment(trader)
        else:
            spent += commitment(trader)
    return spent, shares


def rebuy_limit(trader: Trader) -> Price | None:
    """The limit of the buy from which this trader's rebuy is measured, spent or not; None if it has none.

    One that the stop-loss sells has none: its coins go because the price fell.
    """
    if trader.stop is not None:
        return None
    phase = trader.phase
    if type(phase) is Selling or type(phase) is Holding:
        return phase.bought.limit if phase.bought.quantity else None
    if type(phase) is Buying:
        return phase.intent.price if phase.accepted else None
    return None


def surplus(traders: Collection[Trader], chunks: int) -> str | None:
    """Why nothing is bought after the chunks were lowered, until enough traders have finished.

    Those that wait are not counted: they would wait for each other.
    """
    if len(traders) < chunks or chunks_spent(traders) < chunks:
        return None
    return f"more traders than chunks: {chunks_taken(traders)} of {chunks}"
