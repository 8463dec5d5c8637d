"""Asks the disk: can a file be made where a start needs one, is there room, how long does a write take?

Nothing stays: a file that is made to try has no name, or loses it at once.
"""

import errno
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from naived.check.rows import Row, failed, ok, refused, warned
from naived.process.config import ConfigError, refused_by_system

_WRITES = 5  # of which the middle one counts
_SLOW_SYNC = 0.1  # seconds: each order waits for one
_LEAST_SPACE = 64 * 2**20  # bytes
_LITTLE_SPACE = 2**30  # bytes
_LEAST_INODES = 100
_WRITER = 120  # the byte of SQLite's -shm that whoever writes has locked
_COMMIT = 1.0  # seconds
_PAUSE = 0.05  # seconds between two looks
_BESIDE = ("-wal", "-shm")  # a daemon opens them with their database


def is_there(path: Path) -> bool:
    """Is there anything of this name, if only a link? Raises ConfigError where there can be nothing."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}. Name another path") from error
    return True


def check_room(directory: Path, home: Path) -> bool:
    """Raise ConfigError unless a file can be made in the directory; False: naived makes it first, with its home."""
    if home.is_relative_to(directory) and not is_there(directory):
        return False
    with _made(directory):
        return True


def check_file(path: Path, home: Path) -> None:
    """Raise ConfigError unless naived can write to the file, or make one that is missing, and others beside it."""
    if check_room(path.parent, home):
        _check_access(path)
        check_logs(path)


def check_logs(path: Path) -> None:
    """Raise ConfigError unless SQLite can write to what it left beside a database."""
    for suffix in _BESIDE:
        _check_access(Path(f"{path}{suffix}"))


def held(path: Path) -> str | None:
    """What to say of another program that holds an SQLite database to write to it, longer than a commit takes.

    Asked as the home's lock is: shared, for microseconds. Not of a file that this process has open: to close its
    index here would end our own locks.
    """
    last = time.monotonic() + _COMMIT
    try:
        with open(f"{path}-shm", "rb") as index:  # SQLite has a writer's lock there, in WAL mode
            while True:
                try:
                    fcntl.lockf(index, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, _WRITER)
                    return None
                except (BlockingIOError, PermissionError):
                    if time.monotonic() >= last:
                        return f"another program holds {path} to write to it. End its transaction, or it"
                    time.sleep(_PAUSE)
    except OSError:
        return None  # there is none, or the file system locks no files: other checks tell


def _check_access(path: Path) -> None:
    if not is_there(path):
        return
    if not path.is_file():
        raise ConfigError(f"{path} is not a regular file. Move it away")
    if not os.access(path, os.R_OK | os.W_OK):
        raise ConfigError(f"{path} cannot be written to. Mend it with: chmod 600 {path}")


@contextmanager
def _made(directory: Path) -> Iterator[int]:
    """A file of a page, open; raises ConfigError, also for what the system refuses to it later."""
    try:
        descriptor = _open(directory)
        try:
            os.pwrite(descriptor, b"\0" * 4096, 0)
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as error:
        raise refused_by_system(f"no file can be made in {directory}: {error.strerror}", error) from error


def _open(directory: Path) -> int:
    try:
        # Outside Linux there is no such flag, and a directory cannot be opened to write.
        return os.open(directory, getattr(os, "O_TMPFILE", 0) | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL):
            raise
        descriptor, name = tempfile.mkstemp(prefix=".naived-check-", dir=directory)
        with suppress(FileNotFoundError):
            os.unlink(name)
        return descriptor


def disk(path: Path) -> list[Row]:
    """Room on the home's disk, and how long it takes to make a write durable. Needs an existing directory."""
    try:
        space = os.statvfs(path)
    except OSError as error:
        return [failed("disk space", f"{path}: {error.strerror}", "see that the disk is there")]
    free, inodes = space.f_bavail * space.f_frsize, space.f_favail
    text = f"{free / 2**30:.1f} GiB free"
    todo = f"free some of the disk of {path}"
    if free < _LEAST_SPACE or (space.f_files and inodes < _LEAST_INODES):
        rows = [failed("disk space", f"{text}, {inodes} inodes", todo)]
    else:
        rows = [warned("disk space", text, todo) if free < _LITTLE_SPACE else ok("disk space", text)]
    return [*rows, _sync(path)]


def _sync(path: Path) -> Row:
    try:
        taken = sync_time(path)
    except ConfigError as error:
        return refused("disk writes", error, f"see that {path} can be written to")
    text = f"a write is durable after {taken * 1000:.1f} ms"
    if taken > _SLOW_SYNC:
        return warned("disk writes", text, "each order waits for one: use a faster disk")
    return ok("disk writes", text)


def sync_time(path: Path) -> float:
    """Seconds that a page takes to the disk; raises ConfigError."""
    with _made(path) as descriptor:
        taken = []
        for number in range(_WRITES):
            began = time.perf_counter()
            os.pwrite(descriptor, b"\0" * 4096, number * 4096)
            os.fsync(descriptor)
            taken.append(time.perf_counter() - began)
        return sorted(taken)[_WRITES // 2]
