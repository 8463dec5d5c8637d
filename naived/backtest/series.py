"""What the charts of a backtest draw: long series as the lowest and highest value of each of some periods.

Values are exact integers of 10^-8, times ms since 1970. Nothing is sampled, so that no peak and no fall is lost.
Only stretches that hold a new peak of the profit are read trade by trade, as for the drawdown.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from naived.backtest.measure import largest_fall, stretch, worth
from naived.backtest.result import Moment, Result
from naived.backtest.search import lowest_and_highest
from naived.backtest.tape import Columns, Tape
from naived.core.amount import SCALE, Money
from naived.core.orders.intent import Side

PERIODS = 1_500  # about the pixels of a chart


@dataclass(slots=True)
class Line:
    """Points in time order."""

    times: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)

    def add(self, time: int, value: int) -> None:
        self.times.append(time)
        self.values.append(value)


@dataclass(slots=True)
class _Extremes:
    """The lowest and the highest value of a period, and when."""

    low: tuple[int, int] | None = None  # value, time
    high: tuple[int, int] | None = None

    def see(self, time: int, value: int) -> None:
        if self.low is None or value < self.low[0]:
            self.low = value, time
        if self.high is None or value > self.high[0]:
            self.high = value, time

    def into(self, line: Line) -> None:
        points = {(time, value) for value, time in filter(None, (self.low, self.high))}
        for time, value in sorted(points):
            line.add(time, value)


class Periods:
    """The time of a tape in equal parts; ``bounds`` has for each file where each period begins."""

    def __init__(self, tape: Tape, periods: int = PERIODS) -> None:
        began, ended = int(tape.parts[0].times[0]), int(tape.parts[-1].times[-1])
        edges = np.linspace(began, ended + 1, periods + 1).astype(np.int64)
        self._bounds = [np.searchsorted(part.times, edges).tolist() for part in tape.parts]
        self._edges: list[int] = edges.tolist()

    def of(self, time: int) -> int:
        """The period of a time; those before and after the tape belong to the first and the last one."""
        return max(0, min(len(self._edges) - 2, bisect_right(self._edges, time) - 1))

    def cut(self, number: int, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """A stretch of file ``number`` as (period, start, stop)."""
        bounds = self._bounds[number]
        while start < stop:
            period = max(0, min(len(bounds) - 2, bisect_right(bounds, start) - 1))
            end = min(stop, bounds[period + 1]) if bounds[period + 1] > start else stop
            yield period, start, end
            start = end


def price(tape: Tape, periods: Periods) -> Line:
    """The lowest and the highest price of each period, at the trades that had them first."""
    line, seen, at = Line(), _Extremes(), 0
    for number, part in enumerate(tape.parts):
        for period, start, stop in periods.cut(number, 0, len(part.ids)):
            if period != at:
                seen.into(line)
                seen, at = _Extremes(), period
            for index in lowest_and_highest(part, start, stop):
                seen.see(int(part.times[index]), int(part.prices[index]))
    seen.into(line)
    return line


@dataclass(slots=True)
class Worth:
    """``equity`` is the profit, realised and not; ``fall`` the largest fall from its peak in each period, <= 0."""

    equity: Line
    fall: Line


def equity(tape: Tape, result: Result, periods: Periods) -> Worth:
    """The profit at every trade, thinned; each moment counts up to the next one's trade, which is included."""
    made, fee = Worth(Line(), Line()), result.setup.fee
    made.equity.add(result.began, 0)
    made.fall.add(result.began, 0)
    seen, at, peak, fall = _Extremes(), 0, Money(0), Money(0)

    def flush() -> None:
        if seen.low is not None:
            seen.into(made.equity)
            made.fall.add(seen.low[1], -fall)

    for moment, part, number, start, stop in _stretches(tape, result.moments):
        for period, begin, end in periods.cut(number, start, stop):
            if period != at:
                flush()
                seen, at, fall = _Extremes(), period, Money(0)
            low, high = lowest_and_highest(part, begin, end)
            bottom = worth(moment, int(part.prices[low]), fee)
            top = worth(moment, int(part.prices[high]), fee)
            if top > peak:
                if moment.coins:
                    fall = max(fall, largest_fall(part, begin, end, moment, peak, fee))
                peak = top
            else:
                fall = max(fall, Money(peak - bottom))
            for index, value in ((low, bottom), (high, top)):
                seen.see(int(part.times[index]), value)
    flush()
    made.equity.add(result.ended, result.profit + result.unrealized)
    return made


def _stretches(tape: Tape, moments: Sequence[Moment]) -> Iterator[tuple[Moment, Columns, int, int, int]]:
    """What measure.stretch gives for each moment, with the number of the file."""
    for position, moment in enumerate(moments):
        following = moments[position + 1] if position + 1 < len(moments) else None
        for number, (part, start, stop) in enumerate(stretch(tape, moment, following), moment.part):
            yield moment, part, number, start, stop


def realised(result: Result, periods: Periods) -> Line:
    """The profit of finished cycles, thinned, from the first trade to the last."""
    line = Line()
    line.add(result.began, 0)
    seen, at, last = _Extremes(), 0, 0
    for moment in result.moments:
        value = moment.cash + moment.held_cost
        if value == last:
            continue
        period = periods.of(moment.time)
        if period != at:
            seen.into(line)
            seen, at = _Extremes(), period
        seen.see(moment.time, value)
        last = value
    seen.into(line)
    line.add(result.ended, last)
    return line


def fills(result: Result, side: Side, periods: Periods) -> Line:
    """Price and time of the fills of one side; where they are many, the lowest and highest of each period."""
    sides = {order.order_id: order.intent.side for order in result.orders}
    chosen = [fill for fill in result.fills if sides[fill.order_id] is side]
    line = Line()
    if len(chosen) <= 2 * PERIODS:
        for fill in chosen:
            line.add(fill.time, fill.price)
        return line
    seen, at = _Extremes(), 0
    for fill in chosen:
        period = periods.of(fill.time)
        if period != at:
            seen.into(line)
            seen, at = _Extremes(), period
        seen.see(fill.time, fill.price)
    seen.into(line)
    return line


def distances(result: Result) -> list[int]:
    """Of each buy that filled while others held coins: how far the nearest of them was, in rebuys (10^-8).

    The distance is |B' - B| / B of two buys' limits, over the setting ``rebuy``.
    """
    rebuy = result.setup.settings.rebuy
    intents = {order.order_id: order.intent for order in result.orders}
    living: dict[int, int] = {}
    found = []
    for fill in result.fills:
        intent = intents[fill.order_id]
        if intent.side is Side.SELL:
            living.pop(intent.trader, None)
            continue
        if living:
            nearest = min(abs(intent.price - other) * SCALE // other for other in living.values())
            found.append(nearest * SCALE // rebuy)
        living[intent.trader] = intent.price
    return found
