"""Runs in an environment of its own: the trades as bars of one trade each, one buy or sell at a time.

with_basana.py PRICES TIMES     prints trades, seconds, finished cycles
"""

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_UP, Decimal

import basana
import numpy as np
from basana.backtesting import exchange as backtesting
from basana.backtesting import liquidity

PAIR = basana.Pair("ETH", "USDT")
TICK, AMOUNT, SHORT = Decimal("0.01"), Decimal("0.1"), timedelta(milliseconds=1)


class Trades(basana.EventSource):
    def __init__(self, prices: list[Decimal], times: list[int]) -> None:
        super().__init__()
        self.left = zip(prices, times, strict=True)

    def pop(self) -> basana.Event | None:
        found = next(self.left, None)
        if found is None:
            return None
        price, when = found[0], datetime.fromtimestamp(found[1] / 1000, UTC)
        return basana.BarEvent(when, basana.Bar(when, PAIR, price, price, price, price, Decimal(1000), SHORT))


class Cycles:
    def __init__(self, exchange: backtesting.Exchange) -> None:
        self.exchange = exchange
        self.finished = 0
        self.limit: Decimal | None = None  # of the buy, while there is one or what it bought is not sold

    async def on_trade(self, event: basana.BarEvent) -> None:
        if self.limit is None:
            self.limit = (event.bar.close * Decimal("0.9999")).quantize(TICK, ROUND_DOWN)
            await self.exchange.create_limit_order(basana.OrderOperation.BUY, PAIR, AMOUNT, self.limit)

    async def on_order(self, event: backtesting.OrderEvent) -> None:
        order = event.order
        if order.is_open or not order.amount_filled or self.limit is None:
            return
        if order.operation is basana.OrderOperation.BUY:
            target = (self.limit * Decimal("1.003")).quantize(TICK, ROUND_UP)
            await self.exchange.create_limit_order(basana.OrderOperation.SELL, PAIR, AMOUNT, target)
        else:
            self.finished += 1
            self.limit = None


async def main() -> None:
    prices = [Decimal(price) / 10**8 for price in np.load(sys.argv[1]).tolist()]
    times = np.load(sys.argv[2]).tolist()
    dispatcher = basana.backtesting_dispatcher()
    money = {"USDT": Decimal(10**9)}
    exchange = backtesting.Exchange(dispatcher, money, liquidity_strategy_factory=liquidity.InfiniteLiquidity)
    exchange.set_pair_info(PAIR, basana.PairInfo(4, 2))
    exchange.add_bar_source(Trades(prices, times))
    cycles = Cycles(exchange)
    exchange.subscribe_to_bar_events(PAIR, cycles.on_trade)
    exchange.subscribe_to_order_events(cycles.on_order)
    began = time.perf_counter()
    await dispatcher.run()
    print(len(prices), time.perf_counter() - began, cycles.finished)


asyncio.run(main())
