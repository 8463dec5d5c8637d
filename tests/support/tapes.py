"""For tests and measurements of tapes: rows and files as they are published."""

import gzip
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from naived.backtest import cache as kept
from naived.backtest.columns import Integers
from naived.backtest.order import Findings
from naived.backtest.parse import Sinks
from naived.backtest.tape import Tape
from naived.core.amount import format_wire

START = 1_723_161_255_611  # ms


@dataclass(frozen=True)
class Row:
    """One row of a file; an aggregate if it has ``trades``, the first and last id of what it adds up."""

    id: int
    price: int = 268_380_000_000  # 10^-8, as the quantity
    quantity: int = 200_000
    time: int = START
    trades: tuple[int, int] | None = None

    def __str__(self) -> str:
        amounts = f"{self.id},{format_wire(self.price)},{format_wire(self.quantity)}"
        middle = "5.36760000" if self.trades is None else f"{self.trades[0]},{self.trades[1]}"
        return f"{amounts},{middle},{self.time},True,True\n"


def trades(first: int, count: int) -> list[Row]:
    """Single trades with rising ids and times, and a price that moves."""
    return [
        Row(n, 268_380_000_000 + n * 7919 % 13 * 1_000_000, time=START + n) for n in range(first, first + count)
    ]


def aggregates(first: int, count: int) -> list[Row]:
    """Aggregates of two trades each."""
    return [
        Row(row.id, row.price, row.quantity, row.time, (2 * row.id, 2 * row.id + 1)) for row in trades(first, count)
    ]


def written(path: Path, rows: list[Row] | str | bytes) -> Path:
    """A file of these rows or this text, packed as its name says."""
    text = "".join(map(str, rows)).encode() if isinstance(rows, list) else rows
    content = text if isinstance(text, bytes) else text.encode()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{path.stem}.csv", content)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(content, mtime=0))
    else:
        path.write_bytes(content)
    return path


def ids(tape: Tape) -> list[int]:
    """Of all parts, one after the other."""
    return [number for part in tape.parts for number in part.ids.tolist()]


def synthetic(
    path: Path,
    rows: int,
    seed: int,
    *,
    spread: int = 3,
    pause: int = 62,
    start: int = 268_380,
    tick: int = 1_000_000,
    cache: Path | None = None,
) -> Path:
    """A walk as a file of trades, or straight in the cache: ``load`` with this path and cache then maps it.

    A trade is up to ``spread`` ticks from the one before and up to ``pause`` milliseconds later, uniformly
    distributed: 62 makes a billion trades a year. The price stays between a half and twice ``start``, in ticks of
    ``tick`` 10^-8, and is turned back there. The same arguments give the same walk. A band of ``d`` ticks to
    either side holds for about ``3 * d * d / (spread * (spread + 1))`` trades: with 0.1 % of the default price,
    18,000 at a spread of 3, 2,000 at 10, and 65 at 57.
    """
    walk = partial(_walk, rows, seed, spread, pause, start, tick)
    if cache is None:
        with path.open("w") as file:
            for ids, prices, quantities, times in walk():
                columns = zip(ids.tolist(), prices.tolist(), quantities.tolist(), times.tolist(), strict=True)
                file.writelines(map(str, (Row(*row) for row in columns)))
    else:
        path.write_text("synthetic")
        kept.stored(cache, path, lambda done, rows: None, partial(_fill, walk, tick))
    return path


Four = tuple[Integers, Integers, Integers, Integers]


def _walk(rows: int, seed: int, spread: int, pause: int, start: int, tick: int) -> Iterator[Four]:
    """Ids, prices, quantities and times, a million rows at once."""
    random = np.random.default_rng(seed)
    lowest, highest = start // 2, start * 2
    width = highest - lowest
    level, time = start - lowest, START
    for first in range(1, rows + 1, 1 << 20):
        count = min(1 << 20, rows + 1 - first)
        levels = level + np.cumsum(random.integers(-spread, spread + 1, count, np.int32), dtype=np.int64)
        times = time + np.cumsum(random.integers(0, pause + 1, count, np.int32), dtype=np.int64)
        level, time = int(levels[-1]), int(times[-1])
        prices = (lowest + width - np.abs(levels % (2 * width) - width)) * tick
        quantities = random.integers(1, 20_000, count, np.int32).astype(np.int64) * 10_000
        yield np.arange(first, first + count), prices, quantities, times


def _fill(
    walk: Callable[[], Iterator[Four]], tick: int, path: Path, sinks: Sinks, advance: Callable[[int, int], None]
) -> tuple[tuple[Integers, ...], Findings]:
    with sinks(("ids", "prices", "quantities", "times")) as columns:
        for batch in walk():
            columns.append(batch)
        ids, *others = columns.finish()
    found = Findings("trades", 1, len(ids), 1, len(ids), len(ids), tick=tick)
    return (ids, *others), found
