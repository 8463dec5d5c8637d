"""All symbols of `status` and what is known of the whole: totals, counts, and the widest value of each column.

A snapshot replaces everything, an item of changed symbols only those: what that costs depends on what changed.
Widths only grow, so that a live view does not jump.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from naivectl import cells
from naivectl.cells import field
from naivectl.client import Document
from naivectl.paint import Medium
from naivectl.summary import DEGRADED, HALTED, OFF, SUMS, WAITING, Context, Summary

_ZERO = Decimal(0)


class Total:
    """The sums of the symbols of one quote."""

    def __init__(self) -> None:
        self.symbols = 0
        self.sums = dict.fromkeys(SUMS, _ZERO)

    def add(self, row: Summary, sign: int) -> None:
        self.symbols += sign
        for name, value in row.sums.items():
            if value:
                self.sums[name] += sign * value

    @property
    def only_budgets(self) -> bool:
        return not any(value for name, value in self.sums.items() if name != "BUDGET")


class Board:
    def __init__(self, medium: Medium) -> None:
        self.medium = medium
        self.daemon: Document = {}
        self.rows: dict[str, Summary] = {}
        self.totals: dict[str, Total] = {}
        self.widths: Counter[str] = Counter()
        self._context = Context(medium, {}, halted=False)
        self._counts: Counter[str] = Counter()
        self._nodes: Counter[str] = Counter()
        self._telling_today = 0  # symbols

    def take(self, document: Document, *, whole: bool = True) -> None:
        """A status with all symbols, or with those that changed since; ``gone`` may name some that are no more."""
        self.daemon = document.get("daemon") or self.daemon
        rows: list[Document] = document["symbols"]
        gone = self.rows.keys() - {row["symbol"] for row in rows} if whole else document.get("gone") or ()
        for symbol in gone:
            self._drop(symbol)
        context = self._fresh_context(rows) if gone or self._is_other(rows) else self._context
        if context != self._context:
            self._context = context
            changed = {row["symbol"] for row in rows}
            self._put(row.document for row in list(self.rows.values()) if row.symbol not in changed)
        self._put(rows)
        if whole:  # the daemon's own order
            self.rows = {row["symbol"]: self.rows[row["symbol"]] for row in rows}

    def _is_other(self, rows: Iterable[Document]) -> bool:
        """May the decimals of money, or a halt of all, have changed?"""
        if bool(self.daemon.get("halt")) != self._context.halted:
            return True
        known = self.rows
        return any(
            (old := known.get(row["symbol"])) is None
            or old.document.get("budget") != row.get("budget")
            or old.document.get("quote") != row.get("quote")
            for row in rows
        )

    def _fresh_context(self, rows: Iterable[Document]) -> Context:
        largest: dict[str, Decimal] = {}
        changed = {row["symbol"] for row in rows}
        known = ((row.quote, row.sums["BUDGET"]) for row in self.rows.values() if row.symbol not in changed)
        clean = self.medium.clean
        fresh = ((clean(row["quote"]) if row.get("quote") else "", field(row, "budget")) for row in rows)
        for quote, budget in (*known, *fresh):
            if budget is not None and budget >= largest.get(quote, _ZERO):
                largest[quote] = budget
        places = {quote: cells.money_decimals(budget) for quote, budget in largest.items()}
        return Context(self.medium, places, bool(self.daemon.get("halt")))

    def _put(self, documents: Iterable[Document]) -> None:
        widths, width = self.widths, cells.width
        for document in documents:
            before = self.rows.get(document["symbol"])
            if before is not None:
                if before.document == document and before.context is self._context:
                    continue
                self._count(before, -1)
            row = self.rows[document["symbol"]] = Summary(document, self._context, before)
            self._count(row, 1)
            old = before.cells if before is not None else {}
            for name, text in row.cells.items():
                if text is old.get(name):
                    continue
                columns = len(text) if name == "PRICE" else width(text)  # the direction is one column wide
                if columns > widths[name]:
                    widths[name] = columns

    def _drop(self, symbol: str) -> None:
        row = self.rows.pop(symbol, None)
        if row is not None:
            self._count(row, -1)

    def _count(self, row: Summary, sign: int) -> None:
        self.totals.setdefault(row.quote, Total()).add(row, sign)
        self._counts[_word(row)] += sign
        self._nodes[str(row.document.get("node") or "")] += sign
        self._telling_today += sign * ("profit_today" in row.document)

    def places(self, quote: str) -> int:
        """The decimals of the money of a quote."""
        return self._context.places.get(quote, 2)

    @property
    def knows_today(self) -> bool:
        """Does the daemon tell the profit of the day? An older one does not."""
        return self._telling_today > 0

    @property
    def has_nodes(self) -> bool:
        """Are there several?"""
        own = str(self.daemon.get("node") or "")
        return any(count > 0 and node not in ("", own) for node, count in self._nodes.items())

    def quotes(self) -> list[tuple[str, Total]]:
        """The totals, those of most symbols first.

        Symbols whose quote is not known are off and never bought: their budgets alone are no total beside another.
        """
        found = {quote: total for quote, total in self.totals.items() if total.symbols}
        if len(found) > 1 and "" in found and found[""].only_budgets:
            del found[""]
        return sorted(found.items(), key=lambda entry: (-entry[1].symbols, entry[0]))

    def counts(self) -> list[tuple[str, int, str]]:
        """How many symbols need a person, wait, and work, with the style of each; without zeros."""
        styles = {**_COUNTS, **{word: "" for word in sorted(self._counts) if word not in _COUNTS}}
        return [(word, self._counts[word], style) for word, style in styles.items() if self._counts[word]]


_COUNTS = {
    **{"wrong": "wrong", "halted": "attention", "waiting": "attention", "trading": "good"},
    **{"starting": "attention", "draining": "attention", "stopping": "attention", "off": "past"},
}


def _word(row: Summary) -> str:
    if row.place <= DEGRADED:
        return "wrong"
    if row.place == HALTED:
        return "halted"
    if row.place == WAITING and row.state == "trading":
        return "waiting"
    return "off" if row.place == OFF else row.cells["STATE"]


Key = Callable[[Summary], Any]

SORTS: dict[str, Key] = {
    "symbol": lambda row: row.symbol,
    "today": lambda row: -(row.sums["TODAY"] or _ZERO),
    "profit": lambda row: -(row.sums["PROFIT"] or _ZERO),
    "unrealised": lambda row: -(row.sums["UNREALISED"] or _ZERO),
    "next": lambda row: row.nearest,
    "age": lambda row: -(row.traded_at or 0.0),
}


def arranged(rows: Iterable[Summary], sort: str | None, *, reverse: bool = False) -> list[Summary]:
    """Problems first, what is off last; in each place by the sort, None leaves the daemon's order."""
    found = list(rows)
    if sort is not None:
        found.sort(key=lambda row: row.symbol)
        found.sort(key=SORTS[sort], reverse=reverse)
    found.sort(key=lambda row: row.place)
    return found
