"""The rows of ``naived check``: what was looked at, what was found, what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from naived.process.config import NoRoomError

_OK, _FAILED, _MISCONFIGURED = 0, 1, 78


class Status(StrEnum):
    OK = "ok"
    WARNED = "warned"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Row:
    """One check. ``todo`` is empty where nothing is to be done.

    ``unusable``: it failed, and ``naived run`` would refuse to start for it with exit code 78.
    """

    name: str
    status: Status
    found: str
    todo: str = ""
    unusable: bool = False

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """Name, status, found, to do: each one printable line, whatever a file or an exchange said."""
        return (printable(self.name), str(self.status), printable(self.found), printable(self.todo))

    def document(self) -> dict[str, Any]:
        return dict(zip(("name", "status", "found", "todo"), self.cells, strict=True))


def ok(name: str, found: str, todo: str = "") -> Row:
    return Row(name, Status.OK, found, todo)


def warned(name: str, found: str, todo: str) -> Row:
    return Row(name, Status.WARNED, found, todo)


def failed(name: str, found: str, todo: str, *, unusable: bool = False) -> Row:
    return Row(name, Status.FAILED, found, todo, unusable)


def refused(name: str, error: Exception, otherwise: str) -> Row:
    """The row for what a start would refuse with this error, and tell to do, or else what is to do ``otherwise``.

    A disk without room is no wrong configuration: another start may succeed.
    """
    found, todo = told(error, otherwise)
    return failed(name, found, todo.removeprefix("Mend it with: "), unusable=not isinstance(error, NoRoomError))


def skipped(name: str, found: str, todo: str = "") -> Row:
    return Row(name, Status.SKIPPED, found, todo)


def exit_code(rows: Iterable[Row]) -> int:
    """78 if naived could not start as it is configured, 1 if anything else failed."""
    bad = [row for row in rows if row.status is Status.FAILED]
    if any(row.unusable for row in bad):
        return _MISCONFIGURED
    return _FAILED if bad else _OK


def printable(text: str) -> str:
    """The text on one line; a character that could move the cursor or turn the line is escaped."""
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)


def told(error: Exception, otherwise: str) -> tuple[str, str]:
    """An error's text as what was found and what to do: the rest of it, or what is to be done ``otherwise``."""
    text = " ".join(str(error).split())
    found, stop, todo = text.partition(". ")
    return (found, todo) if stop else (text, otherwise)
