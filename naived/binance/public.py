"""Reads one symbol's row of ``exchangeInfo``, without a key and over its own connection; for paper trading."""

from collections.abc import Mapping
from typing import Any

import msgspec
import trio

from naived.binance.answers import OK, described
from naived.binance.codec import ApiAnswer, ApiError, read_api, read_result, request
from naived.binance.connection import Connect
from naived.ports import ExchangeError
from naived.websocket import Closed, ConnectError

_TIMEOUT = 10  # seconds for connecting, the request and its answer
_NO_SUCH_SYMBOL = (-1121, -1100)  # invalid symbol; illegal characters


class _ExchangeInfo(msgspec.Struct, frozen=True):
    """An ``exchangeInfo`` whose rows have all fields that were sent."""

    symbols: tuple[dict[str, Any], ...]


async def symbol_row(api_url: str, symbol: str, connect: Connect) -> Mapping[str, Any] | None:
    """One row of ``exchangeInfo`` as it was sent, None if there is no such symbol; raises ExchangeError."""
    params = {"symbol": symbol, "showPermissionSets": False}
    try:
        with trio.fail_after(_TIMEOUT):
            async with connect(api_url) as socket:
                await socket.send(request(1, "exchangeInfo", params))
                answer = read_api(await socket.receive())
    except trio.TooSlowError as error:
        raise ExchangeError(f"the source of prices did not answer within {_TIMEOUT} s") from error
    except (ConnectError, Closed) as error:
        raise ExchangeError(f"the source of prices did not answer: {error}") from error
    match answer:
        case ApiAnswer(status=status) if status == OK:
            try:
                rows = read_result(answer, _ExchangeInfo).symbols
            except ValueError as error:
                raise ExchangeError(f"the source of prices gave no list of symbols: {error}") from error
            return next((row for row in rows if row.get("symbol") == symbol), None)
        case ApiAnswer(error=ApiError(code=code)) if code in _NO_SUCH_SYMBOL:
            return None
        case ApiAnswer():
            raise ExchangeError(f"the source of prices gave no list of symbols: {described(answer)}")
        case _:
            raise ExchangeError(f"the source of prices gave no list of symbols but {answer}")
