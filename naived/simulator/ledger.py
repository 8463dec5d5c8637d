"""The exchange's durable record: one SQLite file with orders, fills, balances and counters.

Every change of the engine is one transaction, committed before its events are published. The file is in WAL mode
with ``synchronous=NORMAL``: a commit survives a kill of the process. A power cut may lose the last commits; no test
cuts the power. Amounts are canonical decimal text, so that any tool can read the file.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from naived.core.amount import (
    Amount,
    format_amount,
    parse_amount,
    parse_price,
    parse_rate,
)
from naived.core.orders.report import Fill
from naived.simulator.errors import SimulatorError
from naived.simulator.ledger_rows import (
    SELECT_FILLS,
    SELECT_ORDERS,
    WRITE_ORDER,
    amendment_row,
    fill_row,
    order_row,
    read_amendment,
    read_fill,
    read_order,
)
from naived.simulator.order import Amendment, Balance, FeeAsset, Order

_VERSION = 3  # of the tables, in SQLite's user_version
_LEAST = 512  # bytes, the smallest page; SQLite takes a shorter file for an empty one

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
# From version 1: amendments, strategies, and what a test changed of rules and fees.
_SECOND = """
ALTER TABLE orders ADD COLUMN amended_id TEXT;
ALTER TABLE orders ADD COLUMN amendments INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN strategy_id INTEGER;
ALTER TABLE orders ADD COLUMN strategy_type INTEGER;
CREATE INDEX orders_by_amended_id ON orders (symbol, amended_id);
CREATE TABLE rules (
    symbol TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (symbol, name));
CREATE TABLE fees (asset TEXT NOT NULL, price TEXT NOT NULL, discount TEXT NOT NULL);
"""
# From version 2: what each amendment changed. Those of before are not known.
_THIRD = """
CREATE TABLE amendments (
    symbol TEXT NOT NULL, order_id INTEGER NOT NULL, id INTEGER NOT NULL, original_id TEXT NOT NULL,
    new_id TEXT NOT NULL, original_quantity TEXT NOT NULL, new_quantity TEXT NOT NULL, time INTEGER NOT NULL,
    PRIMARY KEY (symbol, order_id, id));
"""


@dataclass(slots=True)
class Counters:
    """The last ids used in one symbol; ``trades`` is reserved in blocks, so that a trade needs no write."""

    orders: int = 0
    fills: int = 0
    executions: int = 0
    preventions: int = 0
    trades: int = 0


@dataclass(slots=True)
class Change:
    """What one step of the engine changed, for one transaction."""

    symbol: str
    orders: dict[int, Order] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    balances: dict[str, Balance] = field(default_factory=dict)
    amendments: list[Amendment] = field(default_factory=list)


class History:
    """Reads orders and fills, for the exchange's history methods."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def open_orders(self) -> list[Order]:
        """Every open order, oldest first; the engine loads them at its start."""
        return self._orders("WHERE status IN ('NEW', 'PARTIALLY_FILLED') ORDER BY created, id")

    def order(self, symbol: str, order_id: int) -> Order | None:
        found = self._orders("WHERE symbol = ? AND id = ?", symbol, order_id)
        return found[0] if found else None

    def order_by_client_id(self, symbol: str, client_order_id: str) -> Order | None:
        """The newest order that was placed under this id, or whose amendment or cancel carried it.

        Is an amended one found by the id that it had before? Binance does not say; here it is not, which is harder.
        """
        found = self._orders(
            "WHERE symbol = ? AND (client_order_id = ? AND amended_id IS NULL OR amended_id = ? OR cancel_id = ?) "
            "ORDER BY id DESC LIMIT 1",
            symbol,
            *[client_order_id] * 3,
        )
        return found[0] if found else None

    def orders(
        self,
        symbol: str | None,
        *,
        first: int | None = None,
        start: int | None = None,
        end: int | None = None,
        limit: int,
    ) -> list[Order]:
        """Orders oldest first, from the id ``first`` or by time of last update; else the newest ``limit``."""
        bounds = {"symbol =": symbol, "id >=": first, "updated >=": start, "updated <=": end}
        return [read_order(row) for row in self._window(SELECT_ORDERS, bounds, limit)]

    def fills(
        self,
        symbol: str | None,
        *,
        order_id: int | None = None,
        first: int | None = None,
        start: int | None = None,
        end: int | None = None,
        limit: int,
    ) -> list[Fill]:
        """Fills of one order or of all, with the same bounds as ``orders``."""
        bounds = {"symbol =": symbol, "order_id =": order_id, "id >=": first, "time >=": start, "time <=": end}
        return [read_fill(row) for row in self._window(SELECT_FILLS, bounds, limit)]

    def amendments(self, symbol: str, order_id: int, *, first: int | None = None, limit: int) -> list[Amendment]:
        """Of one order, oldest first, from the execution ``first``."""
        rows = self._db.execute(
            "SELECT * FROM amendments WHERE symbol = ? AND order_id = ? AND id >= ? ORDER BY id LIMIT ?",
            (symbol, order_id, first or 0, limit),
        )
        return [read_amendment(row) for row in rows]

    def _orders(self, tail: str, *values: Any) -> list[Order]:
        return [read_order(row) for row in self._db.execute(f"{SELECT_ORDERS} {tail}", values)]

    def _window(self, select: str, bounds: Mapping[str, Any], limit: int) -> list[Any]:
        """Rows within the bounds that are not None, oldest first; without a lower bound the newest."""
        given = {sql: value for sql, value in bounds.items() if value is not None}
        where = " AND ".join(f"{sql} ?" for sql in given) or "TRUE"
        forward = any(sql.endswith(">=") for sql in given)
        order = "symbol, id" if forward else "symbol DESC, id DESC"
        found = self._db.execute(f"{select} WHERE {where} ORDER BY {order} LIMIT ?", [*given.values(), limit])
        rows = found.fetchall()
        return rows if forward else rows[::-1]


