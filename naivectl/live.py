"""The loop of `status --live`: keys, signals and what the daemon tells, in one thread; nothing here is waited for.

    selectors: signals' pipe, keyboard, stream, requests -> View.key, Board.take -> View.frame -> Screen.draw

At most two frames a second are drawn for news, and one at once after a key. A daemon that ends is waited for: its
last table stays, and the next one is found at the same path.
"""

import os
import selectors
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from naivectl.board import Board
from naivectl.client import Document, call
from naivectl.header import Moment
from naivectl.keys import PAUSE, Keys
from naivectl.link import STREAM, Link
from naivectl.paint import medium, painter
from naivectl.screen import Screen
from naivectl.view import View

_FRAME = 0.5  # seconds between frames that no key asked for
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT)
_KEYS, _CALLED = "keys", "signals"


def watch(sockets: Sequence[str], params: Document) -> int:
    """Draw until a person or a signal ends it; returns the exit code. Raises Failure, as when no daemon runs."""
    board = Board(medium())
    board.take(call(sockets, "status", params))
    symbols = list(board.rows)
    view = View(symbols[0] if len(params["symbols"]) == 1 and symbols else None)
    with selectors.DefaultSelector() as selector, _signals() as pipe, Screen() as screen:
        selector.register(pipe, selectors.EVENT_READ, _CALLED)
        return _Loop(Link(sockets, params, selector), board, view, screen, selector).run()


@contextmanager
def _signals() -> Iterator[int]:
    """A pipe that tells of each signal by its number; the handlers are put back at the end."""
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    wanted = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _nothing) for number in wanted}
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """The pipe tells of the signal."""


class _Loop:
    def __init__(
        self, link: Link, board: Board, view: View, screen: Screen, selector: selectors.BaseSelector
    ) -> None:
        self._link, self._board, self._view = link, board, view
        self._screen, self._selector = screen, selector
        self._paint = painter(board.medium)
        self._keys = Keys()
        self._next_frame = 0.0
        if screen.keyboard is not None:
            selector.register(screen.keyboard, selectors.EVENT_READ, _KEYS)

    def run(self) -> int:
        while not self._view.quit:
            self._link.connect()
            self._link.ask(self._view.wants())
            if time.monotonic() >= self._next_frame:
                self._draw()
            wait = PAUSE if self._keys.pending else max(0.0, self._next_frame - time.monotonic())
            ready = self._selector.select(wait)
            if not ready and self._keys.pending:
                self._press(self._keys.flush())
            for key, _ in ready:
                code = self._handle(key.data, key.fd)
                if code is not None:
                    return code
        return 0

    def _handle(self, source: str, descriptor: int) -> int | None:
        """Read what came; returns the exit code if that ends the view."""
        if source == _CALLED:
            for number in os.read(descriptor, 64):
                if (code := self._signalled(number)) is not None:
                    return code
        elif source == _KEYS:
            chunk = b""
            with suppress(OSError):  # EIO: the terminal is gone
                chunk = os.read(descriptor, 1024)
            if not chunk:
                return 128 + signal.SIGHUP
            self._press(self._keys.feed(chunk))
        elif source == STREAM:
            for document, whole in self._link.statuses():
                self._board.take(document, whole=whole)
        elif (answer := self._link.answer(source)) is not None:
            self._view.learn(source, answer)
            self._next_frame = 0.0
        return None

    def _press(self, names: Sequence[str]) -> None:
        for name in names:
            if name == "redraw":
                self._screen.forget()
            self._view.key(name)
        self._next_frame = 0.0

    def _signalled(self, number: int) -> int | None:
        if number == signal.SIGINT:
            return 0  # the normal way to leave a view
        if number in (signal.SIGTERM, signal.SIGHUP):
            return 128 + number
        if number == signal.SIGTSTP:
            self._screen.leave()
            handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTSTP)  # stops here until `fg`
            signal.signal(signal.SIGTSTP, handler)
            self._screen.enter()
        elif number == signal.SIGCONT:
            self._screen.enter()
        self._screen.forget()
        self._next_frame = 0.0
        return None

    def _draw(self) -> None:
        now, gone = time.monotonic(), self._link.gone
        moment = Moment(time.time(), now - self._link.heard, None if gone is None else now - gone)
        frame = self._view.frame(self._board, moment, *self._screen.size())
        self._screen.draw([self._paint(line) for line in frame])
        self._next_frame = now + _FRAME
