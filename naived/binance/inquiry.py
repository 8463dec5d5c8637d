"""One connection that only asks: no user data stream, no market stream, no order. ``naived check`` uses it, and
`history`.

It is independent of a daemon that trades with the same key: another connection, a few units of request weight.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from naived.binance.api import ApiConnection
from naived.binance.clock import ServerClock
from naived.binance.codec import ApiAnswer
from naived.binance.connection import Connect, read_frames, said
from naived.binance.limits import Limits
from naived.binance.queries import Queries
from naived.binance.refusals import Refusals
from naived.binance.session import ApiClient
from naived.binance.signing import Credentials
from naived.ports import ExchangeError
from naived.websocket import ConnectError
from naived.websocket import connect as connect_websocket


@asynccontextmanager
async def inquiring(
    api_url: str, credentials: Credentials, clock: ServerClock, connect: Connect = connect_websocket
) -> AsyncIterator[Queries]:
    """Connect, and read the server's time into ``clock``; raises ExchangeError where that fails.

    The questions that need no key work also with one that the exchange refuses.
    """
    client = ApiClient(credentials, clock, Limits(clock.now, clock.monotonic), Refusals(clock.now))
    async with connected(api_url, client, connect):
        await client.read_time()
        yield Queries(client)


@asynccontextmanager
async def connected(
    api_url: str,
    client: ApiClient,
    connect: Connect,
    on_answer: Callable[[ApiAnswer, float | None], None] | None = None,
) -> AsyncIterator[None]:
    """Connect the client; raises ExchangeError. ``on_answer``: see ApiConnection; by default the client learns."""
    try:
        async with connect(api_url) as socket, trio.open_nursery() as nursery:
            api = ApiConnection(
                socket,
                on_answer=on_answer or client.learn,
                on_event=lambda _event: None,
                on_unclaimed=lambda _method, _answer: None,
                on_garbled=client.refusals.add,
            )

            async def listen() -> None:
                api.lose(str(await read_frames(socket, api.take)))

            nursery.start_soon(listen)
            client.adopt(api)
            yield
            nursery.cancel_scope.cancel()
    except ConnectError as error:
        raise ExchangeError(said(error)) from error
    except ExceptionGroup as group:  # a nursery wraps what its body raises
        found: Exception = group
        while isinstance(found, ExceptionGroup):
            found = found.exceptions[0]
        raise found from group
