"""The files of one symbol, in a thread: how far an earlier run came, and appending. Raises OSError.

Only whole lines are appended: what a full disk took half of is cut off again, and the end that a crash has torn is
cut off at the next start.
"""

import errno
import gzip
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

import structlog

from naived.process.config import ConfigError
from naived.recorder.layout import (
    GAPS_HEADER,
    Gap,
    Trade,
    day_in,
    day_of,
    gap_line,
    gaps_name,
    outdated_name,
    read_gap,
    read_trade,
    trades_name,
)

_CHUNK = 1 << 16  # bytes read at once from the end of a file
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW

Read = TypeVar("Read")

log = structlog.get_logger()


class UnreadableRecordingError(Exception):
    """A file of the directory is not what record writes; the message names it."""


@dataclass(frozen=True, slots=True)
class Found:
    """``last`` is the last whole trade, None if there is none; ``known``: there are files of the symbol."""

    last: Trade | None
    known: bool


def find(directory: Path, symbol: str) -> Found:
    """How far the recording of a symbol came; cuts torn ends of what is ours. Raises UnreadableRecordingError."""
    gaps = directory / gaps_name(symbol)
    files = sorted(_files(directory, symbol), key=lambda each: (each[0], each[1].suffix == ".csv"), reverse=True)
    for _, path in files:
        last = _cut_torn(path, partial(_parsed, path)) if path.suffix == ".csv" else _last_packed(path)
        if last is not None:
            _take_back(gaps, last)
            return Found(last, True)
    return Found(None, bool(files) or gaps.exists())


def _files(directory: Path, symbol: str) -> Iterator[tuple[int, Path]]:
    for path in directory.iterdir():
        day = day_in(path.name, symbol)
        if day is not None and (path.suffix == ".csv" or path.is_file()):
            yield day, path


def _parsed(path: Path, line: str) -> Trade:
    try:
        return read_trade(line)
    except ValueError as error:
        raise UnreadableRecordingError(
            f"{path} does not end with a trade ({error}); move it away, or record into another directory"
        ) from error


def _last_packed(path: Path) -> Trade | None:
    """The last trade of a file that was compressed since."""
    try:
        with _unpacked(path) as file:
            line = b""
            for each in file:
                line = each
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise UnreadableRecordingError(f"{path} cannot be read to its end ({error}); move it away") from error
    return _parsed(path, line.decode("utf-8", "replace")) if line else None


@contextmanager
def _unpacked(path: Path) -> Iterator[Iterable[bytes]]:
    if path.suffix == ".gz":
        with gzip.open(path) as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".csv")]
        if len(names) != 1:
            raise ValueError(f"it holds {len(names)} .csv files, not one")
        with archive.open(names[0]) as file:
            yield file


def _cut_torn(path: Path, read: Callable[[str], Read]) -> Read | None:
    """What the last whole line is, None if there is none; what is behind it is cut off once the line is read."""
    if path.is_symlink():
        raise UnreadableRecordingError(f"{path} is a link; move it away, or record into another directory")
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        end = _line_end_before(file, size)
        begin = _line_end_before(file, end - 1)
        file.seek(begin)
        line = file.read(end - begin).decode("utf-8", "replace")
        found = read(line) if line else None
        if end < size:
            file.truncate(end)
            os.fsync(file.fileno())
            log.warning("a torn line is cut off", file=str(path), bytes=size - end)
        return found


def _line_end_before(file: IO[bytes], position: int) -> int:
    """Where the last line that ends before a position ends, 0 if none does."""
    while position > 0:
        begin = max(0, position - _CHUNK)
        file.seek(begin)
        found = file.read(position - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        position = begin
    return 0


def _take_back(path: Path, last: Trade) -> None:
    """Cut off a gap behind the last trade: no trade behind it was written, so it is asked for again."""
    if not path.exists():
        return
    gap = _cut_torn(path, read_gap)
    if gap is not None and gap.from_id == last.id + 1 and gap.to_id >= gap.from_id:
        os.truncate(path, path.stat().st_size - len(gap_line(gap)))


class Tape:
    """Appends to the files of one symbol; ``day`` is that of the file that is open, or of the last trade.

    ``follow`` makes sure of the directory before a file is opened in it; raises ConfigError.
    """

    def __init__(
        self, directory: Path, symbol: str, last: Trade | None, follow: Callable[[], None] = lambda: None
    ) -> None:
        self.day = -1 if last is None else day_of(last.time)
        self._directory = directory
        self._follow = follow
        self._symbol = symbol
        self._file: _Appended | None = None

    @property
    def unsynced(self) -> bool:
        return self._file is not None and self._file.unsynced

    def append(self, day: int, lines: bytes) -> None:
        """Append whole lines to a day's file; all or none of them."""
        if self._file is None or day != self.day:
            self.close()
            self._file = self._opened(trades_name(self._symbol, day))
            self.day = day
        self._file.append(lines)

    def gap(self, gap: Gap) -> None:
        """Write a gap down, durably: the trades behind it come later."""
        if gap.to_id < gap.from_id:
            self._put_aside(gap.from_id - 1)
        if self._file is not None:
            self._file.sync()  # the next start looks for a gap behind the last trade alone
        file = self._opened(gaps_name(self._symbol))
        try:
            file.append((b"" if file.size else GAPS_HEADER.encode()) + gap_line(gap).encode())
            file.sync()
        finally:
            file.close()

    def sync(self) -> None:
        """Make all that was appended durable; a file that was moved away is left, and begun anew."""
        if self._file is not None:
            self._file.sync()
            if self._file.moved:
                log.warning("a file was moved away while it was written", file=str(self._file.path))
                self.close()

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.sync()
            finally:
                file.close()

    def _opened(self, name: str) -> "_Appended":
        try:
            self._follow()
        except ConfigError as error:
            raise OSError(errno.EBUSY, str(error)) from error
        return _Appended(self._directory / name)

    def _put_aside(self, last_id: int) -> None:
        """The ids began again: what the day has so far gets another name, so that each file has rising ids."""
        self.close()
        path = self._directory / trades_name(self._symbol, self.day)
        with suppress(FileNotFoundError):
            path.rename(self._directory / outdated_name(self._symbol, self.day, last_id))
            _sync_directory(self._directory)


class _Appended:
    """One file that is appended to; ``size`` counts whole lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, _APPEND, 0o666)
        try:
            self.size = os.fstat(self._descriptor).st_size
            if not self.size:
                _sync_directory(path.parent)
        except OSError:
            os.close(self._descriptor)
            raise
        self.unsynced = False
        self._torn = False

    @property
    def moved(self) -> bool:
        """Has the path another file now, or none?"""
        try:
            return not os.path.samestat(self.path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return True

    def append(self, lines: bytes) -> None:
        self._mend()
        written = 0
        try:
            while written < len(lines):
                written += os.write(self._descriptor, memoryview(lines)[written:])
        except OSError:
            self._torn = written > 0
            with suppress(OSError):
                self._mend()
            raise
        self.size += written
        self.unsynced = True

    def _mend(self) -> None:
        """Cut off what was written of lines that were not written whole."""
        if self._torn:
            os.ftruncate(self._descriptor, self.size)
            self._torn = False

    def sync(self) -> None:
        if self.unsynced:
            os.fsync(self._descriptor)
            self.unsynced = False

    def close(self) -> None:
        os.close(self._descriptor)


def _sync_directory(directory: Path) -> None:
    """A file that was made or renamed is there after a power cut too."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
