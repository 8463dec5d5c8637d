"""A tap between naived and its exchange: passes every frame on, and counts what was asked for, by method."""

from collections import Counter
from dataclasses import dataclass, field

import msgspec
import trio

from naived.simulator.methods import METHODS
from naived.simulator.params import flat
from naived.websocket import Closed, WebSocket, connect, serve


class _Request(msgspec.Struct):
    method: str
    params: dict[str, msgspec.Raw] | list[str] = {}


_decoder = msgspec.json.Decoder(_Request)


@dataclass(slots=True)
class Tap:
    """``requests`` and their ``weight``, as the exchange counts it before it gives anything back."""

    target: str
    requests: Counter[str] = field(default_factory=Counter)
    weight: Counter[str] = field(default_factory=Counter)
    refused: int = 0  # for asking too much

    async def run(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; ``started`` gives the port."""
        await serve(self._join, "127.0.0.1", 0, task_status=task_status)

    async def _join(self, inner: WebSocket) -> None:
        async with connect(self.target + inner.target) as outer, trio.open_nursery() as nursery:
            nursery.start_soon(self._pass_answers, outer, inner, nursery.cancel_scope)
            try:
                while True:
                    text = await inner.receive()
                    self._count(text)
                    await outer.send(text)
            except Closed:
                nursery.cancel_scope.cancel()

    async def _pass_answers(self, outer: WebSocket, inner: WebSocket, scope: trio.CancelScope) -> None:
        try:
            while True:
                text = await outer.receive()
                self.refused += '"code":-1003' in text
                await inner.send(text)
        except Closed:
            scope.cancel()

    def _count(self, text: str) -> None:
        request = _decoder.decode(text)
        method = METHODS.get(request.method)
        if method is not None and isinstance(request.params, dict):
            self.requests[request.method] += 1
            self.weight[request.method] += method.weight(flat(request.params))
