"""A symbol's settings and status, as a person asked for them. The journal stores them."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from msgspec import Struct

from naived.core.amount import (
    SCALE,
    Money,
    Price,
    Rate,
    money_down,
    parse_money,
    parse_price,
    parse_rate,
    parse_whole,
)
from naived.core.price_guards import FallGuard, PriceGuards, parse_fall_guard

MAX_CHUNKS = 1000  # far above the number of open orders that Binance allows (MAX_NUM_ORDERS, 200)


DEFAULT_BUDGET = parse_money("1000")  # where no real money is at risk: simulator and paper
_BUY_DOWN = parse_rate("0.0001")
_PROFIT = parse_rate("0.001")
_REBUY = parse_rate("0.006")
_REPRICE = parse_rate("0.01")
_MAX_DEVIATION = parse_rate("0.1")
_STOP_SLIPPAGE = parse_rate("0.005")


class SettingsError(ValueError):
    """A setting is out of its range; the message names the setting and the range."""


class Status(StrEnum):
    ON = "on"
    OFF = "off"
    SHUTDOWN = "shutdown"


def _price_or_none(text: str) -> Price | None:
    return None if text == "none" else parse_price(text)


def _chunks(given: str | int) -> int:
    return given if type(given) is int else parse_whole(str(given))


def _stop_loss(text: str) -> Rate:
    return Rate(0) if text == "none" else parse_rate(text)


_PARSERS: Mapping[str, Callable[[str], object]] = {
    **{"chunks": _chunks, "budget": parse_money},
    **dict.fromkeys(("floor", "ceiling"), _price_or_none),
    **{"fall_guard": parse_fall_guard, "stop_loss": _stop_loss},
}  # the others are rates


def parse_setting(name: str, text: str) -> object:
    """The value of a field of `Settings` from its text; raises ValueError."""
    return _PARSERS.get(name, parse_rate)(text)


class Settings(Struct, frozen=True):
    """The settings of a symbol. Each new trader copies those before ``max_deviation``; the others bind the symbol.

    ``budget`` None: it was never set, and there is no default where real money is at risk. Intervals are fractions;
    ``reprice`` 0 means never. ``max_deviation``: see ``PriceCheck``; ``spacing`` to ``fall_guard``: see
    ``price_guards``; ``stop_loss`` (0: off) and ``stop_slippage``: see ``stopping``.
    """

    chunks: int = 5
    budget: Money | None = None
    buy_down: Rate = _BUY_DOWN
    profit: Rate = _PROFIT
    rebuy: Rate = _REBUY
    reprice: Rate = _REPRICE
    max_deviation: Rate = _MAX_DEVIATION
    spacing: Rate = Rate(0)
    floor: Price | None = None
    ceiling: Price | None = None
    fall_guard: FallGuard | None = None
    stop_loss: Rate = Rate(0)
    stop_slippage: Rate = _STOP_SLIPPAGE

    def __post_init__(self) -> None:
        if not 1 <= self.chunks <= MAX_CHUNKS:
            raise SettingsError(f"chunks must be 1 to {MAX_CHUNKS}, not {self.chunks}")
        if self.budget is not None and self.budget <= 0:
            raise SettingsError("budget must be above 0")
        for name, rate, least in (
            ("buy-down", self.buy_down, 0),
            ("profit", self.profit, 1),
            ("rebuy", self.rebuy, 1),
            ("reprice", self.reprice, 0),
            ("max-deviation", self.max_deviation, 0),
            ("spacing", self.spacing, 0),
            ("stop-loss", self.stop_loss, 0),
            ("stop-slippage", self.stop_slippage, 0),
        ):
            if not least <= rate < SCALE:
                raise SettingsError(f"{name} must be {'above' if least else 'at least'} 0 and below 1")
        if (self.floor is not None and self.floor <= 0) or (self.ceiling is not None and self.ceiling <= 0):
            raise SettingsError("floor and ceiling must be above 0, or none")
        if self.floor is not None and self.ceiling is not None and self.floor > self.ceiling:
            raise SettingsError("floor must not be above ceiling")

    @property
    def guards(self) -> PriceGuards:
        return PriceGuards(self.spacing, self.floor, self.ceiling)

    @property
    def allocation(self) -> Money:
        """What one trader may spend: budget / chunks, rounded down."""
        return money_down(self.budget or 0, self.chunks)


class DesiredState(Struct, frozen=True):
    """What a person asked for: a symbol's row of settings.

    ``keep_buys``: a drain does not cancel resting buys. ``forgotten``: it is off and not shown any more.
    """

    settings: Settings
    status: Status
    keep_buys: bool = False
    forgotten: bool = False
