"""The terminal of a live view: its modes, its size, and frames of which only the lines that differ are written.

`Screen` is a context manager that gives the terminal back as it was, however it is left. Lines are not wrapped, and
each is erased before it is written: to erase behind one that ends in the last column would take its last character.
"""

import os
import shutil
import sys
import termios
import tty
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"  # the alternate screen, without cursor and wrapping
_LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"  # the terminal shows what is between them at once


class Screen:
    def __init__(self) -> None:
        self._out = sys.stdout.fileno()
        self.keyboard = sys.stdin.fileno() if sys.stdin.isatty() else None
        self._modes: list[Any] | None = None
        self._shown: list[str] = []
        self._all = True

    def __enter__(self) -> "Screen":
        sys.stdout.flush()
        try:
            self.enter()
        except BaseException:
            self.leave()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def enter(self) -> None:
        """Take the terminal; all is drawn again."""
        if self.keyboard is not None:
            if self._modes is None:
                self._modes = termios.tcgetattr(self.keyboard)
            tty.setcbreak(self.keyboard, termios.TCSADRAIN)  # what was typed before is read too
        self._write(_ENTER)
        self.forget()

    def leave(self) -> None:
        """Give the terminal back as it was; it may be gone."""
        with suppress(OSError):
            self._write(_LEAVE)
        if self.keyboard is not None and self._modes is not None:
            with suppress(termios.error):
                termios.tcsetattr(self.keyboard, termios.TCSADRAIN, self._modes)
            self._modes = None

    def forget(self) -> None:
        """Draw all lines of the next frame."""
        self._all = True

    def size(self) -> tuple[int, int]:
        """Columns and lines. A terminal that does not know its own is as large as the environment says."""
        with suppress(OSError):
            columns, lines = os.get_terminal_size(self._out)
            if columns > 0 and lines > 0:
                return columns, lines
        return shutil.get_terminal_size()

    def draw(self, lines: Sequence[str]) -> None:
        """Show a frame, in one write."""
        before = [] if self._all else self._shown
        changed = [
            f"\x1b[{number};1H\x1b[2K{line}"
            for number, line in enumerate(lines, 1)
            if number > len(before) or before[number - 1] != line
        ]
        parts = "".join(changed)
        if self._all:
            parts = f"\x1b[2J{parts}"
        elif len(before) > len(lines):
            parts += f"\x1b[{len(lines) + 1};1H\x1b[0J"
        if parts:
            self._write(f"{_BEGIN}{parts}{_END}")
        self._shown, self._all = list(lines), False

    def _write(self, text: str) -> None:
        data = text.encode(sys.stdout.encoding or "ascii", "backslashreplace")
        while data:
            data = data[os.write(self._out, data) :]
