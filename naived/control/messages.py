"""The texts of all answers: what was done, and errors with the cause and the next step."""

from collections.abc import Sequence

from naived.control import holdings
from naived.control.holdings import Loss
from naived.control.protocol import Code, ControlError, format_time
from naived.core.engine import BlockedBy
from naived.core.orders.intent import Side
from naived.core.orders.state import OrderState
from naived.core.strategy.formulas import Coins
from naived.core.strategy.settings import Settings, Status
from naived.core.strategy.trader_state import Holding
from naived.ports import UnwrittenError
from naived.runtime.actual_state import TROUBLED, ActualState, actual_state, state_of
from naived.runtime.symbol_task import Symbol

OFF = "off"  # for a symbol that was never configured, or has nothing to drain
PLANNED = "nothing was changed"
FORGOTTEN = "not known (any more)"
NOTHING_TO_RESOLVE = "nothing to resolve"
SILENT = "the database did not answer in time"

_OF_TRADERS = ("budget", "chunks", "buy_down", "profit", "rebuy", "reprice")  # the other settings bind at once

# What was done


def state(symbol: Symbol) -> str:
    """The actual state in one word, and what halts it."""
    halted, state = symbol.engine.leader.halts.why, state_of(symbol)
    if halted is None or state is not ActualState.TRADING:
        return str(state)
    return f"{state}; {halted}, so nothing is bought"


def settings_changed(before: Settings, after: Settings, *, changed: bool) -> str:
    if not changed:
        return "nothing changed"
    kept = any(getattr(before, name) != getattr(after, name) for name in _OF_TRADERS)
    return "changed; running traders keep theirs" if kept or before == after else "changed, at once"


def resolved(symbol: Symbol, ended: int, given_up: Sequence[Loss]) -> str:
    """How many quarantines and holds ended, and what was written off."""
    if not ended and not symbol.listed and symbol.engine.resting:
        return f"{NOTHING_TO_RESOLVE} yet: the exchange may still tell of its orders; try again in some minutes"
    if not ended:
        return NOTHING_TO_RESOLVE
    text = f"{ended} resolved"
    if given_up:
        text = f"{text}; written off: {_lost(symbol, given_up)}"
    if any(loss.spent for loss in given_up):
        text = f"{text}; an order that is still open at the exchange has to be cancelled there"
    state, reason = actual_state(symbol)
    return f"{text}; still quarantined: {reason}" if state is ActualState.QUARANTINED else text


def would_resolve(symbol: Symbol, given_up: Sequence[Loss]) -> str:
    """What a dry run found."""
    return f"this writes off {_lost(symbol, given_up)}" if given_up else "this writes off nothing"


def resolved_before(symbol: Symbol) -> str:
    """The answer to a request that was performed before; what it wrote off is an event."""
    return f"resolved; see: naivectl events {symbol.name}"


def stopped(symbol: Symbol) -> str:
    """How far a stop has come, which orders remain, and which coins stay unsold."""
    word = "stopping" if state_of(symbol) is ActualState.STOPPING else "stopped"
    return "; ".join((word, _remains(symbol), *holdings.stays_words(symbol)))


def would_stop(symbol: Symbol, staying: Coins) -> str:
    """What a dry run found: ``staying`` are the coins without an order."""
    if staying.quantity <= 0:
        return "no coins of a trader stay unsold"
    return f"{holdings.words(symbol, staying)} stay unsold until `naivectl start {symbol.name}` or a shutdown"


def would_sell(symbol: Symbol, coins: Coins) -> str:
    """What a dry run found: a stop-loss that is reached at the last price would act again, or first."""
    sold = holdings.words(symbol, coins)
    return f"{sold} would be sold at a loss at the next trade, and the symbol halted (stop-loss)"


def would_forget(symbol: Symbol, lots: Coins) -> str:
    """What a dry run found."""
    return f"this writes off {holdings.words(symbol, lots) if lots.quantity else 'nothing'}"


def forgotten(symbol: Symbol, lots: Coins) -> str:
    written_off = f"; written off: {holdings.words(symbol, lots)}" if lots.quantity else ""
    return f"forgotten{written_off}; its history stays: naivectl trades {symbol.name}"


