"""What stands above the list: the daemon in one line, the symbols counted, and what is wrong with the whole."""

import time
from typing import NamedTuple

from naivectl import cells
from naivectl.board import Board
from naivectl.cells import Line, Piece
from naivectl.client import Document
from naivectl.paint import Medium, state_style

STALE = 2.0  # seconds after which the age of what is shown is said
OLD = 10.0  # seconds after which that needs attention
_REAL = "binance"  # the exchange where money is real


class Moment(NamedTuple):
    """When the screen is drawn, how old what it shows is, and for how long no daemon was there, all in seconds."""

    now: float
    age: float = 0.0
    gone: float | None = None

    @property
    def old(self) -> bool:
        return self.gone is not None or self.age >= OLD


def of_day(seconds: float, form: str = "%H:%M:%S") -> str:
    """The time of day in UTC, or another part of the time."""
    return time.strftime(form, time.gmtime(seconds))


def header(board: Board, moment: Moment, room: int) -> list[Line]:
    """All lines above the list."""
    lines = [first_line(_daemon_parts(board, moment), moment, room)]
    counts = board.counts()
    if counts:
        lines.append(_counted(counts))
    return [*lines, *alerts(board, moment, room)]


def _counted(counts: list[tuple[str, int, str]]) -> Line:
    line: Line = []
    for word, count, style in counts:
        line += [Piece("  " if line else ""), Piece(f"{word} {count}", style)]
    return line


def _daemon_parts(board: Board, moment: Moment) -> list[Line]:
    daemon, clean = board.daemon, board.medium.clean
    exchange, up = clean(daemon.get("exchange")), daemon.get("exchange_state")
    where = [Piece(exchange)]
    if exchange == _REAL:
        where += [Piece(" "), Piece("REAL MONEY", "real")]
    if up:
        where += [Piece(", "), Piece(clean(up), state_style(str(up)))]
    parts = [
        [Piece(f"naived {clean(daemon.get('version'))}", "heading")],
        where,
        [Piece(clean(daemon.get("database")))],
    ]
    if board.has_nodes and daemon.get("node"):
        parts.append([Piece(f"node {clean(daemon.get('node'))}")])
    started = cells.moment(daemon.get("started_at"))
    if started is not None:
        known = moment.now if moment.gone is None else moment.now - moment.age
        parts.append([Piece(cells.uptime(max(0.0, known - started)))])
    return parts


def first_line(parts: list[Line], moment: Moment, room: int) -> Line:
    """The parts to the left, as many as fit; to the right how old the screen is, and the clock."""
    if moment.age < STALE and moment.gone is None:
        told = [Piece("as of now  ", "past")]
    elif not moment.old:
        told = [Piece(f"as of {int(moment.age)} s ago  ")]
    else:
        told = [Piece(f"! as of {int(moment.age)} s ago  ", "attention")]
    right: Line = [*told, Piece(f"{of_day(moment.now)} UTC")]
    left: Line = list(parts[0])
    for part in parts[1:]:
        if cells.length(left) + 2 + cells.length(part) + 2 + cells.length(right) > room:
            break
        left += [Piece("  "), *part]
    gap = room - cells.length(left) - cells.length(right)
    return [*left, Piece(" " * max(2, gap)), *right]


def alerts(board: Board, moment: Moment, room: int) -> list[Line]:
    """What keeps the whole daemon from its work, one paragraph each."""
    if moment.gone is not None:
        since = of_day(moment.now - moment.age)
        text = f"naived has ended; waiting for it, {int(moment.gone)} s. What is shown was so at {since} UTC."
        start = [Piece("    -> "), Piece("naived", "heading"), Piece("        (or: systemctl --user start naived)")]
        return [*paragraph("!", "wrong", text, room), start]
    return [*_silent(moment, room), *_unwell(board, room), *_halted(board, moment, room)]


def _silent(moment: Moment, room: int) -> list[Line]:
    if not moment.old:
        return []
    since = of_day(moment.now - moment.age)
    text = f"naived does not answer: it hangs, or its machine is busy. What is shown was so at {since} UTC."
    return [*paragraph("!", "attention", text, room), command("naivectl ping", "says which process it is")]


def _unwell(board: Board, room: int) -> list[Line]:
    daemon, clean = board.daemon, board.medium.clean
    state, reason = daemon.get("state"), daemon.get("reason")
    if state in (None, "ready") and not reason:
        return []
    words = "naived" if state in (None, "ready") else f"naived is {clean(state)}"
    text = f"{words}: {clean(reason)}" if reason else words
    mark, style = ("!", "wrong") if state == "degraded" else ("~", "attention")
    return paragraph(mark, style, text, room)


def _halted(board: Board, moment: Moment, room: int) -> list[Line]:
    halt = board.daemon.get("halt")
    if not isinstance(halt, dict):
        return []
    text = f"HALTED {halted_by(halt, moment.now, board)}. Nothing is bought, sells go on."
    return [*paragraph("~", "attention", text, room), command("naivectl resume")]


def halted_by(halt: Document, now: float, board: Board) -> str:
    """Who halted it, when, and why: ``by limit 41m ago: ...``."""
    return halted_words(board.medium, halt, now)


def halted_words(medium: Medium, halt: Document, now: float) -> str:
    """The same, of a document alone."""
    clean = medium.clean
    since, reason = cells.moment(halt.get("since")), halt.get("reason")
    text = f"by {clean(halt.get('by'))}" if halt.get("by") != "person" else "by hand"
    if since is not None:
        text += f" {cells.age(now - since, whole=True)} ago"
    return f"{text}: {clean(reason).rstrip('.')}" if reason else text


def paragraph(mark: str, style: str, text: str, room: int) -> list[Line]:
    """Behind a mark, wrapped 4 columns in."""
    first, *rest = cells.wrap(text, room - 2, room - 4)
    return [[Piece(f"{mark} ", style), Piece(first, style)], *([Piece(f"    {line}", style)] for line in rest)]


def command(text: str, what: str = "") -> Line:
    """What to type, on a line of its own that is never wrapped, and what that does."""
    return [Piece("    -> "), Piece(text, "heading"), *([Piece(f"     {what}")] if what else [])]
