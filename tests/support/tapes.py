"""For tests and measurements of tapes: rows and files as they are published."""

import gzip
import zipfile
from dataclasses import dataclass
from pathlib import Path

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
