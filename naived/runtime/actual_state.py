"""The state a symbol is really in, and why, as opposed to the desired one. ``status`` shows it."""

from enum import StrEnum

from naived.core.engine import BlockedBy, suspicion
from naived.core.orders.intent import Side
from naived.core.orders.state import OrderState, State
from naived.core.strategy.settings import Status
from naived.core.strategy.summary import held_back, shortage
from naived.core.strategy.trader_state import Hold, Holding, Selling, Trader, Waiting
from naived.ports import CorruptError
from naived.runtime.symbol_task import Symbol
from naived.runtime.waits import why_waits


class ActualState(StrEnum):
    OFF = "off"
    STARTING = "starting"
    TRADING = "trading"
    DRAINING = "draining"
    STOPPING = "stopping"
    DEGRADED = "degraded"
    FAULTED = "faulted"
    QUARANTINED = "quarantined"


_FOR_A_PERSON = (BlockedBy.QUARANTINE, BlockedBy.LINEAGE, BlockedBy.COINS, BlockedBy.MARKET)
TROUBLED = (Hold.BALANCE, Hold.FILTER, Hold.REFUSED)
_QUIET = "it was not traded for a minute, while others were"
_ONCE = 1  # a sell that expired or was refused once is offered again within a second


def actual_state(symbol: Symbol) -> tuple[ActualState, str | None]:
    """The state and its reason, if any; if several apply, the most serious one."""
    state, reason = _state(symbol)
    if state in (ActualState.TRADING, ActualState.DRAINING):
        return state, _remark(symbol, state)
    return state, reason


def state_of(symbol: Symbol) -> ActualState:
    """The state alone, which is known sooner than the reason of a symbol that trades."""
    return _state(symbol)[0]


def _state(symbol: Symbol) -> tuple[ActualState, str | None]:
    """The state, and the reason of one in which the symbol does not do its work."""
    engine = symbol.engine
    block = engine.blocks[0] if engine.blocks else None
    if block is not None and block.by in _FOR_A_PERSON:
        return ActualState.QUARANTINED, block.reason
    if symbol.fault is not None:
        return ActualState.FAULTED, symbol.fault
    if engine.leader.barred is not None:
        return ActualState.FAULTED, engine.leader.barred
    if isinstance(symbol.failed, CorruptError):  # its desired state is not known either
        return ActualState.DEGRADED, str(symbol.failed)
    if symbol.desired.status is Status.OFF:
        return _ending(symbol)
    if symbol.failed is not None:
        return ActualState.DEGRADED, str(symbol.failed)
    away = symbol.context.away()
    if away is not None:
        return ActualState.DEGRADED, away
    if block is not None:
        return ActualState.DEGRADED, block.reason
    if symbol.gate.unheard is not None:
        return ActualState.DEGRADED, symbol.gate.unheard
    if symbol.awaited is not None:
        return ActualState.DEGRADED, symbol.awaited
    if not engine.leader.active:
        return ActualState.STARTING, "its rules, orders and coins are being read"
    if engine.informed and not engine.leader.info.trading:
        return ActualState.DEGRADED, f"the market is closed: {engine.leader.info.status}"
    for trader in engine.leader.traders:
        stuck = _stuck(symbol, trader)
        if stuck is not None:
            return ActualState.DEGRADED, f"{trader.id} cannot sell: {stuck}"
    return (ActualState.DRAINING if symbol.desired.status is Status.SHUTDOWN else ActualState.TRADING), None


def _remark(symbol: Symbol, state: ActualState) -> str | None:
    """Why a symbol that works does not do all that its settings say, if so."""
    return (
        _unresolved(symbol)
        or symbol.context.exchange.remarks.limited
        or _in_doubt(symbol)
        or _unplaced(symbol)
        or (None if state is ActualState.DRAINING else symbol.engine.leader.halts.why)
        or _suspected(symbol)
        or _held_back(symbol)
        or _waiting(symbol)
        or _short(symbol)
        or (_QUIET if is_quiet(symbol) else None)
    )


