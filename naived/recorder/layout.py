"""The files of a recording: their names, and each line as a value. Pure.

    SYMBOL-trades-YYYY-MM-DD.csv    id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch
    SYMBOL-gaps.csv                 what is missing: from_id,to_id,from_time,to_time,why

The first is that of data.binance.vision, which has no header; the second has one. A day is one of UTC, times are
microseconds since 1970.
"""

import re
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from naived.core.amount import PLACES, SCALE, Price, Quantity, format_wire, parse_price, parse_quantity

DAY = 86_400_000_000  # microseconds
_MICROSECONDS_FROM = 10**14  # a time from here on is in microseconds: in milliseconds it is the year 5138
_EPOCH = date(1970, 1, 1)
_COLUMNS = 7
_SQUARE = SCALE * SCALE
_BOOLEANS = {"True": True, "true": True, "False": False, "false": False}
_TRADES_NAME = re.compile(r"(.+)-trades-(\d{4}-\d{2}-\d{2})(\.csv|\.csv\.gz|\.zip)")

_GAP = re.compile(r"(\d{1,19}),(-?\d{1,19}),(\d{1,19}),(\d{1,19}),([a-z ]+)\n")

GAPS_HEADER = "from_id,to_id,from_time,to_time,why\n"


class Trade(Struct, frozen=True, gc=False):
    """One public trade; ``time`` is microseconds since 1970."""

    id: int
    price: Price
    quantity: Quantity
    time: int
    buyer_is_maker: bool


class Cause(StrEnum):
    """Why trades are missing."""

    CONNECTION = "connection lost"
    NOT_RUNNING = "not running"
    SEQUENCE = "sequence"  # the ids jump, and nothing else is known
    FULL = "buffer full"  # the disk took too little for too long
    RESTART = "ids began again"  # as after a test exchange was reset: then ``to_id`` is below ``from_id``


class Gap(Struct, frozen=True):
    """Trades that are missing, from one id to another, both included.

    They happened between ``from_time``, of the last trade before, and ``to_time``, of the first one behind.
    """

    from_id: int
    to_id: int
    from_time: int
    to_time: int
    cause: Cause


def day_of(time: int) -> int:
    """The day of a time (microseconds), counted from 1970."""
    return time // DAY


def trades_name(symbol: str, day: int) -> str:
    return f"{symbol}-trades-{_EPOCH + timedelta(days=day)}.csv"


def outdated_name(symbol: str, day: int, last_id: int) -> str:
    """Where a day's trades stay whose ids the exchange has begun to give again."""
    return f"{symbol}-trades-{_EPOCH + timedelta(days=day)}.until-{last_id}.csv"


def gaps_name(symbol: str) -> str:
    return f"{symbol}-gaps.csv"


def day_in(name: str, symbol: str) -> int | None:
    """The day of a file of the symbol's trades, None for any other name."""
    match = _TRADES_NAME.fullmatch(name)
    if match is None or match[1] != symbol:
        return None
    try:
        return (date.fromisoformat(match[2]) - _EPOCH).days
    except ValueError:
        return None


def trade_line(trade: Trade) -> str:
    return (
        f"{trade.id},{format_wire(trade.price)},{format_wire(trade.quantity)},"
        f"{_product(trade.price, trade.quantity)},{trade.time},{trade.buyer_is_maker},True\n"
    )


def _product(price: Price, quantity: Quantity) -> str:
    """Exactly price * quantity, with 8 places or as many more as it needs."""
    whole, part = divmod(price * quantity, _SQUARE)
    digits = f"{part:0{2 * PLACES}d}"
    return f"{whole}.{digits[:PLACES]}{digits[PLACES:].rstrip('0')}"


def read_trade(line: str) -> Trade:
    """A line of a file of trades, with milliseconds or microseconds; raises ValueError."""
    columns = line.rstrip("\r\n").split(",")
    if len(columns) != _COLUMNS:
        raise ValueError(f"{len(columns)} columns, not {_COLUMNS}")
    number, price, quantity, _, time, flag, _ = columns
    if flag not in _BOOLEANS:
        raise ValueError(f"{flag[:40]!r} is neither True nor False")
    stamp = _integer(time)
    return Trade(
        _integer(number),
        parse_price(price),
        parse_quantity(quantity),
        stamp if stamp >= _MICROSECONDS_FROM else stamp * 1000,
        _BOOLEANS[flag],
    )


def gap_line(gap: Gap) -> str:
    return f"{gap.from_id},{gap.to_id},{gap.from_time},{gap.to_time},{gap.cause}\n"


def read_gap(line: str) -> Gap | None:
    """A line of a file of gaps; None if it is no such line."""
    match = _GAP.fullmatch(line)
    if match is None or match[5] not in list(Cause):
        return None
    return Gap(int(match[1]), int(match[2]), int(match[3]), int(match[4]), Cause(match[5]))


def _integer(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text[:40]!r} is not a whole number")
    return int(text)


def clock_text(time: int) -> str:
    """A time (microseconds) for a person."""
    return datetime.fromtimestamp(time / 1_000_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
