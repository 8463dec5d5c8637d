"""One file of trades as batches of integers: many rows at once, and row by row where a row is unusual.

Two layouts are recognized by the number of columns, with or without a header:

    trades      id, price, quantity, quote quantity, time, buyer is maker, best match
    aggTrades   id, price, quantity, first id, last id, time, buyer is maker, best match

Times are milliseconds, from 2025 on microseconds. The quote quantity is not read: it follows from the others.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from naived.backtest.columns import Integers, TapeError
from naived.backtest.digits import PAD, Text
from naived.backtest.source import Broken, Source
from naived.core.amount import parse_price, parse_quantity

_MICROSECONDS_FROM = 10**14  # a time from here on is in microseconds: in milliseconds it is the year 5138
EARLIEST = 1_262_304_000_000  # 2010, in milliseconds: before there was anything to trade
LATEST = 4_102_444_800_000  # 2100
_TIME_DIGITS = 13  # of milliseconds, from 2001 to 2286
_LARGEST = 2**63 - 1
_LONGEST_LINE = 1 << 16  # bytes; a row has about 80
_MARK = b"\xef\xbb\xbf"  # what some programs write before UTF-8
_COMMA, _NEWLINE = ord(","), ord("\n")
_FUTURES = "it looks like a file of futures; naived trades spot: take the files below data/spot"
_REMOVE = "download the file again, or remove the line"


class Kind(IntEnum):
    """A layout, by its number of columns."""

    TRADES = 7
    AGGREGATES = 8

    def __str__(self) -> str:
        return "trades" if self is Kind.TRADES else "aggTrades"


Six: TypeAlias = tuple[Integers, Integers, Integers, Integers, Integers, Integers]


@dataclass(slots=True)
class Batch:
    """Rows as they stand in the file, in columns: ids, prices and quantities in 10^-8, times in milliseconds since
    1970, and the first and last trade that an aggregate adds up; of a single trade both are its id."""

    kind: Kind
    columns: Six
    microseconds: int  # rows whose time was given so
    lines: Integers | int  # of each row, or of the first where no line is between two
    end: int  # the line behind the last

    def line(self, row: int) -> int:
        return self.lines + row if isinstance(self.lines, int) else int(self.lines[row])

    @property
    def ids(self) -> Integers:
        return self.columns[0]

    @property
    def prices(self) -> Integers:
        return self.columns[1]

    @property
    def quantities(self) -> Integers:
        return self.columns[2]

    @property
    def times(self) -> Integers:
        return self.columns[3]

    @property
    def firsts(self) -> Integers:
        return self.columns[4]

    @property
    def lasts(self) -> Integers:
        return self.columns[5]

    def where(self, kept: NDArray[np.bool_]) -> "Batch":
        return Batch(
            self.kind,
            cast(Six, tuple(column[kept] for column in self.columns)),
            self.microseconds,
            (np.arange(len(kept)) + self.lines if isinstance(self.lines, int) else self.lines)[kept],
            self.end,
        )


def batches(path: Path, advance: Callable[[int, int], None]) -> Iterator[Batch]:
    """The rows of a file; ``advance`` gets bytes and rows read so far. Raises TapeError."""
    source = Source(path)
    line = 1  # of the first byte of ``rest``
    rest = b""
    kind: Kind | None = None
    rows = 0
    try:
        for piece in source.pieces():
            text = rest + piece
            end = text.rfind(b"\n") + 1
            text, rest = text[:end], text[end:]
            if len(rest) > _LONGEST_LINE:
                raise Broken("there are no lines", "is this a table of trades?")
            if kind is None:
                text, skipped = _without_header(text)
                line += skipped
                kind = _kind(path, text, line)
            if kind is not None and text:
                batch = _batch(path, text, line, kind, cut=False)
                rows += len(batch.ids)
                line = batch.end
                if len(batch.ids):
                    yield batch
            advance(source.done, rows)
    except Broken as error:
        where = f"{path}, after line {line - 1}" if line > 1 else str(path)
        raise TapeError(f"{where}: {error}") from error
    if rest.strip():
        if kind is None:
            rest, skipped = _without_header(rest + b"\n")
            line += skipped
            kind = _kind(path, rest, line)
        if kind is not None:
            yield _batch(path, rest.rstrip(b"\n") + b"\n", line, kind, cut=True)


def _without_header(text: bytes) -> tuple[bytes, int]:
    """The text from its first row on, and how many lines that left out: empty ones and a header."""
    text = text.removeprefix(_MARK)
    skipped = 0
    while text:
        first, _, rest = text.partition(b"\n")
        if first.strip() and not all(field[:1].isalpha() for field in first.split(b",")):
            break
        text = rest
        skipped += 1
        if first.strip():
            break
    return text, skipped


def _kind(path: Path, text: bytes, line: int) -> Kind | None:
    first = text.lstrip(b"\r\n")
    if not first:
        return None
    columns = first.partition(b"\n")[0].count(b",") + 1
    if columns in (Kind.TRADES, Kind.AGGREGATES):
        return Kind(columns)
    why = _FUTURES if columns == Kind.TRADES - 1 else "is this a table of trades?"
    raise TapeError(f"{path}, line {line}: its columns are {columns}, neither 7 (trades) nor 8 (aggTrades); {why}")


def _batch(path: Path, text: bytes, line: int, kind: Kind, *, cut: bool) -> Batch:
    """The rows of whole lines; ``cut`` if nothing ends the last of them."""
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    batch = _fast(text, line, kind)
    if batch is not None:
        batch.end = line + len(batch.ids)
        return batch
    end = line + text.count(b"\n")
    numbered = [(number, row) for number, row in enumerate(text.split(b"\n"), start=line) if row]
    lines = np.array([number for number, _ in numbered], np.int64)
    text = b"".join([row + b"\n" for _, row in numbered])
    batch = (_fast(text, lines, kind) if len(lines) < end - line else None) or _slow(
        path, text, lines, kind, cut=cut
    )
    batch.end = end
    return batch


def _fast(text: bytes, lines: Integers | int, kind: Kind) -> Batch | None:
    """All rows at once, or None if one of them is unusual."""
    fields = Text(text)
    newlines = fields.bytes == _NEWLINE
    ends = np.flatnonzero(newlines | (fields.bytes == _COMMA))
    rows = int(np.count_nonzero(newlines))
    if not rows or len(ends) != rows * kind or not newlines[ends[kind - 1 :: kind]].all():
        return None
    end = [np.ascontiguousarray(ends[column::kind]) for column in range(kind)]
    start = [np.append(PAD, end[-1][:-1] + 1), *(before + 1 for before in end[:-1])]
    if not (fields.flags(start[-2], end[-2]) and fields.flags(start[-1], end[-1])):
        return None
    ids, times = fields.whole(start[0], end[0]), fields.whole(start[-3], end[-3])
    prices, quantities = fields.decimal(start[1], end[1]), fields.decimal(start[2], end[2])
    if ids is None or times is None or prices is None or quantities is None:
        return None
    firsts = lasts = ids
    if kind is Kind.AGGREGATES:
        first, last = fields.whole(start[3], end[3]), fields.whole(start[4], end[4])
        if first is None or last is None:
            return None
        firsts, lasts = first, last
    in_microseconds = times >= _MICROSECONDS_FROM
    microseconds = int(np.count_nonzero(in_microseconds))
    if microseconds == rows:
        times = times // 1000
    elif microseconds:
        times = np.where(in_microseconds, times // 1000, times)
    if int(times.min()) < EARLIEST or int(times.max()) >= LATEST:
        return None
    return Batch(kind, (ids, prices, quantities, times, firsts, lasts), microseconds, lines, 0)


def _slow(path: Path, text: bytes, lines: Integers | int, kind: Kind, *, cut: bool) -> Batch:
    """Row by row, the measure of what a row means; raises TapeError at the first that means nothing."""
    rows = text.decode("latin-1").split("\n")[:-1]
    parsed = np.empty((7, len(rows)), np.int64)
    batch = Batch(kind, cast(Six, tuple(parsed[:6])), 0, lines, 0)
    for index, row in enumerate(rows):
        try:
            parsed[:, index] = _row(row, kind)
        except (ValueError, Broken) as error:
            why = f"{error}; {_REMOVE}" if isinstance(error, ValueError) else str(error)
            if cut and index == len(rows) - 1:
                why = f"the file ends within the line ({error}); download it again"
            raise TapeError(f"{path}, line {batch.line(index)}: {why}") from error
    batch.microseconds = int(parsed[6].sum())
    return batch


def _row(row: str, kind: Kind) -> tuple[int, ...]:
    """Id, price, quantity, time, first and last id, and whether the time was in microseconds.

    Raises ValueError, and Broken where another file is needed.
    """
    fields = row.split(",")
    if len(fields) != kind:
        raise ValueError(f"its columns are {len(fields)}, those of the first row {int(kind)}")
    if kind is Kind.TRADES and len(fields[5]) >= _TIME_DIGITS and fields[5].isdigit():
        raise Broken("7 columns, but the time in the sixth", _FUTURES)
    number = _id(fields[0])
    price, quantity = parse_price(fields[1]), parse_quantity(fields[2])
    if max(price, quantity) > _LARGEST:
        raise ValueError(f"{fields[1 if price > _LARGEST else 2][:40]} is more than 64 bits hold")
    first, last = (_id(fields[3]), _id(fields[4])) if kind is Kind.AGGREGATES else (number, number)
    stamp = _id(fields[-3])
    time = stamp if stamp < _MICROSECONDS_FROM else stamp // 1000
    if not EARLIEST <= time < LATEST:
        raise ValueError(f"the time {stamp} is not between 2010 and 2100 in milliseconds or microseconds")
    for flag in fields[-2:]:
        if flag.lower() not in ("true", "false"):
            raise ValueError(f"{flag[:40]!r} is neither True nor False")
    return number, price, quantity, time, first, last, stamp >= _MICROSECONDS_FROM


def _id(text: str) -> int:
    """A plain integer; -1 as well, which marks an aggregate that the exchange withdrew."""
    if text == "-1":
        return -1
    if not (text.isascii() and text.isdigit()) or len(text) > 40 or int(text) > _LARGEST:
        raise ValueError(f"{text[:40]!r} is not a number of 64 bits")
    return int(text)
