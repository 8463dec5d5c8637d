"""What a person may type about the reason that `status` shows of a symbol."""

from naived.core.engine import BlockedBy
from naived.core.strategy.summary import NO_FURTHER, held_back
from naived.core.strategy.trader_state import Hold, Holding, Waiting
from naived.runtime.actual_state import ActualState, actual_state
from naived.runtime.symbol_task import Symbol
from naived.runtime.waits import BY_LIMITS, why_waits

# How the reasons begin for which a trader waits, or none starts, until the settings change.
_BY_SETTINGS = ("no room in the budget", "too small to trade", "too large to trade", "more traders than chunks")


def next_step(symbol: Symbol) -> str | None:
    """A command; None if nothing is wrong, or if waiting is all there is to do."""
    state, reason = actual_state(symbol)
    name, engine = symbol.name, symbol.engine
    if state is ActualState.QUARANTINED:
        # To look first: what ends a quarantine may write off coins.
        doubtful = engine.quarantined
        if engine.blocks[0].by is BlockedBy.QUARANTINE and doubtful:
            return f"naivectl why {name} {doubtful[-1].client_order_id}"
        if engine.blocks[0].by is BlockedBy.MARKET:
            return f"naivectl resolve {name} --all --adopt"
        gone_on = f"naivectl resolve {name} --all --ignore"
        # Orders of another naived: the reason says that they are written off so, or end.
        return gone_on if reason is not None and reason.endswith(gone_on) else f"naivectl start {name}"
    if state is ActualState.FAULTED:
        return f"naivectl start {name}"
    away = symbol.failed is not None or symbol.context.away() is not None
    if reason is None or engine.blocks or away:
        return None
    halts = engine.leader.halts
    if reason == halts.why:
        return f"naivectl resume {name}" if halts.account is None else "naivectl resume"
    if symbol.gate.price is not None and held_back(engine.leader, symbol.gate.price) == reason:
        return f"naivectl settings {name}"
    for trader in engine.leader.traders:
        match trader.phase:
            case Holding(hold=Hold.BY_HAND):
                return f"naivectl resolve {name} --all --adopt"
            case Holding(hold=Hold.BALANCE):
                return f"naivectl events {name}"
            case Waiting() if (why := why_waits(symbol, trader)) is not None and why in reason:
                if why.startswith(BY_LIMITS):
                    return "naivectl limits"
                if why.startswith(_BY_SETTINGS):
                    return f"naivectl settings {name}"
            case _:
                pass
    lacking = reason.removeprefix(f"{NO_FURTHER}: ")
    return f"naivectl settings {name}" if lacking.startswith(_BY_SETTINGS) else None
