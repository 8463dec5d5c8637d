"""Columns on the disk: parsed once, then mapped by every process that needs them.

    NAME-KEY.json           which source it is (size, times, sha256), what was found in it, the generation to open
    NAME-KEY-GENERATION/    ids.npy prices.npy quantities.npy times.npy low.npy high.npy
    NAME-KEY.lock           held by the process that makes a generation; others wait, then open what it made

KEY stands for the path of the source. A generation is written and flushed before the JSON that names it replaces
the one before: a reader sees one or the other. What a crash left behind has no name; the next writer removes it.
Mapped files stay readable then. What cannot be opened, or is not what the JSON says, is made again.
"""

import fcntl
import hashlib
import io
import mmap
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeAlias

import msgspec
import numpy as np

from naived.backtest.columns import BLOCK, Columns, Integers, TapeError, index
from naived.backtest.order import Findings
from naived.backtest.parse import Sinks, parse
from naived.backtest.seams import File

_VERSION = 1  # of the layout, and of what parsing makes of a file
_NAMES = ("ids", "prices", "quantities", "times", "low", "high")
_DTYPE = "<i8"
_BUFFER = 1 << 20  # bytes of each column written at once
_PAUSE = 0.05  # seconds between two tries for a lock
_GENERATION = re.compile(r"[0-9a-f]{1,32}")
_UNUSUAL = re.compile(r"[^\w-]+", re.ASCII)


class _Entry(msgspec.Struct, frozen=True):
    version: int
    source: str
    size: int
    mtime_ns: int
    sha256: str
    generation: str
    unit: str
    findings: Findings
    ctime_ns: int = 0  # a program that replaces a file may keep all of the others


class NotKept(Exception):
    """The columns cannot be kept; the reason."""


def opened(directory: Path, path: Path) -> File | None:
    """The columns of a source, mapped; None if they are not there, or not those of the source as it is now."""
    place = _place(directory, path)
    try:
        entry = msgspec.json.decode(place.with_suffix(".json").read_bytes(), type=_Entry)
        status = path.stat()
        if entry.version != _VERSION or status.st_size != entry.size:
            return None
        columns = _mapped(place, entry, path)
        mtime, ctime = status.st_mtime_ns, status.st_ctime_ns
        if (mtime, ctime) != (entry.mtime_ns, entry.ctime_ns):
            if _sha256(path) != entry.sha256:
                return None
            with suppress(OSError):
                _name(place, msgspec.structs.replace(entry, mtime_ns=mtime, ctime_ns=ctime))
    except (OSError, ValueError, msgspec.MsgspecError):
        return None
    return File(columns, entry.findings)


Fill: TypeAlias = Callable[[Path, Sinks, Callable[[int, int], None]], tuple[tuple[Integers, ...], Findings]]


def stored(directory: Path, path: Path, advance: Callable[[int, int], None], fill: Fill = parse) -> File:
    """Parse a source into the cache, unless another process does so meanwhile; raises NotKept and TapeError."""
    place = _place(directory, path)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _locked(place, lambda: advance(0, 0)):
            return opened(directory, path) or _made(place, path, advance, fill)
    except OSError as error:
        raise NotKept(f"{error.strerror or error} ({error.filename or directory})") from error


def _place(directory: Path, path: Path) -> Path:
    """The path of what belongs to a source, without the endings."""
    key = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]
    return directory / f"{_UNUSUAL.sub('_', path.name)[:80]}-{key}"


def _made(place: Path, path: Path, advance: Callable[[int, int], None], fill: Fill) -> File:
    _sweep(place)
    folder = place.with_name(f"{place.name}-{os.urandom(6).hex()}")
    folder.mkdir()
    try:
        before = path.stat()
        (_, prices, _, _), findings = fill(path, partial(Growing, folder), advance)
        with Growing(folder, _NAMES[4:]) as grown:
            grown.append(index(prices))
            grown.finish()
        digest = _sha256(path)
        after = path.stat()
        if before.st_ino == after.st_ino and before.st_size < after.st_size:
            raise NotKept(f"{path.name} grew while it was read")  # `naived record` writes it
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise TapeError(f"{path} changed while it was read; try again when it is whole")
        entry = _Entry(
            _VERSION,
            str(path.resolve()),
            after.st_size,
            after.st_mtime_ns,
            digest,
            folder.name.removeprefix(f"{place.name}-"),
            _unit(findings),
            findings,
            after.st_ctime_ns,
        )
        columns = _mapped(place, entry, path)
        _flush(folder)
        _name(place, entry)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _sweep(place)
    return File(columns, findings)


