"""The standard streams, which may be closed at the start, on a full disk, or a pipe that nobody reads any more.

The standard library alone: ``cli/main.py`` uses it before anything else is imported.
"""

import errno
import os
import sys
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class OutputError(Exception):
    """What cannot be written, and why."""


def guard() -> None:
    """From now on what stdout does not take is an OutputError, and what stderr does not take is lost."""
    _fill_closed()
    sys.stdout = _over(_Stdout, sys.stdout)
    sys.stderr = _over(_Stderr, sys.stderr)


def _fill_closed() -> None:
    """Open /dev/null for a closed stream: the next opened file would get its number.

    For stdout it is open for reading, so that to write to it is the error that it is for a closed one.
    The number stays taken, whatever becomes of the stream.
    """
    for name, mode, flags in (
        ("stdin", "r", os.O_RDONLY),
        ("stdout", "w", os.O_RDONLY),
        ("stderr", "w", os.O_WRONLY),
    ):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.open(os.devnull, flags), mode, closefd=False))  # noqa: SIM115


class _Stdout(FileIO):
    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            written: int | None = super().write(data)
            if written is None:  # nobody reads what is in a pipe that does not wait
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            return written
        except OSError as error:
            # What is still buffered would fail again when Python ends, with an exit code of its own.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            raise OutputError(f"cannot write to standard output: {error.strerror}") from error


class _Stderr(FileIO):
    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            written: int | None = super().write(data)
        except OSError:
            written = None
        return memoryview(data).nbytes if written is None else written


def _over(raw: type[FileIO], old: TextIO) -> TextIOWrapper:
    """A stream that writes to the same descriptor through ``raw``; what its encoding lacks is escaped."""
    file = BufferedWriter(raw(old.fileno(), "w", closefd=False))
    return TextIOWrapper(file, old.encoding, "backslashreplace", line_buffering=bool(old.line_buffering))
