"""Clients no one would want: they split, stop half way, never read, come in crowds, and vanish.

Plain sockets with deadlines, on purpose not the daemon's own trio: a client can do whatever the kernel lets it.
"""

import json
import select
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from tests.fuzz.grammar import Grammar, write
from tests.fuzz.oracles import judge, shown
from tests.fuzz.reading import read

PATIENCE = 60.0  # seconds for an answer, on a machine that is busy with other tests
_WAITS = 2.0  # seconds: who may wait longer than that is asked and left
_CHUNK = 256 * 1024
_GONE = (BrokenPipeError, ConnectionResetError)
_SLACK = 20.0  # seconds beyond the deadline that the pages promise

BUSY = -32011


class Talk(NamedTuple):
    """What came back, and whether the server closed."""

    answers: list[bytes]
    rest: bytes
    closed: bool


def connected(path: str) -> socket.socket:
    """A connection; the queue of those that wait to be accepted may be full for a moment."""
    deadline = time.monotonic() + PATIENCE
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(PATIENCE)
            connection.connect(path)
            return connection
        except BlockingIOError:
            connection.close()
            assert time.monotonic() < deadline, "connections are not accepted any more"
            time.sleep(0.01)


def talk(path: str, pieces: Iterator[bytes], enough: Callable[[int], bool], *, half_close: bool) -> Talk:
    """Say the pieces while listening, until ``enough`` answers or the close."""
    deadline = time.monotonic() + PATIENCE
    heard = bytearray()
    count = 0
    with connected(path) as connection:
        connection.setblocking(False)
        sending: memoryview | None = memoryview(b"")
        while not enough(count) or sending is not None:
            if sending is not None and not sending:
                piece = next(pieces, None)
                sending = None if piece is None else memoryview(piece)
                if sending is None and half_close:
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_WR)
                continue
            left = deadline - time.monotonic()
            if left <= 0:
                return Talk(*_lines(heard), closed=False)
            readable, writable, _ = select.select([connection], [] if sending is None else [connection], [], left)
            if writable and sending is not None:
                try:
                    sending = sending[connection.send(sending) :]
                except _GONE:
                    sending = None
            if readable:
                try:
                    chunk = connection.recv(_CHUNK)
                except ConnectionResetError:
                    chunk = b""
                if not chunk:
                    return Talk(*_lines(heard), closed=True)
                heard += chunk
                count += chunk.count(b"\n")
    return Talk(*_lines(heard), closed=False)


def _lines(heard: bytearray) -> tuple[list[bytes], bytes]:
    *lines, rest = bytes(heard).split(b"\n")
    return lines, rest


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