def _unit(findings: Findings) -> str:
    if not findings.microseconds:
        return "ms"
    return "us" if findings.microseconds >= findings.rows else "mixed"


class Growing:
    """Columns as ``.npy`` files that grow; a scratch has other names, and is gone when it is left."""

    def __init__(self, folder: Path, names: Sequence[str], *, scratch: bool = False) -> None:
        self._paths = [folder / f"{'scratch-' * scratch}{name}.npy" for name in names]
        self._scratch = scratch
        self._rows = 0
        self._files: list[BinaryIO] = []

    def __enter__(self) -> Self:
        for path in self._paths:
            file = path.open("wb", buffering=_BUFFER)
            self._files.append(file)
            file.write(_header(0))
        return self

    def append(self, columns: Sequence[Integers]) -> None:
        for file, column in zip(self._files, columns, strict=True):
            file.write(np.ascontiguousarray(column, _DTYPE).data)
        self._rows += len(columns[0])

    def finish(self) -> tuple[Integers, ...]:
        for file in self._files:
            file.seek(0)
            file.write(_header(self._rows))
            file.flush()
            os.fsync(file.fileno())
        return tuple(_array(path, self._rows) for path in self._paths)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files:
            with suppress(OSError):  # a full disk was reported by what was written before
                file.close()
        if self._scratch:
            for path in self._paths:
                path.unlink(missing_ok=True)


def _mapped(place: Path, entry: _Entry, path: Path) -> Columns:
    """The columns that an entry names; raises ValueError or OSError if they are not what it says."""
    if not _GENERATION.fullmatch(entry.generation):
        raise ValueError("no name of a generation")
    folder = place.with_name(f"{place.name}-{entry.generation}")
    found = entry.findings
    if found.rows < 1:
        raise ValueError("no trades")
    blocks = -(-found.rows // BLOCK)
    sizes = (found.rows,) * 4 + (blocks,) * 2
    arrays = [_array(folder / f"{name}.npy", size) for name, size in zip(_NAMES, sizes, strict=True)]
    ids, prices, quantities, times, low, high = arrays
    for block in (0, blocks - 1):
        some = prices[block * BLOCK : (block + 1) * BLOCK]
        if (low[block], high[block]) != (some.min(), some.max()):
            raise ValueError("an index of other prices")
    if (ids[0], ids[-1]) != (found.first_id, found.last_id):
        raise ValueError("other ids")
    return Columns(path, ids, prices, quantities, times, low, high, found.tick)


def _array(path: Path, rows: int) -> Integers:
    """A mapped column of so many rows; raises ValueError or OSError if the file is anything else."""
    header = _header(rows)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if os.fstat(descriptor).st_size != len(header) + 8 * rows:
            raise ValueError(f"{path} is cut off, or of another length")
        content = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)
    if content[: len(header)] != header:
        raise ValueError(f"{path} is no column of {rows} rows")
    return np.frombuffer(content, _DTYPE, offset=len(header))


@cache
def _header(rows: int) -> bytes:
    """What numpy writes before a column: as long for any number of rows, since it leaves room for a larger one."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": _DTYPE, "fortran_order": False, "shape": (rows,)})
    return file.getvalue()


def _name(place: Path, entry: _Entry) -> None:
    """Make the generation of an entry the one that is opened."""
    written = place.with_suffix(f".{entry.generation}")
    try:
        with written.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(entry)))
            file.flush()
            os.fsync(file.fileno())
        written.replace(place.with_suffix(".json"))
        _flush(place.parent)
    except BaseException:
        written.unlink(missing_ok=True)
        raise


def _sweep(place: Path) -> None:
    """Remove the generations of a source that its entry does not name; only the holder of the lock may."""
    try:
        named = msgspec.json.decode(place.with_suffix(".json").read_bytes(), type=_Entry).generation
    except (OSError, msgspec.MsgspecError):
        named = ""
    for folder in place.parent.glob(f"{place.name}-*"):
        if folder.name != f"{place.name}-{named}":
            shutil.rmtree(folder, ignore_errors=True)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(place: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a source; ``wait`` is called between tries. The kernel releases it when its holder ends."""
    with place.with_suffix(".lock").open("ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                wait()
                time.sleep(_PAUSE)
        yield