def reached(symbol: Symbol, goal: str) -> str:
    """The goal of a wait, and the lots that a drain leaves."""
    if goal == "trading":
        return state(symbol)
    return "; ".join((goal, *_small(symbol))) if goal == "drained" else goal


def draining(symbol: Symbol) -> str:
    """How far a drain has come, what keeps it from going on, and the lots that it leaves."""
    state, reason = actual_state(symbol)
    held_up = [f"quarantined: {reason}"] if state is ActualState.QUARANTINED else []
    return "; ".join((_drain(symbol), *held_up, *_small(symbol)))


def _drain(symbol: Symbol) -> str:
    if symbol.desired.status is Status.OFF:
        return "drained: off" if state_of(symbol) is ActualState.OFF else "drained; not off yet"
    traders = symbol.engine.leader.traders
    held = sum(holdings.is_held_by_hand(t) for t in traders)
    text = f"draining: {_count(len(traders), 'cycle')} left"
    if held:
        text = f"{text}, {held} held until {_resolve(symbol.name)}"
    for trader in traders:
        if isinstance(trader.phase, Holding) and trader.phase.hold in TROUBLED:
            text = f"{text}, {trader.id} cannot sell: {trader.phase.reason}"
    return text


# Why something was not done


def no_budget(name: str) -> ControlError:
    return ControlError(
        Code.NOT_CONFIGURED,
        "it has no budget, and where money is real there is no default",
        symbol=name,
        hint=f"give it once: naivectl start {name} --budget AMOUNT",
    )


def out_of_range(name: str, error: Exception) -> ControlError:
    """A setting out of its range; ``error`` names both."""
    return ControlError(Code.INVALID_PARAMS, str(error), symbol=name)


def too_small(name: str, chunk: str, why: str, chunks: int, least: str) -> ControlError:
    """``chunk`` and ``least``, the smallest budget, are amounts with their asset."""
    return ControlError(
        Code.INVALID_TRANSITION,
        f"{chunk} a chunk is too small to trade: {why}",
        symbol=name,
        hint=f"the least budget for {chunks} chunks is {least}",
    )


def too_large(name: str, chunk: str, why: str, chunks: int, largest: str) -> ControlError:
    """``chunk`` and ``largest``, the largest budget, are amounts with their asset."""
    return ControlError(
        Code.INVALID_TRANSITION,
        f"{chunk} a chunk is too large to trade: {why}",
        symbol=name,
        hint=f"the largest budget for {chunks} chunks is {largest}",
    )


def several_orders(name: str, beginning: str, ids: Sequence[str]) -> ControlError:
    why = f"more than one order begins with {beginning}: {', '.join(ids)}"
    return ControlError(Code.INVALID_TRANSITION, why, symbol=name, hint="give more of its id")


def never_configured(name: str) -> ControlError:
    why, hint = "it was never configured", f"begin with: naivectl start {name}"
    return ControlError(Code.NOT_CONFIGURED, why, symbol=name, hint=hint)


def no_metrics(error: Exception) -> ControlError:
    return ControlError(
        Code.INVALID_TRANSITION,
        str(error),
        hint="install it from naived's sources, as naived was: pip install '.[metrics]', and restart naived",
    )


def not_forgotten(symbol: Symbol, obstacle: str) -> ControlError:
    hint = f"first: naivectl shutdown {symbol.name} --wait"
    if symbol.engine.quarantined:
        hint = f"first: {_resolve(symbol.name)}"
    elif not symbol.listed and symbol.engine.leader.traders:
        hint = f"first: naivectl stop {symbol.name}; then {holdings.written_off_by(symbol)}"
    return ControlError(Code.INVALID_TRANSITION, f"not forgotten: {obstacle}", symbol=symbol.name, hint=hint)


def no_such_order(name: str, client_order_id: str) -> ControlError:
    hint = f"see them with: naivectl orders {name}"
    return ControlError(Code.INVALID_TRANSITION, f"there is no order {client_order_id}", symbol=name, hint=hint)


def away(name: str, cause: Exception | None = None) -> ControlError:
    """The journal did not answer, or refused. The text of ``cause`` includes the next step."""
    doubt = "it is not certain that anything was changed"
    if cause is None:
        message, hint = f"{SILENT}: {doubt}", "try again; repeating it is safe"
    elif isinstance(cause, UnwrittenError):
        message, hint = str(cause), "the change is not made"
    else:
        message, hint = str(cause), f"{doubt}; repeating it is safe"
    return ControlError(Code.DATABASE_UNAVAILABLE, message, symbol=name, hint=hint)


