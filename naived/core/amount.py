"""Prices, quantities and money as exact integers of 10^-8; the only module that rounds them.

They are plain ``int`` at run time; the ``NewType`` names make an unrounded number, or a price where a quantity
belongs, a type error. Each formula is one exact integer division: callers pass numerator and denominator and
choose the direction of rounding.
"""

from typing import NewType

PLACES = 8
SCALE = 10**PLACES

Price = NewType("Price", int)  # quote asset per base asset
Quantity = NewType("Quantity", int)  # base asset
Money = NewType("Money", int)  # quote asset
Rate = NewType("Rate", int)  # a fraction: 0.001 is 100_000
Amount = NewType("Amount", int)  # any asset: a balance, or a fee, which may be in a third asset

_WHOLE_DIGITS = 20  # what Binance accepts before the point


class AmountError(ValueError):
    """The text is not a decimal that integers of 10^-8 can hold."""


def _parse(text: str) -> int:
    whole, point, part = text.partition(".")
    digits = whole + part
    if not (digits.isascii() and digits.isdigit()) or not whole or (point and not part):
        raise AmountError(f"{text[:40]!r} is not a plain decimal")
    if len(whole) > _WHOLE_DIGITS:
        raise AmountError(f"{text[:40]!r} is too large: more than {_WHOLE_DIGITS} digits before the point")
    if len(part) > PLACES:
        if part[PLACES:].strip("0"):
            raise AmountError(f"{text[:40]!r} has more than {PLACES} decimals")
        part = part[:PLACES]
    return int(whole + part.ljust(PLACES, "0"))


def parse_whole(text: str) -> int:
    """A whole number in plain digits, with or without a minus; raises AmountError. `int` also reads ``1_000``."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _WHOLE_DIGITS):
        raise AmountError(f"{text[:40]!r} is not a whole number")
    return int(text)


def parse_price(text: str) -> Price:
    """A price from its decimal text; raises AmountError."""
    return Price(_parse(text))


def parse_quantity(text: str) -> Quantity:
    """A quantity from its decimal text; raises AmountError."""
    return Quantity(_parse(text))


def parse_money(text: str) -> Money:
    """Quote money, which may be negative, from its decimal text; raises AmountError."""
    return Money(-_parse(text[1:]) if text.startswith("-") else _parse(text))


def parse_amount(text: str) -> Amount:
    """An amount of any asset from its decimal text; raises AmountError."""
    return Amount(_parse(text))


def parse_rate(text: str) -> Rate:
    """A fraction (``0.001``) or a percentage (``0.1%``); raises AmountError."""
    if not text.endswith("%"):
        return Rate(_parse(text))
    hundredfold = _parse(text[:-1])
    if hundredfold % 100:
        raise AmountError(f"{text[:40]!r} has more than {PLACES} decimals")
    return Rate(hundredfold // 100)


def format_amount(value: int) -> str:
    """Decimal text without exponent or trailing zeros: 268380000000 is ``2683.8``."""
    if value < 0:
        return f"-{format_amount(-value)}"
    whole, part = divmod(value, SCALE)
    return f"{whole}.{part:08d}".rstrip("0") if part else str(whole)


def format_wire(value: int) -> str:
    """Decimal text with all 8 places, as the exchange writes it: ``2683.80000000``."""
    whole, part = divmod(value, SCALE)
    return f"{whole}.{part:08d}"


def price_down(numerator: int, denominator: int, tick: Price) -> Price:
    """numerator / denominator, rounded down to a multiple of ``tick``."""
    return Price(numerator // (denominator * tick) * tick)


def price_up(numerator: int, denominator: int, tick: Price) -> Price:
    """numerator / denominator, rounded up to a multiple of ``tick``."""
    return Price(-(-numerator // (denominator * tick)) * tick)


def quantity_down(numerator: int, denominator: int, step: Quantity) -> Quantity:
    """numerator / denominator, rounded down to a multiple of ``step``."""
    return Quantity(numerator // (denominator * step) * step)


def quantity_up(numerator: int, denominator: int, step: Quantity) -> Quantity:
    """numerator / denominator, rounded up to a multiple of ``step``."""
    return Quantity(-(-numerator // (denominator * step)) * step)


def money_down(numerator: int, denominator: int) -> Money:
    """numerator / denominator, rounded down to 10^-8."""
    return Money(numerator // denominator)


def money_up(numerator: int, denominator: int) -> Money:
    """numerator / denominator, rounded up to 10^-8."""
    return Money(-(-numerator // denominator))


def amount_up(numerator: int, denominator: int) -> Amount:
    """numerator / denominator, rounded up to 10^-8."""
    return Amount(-(-numerator // denominator))


def value_down(price: Price, quantity: Quantity) -> Money:
    """price * quantity, rounded down where it has more than 8 decimals."""
    return Money(price * quantity // SCALE)


def value_up(price: Price, quantity: Quantity) -> Money:
    """price * quantity, rounded up where it has more than 8 decimals."""
    return Money(-(-price * quantity // SCALE))
