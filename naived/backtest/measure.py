"""Figures of a backtest that its moments and the prices between them give: drawdown, time in market, buy and hold.

At a price p the profit of a moment, realised and not, is cash + coins * p * (1 - fee): between two moments it rises
and falls with the price alone. So the index of the tape gives its extremes, and only a stretch that may hold the
largest fall is read trade by trade.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from naived.backtest.result import Moment
from naived.backtest.search import extremes
from naived.backtest.tape import Columns, Tape
from naived.core.amount import SCALE, Money, Price, Quantity, Rate, money_down, quantity_down, value_up
from naived.core.market import Filters
from naived.core.strategy.formulas import buy_quantity

_PIECE = 1 << 20  # trades that are read at once


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
        for part, start, stop in _stretch(tape, moment, following):
            low, high = extremes(part, start, stop)
            bottom, top = worth(moment, low, fee), worth(moment, high, fee)
            if top > peak and top - bottom > most:
                most = max(most, _largest_fall(part, start, stop, moment, peak, fee))
            elif top <= peak:
                most = max(most, Money(peak - bottom))
            peak = max(peak, top)
    return most


def _stretch(tape: Tape, moment: Moment, following: Moment | None) -> Iterator[tuple[Columns, int, int]]:
    """The trades from a moment to the next one, that one's trade included."""
    last = len(tape.parts) - 1 if following is None else following.part
    for number in range(moment.part, last + 1):
        part = tape.parts[number]
        start = moment.index if number == moment.part else 0
        stop = following.index + 1 if following is not None and number == last else len(part.ids)
        yield part, start, stop


def _largest_fall(part: Columns, start: int, stop: int, moment: Moment, peak: Money, fee: Rate) -> Money:
    """The largest fall in a stretch, from ``peak`` or from a later higher profit."""
    most, highest = Money(0), 0
    for begin in range(start, stop, _PIECE):
        prices = np.asarray(part.prices[begin : min(begin + _PIECE, stop)])
        before = np.maximum.accumulate(np.maximum(prices, highest))
        falls = before - prices
        at = int(falls.argmax())
        top = max(peak, worth(moment, int(before[at]), fee))
        most = max(most, Money(top - worth(moment, int(prices[at]), fee)))
        # Before the profit passes the peak, its fall is that of the lowest price.
        passing = np.flatnonzero(before > _price_of(peak, moment, fee))
        ahead = prices[: int(passing[0])] if len(passing) else prices
        if len(ahead):
            most = max(most, Money(peak - worth(moment, int(ahead.min()), fee)))
        highest = int(before[-1])
    return most


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
