"""One connection that only asks: no user data stream, no market stream, no order. ``naived check`` uses it.

It is independent of a daemon that trades with the same key: another connection, a few units of request weight.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from naived.binance.api import ApiConnection
from naived.binance.border import Refusals
from naived.binance.clock import ServerClock
from naived.binance.connection import Connect, read_frames
from naived.binance.limits import Limits
from naived.binance.queries import Queries
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
    refusals = Refusals(clock.now)
    client = ApiClient(credentials, clock, Limits(clock.now, clock.monotonic), refusals)
    try:
        async with connect(api_url) as socket, trio.open_nursery() as nursery:
            api = ApiConnection(
                socket,
                on_answer=client.learn,
                on_event=lambda _event: None,
                on_unclaimed=lambda _method, _answer: None,
                on_garbled=refusals.add,
            )

            async def listen() -> None:
                api.lose(str(await read_frames(socket, api.take)))

            nursery.start_soon(listen)
            client.adopt(api)
            await client.read_time()
            yield Queries(client)
            nursery.cancel_scope.cancel()
    except ConnectError as error:
        raise ExchangeError(str(error)) from error
    except ExceptionGroup as group:  # a nursery wraps what its body raises
        found: Exception = group
        while isinstance(found, ExceptionGroup):
            found = found.exceptions[0]
        raise found from group
