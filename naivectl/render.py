"""Prints the daemon's documents as sentences, JSON, and plain columns; the screens of a terminal are in `human`."""

import json
import os
import sys
from collections.abc import Iterable, Sequence

from naivectl.client import Document, Failure, about, exit_code
from naivectl.invocation import Invocation
from naivectl.prose import say
from naivectl.table import Column, Table, clean, plain
from naived.control.protocol import Code

TYPE_CHECKING = False  # see `main`
if TYPE_CHECKING:
    from typing import Any


def to_json(document: Document) -> str:
    """One line of ASCII; DEL is the only control character that JSON does not escape itself."""
    return json.dumps(document, separators=(",", ":")).replace("\x7f", "\\u007f")


def on_terminal() -> bool:
    """Is stdout a terminal that can draw?"""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def show(tables: Iterable[Table]) -> None:
    """Print tables as plain columns."""
    print("\n\n".join(plain(table) for table in tables))


def _table(columns: Sequence[Column], rows: Iterable[Iterable[object]]) -> Table:
    return Table(columns, [[clean(cell) for cell in row] for row in rows])


def status_tables(document: Document, *, traders: bool) -> list[Table]:
    """The table of symbols; with ``traders`` also those of their traders and lots."""
    symbols = document["symbols"]
    tables = [
        _table(
            [
                Column("SYMBOL"),
                Column("STATUS"),
                Column("STATE"),
                Column("TRADERS", True),
                Column("PRICE", True),
                Column("CYCLES", True),
                Column("PROFIT", True),
                Column("UNREALIZED", True),
                Column("REASON"),
            ],
            (
                (
                    row["symbol"],
                    row["status"],
                    row["state"],
                    f"{len(row.get('traders') or ())}/{row.get('chunks')}",
                    row.get("last_price"),
                    row.get("cycles"),
                    row.get("realized_profit"),
                    row.get("unrealized_profit"),
                    row.get("reason"),
                )
                for row in symbols
            ),
        )
    ]
    living = [trader for row in symbols for trader in row.get("traders") or ()]
    if traders and living:
        tables.append(
            _table(
                [
                    Column("TRADER"),
                    Column("PHASE"),
                    Column("SINCE"),
                    Column("BUY", True),
                    Column("BOUGHT", True),
                    Column("SELL", True),
                    Column("SOLD", True),
                    Column("REASON"),
                ],
                (
                    (
                        trader["id"],
                        trader["phase"],
                        trader.get("since"),
                        *_order_cells(trader.get("buy")),
                        *_order_cells(trader.get("sell")),
                        trader.get("reason") or _uncertain_orders(trader),
                    )
                    for trader in living
                ),
            )
        )
    lots = [(row["symbol"], lot) for row in symbols for lot in row.get("leftover") or ()]
    if traders and lots:
        tables.append(
            _table(
                [
                    Column("LOT OF"),
                    Column("QUANTITY", True),
                    Column("COST", True),
                    Column("LOWEST PRICE", True),
                    Column("REASON"),
                ],
                (
                    (name, lot.get("quantity"), lot.get("cost"), lot.get("price"), lot.get("reason"))
                    for name, lot in lots
                ),
            )
        )
    return tables


_UNCERTAIN = ("intended", "unknown")  # states of an order that may be at the exchange or not


def _order_cells(order: "Any") -> tuple[object, object]:
    return (order["price"], f"{order['executed']}/{order['quantity']}") if order else (None, None)


def _uncertain_orders(trader: Document) -> str | None:
    """The trader's orders of which it is not known whether they are at the exchange; None if there are none."""
    uncertain = [
        f"{side} {trader[side]['state']}"
        for side in ("buy", "sell")
        if (trader.get(side) or {}).get("state") in _UNCERTAIN
    ]
    return ", ".join(uncertain) or None


_ORDERS = [
    "symbol",
    "trader",
    "side",
    "price",
    "quantity",
    "executed",
    "state",
    "order_id",
    "client_order_id",
    "created_at",
]
_TRADES = ["symbol", "trader", "bought", "buy_price", "sold", "sell_price", "profit", "fees", "finished_at"]
_EVENTS = ["at", "symbol", "kind", "message"]
_SETTINGS = [
    *("chunks", "budget", "buy_down", "profit", "rebuy", "reprice"),
    *("max_deviation", "spacing", "floor", "ceiling", "fall_guard", "stop_loss", "stop_slippage"),
]
_NUMBERS = {
    *(["price", "quantity", "executed", "order_id", "bought", "buy_price", "sold", "sell_price", "profit"]),
    *_SETTINGS,
}


def rows_table(method: str, rows: Sequence[Document]) -> Table:
    """The table of `orders`, `trades` or `events`."""
    names = {"orders": _ORDERS, "trades": _TRADES, "events": _EVENTS}[method]
    certain = [row.get("state") not in _UNCERTAIN for row in rows]
    if not all(certain):  # the fence matters only for uncertain orders
        names = [*names, "fence"]
        fences = [
            None if sure else _time_of_day(row.get("fence_at")) for row, sure in zip(rows, certain, strict=True)
        ]
        rows = [{**row, "fence": fence} for row, fence in zip(rows, fences, strict=True)]
    return _table(_columns(names), ([_cell(row.get(name)) for name in names] for row in rows))


def _time_of_day(time: object) -> str | None:
    """To the second and without the date: a fence is near, and the line is long."""
    return None if time is None else f"{str(time)[11:19]}Z"


