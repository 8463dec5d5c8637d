"""The daemon as the live view has it: the stream of statuses, and requests beside it, connected again when lost."""

import selectors
import time
from collections.abc import Iterator, Mapping, Sequence

from naivectl.client import Document, Failure
from naivectl.feed import Feed, connect, passes

STREAM = "stream"
_AGAIN = 0.5  # seconds between two attempts to connect
_REFRESH = 2.0  # seconds between two requests for what the stream does not tell


class Link:
    """``heard`` is when the last frame came, ``gone`` since when no daemon is there (both `time.monotonic`).

    What is read from is registered with the selector, under STREAM or the name of the method.
    """

    def __init__(
        self, sockets: Sequence[str], params: Mapping[str, object], selector: selectors.BaseSelector
    ) -> None:
        self._sockets, self._params, self._selector = sockets, params, selector
        self._stream: Feed | None = None
        self._told = False  # has the stream told of all symbols?
        self._requests: dict[str, Feed] = {}
        self._asked: dict[str, float] = {}  # when each request was made
        self._next_attempt = 0.0
        self.heard = time.monotonic()
        self.gone: float | None = None

    def connect(self) -> None:
        """Connect the stream if it is not, now and then; never waits. Raises Failure."""
        now = time.monotonic()
        if self._stream is not None and self._stream.silent:  # it hangs: that it is gone is not known
            self._drop()
        if self._stream is not None or now < self._next_attempt:
            return
        self._next_attempt = now + _AGAIN
        self._stream, self._told = self._begun("watch", self._params, STREAM), False
        if self._stream is None and self.gone is None:
            self.gone = now

    def ask(self, wanted: Mapping[str, Document]) -> None:
        """Request what the open screen shows beside the stream (parameters by method), now and then."""
        now = time.monotonic()
        for method, params in wanted.items():
            key = f"{method} {params}"
            if self.gone is None and method not in self._requests and now - self._asked.get(key, 0.0) >= _REFRESH:
                self._asked = {each: at for each, at in self._asked.items() if now - at < _REFRESH} | {key: now}
                feed = self._begun(method, params, method)
                if feed is not None:
                    self._requests[method] = feed

    def statuses(self) -> Iterator[tuple[Document, bool]]:
        """What the stream has told, and whether it is all symbols, as the first of a connection, or what changed.

        Without heartbeats. Raises Failure if that does not pass by itself.
        """
        if self._stream is None:
            return
        try:
            for item in self._stream.items():
                self.heard, self.gone = time.monotonic(), None
                if "heartbeat" not in item:
                    yield item, not self._told
                    self._told = True
        except (OSError, EOFError):
            self._lose()
        except Failure as failure:
            if not passes(failure):
                raise
            self._lose()

    def answer(self, method: str) -> Document | None:
        """The answer to a request, if it is complete; one that failed is made again soon."""
        feed = self._requests[method]
        try:
            document = next(feed.items(), None)
            if document is None:
                return None
        except (OSError, EOFError, Failure):
            document = None
        self._close(self._requests.pop(method))
        return document

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

    def _close(self, feed: Feed) -> None:
        self._selector.unregister(feed)
        feed.close()

    def _drop(self) -> None:
        if self._stream is not None:
            self._close(self._stream)
            self._stream = None

    def _lose(self) -> None:
        self._drop()
        if self.gone is None:
            self.gone = time.monotonic()