class Tongue:
    """One worker's connections: what it said, what it was answered, what was wrong with that."""

    def __init__(self, path: str, grammar: Grammar, secrets: Sequence[str]) -> None:
        self.codes: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.blames: list[str] = []
        self._path = path
        self._grammar = grammar
        self._dice = grammar.random
        self._secrets = [secret.encode() for secret in secrets]

    def one(self, said: Callable[[bytes], None]) -> None:
        """The next conversation; ``said`` hears each line before it is sent."""
        draw = self._dice.random()
        if draw < 0.02:
            self._vanish(said)
        elif draw < 0.03:
            self._repeat(said)
        else:
            self._converse(said)

    def _batch(self) -> list[bytes]:
        """Some lines for one connection, at most one that takes it over or waits for long, at the end."""
        lines: list[bytes] = []
        for _ in range(self._dice.choice((1, 1, 2, 5, 10, 30))):
            case = self._grammar.case()
            self.kinds[case.kind] += 1
            lines += case.line.split(b"\n")
            last = read(lines[-1])
            if any(read(line).streams or read(line).ends for line in lines[-1 - case.line.count(b"\n") :]):
                break
            if last.waits > _WAITS:
                break
        return lines

    def _converse(self, said: Callable[[bytes], None]) -> None:
        lines = self._batch()
        for line in lines:
            said(line)
        data = b"\n".join(lines) + b"\n"
        if any(read(line).waits > _WAITS for line in lines):
            self._leave(data)
            return
        streams = any(read(line).streams for line in lines)
        half_close = not streams and self._dice.random() < 0.5
        expected = len(lines)
        # Byte for byte only what is short: a long line is split everywhere in the tests of the channel.
        size = 1 if len(data) < 2_000 and self._dice.random() < 0.05 else self._dice.choice((7, 100, 4096, 1 << 20))
        if len(data) > 20_000:
            size = max(size, 4096)
        heard = talk(
            self._path,
            _pieces(data, size),
            (lambda _: False) if half_close else (lambda count: count >= expected),
            half_close=half_close,
        )
        self._hear(lines, heard, whole=True)
        if half_close and not heard.closed:
            self.blames.append(f"not closed behind the answers to {shown(data)}")

    def _leave(self, data: bytes) -> None:
        with connected(self._path) as connection, suppress(*_GONE):
            connection.sendall(data)

    def _vanish(self, said: Callable[[bytes], None]) -> None:
        """Connect, say something or half of it, and be gone; many times."""
        self.kinds["vanished"] += 20
        for _ in range(20):
            line = self._grammar.valid()
            said(line)
            line += b"\n"
            cut = self._dice.choice((0, 1, len(line) // 2, len(line) - 1, len(line)))
            self._leave(line[:cut])

    def _repeat(self, said: Callable[[bytes], None]) -> None:
        """The same change under the same id over several connections at once: one answer, each time."""
        params = {
            **{"symbols": self._grammar.symbols(1), "budget": str(self._dice.randint(500, 5_000))},
            "request_id": f"{self._dice.getrandbits(64):x}",
        }
        line = write({"jsonrpc": "2.0", "id": 1, "method": "settings", "params": params}).encode()
        said(line)
        self.kinds["repeated"] += 4
        found: deque[Talk] = deque()

        def ask() -> None:
            found.append(talk(self._path, iter([line + b"\n"]), lambda count: count >= 1, half_close=False))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ask()
        changes: set[tuple[tuple[str, bool], ...]] = set()
        for each in found:
            self._hear([line], each, whole=True)
            results = json.loads(each.answers[0]).get("result", {}).get("results", ()) if each.answers else ()
            if results and not any(entry["error"] for entry in results):
                changes.add(tuple((entry["symbol"], entry["changed"]) for entry in results))
        if len(changes) > 1:
            self.blames.append(f"a repeated request was answered differently: {changes} to {shown(line)}")

    def _hear(self, lines: Sequence[bytes], heard: Talk, *, whole: bool) -> None:
        if heard.rest:
            self.blames.append(f"half an answer: {shown(heard.rest)} to {shown(lines[-1])}")
        if any(secret in answer for secret in self._secrets for answer in heard.answers):
            self.blames.append(f"a secret in an answer to {[shown(line) for line in lines]}")
        if heard.closed and refused(heard.answers):
            self.codes[str(BUSY)] += 1
            return
        self.blames += judge(lines, heard.answers, self.codes, whole=whole)


def refused(answers: Sequence[bytes]) -> bool:
    """Was the connection turned away at the door?"""
    return len(answers) == 1 and b'"id":null,"error":{"code":%d' % BUSY in answers[0]


# All at once


def crowd(path: str, number: int, line: bytes, codes: Counter[str]) -> list[str]:
    """So many connections at the same time: each is answered, or told that there are too many."""
    blames: list[str] = []
    connections = []
    try:
        for _ in range(number):
            connection = connected(path)
            connections.append(connection)
            with suppress(*_GONE):
                connection.sendall(line + b"\n")
        for connection in connections:
            answer = b""
            with suppress(*_GONE):
                while not answer.endswith(b"\n") and (chunk := connection.recv(_CHUNK)):
                    answer += chunk
            lines = answer.splitlines()
            if refused(lines[:1]):
                codes[str(BUSY)] += 1
            else:
                blames += judge([line], lines[:1], codes)
    finally:
        for connection in connections:
            connection.close()
    return blames


class Lingerers:
    """Connections that do not do what they came for; the server must end each in its time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._open: list[tuple[str, socket.socket, float]] = []
        self.ended = 0
        self.blames: list[str] = []

    def add(self, kind: str, seconds: float, data: bytes = b"") -> None:
        """One that says ``data``, as far as it is taken, and then nothing; it must be closed in ``seconds``."""
        connection = connected(self._path)
        connection.setblocking(False)
        with suppress(BlockingIOError, *_GONE):
            connection.send(data)
        self._open.append((kind, connection, time.monotonic() + seconds + _SLACK))

    def look(self) -> None:
        """Let the slow ones say one byte more, and count those that were closed; call it every second."""
        left = []
        for kind, connection, deadline in self._open:
            if kind == "drip":
                with suppress(BlockingIOError, *_GONE):
                    connection.send(b"x")
            poll = select.poll()
            poll.register(connection, 0)
            if any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0)):
                self.ended += 1
                connection.close()
            elif time.monotonic() > deadline:
                self.blames.append(f"a connection of kind {kind} was not ended in time")
                connection.close()
            else:
                left.append((kind, connection, deadline))
        self._open = left

    def finish(self) -> None:
        """Wait for the end of all."""
        while self._open:
            self.look()
            time.sleep(0.2)


class Pinger:
    """A client that behaves: it asks all the time, and notes how long it waits (ms)."""

    def __init__(self, path: str) -> None:
        self.waits: list[float] = []
        self.blames: list[str] = []
        self._path = path
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Pinger":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        with connected(self._path) as connection:
            number = 0
            while not self._over.wait(0.01):
                number += 1
                method = "hello" if number % 2 else "status"
                began = time.monotonic()
                try:
                    connection.sendall(b'{"jsonrpc":"2.0","id":%d,"method":"%s"}\n' % (number, method.encode()))
                    answer = b""
                    while not answer.endswith(b"\n") and (chunk := connection.recv(_CHUNK)):
                        answer += chunk
                except OSError as error:
                    answer = str(error).encode()
                self.waits.append((time.monotonic() - began) * 1000)
                if b'"id":%d,"result":{"v":1,' % number not in answer[:60]:
                    self.blames.append(f"who behaves was answered {shown(answer)}")
                    return
