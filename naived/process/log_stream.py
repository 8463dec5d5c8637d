"""Writes the log to stderr from a thread of its own: whoever takes it may stop, and naived goes on.

A terminal that is held (Ctrl-S, a marked text), a pager, the log driver of a container or a full journal takes
nothing more, and a write to it waits until it does. Lines wait here meanwhile, up to a limit; what comes beyond it
is counted and told as soon as there is room. The standard library alone: what complains without the logs uses it.
"""

import atexit
import logging
import os
import select
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Protocol, TextIO

_ROOM = 4 << 20  # bytes that may wait: some twenty thousand lines
_PATIENCE = 1.0  # seconds without progress after which an end does not wait for the reader
_LONGEST = 3.0  # seconds for which it waits for one that takes slowly


class Stream(Protocol):
    """The part of a text file that records are written to."""

    def write(self, text: str, /) -> int: ...

    def flush(self) -> None: ...

    def isatty(self) -> bool: ...


class LogStream:
    """A stream whose ``write`` never waits; what was written before ``drain`` is out when that returns True."""

    def __init__(self, file: TextIO, room: int = _ROOM) -> None:
        file.flush()
        self.file = file
        self._fd = os.dup(file.fileno())  # the number may be given to another file while the thread still writes
        self._room = room
        self._changed = threading.Condition()
        self._lines = deque[bytes]()
        self._waiting = 0  # bytes, those of the line that is being written too
        self._lost = 0
        self._thread: threading.Thread | None = None

    def write(self, text: str, /) -> int:
        line = text.encode(self.file.encoding, "backslashreplace")
        with self._changed:
            if self._waiting and self._waiting + len(line) > self._room:
                self._lost += 1
                return len(text)
            self._lines.append(line)
            self._waiting += len(line)
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
        return len(text)

    def flush(self) -> None:
        """Nothing: that would wait. See ``drain``."""

    def isatty(self) -> bool:
        return self.file.isatty()

    def drain(self, patience: float = _PATIENCE, longest: float = _LONGEST) -> bool:
        """Wait until all is written, as long as something is within each ``patience``; returns whether it is."""
        end = time.monotonic() + longest
        with self._changed:
            while before := self._waiting:
                left = min(patience, end - time.monotonic())
                if not self._changed.wait_for(lambda before=before: self._waiting < before, left):  # type: ignore[misc]
                    return False
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
                line = self._lines.popleft()
            with suppress(OSError):  # a full disk, a reader that has gone: this line is lost
                self._put(line)
            with self._changed:
                self._waiting -= len(line)
                lost, self._lost = (0, self._lost) if self._waiting else (self._lost, 0)
                self._changed.notify_all()
            if lost:
                # Without our lock: the handler of the log holds its own when it writes.
                logging.getLogger(__name__).warning("the log was not taken for a while: %d records are lost", lost)

    def _put(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # somebody else made this terminal non-blocking
                poll = select.poll()
                poll.register(self._fd, select.POLLOUT)
                poll.poll()


_standard: LogStream | None = None


def standard() -> Stream:
    """stderr, never waited for; as it is where it has no descriptor."""
    global _standard
    if _standard is None or _standard.file is not sys.stderr:
        try:
            _standard = LogStream(sys.stderr)
        except (OSError, ValueError):
            return sys.stderr
    return _standard


@atexit.register
def drain() -> None:
    """Before an end: give what waits a moment to be written."""
    if _standard is not None:
        _standard.drain()
