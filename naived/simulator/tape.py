"""Tapes: files of public trades as data.binance.vision publishes them, read one trade at a time.

Two layouts, told apart by the sixth column (a flag, or an id), with or without a header:

    trades      id, price, quantity, quote quantity, time, buyer is maker, best match
    aggTrades   id, price, quantity, first id, last id, time, buyer is maker, best match

Times are milliseconds, from 2025 on microseconds.
"""

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from naived.core.amount import AmountError, Price, Quantity, parse_price, parse_quantity
from naived.simulator.errors import TapeError

_MICROSECONDS_FROM = 10**14  # a time from here on is in microseconds: in milliseconds it is the year 5138
_TRADES, _AGGREGATES = 7, 8  # columns


@dataclass(frozen=True, slots=True)
class Print:
    """One recorded trade; ``time`` is microseconds since 1970, or since the walk began."""

    price: Price
    quantity: Quantity
    time: int
    buyer_is_maker: bool


def read(path: Path, *, loop: bool = False) -> Generator[Print, None, None]:
    """The trades of a ``.csv``, ``.csv.gz`` or ``.zip``, oldest first; raises TapeError as it goes.

    ``loop`` begins again at the end, its times going on from there.
    """
    shift = 0
    while True:
        first = last = None
        for trade in _read_once(path):
            first = trade.time if first is None else first
            last = trade.time
            yield Print(trade.price, trade.quantity, trade.time + shift, trade.buyer_is_maker)
        if first is None or last is None:
            raise TapeError(f"tape {path} has no trades")
        if not loop:
            return
        # A tape that begins and ends in one millisecond would otherwise loop without time passing.
        shift += max(last - first, 1000)


def _read_once(path: Path) -> Iterator[Print]:
    with _opened(path) as file:
        rows = csv.reader(file)
        line = 0
        earlier = 0
        try:
            for line, row in enumerate(rows, start=1):
                if line == 1 and row and not row[0].isdigit():
                    continue
                if not row:
                    continue
                trade = _parse(row)
                if trade.time < earlier:
                    raise ValueError("the time goes back")
                earlier = trade.time
                yield trade
        except (ValueError, AmountError, csv.Error) as error:
            raise TapeError(f"tape {path}, line {line}: {error}") from error
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise TapeError(f"tape {path}, after line {line}: {error}") from error


def _parse(row: list[str]) -> Print:
    match len(row):
        case 7:
            time, flag = row[4], row[5]
        case 8:
            time, flag = row[5], row[6]
        case width:
            raise ValueError(f"{width} columns, neither {_TRADES} (trades) nor {_AGGREGATES} (aggTrades)")
    if not (time.isascii() and time.isdigit()):
        raise ValueError(f"{time[:40]!r} is not a time")
    if flag.lower() not in ("true", "false"):
        raise ValueError(f"{flag[:40]!r} is neither True nor False")
    stamp = int(time)
    return Print(
        price=parse_price(row[1]),
        quantity=parse_quantity(row[2]),
        time=stamp if stamp >= _MICROSECONDS_FROM else stamp * 1000,
        buyer_is_maker=flag.lower() == "true",
    )


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if name.endswith(".csv")]
                if len(names) != 1:
                    raise TapeError(f"tape {path} holds {len(names)} .csv files, not one")
                with archive.open(names[0]) as raw:
                    yield io.TextIOWrapper(raw, encoding="utf-8", newline="")
        elif path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
                yield file
        elif path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                yield file
        else:
            raise TapeError(f"tape {path} is neither .csv nor .csv.gz nor .zip")
    except (OSError, zipfile.BadZipFile) as error:
        raise TapeError(f"cannot read tape {path}: {error}") from error
