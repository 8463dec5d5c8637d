"""How a number, a time or a text looks in one cell of a human screen; widths are display columns.

Numbers come as texts from the daemon; what is no number is shown as ``-``. The formats are for people: pipes and
JSON have all digits.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from rich.cells import cell_len

from naivectl.table import clean

NONE = "-"
_MAX_DIGITS = 64  # characters of a number: more is not one of ours, and would not fit anywhere
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400  # seconds
MAX_SYMBOL = 20  # columns


class Piece(NamedTuple):
    """A text in one of the styles of `paint`."""

    text: str
    style: str = ""


Line = list[Piece]


def width(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def length(line: Line) -> int:
    """The columns of a line."""
    return sum(width(text) for text, _ in line)


def left(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))


def right(text: str, columns: int) -> str:
    return " " * (columns - width(text)) + text


def middle_cut(text: str, columns: int = MAX_SYMBOL) -> str:
    """The text, or if it is wider its two ends with ``~`` between them."""
    if width(text) <= columns:
        return text
    head = first_columns(text, (columns - 1) // 2)
    tail = first_columns(text[::-1], columns - 1 - width(head))[::-1]
    return f"{head}~{tail}"


def first_columns(text: str, columns: int) -> str:
    """As much of the text as this many columns hold."""
    if width(text) <= columns:
        return text
    used = 0
    for at, character in enumerate(text):
        used += width(character)
        if used > columns:
            return text[:at]
    return text


def wrap(text: str, first: int, rest: int | None = None) -> list[str]:
    """Lines of whole words: the first has ``first`` columns, others ``rest``. A word longer than that is broken."""
    lines: list[str] = []
    line, room = "", max(1, first)
    rest = max(1, first if rest is None else rest)
    for word in text.split():
        while True:
            longer = f"{line} {word}" if line else word
            if width(longer) <= room:
                line = longer
                break
            if line:
                lines.append(line)
                line, room = "", rest
                continue
            part = first_columns(word, room) or word[:1]
            lines.append(part)
            word, room = word[len(part) :], rest
            if not word:
                break
    return [*lines, line] if line or not lines else lines


def number(value: object) -> Decimal | None:
    """The decimal that the daemon sent as a text; None for null and for what is none."""
    if isinstance(value, int):
        return Decimal(value)
    if not isinstance(value, str) or len(value) > _MAX_DIGITS or not value.isascii():
        return None
    try:
        parsed = Decimal(value)
    except InvalidOperation:
        return None
    return parsed if parsed.is_finite() and -_MAX_DIGITS < parsed.adjusted() < _MAX_DIGITS else None


def decimals(value: Decimal | None) -> int | None:
    """The decimals of a tick, or of any number without trailing zeros."""
    if value is None:
        return None
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else None


def money_decimals(largest_budget: Decimal | None) -> int:
    """The decimals of all money of a quote: one cycle's profit of that budget shows two digits so."""
    if not largest_budget:
        return 2
    return min(8, max(2, 6 - max(0, largest_budget.adjusted() + 1)))


def fixed(value: Decimal | None, places: int | None) -> str:
    """With so many decimals and a thousands mark, or with its own decimals."""
    if value is None:
        return NONE
    if places is None:
        places = decimals(value) or 0
    return f"{value:,.{places}f}"


def plain(value: object, places: int | None = None) -> str:
    """`fixed` of a field of the daemon's."""
    return fixed(number(value), places)


def cents(value: object) -> str:
    """With two decimals and no mark."""
    amount = number(value)
    return NONE if amount is None else f"{amount:.2f}"


def gain(value: Decimal | None, places: int) -> str:
    """Always with a sign, but for exactly nothing."""
    if value is None:
        return NONE
    return f"{value:+,.{places}f}" if value else f"{0:.{places}f}"


def gain_style(value: Decimal | None) -> str:
    return "past" if not value else "good" if value > 0 else "loss"


def percent(rate: object) -> str:
    """A rate of the settings: ``0.0001`` is ``0.01%``."""
    value = number(rate)
    return NONE if value is None else f"{(value * 100).normalize():,f}%"


def distance(price: Decimal | None, last: Decimal | None, *, falls: bool) -> str:
    """How far the price must move, and ``now`` when it is there."""
    if not price or not last:
        return NONE
    if (last <= price) if falls else (last >= price):
        return "now"
    moved = (price - last) * 100 / last
    size = abs(moved)
    places = 2 if size < 10 else 1 if size < 100 else 0
    return f"{moved:+,.{places}f}%"


def price_pieces(text: str, style: str) -> Iterator[Piece]:
    """A price; the leading zeros of one below 0.01 are dim."""
    if not text.startswith("0.00"):
        yield Piece(text, style)
        return
    digits = text.lstrip("0.")
    yield Piece(text[: len(text) - len(digits)], "past")
    yield Piece(digits, style)


def age(seconds: float | None, *, whole: bool = False) -> str:
    """One number and one letter."""
    if seconds is None:
        return NONE
    seconds = max(0.0, seconds)
    if seconds < 10 and not whole:
        return f"{int(seconds * 10 + 0.001) / 10:.1f}s"  # a time of exact milliseconds is no exact float
    for unit, letter in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= unit:
            return f"{int(seconds // unit)}{letter}"
    return f"{int(seconds)}s"


def uptime(seconds: float) -> str:
    """Two numbers from an hour on: ``3d 4h``."""
    minutes, hours = int(seconds // _MINUTE % 60), int(seconds // _HOUR % 24)
    if seconds >= _DAY:
        return f"{int(seconds // _DAY)}d {hours}h"
    return f"{hours}h {minutes}m" if seconds >= _HOUR else age(seconds, whole=True)


def moment(value: object) -> float | None:
    """The seconds since 1970 of a time that the daemon wrote; None for any other text."""
    try:
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def clock(value: object) -> str:
    """The time of day of an RFC 3339 time, to the second."""
    return str(value)[11:19] if moment(value) is not None and str(value).isascii() else NONE


def short_id(client_order_id: object) -> str:
    """The 8 characters behind the tag: people say and type these."""
    return clean(client_order_id).rpartition("-")[2][:8] or NONE


_WHOLE_ID = re.compile(r"\bn1[a-z0-9]+-([a-z0-9]{8})[a-z0-9]{18}\b")


def with_short_ids(text: str) -> str:
    """A sentence with our order ids as short as people type them."""
    return _WHOLE_ID.sub(r"\1", text)


def field(row: Mapping[str, object], name: str) -> Decimal | None:
    return number(row.get(name))
