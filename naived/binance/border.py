"""The border: how much of what the exchange sends is believed. What is not is counted by ``refusals.py``.

Integers are bounded to what the journal holds, times to a window round our clock, amounts to what the core holds,
texts to printable characters. A value out of its bounds makes its frame or row unreadable; so does a required field
that is missing or of another type. A field with a default is a side field: if it cannot be read, the default is
used and the rest is kept.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from naived.core.amount import SCALE, AmountError

T = TypeVar("T")

EARLIEST = 1_483_228_800_000  # ms, 2017-01-01: the exchange is younger
LATEST = 4_102_444_800_000  # ms, 2100-01-01: a time in microseconds is far above
AHEAD = 60_000  # ms by which a time may be ahead of the exchange's clock as we know it
_WHOLE = 10**16 * SCALE  # amounts are below: more than any coin's supply, and sums of thousands fit the journal
_LONGEST_NAME = 40  # characters; the exchange's are below 20
_LONGEST_NUMBER = 6  # digits; there are coins named 4 and 42
_LONGEST_TEXT = 500  # characters of a message: enough for any of the exchange's

Time = Annotated[int, Meta(ge=EARLIEST, le=LATEST)]  # ms
MicroTime = Annotated[int, Meta(ge=EARLIEST * 1000, le=LATEST * 1000)]  # microseconds
Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
OrderId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
FillId = OrderId  # a symbol's first trade may have the id 0, but naived buys only after it has seen a trade
Code = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]

# JSON with a thousand nested levels raises RecursionError, even inside a field that we do not read.
UNREADABLE = (msgspec.DecodeError, RecursionError)


def name(text: str) -> str:
    """The name of a symbol or an asset; raises ValueError if it cannot be one.

    Names are letters and digits of any alphabet, without small letters; one of many digits alone is a number.
    """
    number = text.isdecimal() and len(text) > _LONGEST_NUMBER
    if not text.isalnum() or text != text.upper() or len(text) > _LONGEST_NAME or number:
        raise ValueError(f"{text[:40]!r} is not a name")
    return text


def word(text: str) -> str:
    """A word of the exchange's own, such as a status; raises ValueError if it is none."""
    if not text.replace("_", "").isalpha() or len(text) > _LONGEST_NAME:
        raise ValueError(f"{text[:40]!r} is not a word")
    return text


def message(text: str) -> str:
    """The exchange's words without control characters, and not longer than the journal and a log line need."""
    return "".join(c if c.isprintable() else " " for c in text[:_LONGEST_TEXT]).strip()


def bounded(parse: Callable[[str], T], text: str, least: int = 0) -> T:
    """Parse an amount that is at least ``least`` and below 10^16; raises AmountError."""
    value: Any = parse(text)
    if not least <= value < _WHOLE:
        raise AmountError(f"{text[:40]!r} is out of bounds")
    result: T = value
    return result


def in_time(time: int, until: int) -> int:
    """A time that is not later than ``until`` (ms); raises ValueError."""
    if time > until:
        raise ValueError(f"time {time} is too far ahead")
    return time


def read(raw: msgspec.Raw | bytes | str, shape: type[T], on_side: Callable[[str], None]) -> T:
    """Decode one object. ``on_side`` is told of side fields that were left out; raises ValueError."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except UNREADABLE as error:
        try:
            return _read_without_side(raw, shape, on_side)
        except UNREADABLE:
            raise ValueError(str(error)) from error


def _read_without_side(raw: msgspec.Raw | bytes | str, shape: type[T], on_side: Callable[[str], None]) -> T:
    fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    for field in msgspec.structs.fields(shape):  # type: ignore[arg-type]  # every shape is a Struct
        name = field.encode_name
        if field.required or name not in fields:
            continue
        try:
            msgspec.json.decode(fields[name], type=field.type)
        except UNREADABLE as error:
            del fields[name]
            on_side(f"{name}: {error}")
    return msgspec.json.decode(msgspec.json.encode(fields), type=shape)
