"""A proxy between naived and the simulator that changes what naived is told. It runs on a thread of its own."""

import json
import threading
from collections.abc import Callable
from typing import Any

import trio

from naived.websocket import Closed, ConnectError, WebSocket, connect, serve

Frame = dict[str, Any]
Change = Callable[[Frame, str | None], Frame | str | None]

_OURS = "wiretap"  # the id of our own requests


class Wiretap:
    """``change`` gets each frame to naived and the method that it answers (None: an event).

    It returns what naived gets instead: a frame or a text, or None for the frame itself.
    """

    def __init__(self, upstream: str) -> None:
        self.url = ""
        self.change: Change = lambda frame, method: None
        self._upstream = upstream
        self._started = threading.Event()
        self._clients: list[tuple[str, WebSocket]] = []
        self._servers: list[tuple[str, WebSocket]] = []
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()
        self._thread = threading.Thread(target=trio.run, args=(self._run,), daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(10)

    def end(self) -> None:
        """Close everything; harmless when it never ran."""
        if self._token is not None:
            self._token.run_sync_soon(self._scope.cancel)
            self._thread.join(10)

    def push(self, frame: Frame, *, path: str = "/stream") -> None:
        """One more frame, to every connection of naived whose path begins so."""
        self._send(frame, self._clients, path)

    def ask(self, method: str) -> None:
        """A request of this method over each WebSocket API connection of naived, which does not get its answer."""
        self._send({"id": _OURS, "method": method}, self._servers, "/ws-api")

    def _send(self, frame: Frame, peers: list[tuple[str, WebSocket]], path: str) -> None:
        async def send() -> None:
            for target, peer in list(peers):
                if target.startswith(path):
                    await peer.send(json.dumps(frame))

        assert self._token is not None
        trio.from_thread.run(send, trio_token=self._token)

    async def _run(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        with self._scope:
            async with trio.open_nursery() as nursery:
                port = await nursery.start(serve, self._handle, "127.0.0.1", 0)
                self.url = f"ws://127.0.0.1:{port}"
                self._started.set()

    async def _handle(self, client: WebSocket) -> None:
        entry = client.target, client
        self._clients.append(entry)
        methods: dict[int, str] = {}
        try:
            async with connect(f"{self._upstream}{client.target}") as server, trio.open_nursery() as nursery:
                nursery.start_soon(self._upwards, client, server, methods, nursery.cancel_scope)
                await self._downwards(client, server, methods)
                nursery.cancel_scope.cancel()
        except ConnectError:
            return  # naived sees a connection that ends at once
        finally:
            self._clients.remove(entry)

    async def _upwards(
        self, client: WebSocket, server: WebSocket, methods: dict[int, str], scope: trio.CancelScope
    ) -> None:
        try:
            while True:
                text = await client.receive()
                request = json.loads(text)
                methods[request["id"]] = request["method"]
                await server.send(text)
        except Closed:
            scope.cancel()

    async def _downwards(self, client: WebSocket, server: WebSocket, methods: dict[int, str]) -> None:
        entry = client.target, server
        self._servers.append(entry)
        try:
            while True:
                text = await server.receive()
                frame = json.loads(text)
                if frame.get("id") == _OURS:
                    continue
                changed = self.change(frame, methods.pop(frame.get("id"), None))
                if changed is not None:
                    text = changed if isinstance(changed, str) else json.dumps(changed)
                await client.send(text)
        except Closed:
            return
        finally:
            self._servers.remove(entry)
