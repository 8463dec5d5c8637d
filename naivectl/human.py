"""What the verbs print on a terminal: the screens of `listing`, `describe`, `history` and `rates`, in colour."""

import shutil
import time
from collections.abc import Sequence
from contextlib import suppress

from naivectl.board import Board
from naivectl.cells import Line, Piece
from naivectl.client import Document, Failure, call
from naivectl.describe import symbol_screen
from naivectl.header import Moment
from naivectl.history import EventColumns, event_lines, order_lines, trade_lines
from naivectl.limits import limits_screen
from naivectl.listing import status_screen
from naivectl.paint import emit, medium
from naivectl.rates import settings_grid, settings_screen
from naived.control.protocol import format_time

_FEW = 10  # events below a description


def _room() -> int:
    return shutil.get_terminal_size().columns


def show_status(document: Document) -> None:
    """The list of symbols."""
    board = Board(medium())
    board.take(document)
    emit(status_screen(board, Moment(time.time()), _room()))


def show_symbols(sockets: Sequence[str], document: Document) -> None:
    """The screen of each symbol, a blank line between them."""
    board = Board(medium())
    board.take(document)
    moment, lines = Moment(time.time()), list[Line]()
    for row in board.rows.values():
        asked = {"symbols": [row.symbol]}
        settings = (_asked(sockets, "settings", asked).get("results") or [{}])[0].get("settings")
        events = _asked(sockets, "events", {**asked, "limit": _FEW}).get("events") or []
        if lines:
            lines.append([])
        lines += symbol_screen(board, row, moment, _room(), settings=settings, events=events, ids=True)
    emit(lines)


def _asked(sockets: Sequence[str], method: str, params: Document) -> Document:
    """An answer that a screen can do without."""
    with suppress(Failure):
        return call(sockets, method, params)
    return {}


def _facts(sockets: Sequence[str]) -> dict[str, Document]:
    """Ticks, assets and budgets of all symbols."""
    return {row["symbol"]: row for row in _asked(sockets, "status", {}).get("symbols") or ()}


def show_rows(sockets: Sequence[str], method: str, rows: Sequence[Document], since: object) -> None:
    """Orders, trades or events, oldest first."""
    here, now = medium(), time.time()
    if not rows:
        emit([[Piece(_nothing(sockets, method, str(since or ""), now))]])
    elif method == "events":
        emit(list(event_lines(here, rows, _room(), symbols=True)))
    else:
        draw = {"orders": order_lines, "trades": trade_lines}[method]
        emit(draw(here, rows, _facts(sockets), now, _room()))


def _nothing(sockets: Sequence[str], method: str, since: str, now: float) -> str:
    day = "" if since[:10] == format_time(int(now * 1000))[:10] else f"{since[:10]} "
    when = f" since {day}{since[11:16]} UTC" if since else "" if method == "events" else " yet"
    if method == "trades":
        phases = [trader["phase"] for row in _facts(sockets).values() for trader in row.get("traders") or ()]
        selling = phases.count("selling")
        word = "trader is" if selling == 1 else "traders are"
        where = "" if since else " (naivectl status)"  # both are more than a line
        still = f"; {selling} {word} selling{where}" if selling else ""
        return f"No finished cycles{when}{still}."
    return f"No {method}{when}."


def show_settings(sockets: Sequence[str], results: Sequence[Document], *, one: bool) -> None:
    """The settings of all symbols as a table, those of one with what they do."""
    here, facts = medium(), _facts(sockets)
    if not results:
        emit([[Piece("No symbols yet.")]])
    elif one:
        emit(settings_screen(here, results[0], facts.get(results[0]["symbol"], {}), _room()))
    else:
        emit(settings_grid(here, results, facts, _room()))


def show_limits(document: Document) -> None:
    """The limits of the account, what is so now, and what a fall would do."""
    emit(limits_screen(medium(), document, time.time(), _room()))


class EventPrinter:
    """Prints events one after another as they come."""

    def __init__(self) -> None:
        self._columns = EventColumns(medium(), _room(), symbols=True)

    def show(self, event: Document) -> None:
        emit(list(self._columns.lines(event)))
