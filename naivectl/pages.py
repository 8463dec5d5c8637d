"""One symbol in the live view: its description, events, orders and reasons, each scrolled by itself."""

from collections.abc import Mapping

from naivectl.board import Board
from naivectl.cells import Line, Piece
from naivectl.client import Document
from naivectl.describe import symbol_screen
from naivectl.header import Moment
from naivectl.history import event_lines, order_lines
from naivectl.paint import restyled
from naivectl.reasons import explanation
from naivectl.summary import Summary

_FEW = 10  # events below the description
_MANY = 200  # events or orders on a page of their own
_PAGES = {"e": "events", "o": "orders", "x": "explain"}


class Focus:
    """What a person opened with Enter."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self._page = ""  # the description
        self._top = 0
        self._screen = 1  # lines of one screen
        self._learned: dict[str, Document] = {}

    def key(self, name: str) -> bool:
        """False if the key leaves the symbol."""
        if name in _PAGES:
            self._page = "" if self._page == _PAGES[name] else _PAGES[name]
            self._top = 0
        elif name == "esc":
            left, self._page, self._top = not self._page, "", 0
            return not left
        steps = {
            **{"up": -1, "k": -1, "down": 1, "j": 1, "page up": -self._screen, "page down": self._screen},
            **{"home": -self._top, "g": -self._top, "end": 1_000_000, "G": 1_000_000},
        }
        self._top = max(0, self._top + steps.get(name, 0))  # not below the end: see `lines`
        return True

    def wants(self) -> Mapping[str, Document]:
        """The requests for what the stream does not tell."""
        symbols = {"symbols": [self.symbol]}
        if self._page == "explain":
            return {"explain": symbols}
        if self._page:
            return {self._page: {**symbols, "limit": _MANY}}
        return {"settings": symbols, "events": {**symbols, "limit": _FEW}}

    def learn(self, method: str, document: Document) -> None:
        self._learned[method] = document

    def lines(self, board: Board, moment: Moment, columns: int, room: int) -> list[Line]:
        """The page, of which the first line stays where it is."""
        row = board.rows.get(self.symbol)
        if row is None:
            return [[Piece(f"{board.medium.clean(self.symbol)} is no longer there", "attention")]]
        first, *rest = self._all(board, row, moment, columns)
        self._top = max(0, min(self._top, len(rest) - (room - 1)))
        self._screen = max(1, room - 2)
        seen = rest[self._top : self._top + room - 1]
        return [first, *(restyled(line, "past") if moment.old else line for line in seen)]

    def _all(self, board: Board, row: Summary, moment: Moment, columns: int) -> list[Line]:
        results = self._learned.get("settings", {}).get("results") or [{}]
        events = self._learned.get("events", {}).get("events") or []
        if not self._page:
            settings = results[0].get("settings")
            return symbol_screen(board, row, moment, columns, settings=settings, events=events[-_FEW:])
        title = symbol_screen(board, row, moment, columns)[:1]
        if self._page not in self._learned:
            return [*title, [Piece("  ...", "past")]]
        if self._page == "explain":
            return [*title, *([Piece(line)] for line in explanation(self._learned["explain"], columns))]
        if self._page == "events":
            newest = list(reversed(events))
            return (
                [*title, *event_lines(board.medium, newest, columns)]
                if newest
                else [*title, [Piece("  No events.")]]
            )
        orders = self._learned["orders"].get("orders") or []
        if not orders:
            return [*title, [Piece("  No orders yet.")]]
        facts = {row.symbol: row.document}
        return [*title, *order_lines(board.medium, list(reversed(orders)), facts, moment.now, columns)]
