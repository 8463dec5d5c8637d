"""``explain``: why a symbol buys and sells now, or does not, trader by trader, and what would change that."""

from typing import Any

from naived.control import messages
from naived.control.call import Call
from naived.control.caller import Caller
from naived.control.lookup import find
from naived.control.next_steps import next_step
from naived.control.protocol import encode_body, format_time
from naived.control.requests import Params
from naived.control.service import Service
from naived.core.amount import Price, format_amount
from naived.core.orders.intent import OrderIntent
from naived.core.orders.state import State
from naived.core.strategy.formulas import rebuy_below
from naived.core.strategy.guards import guarded_band, why_guarded
from naived.core.strategy.settings import Status
from naived.core.strategy.sizing import terms_of
from naived.core.strategy.summary import held_back, shortage
from naived.core.strategy.trader_state import Buying, Holding, Selling, Trader, Waiting
from naived.core.strategy.traders import chunks_taken, rebuy_limit, spent_rebuys
from naived.runtime.actual_state import actual_state, why_unplaced
from naived.runtime.symbol_task import Symbol
from naived.runtime.waits import over_limits, why_waits

Document = dict[str, Any]


async def explain(service: Service, params: Params, caller: Caller) -> bytes:
    """The answer; raises ControlError for a symbol that was never configured."""
    (name,) = params["symbols"]
    symbol = await find(service, Call(name, {}, caller, changes=False))
    if symbol is None:
        raise messages.never_configured(name)
    state, reason = actual_state(symbol)
    may_buy, buys = _buys(symbol)
    traders = symbol.engine.leader.traders
    return encode_body(
        {
            "v": 1,
            "symbol": name,
            "status": str(symbol.desired.status),
            "state": str(state),
            "reason": reason,
            "next_step": next_step(symbol),
            "buys": {"may": may_buy, "text": buys},
            "traders": [_trader(symbol, trader) for trader in traders],
        }
    )


def _buys(symbol: Symbol) -> tuple[bool, str]:
    """May anything be bought now or at a lower price, and the reason in words."""
    engine, leader = symbol.engine, symbol.engine.leader
    state, reason = actual_state(symbol)
    if symbol.desired.status is not Status.ON:
        ends = (
            "it ends what is open and starts nothing" if symbol.desired.status is Status.SHUTDOWN else "it is off"
        )
        return False, f"no: {ends}"
    stands = not leader.active or not leader.info.trading or leader.barred is not None
    away = symbol.gate.unheard is not None or symbol.context.away() is not None
    if engine.blocks or stands or away:
        return False, f"no: {reason or f'it is {state}'}"
    buys = (trader.phase for trader in leader.traders if isinstance(trader.phase, Buying))
    unplaced = [_unplaced(symbol, buy.intent) for buy in buys if not buy.cancelling]
    phases = ((trader.phase, trader) for trader in leader.traders)
    waiting = [(phase.after, why_waits(symbol, trader)) for phase, trader in phases if isinstance(phase, Waiting)]
    ready = [after for after, reason in waiting if reason is None]
    why = leader.halts.why or _guarded(symbol) or (waiting[0][1] if waiting and not ready else None)
    if None in unplaced:
        return True, "yes: a buy rests" if why is None else f"yes: a buy rests; no other one is placed: {why}"
    if why is not None:
        return False, f"no: {why}"
    if ready:
        later = min(ready) > symbol.context.exchange.now()
        return True, f"yes: at a trade after {format_time(min(ready))}" if later else "yes: at the next trade"
    return (True, f"yes: a buy is {unplaced[0]}") if unplaced else _further(symbol)


def _guarded(symbol: Symbol) -> str | None:
    """Why a guard lets nobody buy at the last price."""
    price = symbol.gate.price
    return None if price is None else held_back(symbol.engine.leader, price)


