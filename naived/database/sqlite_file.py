"""Checks that the database file at a path is still the one that was opened.

SQLite goes on writing to a file that was deleted, moved or replaced, and those commits would be lost at a restart.
A new connection would create an empty file beside the old write-ahead log, and discard that log's last commits.
"""

import os

from naived.ports import JournalError


class SqliteFile:
    """A path, and the identity of the file that was there at the first connection."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._opened: tuple[int, int] | None = None

    def opened(self) -> None:
        """Call after each new connection: the first one remembers the file."""
        if self._opened is None:
            self._opened = self._file_id()

    def check(self) -> None:
        """Raises JournalError if another file is at the path, or none."""
        if self._opened is not None and self._file_id() != self._opened:
            raise JournalError(
                f"the database {self._path} was replaced, moved or deleted while naived had it open: "
                "nothing more is written. Put it back, or start naived again to go on with what is there"
            )

    def _file_id(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino
