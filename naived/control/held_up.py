"""What would keep a symbol from buying if it were started now, though its settings and the limits allow it.

`start --dry-run` tells it beside its plan; what ends it is worded to stand behind "until".
"""

from typing import Any

from naived.control.next_steps import next_step
from naived.control.protocol import format_time
from naived.control.service import Service
from naived.core.amount import Price
from naived.core.price_guards import why_fallen
from naived.core.risk import Halt, Halts
from naived.core.strategy.leader_state import Leader
from naived.runtime.actual_state import ActualState, actual_state
from naived.runtime.symbol_task import Symbol

Document = dict[str, Any]


def held_up(service: Service, symbol: Symbol | None, leader: Leader, last: Price) -> list[Document]:
    """``leader`` is the symbol's as it would be, ``last`` the price of now. ``symbol`` is None if not known."""
    name, found = leader.info.symbol, list[Document]()
    for halt, halts, command in (
        (service.account.halt, Halts(account=service.account.halt), "naivectl resume"),
        (leader.halts.own, Halts(leader.halts.own), f"naivectl resume {name}"),
    ):
        if halt is not None:
            found.append(_told(halts.why, _end_of(halt, command)))
    if symbol is not None and (state := actual_state(symbol))[0] is ActualState.QUARANTINED:
        found.append(_told(f"quarantined: {state[1]}", next_step(symbol)))
    if not leader.info.trading:
        found.append(_told(f"the market is closed: {leader.info.status}", "it opens"))
    fallen = None if symbol is None else _fallen(symbol, leader, last, service.exchange.now())
    if fallen is not None:
        found.append(_told(fallen, "the price is back, or its high is older than that"))
    return found


def _told(reason: str | None, ends: str | None) -> Document:
    return {"reason": reason, "ends": ends}


def _end_of(halt: Halt, command: str) -> str:
    return command if halt.until is None else f"{format_time(halt.until)}, or {command}"


def _fallen(symbol: Symbol, leader: Leader, last: Price, now: int) -> str | None:
    """Why the fall guard allows no buy. Only a symbol that runs knows the trades of its span."""
    guard, peak = leader.settings.fall_guard, symbol.gate.peak(now)
    if guard is None or peak is None or not symbol.tended or guard != symbol.desired.settings.fall_guard:
        return None
    return why_fallen(guard, last, peak, leader.info.quote)
