"""Searches a tape: the next trade outside an interval, extremes of a stretch, trades that may be bad prints.

Each column of prices has an index, the lowest and the highest price of every block of 256 trades, so that a quiet
stretch costs two comparisons a block. All arrays are int64; all ranges are half open.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from naived.backtest.tape import BLOCK, Columns
from naived.core.amount import SCALE, Rate

Array: TypeAlias = NDArray[np.int64]

_FIRST_BLOCKS, _MORE = 64, 8  # blocks of the first look into the index, and how many times as many each further one
_TICKS = 2  # a trade no further than that from the one before is never a bad print (see PriceCheck)


def first_outside(part: Columns, start: int, stop: int, low: int, high: int) -> int:
    """The first trade in [start, stop) whose price is not strictly between ``low`` and ``high``; else ``stop``."""
    prices = part.prices
    block = start // BLOCK + 1
    edge = min(block * BLOCK, stop)
    found = _first(prices, start, edge, low, high)
    if found < edge or edge == stop:
        return found
    last, size = (stop - 1) // BLOCK + 1, _FIRST_BLOCKS
    while block < last:
        until = min(block + size, last)
        hits = (part.low[block:until] <= low) | (part.high[block:until] >= high)
        first = int(hits.argmax())
        if hits[first]:
            begin = (block + first) * BLOCK
            return _first(prices, begin, min(begin + BLOCK, stop), low, high)
        block, size = until, size * _MORE
    return stop


def _first(prices: Array, start: int, stop: int, low: int, high: int) -> int:
    if start >= stop:
        return stop
    window = prices[start:stop]
    hits = (window <= low) | (window >= high)
    first = int(hits.argmax())
    return start + first if hits[first] else stop


def extremes(part: Columns, start: int, stop: int) -> tuple[int, int]:
    """The lowest and the highest price of a stretch that is not empty."""
    prices = part.prices
    first, last = -(-start // BLOCK), stop // BLOCK
    if last <= first:
        window = prices[start:stop]
        return int(window.min()), int(window.max())
    lows, highs = [int(part.low[first:last].min())], [int(part.high[first:last].max())]
    for begin, end in ((start, first * BLOCK), (last * BLOCK, stop)):
        if begin < end:
            window = prices[begin:end]
            lows.append(int(window.min()))
            highs.append(int(window.max()))
    return min(lows), max(highs)


def last_at(part: Columns, start: int, stop: int, price: int) -> int | None:
    """The last trade of a stretch at exactly this price, which is its highest; None if there is none."""
    first = start // BLOCK
    for block in reversed(np.flatnonzero(part.high[first : (stop - 1) // BLOCK + 1] >= price).tolist()):
        begin = max(start, (first + block) * BLOCK)
        hits = np.flatnonzero(part.prices[begin : min(stop, (first + block + 1) * BLOCK)] == price)
        if hits.size:
            return begin + int(hits[-1])
    return None


def lowest_and_highest(part: Columns, start: int, stop: int) -> tuple[int, int]:
    """Where a stretch that is not empty has its lowest and its highest price first."""
    prices = part.prices
    first, last = -(-start // BLOCK), stop // BLOCK
    if last <= first:
        window = prices[start:stop]
        return start + int(window.argmin()), start + int(window.argmax())
    lows, highs = list[tuple[int, int]](), list[tuple[int, int]]()  # with where: at one price the first counts
    lowest, highest = first + int(part.low[first:last].argmin()), first + int(part.high[first:last].argmax())
    for begin, end in (
        (start, first * BLOCK),
        (last * BLOCK, stop),
        *((block * BLOCK, block * BLOCK + BLOCK) for block in (lowest, highest)),
    ):
        if begin < end:
            window = prices[begin:end]
            low, high = int(window.argmin()), int(window.argmax())
            lows.append((int(window[low]), begin + low))
            highs.append((-int(window[high]), begin + high))
    return min(lows)[1], min(highs)[1]


def suspicious(part: Columns, deviation: Rate, tick: int) -> NDArray[np.bool_]:
    """By block: may it have a trade that is further than ``deviation`` and two ticks from the one before?

    A block is cleared only if all prices of it and of the block before are near each other, and the block before
    does not end in the millisecond in which it began: then each trade's reference is one of these prices.
    """
    blocks = len(part.low)
    if not deviation:
        return np.zeros(blocks, np.bool_)
    low, high = part.low.copy(), part.high.copy()
    np.minimum(low[1:], part.low[:-1], out=low[1:])
    np.maximum(high[1:], part.high[:-1], out=high[1:])
    # high - low <= low * deviation / SCALE, without a product beyond int64: deviation is below SCALE.
    most = low // SCALE * deviation + low % SCALE * deviation // SCALE
    found: NDArray[np.bool_] = (high - low > most) & (high - low > _TICKS * tick)
    starts = part.times[::BLOCK]
    found[1:] |= starts[1:] == starts[:-1]
    found[0] = True  # the trade before the first one is in another file, or nowhere
    return found
