"""Take out of a failing plan whatever it fails without."""

from collections.abc import Iterator
from dataclasses import fields, replace

from tests.simulation.network import Weather
from tests.simulation.nodes import live
from tests.simulation.plan import Plan
from tests.simulation.process import Disk

_NOT_FAULTS = ("longest", "away_until", "befell")


def shrunk(plan: Plan) -> Plan:
    """The same seed with less of everything, as far as it still breaks an invariant; one after the other."""
    smaller = True
    while smaller:
        smaller = False
        for candidate in _simpler(plan):
            if live(candidate).violations:
                plan, smaller = candidate, True
                break
    return plan


def _simpler(plan: Plan) -> Iterator[Plan]:
    for name in ("deaths", "suspends", "requests", "slots", "stops", "cuts", "drains"):
        if getattr(plan, name, None) is not None:
            yield replace(plan, **{name: None})
    for name in _enabled(plan.weather):
        yield replace(plan, weather=replace(plan.weather, **{name: 0.0}))
    for name in _enabled(plan.disk):
        yield replace(plan, disk=replace(plan.disk, **{name: 0.0}))
    half = len(plan.faults) // 2
    if half > 1:
        yield replace(plan, faults=plan.faults[:half])
        yield replace(plan, faults=plan.faults[half:])
    for index in range(len(plan.faults)):
        yield replace(plan, faults=plan.faults[:index] + plan.faults[index + 1 :])
    if plan.tail:
        yield replace(plan, tail=0.0)
    for index in range(len(plan.script)):
        yield replace(plan, script=plan.script[:index] + plan.script[index + 1 :])
    for kind in plan.hands:
        yield replace(plan, hands=tuple(each for each in plan.hands if each != kind))
    if plan.wild:
        yield replace(plan, wild=0.0)
    if len(plan.symbols) > 1:
        yield replace(plan, symbols=plan.symbols[:1])


def _enabled(values: Weather | Disk) -> list[str]:
    names = (each.name for each in fields(values))
    return [name for name in names if name not in _NOT_FAULTS and getattr(values, name)]
