"""Which columns the list of symbols has room for, and its heading, rows and totals.

Columns are added in the order of their worth until one does not fit, so that a wider terminal never loses one.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from naivectl import cells
from naivectl.board import Board, Total
from naivectl.cells import NONE, Line, Piece
from naivectl.paint import state_style
from naivectl.summary import OFF, Summary

MARKS = 2  # columns for what is wrong and for the cursor


class Column(NamedTuple):
    title: str
    least: int
    number: bool = True


# From left to right.
COLUMNS = {
    column.title: column
    for column in (
        Column("SYMBOL", 8, False),
        Column("STATE", 7, False),
        Column("TRADERS", 7, False),
        Column("PRICE", 11),
        Column("AGE", 4),
        Column("NEXT", 8),
        Column("NEXT BUY", 8),
        Column("NEXT SELL", 9),
        Column("TODAY", 8),
        Column("PROFIT", 9),
        Column("UNREALISED", 10),
        Column("HELD COST", 9),
        Column("TIED UP", 9),
        Column("CYCLES", 6),
        Column("HELD", 8),
        Column("BUDGET", 9),
        Column("STATUS", 8, False),
        Column("NODE", 6, False),
    )
}
# By worth: what comes, and what goes for it.
_STEPS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    *(((name,), ()) for name in ("SYMBOL", "STATE", "TRADERS", "PRICE", "PROFIT", "TODAY", "AGE", "NEXT")),
    (("UNREALISED",), ()),
    (("NEXT BUY", "NEXT SELL"), ("NEXT",)),
    *(((name,), ()) for name in ("HELD COST", "TIED UP", "CYCLES", "HELD", "BUDGET", "STATUS", "NODE")),
)
_SIGNED = ("TODAY", "PROFIT", "UNREALISED")
_OLD = 60.0  # seconds after which a price is dim


class Placed(NamedTuple):
    """A column with its width, and the screen column where it begins."""

    name: str
    at: int
    width: int


def layout(board: Board, room: int) -> list[Placed]:
    """The columns that fit into ``room`` columns of the screen; one always does."""
    totals = _total_widths(board)
    widths = {name: max(each.least, board.widths[name], totals.get(name, 0)) for name, each in COLUMNS.items()}
    taken: set[str] = set()
    used = MARKS - 1
    for more, less in _STEPS:
        if (more == ("TODAY",) and not board.knows_today) or (more == ("NODE",) and not board.has_nodes):
            continue
        added = sum(widths[name] + 1 for name in more) - sum(widths[name] + 1 for name in less)
        if taken and used + added > room:
            break
        used += added
        taken = taken.difference(less).union(more)
    spare, at, placed = room - used, MARKS, []
    for name in COLUMNS:
        if name in taken:
            placed.append(Placed(name, at, widths[name]))
            at += widths[name] + (2 if spare > 0 else 1)
            spare -= 1
    return placed


def heading(columns: list[Placed], style: str) -> Line:
    line: Line = []
    for name, at, width in columns:
        if name == "PRICE":  # stands over the digits, beside the direction
            _add(line, at, [Piece(cells.right(name, width - 1), style)])
        else:
            _add(line, at, [Piece(cells.right(name, width) if COLUMNS[name].number else name, style)])
    return line


def symbol_line(row: Summary, columns: list[Placed], now: float, *, cursor: bool = False) -> Line:
    """One symbol. ``now`` is in seconds since 1970."""
    mark_style = "wrong" if row.mark == "!" else "attention"
    line = [Piece(row.mark, mark_style), Piece(">" if cursor else " ")]
    end = MARKS
    for name, at, width in columns:
        if name == "AGE":
            seconds = None if row.traded_at is None else now - row.traded_at
            text = cells.age(seconds)
            pieces = [Piece(text, "past" if seconds is None or seconds > _OLD else "")]
        else:
            text = row.cells[name]
            pieces = list(_pieces(row, name, text, now)) if text else []
        used = cells.width(text)
        start = at + width - used if COLUMNS[name].number else at
        if start > end:
            line.append(Piece(" " * (start - end)))
        line += pieces
        end = start + used
    return line


def _pieces(row: Summary, name: str, text: str, now: float) -> Iterator[Piece]:
    if row.place == OFF or text == NONE:
        yield Piece(text, "past")
    elif name == "STATE":
        yield Piece(text, state_style(row.state))
    elif name == "TRADERS":
        yield from trader_pieces(text)
    elif name == "PRICE":
        old = row.traded_at is not None and now - row.traded_at > _OLD
        yield from cells.price_pieces(text[:-1], "past" if old else "")
        yield Piece(text[-1], direction_style(row.direction))
    elif name in _SIGNED:
        yield Piece(text, cells.gain_style(row.sums[name]))
    elif name == "NEXT" and text[1] == " ":
        yield Piece(text[0], letter_style(text[0]))
        yield Piece(text[1:])
    elif name in ("HELD COST", "TIED UP") and not row.sums[name]:
        yield Piece(text, "past")
    else:
        yield Piece(text)


def direction_style(direction: int) -> str:
    return "good" if direction > 0 else "loss"


_LETTER_STYLES = {"!": "wrong", "?": "attention", "B": "buy", "H": "hold", "S": "good", ".": "past"}


def letter_style(letter: str) -> str:
    return _LETTER_STYLES.get(letter, "")


_RUNS = re.compile(r"\d+/.*|\d+[!?WBHS] ?|(\D)\1*")


def trader_pieces(text: str) -> Iterator[Piece]:
    """Each run of the same character, or each count, in its own style."""
    for run in _RUNS.finditer(text):
        yield Piece(run[0], "" if "/" in run[0] else letter_style(run[0].rstrip()[-1]))


def total_lines(board: Board, columns: list[Placed], most: int | None = None) -> list[Line]:
    """One line a quote. If there are more than ``most``, the last line says how many are not shown."""
    quotes = board.quotes()
    shown = quotes if most is None or len(quotes) <= most else quotes[: max(1, most - 1)]
    lines = [_total_line(board, quote, total, columns) for quote, total in shown]
    if len(shown) < len(quotes) and most != 1:
        lines.append([Piece(f"  {len(quotes) - len(shown)} more quotes: naivectl status", "past")])
    return lines


def _total_texts(board: Board, quote: str, total: Total) -> dict[str, str]:
    places, sums = board.places(quote), total.sums
    return {
        **{name: cells.gain(sums[name], places) for name in _SIGNED},
        **{name: cells.fixed(sums[name], places) for name in ("HELD COST", "TIED UP", "BUDGET")},
        "CYCLES": cells.fixed(sums["CYCLES"], 0),
    }


def _total_widths(board: Board) -> dict[str, int]:
    widths: dict[str, int] = {}
    for quote, total in board.quotes():
        for name, text in _total_texts(board, quote, total).items():
            widths[name] = max(widths.get(name, 0), len(text))
        widths["SYMBOL"] = max(widths.get("SYMBOL", 0), cells.width(_label(quote)))
    return widths


def _label(quote: str) -> str:
    return f"total {quote}".rstrip()


def _total_line(board: Board, quote: str, total: Total, columns: list[Placed]) -> Line:
    texts = _total_texts(board, quote, total)
    line: Line = [Piece("  "), Piece(_label(quote), "heading")]
    places = {name: at + width - len(texts[name]) for name, at, width in columns if name in texts}
    begin = columns[1].at if len(columns) > 1 else MARKS
    end = min(places.values(), default=begin)
    if "HELD COST" not in places:
        held, tied = f"held {texts['HELD COST']}", f"tied up {texts['TIED UP']}"
        for middle in (f"{held}  {tied}", f"{held} {tied}", held):
            if begin + len(middle) < end:
                _add(line, begin, [Piece(middle)])
                break
    for name, at in places.items():
        style = cells.gain_style(total.sums[name]) if name in _SIGNED else ""
        _add(line, at, [Piece(texts[name], style)])
    return line


def _add(line: Line, at: int, pieces: list[Piece]) -> None:
    """Put the pieces at this column of the screen, or behind what is already further."""
    gap = at - cells.length(line)
    if gap > 0:
        line.append(Piece(" " * gap))
    line += pieces
