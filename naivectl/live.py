"""The loop of `status --live`: keys, signals and what the daemon tells, in one thread; nothing here is waited for.

    selectors: signals' pipe, keyboard, stream, requests -> View.key, Board.take -> View.frame -> Screen.draw

At most two frames a second are drawn for news, and one at once after a key. A daemon that ends is waited for: its
last table stays, and the next one is found at the same path.
"""

import os
import selectors
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from naivectl.board import Board
from naivectl.client import Document, Failure, call
from naivectl.feed import Feed, connect, passes
from naivectl.header import Moment
from naivectl.keys import PAUSE, Keys
from naivectl.paint import medium, painter
from naivectl.screen import Screen
from naivectl.view import View

_FRAME = 0.5  # seconds between frames that no key asked for
_AGAIN = 0.5  # seconds between two attempts to connect
_REFRESH = 2.0  # seconds between two requests for what the stream does not tell
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT)
_STREAM, _KEYS, _CALLED = "stream", "keys", "signals"


def watch(sockets: Sequence[str], params: Document) -> int:
    """Draw until a person or a signal ends it; returns the exit code. Raises Failure, as when no daemon runs."""
    board = Board(medium())
    board.take(call(sockets, "status", params))
    symbols = list(board.rows)
    view = View(symbols[0] if len(params["symbols"]) == 1 and symbols else None)
    with selectors.DefaultSelector() as selector, _signals() as pipe, Screen() as screen:
        selector.register(pipe, selectors.EVENT_READ, _CALLED)
        return _Loop(sockets, params, board, view, screen, selector).run()


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
        self,
        sockets: Sequence[str],
        params: Mapping[str, object],
        board: Board,
        view: View,
        screen: Screen,
        selector: selectors.BaseSelector,
    ) -> None:
        self._sockets, self._params = sockets, params
        self._board, self._view, self._screen, self._selector = board, view, screen, selector
        self._paint = painter(board.medium)
        self._keys = Keys()
        self._stream: Feed | None = None
        self._requests: dict[str, Feed] = {}
        self._asked: dict[str, float] = {}  # when each request was made
        self._heard = time.monotonic()
        self._gone: float | None = None
        self._next_attempt = self._next_frame = 0.0
        if screen.keyboard is not None:
            selector.register(screen.keyboard, selectors.EVENT_READ, _KEYS)

    def run(self) -> int:
        while not self._view.quit:
            self._connect()
            self._ask()
            if time.monotonic() >= self._next_frame:
                self._draw()
            wait = PAUSE if self._keys.pending else max(0.0, self._next_frame - time.monotonic())
            ready = self._selector.select(wait)
            if not ready and self._keys.pending:
                self._press(self._keys.flush())
            for key, _ in ready:
                code = self._handle(key.data)
                if code is not None:
                    return code
        return 0

    def _handle(self, source: str) -> int | None:
        """Read what came; returns the exit code if that ends the view."""
        if source == _CALLED:
            for number in os.read(self._selector_fd(source), 64):
                if (code := self._signalled(number)) is not None:
                    return code
        elif source == _KEYS:
            chunk = b""
            with suppress(OSError):  # EIO: the terminal is gone
                chunk = os.read(self._selector_fd(source), 1024)
            if not chunk:
                return 128 + signal.SIGHUP
            self._press(self._keys.feed(chunk))
        elif source == _STREAM:
            self._hear()
        else:
            self._answered(source)
        return None

    def _selector_fd(self, source: str) -> int:
        return next(key.fd for key in self._selector.get_map().values() if key.data == source)

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

    # The daemon

    def _connect(self) -> None:
        now = time.monotonic()
        if self._stream is not None and self._stream.silent:
            self._lose()
        if self._stream is not None or now < self._next_attempt:
            return
        self._next_attempt = now + _AGAIN
        self._stream = self._begun("watch", self._params, _STREAM)
        if self._stream is None and self._gone is None:
            self._gone = now

    def _begun(self, method: str, params: Mapping[str, object], source: str) -> Feed | None:
        try:
            feed = connect(self._sockets, method, params)
        except Failure as failure:
            if not passes(failure):
                raise
            return None
        if feed is not None:
            self._selector.register(feed, selectors.EVENT_READ, source)
        return feed

    def _close(self, feed: Feed | None) -> None:
        if feed is not None:
            self._selector.unregister(feed)
            feed.close()

    def _lose(self) -> None:
        self._close(self._stream)
        self._stream = None
        if self._gone is None:
            self._gone = time.monotonic()

    def _hear(self) -> None:
        assert self._stream is not None
        try:
            for item in self._stream.items():
                self._heard, self._gone = time.monotonic(), None
                if "heartbeat" not in item:
                    self._board.take(item)
        except (OSError, EOFError):
            self._lose()
        except Failure as failure:
            if not passes(failure):
                raise
            self._lose()

    def _ask(self) -> None:
        """Ask for what the open screen shows beside the stream, now and then."""
        now = time.monotonic()
        for method, params in self._view.wants().items():
            key = f"{method} {params}"
            if method not in self._requests and now - self._asked.get(key, 0.0) >= _REFRESH:
                self._asked = {each: at for each, at in self._asked.items() if now - at < _REFRESH} | {key: now}
                feed = self._begun(method, params, method) if self._gone is None else None
                if feed is not None:
                    self._requests[method] = feed

    def _answered(self, method: str) -> None:
        feed = self._requests[method]
        try:
            document = next(feed.items(), None)
            if document is None:
                return
            self._view.learn(method, document)
            self._next_frame = 0.0
        except (OSError, EOFError, Failure):
            pass  # asked again soon
        self._close(self._requests.pop(method))

    # The screen

    def _draw(self) -> None:
        now = time.monotonic()
        moment = Moment(time.time(), now - self._heard, None if self._gone is None else now - self._gone)
        columns, lines = self._screen.size()
        frame = self._view.frame(self._board, moment, columns, lines)
        self._screen.draw([self._paint(line) for line in frame])
        self._next_frame = now + _FRAME
