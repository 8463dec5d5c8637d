"""Candles of one symbol's public trades, as ``klines`` gives them: seconds, minutes and hours of this process.

An interval without a trade has a flat candle at the close before it, as on the exchange; before the first trade
there is none.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from naived.core.amount import format_wire, value_down
from naived.simulator.order import PublicTrade

_SECOND, _MINUTE, _HOUR = 1_000, 60_000, 3_600_000
INTERVALS = {
    "1s": _SECOND,
    **{f"{count}m": count * _MINUTE for count in (1, 3, 5, 15, 30)},
    **{f"{count}h": count * _HOUR for count in (1, 2, 4, 6, 8, 12)},
    "1d": 24 * _HOUR,
}
_START = attrgetter("start")
_KEPT = {_SECOND: 1_500, _MINUTE: 2_000, _HOUR: 1_500}  # candles of each length that trades are kept in


class Candle(Struct):
    """``start`` in ms; prices and amounts in 10^-8; ``taken...`` are what buyers took."""

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    value: int = 0
    trades: int = 0
    taken: int = 0
    taken_value: int = 0

    def extend(self, later: "Candle") -> None:
        """Take in what happened later."""
        self.high, self.low, self.close = max(self.high, later.high), min(self.low, later.low), later.close
        self.volume += later.volume
        self.value += later.value
        self.trades += later.trades
        self.taken += later.taken
        self.taken_value += later.taken_value


class Candles:
    """The candles of one symbol."""

    def __init__(self) -> None:
        self._kept: dict[int, deque[Candle]] = {length: deque(maxlen=most) for length, most in _KEPT.items()}

    def add(self, trade: PublicTrade) -> None:
        """Take in one trade."""
        price, quantity, value = trade.price, trade.quantity, value_down(trade.price, trade.quantity)
        taken = (0, 0) if trade.buyer_is_maker else (quantity, value)
        for length, kept in self._kept.items():
            one = Candle(trade.time // length * length, price, price, price, price, quantity, value, 1, *taken)
            if kept and kept[-1].start >= one.start:
                kept[-1].extend(one)
            else:
                kept.append(one)

    def rows(self, length: int, start: int | None, end: int, most: int) -> list[list[object]]:
        """The candles of ``length`` ms that begin from ``start`` to ``end`` (ms): the first, else the newest."""
        source = self._kept[max(each for each in _KEPT if length % each == 0)]
        known = _merged(source, length)
        if not known:
            return []
        last = end // length * length
        first = last - (most - 1) * length if start is None else -(-start // length) * length
        first = max(first, known[0].start)
        at = bisect_right(known, first, key=_START) - 1
        rows: list[list[object]] = []
        for begin in range(first, min(last, first + (most - 1) * length) + 1, length):
            if at + 1 < len(known) and known[at + 1].start <= begin:
                at += 1
            candle, close = known[at], known[at].close
            rows.append(
                _row(candle if candle.start == begin else Candle(begin, close, close, close, close), length)
            )
        return rows


def _merged(source: Iterable[Candle], length: int) -> Sequence[Candle]:
    merged: list[Candle] = []
    for each in source:
        begin = each.start // length * length
        if merged and merged[-1].start == begin:
            merged[-1].extend(each)
        else:
            merged.append(replace(each, start=begin))
    return merged


def _row(candle: Candle, length: int) -> list[object]:
    prices = (candle.open, candle.high, candle.low, candle.close, candle.volume)
    return [
        candle.start,
        *map(format_wire, prices),
        candle.start + length - 1,
        format_wire(candle.value),
        candle.trades,
        format_wire(candle.taken),
        format_wire(candle.taken_value),
        "0",
    ]
