"""The fact beside the wish: what state a symbol is in right now, and why."""

from enum import StrEnum

from naived.core.phase import Hold, Holding
from naived.core.settings import Status
from naived.runtime.symbol import Bar, Symbol


class Condition(StrEnum):
    OFF = "off"
    STARTING = "starting"
    TRADING = "trading"
    DRAINING = "draining"
    STOPPING = "stopping"
    DEGRADED = "degraded"
    FAULTED = "faulted"
    QUARANTINED = "quarantined"


_TROUBLED = (Hold.BALANCE, Hold.FILTER, Hold.REFUSED)


def condition(symbol: Symbol) -> tuple[Condition, str | None]:
    """The state, and its reason where it has one; the most serious one wins."""
    for bar in (Bar.QUARANTINE, Bar.LINEAGE, Bar.COINS):
        if bar in symbol.bars:
            return Condition.QUARANTINED, symbol.bars[bar]
    if symbol.wish.status is Status.OFF:
        return _ending(symbol)
    if symbol.fault is not None:
        return Condition.FAULTED, symbol.fault
    if symbol.failed is not None:
        return Condition.DEGRADED, str(symbol.failed)
    if symbol.hanging is not None:
        return Condition.DEGRADED, symbol.hanging
    for bar in (Bar.CRASH, Bar.EXCHANGE):
        if bar in symbol.bars:
            return Condition.DEGRADED, symbol.bars[bar]
    if not symbol.active:
        return Condition.STARTING, None
    for trader in symbol.book.leader.traders:
        if isinstance(trader.phase, Holding) and trader.phase.hold in _TROUBLED:
            return Condition.DEGRADED, f"{trader.id} cannot sell: {trader.phase.reason}"
    return (Condition.DRAINING if symbol.wish.status is Status.SHUTDOWN else Condition.TRADING), None


def _ending(symbol: Symbol) -> tuple[Condition, str | None]:
    unsettled = len(symbol.book.unsettled)
    if unsettled:
        return Condition.STOPPING, f"the fate of {unsettled} {'order' if unsettled == 1 else 'orders'} is open"
    return (Condition.STOPPING, symbol.hanging) if symbol.tended else (Condition.OFF, None)
