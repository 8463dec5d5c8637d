"""Runs in an environment of its own: the trades as events, a loop that numba compiles, one buy or sell at a time.

with_hftbacktest.py PRICES TIMES     prints trades, seconds (without compiling), finished cycles
"""

import sys
import time

import numpy as np
from hftbacktest import (
    BUY_EVENT,
    EXCH_EVENT,
    GTC,
    LIMIT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
)
from hftbacktest.types import event_dtype
from numba import njit

QUANTITY = 0.1


@njit
def play(exchange):  # type: ignore[no-untyped-def]  # numba reads no annotations
    finished, order, limit, selling = 0, 0, 0.0, False
    while exchange.wait_next_feed(True, 1 << 60) in (0, 2, 3):
        held = exchange.position(0)
        if not limit:
            trades = exchange.last_trades(0)
            if len(trades):
                order += 1
                limit = np.floor(trades[-1].px * 99.99) / 100
                exchange.submit_buy_order(0, order, limit, QUANTITY, GTC, LIMIT, False)
        elif not selling and held > QUANTITY / 2:
            order += 1
            selling = True
            exchange.submit_sell_order(0, order, np.ceil(limit * 100.3) / 100, QUANTITY, GTC, LIMIT, False)
        elif selling and held < QUANTITY / 2:
            finished += 1
            limit, selling = 0.0, False
        exchange.clear_last_trades(0)
        exchange.clear_inactive_orders(0)
    return finished


def tape(prices, times):  # type: ignore[no-untyped-def]
    events = np.zeros(len(prices), event_dtype)
    sides = np.where(np.arange(len(prices)) % 2, BUY_EVENT, SELL_EVENT)
    events["ev"] = TRADE_EVENT | EXCH_EVENT | LOCAL_EVENT | sides
    events["exch_ts"] = times * 10**6
    events["local_ts"] = times * 10**6
    events["px"] = prices / 10**8
    events["qty"] = 1000.0
    return events


def run(events):  # type: ignore[no-untyped-def]
    asset = (
        BacktestAsset()
        .data(events)
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(0.01)
        .lot_size(0.0001)
    )
    asset.last_trades_capacity(1)
    exchange = HashMapMarketDepthBacktest([asset])
    began = time.perf_counter()
    finished = play(exchange)
    return time.perf_counter() - began, finished


def main() -> None:
    events = tape(np.load(sys.argv[1]), np.load(sys.argv[2]))
    run(events[:100])  # compiles
    seconds, finished = run(events)
    print(len(events), seconds, finished)


main()
