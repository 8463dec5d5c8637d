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
    ordered = sorted(files, key=lambda file: (file.findings.first_id, -file.findings.last_id))
    warnings = [line for file in ordered for line in _found(file)]
    parts: list[_Part] = []
    for file in ordered:
        if file.findings.kind != ordered[0].findings.kind:
            raise TapeError(
                f"{ordered[0].columns.source} is a file of {ordered[0].findings.kind}, "
                f"{file.columns.source} one of {file.findings.kind}; take one kind: an aggregate adds up trades"
            )
        part = _Part(file.columns, file.findings.first_trade, file.findings.last_trade)
        if parts and part.columns.ids[0] <= parts[-1].columns.ids[-1] and not _is_renumbered(parts[-1], part, file):
            _overlap(parts, part, warnings)
            continue
        if parts:
            _follow(parts[-1], part, warnings)
        parts.append(part)
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


def _is_renumbered(last: _Part, part: _Part, file: File) -> bool:
    """Does a file begin with other trades under the id that the file before ended with? Some days do."""
    same = last.columns.ids[-1] == part.columns.ids[0]
    return bool(same and file.findings.kind == str(Kind.AGGREGATES) and part.first_trade == last.last_trade + 1)


def _follow(last: _Part, part: _Part, warnings: list[str]) -> None:
    """What is between the end of the last part and the next one."""
    before, after = last.columns, part.columns
    _check_times(before, after)
    missing = part.first_trade - last.last_trade - 1
    if missing < 0:
        raise TapeError(
            f"{after.source} begins with trade {part.first_trade}, but {before.source} ends with trade "
            f"{last.last_trade}; download both again"
        )
    if after.ids[0] == before.ids[-1]:
        warnings.append(f"{after.source.name}: 1 row with the id of another and other trades, kept")
    elif missing or after.ids[0] > before.ids[-1] + 1:
        warnings.append(
            f"{before.source.name}, {after.source.name}: between them {_are(missing, 'trade')} missing, "
            f"after id {before.ids[-1]}"
        )


def _check_times(before: Columns, after: Columns) -> None:
    if after.times[0] < before.times[-1]:
        raise TapeError(
            f"{after.source} has higher ids than {before.source} and earlier times; "
            "are both files of one symbol? leave one of them out"
        )


def _overlap(parts: list[_Part], part: _Part, warnings: list[str]) -> None:
    """Take of ``part`` what no other part has; what another has must be the same."""
    begin = 0
    for other in parts:
        end = int(np.searchsorted(part.columns.ids, other.columns.ids[-1], side="right"))
        if begin < end:
            _share(other, part.columns, slice(begin, end), warnings)
            begin = end
    if begin < len(part.columns.ids):  # its own gaps have been told
        rest = _arrays(part.columns, slice(begin, None))
        tail = Columns(part.columns.source, *rest, *index(rest[1]), part.columns.tick)
        _check_times(parts[-1].columns, tail)
        parts.append(_Part(tail, part.first_trade, part.last_trade))


def _share(part: _Part, other: Columns, rows: slice, warnings: list[str]) -> None:
    """Add rows of ``other`` that ``part`` has not, all of them before its end."""
    columns = part.columns
    some = _arrays(other, rows)
    places = np.searchsorted(columns.ids, some[0])
    both = columns.ids[places] == some[0]
    for ours, theirs in zip(_arrays(columns, places[both]), (column[both] for column in some), strict=True):
        if not np.array_equal(ours, theirs):
            number = int(some[0][both][np.argmax(ours != theirs)])
            raise TapeError(
                f"{columns.source} and {other.source} both have id {number}, with different contents; "
                "download both again, or leave one of them out"
            )
    dropped = int(np.count_nonzero(both))
    if dropped:
        repeated = f"{counted(dropped, 'row')} that {columns.source.name} has too"
        warnings.append(f"{other.source.name}: {repeated}, dropped")
    if dropped < len(both):
        part.columns = _merged(columns, tuple(column[~both] for column in some))
        filled = counted(len(both) - dropped, "row")
        warnings.append(f"{other.source.name}: {filled} put into gaps of {columns.source.name}")


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
