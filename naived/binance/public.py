"""Reads rows of ``exchangeInfo``, without a key and over a connection of its own; for paper trading."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import trio

from naived.binance.answers import OK, described
from naived.binance.codec import ApiAnswer, ApiError, read_api, read_result, request
from naived.binance.connection import Connect
from naived.ports import ExchangeError
from naived.websocket import Closed, ConnectError, WebSocket

_TIMEOUT = 10  # seconds for connecting, the request and its answer
_NO_SUCH_SYMBOL = (-1121, -1100)  # invalid symbol; illegal characters


class _ExchangeInfo(msgspec.Struct, frozen=True):
    """An ``exchangeInfo`` whose rows have all fields that were sent."""

    symbols: tuple[dict[str, Any], ...]


async def symbol_rows(api_url: str, symbols: Collection[str], connect: Connect) -> Mapping[str, Mapping[str, Any]]:
    """The rows of ``exchangeInfo`` as they were sent, by symbol, over one connection; raises ExchangeError.

    A symbol that the exchange does not list has none.
    """
    names = {"symbols": list(symbols)}
    try:
        with trio.fail_after(_TIMEOUT):
            async with connect(api_url) as socket:
                rows = await _rows(socket, names)
                if rows is None:
                    # One unknown name makes the whole answer an error that does not name it.
                    rows = await _rows(socket, {}) if len(symbols) > 1 else ()
    except trio.TooSlowError as error:
        raise ExchangeError(f"the source of prices did not answer within {_TIMEOUT} s") from error
    except (ConnectError, Closed) as error:
        raise ExchangeError(f"the source of prices did not answer: {error}") from error
    return {row["symbol"]: row for row in rows or () if row.get("symbol") in symbols}


async def _rows(socket: WebSocket, names: Mapping[str, Any]) -> Sequence[Mapping[str, Any]] | None:
    """The rows of one answer, None if the exchange does not list one of the names; raises ExchangeError, Closed."""
    await socket.send(request(1, "exchangeInfo", {**names, "showPermissionSets": False}))
    answer = read_api(await socket.receive())
    match answer:
        case ApiAnswer(status=status) if status == OK:
            try:
                return read_result(answer, _ExchangeInfo).symbols
            except ValueError as error:
                raise ExchangeError(f"the source of prices gave no list of symbols: {error}") from error
        case ApiAnswer(error=ApiError(code=code)) if code in _NO_SUCH_SYMBOL:
            return None
        case ApiAnswer():
            raise ExchangeError(f"the source of prices gave no list of symbols: {described(answer)}")
        case _:
            raise ExchangeError(f"the source of prices gave no list of symbols but {answer}")
