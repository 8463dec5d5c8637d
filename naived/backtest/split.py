"""A tape in two parts by time: settings are chosen on the first and looked at again on the second."""

from collections.abc import Sequence

import numpy as np

from naived.backtest.columns import Columns, index
from naived.backtest.tape import Tape
from naived.core.amount import SCALE, Rate

_LEAST = 24 * 60 * 60 * 1000  # ms of the shorter part, below which a tape is not split unasked
DEFAULT_SHARE = Rate(SCALE * 7 // 10)


def moment(tape: Tape, share: Rate) -> int:
    """When (ms) the second part begins if the first has this share of the time."""
    began, ended = _period(tape)
    at: int = began + (ended - began) * share // SCALE
    return at


def worth_splitting(tape: Tape) -> bool:
    """Would both parts last a day at the default share?"""
    began, ended = _period(tape)
    at = moment(tape, DEFAULT_SHARE)
    return min(at - began, ended - at) >= _LEAST


def cut(tape: Tape, at: int) -> tuple[Tape | None, Tape | None]:
    """The trades before ``at`` (ms), and the rest; None for a part without trades."""
    before: list[Columns] = []
    after: list[Columns] = []
    for part in tape.parts:
        place = int(np.searchsorted(part.times, at))
        if place:
            before.append(part if place == len(part.ids) else _slice(part, 0, place))
        if place < len(part.ids):
            after.append(part if not place else _slice(part, place, len(part.ids)))
    return _tape(tape, before), _tape(tape, after)


def _tape(tape: Tape, parts: Sequence[Columns]) -> Tape | None:
    return Tape(tape.symbol, tuple(parts), ()) if parts else None


def _slice(part: Columns, start: int, stop: int) -> Columns:
    """A part of the columns, which stay mapped; only its index is made anew, in memory."""
    prices = part.prices[start:stop]
    rows = slice(start, stop)
    return Columns(
        part.source, part.ids[rows], prices, part.quantities[rows], part.times[rows], *index(prices), part.tick
    )


def _period(tape: Tape) -> tuple[int, int]:
    return int(tape.parts[0].times[0]), int(tape.parts[-1].times[-1])
