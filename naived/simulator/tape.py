"""Tapes: public trades from files or from a random walk, and the pace at which they are played.

Files are those of data.binance.vision, read one trade at a time. They have one of two layouts, recognized by the
number of columns, with or without a header:

    trades      id, price, quantity, quote quantity, time, buyer is maker, best match
    aggTrades   id, price, quantity, first id, last id, time, buyer is maker, best match

Times are milliseconds, from 2025 on microseconds.
"""

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import TextIO

import trio

from naived.core.amount import (
    SCALE,
    AmountError,
    Price,
    Quantity,
    parse_money,
    parse_price,
    parse_quantity,
    quantity_up,
)
from naived.core.market import Filters
from naived.simulator.errors import TapeError

_MICROSECONDS_FROM = 10**14  # a time from here on is in microseconds: in milliseconds it is the year 5138
_TRADES, _AGGREGATES = 7, 8  # columns
_MICROSECONDS = 1_000_000  # in a second

# The random walk:
_PARTS = 1024  # of a tick
_MAX_STEP = (35, 100_000)  # 0.035 %, uniformly distributed: a standard deviation of 0.02 %
_REVERSION = 5_000  # trades in which the distance from the anchor decays: about 17 minutes at speed 1
_MAX_GAP = 400_000  # microseconds between two trades, uniformly distributed: five trades a second
_TRADE_VALUE = (2, 400)  # times the least notional: 10 to 2000 USDT a trade
_LEAST_NOTIONAL = parse_money("5")  # if the symbol has none


@dataclass(frozen=True, slots=True)
class TapeTrade:
    """One recorded trade; ``time`` is microseconds since 1970, or since the walk began."""

    price: Price
    quantity: Quantity
    time: int
    buyer_is_maker: bool


def read(path: Path, *, loop: bool = False) -> Generator[TapeTrade, None, None]:
    """The trades of a ``.csv``, ``.csv.gz`` or ``.zip``, oldest first; raises TapeError where reading fails.

    ``loop`` starts again at the end; its times continue from there.
    """
    shift = 0
    while True:
        first = last = None
        for trade in _read_once(path):
            first = trade.time if first is None else first
            last = trade.time
            yield TapeTrade(trade.price, trade.quantity, trade.time + shift, trade.buyer_is_maker)
        if first is None or last is None:
            raise TapeError(f"tape {path} has no trades")
        if not loop:
            return
        # At least a millisecond: a tape whose trades have all one time would repeat without time passing.
        shift += max(last - first, 1000)


def _read_once(path: Path) -> Iterator[TapeTrade]:
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


def _parse(row: list[str]) -> TapeTrade:
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
    return TapeTrade(
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


def walk(symbol: str, anchor: Price, filters: Filters, seed: int) -> Iterator[TapeTrade]:
    """A random walk: endless trades around ``anchor``, in integers only. Times begin at 0.

    The same arguments give the same walk. The price is kept in 1024ths of a tick, so that a symbol with few ticks
    in its price moves like any other. Each trade moves it by up to ``_MAX_STEP`` of the anchor, and back by a
    part of its distance from the anchor (``_REVERSION``): a standard deviation of 0.02 % a trade, so about 0.3 % (a
    default cycle with both fees) in a minute at speed 1. The price stays within a few per cent of the anchor.
    """
    random = Random(f"{seed}:{symbol}")
    tick = filters.tick_size or 1
    center = level = max(anchor // tick, 1) * _PARTS
    max_step = max(center * _MAX_STEP[0] // _MAX_STEP[1], 1)
    least = filters.min_notional or _LEAST_NOTIONAL
    time = 0
    while True:
        drift = -((level - center) // _REVERSION)
        moved = max(level + random.randint(-max_step, max_step) + drift, _PARTS)
        price = Price(moved // _PARTS * tick)
        value = random.randint(_TRADE_VALUE[0] * least, _TRADE_VALUE[1] * least)
        quantity = quantity_up(value * SCALE, price, Quantity(filters.step_size or 1))
        yield TapeTrade(price, quantity, time, buyer_is_maker=moved < level)
        level = moved
        time += random.randint(1, _MAX_GAP)


class Pace:
    """How fast tapes are played: ``speed`` times real time, or as fast as readers receive if it is None."""

    def __init__(self, speed: Fraction | None, *, held: bool) -> None:
        self._speed = speed
        self._go = trio.Event()
        if not held:
            self._go.set()

    def play(self) -> None:
        self._go.set()

    def hold(self) -> None:
        if self._go.is_set():
            self._go = trio.Event()

    async def run(
        self,
        trades: Iterator[TapeTrade],
        publish: Callable[[TapeTrade], None],
        drain: Callable[[], Awaitable[None]],
    ) -> None:
        """Publish every trade at its time; a hold delays all later ones. Returns when the tape ends."""
        began: float | None = None
        first = 0
        for trade in trades:
            if began is None:
                began, first = trio.current_time(), trade.time
            if self._speed is None:
                await trio.lowlevel.checkpoint()
                await drain()
            else:
                await trio.sleep_until(began + float((trade.time - first) / (_MICROSECONDS * self._speed)))
            if not self._go.is_set():
                await self._go.wait()
                began, first = trio.current_time(), trade.time
            publish(trade)
