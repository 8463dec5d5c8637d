"""Public prices: the last ones, and candles for a fall guard, of which only the highest price matters."""

from collections.abc import Mapping, Sequence

import msgspec

from naived.binance.border import Time, bounded, name
from naived.binance.mapping import TickerPrice
from naived.binance.reading import Reader
from naived.binance.session import ApiClient
from naived.binance.signing import Param
from naived.core.amount import Price, parse_price, parse_quantity
from naived.core.recent_high import Candle
from naived.ports import RefusedError

_INTERVALS = {
    "1s": 1_000,
    **{f"{count}m": count * 60_000 for count in (1, 3, 5, 15, 30)},
    **{f"{count}h": count * 3_600_000 for count in (1, 2, 4, 6, 8, 12)},
}
_MOST = 1_000  # rows of one answer
WEIGHT = 2


class CandleRow(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """One row of ``klines``: a list, of which the first seven are read. Times are ms, the last one included."""

    start: Time
    open: str
    high: str
    low: str
    close: str
    volume: str
    end: Time


class ReferencePrice(msgspec.Struct, gc=False, frozen=True):
    """The result of ``referencePrice``; null where the symbol has none (any more)."""

    price: str | None = msgspec.field(name="referencePrice")


class AveragePrice(msgspec.Struct, gc=False, frozen=True):
    """The result of ``avgPrice``."""

    price: str


def request_of(symbol: str, span: int, now: int) -> dict[str, Param]:
    """The request for the last ``span`` ms, in the shortest candles of which one answer holds enough."""
    start = now - span
    interval, length = next(each for each in _INTERVALS.items() if span // each[1] + 2 <= _MOST)
    return {"symbol": symbol, "interval": interval, "startTime": start // length * length, "limit": _MOST}


def candle_of(row: CandleRow) -> Candle:
    """Raises ValueError. A row without trades repeats the price before it, which is none of its own."""
    if row.end < row.start:
        raise ValueError(f"it ends at {row.end}, before it begins at {row.start}")
    high = bounded(parse_price, row.high, 1)
    return Candle(row.start, row.end, high if bounded(parse_quantity, row.volume) else Price(0))


class Prices:
    """The part of an ``Exchange`` that reads public prices."""

    def __init__(self, client: ApiClient, reader: Reader) -> None:
        self._client = client
        self._reader = reader

    async def last_prices(self, names: Sequence[str]) -> Mapping[str, Price]:
        """See ``Exchange``. A name that is not listed any more makes the whole answer an error."""
        wanted = sorted(set(names))
        if len(wanted) == 1:
            answer = await self._client.ask("ticker.price", {"symbol": wanted[0]}, 2)
            rows = [self._reader.one(answer, "a price", TickerPrice, _price_of)]
        else:
            answer = await self._client.ask("ticker.price", {"symbols": wanted}, 4)
            rows = self._reader.rows(answer, "a price", TickerPrice, _price_of).values
        return {symbol: price for symbol, price in rows if price}  # 0: it was never traded

    async def reference_price(self, symbol: str) -> Price | None:
        """See ``Exchange``. Most symbols have none of their own: then it is the average of the last minutes."""
        try:
            answer = await self._client.ask("referencePrice", {"symbol": symbol}, WEIGHT)
            price = self._reader.one(answer, "a reference price", ReferencePrice, _reference_of)
        except RefusedError:
            price = None
        if price is None:
            answer = await self._client.ask("avgPrice", {"symbol": symbol}, WEIGHT)
            price = self._reader.one(answer, "an average price", AveragePrice, _average_of)
        return price

    async def candles(self, symbol: str, span: int) -> Sequence[Candle]:
        """See ``Exchange``. A row that cannot be read is an error: it may be the highest one."""
        params = request_of(symbol, span, self._client.clock.now())
        answer = await self._client.ask("klines", params, WEIGHT)
        rows = self._reader.rows(answer, "a candle", CandleRow, candle_of)
        if rows.unreadable is not None:
            raise RefusedError(rows.unreadable)
        return rows.values


def _reference_of(row: ReferencePrice) -> Price | None:
    return None if row.price is None else bounded(parse_price, row.price, 1)


def _average_of(row: AveragePrice) -> Price | None:
    return bounded(parse_price, row.price) or None  # 0: it was never traded


def _price_of(row: TickerPrice) -> tuple[str, Price]:
    return name(row.symbol), bounded(parse_price, row.price)
