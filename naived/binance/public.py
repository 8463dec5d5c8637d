"""Asks for public data without a key, over a connection of its own; for paper trading."""

import math
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import trio

from naived.binance.answers import OK, described
from naived.binance.codec import ApiAnswer, ApiError, Garbled, UserEvent, read_api, read_result, request
from naived.binance.connection import Connect
from naived.binance.halving import NO_SUCH_SYMBOL, by_halves
from naived.binance.prices import CandleRow, candle_of, request_of
from naived.core.recent_high import Candle
from naived.ports import ExchangeError
from naived.websocket import Closed, ConnectError, WebSocket

_PAUSE = 1.5  # seconds between two connections for candles; Binance allows 300 in five minutes
_TIMEOUT = 10  # seconds for connecting, and for each request and its answer


class _ExchangeInfo(msgspec.Struct, frozen=True):
    """An ``exchangeInfo`` whose rows have all fields that were sent."""

    symbols: tuple[dict[str, Any], ...]


async def symbol_rows(api_url: str, symbols: Collection[str], connect: Connect) -> Mapping[str, Mapping[str, Any]]:
    """The rows of ``exchangeInfo`` as they were sent, by symbol, over one connection; raises ExchangeError.

    A symbol that the exchange does not list has none.
    """
    async with _source(api_url, connect) as socket:
        answers, left = await by_halves([list(dict.fromkeys(symbols))], partial(_rows, socket))
        if left:  # nothing else waits behind all symbols here
            answers.append(await _rows(socket, None) or ())
    return {row["symbol"]: row for rows in answers for row in rows if row.get("symbol") in symbols}


class PublicCandles:
    """Asks for candles, one after another: the exchange limits how many connections an address may open."""

    def __init__(self, api_url: str, connect: Connect) -> None:
        self._api_url = api_url
        self._connect = connect
        self._turn = trio.Lock()
        self._next_at = -math.inf  # trio's time

    async def ask(self, symbol: str, span: int, now: int) -> Sequence[Candle]:
        """The candles from ``span`` ms before ``now`` on, at least to ``now``; raises ExchangeError."""
        async with self._turn:
            await trio.sleep_until(self._next_at)
            self._next_at = trio.current_time() + _PAUSE
            return await _candles(self._api_url, symbol, span, now, self._connect)


async def _candles(api_url: str, symbol: str, span: int, now: int, connect: Connect) -> Sequence[Candle]:
    async with _source(api_url, connect) as socket:
        answer = await _answer(socket, "klines", request_of(symbol, span, now))
    try:
        if isinstance(answer, ApiAnswer) and answer.status == OK:
            return [candle_of(row) for row in read_result(answer, tuple[CandleRow, ...])]
    except ValueError as error:
        raise ExchangeError(f"the source of prices gave no candles: {error}") from error
    said = described(answer) if isinstance(answer, ApiAnswer) else answer
    raise ExchangeError(f"the source of prices gave no candles: {said}")


@asynccontextmanager
async def _source(api_url: str, connect: Connect) -> AsyncIterator[WebSocket]:
    """A connection of its own, for as long as the block needs; raises ExchangeError."""
    try:
        with trio.fail_after(_TIMEOUT) as connecting:
            async with connect(api_url) as socket:
                connecting.deadline = math.inf
                yield socket
    except trio.TooSlowError as error:
        raise ExchangeError(f"the source of prices did not answer within {_TIMEOUT} s") from error
    except (ConnectError, Closed) as error:
        raise ExchangeError(f"the source of prices did not answer: {error}") from error


async def _answer(socket: WebSocket, method: str, params: Mapping[str, Any]) -> ApiAnswer | UserEvent | Garbled:
    """What answers a request, the only one that waits for its answer; raises Closed, TooSlowError."""
    with trio.fail_after(_TIMEOUT):
        await socket.send(request(1, method, params))
        return read_api(await socket.receive())


async def _rows(socket: WebSocket, names: Sequence[str] | None) -> Sequence[Mapping[str, Any]] | None:
    """The rows of these symbols, or (None) of all; None if the exchange does not list one of the names.

    Raises ExchangeError, and what ``_answer`` raises.
    """
    wanted = {} if names is None else {"symbols": names}
    answer = await _answer(socket, "exchangeInfo", {**wanted, "showPermissionSets": False})
    match answer:
        case ApiAnswer(status=status) if status == OK:
            try:
                return read_result(answer, _ExchangeInfo).symbols
            except ValueError as error:
                raise ExchangeError(f"the source of prices gave no list of symbols: {error}") from error
        case ApiAnswer(error=ApiError(code=code)) if code in NO_SUCH_SYMBOL:
            return None
        case ApiAnswer():
            raise ExchangeError(f"the source of prices gave no list of symbols: {described(answer)}")
        case _:
            raise ExchangeError(f"the source of prices gave no list of symbols but {answer}")