def unread(error: Exception) -> ControlError:
    """Rows could not be read."""
    return ControlError(Code.DATABASE_UNAVAILABLE, str(error), hint="try again")


def unread_symbol(name: str, why: str) -> ControlError:
    """Its rows cannot be read, which ``why`` says with what to do."""
    hint = "nothing was changed; once the row is right it is read by itself"
    return ControlError(Code.DATABASE_UNAVAILABLE, why, symbol=name, hint=hint)


def suspending() -> ControlError:
    return ControlError(Code.SUSPENDING, "naived is suspending", hint="start it again, then try again")


def account_unknown(said: str | None) -> ControlError:
    """``said``: why the exchange does not tell whose account the key is for."""
    return ControlError(
        Code.EXCHANGE_UNAVAILABLE,
        "naived waits for the exchange to say whose account its key is for, and trades nothing before: "
        + (said or "it has not answered yet"),
        hint="to see what is wrong: naived check",
    )


def other_version(theirs: int, first: int, last: int) -> ControlError:
    return ControlError(
        Code.VERSION_MISMATCH,
        f"naived speaks control protocol {first} to {last}, the client {theirs}",
        hint="run naived and naivectl of the same version",
    )


# Why a wait was not successful


def not_started(symbol: Symbol) -> ControlError | None:
    """None if it trades, otherwise why it does not."""
    state, reason = actual_state(symbol)
    match state:
        case ActualState.TRADING:
            return None
        case ActualState.QUARANTINED:
            return ControlError(
                Code.QUARANTINED, f"quarantined: {reason}", symbol=symbol.name, hint=_quarantine_hint(symbol)
            )
        case ActualState.FAULTED:
            return faulted(symbol)
        case _ if symbol.desired.status is not Status.ON:
            return overruled(symbol, "stopped")
        case _:
            return timed_out(symbol, f"not trading yet, still {state}" + (f": {reason}" if reason else ""))


def faulted(symbol: Symbol) -> ControlError:
    hint = f"after you corrected the cause: naivectl start {symbol.name}"
    if not symbol.listed and symbol.engine.leader.traders:
        hint = f"if it does not come back: naivectl stop {symbol.name}; then {holdings.written_off_by(symbol)}"
    why = symbol.fault or symbol.engine.leader.barred
    return ControlError(Code.INVALID_TRANSITION, f"faulted: {why}", symbol=symbol.name, hint=hint)


def still_quarantined(symbol: Symbol, client_order_id: str | None, ended: int) -> ControlError | None:
    """A quarantine that this ``resolve`` did not end; None if it ended what was asked."""
    state, reason = actual_state(symbol)
    doubtful = {order.client_order_id: order.reason for order in symbol.engine.quarantined}
    if client_order_id is not None and client_order_id not in doubtful:
        return None
    if state is not ActualState.QUARANTINED:
        return None
    why = reason if client_order_id is None else doubtful[client_order_id]
    done = f"{ended} resolved, and still" if ended else "nothing changed; still"
    hint = _quarantine_hint(symbol)
    return ControlError(Code.QUARANTINED, f"{done} quarantined: {why}", symbol=symbol.name, hint=hint)


def still_stopping(symbol: Symbol) -> ControlError:
    """Names the orders whose state is unknown, and the time after which each can no longer appear."""
    unknown = [f"{order.client_order_id} (fence {_fence(order)})" for order in symbol.engine.unsettled]
    what = f"off, but the state of {', '.join(unknown)} is not known yet" if unknown else "still stopping"
    return timed_out(symbol, what)


def orders_not_told(symbol: Symbol) -> ControlError:
    """The exchange did not report its orders in time; after a stop, or after a quarantine was ended."""
    done = "off" if symbol.desired.status is Status.OFF else "resolved"
    unread = f"{done}, but what became of its orders is not known; as last told, {_remains(symbol)}"
    if not symbol.listed:
        unread += (
            f"; the exchange does not list {symbol.name}: what it tells nothing of for some minutes is quarantined,"
            f" and then {holdings.written_off_by(symbol)}"
        )
    return timed_out(symbol, unread)


