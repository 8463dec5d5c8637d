"""Writes what was asked for: a file that exists is replaced whole or not at all, ``-`` is standard output."""

import os
import stat
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from naived.process.streams import OutputError

STDOUT = Path("-")


def check(path: Path) -> None:
    """Raise OutputError if this file certainly cannot be written; said before hours of work, not after."""
    if path == STDOUT:
        return
    try:
        _check(path)
    except OSError as error:  # a directory that may not be searched, a name too long, links in a circle
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def _check(path: Path) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):
        path.stat()
    folder = _target(path).parent
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a directory; name a file in it")
    if not folder.is_dir():
        raise OutputError(f"cannot write {path}: there is no directory {folder}; make it first")
    if not os.access(folder if _replaceable(path) else path, os.W_OK):
        raise OutputError(f"cannot write {path}: permission denied")


def write(path: Path, fill: Callable[[TextIO], object]) -> None:
    """Let ``fill`` write the text of this file; raises OutputError."""
    try:
        if path == STDOUT:
            fill(sys.stdout)
            sys.stdout.flush()
        elif _replaceable(path):
            _replace(_target(path), fill)
        else:
            with path.open("w", encoding="utf-8", newline="") as file:  # /dev/null, a pipe
                fill(file)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def _target(path: Path) -> Path:
    """Behind links: what they point to is replaced, not they."""
    return Path(os.path.realpath(path))


def _replaceable(path: Path) -> bool:
    """Is it a file, or not there?"""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def _replace(path: Path, fill: Callable[[TextIO], object]) -> None:
    number, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
            os.fchmod(number, _mode(path))
            fill(file)
            file.flush()
            os.fsync(number)
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise


def _mode(path: Path) -> int:
    """Of the file that is replaced, or what a new one would have."""
    with suppress(OSError):
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask
