"""What keeps a symbol from buying at some prices. Pure; the leader asks before each buy. A sell is never asked.

Each guard is about the limit that a buy would have: too near the buy of a living trader (``spacing``), below the
``floor``, above the ``ceiling``. Such a limit is blocked, and so is every price of a trade whose buy would have it:
``blocked_band`` is the widest open interval of them round a price.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from msgspec import Struct

from naived.core.amount import SCALE, Price, Rate, format_amount, price_down

_NEVER = 1 << 62  # above every price

Interval: TypeAlias = tuple[int, int]


class PriceGuards(Struct, frozen=True):
    """``spacing`` 0 and None: not set."""

    spacing: Rate = Rate(0)
    floor: Price | None = None
    ceiling: Price | None = None

    def __bool__(self) -> bool:
        return bool(self.spacing) or self.floor is not None or self.ceiling is not None


def why_blocked(guards: PriceGuards, limit: Price, buys: Iterable[Price], quote: str) -> str | None:
    """Why nothing may be bought at ``limit``; None if it may. ``buys``: the limits of all living traders' buys."""
    at = f"{format_amount(limit)} {quote}".rstrip()
    if guards.floor is not None and limit < guards.floor:
        return f"a buy would be below the floor {format_amount(guards.floor)}: at {at}"
    if guards.ceiling is not None and limit > guards.ceiling:
        return f"a buy would be above the ceiling {format_amount(guards.ceiling)}: at {at}"
    if guards.spacing:
        for buy in buys:
            if abs(limit - buy) * SCALE < guards.spacing * buy:
                near = f"the one at {format_amount(buy)} (spacing {format_amount(guards.spacing)})"
                return f"a buy would be too near {near}: at {at}"
    return None


def blocked_band(
    guards: PriceGuards, price: Price, buys: Sequence[Price], buy_down: Rate, tick: Price
) -> Interval | None:
    """The widest open interval of trade prices round ``price`` whose buys are all blocked; None if its own is not.

    A buy stands ``buy_down`` below the trade, rounded down to a tick.
    """
    found = None
    for low, high in sorted(
        _outside(lowest, highest, buy_down, tick) for lowest, highest in _blocked(guards, buys)
    ):
        if found is not None and low < found[1]:
            found = found[0], max(found[1], high)
        elif found is None or found[1] <= price:
            found = low, high
    return found if found is not None and found[0] < price < found[1] else None


def _blocked(guards: PriceGuards, buys: Iterable[Price]) -> Iterator[tuple[int, int]]:
    """The lowest and the highest limit that each guard and each living buy blocks."""
    if guards.floor is not None:
        yield -_NEVER, guards.floor - 1
    if guards.ceiling is not None:
        yield guards.ceiling + 1, _NEVER
    if guards.spacing:
        for buy in buys:
            lowest = buy * (SCALE - guards.spacing) // SCALE + 1
            highest = -(-buy * (SCALE + guards.spacing) // SCALE) - 1
            if lowest <= highest:
                yield lowest, highest


def _outside(lowest: int, highest: int, buy_down: Rate, tick: Price) -> Interval:
    """The prices next to those whose limit is from ``lowest`` to ``highest``."""
    low = -1 if lowest <= 0 else _price_of(-(-lowest // tick) * tick, buy_down) - 1
    high = _NEVER if highest >= _NEVER else _price_of((highest // tick + 1) * tick, buy_down)
    return low, high


def _price_of(limit: int, buy_down: int) -> int:
    """The lowest trade price whose buy has at least this limit, which is a multiple of the tick."""
    price: int = -(-limit * SCALE // (SCALE - buy_down))
    return price


def limit_of(price: Price, buy_down: Rate, tick: Price) -> Price:
    """The limit of a buy decided on this trade price."""
    return price_down(price * (SCALE - buy_down), SCALE, tick)
