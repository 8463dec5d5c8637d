"""What keeps a symbol from buying although it trades. Pure; the leader asks before each buy. A sell is never asked.

A halt, of the symbol or of the whole account, lasts until it is ended. While there is one nothing is bought, and
buys that rest are taken back, unless they may rest.

The price guards are a symbol's own. Each is about the limit that a buy would have: too near the buy of a living
trader (``spacing``), below the ``floor``, above the ``ceiling``. Such a limit is blocked, and so is every price of
a trade whose buy would have it: ``blocked_band`` is the widest open interval of them round a price.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from naived.core.amount import SCALE, Money, Price, Rate, format_amount, price_down

_NEVER = 1 << 62  # above every price

Interval: TypeAlias = tuple[int, int]


class HaltedBy(StrEnum):
    PERSON = "person"
    LIMIT = "limit"


class Halt(Struct, frozen=True):
    """``since`` is exchange ms. ``keep_buys``: what rests at the exchange may rest."""

    reason: str
    by: HaltedBy
    since: int
    keep_buys: bool = False

    @property
    def words(self) -> str:
        return f"{'by hand' if self.by is HaltedBy.PERSON else 'by a limit'}: {self.reason}"


class Halts(Struct, frozen=True):
    """What halts one symbol."""

    own: Halt | None = None
    account: Halt | None = None

    @property
    def why(self) -> str | None:
        """Why nothing is bought; None without a halt."""
        if self.account is not None:
            return f"the account is halted {self.account.words}"
        return None if self.own is None else f"halted {self.own.words}"

    def ends_buy(self, accepted: bool) -> bool:
        """Must a buy be cancelled? It may rest only where the exchange has ``accepted`` it."""
        return any(halt is not None and not (halt.keep_buys and accepted) for halt in (self.own, self.account))


NO_HALTS = Halts()


class Limits(Struct, frozen=True):
    """What the owner of an account is ready to lose or tie up, in its currency; None: no limit.

    ``max_exposure``: what positions have cost and live buys tie up, of all symbols. ``reserve``: free money that no
    buy spends.
    """

    max_exposure: Money | None = None
    reserve: Money | None = None

    def words(self, currency: str) -> str:
        told = (("max-exposure", self.max_exposure), ("reserve", self.reserve))
        return ", ".join(
            f"{name} {'none' if limit is None else f'{format_amount(limit)} {currency}'}" for name, limit in told
        )


class Account(Struct, frozen=True):
    """What is durable of the whole account."""

    halt: Halt | None = None
    limits: Limits = Limits()
    currency: str = "USDT"


class Exposure(Struct, frozen=True):
    """What a symbol's positions have cost and its live buys tie up, in its quote asset (empty: not known)."""

    quote: str = ""
    money: Money = Money(0)


class OverLimit(Struct, frozen=True):
    """These new buys were not made durable, and why: with them the account would exceed a limit."""

    client_order_ids: tuple[str, ...]
    reason: str


class UnvaluedError(Exception):
    """What is held in ``quote`` cannot be counted: no price of it in the account's currency is known."""

    def __init__(self, quote: str, currency: str) -> None:
        super().__init__(f"the value of {quote or 'an unknown asset'} in {currency} is not known")


def total(exposures: Iterable[Exposure], currency: str, prices: Mapping[str, Price]) -> Money:
    """All of them in the currency; ``prices`` are those of other quote assets in it. Raises UnvaluedError."""
    by_quote: dict[str, int] = {}
    for each in exposures:
        by_quote[each.quote] = by_quote.get(each.quote, 0) + each.money
    counted = [converted(Money(money), quote, currency, prices) for quote, money in by_quote.items() if money]
    return Money(sum(counted))


def converted(money: Money, quote: str, currency: str, prices: Mapping[str, Price]) -> Money:
    """This money of a quote asset in the currency, rounded up. Raises UnvaluedError."""
    if quote == currency:
        return money
    price = prices.get(quote)
    if price is None:
        raise UnvaluedError(quote, currency)
    return Money(-(-money * price // SCALE))


def too_exposed(now: Money, limit: Money, currency: str) -> str:
    """In words: why a buy is not made."""
    known = f"{format_amount(now)} of {format_amount(limit)} {currency} are tied up"
    return f"the account's limit leaves no room: {known} (max-exposure)"


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
