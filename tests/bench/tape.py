"""Tapes: parsing a file of each kind, opening what was parsed, and indexing it.

The rows are a walk; beside them stands a plain loop over the same rows, that of the simulator's reader. ``year``
is a tape of a billion trades, written straight into the cache: ``python -m tests.bench.tape ROWS`` makes a smaller
one. Parsing and indexing are told in processor time.
"""

import gzip
import os
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from naived.backtest.columns import index
from naived.backtest.tape import load
from naived.simulator.tape import read
from tests.support.tapes import Row, synthetic

_ROWS = 1_000_000
_PLAIN = 50_000  # rows for the plain loop
_RUNS = 3
_YEAR = 1_000_000_000
_FREE = 40 * 2**30  # bytes that a year leaves room beside


def measure() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="naived-bench-") as directory:
        home = Path(directory)
        trades = synthetic(home / "trades.csv", _ROWS, 1)
        files = [trades, _aggregates(trades, home / "aggTrades.csv"), _gzipped(trades), _zipped(trades)]
        few = synthetic(home / "few.csv", _PLAIN, 1)
        plain = _seconds(lambda: sum(1 for _ in read(few))) / _PLAIN
        yield f"{plain * 1e9:9.0f} ns a row: a plain loop over a .csv (median of {_RUNS}, {_PLAIN:,} rows)"
        for path in files:
            seconds = _seconds(lambda path=path: load("ETHUSDT", [path], cache=None)) / _ROWS
            yield (
                f"{seconds * 1e9:9.0f} ns a row: {path.name}, {1 / seconds / 1e6:.2f} million rows a second, "
                f"{plain / seconds:.1f} times the plain loop (median of {_RUNS}, {_ROWS:,} rows)"
            )
        load("ETHUSDT", [trades], cache=home / "cache")
        opening = _seconds(lambda: load("ETHUSDT", [trades], cache=home / "cache"), 101, time.perf_counter)
        yield f"{opening * 1e3:9.2f} ms to open it in the cache (median of 101)"
        (part,) = load("ETHUSDT", [trades], cache=home / "cache").parts
        indexing = _seconds(lambda: index(part.prices), 11) / _ROWS
        yield f"{indexing * 1e9:9.2f} ns a trade for the index (median of 11)"


def year(rows: int = _YEAR) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="naived-bench-") as directory:
        home = Path(directory)
        free = shutil.disk_usage(home).free
        if free < _FREE * rows // _YEAR:
            wanted = f"{_FREE / 2**30:.0f} GiB are needed, {home.parent} has {free / 2**30:.0f}"
            yield f"{'-':>9} skipped, a year is not written: {wanted}"
            return
        began = time.perf_counter()
        path = synthetic(home / "year.csv", rows, 1, cache=home / "cache")
        seconds = time.perf_counter() - began
        rate = rows / seconds / 1e6
        yield f"{seconds:9.1f} s to write {rows:,} trades into the cache, {rate:.1f} million a second"
        began = time.perf_counter()
        (part,) = load("ETHUSDT", [path], cache=home / "cache").parts
        yield f"{(time.perf_counter() - began) * 1e3:9.2f} ms to open them"
        before = _anonymous()
        began = time.perf_counter()
        lowest = int(part.prices.min())
        seconds = time.perf_counter() - began
        yield (
            f"{seconds:9.1f} s to look at every price (the lowest is {lowest / 10**8:.2f}), "
            f"{rows / seconds / 1e6:.0f} million a second"
        )
        yield f"{_anonymous():9.0f} MiB of anonymous memory after that, {before:.0f} before"


def _seconds(
    work: Callable[[], object], runs: int = _RUNS, clock: Callable[[], float] = time.process_time
) -> float:
    """The median, of processor time unless another clock is given: other programs make it less wrong."""
    times = []
    for _ in range(runs):
        began = clock()
        work()
        times.append(clock() - began)
    return median(times)


def _aggregates(trades: Path, path: Path) -> Path:
    """The same trades as aggregates of one trade each."""
    with path.open("w") as file:
        for number, trade in enumerate(read(trades), start=1):
            file.write(str(Row(number, trade.price, trade.quantity, trade.time // 1000, (number, number))))
    return path


def _gzipped(path: Path) -> Path:
    packed = path.with_suffix(".csv.gz")
    with path.open("rb") as plain, gzip.open(packed, "wb", 6) as file:
        shutil.copyfileobj(plain, file)
    return packed


def _zipped(path: Path) -> Path:
    packed = path.with_suffix(".zip")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, path.name)
    return packed


def _anonymous() -> float:
    """MiB of memory of this process that no file backs."""
    status = Path(f"/proc/{os.getpid()}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    for line in year(*map(int, sys.argv[1:])):
        print(line, flush=True)
