"""What a recording says of itself: a line at the bottom of a terminal, or a record of the log every minute."""

import shutil
from typing import Protocol

import structlog
import trio

from naived.process.log_stream import Stream
from naived.recorder.layout import clock_text
from naived.recorder.recording import Recording

_DRAW_EVERY = 0.5  # seconds
_LOG_EVERY = 60.0  # seconds
_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))

log = structlog.get_logger()


class Shown(Protocol):
    def show(self, text: str) -> None: ...


class StatusLine:
    """A stream to a terminal that keeps one line below all that is written to it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._text = ""

    def write(self, text: str, /) -> int:
        self._stream.write(f"\r\x1b[K{text}" if self._text else text)
        if text.endswith("\n"):
            self._draw()
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def show(self, text: str) -> None:
        """Change the line; empty: take it away."""
        if text == self._text:
            return
        if self._text:
            self._stream.write("\r\x1b[K")
        self._text = text
        self._draw()
        self._stream.flush()

    def _draw(self) -> None:
        width = shutil.get_terminal_size().columns
        self._stream.write(self._text[: width - 1])


def line(recording: Recording) -> str:
    """How a recording is, in one line."""
    tally = recording.writer.tally
    parts = [
        _count(len(recording.tracks), "symbol"),
        _count(tally.trades, "trade"),
        f"last {clock_text(tally.last)}" if tally.last else "none yet",
        _count(tally.gaps, "gap"),
        _size(tally.size),
    ]
    asking = sum(track.asking is not None for track in recording.tracks.values())
    if asking:
        parts.append(f"{_count(asking, 'gap')} being filled")
    if recording.dropped:
        parts.append(f"{recording.dropped:,} dropped")
    if recording.writer.trouble is not None:
        parts.append(f"{recording.writer.waiting:,} wait: {recording.writer.trouble}")
    return " · ".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _size(size: int) -> str:
    for least, unit in _UNITS:
        if size >= least:
            return f"{size * 10 // least / 10} {unit}"
    return f"{size} B"


async def report(recording: Recording, shown: Shown | None) -> None:
    """Until cancelled: on a terminal always, else in the log."""
    while True:
        if shown is not None:
            shown.show(line(recording))
            await trio.sleep(_DRAW_EVERY)
            continue
        await trio.sleep(_LOG_EVERY)
        tally = recording.writer.tally
        log.info(
            "recorded",
            symbols=len(recording.tracks),
            trades=tally.trades,
            last=clock_text(tally.last) if tally.last else None,
            gaps=tally.gaps,
            bytes=tally.size,
            doubles=recording.doubles,
            dropped=recording.dropped,
            waiting=recording.waiting,
        )
