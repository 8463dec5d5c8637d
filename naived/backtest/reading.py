"""Files of trades to columns: out of the cache, or parsed, several files in processes of their own."""

import ctypes
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from naived.backtest import cache as kept
from naived.backtest import children
from naived.backtest.columns import Columns, Progress, TapeError, index
from naived.backtest.parse import Memory, parse
from naived.backtest.seams import File, counted

_WORTH_PROCESSES = 8 << 20  # bytes: parsed in about the time that a process needs to start
_PAUSE = 0.2  # seconds between two words of progress

Numbers: TypeAlias = "ctypes.Array[ctypes.c_int64]"
_numbers: Numbers  # in a process that parses: its part of what all tell of their progress


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A file that was parsed. It is in the cache if ``file`` is None; ``why`` says why another is not."""

    file: File | None
    why: str = ""


class _Stopped(Exception):
    """Another file failed, so this one is not needed."""


class _Gauge:
    """Bytes and rows of each file, and at the end whether to stop; in memory that processes may share."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def of(self, number: int) -> Callable[[int, int], None]:
        """What the reader of a file calls."""

        def advance(done: int, rows: int) -> None:
            self._numbers[2 * number], self._numbers[2 * number + 1] = done, rows
            if self._numbers[-1]:
                raise _Stopped

        return advance

    def stop(self) -> None:
        self._numbers[-1] = 1

    def progress(self, total: int) -> Progress:
        return Progress(sum(self._numbers[:-1:2]), total, sum(self._numbers[1:-1:2]))


def opened(paths: Sequence[Path], cache: Path) -> dict[Path, File]:
    """The files that the cache has."""
    return {path: file for path in paths if (file := kept.opened(cache, path)) is not None}


def parsed(
    paths: Sequence[Path],
    cache: Path | None,
    jobs: int,
    progress: Callable[[Progress], None],
    warnings: list[str],
) -> dict[Path, File]:
    """Parse files, into the cache if there is one; raises TapeError. What cannot be kept is a warning."""
    total = sum(path.stat().st_size for path in paths)
    apart = min(jobs, len(paths)) > 1 and total >= _WORTH_PROCESSES
    read = _apart(paths, cache, jobs, total, progress) if apart else _here(paths, cache, total, progress)
    reasons = Counter(one.why for one in read if one.why)
    for why, count in reasons.items():
        warnings.append(f"the columns of {counted(count, 'file')} are not kept, and parsed again next time: {why}")
    return {path: one.file or _shared(cache, path) for path, one in zip(paths, read, strict=True)}


def _shared(cache: Path | None, path: Path) -> File:
    """What another process put into the cache; parsed once more if it is gone again."""
    file = kept.opened(cache, path) if cache is not None else None
    return file or _in_memory(path, lambda done, rows: None)


def _here(
    paths: Sequence[Path], cache: Path | None, total: int, progress: Callable[[Progress], None]
) -> list[_Parsed]:
    gauge = _Gauge((ctypes.c_int64 * (2 * len(paths) + 1))())
    parsed = []
    for number, path in enumerate(paths):
        advance = gauge.of(number)

        def told(done: int, rows: int, advance: Callable[[int, int], None] = advance) -> None:
            advance(done, rows)
            progress(gauge.progress(total))

        parsed.append(_parsed(path, cache, told))
    return parsed


def _apart(
    paths: Sequence[Path], cache: Path | None, jobs: int, total: int, progress: Callable[[Progress], None]
) -> list[_Parsed]:
    """The same in processes."""
    numbers = children.CONTEXT.RawArray(ctypes.c_int64, 2 * len(paths) + 1)
    gauge = _Gauge(numbers)
    with ProcessPoolExecutor(
        min(jobs, len(paths)), mp_context=children.CONTEXT, initializer=_begin, initargs=(numbers,)
    ) as pool:
        try:
            with children.no_interrupt():
                futures = [pool.submit(_task, number, path, cache) for number, path in enumerate(paths)]
            waiting = set(futures)
            while waiting:
                done, waiting = wait(waiting, _PAUSE, FIRST_EXCEPTION)
                for future in done:
                    future.result()
                progress(gauge.progress(total))
            return [future.result() for future in futures]
        except BrokenProcessPool as error:
            raise TapeError(
                "a process that parsed the tape was killed, perhaps for want of memory; try with fewer --jobs"
            ) from error
        finally:
            gauge.stop()
            pool.shutdown(wait=True, cancel_futures=True)


def _begin(numbers: Numbers) -> None:
    """The first thing that a process does."""
    global _numbers
    _numbers = numbers
    children.end_with_parent()


def _task(number: int, path: Path, cache: Path | None) -> _Parsed:
    parsed = _parsed(path, cache, _Gauge(_numbers).of(number))
    return parsed if parsed.why or cache is None else _Parsed(None)  # what is mapped is not sent


def _parsed(path: Path, cache: Path | None, advance: Callable[[int, int], None]) -> _Parsed:
    why = ""
    if cache is not None:
        try:
            return _Parsed(kept.stored(cache, path, advance))
        except kept.NotKept as error:
            why = str(error)
    return _Parsed(_in_memory(path, advance), why)


def _in_memory(path: Path, advance: Callable[[int, int], None]) -> File:
    (ids, prices, quantities, times), findings = parse(path, Memory, advance)
    return File(Columns(path, ids, prices, quantities, times, *index(prices), findings.tick), findings)
