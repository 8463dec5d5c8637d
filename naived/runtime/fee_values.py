"""Puts the value of fees that were taken in a third asset into the events that tell of fills."""

from collections.abc import Callable

from msgspec.structs import replace

from naived.core.amount import Money
from naived.core.engine import Event
from naived.core.orders.report import Accepted, Fill
from naived.core.orders.state import Answered, FillsFound, Reported

Value = Callable[[Fill], Money | None]


def valued(event: Event, value: Value) -> Event:
    """The event whose fills have their ``fee_value``; any other event as it is."""
    match event:
        case Reported(report=report) if report.fills:
            return replace(event, report=replace(report, fills=_valued(report.fills, value)))
        case Answered(answer=Accepted(report)) if report.fills:
            return replace(event, answer=Accepted(replace(report, fills=_valued(report.fills, value))))
        case FillsFound(fills=fills):
            return replace(event, fills=_valued(fills, value))
        case _:
            return event


def _valued(fills: tuple[Fill, ...], value: Value) -> tuple[Fill, ...]:
    return tuple(replace(fill, fee_value=value(fill)) for fill in fills)
