"""The limits of the account as a person reads them: how much room there is, and what a fall would do."""

from collections.abc import Iterable
from decimal import Decimal

from naivectl import cells
from naivectl.cells import NONE, Line, Piece, field
from naivectl.client import Document
from naivectl.grid import grid
from naivectl.header import command, halted_words, paragraph
from naivectl.paint import Medium

_TITLES = ("LIMIT", "SET", "NOW", "ROOM", "")
_NUMBERS = ("SET", "NOW", "ROOM", "TIED UP", "LOST")
_FALLS = ("ALL FALL BY", "TIED UP", "LOST", "STOPPED BY")
_HALTS = "At max-daily-loss nothing is bought until 00:00 UTC, at max-drawdown until a resume. Sells go on."
_NONE_SET = "naivectl limits --max-exposure 2000 --max-daily-loss 100"


def limits_screen(medium: Medium, document: Document, now: float, room: int) -> list[Line]:
    """The answer of `limits`; ``now`` is wall-clock seconds."""
    known, worst = document["now"], document.get("worst") or {}
    currency = medium.clean(known.get("currency"))
    places = cells.money_decimals(max(_amounts(document), default=None))
    lines: list[Line] = [[Piece("Limits of the account", "heading"), Piece(f", in {currency}.")]]
    rows = _limits(document["limits"], known, places)
    drawn = grid(_TITLES, rows, _NUMBERS, room)
    if any(cells.length(line) > room for line in drawn):  # what it is goes before a figure
        drawn = grid(_TITLES[:-1], [row[:-1] for row in rows], _NUMBERS, room)
    lines += drawn
    if document["limits"].get("max_daily_loss") or document["limits"].get("max_drawdown"):
        lines += [[Piece(line, "past")] for line in cells.wrap(_HALTS, room)]
    halt = document.get("halt")
    if isinstance(halt, dict):
        text = f"HALTED {halted_words(medium, halt, now)}. Nothing is bought, sells go on."
        lines += [*paragraph("~", "attention", text, room), command("naivectl resume")]
    for each in known.get("doubtful") or ():
        name, why = medium.clean(each["symbol"]), medium.clean(each["reason"])
        lines += paragraph("~", "attention", f"{name} neither trips nor releases a limit now: {why}.", room)
    falls = worst.get("falls") or ()
    if any(field(each, "tied_up") for each in falls):
        lines += [[], [Piece("If all prices fell together, as every symbol is set now:")]]
        lines += grid(_FALLS, [_fall(medium, each, places) for each in falls], _NUMBERS, room)
        told = "LOST is what selling everything then would lose. Without a stop-loss naived holds it."
        lines += [[Piece(line, "past")] for line in cells.wrap(told, room)]
    if worst.get("unpriced"):
        names = ", ".join(map(medium.clean, worst["unpriced"]))
        lines += paragraph(
            "~", "attention", f"Not counted in full, as no price or no rules are known: {names}.", room
        )
    if not any(document["limits"].values()):
        lines.append(command(_NONE_SET))
    return lines


def _amounts(document: Document) -> Iterable[Decimal]:
    """What decides how many decimals are shown."""
    for part in (document["limits"], document["now"]):
        yield from (amount for name in part if (amount := field(part, name)) is not None)


def _limits(set_: Document, now: Document, places: int) -> list[list[Piece]]:
    exposure, free = field(now, "exposure"), field(now, "free_quote")
    peak = cells.gain(field(now, "peak"), places)
    reserve = field(set_, "reserve")
    return [
        _row("max-exposure", field(set_, "max_exposure"), exposure, "held at cost + live buys", places),
        [
            Piece("reserve"),
            *_set(reserve, places),
            Piece(cells.fixed(free, places)),
            _room(None if free is None or reserve is None else free - reserve, places),
            Piece("free money", "past"),
        ],
        _row("max-daily-loss", field(set_, "max_daily_loss"), field(now, "loss_today"), _DAY, places),
        _row("max-drawdown", field(set_, "max_drawdown"), field(now, "drawdown"), f"since the peak {peak}", places),
    ]


_DAY = "since 00:00 UTC"


def _row(name: str, limit: Decimal | None, used: Decimal | None, what: str, places: int) -> list[Piece]:
    left = None if limit is None or used is None else limit - used
    return [
        Piece(name),
        *_set(limit, places),
        Piece(cells.fixed(used, places)),
        _room(left, places),
        Piece(what, "past"),
    ]


def _set(limit: Decimal | None, places: int) -> list[Piece]:
    return [Piece("not set", "past") if limit is None else Piece(cells.fixed(limit, places))]


def _room(left: Decimal | None, places: int) -> Piece:
    """None of it is what keeps naived from buying."""
    if left is None:
        return Piece(NONE, "past")
    return Piece(cells.fixed(max(left, Decimal(0)), places), "attention" if left <= 0 else "")


def _fall(medium: Medium, each: Document, places: int) -> list[Piece]:
    stopped = ", ".join(map(medium.clean, each.get("stopped_by") or ()))
    return [
        Piece(cells.percent(each.get("fall")).rjust(len("ALL FALL BY"))),
        Piece(cells.fixed(field(each, "tied_up"), places)),
        Piece(cells.fixed(field(each, "loss"), places), "wrong" if field(each, "loss") else ""),
        Piece(stopped, "past"),
    ]
