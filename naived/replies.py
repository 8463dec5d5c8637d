"""What verbs answer in words: outcomes for a person, and errors that name the cause and the next step."""

from dataclasses import dataclass

from naived.control.protocol import Code, ControlError, format_time
from naived.core.engine import BlockedBy
from naived.core.orders.intent import Side
from naived.core.orders.state import OrderState
from naived.core.strategy.settings import Status
from naived.core.strategy.trader import Hold, Holding
from naived.runtime.actual_state import ActualState, actual_state
from naived.runtime.symbol_task import Symbol


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verb did to one symbol; ``error`` is why what was waited for did not come, which undoes nothing."""

    changed: bool
    message: str
    error: ControlError | None = None


def started(symbol: Symbol) -> ControlError | None:
    """None if it trades, else why a start has not come to that."""
    state, reason = actual_state(symbol)
    match state:
        case ActualState.TRADING:
            return None
        case ActualState.QUARANTINED:
            return ControlError(
                Code.QUARANTINED, f"quarantined: {reason}", symbol=symbol.name, hint=_way_out(symbol)
            )
        case ActualState.FAULTED:
            hint = f"when it is mended: naivectl start {symbol.name}"
            return ControlError(Code.INVALID_TRANSITION, f"faulted: {reason}", symbol=symbol.name, hint=hint)
        case _ if symbol.desired.status is not Status.ON:
            return overruled(symbol, "stopped")
        case _:
            return timed_out(symbol, f"not trading yet, still {state}" + (f": {reason}" if reason else ""))


def stopped(symbol: Symbol) -> str:
    """How far a stop has come, and what it leaves behind."""
    word = "stopping" if actual_state(symbol)[0] is ActualState.STOPPING else "stopped"
    return f"{word}; {_remains(symbol)}"


def still_stopping(symbol: Symbol) -> ControlError:
    """Names the orders whose fate is open, and when each can no longer appear."""
    unknown = [f"{order.client_order_id} (fence {_fence(order)})" for order in symbol.engine.unsettled]
    what = f"off, but not known is the fate of {', '.join(unknown)}" if unknown else "still stopping"
    return timed_out(symbol, what)


def unheard(symbol: Symbol) -> ControlError:
    """It is off, and what its orders have come to could not be found out in time."""
    last = _remains(symbol)
    return timed_out(symbol, f"off, but what became of its orders is not known; as last heard, {last}")


def draining(symbol: Symbol) -> str:
    """How far a drain has come."""
    if symbol.desired.status is Status.OFF:
        return "drained: off"
    traders = symbol.engine.leader.traders
    held = sum(isinstance(t.phase, Holding) and t.phase.hold is Hold.BY_HAND for t in traders)
    text = f"draining: {_count(len(traders), 'cycle')} left"
    return f"{text}, {held} held until {_resolve(symbol.name)}" if held else text


def away(name: str, cause: Exception | None = None) -> ControlError:
    """The journal did not answer, or refused; ``cause`` is why, where it is known, and names its own next step."""
    doubt = "it is not certain that anything was changed"
    if cause is None:
        message, hint = f"the database is away: {doubt}", "try again; repeating it is safe"
    else:
        message, hint = str(cause), f"{doubt}; repeating it is safe"
    return ControlError(Code.DATABASE_UNAVAILABLE, message, symbol=name, hint=hint)


def unknown(name: str, message: str) -> ControlError:
    """No exchange lists it."""
    hint = "a symbol is base and quote asset in one word, such as ETHUSDT"
    return ControlError(Code.UNKNOWN_SYMBOL, message, symbol=name, hint=hint)


def unreached(
    name: str, why: str, hint: str = "try again when `naivectl status` shows the exchange as reached"
) -> ControlError:
    """The exchange has to be asked first, and does not answer."""
    return ControlError(Code.EXCHANGE_UNAVAILABLE, why, symbol=name, hint=hint)


def timed_out(symbol: Symbol, what: str) -> ControlError:
    """Whoever asked waits no longer."""
    state, reason = actual_state(symbol)
    return ControlError(
        Code.TIMED_OUT,
        what,
        symbol=symbol.name,
        hint=f"what was asked stands; follow it with: naivectl status {symbol.name}",
        data={"state": str(state), "reason": reason},
    )


def never_started(name: str) -> ControlError:
    """Whoever waits for a symbol to trade waits no longer, and nobody has ever started it."""
    hint = f"begin with: naivectl start {name}"
    return ControlError(Code.TIMED_OUT, "not trading yet, never started", symbol=name, hint=hint)


def no_budget(name: str) -> ControlError:
    """It has to be given once."""
    message = "it has no budget, and where money is real there is no default"
    hint = f"give it once: naivectl start {name} --budget AMOUNT"
    return ControlError(Code.NOT_CONFIGURED, message, symbol=name, hint=hint)


def no_such_order(name: str, client_order_id: str) -> ControlError:
    """Nothing of ours has this id."""
    hint = f"see them with: naivectl orders {name}"
    message = f"there is no order {client_order_id}"
    return ControlError(Code.INVALID_TRANSITION, message, symbol=name, hint=hint)


def overruled(symbol: Symbol, what: str) -> ControlError:
    """Another request came in between."""
    return ControlError(Code.INVALID_TRANSITION, f"somebody else {what} it meanwhile", symbol=symbol.name)


def _way_out(symbol: Symbol) -> str:
    """How a person ends a quarantine; the reason comes in the same order (`actual_state`)."""
    name = symbol.name
    by = symbol.engine.blocks[0].by if symbol.engine.blocks else None
    if by is BlockedBy.QUARANTINE:
        return f"look at it with `naivectl orders {name}`, then {_resolve(name)}"
    if by is BlockedBy.LINEAGE:
        return "end the other naived and its orders, then start this one again"
    return f"put the coins back, then `naivectl start {name}`; or {_resolve(name)}"


def _resolve(name: str) -> str:
    return f"`naivectl resolve {name} --all --adopt` (ours again) or `--ignore` (written off)"


def _fence(order: OrderState) -> str:
    return "none" if order.deadline is None else format_time(order.deadline)


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
