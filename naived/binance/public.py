"""What Binance tells anyone: its list of symbols, asked without a key over a connection of its own."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import trio

from naived.binance.relay import Connect
from naived.ports import ExchangeError
from naived.websocket import Closed, ConnectError

_WITHIN = 10  # seconds for the whole exchange of one question and one answer
_OK, _BAD_REQUEST = 200, 400


async def symbol_row(api_url: str, symbol: str, connect: Connect) -> Mapping[str, Any] | None:
    """One row of ``exchangeInfo`` as it was sent, None if there is no such symbol; raises ExchangeError."""
    params = {"symbol": symbol, "showPermissionSets": False}
    question = msgspec.json.encode({"id": 1, "method": "exchangeInfo", "params": params}).decode()
    try:
        with trio.fail_after(_WITHIN):
            async with connect(api_url) as connection:
                await connection.send(question)
                answer = msgspec.json.decode(await connection.receive())
        if answer["status"] == _BAD_REQUEST:
            return None
        rows: Sequence[Mapping[str, Any]] = answer["result"]["symbols"]
    except (ConnectError, Closed, trio.TooSlowError) as error:
        raise ExchangeError(f"the source of prices did not answer: {error}") from error
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise ExchangeError(f"the source of prices gave no list of symbols: {error!r}") from error
    return rows[0] if rows else None
