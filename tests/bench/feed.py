"""Ordinary trades per second through feed and leader, without a socket.

An ordinary trade lies inside its symbol's band: five traders that sell, no chance to take.
"""

import time
from collections.abc import Callable, Iterator
from statistics import median

from naived.binance.codec import MarketTrade, read_market
from naived.core.amount import format_wire, parse_price
from naived.core.market import Trade
from naived.core.strategy import leader as leading
from naived.core.strategy.leader import EVERY
from naived.core.strategy.trader_state import Traded
from naived.runtime.price_gate import PriceGates
from tests.bench.worlds import sellers

_TRADES = 500_000
_RUNS = 5
_NAME = "ETHUSDT"


def measure() -> Iterator[str]:
    leader = sellers(living=4)
    low, high = leading.band(leader, None)
    prices = [low + 1 + (high - low - 2) * number // _TRADES for number in range(_TRADES)]
    feed = PriceGates()
    gate = feed.gate(_NAME)
    gate.low, gate.high = low, high

    def ordinary() -> None:
        trade = feed.trade
        for number, price in enumerate(prices):
            trade(_NAME, number, price, "0.00200000", number)

    frames = [_frame(number, price) for number, price in enumerate(prices[:: _TRADES // 50_000])]

    def decoded() -> None:
        for text in frames:
            trade = read_market(text).data
            assert type(trade) is MarketTrade
            feed.trade(trade.symbol, trade.id, parse_price(trade.price), trade.quantity, trade.time)

    def stepped() -> None:
        for number, price in enumerate(prices[:50_000]):
            leading.step_leader(leader, Traded(Trade(number, price, 200_000, number)), number, None)

    assert (low, high) != EVERY
    yield f"{_rate(ordinary, _TRADES):>12,.0f} trades/s through the feed, inside the band"
    yield f"{_rate(decoded, len(frames)):>12,.0f} trades/s from the frame's text on, inside the band"
    yield f"{_rate(stepped, 50_000):>12,.0f} trades/s if each one stepped the leader (what the band saves)"


def _frame(number: int, price: int) -> str:
    return (
        f'{{"stream":"ethusdt@trade","data":{{"e":"trade","E":1723161255612,"s":"{_NAME}","t":{number},'
        f'"p":"{format_wire(price)}","q":"0.00200000","T":1723161255611,"m":true,"M":true}}}}'
    )


def _rate(run: Callable[[], None], count: int) -> float:
    seconds = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return count / median(seconds)
