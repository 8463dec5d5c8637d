"""The files of an SQLite database: whose they are before we open them, and that they stay the same afterwards.

SQLite follows links, opens any file, and makes its tables in the database of another program. It goes on writing to
files that were deleted, moved or replaced: those commits would be lost at a restart. A new connection would create
an empty file beside the old write-ahead log, or an empty log, and so discard the last commits.
"""

import os
import re
import sqlite3
import stat
import threading
import time
import weakref
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from naived.ports import JournalError

_WAL = "-wal"
_LOGS = (_WAL, "-shm")  # they live while a connection is open
_JOURNAL = "-journal"
_BESIDE = (*_LOGS, _JOURNAL)
_OUR_TABLES = frozenset({"alembic_version", "deployment"})
# Lines of these pragmas about a row that a person changed: the file itself is whole.
_OF_A_ROW = re.compile(r"(NULL value|CHECK constraint failed|datatype mismatch|non-\w+ value) in .*")
_DAMAGED = ("malformed", "file is not a database", "disk image")  # in SQLite's messages

_CHECKED = 32 * 1024 * 1024  # bytes: checked in a tenth of a second; a start must not take longer with the history

_STEPS = 10_000  # of SQLite's machine between two looks at the clock: some milliseconds

_LEAST = 512  # bytes, the smallest page; SQLite takes a shorter file for an empty one

_Identity = tuple[int, int]


class NotOursError(Exception):
    """The file must not be opened; the message says why and what to do."""


class DamagedError(Exception):
    """The file is a damaged database, or none; the message is SQLite's."""


class TooLargeError(Exception):
    """There was no time to look at all of the file."""


def is_damage(text: str) -> bool:
    """Does a message of SQLite mean that the file itself is broken?"""
    return any(known in text for known in _DAMAGED)


def claim(path: Path) -> None:
    """Make the file (0600) if there is none; else make it private, once it is known to be ours.

    Raises NotOursError, DamagedError, OSError, sqlite3.Error. A file that is not ours is left as it is: its bytes,
    its mode.
    """
    _check_files(path)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        pass
    else:
        os.close(descriptor)
        return
    _check_tables(path)
    if path.lstat().st_mode & 0o077:
        # By path: closing a file descriptor would drop the POSIX locks of all our connections to the file.
        path.chmod(0o600)


def look_at(path: Path) -> bool:
    """Judge the file as ``claim`` does, and change nothing; False if there is none.

    Raises NotOursError, DamagedError, OSError, sqlite3.Error.
    """
    _check_files(path)
    if not path.exists():
        return False
    _check_tables(path)
    return True


def damage(path: Path, within: float) -> str | None:
    """What is wrong in the file, in SQLite's words; its indexes too, at which a start does not look.

    Raises TooLargeError where that takes more than ``within`` seconds, and sqlite3.Error.
    """
    last = time.monotonic() + within
    with closing(connect_to_read(path)) as connection:
        connection.set_progress_handler(lambda: time.monotonic() > last, _STEPS)
        try:
            return _broken(connection, "integrity_check")
        except sqlite3.OperationalError as error:
            if time.monotonic() > last:
                raise TooLargeError from error
            raise


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that changes no file; without a log beside the database it does not make one either."""
    log = Path(f"{path}{_WAL}")
    alone = not (log.exists() and log.stat().st_size)
    mode = "mode=ro&immutable=1" if alone else "mode=ro"
    return sqlite3.connect(f"file:{quote(os.fsencode(path))}?{mode}", uri=True, isolation_level=None)


def _check_files(path: Path) -> None:
    # The database last: a naived that begins one just now makes it before its logs.
    sizes = {suffix: _checked_size(Path(f"{path}{suffix}")) for suffix in (*_BESIDE, "")}
    # SQLite throws these logs away. A -journal beside an empty file is that of the first change, which it undoes.
    for suffix in {None: (_WAL, _JOURNAL), 0: (_WAL,)}.get(sizes[""], ()):
        if sizes[suffix]:
            raise NotOursError(
                f"{path}{suffix} holds commits of a database that is gone; put that back, or move the log away to "
                "begin a new one"
            )
    if sizes[""] and sizes[_WAL] and not _is_logged(path):
        raise NotOursError(
            f"{path}{_WAL} is the log of another file: a copy was put in its place. Move {path}{_WAL} and "
            f"{path}-shm away, or put back the file that they belong to"
        )


def _is_logged(path: Path) -> bool:
    """Does its header say that commits are in a log? That of what ``VACUUM INTO`` made does not."""
    with path.open("rb") as file:
        return file.read(_LEAST)[18:20] == b"\2\2"


def _check_tables(path: Path) -> None:
    tables = _checked_tables(path)
    if tables and not tables >= _OUR_TABLES:
        raise NotOursError(f"it has tables of another program, {min(tables)!r} for one")


def _checked_size(path: Path) -> int | None:
    """Bytes, None where nothing is; raises NotOursError for what is no file of our user."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(status.st_mode):
        raise NotOursError(f"{path} is a link; name the file itself")
    if not stat.S_ISREG(status.st_mode):
        raise NotOursError(f"{path} is not a regular file")
    if status.st_uid != os.geteuid():
        raise NotOursError(f"{path} belongs to another user")
    return status.st_size


