"""The real table of control methods over a fake that answers them, for tests of the server and of its clients."""

import json
import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn, Protocol

from naived.control.answers import Identity
from naived.control.caller import Caller
from naived.control.channel import Channel
from naived.control.endpoint import Endpoint
from naived.control.events import EventLog
from naived.control.methods import METHODS
from naived.control.protocol import encode_body
from naived.control.requests import Method, Params, Request
from naived.control.server import serve
from naived.control.streams import Snapshots, Taken, follow, watch

IDENTITY = Identity("0.1.0", "instance", os.getpid(), 0, "simulator", "ws://127.0.0.1:1", "sqlite")


class Fake(Protocol):
    """``identity`` and ``state`` are what a real `hello` is made from."""

    events: EventLog
    identity: Identity
    state: str

    async def call(self, method: str, params: Params, caller: Caller) -> bytes:
        """The encoded answer to all but `hello`; `watch` asks for ``status``, and `events` with ``follow`` too."""
        ...


async def serve_alone(endpoint: Endpoint, methods: Mapping[str, Method], service: object) -> None:
    """Serve until cancelled, then close the endpoint."""
    with closing(endpoint):
        await serve(endpoint, methods, service)


def methods_of(fake: Fake) -> Mapping[str, Method]:
    """What each method takes and whether it changes anything is as it is; the fake answers all but `hello`."""
    snapshots = Snapshots()

    async def answer(name: str, _service: Any, params: Params, caller: Caller) -> bytes:
        return await fake.call(name, params, caller)

    async def hello(_service: Any, params: Params, caller: Caller) -> bytes:
        return await METHODS["hello"].answer(fake, params, caller)

    async def watched(_service: Any, channel: Channel, request: Request, caller: Caller) -> NoReturn:
        async def take() -> Taken:
            document = json.loads(await fake.call("status", request.params, caller))
            entries = {row["symbol"]: encode_body(row) for row in document["symbols"]}
            return Taken(encode_body({"padding": document.get("padding")}), None, entries)

        with snapshots.watching(request.params["symbols"], take) as snapshot:
            await watch(channel, request.id, snapshot)

    async def followed(_service: Any, channel: Channel, request: Request, caller: Caller) -> NoReturn:
        await fake.call("status", request.params, caller)
        await follow(channel, request.id, fake.events, request.params)

    streams = {"watch": watched, "events": followed}
    fakes = {
        name: replace(method, answer=partial(answer, name), stream=streams.get(name))
        for name, method in METHODS.items()
    }
    return {**fakes, "hello": replace(METHODS["hello"], answer=hello)}