def orders_not_stored(symbol: Symbol) -> ControlError:
    """It is off, and the database did not store in time what the exchange told of its orders."""
    return timed_out(symbol, f"off, but what the exchange told of its orders is not stored yet; {_remains(symbol)}")


def not_drained(symbol: Symbol) -> ControlError:
    """It is off, and has coins that are not offered: waiting does not sell them."""
    what = "; ".join(holdings.stays_words(symbol))
    hint = f"see: naivectl status {symbol.name}"
    return ControlError(Code.INVALID_TRANSITION, f"off, and not drained: {what}", symbol=symbol.name, hint=hint)


def not_reached(symbol: Symbol, goal: str) -> ControlError:
    now, reason = actual_state(symbol)
    if reason is None and goal == "drained" and symbol.engine.resting:
        reason = _remains(symbol)
    return timed_out(symbol, f"not {goal} yet, still {now}" + (f": {reason}" if reason else ""), asked=False)


def never_started(name: str) -> ControlError:
    """The wait for a symbol to trade timed out, and it was never started."""
    hint = f"begin with: naivectl start {name}"
    return ControlError(Code.TIMED_OUT, "not trading yet, never started", symbol=name, hint=hint)


def overruled(symbol: Symbol, what: str) -> ControlError:
    """Another request changed the status during the wait."""
    return ControlError(Code.INVALID_TRANSITION, f"another request {what} it in the meantime", symbol=symbol.name)


def timed_out(symbol: Symbol, what: str, *, asked: bool = True) -> ControlError:
    """The wait ended at its deadline, or because the client is gone; ``asked``: for what it asked for itself."""
    look = f"naivectl status {symbol.name}"
    state, reason = actual_state(symbol)
    return ControlError(
        Code.TIMED_OUT,
        what,
        symbol=symbol.name,
        hint=f"the request stays in effect; see: {look}" if asked else f"see: {look}",
        data={"state": str(state), "reason": reason},
    )


# Parts


def _quarantine_hint(symbol: Symbol) -> str:
    """How a person ends the quarantine that `actual_state` shows; both use the most serious block."""
    name = symbol.name
    by = symbol.engine.blocks[0].by if symbol.engine.blocks else None
    if by is BlockedBy.QUARANTINE:
        return f"look at it with `naivectl orders {name}`, then {_resolve(name)}"
    if by is BlockedBy.LINEAGE:
        return f"end the other naived and its orders, then `naivectl start {name}`; or do what the reason says"
    if by is BlockedBy.MARKET:
        when = "" if symbol.engine.leader.info.trading else "once it is open, "
        same = f"{when}`naivectl resolve {name} --all --adopt` if it is the same coin, in the same unit"
        return f"{same}; else `naivectl stop {name}` and `naivectl resolve {name} --all --ignore` (written off)"
    return f"transfer the coins back to the account, then `naivectl start {name}`; or {_resolve(name)}"


def _resolve(name: str) -> str:
    return f"`naivectl resolve {name} --all --adopt` (ours again) or `--ignore` (written off)"


def _lost(symbol: Symbol, given_up: Sequence[Loss]) -> str:
    return ", ".join(holdings.lost_words(symbol, loss) for loss in given_up)


def _small(symbol: Symbol) -> list[str]:
    small = holdings.kept(symbol.engine.leader, sellable=False, listed=symbol.listed)
    return [holdings.small_words(symbol, small)] if small.quantity > 0 else []


def _fence(order: OrderState) -> str:
    return "none" if order.fence is None else format_time(order.fence)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _remains(symbol: Symbol) -> str:
    text = _resting(symbol.engine.resting)
    doubtful = len(symbol.engine.quarantined)
    if not doubtful:
        return text
    return f"{text}; {_count(doubtful, 'order')} in quarantine {'is' if doubtful == 1 else 'are'} not touched"


def _resting(resting: list[OrderState]) -> str:
    sells = sum(order.intent.side is Side.SELL for order in resting)
    buys = len(resting) - sells
    parts = [_count(number, word) for number, word in ((sells, "sell"), (buys, "buy")) if number]
    if not parts:
        return "nothing remains open at the exchange"
    return f"{' and '.join(parts)} {'remains' if len(resting) == 1 else 'remain'} open at the exchange"
