"""Files of one tape, put in order of their ids: what lies between two of them, and what two of them both have."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from naived.backtest.columns import Columns, Integers, TapeError, index
from naived.backtest.order import Findings
from naived.backtest.rows import Kind


@dataclass(frozen=True, slots=True)
class File:
    """The trades of a file, and what was found in it."""

    columns: Columns
    findings: Findings


@dataclass(slots=True)
class _Part:
    columns: Columns
    first_trade: int
    last_trade: int


def joined(files: Sequence[File]) -> tuple[tuple[Columns, ...], list[str]]:
    """The parts of a tape and what is to be said of them; raises TapeError where files contradict each other."""
    ordered = sorted(files, key=lambda file: (file.findings.first_id, file.findings.last_id))
    warnings = [line for file in ordered for line in _found(file)]
    parts: list[_Part] = []
    for file in ordered:
        if file.findings.kind != ordered[0].findings.kind:
            raise TapeError(
                f"{ordered[0].columns.source} is a file of {ordered[0].findings.kind}, "
                f"{file.columns.source} one of {file.findings.kind}; take one kind: an aggregate adds up trades"
            )
        part = _Part(file.columns, file.findings.first_trade, file.findings.last_trade)
        if not parts:
            parts.append(part)
            continue
        if part.columns.ids[0] <= parts[-1].columns.ids[-1]:
            _overlap(parts, part, file.findings.kind, warnings)
        else:
            _follow(parts, part, warnings)
    return tuple(part.columns for part in parts), warnings


def _found(file: File) -> list[str]:
    """What was put right in one file, counted."""
    found = file.findings
    lines = []
    if found.gaps:
        lines.append(
            f"{counted(found.gaps, 'gap')}, {_are(found.missing, 'trade')} missing, "
            f"the first after id {found.gap_after}"
        )
    if found.duplicates:
        lines.append(f"{counted(found.duplicates, 'row')} with trades that were there before, dropped")
    if found.disordered:
        lines.append(f"{counted(found.disordered, 'row')} behind a higher id, sorted")
    if found.withdrawn:
        lines.append(f"{counted(found.withdrawn, 'row')} that the exchange marked as invalid, dropped")
    if found.renumbered:
        lines.append(f"{counted(found.renumbered, 'row')} with the id of another and other trades, kept")
    return [f"{file.columns.source.name}: {line}" for line in lines]


def _follow(parts: list[_Part], part: _Part, warnings: list[str]) -> None:
    """Append what begins behind the end of the last part."""
    last = parts[-1]
    before, after = last.columns, part.columns
    if after.times[0] < before.times[-1]:
        raise TapeError(
            f"{after.source} has higher ids than {before.source} and earlier times; "
            "are both files of one symbol? leave one of them out"
        )
    missing = part.first_trade - last.last_trade - 1
    if missing < 0:
        raise TapeError(
            f"{after.source} begins with trade {part.first_trade}, but {before.source} ends with trade "
            f"{last.last_trade}; download both again"
        )
    if missing or after.ids[0] > before.ids[-1] + 1:
        warnings.append(
            f"{before.source.name}, {after.source.name}: between them {_are(missing, 'trade')} missing, "
            f"after id {before.ids[-1]}"
        )
    parts.append(part)


def _overlap(parts: list[_Part], part: _Part, kind: str, warnings: list[str]) -> None:
    """Take of ``part`` what the last part has not; what both have must be the same."""
    last = parts[-1]
    before, after = last.columns, part.columns
    if kind == str(Kind.AGGREGATES) and part.first_trade == last.last_trade + 1 and after.ids[0] == before.ids[-1]:
        # Other trades under the number that the day before ended with: published so at changes of day.
        warnings.append(f"{after.source.name}: 1 row with the id of another and other trades, kept")
        parts.append(part)
        return
    cut = int(np.searchsorted(after.ids, before.ids[-1], side="right"))
    head = _arrays(after, slice(None, cut))
    places = np.searchsorted(before.ids, head[0])
    both = before.ids[places] == head[0]
    for one, other in zip(_arrays(before, places[both]), (column[both] for column in head), strict=True):
        if not np.array_equal(one, other):
            number = int(head[0][both][np.argmax(one != other)])
            raise TapeError(
                f"{before.source} and {after.source} both have id {number}, with different contents; "
                "download both again, or leave one of them out"
            )
    dropped = int(np.count_nonzero(both))
    if dropped:
        warnings.append(
            f"{after.source.name}: {counted(dropped, 'row')} that {_have(dropped)} been read from "
            f"{before.source.name}, dropped"
        )
    if dropped < cut:
        last.columns = _merged(before, tuple(column[~both] for column in head))
        last.last_trade = max(last.last_trade, part.last_trade if cut == len(after.ids) else last.last_trade)
        warnings.append(f"{after.source.name}: {counted(cut - dropped, 'row')} in gaps of {before.source.name}")
    if cut < len(after.ids):
        ids, prices, quantities, times = _arrays(after, slice(cut, None))
        tail = Columns(after.source, ids, prices, quantities, times, *index(prices), after.tick)
        first = int(ids[0]) if kind == str(Kind.TRADES) else last.last_trade + 1
        _follow(parts, _Part(tail, first, part.last_trade), warnings)


def _arrays(columns: Columns, rows: slice | Integers) -> tuple[Integers, Integers, Integers, Integers]:
    return columns.ids[rows], columns.prices[rows], columns.quantities[rows], columns.times[rows]


def _merged(columns: Columns, more: tuple[Integers, ...]) -> Columns:
    """The trades of a part and more of them, in order of id, in memory."""
    ids = np.concatenate((columns.ids, more[0]))
    places = np.argsort(ids, kind="stable")
    arrays = [
        np.concatenate((column, extra))[places]
        for column, extra in zip(_arrays(columns, slice(None)), more, strict=True)
    ]
    times = arrays[3]
    if (times[1:] < times[:-1]).any():
        raise TapeError(
            f"rows that fill gaps of {columns.source} have other times there; leave one of the files out"
        )
    for array in arrays:
        array.flags.writeable = False
    tick = int(np.gcd.reduce(np.append(more[1], columns.tick)))
    return Columns(columns.source, arrays[0], arrays[1], arrays[2], times, *index(arrays[1]), tick)


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _are(number: int, noun: str) -> str:
    return f"{counted(number, noun)} {'is' if number == 1 else 'are'}"


def _have(number: int) -> str:
    return "has" if number == 1 else "have"
