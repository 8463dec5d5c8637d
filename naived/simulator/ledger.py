"""The exchange's durable memory: one SQLite file with orders, fills, balances and counters.

Every change of the engine is one transaction, committed before anything of it is told to anyone. The file is
in WAL mode with ``synchronous=NORMAL``: a commit survives the death of the process, which is what simulators
die of; a power cut may lose the last ones, and then the daemon under test has lost its world anyway.
Amounts are canonical decimal text, so that the file can be read with any tool.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

from naived.core.amount import Amount, format_amount, parse_amount
from naived.core.order import Fill
from naived.simulator.errors import SimulatorError
from naived.simulator.history import History
from naived.simulator.order import Balance, Order
from naived.simulator.rows import WRITE_ORDER, fill_row, order_row

_VERSION = 1  # of the tables, in SQLite's user_version

_TABLES = """
CREATE TABLE account (uid INTEGER NOT NULL);
CREATE TABLE balances (asset TEXT PRIMARY KEY, free TEXT NOT NULL, locked TEXT NOT NULL);
CREATE TABLE faults (kind TEXT PRIMARY KEY, consumed INTEGER NOT NULL);
CREATE TABLE counters (
    symbol TEXT PRIMARY KEY, orders INTEGER NOT NULL, fills INTEGER NOT NULL, executions INTEGER NOT NULL,
    preventions INTEGER NOT NULL, trades INTEGER NOT NULL);
CREATE TABLE orders (
    symbol TEXT NOT NULL, id INTEGER NOT NULL, client_order_id TEXT NOT NULL, side TEXT NOT NULL,
    type TEXT NOT NULL, time_in_force TEXT NOT NULL, price TEXT NOT NULL, quantity TEXT NOT NULL,
    quote_quantity TEXT NOT NULL, stp_mode TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,
    status TEXT NOT NULL, executed TEXT NOT NULL, quote TEXT NOT NULL, prevented TEXT NOT NULL,
    cancel_id TEXT, expiry TEXT, PRIMARY KEY (symbol, id));
CREATE INDEX orders_by_client_id ON orders (symbol, client_order_id);
CREATE INDEX orders_by_cancel_id ON orders (symbol, cancel_id);
CREATE INDEX orders_by_update ON orders (symbol, updated);
CREATE INDEX orders_open ON orders (symbol) WHERE status IN ('NEW', 'PARTIALLY_FILLED');
CREATE TABLE fills (
    symbol TEXT NOT NULL, id INTEGER NOT NULL, order_id INTEGER NOT NULL, price TEXT NOT NULL,
    quantity TEXT NOT NULL, quote TEXT NOT NULL, fee TEXT NOT NULL, fee_asset TEXT NOT NULL,
    maker INTEGER NOT NULL, time INTEGER NOT NULL, PRIMARY KEY (symbol, id));
CREATE INDEX fills_by_order ON fills (symbol, order_id);
CREATE INDEX fills_by_time ON fills (symbol, time);
"""


@dataclass(slots=True)
class Counters:
    """The last number given out, per symbol. ``trades`` is reserved ahead in blocks, never written per trade."""

    orders: int = 0
    fills: int = 0
    executions: int = 0
    preventions: int = 0
    trades: int = 0


@dataclass(slots=True)
class Change:
    """What one step of the engine did, to be written whole."""

    symbol: str
    orders: dict[int, Order] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    balances: dict[str, Balance] = field(default_factory=dict)


class Ledger:
    """One open ledger file, or a ledger in memory when ``path`` is None. Close it at the end.

    ``history`` reads its orders and fills.
    """

    def __init__(self, path: Path | None, uid: int, balances: Mapping[str, Amount]) -> None:
        """Open or begin a ledger; ``uid`` and ``balances`` count only when it begins. Raises SimulatorError."""
        try:
            self._db = sqlite3.connect(path or ":memory:", isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                rows = [(asset, format_amount(amount), "0") for asset, amount in balances.items()]
                self._db.executescript(f"BEGIN IMMEDIATE;{_TABLES}PRAGMA user_version={_VERSION};")
                self._db.execute("INSERT INTO account VALUES (?)", (uid,))
                self._db.executemany("INSERT INTO balances VALUES (?, ?, ?)", rows)
                self._db.execute("COMMIT")
            elif version != _VERSION:
                raise SimulatorError(f"ledger {path} has version {version}, this simulator needs {_VERSION}")
        except sqlite3.Error as error:
            raise SimulatorError(f"ledger {path}: {error}") from error
        self.history = History(self._db)

    def close(self) -> None:
        self._db.close()

    @property
    def uid(self) -> int:
        """The number of the account, made once when the ledger began."""
        return int(self._db.execute("SELECT uid FROM account").fetchone()[0])

    def write(self, change: Change, counters: Counters) -> None:
        """Commit one step of the engine; raises sqlite3.Error, and then nothing of it is there."""
        with _transaction(self._db):
            self._db.executemany(WRITE_ORDER, [order_row(order) for order in change.orders.values()])
            self._db.executemany(
                "INSERT INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [fill_row(f) for f in change.fills]
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO balances VALUES (?, ?, ?)",
                [(a, format_amount(b.free), format_amount(b.locked)) for a, b in change.balances.items()],
            )
            self.count(change.symbol, counters)

    def count(self, symbol: str, counters: Counters) -> None:
        """Write a symbol's counters; durable at once unless a transaction is open."""
        self._db.execute(
            "INSERT OR REPLACE INTO counters VALUES (?, ?, ?, ?, ?, ?)",
            (symbol, *(getattr(counters, f.name) for f in fields(Counters))),
        )

    def consumed(self, kind: str) -> None:
        """Count one consumed fault."""
        self._db.execute(
            "INSERT INTO faults VALUES (?, 1) ON CONFLICT (kind) DO UPDATE SET consumed = consumed + 1", (kind,)
        )

    def faults(self) -> dict[str, int]:
        """How often each kind of fault has been consumed since the ledger began."""
        return dict(self._db.execute("SELECT kind, consumed FROM faults ORDER BY kind").fetchall())

    def balances(self) -> dict[str, Balance]:
        rows = self._db.execute("SELECT asset, free, locked FROM balances ORDER BY asset")
        return {asset: Balance(parse_amount(free), parse_amount(locked)) for asset, free, locked in rows}

    def counters(self) -> dict[str, Counters]:
        return {symbol: Counters(*numbers) for symbol, *numbers in self._db.execute("SELECT * FROM counters")}


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