def _further(symbol: Symbol) -> tuple[bool, str]:
    """When a further trader joins."""
    leader, price = symbol.engine.leader, symbol.gate.price
    terms = terms_of(leader.settings, leader.fees)
    if not chunks_taken(leader.traders):
        why = None if price is None else over_limits(symbol, terms, price)
        return (True, "yes: at the next trade") if why is None else (False, f"no: {why}")
    if chunks_taken(leader.traders) >= leader.settings.chunks:
        return False, f"no: all {leader.settings.chunks} chunks have bought; one that sells makes room"
    lacking = None if price is None else shortage(leader, price)
    if lacking is not None:
        return False, f"no: {lacking}"
    spent = spent_rebuys(leader.traders)
    limits = [
        rebuy_below(limit, trader.terms.rebuy)
        for trader in leader.traders
        if trader.number not in spent and (limit := rebuy_limit(trader)) is not None
    ]
    if not limits:
        return False, "no: every trader has had its rebuy; one that sells starts anew"
    below = Price(max(limits))
    info, tick = leader.info, leader.info.filters.tick_size
    at, peak = Price((below - 1) // tick * tick), symbol.gate.peak(symbol.context.exchange.now())
    guarded = why_guarded(leader.settings, info, leader.traders, at, peak)
    if guarded is not None:
        band = guarded_band(leader.settings, info, leader.traders, at, peak)
        if band is None or band[0] <= 0:
            return False, f"no: below {format_amount(below)}, where one more would join, {guarded}"
        below = Price((band[0] // tick + 1) * tick)
    limited = over_limits(symbol, terms, Price((below - 1) // tick * tick))
    if limited is not None:
        return False, f"no: below {format_amount(below)}, where one more would join, {limited}"
    return True, f"when the price falls below {format_amount(below)}{_away(symbol, below)}: one more joins"


def _trader(symbol: Symbol, trader: Trader) -> Document:
    match trader.phase:
        case Waiting() if (reason := why_waits(symbol, trader)) is not None:
            text = f"waits: {reason}"
        case Waiting(after) if after > symbol.context.exchange.now():
            text = f"waits for a trade after {format_time(after)}"
        case Waiting():
            text = "waits for the next trade"
        case Buying(intent):
            text = _order(symbol, "buys", "buy", intent)
        case Selling(intent=intent):
            text = _order(symbol, "sells", "sell", intent)
        case Holding(reason=reason):
            text = f"holds its coins: {reason}"
        case _:
            text = "has ended"
    return {"trader": trader.id, "text": text}


def _order(symbol: Symbol, does: str, wants: str, intent: OrderIntent) -> str:
    unplaced = _unplaced(symbol, intent)
    offer = _offer(symbol, intent)
    return f"{does} {offer}" if unplaced is None else f"wants to {wants} {offer}; {unplaced}"


def _unplaced(symbol: Symbol, intent: OrderIntent) -> str | None:
    """That its order is not at the exchange, or that nobody knows, and why; None if the exchange has it."""
    engine, context = symbol.engine, symbol.context
    order = engine.order(intent.trader, intent.side, intent.seq)
    if order is not None and order.state is State.UNKNOWN:
        return "perhaps not placed" if order.reason is None else f"perhaps not placed: {order.reason}"
    unwritten = order is not None and order.state is State.INTENDED and symbol.behind
    if order is None or not (order.state is State.NOT_PLACED or unwritten):
        return None
    failed = None if symbol.failed is None else str(symbol.failed)
    why = engine.blocked or failed or context.away() or why_unplaced(symbol, order)
    return "not placed yet" if why is None else f"not placed yet: {why}"


def _offer(symbol: Symbol, intent: OrderIntent) -> str:
    quantity, base = format_amount(intent.quantity), symbol.engine.leader.info.base
    return f"{quantity} {base} at {format_amount(intent.price)}{_away(symbol, intent.price)}"


def _away(symbol: Symbol, price: Price) -> str:
    """How far the last price is from this one: `` (+0.24%)``."""
    last = symbol.gate.price
    if not last:
        return ""
    hundredths = abs(price - last) * 10_000 // last
    sign = "-" if price < last else "+"
    return f" ({sign}{hundredths // 100}.{hundredths % 100:02d}%)"
