"""Requests over one WebSocket, one after the other, without an event loop: a test asks the simulator often.

A connection for each request would cost either side more than most requests do.
"""

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Ping, RejectConnection, Request, TextMessage

_READ = 1 << 16  # bytes


class WireError(ConnectionError):
    """There is no connection, or no longer; a request that was sent may have been done."""


class Wire:
    """Connected from the beginning; raises WireError."""

    def __init__(self, url: str, patience: float) -> None:
        parts = urlsplit(url)
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._text = ""
        self._ending = False
        try:
            self._socket = socket.create_connection((parts.hostname, parts.port), patience)
        except OSError as error:
            raise WireError(f"no connection to {url}: {error}") from error
        try:
            self._send(Request(host=parts.netloc, target=parts.path))
            while not any(isinstance(event, AcceptConnection) for event in self._arrived()):
                pass
        except BaseException:
            self.close()
            raise

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        """The answer's document; raises WireError."""
        self._send(TextMessage(json.dumps({"id": 1, "method": method, "params": params})))
        while True:
            for text in self._texts():
                if (answer := self._answer(text)) is not None:
                    return answer

    def lives(self) -> bool:
        """Is it still there? Answers the pings that came meanwhile, and waits for an end that was announced.

        Any connection that is made before that end has the same end.
        """
        patience = self._socket.gettimeout()
        try:
            while True:
                self._socket.settimeout(patience if self._ending else 0)
                for text in self._texts():
                    self._answer(text)
        except BlockingIOError:
            return True
        except WireError:
            return False
        finally:
            self._socket.settimeout(patience)

    def close(self) -> None:
        self._socket.close()

    def _answer(self, text: str) -> Any:
        """The document; None for what is told to all: the exchange announces that it will end its connections."""
        document = json.loads(text)
        if "id" in document:
            return document
        self._ending = True
        return None

    def _texts(self) -> Iterator[str]:
        for event in self._arrived():
            if isinstance(event, TextMessage):
                self._text += event.data
                if event.message_finished:
                    text, self._text = self._text, ""
                    yield text

    def _arrived(self) -> Iterator[Event]:
        """Raises BlockingIOError if nothing came, and nothing is waited for."""
        try:
            data = self._socket.recv(_READ)
        except BlockingIOError:
            raise
        except OSError as error:
            raise WireError(f"the connection is lost: {error}") from error
        if not data:
            raise WireError("the connection is lost")
        self._protocol.receive_data(data)
        for event in self._protocol.events():
            if isinstance(event, Ping):
                self._send(event.response())
            elif isinstance(event, CloseConnection | RejectConnection):
                raise WireError(f"the exchange ends the connection: {event}")
            yield event

    def _send(self, event: Event) -> None:
        try:
            self._socket.sendall(self._protocol.send(event))
        except OSError as error:
            raise WireError(f"the connection is lost: {error}") from error