def is_quiet(symbol: Symbol) -> bool:
    """Was it not traded for a minute, though others were? Its market may be closed."""
    return symbol.engine.leader.active and symbol.context.quiet(symbol.gate)


def _stuck(symbol: Symbol, trader: Trader) -> str | None:
    """Why its coins cannot be sold now, so that the symbol does not do its work; None if they can."""
    match trader.phase:
        case Holding(hold=Hold.EXPIRED, failures=failures, reason=reason) if failures > _ONCE:
            return reason
        case Holding(hold=hold, reason=reason) if hold in (*TROUBLED, Hold.BY_HAND):
            return reason
        case Selling(intent=intent, failures=failures):
            sell = symbol.engine.order(intent.trader, Side.SELL, intent.seq)
            if sell is None or sell.order_id is not None:
                return None
            if failures > _ONCE:
                return sell.reason or "its sell was refused or expired, and is offered again"
            return sell.reason if sell.state is State.UNKNOWN and sell.attempt > 1 else None
        case _:
            return None


def _ending(symbol: Symbol) -> tuple[ActualState, str | None]:
    unsettled = len(symbol.engine.unsettled)
    if unsettled:
        orders = "order" if unsettled == 1 else "orders"
        text, why = f"the state of {unsettled} {orders} is not known yet", _unresolved(symbol)
        return ActualState.STOPPING, text if why is None else f"{text}: {why}"
    return (ActualState.STOPPING, symbol.context.away()) if symbol.tended else (ActualState.OFF, None)


def _unresolved(symbol: Symbol) -> str | None:
    """Why an order cannot be resolved now, if one cannot."""
    for client_order_id, reason in symbol.unresolved.items():
        order = symbol.engine.orders.get(client_order_id)
        if order is not None and order.state is State.NOT_PLACED:
            continue  # told of what waits to be sent
        return f"order {client_order_id} is not resolved: {reason}"
    return None


def why_unplaced(symbol: Symbol, order: OrderState) -> str | None:
    """Why an order that was decided is not sent yet, as far as the exchange and the last attempt tell."""
    remarks = symbol.context.exchange.remarks
    slot = None if order.state is not State.NOT_PLACED or order.intent.side is Side.SELL else remarks.buys_limited
    return remarks.limited or slot or symbol.unresolved.get(order.client_order_id) or order.reason


def _unplaced(symbol: Symbol) -> str | None:
    """Why an order waits to be sent, if one does."""
    for order in symbol.engine.orders.values():
        if order.state is State.NOT_PLACED:
            why = why_unplaced(symbol, order)
            if why is not None:
                return f"the {order.intent.side} of {symbol.name}-{order.intent.trader} is not placed yet: {why}"
    return None


def _in_doubt(symbol: Symbol) -> str | None:
    """What is said of an order of which nobody knows whether the exchange has it, if there is one."""
    for order in symbol.engine.orders.values():
        if order.state is State.UNKNOWN:
            intent = order.intent
            name = f"{intent.symbol}-{intent.trader}"
            said = "" if order.reason is None else f": {order.reason}"
            return f"it is not known yet whether the {intent.side} of {name} was placed{said}"
    return None


def _waiting(symbol: Symbol) -> str | None:
    """Why a trader does not buy though the price would have it, if one does not."""
    for trader in symbol.engine.leader.traders:
        if isinstance(trader.phase, Waiting) and (why := why_waits(symbol, trader)) is not None:
            return f"{trader.id} waits: {why}"
    return None


def _held_back(symbol: Symbol) -> str | None:
    """Whether a guard keeps somebody from buying, at the last price."""
    price = symbol.gate.price
    return None if price is None else held_back(symbol.engine.leader, price)


def _suspected(symbol: Symbol) -> str | None:
    """Whether the last trade is too far from the one before to decide anything."""
    check = symbol.gate.check
    return None if check.suspect is None else suspicion(check.suspect, check.price)


def _short(symbol: Symbol) -> str | None:
    """Whether the budget or the rules keep a further trader from starting, at the last price."""
    price = symbol.gate.price
    return None if price is None else shortage(symbol.engine.leader, price)
