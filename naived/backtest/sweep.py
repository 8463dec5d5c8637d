"""Many points over one tape, in whatever process: what is sent to a worker, and what it does.

A worker gets the paths of the tape's files, what tells that they are the same ones, and settings, never the trades:
it maps them from the cache that the first reader of the files filled. It keeps them mapped for its next batch.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from naived.backtest import point, split
from naived.backtest.point import Halves, Outcome, Terms
from naived.backtest.tape import Tape, TapeError, cache_directory, load
from naived.core.strategy.settings import Settings


class SweepError(Exception):
    """The sweep cannot go on; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file as the sweep found it: bytes, when it was changed (ns since 1970), its hash if one was asked for."""

    path: Path
    size: int
    modified: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Recording:
    """A tape that a worker can open. ``cut`` is when (ms) its second part begins, None if it has one part.

    ``cache`` is where its columns are kept, None for nowhere. ``elsewhere``: the worker may be on another machine,
    so it uses its own cache, and the files must have the same hash; else the same size and time of change.
    """

    symbol: str
    sources: tuple[Source, ...]
    cache: Path | None
    cut: int | None
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """All that the points of one sweep have in common."""

    recording: Recording
    terms: Terms


@dataclass(frozen=True, slots=True)
class Done:
    """The outcomes of a batch, in its order, and the seconds that they took, without those for opening the tape."""

    outcomes: tuple[Outcome, ...]
    seconds: float


def source(path: Path, *, hashed: bool) -> Source:
    """Look at a file; raises SweepError."""
    try:
        found = path.stat()
        return Source(path.absolute(), found.st_size, found.st_mtime_ns, _sha256(path) if hashed else None)
    except OSError as error:
        raise SweepError(f"{path} cannot be read: {error.strerror}") from error


def run(job: Job, batch: Sequence[Settings]) -> Done:
    """Run a batch in this process; raises SweepError and TapeError."""
    halves = _opened(job.recording)
    began = time.perf_counter()
    outcomes = tuple(point.run(halves, settings, job.terms) for settings in batch)
    return Done(outcomes, time.perf_counter() - began)


def halved(tape: Tape, cut: int | None) -> Halves:
    """The part that settings are chosen on, and the rest; raises SweepError if one has no trades."""
    if cut is None:
        return tape, None
    first, rest = split.cut(tape, cut)
    if first is None or rest is None:
        raise SweepError("one part of the tape has no trades; give another --split, or --split none")
    return first, rest


@lru_cache(maxsize=1)
def _opened(recording: Recording) -> Halves:
    """The tape of a sweep, checked and mapped once in each process."""
    for wanted in recording.sources:
        _check(wanted, elsewhere=recording.elsewhere)
    cache = recording.cache
    if cache is not None and recording.elsewhere:
        cache = cache_directory()
    paths = [each.path for each in recording.sources]
    try:
        return halved(load(recording.symbol, paths, cache=cache, jobs=1), recording.cut)
    except TapeError as error:
        raise SweepError(str(error)) from error


def _check(wanted: Source, *, elsewhere: bool) -> None:
    found = source(wanted.path, hashed=elsewhere)
    if elsewhere and found.sha256 != wanted.sha256:
        raise SweepError(
            f"{wanted.path} is another file here: its sha256 is {found.sha256}, that of the sweep {wanted.sha256}; "
            "copy the file to each worker, under the same path"
        )
    if not elsewhere and (found.size, found.modified) != (wanted.size, wanted.modified):
        raise SweepError(
            f"{wanted.path} has changed since the sweep began; run it again, on a copy if it is being written"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
