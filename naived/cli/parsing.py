"""Values of options that several programs have: a symbol's settings, a fee."""

from functools import partial
from typing import Any

from naived.cli.options import Options, UsageError
from naived.control.protocol import LIMITS, SETTINGS
from naived.core.amount import SCALE, Money, Rate, parse_money, parse_rate
from naived.core.risk import Limits
from naived.core.strategy.settings import DEFAULT_BUDGET, Settings, SettingsError, parse_setting


def settings_of(options: Options) -> Settings:
    """The settings that were given, and the defaults of a simulated exchange; raises ConfigError."""
    given: dict[str, Any] = {"budget": DEFAULT_BUDGET}
    for name in SETTINGS:
        if name in options:
            given[name] = options.get(name, partial(parse_setting, name), None, number=True)
    try:
        return Settings(**given)
    except SettingsError as error:
        raise UsageError(str(error)) from error


def limits_of(options: Options) -> Limits:
    """The account's limits that were given; raises ConfigError."""
    return Limits(**{name: options.get(name, _limit, None, number=True) for name in LIMITS})


def _limit(text: str) -> Money | None:
    if text == "none":
        return None
    limit = parse_money(text)
    if limit <= 0:
        raise ValueError(f"{text[:40]} is not an amount above 0, or none")
    return limit


def parse_fee(text: str) -> Rate:
    """A fee below 1, as a fraction or in percent; raises ValueError."""
    fee = parse_rate(text)
    if fee >= SCALE:
        raise ValueError("a fee must be below 1")
    return fee
