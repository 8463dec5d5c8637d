"""Random walks: a market to trade in when there is no recording. Seeded, mean-reverting, integers only.

The price is held in 1024ths of a tick, so that a symbol with few ticks in its price wanders like any other.
Each trade moves it by up to ``_STEP`` of the anchor and back by ``_PULL`` of its distance from it: a standard
deviation of 0.02 % a trade, so about 0.3 % (a default cycle with both fees) in a minute at speed 1, and a
price that stays within some per cent of the anchor for ever.
"""

from collections.abc import Iterator
from random import Random

from naived.core.amount import SCALE, Price, Quantity, parse_money, quantity_up
from naived.core.market import Filters
from naived.simulator.tape import Print

_PARTS = 1024  # of a tick
_STEP = (35, 100_000)  # 0.035 % at most, evenly drawn: a standard deviation of 0.02 %
_PULL = 5_000  # trades to come back: about 17 minutes at speed 1
_GAP = 400_000  # microseconds at most between two trades, evenly drawn: five a second
_WORTH = (2, 400)  # times the least notional: 10 to 2000 USDT a trade
_LEAST_NOTIONAL = parse_money("5")  # where the symbol has none


def walk(symbol: str, anchor: Price, filters: Filters, seed: int) -> Iterator[Print]:
    """Trades without end around ``anchor``; the same arguments give the same walk. Times begin at 0."""
    random = Random(f"{seed}:{symbol}")
    tick = filters.tick_size or 1
    home = level = max(anchor // tick, 1) * _PARTS
    most = max(home * _STEP[0] // _STEP[1], 1)
    least = filters.min_notional or _LEAST_NOTIONAL
    time = 0
    while True:
        drift = -((level - home) // _PULL)
        moved = max(level + random.randint(-most, most) + drift, _PARTS)
        price = Price(moved // _PARTS * tick)
        worth = random.randint(_WORTH[0] * least, _WORTH[1] * least)
        quantity = quantity_up(worth * SCALE, price, Quantity(filters.step_size or 1))
        yield Print(price, quantity, time, buyer_is_maker=moved < level)
        level = moved
        time += random.randint(1, _GAP)
