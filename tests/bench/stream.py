"""Ordinary trades per second through the socket: a simulator in its own process, adapter and feed in this one."""

from collections.abc import Iterator
from statistics import median

import trio

from naived.binance.endpoint import simulator as endpoint
from naived.binance.streams import Streams
from naived.core.amount import Price
from naived.core.orders.report import Report
from naived.runtime.price_gate import PriceGates
from naived.websocket import connect
from tests.bench.programs import simulator

_NAME = "ETHUSDT"
_SECONDS = 2.0
_RUNS = 5


class _Counting:
    """A sink that counts trades on their way into the feed."""

    def __init__(self) -> None:
        self.trades = 0
        self._feed = PriceGates()
        self._feed.gate(_NAME)

    def trade(self, symbol: str, trade_id: int, price: Price, quantity: str, time: int) -> None:
        self.trades += 1
        self._feed.trade(symbol, trade_id, price, quantity, time)

    def report(self, report: Report) -> None: ...

    def opened(self) -> None: ...

    def closed(self, reason: str) -> None: ...


def measure() -> Iterator[str]:
    with simulator("--random-walk", f"{_NAME}=2683.80", "--speed", "max", "--no-limits") as url:
        rates = trio.run(_received, url)
    yield f"{median(rates):12,.0f} trades/s through the socket (median of {_RUNS} x {_SECONDS:.0f} s)"


async def _received(url: str) -> list[float]:
    counting = _Counting()
    streams = Streams(endpoint(url).stream_url, connect)
    rates = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(streams.run, counting)
        await streams.watch(_NAME)
        for _ in range(_RUNS):
            before, began = counting.trades, trio.current_time()
            await trio.sleep(_SECONDS)
            rates.append((counting.trades - before) / (trio.current_time() - began))
        nursery.cancel_scope.cancel()
    return rates
