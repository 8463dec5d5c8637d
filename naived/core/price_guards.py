"""What keeps a symbol from buying at some prices. Pure; the leader asks before each buy. A sell is never asked.

Three guards are about the limit that a buy would have: too near the buy of a living trader (``spacing``), below the
``floor``, above the ``ceiling``. Such a limit is blocked, and so is every price of a trade whose buy would have it.
The fall guard is about the price of the trade itself: too far below the highest trade within its span.
``blocked_band`` is the widest open interval of blocked prices round a price.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from msgspec import Struct

from naived.core.amount import SCALE, Price, Rate, format_amount, parse_rate, price_down, price_up
from naived.core.duration import format_duration, parse_duration

_NEVER = 1 << 62  # above every price
_LEAST_SPAN, _MOST_SPAN = 1_000, 30 * 24 * 3_600_000  # ms
_EXACT = Price(1)

Interval: TypeAlias = tuple[int, int]


class FallGuard(Struct, frozen=True):
    """Nothing is bought while the price is more than ``rate`` below the highest one of the last ``span`` ms."""

    rate: Rate
    span: int

    def __str__(self) -> str:
        return f"{format_amount(self.rate)}/{format_duration(self.span)}"


def parse_fall_guard(text: str) -> FallGuard | None:
    """``5%/10m``, or ``none``; raises ValueError."""
    if text == "none":
        return None
    rate, slash, span = text.partition("/")
    if not slash:
        raise ValueError(f"{text[:40]!r} is not RATE/DURATION, as 5%/10m, nor none")
    guard = FallGuard(parse_rate(rate), parse_duration(span))
    if not 0 < guard.rate < SCALE:
        raise ValueError(f"the rate must be above 0 and below 1, not {rate}")
    if not _LEAST_SPAN <= guard.span <= _MOST_SPAN:
        least, most = format_duration(_LEAST_SPAN), format_duration(_MOST_SPAN)
        raise ValueError(f"the duration must be {least} to {most}, not {span}")
    return guard


class Peak(Struct, frozen=True):
    """The highest trade of a fall guard's span; it is no longer among them at ``until`` (exchange ms).

    ``price`` None: the trades of the span are not all known, and are at ``until`` at the latest.
    """

    price: Price | None
    until: int


def why_fallen(guard: FallGuard, price: Price, peak: Peak, quote: str) -> str | None:
    """Why nothing may be bought on a trade at ``price``; None if something may."""
    within = format_duration(guard.span)
    if peak.price is None:
        return f"the prices of the last {within} are not known yet: the fall guard cannot tell"
    if price >= _fallen_below(guard, peak.price):
        return None
    fall = f"from {format_amount(peak.price)} to {format_amount(price)} {quote}".rstrip()
    return f"the price fell too far within {within}: {fall} (fall-guard {format_amount(guard.rate)})"


def fallen_band(guard: FallGuard, peak: Peak) -> Interval:
    """The open interval of prices at which the fall guard blocks."""
    return -1, _NEVER if peak.price is None else _fallen_below(guard, peak.price)


def _fallen_below(guard: FallGuard, peak: Price) -> Price:
    return price_up(peak * (SCALE - guard.rate), SCALE, _EXACT)


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
    guards: PriceGuards,
    price: Price,
    buys: Sequence[Price],
    buy_down: Rate,
    tick: Price,
    fallen: Interval | None = None,
) -> Interval | None:
    """The widest open interval of trade prices round ``price`` whose buys are all blocked; None if its own is not.

    A buy stands ``buy_down`` below the trade, rounded down to a tick. ``fallen``: see ``fallen_band``.
    """
    found = None
    blocked = [_outside(lowest, highest, buy_down, tick) for lowest, highest in _blocked(guards, buys)]
    for low, high in sorted(blocked if fallen is None else [*blocked, fallen]):
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
