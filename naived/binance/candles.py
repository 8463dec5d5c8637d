"""Reads candles for a fall guard: only the highest price of each matters."""

import msgspec

from naived.binance.border import Time, bounded
from naived.binance.signing import Param
from naived.core.amount import parse_price
from naived.core.recent_high import Candle

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


def request_of(symbol: str, span: int, now: int) -> dict[str, Param]:
    """The request for the last ``span`` ms, in the shortest candles of which one answer holds enough."""
    start = now - span
    interval, length = next(each for each in _INTERVALS.items() if span // each[1] + 2 <= _MOST)
    return {"symbol": symbol, "interval": interval, "startTime": start // length * length, "limit": _MOST}


def candle_of(row: CandleRow) -> Candle:
    """Raises ValueError."""
    return Candle(row.start, row.end, bounded(parse_price, row.high, 1))
