"""What the ledger remembers of orders and fills, asked for as the exchange's history methods ask."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from naived.core.order import Fill
from naived.simulator.order import Order
from naived.simulator.rows import SELECT_FILLS, SELECT_ORDERS, read_fill, read_order


class History:
    """Reads of one ledger file."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def open_orders(self) -> list[Order]:
        """Every open order, oldest first: what rests again after a restart."""
        return self._orders("WHERE status IN ('NEW', 'PARTIALLY_FILLED') ORDER BY created, id", ())

    def order(self, symbol: str, order_id: int) -> Order | None:
        found = self._orders("WHERE symbol = ? AND id = ?", (symbol, order_id))
        return found[0] if found else None

    def order_by_client_id(self, symbol: str, client_order_id: str) -> Order | None:
        """The newest order that was placed under this id or whose cancel carried it."""
        found = self._orders(
            "WHERE symbol = ? AND (client_order_id = ? OR cancel_id = ?) ORDER BY id DESC LIMIT 1",
            (symbol, client_order_id, client_order_id),
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
        """Orders oldest first, by id from ``first`` or by time of last update; else the newest ``limit``."""
        window = _Window("updated", symbol, first, start, end)
        rows = self._db.execute(f"{SELECT_ORDERS} {window.clause}", [*window.values, limit])
        return window.in_order([read_order(row) for row in rows])

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
        """Fills oldest first, with the same windows as ``orders``, of one order or of all."""
        window = _Window("time", symbol, first, start, end, order_id)
        rows = self._db.execute(f"{SELECT_FILLS} {window.clause}", [*window.values, limit])
        return window.in_order([read_fill(row) for row in rows])

    def _orders(self, tail: str, values: Sequence[Any]) -> list[Order]:
        return [read_order(row) for row in self._db.execute(f"{SELECT_ORDERS} {tail}", values)]


_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class _Window:
    """Which rows of a history, as SQL: with a beginning the oldest from there, without one the newest."""

    time_column: str
    symbol: str | None
    first: int | None
    start: int | None
    end: int | None
    order_id: int | None = None

    @property
    def _conditions(self) -> list[tuple[str, Any]]:
        every: list[tuple[str, Any]] = [
            ("symbol = ?", self.symbol),
            ("id >= ?", self.first),
            (f"{self.time_column} >= ?", self.start),
            (f"{self.time_column} <= ?", self.end),
            ("order_id = ?", self.order_id),
        ]
        return [(sql, value) for sql, value in every if value is not None]

    @property
    def _from_the_oldest(self) -> bool:
        return self.first is not None or self.start is not None

    @property
    def clause(self) -> str:
        where = " AND ".join(sql for sql, _ in self._conditions) or "TRUE"
        order = "symbol, id" if self._from_the_oldest else "symbol DESC, id DESC"
        return f"WHERE {where} ORDER BY {order} LIMIT ?"

    @property
    def values(self) -> list[Any]:
        return [value for _, value in self._conditions]

    def in_order(self, rows: list[_Row]) -> list[_Row]:
        return rows if self._from_the_oldest else rows[::-1]
