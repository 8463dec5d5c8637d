"""Progress of a long command on stderr: one line that changes on a terminal, now and then a line in a pipe.

Nothing is shown of what ends soon, no thread is started, and no cursor is hidden: Ctrl-C ends the process at once.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from naived.backtest.figures import count, span

_SOON = 0.5  # seconds: what ends before shows nothing on a terminal
_DRAW = 0.1  # seconds between two drawings
_FIRST_LINE, _LAST_LINE = (
    10.0,
    600.0,
)  # seconds to the first line in a pipe, twice as long to each next one, at most
_ERASE = "\r\x1b[K"


class Meter:
    """Told how much of a stage is done; ``end`` takes its line away."""

    def __init__(self, file: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = sys.stderr if file is None else file
        self._clock = clock
        self._terminal = self._file.isatty() and os.environ.get("TERM") != "dumb"
        self._stage = ""
        self._began = self._next = 0.0
        self._pause = _FIRST_LINE
        self._drawn = False

    def tell(self, stage: str, done: int, total: int, trades: int) -> None:
        """``done`` of ``total`` (bytes, or trades) are behind, which were ``trades`` in this stage."""
        now = self._clock()
        if stage != self._stage:
            if not self._stage:
                self._next = now + (_SOON if self._terminal else _FIRST_LINE)
            self._stage, self._began = stage, now
        if now < self._next:
            return
        seconds = now - self._began
        rate = trades / seconds if seconds > 0 else 0.0
        left = seconds * (total - done) / done if done else None
        share = min(1.0, done / total) if total else 1.0
        with suppress(OSError):  # of a terminal that is gone; what is found is still written
            if self._terminal:
                self._next = now + _DRAW
                self._draw(share, rate, left)
            else:
                self._pause = min(_LAST_LINE, self._pause * 2)
                self._next = now + self._pause
                self._file.write(f"naived: {stage}: {int(share * 100)} %, {_pace(rate)}, {_left(left)}\n")
                self._file.flush()

    def end(self) -> None:
        """Nothing more comes; what is printed next begins a line."""
        if self._drawn:
            self._drawn = False
            with suppress(OSError):
                self._file.write(_ERASE)
                self._file.flush()

    def _draw(self, share: float, rate: float, left: float | None) -> None:
        from rich.console import Console  # deferred: it is drawn of long runs only
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        console = Console(file=self._file)
        line = Table.grid(padding=(0, 1), expand=False)
        for _ in range(4):
            line.add_column(no_wrap=True)
        line.add_column(no_wrap=True, overflow="crop")
        bar = ProgressBar(total=1.0, completed=share, width=max(5, min(24, console.width - 62)))
        line.add_row(self._stage, bar, f"{int(share * 100):3} %", _pace(rate), _left(left))
        with console.capture() as drawn:
            console.print(line, crop=True, end="")
        self._file.write(_ERASE + drawn.get().splitlines()[0].rstrip())
        self._file.flush()
        self._drawn = True


def _pace(rate: float) -> str:
    return f"{count(int(rate))} trades/s"


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f"{span(int(seconds) * 1000)} left"
