"""What keeps a symbol from buying although it trades. Pure; the leader asks before each buy. A sell is never asked.

A halt, of the symbol or of the whole account, lasts until it is ended. While there is one nothing is bought, and
buys that rest are taken back, unless they may rest.
The guards of a symbol's prices are in ``price_guards.py``.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec import Struct

from naived.core.amount import SCALE, Money, Price, format_amount, money_up
from naived.core.orders.client_id import Foreign


class HaltedBy(StrEnum):
    PERSON = "person"
    LIMIT = "limit"


class Halt(Struct, frozen=True):
    """``since`` is exchange ms. ``keep_buys``: what rests at the exchange may rest.

    ``until`` (exchange ms): when it ends by itself; None: a person ends it.
    """

    reason: str
    by: HaltedBy
    since: int
    keep_buys: bool = False
    until: int | None = None

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
    buy spends. ``max_daily_loss`` and ``max_drawdown`` halt the account when they are reached (``losses.py``).
    """

    max_exposure: Money | None = None
    reserve: Money | None = None
    max_daily_loss: Money | None = None
    max_drawdown: Money | None = None

    def words(self, currency: str, names: Iterable[str] | None = None) -> str:
        """Of these, None for all: ``max-exposure 500 USDT, reserve none``."""
        told = ((name.replace("_", "-"), getattr(self, name)) for name in names or self.__struct_fields__)
        return ", ".join(
            f"{name} {'none' if limit is None else f'{format_amount(limit)} {currency}'}" for name, limit in told
        )

    @property
    def of_losses(self) -> bool:
        """Can a loss halt the account?"""
        return self.max_daily_loss is not None or self.max_drawdown is not None

    @property
    def valued(self) -> bool:
        """Does any of them need the value of other quote assets?"""
        return self.of_losses or self.max_exposure is not None


NO_LIMITS = Limits()


class Worth(Struct, frozen=True):
    """What the trading of the account has made since it began, in its currency; see ``losses.py``.

    ``value`` is realised + unrealised profit, ``start`` what it was when ``day`` (days of UTC since 1970) began,
    ``peak`` the highest it was. ``round`` counts how often start and peak were begun anew.
    """

    currency: str
    value: Money
    day: int
    start: Money
    peak: Money
    round: int = 0

    @property
    def loss(self) -> Money:
        """Of the day, at least 0."""
        return Money(max(0, self.start - self.value))

    @property
    def drawdown(self) -> Money:
        return Money(self.peak - self.value)


class Exposure(Struct, frozen=True):
    """What a symbol's positions have cost and its live buys tie up, in its quote asset (empty: not known)."""

    quote: str = ""
    money: Money = Money(0)


class Gain(Struct, frozen=True):
    """What a symbol's trading made, in its quote asset, and the last confirmed price that it was counted at."""

    quote: str
    money: Money
    price: Price | None = None


class Account(Struct, frozen=True):
    """What is durable of the whole account; amounts are in ``currency``.

    ``worth`` is None before it was known. ``gains`` and ``exposures`` are by symbol, as they were last written,
    for those of other nodes and for one that is not traded after a restart. ``exposures`` has every symbol that
    ever made or cost anything. ``foreign``: what open orders of other naiveds do, by symbol and tag.
    """

    halt: Halt | None = None
    limits: Limits = Limits()
    currency: str = "USDT"
    worth: Worth | None = None
    gains: Mapping[str, Gain] = {}
    exposures: Mapping[str, Exposure] = {}
    foreign: Mapping[tuple[str, str], Foreign] = {}


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
    """This money of a quote asset, which may be a debt, in the currency, rounded up. Raises UnvaluedError."""
    if quote == currency:
        return money
    price = prices.get(quote)
    if price is None:
        raise UnvaluedError(quote, currency)
    return money_up(money * price, SCALE)


def too_exposed(now: Money, limit: Money, currency: str) -> str:
    """In words: why a buy is not made."""
    known = f"{format_amount(now)} of {format_amount(limit)} {currency} are tied up"
    return f"the account's limit leaves no room: {known} (max-exposure)"
