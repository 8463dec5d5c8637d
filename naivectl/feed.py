"""One request of a live view, or its stream, whose connection is never waited for: the view reads when it can.

A broken connection is not an error here: whoever draws goes on drawing, and connects again.
"""

import _socket
import time
from collections.abc import Iterator, Mapping, Sequence

from naivectl.client import SILENCE, Document, Failure, connected, decoded, fitting, result_of
from naived.control.protocol import MAX_ANSWER, PROTO, Code, encode_request

_HELLO, _CALL = 0, 1
_CHUNK = 256 * 1024  # bytes
_AT_ONCE = 8  # chunks in one go: keys are looked at between them
SILENT = 40.0  # seconds without a frame after which another connection is tried
# What a daemon answers that ends, starts, or is asked too much: it may be asked again.
_PASSING = tuple(code.kind for code in Code if code.retryable)


class Feed:
    """A connection with one request on it; ``heard`` is when the last frame came (`time.monotonic`)."""

    def __init__(self, connection: _socket.socket, method: str, params: Mapping[str, object]) -> None:
        self._connection = connection
        self._shape = "status" if method == "watch" else method
        self._buffer = bytearray()
        self._scanned = 0
        self._greeted = False
        self.heard = time.monotonic()
        frames = encode_request(_HELLO, "hello", {"proto": PROTO, "client": "naivectl"})
        connection.settimeout(SILENCE)
        connection.sendall(frames + encode_request(_CALL, method, params))
        connection.setblocking(False)

    def fileno(self) -> int:
        return self._connection.fileno()

    def close(self) -> None:
        self._connection.close()

    @property
    def silent(self) -> bool:
        return time.monotonic() - self.heard > SILENT

    def items(self) -> Iterator[Document]:
        """What came since the last call, heartbeats too. Raises OSError and EOFError at the end, Failure."""
        for _ in range(_AT_ONCE):
            try:
                chunk = self._connection.recv(_CHUNK)
            except BlockingIOError:
                return
            if not chunk:
                raise EOFError
            self._buffer += chunk
            yield from self._frames()

    def _frames(self) -> Iterator[Document]:
        while (end := self._buffer.find(b"\n", self._scanned)) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._scanned = 0
            self.heard = time.monotonic()
            if not self._greeted:
                result_of(decoded(line), _HELLO)
                self._greeted = True
                continue
            item = result_of(decoded(line), _CALL)
            yield item if "heartbeat" in item else fitting(self._shape, item)
        self._scanned = len(self._buffer)
        if self._scanned > 2 * MAX_ANSWER:
            raise Failure("protocol", "naived's answer does not end", None, 76)


def connect(sockets: Sequence[str], method: str, params: Mapping[str, object]) -> Feed | None:
    """A feed from the first socket where somebody listens; None if nobody does. Raises Failure."""
    for path in sockets:
        try:
            connection = connected(path)
        except OSError:
            continue
        try:
            return Feed(connection, method, params)
        except OSError:
            connection.close()
    return None


def passes(failure: Failure) -> bool:
    """Will it be over by itself, as the end of a daemon is?"""
    return failure.kind in (*_PASSING, "connection_lost", "busy", "silent")