def settings_table(results: Sequence[Document]) -> Table:
    """The table of the settings of each symbol."""
    return _table(
        _columns(["symbol", "status", *_SETTINGS]),
        (
            (row["symbol"], row["status"], *((row.get("settings") or {}).get(name) for name in _SETTINGS))
            for row in results
        ),
    )


def limits_tables(document: Document) -> list[Table]:
    """What is set, what is so now, and what is left; what a fall would tie up and lose."""
    set_, now, worst = document["limits"], document["now"], document.get("worst") or {}
    exposure, free = now.get("exposure"), now.get("free_quote")
    rows = (
        ("max-exposure", set_.get("max_exposure"), exposure, left(set_.get("max_exposure"), exposure)),
        ("reserve", set_.get("reserve"), free, left(free, set_.get("reserve"))),
        *(
            (_dashed(name), set_.get(name), now.get(known), left(set_.get(name), now.get(known)))
            for name, known in (("max_daily_loss", "loss_today"), ("max_drawdown", "drawdown"))
        ),
    )
    columns = [Column("LIMIT"), *(Column(name, True) for name in (f"SET {now.get('currency')}", "NOW", "LEFT"))]
    found = [_table(columns, ((name, "not set" if limit is None else limit, *rest) for name, limit, *rest in rows))]
    if now.get("doubtful"):
        columns = [Column("SYMBOL"), Column("PRICE IN DOUBT")]
        found.append(_table(columns, ((row["symbol"], row["reason"]) for row in now["doubtful"])))
    columns = [*(Column(name, True) for name in ("ALL FALL BY", "TIED UP", "LOST")), Column("STOPPED BY")]
    falls = worst.get("falls") or ()
    rows_ = ((row["fall"], row["tied_up"], row["loss"], ", ".join(row["stopped_by"]) or None) for row in falls)
    return [*found, _table(columns, rows_)]


def nodes_table(document: Document) -> Table:
    """The nodes, each with what it does."""
    names = ("name", "state", "symbols", "heartbeat", "version", "exchange_away")
    columns = [Column(name.upper().replace("_", " "), name == "symbols") for name in names]
    return _table(columns, ([node.get(name) for name in names] for node in document["nodes"]))


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def left(most: object, used: object) -> str | None:
    """What is left of it, at least 0; None where one of them is not known."""
    from decimal import Decimal  # deferred: only `limits` calculates

    if most is None or used is None:
        return None
    left = max(Decimal(0), Decimal(str(most)) - Decimal(str(used)))
    return format(left.normalize(), "f") if left else "0"


def _columns(names: Iterable[str]) -> list[Column]:
    return [Column(name.replace("_", " ").upper(), name in _NUMBERS) for name in names]


def _cell(value: object) -> object:
    if isinstance(value, dict):
        return " ".join(f"{amount} {asset}" for asset, amount in value.items())
    return value


def event_line(event: Document) -> str:
    """One event, one line."""
    return "  ".join(clean(event.get(name)) for name in _EVENTS)


def sentence(result: Document) -> str:
    """What a verb did to one symbol, and its orders that stay at the exchange."""
    text = clean(result.get("message") or _outcome(result))
    return text if result["symbol"] is None else f"{clean(result['symbol'])}: {text}"


def _outcome(result: Document) -> str:
    """``stopped; 1 sell and 1 buy remain open at the exchange``."""
    state = str(result.get("state"))
    outcome = {"off": "stopped"}.get(state, state)
    if not result.get("changed"):
        outcome = f"already {outcome}"
    orders = result.get("open_orders") or ()
    if not orders:
        return outcome
    sides = [order["side"] for order in orders]
    counts = [(sides.count(side), side) for side in ("sell", "buy") if side in sides]
    resting = " and ".join(f"{count} {side}{'s' if count > 1 else ''}" for count, side in counts)
    return f"{outcome}; {resting} remain{'s' if len(orders) == 1 else ''} open at the exchange"


def finish(invocation: Invocation, document: Document) -> int:
    """Print the failure of each symbol, or for a program the whole document; returns the common exit code."""
    results = document["results"]
    failures = [result for result in results if result.get("error")]
    exits = {exit_code(result["error"].get("code")) for result in failures}
    alike = len(failures) == len(results) and len(exits) == 1
    code = 0 if not failures else exits.pop() if alike else 5
    if invocation.machine:
        print(to_json({**document, **_summary(failures, alike=alike)} if failures else document))
    for result in () if invocation.machine else failures:
        error = result["error"]
        hint = error.get("hint")
        complain(about(result["symbol"], error["message"]), None if hint is None else str(hint))
    return code


def _summary(failures: Sequence[Document], *, alike: bool) -> Document:
    """The ``error`` of a document: kind and hint are the first symbol's if all failed with the same exit code."""
    first = failures[0]["error"]
    message = "; ".join(about(result["symbol"], result["error"]["message"]) for result in failures)
    if not alike:
        first = {"kind": Code.SOME_FAILED.kind, "hint": None}
    return {"error": {"kind": first["kind"], "message": message, "hint": first.get("hint")}}


def complain(message: str, hint: str | None) -> None:
    """Print an error and its hint on stderr."""
    text = f"naivectl: {clean(message)}"
    if hint:
        hint = clean(hint)
        text = f"{text.rstrip('.')}. {hint[0].upper()}{hint[1:]}"
    say(text, sys.stderr)


def fail(invocation: Invocation, failure: Failure) -> int:
    """Print a failure, for a program as JSON on stdout, else on stderr; returns its exit code."""
    if invocation.machine:
        print(to_json(failure.document()))
    else:
        complain(failure.message, failure.hint)
    return failure.exit
