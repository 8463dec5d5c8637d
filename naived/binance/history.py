"""Asks for public trades of the past, by their ids and without a key; for `recorder`.

Times are microseconds: the connection asks for them. Each row is read alone: one that cannot be read is left out.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
from msgspec.structs import replace

from naived.binance.border import LATEST, Id, MicroTime
from naived.binance.clock import ServerClock
from naived.binance.codec import ApiAnswer
from naived.binance.connection import Connect
from naived.binance.inquiry import connected
from naived.binance.limits import Limits
from naived.binance.reading import Reader
from naived.binance.refusals import Refusals
from naived.binance.session import ApiClient
from naived.binance.signing import credentials

PAGE = 1000  # trades, the most in one answer
_WEIGHT = 25


class PastTrade(msgspec.Struct, gc=False, frozen=True):
    """A row of ``trades.historical``; price and quantity are decimal text, ``time`` is microseconds."""

    id: Id
    price: str
    quantity: str = msgspec.field(name="qty")
    time: MicroTime
    buyer_is_maker: bool = msgspec.field(name="isBuyerMaker")


class TradeHistory:
    """What one connection is asked."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._reader = Reader(client.refusals, client.clock)

    async def trades(self, symbol: str, first: int) -> Sequence[PastTrade]:
        """The oldest trades from this id on that the exchange still gives, at most 1000.

        Raises RefusedError if it answers with an error, ExchangeError if it does not answer.
        """
        params = {"symbol": symbol, "fromId": first, "limit": PAGE}
        answer = await self._client.ask("trades.historical", params, _WEIGHT)
        return self._reader.rows(answer, "a trade of the past", PastTrade, lambda row: row).values


@asynccontextmanager
async def asking_history(
    api_url: str, connect: Connect, clock: ServerClock, limits: Limits, refusals: Refusals
) -> AsyncIterator[TradeHistory]:
    """Connect; raises ExchangeError where that fails, or when the connection is lost and asked again.

    ``limits`` outlive the connection: the exchange counts what all connections of this address ask.
    """
    client = ApiClient(credentials("public", "public"), clock, limits, refusals)
    url = f"{api_url}?timeUnit=MICROSECOND"
    async with connected(url, client, connect, _in_milliseconds(client.learn)):
        yield TradeHistory(client)


def _in_milliseconds(
    learn: Callable[[ApiAnswer, float | None], None],
) -> Callable[[ApiAnswer, float | None], None]:
    """Here the exchange tells in microseconds, too, until when nothing may be asked."""

    def in_milliseconds(answer: ApiAnswer, asked_at: float | None) -> None:
        error = answer.error
        if error is not None and error.data is not None and error.data.retry_after is not None:
            after = error.data.retry_after
            data = replace(error.data, retry_after=after // 1000 if after > LATEST else after, server_time=None)
            answer = replace(answer, error=replace(error, data=data))
        learn(answer, asked_at)

    return in_milliseconds
