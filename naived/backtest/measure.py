"""Figures of a backtest that its moments and the prices between them give: drawdown, time in market, buy and hold.

At a price p the profit of a moment, realised and not, is cash + coins * p * (1 - fee): between two moments it rises
and falls with the price alone. So the index of the tape gives its extremes, and only a stretch that may hold the
largest fall is read trade by trade.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from naived.backtest.result import Moment
from naived.backtest.search import Array, extremes
from naived.backtest.tape import BLOCK, Columns, Tape
from naived.core.amount import SCALE, Money, Price, Quantity, Rate, money_down, quantity_down, value_up
from naived.core.market import Filters
from naived.core.strategy.formulas import buy_quantity


def worth(moment: Moment, price: int, fee: Rate) -> Money:
    """The profit, realised and not, at this price."""
    return Money(moment.cash + money_down(moment.coins * price * (SCALE - fee), SCALE * SCALE))


def drawdown(tape: Tape, moments: Sequence[Moment], fee: Rate) -> Money:
    """The largest fall of the profit from its peak so far, over every trade; a moment counts to the next one."""
    peak = most = Money(0)
    for number, moment in enumerate(moments):
        following = moments[number + 1] if number + 1 < len(moments) else None
        if not moment.coins:
            peak = max(peak, moment.cash)
            most = max(most, Money(peak - moment.cash))
            continue
        for part, start, stop in stretch(tape, moment, following):
            low, high = extremes(part, start, stop)
            bottom, top = worth(moment, low, fee), worth(moment, high, fee)
            if top > peak and top - bottom > most:
                most = max(most, largest_fall(part, start, stop, moment, peak, fee))
            elif top <= peak:
                most = max(most, Money(peak - bottom))
            peak = max(peak, top)
    return most


def stretch(tape: Tape, moment: Moment, following: Moment | None) -> Iterator[tuple[Columns, int, int]]:
    """The trades from a moment to the next one; that one's trade only where it came later, without a trade.

    At a trade that fills an order the coins are worth what the order says: never what this trade makes of them.
    """
    last = len(tape.parts) - 1 if following is None else following.part
    for number in range(moment.part, last + 1):
        part = tape.parts[number]
        start = moment.index if number == moment.part else 0
        stop = len(part.ids)
        if following is not None and number == last:
            stop = following.index + int(following.time > part.times[following.index])
        if start < stop:
            yield part, start, stop


def largest_fall(part: Columns, start: int, stop: int, moment: Moment, peak: Money, fee: Rate) -> Money:
    """The largest fall in a stretch, from ``peak`` or from a later higher profit.

    The stretch is a row of pieces: blocks of the index, and what is before and after them. A fall from one piece to
    a later one is known from their extremes; inside of a piece it is looked for only where it could be larger.
    """
    edges = _edges(start, stop)
    lows, highs = _pieces(part, edges)
    before = np.concatenate(([0], np.maximum.accumulate(highs)[:-1]))
    falls = before - lows
    best = int(falls.argmax())
    top, bottom = int(before[best]), int(lows[best])
    for piece in np.flatnonzero(highs - lows > top - bottom).tolist():
        prices = np.asarray(part.prices[edges[piece] : edges[piece + 1]])
        reached = np.maximum.accumulate(prices)
        at = int((reached - prices).argmax())
        if int(reached[at] - prices[at]) > top - bottom:
            top, bottom = int(reached[at]), int(prices[at])
    most = worth(moment, top, fee) - worth(moment, bottom, fee) if top > bottom else 0
    # Before the profit passes its peak, its fall is that of the lowest price.
    limit = _price_of(peak, moment, fee)
    passing = np.flatnonzero(highs > limit)
    piece = int(passing[0]) if len(passing) else len(lows)
    ahead = [int(lows[:piece].min())] if piece else []
    if piece < len(lows):
        prices = np.asarray(part.prices[edges[piece] : edges[piece + 1]])
        prices = prices[: int((prices > limit).argmax())]
        ahead += [int(prices.min())] if len(prices) else []
    fallen = peak - worth(moment, min(ahead), fee) if ahead else 0
    return Money(max(most, fallen, 0))


def _edges(start: int, stop: int) -> list[int]:
    first, last = -(-start // BLOCK), stop // BLOCK
    inner = range(first * BLOCK, last * BLOCK + 1, BLOCK) if first <= last else range(0)
    return sorted({start, *inner, stop})


def _pieces(part: Columns, edges: Sequence[int]) -> tuple[Array, Array]:
    """Lowest and highest price of each piece."""
    start, stop = edges[0], edges[-1]
    first, last = -(-start // BLOCK), stop // BLOCK
    if first >= last:
        found = [extremes(part, begin, end) for begin, end in itertools.pairwise(edges)]
        return np.array([low for low, _ in found], np.int64), np.array([high for _, high in found], np.int64)
    head = [extremes(part, start, first * BLOCK)] if start < first * BLOCK else []
    tail = [extremes(part, last * BLOCK, stop)] if last * BLOCK < stop else []
    lows = ([low for low, _ in head], part.low[first:last], [low for low, _ in tail])
    highs = ([high for _, high in head], part.high[first:last], [high for _, high in tail])
    return np.concatenate(lows).astype(np.int64), np.concatenate(highs).astype(np.int64)


def _price_of(profit: Money, moment: Moment, fee: Rate) -> int:
    """The highest price, rounded down, at which the profit is no more than this; bounded to what a price can be."""
    price: int = (profit - moment.cash) * SCALE * SCALE // (moment.coins * (SCALE - fee))
    return max(-1, min(int(price), (1 << 63) - 1))


def in_market(moments: Sequence[Moment], ended: int) -> int:
    """The time (ms) in which a trader held coins, up to ``ended``; lots that wait do not count."""
    total = 0
    for number, moment in enumerate(moments):
        if moment.positions:
            total += (moments[number + 1].time if number + 1 < len(moments) else ended) - moment.time
    return total


def buy_and_hold(budget: Money, first: Price, last: Price, fee: Rate, rules: Filters) -> Money:
    """The profit of ``budget`` spent at the first price and sold at the last, with a fee on both."""
    quantity = buy_quantity(budget, 1, first, rules)
    net = quantity_down(quantity * (SCALE - fee), SCALE, Quantity(1))
    return Money(money_down(net * last * (SCALE - fee), SCALE * SCALE) - value_up(first, quantity))
