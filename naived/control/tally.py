"""What all symbols of a daemon add up to, in numbers and in one line; the service manager shows the line."""

from collections import Counter

from naived.control.service import Service
from naived.runtime.actual_state import ActualState, actual_state, state_of


def states(service: Service) -> Counter[ActualState]:
    """How many symbols are in each state, without those that are forgotten."""
    symbols = service.supervisor.symbols.values()
    return Counter(state_of(symbol) for symbol in symbols if not symbol.desired.forgotten)


def line(service: Service) -> str:
    """``ready: 3 trading, 1 degraded (ETHUSDT: why)``."""
    counted = states(service)
    parts = [f"{counted[state]} {state}" for state in ActualState if counted[state]]
    if service.reason is not None:
        return f"{service.state}: {service.reason}; {', '.join(parts) or 'no symbol'}"
    return f"{service.state}: {', '.join(parts) or 'no symbol'}{_trouble(service)}"


def _trouble(service: Service) -> str:
    """The first symbol that cannot do its work, and why."""
    for name, symbol in sorted(service.supervisor.symbols.items()):
        if state_of(symbol) in (ActualState.DEGRADED, ActualState.FAULTED, ActualState.QUARANTINED):
            return f" ({name}: {actual_state(symbol)[1]})"
    return ""