class Alterations:
    """What ``sim.*`` requests changed of the exchange itself, so that it survives a restart."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def rules(self) -> dict[str, dict[str, str]]:
        """The changed rules by symbol and name."""
        found: dict[str, dict[str, str]] = {}
        for symbol, name, value in self._db.execute("SELECT symbol, name, value FROM rules"):
            found.setdefault(symbol, {})[name] = value
        return found

    def set_rules(self, symbol: str, rules: Mapping[str, str]) -> None:
        rows = [(symbol, name, value) for name, value in rules.items()]
        with _transaction(self._db):
            self._db.executemany("INSERT OR REPLACE INTO rules VALUES (?, ?, ?)", rows)

    def fee_asset(self) -> FeeAsset | None:
        """The asset in which fees are taken; None is the asset received."""
        row = self._db.execute("SELECT asset, price, discount FROM fees").fetchone()
        return None if row is None else FeeAsset(row[0], parse_price(row[1]), parse_rate(row[2]))

    def set_fee_asset(self, fees: FeeAsset | None) -> None:
        with _transaction(self._db):
            self._db.execute("DELETE FROM fees")
            if fees is not None:
                row = (fees.asset, format_amount(fees.price), format_amount(fees.discount))
                self._db.execute("INSERT INTO fees VALUES (?, ?, ?)", row)

    def set_balance(self, asset: str, balance: Balance) -> None:
        row = (asset, format_amount(balance.free), format_amount(balance.locked))
        self._db.execute("INSERT OR REPLACE INTO balances VALUES (?, ?, ?)", row)


def _prepare(db: sqlite3.Connection, path: Path | None, uid: int, balances: Mapping[str, Amount]) -> None:
    version = _version(db, path)  # before anything is changed
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    if version == 0:
        rows = [(asset, format_amount(amount), "0") for asset, amount in balances.items()]
        db.executescript(f"BEGIN IMMEDIATE;{_TABLES}{_SECOND}{_THIRD}PRAGMA user_version={_VERSION};")
        db.execute("INSERT INTO account VALUES (?)", (uid,))
        db.executemany("INSERT INTO balances VALUES (?, ?, ?)", rows)
        db.execute("COMMIT")
    elif version < _VERSION:
        later = _SECOND + _THIRD if version == 1 else _THIRD
        db.executescript(f"BEGIN IMMEDIATE;{later}PRAGMA user_version={_VERSION};COMMIT;")
    else:
        db.execute(f"PRAGMA user_version={_VERSION}")  # a write: a file that takes none is refused now


def check_log(path: Path) -> None:
    """Raises SimulatorError where SQLite would throw the log beside a ledger away: that is gone, or was cut."""
    log = Path(f"{path}-wal")
    commits = _size(log)  # before the ledger: one that is begun just now has its first page before a log
    size = _size(path)
    if 0 < size < _LEAST:
        raise SimulatorError(f"ledger {path}: file is not a database")
    if commits and not size:
        raise SimulatorError(
            f"{log} holds commits of a ledger that is gone. Put that back, or move the log away to begin a new one"
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # whatever is wrong with it, SQLite says
        return 0


def account_in(db: sqlite3.Connection, path: Path) -> int | None:
    """The number of the account in a ledger, None in an empty one; nothing is changed.

    Raises SimulatorError, sqlite3.Error.
    """
    return int(db.execute("SELECT uid FROM account").fetchone()[0]) if _version(db, path) else None


def _version(db: sqlite3.Connection, path: Path | None) -> int:
    """Of the tables, 0 for a new ledger; raises SimulatorError for those of another program, or of a newer one."""
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if not 0 <= version <= _VERSION:
        raise SimulatorError(f"ledger {path} has version {version}, this simulator needs {_VERSION}")
    first = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchone()
    if version == 0 and first is not None:
        raise SimulatorError(f"ledger {path} has tables of another program, {first[0]!r} for one")
    return version


class Ledger:
    """One open ledger file, or a ledger in memory when ``path`` is None. Close it at the end.

    ``history`` reads its orders and fills, ``alterations`` keeps what tests changed.
    """

    def __init__(self, path: Path | None, uid: int, balances: Mapping[str, Amount]) -> None:
        """Open or create a ledger; ``uid`` and ``balances`` are used only for a new one. Raises SimulatorError."""
        if path is not None:
            check_log(path)
        try:
            self._db = sqlite3.connect(path or ":memory:", isolation_level=None)
            try:
                _prepare(self._db, path, uid, balances)
            except BaseException:
                self._db.close()
                raise
        except sqlite3.Error as error:
            raise SimulatorError(f"ledger {path}: {error}") from error
        self.history = History(self._db)
        self.alterations = Alterations(self._db)

    def close(self) -> None:
        self._db.close()

    @property
    def uid(self) -> int:
        """The number of the account, chosen when the ledger was created."""
        return int(self._db.execute("SELECT uid FROM account").fetchone()[0])

    def write(self, change: Change, counters: Counters) -> None:
        """Commit one step of the engine; raises sqlite3.Error, and then nothing of it is stored."""
        with _transaction(self._db):
            self._db.executemany(WRITE_ORDER, [order_row(order) for order in change.orders.values()])
            self._db.executemany(
                "INSERT INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [fill_row(f) for f in change.fills]
            )
            self._db.executemany(
                "INSERT INTO amendments VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(amendment_row, change.amendments)
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
        """How often each kind of fault was consumed since the ledger was created."""
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
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite ends some by itself, as on a full disk, and keeps others, as at a COMMIT
            db.execute("ROLLBACK")
        raise