def _checked_tables(path: Path) -> set[str]:
    """The names of the tables, read without changing a byte; raises DamagedError, sqlite3.Error.

    A file that is not too large is checked as a whole, with what is in its log.
    """
    if 0 < path.stat().st_size < _LEAST:
        raise DamagedError("file is not a database")
    try:
        with closing(connect_to_read(path)) as connection:
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            if path.stat().st_size <= _CHECKED:
                broken = _broken(connection, "quick_check")
                if broken is not None:
                    raise DamagedError(broken)
            return {name for (name,) in rows}
    except sqlite3.DatabaseError as error:
        if is_damage(str(error)):
            raise DamagedError(str(error)) from error
        raise


def _broken(connection: sqlite3.Connection, pragma: str) -> str | None:
    """The first line of ``pragma`` about the file itself."""
    for (text,) in connection.execute(f"PRAGMA {pragma}"):
        if text != "ok" and not _OF_A_ROW.fullmatch(text):
            return " ".join(text.split())
    return None


class FileConnection(sqlite3.Connection):
    """A connection that tells its ``SqliteFile`` when it is closed, and counts no more when it is forgotten."""

    file: "SqliteFile | None" = None

    def close(self) -> None:
        super().close()
        if self.file is not None:
            self.file.closed(self)


class SqliteFile:
    """A path, and the identities of the files that its first connection found or made there."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._database: _Identity | None = None
        self._logs: dict[str, _Identity] = {}  # by suffix
        self._connections = weakref.WeakSet[FileConnection]()
        self._lock = threading.Lock()  # writer and readers are threads

    def opened(self, connection: FileConnection) -> None:
        """Call after each new connection: the first one remembers the files."""
        with self._lock:
            connection.file = self
            self._connections.add(connection)
            if self._database is None:
                self._database = _identity(self._path)
            self._learn()

    def closed(self, connection: FileConnection) -> None:
        """A connection was closed: SQLite itself removes the logs with the last one."""
        with self._lock:
            self._connections.discard(connection)

    def check(self) -> None:
        """Raises JournalError if a file was replaced or is gone."""
        with self._lock:
            if self._database is None:
                return
            if not self._connections:
                self._logs.clear()
            self._learn()
            expected = {"": self._database, **self._logs}
        for suffix, identity in expected.items():
            if _identity(f"{self._path}{suffix}") != identity:
                raise JournalError(
                    f"the database {self._path}{suffix} was replaced, moved or deleted while naived had it open: "
                    "nothing more is written. Put it back, or start naived again to go on with what is there"
                )

    def _learn(self) -> None:
        if not self._connections:
            return
        for suffix in _LOGS:
            found = _identity(f"{self._path}{suffix}")
            if suffix not in self._logs and found is not None:
                self._logs[suffix] = found

    @property
    def only_logs_are_gone(self) -> bool:
        """Is the database itself in its place, and no other log?"""
        with self._lock:
            logs = dict(self._logs)
        return _identity(self._path) == self._database and all(
            _identity(f"{self._path}{suffix}") in (None, known) for suffix, known in logs.items()
        )


def _identity(path: str) -> _Identity | None:
    with suppress(OSError):
        found = os.stat(path)
        return found.st_dev, found.st_ino
    return None
