"""The live view as what a person made of it: where the cursor is, the sort, the filter, and which screen is open.

It knows neither terminal nor daemon: keys and documents come in, lines go out.
"""

from collections.abc import Mapping
from enum import Enum

from naivectl import cells
from naivectl.board import SORTS, Board, arranged
from naivectl.cells import Line, Piece
from naivectl.client import Document
from naivectl.columns import heading, layout, symbol_line, total_lines
from naivectl.footer import HELP, filter_line, help_line, keys_line, symbol_keys
from naivectl.header import Moment, header
from naivectl.listing import Entry, entries, nothing
from naivectl.pages import Focus
from naivectl.paint import fit, restyled
from naivectl.summary import WAITING, Summary

LEAST = (40, 8)  # columns and lines
_MOST_FILTER = 20  # characters: no symbol is found by more
_SORTS = tuple(SORTS)


class Typing(Enum):
    """What a character means."""

    COMMAND = 1
    FILTER = 2
    HELP = 3


class View:
    """``quit`` is set by the key for it; ``focus`` is the one symbol that is shown, if one is."""

    def __init__(self, focus: str | None = None) -> None:
        self.quit = False
        self.focus = None if focus is None else Focus(focus)
        self._alone = focus is not None
        self._mode = Typing.COMMAND
        self._sort, self._reverse = 0, False
        self._filter = ""
        self._cursor, self._at = "", 0  # the symbol, and its place in the last frame
        self._top = 0  # the first line of the list that is seen
        self._page = 1  # rows of one screen
        self._rows: list[Summary] = []

    # What a person did

    def key(self, name: str) -> None:
        if self._mode is Typing.HELP:
            self._mode = Typing.COMMAND
        elif self._mode is Typing.FILTER:
            self._typed(name)
        elif name == "?":
            self._mode = Typing.HELP
        elif name == "q":
            self.quit = True
        elif self.focus is not None:
            if not self.focus.key(name) and not self._alone:
                self.focus = None
        else:
            self._steer(name)

    def _typed(self, name: str) -> None:
        if name == "enter":
            self._mode = Typing.COMMAND
        elif name == "esc":
            self._mode, self._filter = Typing.COMMAND, ""
        elif name == "backspace":
            self._filter = self._filter[:-1]
        elif name == "clear":
            self._filter = ""
        elif len(name) == 1 and len(self._filter) < _MOST_FILTER:
            self._filter += name
        else:
            self._move(name)

    def _steer(self, name: str) -> None:
        if name == "enter" and self._rows:
            self.focus = Focus(self._cursor)
        elif name == "/":
            self._mode = Typing.FILTER
        elif name == "esc":
            self._filter = ""
        elif name in ("s", "S"):
            self._sort = (self._sort + (1 if name == "s" else -1)) % len(_SORTS)
            self._move("home")
        elif name == "r":
            self._reverse = not self._reverse
            self._move("home")
        else:
            self._move(name)

    def _move(self, name: str) -> None:
        steps = {
            **{"up": -1, "k": -1, "down": 1, "j": 1, "page up": -self._page, "page down": self._page},
            **{"home": -len(self._rows), "g": -len(self._rows), "end": len(self._rows), "G": len(self._rows)},
        }
        if name in steps and self._rows:
            self._at = max(0, min(len(self._rows) - 1, self._at + steps[name]))
            # After a sort the first row is the cursor's, whichever symbol that is then.
            self._cursor = "" if name == "home" else self._rows[self._at].symbol

    # What is asked and told beside the stream

    def wants(self) -> Mapping[str, Document]:
        """What the open screen shows and the stream does not tell: parameters by method."""
        return {} if self.focus is None else self.focus.wants()

    def learn(self, method: str, document: Document) -> None:
        if self.focus is not None:
            self.focus.learn(method, document)

    # What is seen

    def frame(self, board: Board, moment: Moment, columns: int, lines: int) -> list[Line]:
        """Exactly ``lines`` lines, none wider than ``columns``."""
        if columns < LEAST[0] or lines < LEAST[1]:
            drawn = [[Piece(f"too small: {LEAST[0]} x {LEAST[1]} at least")]]
        elif self._mode is Typing.HELP:
            drawn = _filled([*header(board, moment, columns), [], *HELP], lines - 1)
            drawn.append(help_line())
        elif self.focus is not None:
            drawn = self.focus.lines(board, moment, columns, lines - 1)
            drawn.append(symbol_keys(columns, alone=self._alone))
        else:
            drawn = self._listed(board, moment, columns, lines)
        return [fit(line, columns) for line in _filled(drawn, lines)]

    def _listed(self, board: Board, moment: Moment, columns: int, lines: int) -> list[Line]:
        above = header(board, moment, columns)
        if not board.rows:
            return [*_filled([*above, [], *nothing(board)], lines - 1), self._last_line(board, (0, 0), columns)]
        placed = layout(board, columns)
        title = heading(placed, "bar")
        above.append(restyled([*title, Piece(" " * (columns - cells.length(title)))], "bar"))
        totals = total_lines(board, placed, max(1, lines // 8))
        room = lines - len(above) - len(totals) - 1
        if room < 1:
            above, totals = above[: max(0, lines - 2)], []
            room = lines - len(above) - 1
        seen, span = self._scrolled(board, moment, columns, room)
        drawn = []
        for row, reason in seen:
            line = (
                symbol_line(row, placed, moment.now, cursor=row.symbol == self._cursor)
                if reason is None
                else reason
            )
            if moment.old:
                line = restyled(line, "past")
            if reason is None and row.symbol == self._cursor:
                line = restyled([*line, Piece(" " * (columns - cells.length(line)))], "cursor")
            drawn.append(line)
        return [*above, *_filled(drawn, room), *totals, self._last_line(board, span, columns)]

    def _scrolled(
        self, board: Board, moment: Moment, columns: int, room: int
    ) -> tuple[list[Entry], tuple[int, int]]:
        """The lines of the list that are seen, and the numbers of their first and last row."""
        wanted = self._filter.casefold()
        rows = [row for row in board.rows.values() if wanted in row.name.casefold()]
        self._rows = rows = arranged(rows, _SORTS[self._sort], reverse=self._reverse)
        if not rows:
            self._at = self._top = 0
            return [], (0, 0)
        places = {row.symbol: place for place, row in enumerate(rows)}
        self._at = places.get(self._cursor, min(self._at, len(rows) - 1))
        self._cursor = rows[self._at].symbol
        found = entries(board, rows, moment.now, columns)
        first = next(at for at, each in enumerate(found) if each.row.symbol == self._cursor and each.reason is None)
        last = first + 1
        while last < len(found) and found[last].reason is not None:
            last += 1
        if last > self._top + room:
            self._top = last - room
        self._top = max(0, min(first, self._top, len(found) - room))
        seen = found[self._top : self._top + room]
        shown = [places[each.row.symbol] + 1 for each in seen if each.reason is None]
        self._page = max(1, len(shown) - 1)
        return seen, (shown[0], shown[-1]) if shown else (self._at + 1, self._at + 1)

    def _last_line(self, board: Board, span: tuple[int, int], columns: int) -> Line:
        hidden = 0
        if self._filter:
            seen = {row.symbol for row in self._rows}
            hidden = sum(row.place <= WAITING and row.symbol not in seen for row in board.rows.values())
        typing = self._mode is Typing.FILTER
        if typing or self._filter:
            return filter_line(self._filter, span, len(self._rows), len(board.rows), hidden, columns, typing=typing)
        sort = _SORTS[self._sort] + (", reversed" if self._reverse else "")
        return keys_line(sort, span, len(self._rows), columns)


def _filled(lines: list[Line], count: int) -> list[Line]:
    """Exactly so many lines."""
    return [*lines[:count], *([] for _ in range(count - len(lines)))]
