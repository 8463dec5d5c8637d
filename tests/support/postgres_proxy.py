"""A TCP way to a PostgreSQL server on which bytes vanish and connections are cut, exactly when a test says so.

One thread carries the bytes of all connections; whatever it is told holds when the call has returned.
"""

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from enum import Enum, auto

from sqlalchemy.engine import URL, make_url

_CHUNK = 65536  # bytes
_PORT = 5432
_WRITING = b"SET written="  # in what marks a group of the journal, and in nothing else
_COMMIT = b"COMMIT\0"  # the whole statement: a transaction that begins says READ COMMITTED
_GLANCE = 0.05  # seconds between two looks at whether it is over


class Cut(Enum):
    """Where the connection of the journal's next COMMIT ends."""

    BEFORE = auto()  # the server never hears of it
    AFTER = auto()  # the server has done it, and its answer is lost


class Proxy:
    """Passes everything on until it is told otherwise."""

    def __init__(self, server: URL) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._peers: dict[socket.socket, socket.socket] = {}
        self._lost: list[socket.socket] = []
        self._clients: set[socket.socket] = set()
        self._journals: set[socket.socket] = set()  # clients that have said _WRITING
        self._lock = threading.Lock()
        self._over = False
        self._swallowing = False
        self._refusing = False
        self._cut: Cut | None = None
        self.commits_cut = 0

    def url(self, database: str) -> str:
        """The address of a database by this way."""
        port = self._listener.getsockname()[1]
        there = make_url(database).set(host="127.0.0.1", port=port, query={})
        return there.render_as_string(hide_password=False)

    def lead_to(self, server: URL) -> None:
        """New connections lead to this server; the others end."""
        with self._lock:
            self._server = server
            self._end(*list(self._peers))

    def swallow(self) -> None:
        """From now on what either side says is acknowledged and lost."""
        with self._lock:
            self._swallowing = True

    def refuse(self) -> None:
        """From now on every connection ends."""
        with self._lock:
            self._refusing = True
            self._end(*list(self._peers))

    def heal(self) -> None:
        """New connections work again; one that has lost bytes never will, and nobody tells its ends."""
        with self._lock:
            self._swallowing = self._refusing = False
            for each in self._peers:
                self._selector.unregister(each)
            self._lost += self._peers
            self._peers.clear()

    def sever(self) -> None:
        """End every connection."""
        with self._lock:
            self._end(*list(self._peers))

    def cut(self, where: Cut) -> None:
        """End the connection on which the journal's next COMMIT comes, not one of a node's heartbeats."""
        with self._lock:
            self._cut = where

    def run(self) -> None:
        """The thread's."""
        while not self._over:
            for key, _ in self._selector.select(_GLANCE):
                with self._lock:
                    if isinstance(key.fileobj, socket.socket):
                        self._ready(key.fileobj)

    def close(self) -> None:
        self._over = True

    def release(self) -> None:
        """Close what is left; after the thread has ended."""
        for each in (self._listener, *self._peers, *self._lost):
            each.close()
        self._selector.close()

    def _ready(self, end: socket.socket) -> None:
        if end is self._listener:
            self._accept()
        elif end in self._peers:
            self._carry(end)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = None if self._refusing else self._reach()
        except OSError:  # it is down
            server = None
        if server is None:
            client.close()
            return
        self._clients.add(client)
        for end, peer in ((client, server), (server, client)):
            self._peers[end] = peer
            self._selector.register(end, selectors.EVENT_READ)

    def _reach(self) -> socket.socket:
        host = str(self._server.query.get("host") or self._server.host or "127.0.0.1")
        port = self._server.port or _PORT
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(f"{host}/.s.PGSQL.{port}")
        except OSError:
            server.close()
            raise
        return server

    def _carry(self, end: socket.socket) -> None:
        peer = self._peers[end]
        try:
            said = end.recv(_CHUNK)
        except ConnectionError:
            said = b""
        if not said:
            self._end(end, peer)
        elif self._is_journal(end, said) and self._cut is not None and _COMMIT in said:
            if self._cut is Cut.AFTER:
                peer.sendall(said)
                peer.recv(_CHUNK)  # the answer: it is done
            self._cut = None
            self.commits_cut += 1
            self._end(end, peer)
        elif not self._swallowing:
            with contextlib.suppress(ConnectionError):
                peer.sendall(said)

    def _is_journal(self, end: socket.socket, said: bytes) -> bool:
        """A statement that a connection has prepared is not said again."""
        if end in self._clients and _WRITING in said:
            self._journals.add(end)
        return end in self._journals

    def _end(self, *ends: socket.socket) -> None:
        for each in ends:
            del self._peers[each]
            self._selector.unregister(each)
            each.close()


@contextlib.contextmanager
def proxied(server: URL) -> Iterator[Proxy]:
    """A way to this server, for as long as the block."""
    proxy = Proxy(server)
    thread = threading.Thread(target=proxy.run)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
        proxy.release()
