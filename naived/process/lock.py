"""The lock of a home: only one naived at a time. The kernel releases it when its process ends, even by a crash."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from naived.process.config import ConfigError

_NAME = "naived.lock"
_PID = 20  # bytes, more than any pid has digits


class LockedError(Exception):
    """Another naived uses this home."""


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold the home's lock; raises LockedError, or ConfigError if the file cannot be locked.

    The file stays when the lock is released: by then another process may hold a lock on it. The pid in it is only
    information for people.
    """
    path = home / _NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"cannot open the lock {path}: {error.strerror}") from error
    try:
        _take(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError as error:
        holder = os.pread(descriptor, _PID, 0).decode("ascii", "replace").strip()
        raise LockedError(
            f"another naived (pid {holder or 'unknown'}) has the home {path.parent}; "
            "stop it, or choose another --home"
        ) from error
    except OSError as error:
        raise ConfigError(f"cannot take the lock {path}: {error.strerror}") from error
