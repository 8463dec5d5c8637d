"""Is the file at its path still the one that was opened?

SQLite goes on writing to a file that was deleted, moved or replaced, and nobody would find it after a restart; and
a connection made anew would create an empty one, next to a log whose last commits it then throws away.
"""

import os

from naived.ports import JournalError


class SqliteFile:
    """One path, and which file was there when it was first connected to."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._opened: tuple[int, int] | None = None

    def opened(self) -> None:
        """A connection to what is at the path now has been made."""
        if self._opened is None:
            self._opened = self._found()

    def check(self) -> None:
        """Raises JournalError if another file is there, or none."""
        if self._opened is not None and self._found() != self._opened:
            raise JournalError(
                f"the database {self._path} was replaced, moved or deleted while naived had it open: "
                "nothing more is written. Put it back, or start naived again to go on with what is there"
            )

    def _found(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino
