"""The lock of a directory: only one naived at a time.

The kernel releases it when its process ends, even by a crash.
"""

import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from naived.control.protocol import LOCK
from naived.process.config import ConfigError, refused_by_system

_PID = re.compile(rb"[0-9]{0,20}\n?")
_MOST = 32  # bytes read of a file that may not be ours; a pid has fewer
_TRIES = 5  # a `naivectl` that looks whether the lock is held holds it for microseconds
_PAUSE = 0.02  # seconds between two


_HOME_TAKEN = "another naived (pid {pid}) has the home {directory}; stop it, or choose another --home"


class LockedError(ConfigError):
    """Another naived uses this directory."""

    exit_code: ClassVar[int] = 69


@contextmanager
def locked(directory: Path, name: str = LOCK, taken: str = _HOME_TAKEN) -> Iterator[None]:
    """Hold the lock of this name; raises LockedError, or ConfigError if the file cannot be locked or is not a lock.

    ``taken`` says that another naived holds it. The file stays when the lock is released: by then another process
    may hold a lock on it. The pid in it is only information for people. A file that another program wrote, or a
    link to one, stays as it is.
    """
    path = directory / name
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        if path.is_symlink():
            raise ConfigError(f"cannot open the lock {path}: it is a link; remove it") from error
        raise refused_by_system(f"cannot open the lock {path}: {error.strerror}", error) from error
    try:
        _take(descriptor, path, taken)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, taken: str) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        raise ConfigError(f"{path} is not a file of ours, so it cannot be the lock; move it away")
    holder = os.pread(descriptor, _MOST, 0)
    if not _PID.fullmatch(holder):
        raise ConfigError(f"{path} holds something else than the pid of a naived; move it away")
    try:
        if not _is_locked(descriptor):
            pid = holder.decode().strip() or "unknown"
            raise LockedError(taken.format(pid=pid, directory=path.parent))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        raise refused_by_system(f"cannot take the lock {path}: {error.strerror}", error) from error


def _is_locked(descriptor: int) -> bool:
    """Lock the file, if no other naived holds it."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(_PAUSE)
    return False
