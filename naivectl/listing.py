"""The list of symbols with the reasons under them, and the whole screen of `status`."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from naivectl import cells
from naivectl.board import Board, arranged
from naivectl.cells import Line, Piece
from naivectl.columns import heading, layout, symbol_line, total_lines
from naivectl.header import Moment, command, halted_by, header
from naivectl.summary import Summary

_INDENT = 4  # columns


class Entry(NamedTuple):
    """A line of the list: the row itself, or a line of the reason under ``row``."""

    row: Summary
    reason: Line | None = None


def entries(board: Board, rows: Sequence[Summary], now: float, room: int) -> list[Entry]:
    """The lines of the list. Neighbours with the same reason share one, under the last of them."""
    found: list[Entry] = []
    for said, group in groupby(rows, key=lambda row: _reason(board, row, now) if row.says else None):
        alike = list(group)
        found += [Entry(row) for row in alike]
        if said is None:
            continue
        text, step = said
        if len(alike) > 1:
            text = f"{len(alike)} symbols: {text}"
        found += [Entry(alike[-1], line) for line in reason_lines(text, step, room)]
    return found


def _reason(board: Board, row: Summary, now: float) -> tuple[str, str]:
    """Why a symbol does not do what it should, and what to type about it."""
    if row.reason or row.halt is None:
        return row.reason, row.next_step
    return f"halted {halted_by(row.halt, now, board)}.", row.next_step or f"naivectl resume {row.name}"


def reason_lines(text: str, step: str, room: int) -> list[Line]:
    """The whole reason, and what to type on a line of its own."""
    blank = " " * _INDENT
    lines: list[Line] = [[Piece(blank + line)] for line in cells.wrap(text, room - _INDENT)] if text else []
    return [*lines, command(step)] if step else lines


def reason_of(board: Board, row: Summary, now: float, room: int) -> list[Line]:
    """The reason of one symbol alone."""
    return reason_lines(*_reason(board, row, now), room)


def status_screen(board: Board, moment: Moment, room: int) -> list[Line]:
    """What `status` prints."""
    lines = header(board, moment, room)
    if not board.rows:
        return [*lines, *nothing(board)]
    columns = layout(board, room)
    lines += [[], heading(columns, "heading")]
    for row, reason in entries(board, arranged(board.rows.values(), None), moment.now, room):
        lines.append(symbol_line(row, columns, moment.now) if reason is None else reason)
    return lines + total_lines(board, columns)


def nothing(board: Board) -> list[Line]:
    """What to do first."""
    if board.daemon.get("exchange") in ("simulator", "paper"):
        trade = "naivectl start ETHUSDT               trade, with play money"
    else:
        trade = "naivectl start ETHUSDT --budget 1000"
    first = "naivectl start ETHUSDT --dry-run     what it would do; nothing is changed"
    return [[Piece("No symbols yet. Begin with:")], command(first), command(trade)]
