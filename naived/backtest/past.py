"""A symbol as it was at a moment of the past, from its journal: what a replay of the trades after it begins with.

A row of ``traders`` has only the newest phase. What it was earlier is in the trader's orders and fills: the last
buy that had been decided then, what it had bought, the last sell and what it had sold. The lots are worked out by
``past_lots.py``.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from naived.backtest.past_lots import PastLots
from naived.core.amount import Price
from naived.core.market import SymbolInfo
from naived.core.orders.intent import Side
from naived.core.orders.report import Fill
from naived.core.orders.state import TERMINAL, OrderState, State
from naived.core.strategy.formulas import Bought, Sold
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.lots import NO_LOT, Lot
from naived.core.strategy.trader_state import Buying, Hold, Holding, Phase, Selling, Waiting
from naived.database.history import History
from naived.database.queries import Life


def leader_at(before: Leader, history: History, past: PastLots, at: int) -> tuple[Leader, list[OrderState]]:
    """``before`` with the traders and lots of ``at`` (exchange ms), and the orders that rested then."""
    living, resting = [], []
    highest = before.next_number - 1
    for life in history.lives:
        trader = life.trader
        own = [order for order in history.orders if order.intent.trader == trader.number and order.decided_at < at]
        if trader.started_at >= at and not own:
            continue
        highest = max(highest, trader.number)
        if life.ended is not None and life.ended < at:
            continue
        carried = past.carried.get(trader.number, NO_LOT)
        phase, order = _phase_at(life, own, carried, before.info, at)
        buys = sum(each.intent.side is Side.BUY for each in own)
        last = own[-1] if own else None
        living.append(
            replace(
                trader,
                phase=phase,
                buys=buys,
                sells=len(own) - buys,
                stop=trader.stop if last is not None and last.intent.ioc else None,
                rebuy_spent=trader.rebuy_spent and _stopped_before(history.everyone, trader.number, at),
            )
        )
        if order is not None:
            resting.append(order)
    return replace(before, traders=tuple(living), lots=past.lots, next_number=highest + 1), resting


def _phase_at(
    life: Life, own: list[OrderState], carried: Lot, info: SymbolInfo, at: int
) -> tuple[Phase, OrderState | None]:
    """A trader's phase at ``at`` by its orders until then, and the one that rested."""
    buys = [order for order in own if order.intent.side is Side.BUY]
    if buys:
        buy = max(buys, key=lambda order: order.intent.seq)
        bought = Bought(buy.intent.price)
        for fill in _until(buy.fills, at):
            bought = bought.with_fill(fill, info.base, info.quote)
        if not over(buy, at):
            return Buying(buy.intent, bought, Price(0), accepted=True), _resting(buy, at)
        if not bought.quantity:
            return Waiting(), None
    elif life.bought is not None and not life.trader.buys:  # it was made of lots, or of coins that were adopted
        bought = life.bought
    else:
        return Waiting(), None
    sold = Sold()
    sells = [order for order in own if order.intent.side is Side.SELL]
    for fill in _until((fill for order in sells for fill in order.fills), at):
        sold = sold.with_fill(fill, info.base, info.quote)
    last = max(sells, key=lambda order: order.intent.seq, default=None)
    if last is None or over(last, at):
        return Holding(bought, Hold.STOPPED, "stopped", None, carried, sold), None
    return Selling(bought, last.intent, carried, sold), _resting(last, at)


def _stopped_before(everyone: Iterable[Life], number: int, at: int) -> bool:
    """Had one ended that the rebuy of trader ``number`` started, so that the rebuy may be spent for good?"""
    return any(
        life.trader.origin == number and life.ended is not None and life.ended < at and life.trader.stop is not None
        for life in everyone
    )


def _until(fills: Iterable[Fill], at: int) -> list[Fill]:
    return [fill for fill in fills if fill.time < at]


def over(order: OrderState, at: int) -> bool:
    """Had it ended then? One that ended by its last fill ended when that was."""
    if order.state not in TERMINAL:
        return False
    ended = order.fills[-1].time if order.state is State.FILLED and order.fills else order.updated_at
    return ended < at


def _resting(order: OrderState, at: int) -> OrderState:
    fills = tuple(_until(order.fills, at))
    executed = sum(fill.quantity for fill in fills)
    state = State.PARTIALLY_FILLED if fills else State.OPEN
    return replace(
        order, state=state, fills=fills, executed=executed, reported=executed, final=None, cancelling=False
    )
