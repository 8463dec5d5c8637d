"""A journal with years in it: what a start, a restart of one symbol and a reader pay, and what others notice of it.

The rows are made by SQL from one finished cycle. The programs are the real ones; whoever else uses the daemon is a
client that asks `hello` again and again on one connection.
"""

import json
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import trio

from naived.core.orders.intent import Side
from naived.core.orders.state import State
from naived.core.strategy.settings import Status
from naived.database.journal import SqlJournal, open_journal
from naived.ports import Unit
from tests.bench.programs import naivectl, running_daemon, simulator
from tests.support.database import SYMBOL, desired, fill, finished, intent, order

_FEW, _MANY = 3_000, 200_000  # finished cycles, of two orders and two fills each
_RUNS = 5
_PAUSE = 0.005  # seconds between two questions of the other client


def measure() -> Iterator[str]:
    for cycles in (_FEW, _MANY):
        with tempfile.TemporaryDirectory(prefix="naived-bench-") as directory:
            home = Path(directory)
            trio.run(_fill, _url(home), cycles)
            for seconds, what in trio.run(_loaded, _url(home)):
                yield f"{seconds * 1000:9.1f} ms {what} (median of {_RUNS}, {cycles:,} cycles)"
            yield from _read(home, cycles)


def _url(home: Path) -> str:
    return f"sqlite:///{home / 'simulator.db'}"


async def _fill(url: str, cycles: int) -> None:
    """A journal of one symbol that is off, with so many finished cycles."""
    async with open_journal(url) as journal:
        await journal.commit(Unit(SYMBOL, desired(Status.OFF), next_trader=cycles + 1))
        if not cycles:
            return
        legs = [order(intent(side=side), state=State.FILLED, order_id=number) for number, side in enumerate(Side)]
        fills = tuple(fill(1, number) for number in range(len(legs)))
        await journal.commit(Unit(SYMBOL, traders=(finished(),), orders=tuple(legs), fills=fills))
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        for table, changed in (
            ("traders", {"number": "i", "cycle": "i"}),
            ("orders", {"id": None, "trader": "i", "order_id": "2 * i + order_id", "client_order_id": _ID}),
            ("fills", {"id": None, "order_id": "2 * i + order_id"}),
        ):
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            kept = [name for name in columns if changed.get(name, name) is not None]
            values = ", ".join(changed.get(name) or name for name in kept)
            connection.execute(
                f"WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {cycles}) "
                f"INSERT INTO {table} ({', '.join(kept)}) SELECT {values} FROM n, {table}"
            )
        connection.commit()


_ID = "client_order_id || '-' || i"


async def _loaded(url: str) -> list[tuple[float, str]]:
    async def timed(load: Callable[[SqlJournal], Any]) -> float:
        times = []
        async with open_journal(url) as journal:
            for _ in range(_RUNS):
                began = time.perf_counter()
                await load(journal)
                times.append(time.perf_counter() - began)
        return median(times)

    return [
        (await timed(lambda journal: journal.load()), "to read every symbol at a start"),
        (await timed(lambda journal: journal.load(SYMBOL)), "to read one symbol after its crash"),
    ]


def _read(home: Path, cycles: int) -> Iterator[str]:
    with simulator() as url, running_daemon(home, "--exchange-url", url):
        for verb, rows in (("trades", cycles), ("orders", 2 * cycles)):
            with _other_client(home) as waited:
                began = time.perf_counter()
                done = subprocess.run(
                    naivectl(home, "--json", verb), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
                )
                seconds = time.perf_counter() - began
            if done.returncode:
                yield f"{seconds:9.2f} s  {verb} of {rows:,} rows: exit {done.returncode}"
                continue
            assert len(json.loads(done.stdout)[verb]) == rows
            p50, p99 = (quantiles(waited, n=100)[at] * 1000 for at in (49, 98))
            yield (
                f"{seconds:9.2f} s  {verb} of {rows:,} rows; another client's hello meanwhile: "
                f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {max(waited) * 1000:.0f} ms"
            )


@contextmanager
def _other_client(home: Path) -> Iterator[list[float]]:
    """How long each answer took, in seconds; complete at the end of the block."""
    waited: list[float] = []
    over = threading.Event()

    def ask() -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(home / "control.sock"))
            answers = connection.makefile("rb")
            while not over.is_set():
                began = time.perf_counter()
                connection.sendall(b'{"jsonrpc":"2.0","id":1,"method":"hello"}\n')
                answers.readline()
                waited.append(time.perf_counter() - began)
                time.sleep(_PAUSE)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield waited
    finally:
        over.set()
        thread.join()
