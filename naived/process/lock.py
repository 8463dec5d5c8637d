"""The lock of a directory: only one naived at a time.

The kernel releases it when its process ends, even by a crash.
"""

import fcntl
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from naived.control.protocol import LOCK
from naived.process.config import ConfigError, refused_by_system

_PID = re.compile(rb"[0-9]{0,20}\n?")
_MOST = 32  # bytes read of a file that may not be ours; a pid has fewer
_TRIES = 5  # a `naivectl` that looks whether the lock is held holds it for microseconds
_PAUSE = 0.02  # seconds between two


_LEDGER_TAKEN = "another simulator (pid {pid}) has the ledger {of}; stop it, or choose another ledger"
_HOME_TAKEN = "another naived (pid {pid}) has the home {directory}; stop it, or choose another --home"


class LockedError(ConfigError):
    """Another naived uses this directory."""

    exit_code: ClassVar[int] = 69


@contextmanager
def locked(directory: Path, name: str = LOCK, taken: str = _HOME_TAKEN) -> Iterator[int]:
    """Hold the lock of this name, a descriptor.

    Raises LockedError, or ConfigError if the file cannot be locked or is not a lock.

    ``taken`` says that another naived holds it. The file stays when the lock is released: by then another process
    may hold a lock on it. The pid in it is only information for people. A file that another program wrote, or a
    link to one, stays as it is.
    """
    path = directory / name
    with lock_file(path, os.O_CREAT) as (descriptor, pid):
        try:
            if not _is_locked(descriptor):
                raise LockedError(
                    taken.format(pid=pid or "unknown", directory=path.parent, of=path.with_suffix(""))
                )
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise refused_by_system(f"cannot take the lock {path}: {error.strerror}", error) from error
        yield descriptor


@contextmanager
def ledger_locked(ledger: Path | None) -> Iterator[None]:
    """Hold the lock beside a simulator's ledger, if there is one: two would overwrite each other's orders.

    Raises as ``locked`` does.
    """
    with ExitStack() as held:
        if ledger is not None:
            file = ledger.resolve()
            held.enter_context(locked(file.parent, f"{file.name}.lock", _LEDGER_TAKEN))
        yield


@contextmanager
def followed(directory: Path, name: str, taken: str) -> Iterator[Callable[[], None]]:
    """As ``locked``; what it yields locks the directory that has the path by now, and raises as ``locked`` does.

    One that was moved away stays locked too.
    """
    with ExitStack() as held:
        descriptor = held.enter_context(locked(directory, name, taken))

        def follow() -> None:
            nonlocal descriptor
            with suppress(OSError):
                if os.path.samestat((directory / name).stat(), os.fstat(descriptor)):
                    return
            descriptor = held.enter_context(locked(directory, name, taken))

        yield follow


@contextmanager
def lock_file(path: Path, make: int = 0) -> Iterator[tuple[int, int | None]]:
    """The file of a lock, as a descriptor, and the pid in it. ``make``: O_CREAT makes one that is missing.

    Raises ConfigError if it cannot be opened, or is not a lock of ours.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | make
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        if os.path.islink(path):
            raise ConfigError(f"cannot open the lock {path}: it is a link. Remove it") from error
        raise refused_by_system(f"cannot open the lock {path}: {error.strerror}", error) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise ConfigError(f"{path} is not a file of ours, so it cannot be the lock. Move it away")
        holder = os.pread(descriptor, _MOST, 0)
        if not _PID.fullmatch(holder):
            raise ConfigError(f"{path} holds something else than the pid of a naived. Move it away")
        yield descriptor, int(holder) if holder.strip() else None
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    """Lock the file, if no other naived holds it."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(_PAUSE)
    return False
