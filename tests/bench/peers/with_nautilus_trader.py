"""Runs in an environment of its own: the trades as ticks, which fill orders, one buy or sell at a time.

with_nautilus_trader.py PRICES TIMES     prints trades, seconds, finished cycles
"""

import math
import sys
import time

import numpy as np
from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import ETH, USDT
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.enums import AccountType, AggressorSide, OmsType, OrderSide
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import TradeId, Venue
from nautilus_trader.model.objects import Money, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

SYMBOL = TestInstrumentProvider.ethusdt_binance()


class Cycles(Strategy):
    finished = 0
    limit: float | None = None  # of the buy, while there is one or what it bought is not sold

    def on_start(self) -> None:
        self.subscribe_trade_ticks(SYMBOL.id)

    def on_stop(self) -> None: ...

    def on_trade_tick(self, trade: TradeTick) -> None:
        if self.limit is None:
            self.limit = math.floor(float(trade.price) * 99.99) / 100
            self.place(OrderSide.BUY, self.limit)

    def on_order_filled(self, event: OrderFilled) -> None:
        if event.order_side == OrderSide.BUY and self.limit is not None:
            self.place(OrderSide.SELL, math.ceil(self.limit * 100.3) / 100)
        else:
            self.finished += 1
            self.limit = None

    def place(self, side: OrderSide, price: float) -> None:
        quantity, limit = SYMBOL.make_qty(0.1), SYMBOL.make_price(price)
        self.submit_order(self.order_factory.limit(SYMBOL.id, side, quantity, limit))


def main() -> None:
    quiet = LoggingConfig(log_level="ERROR")
    engine = BacktestEngine(BacktestEngineConfig(logging=quiet, run_analysis=False))
    money = [Money(10**8, USDT), Money(10**6, ETH)]
    engine.add_venue(Venue("BINANCE"), OmsType.NETTING, AccountType.CASH, money, trade_execution=True)
    engine.add_instrument(SYMBOL)
    sides, size = (AggressorSide.BUYER, AggressorSide.SELLER), Quantity.from_str("1000.00000")
    trades = [
        TradeTick(
            SYMBOL.id,
            SYMBOL.make_price(price / 10**8),
            size,
            sides[number % 2],
            TradeId(str(number)),
            when * 10**6,
            when * 10**6,
        )
        for number, (price, when) in enumerate(zip(*(np.load(each).tolist() for each in sys.argv[1:]), strict=True))
    ]
    engine.add_data(trades)
    cycles = Cycles()
    engine.add_strategy(cycles)
    began = time.perf_counter()
    engine.run()
    print(len(trades), time.perf_counter() - began, cycles.finished)


main()
