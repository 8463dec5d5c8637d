"""Tapes in memory, for tests of the backtester."""

import itertools
from pathlib import Path
from random import Random

import numpy as np

from naived.backtest.columns import index
from naived.backtest.result import Setup
from naived.backtest.rules import rules
from naived.backtest.tape import Columns, Tape
from naived.core.amount import parse_money, parse_quantity, parse_rate
from naived.core.risk import NO_LIMITS, Limits
from naived.core.strategy.settings import Settings

BEGAN = 1_700_000_000_000  # ms
_COIN = parse_quantity("1")


def columns(prices: list[int], times: list[int], first: int = 1) -> Columns:
    """One file's trades of one coin each; ``first`` is the id of the first one."""
    price = np.array(prices, np.int64)
    ids = np.arange(first, first + len(prices), dtype=np.int64)
    quantities = np.full(len(prices), _COIN, np.int64)
    low, high = index(price)
    return Columns(Path("made.csv"), ids, price, quantities, np.array(times, np.int64), low, high, 1)


def walk(
    seed: int, length: int, *, step: int, gap: int = 100, start: int = 268_380, tick: int = 10**6
) -> tuple[list[int], list[int]]:
    """Prices and times (ms) of a random walk; each trade moves by up to ``step`` ticks and ``gap`` ms."""
    random = Random(seed)
    level, now = start, BEGAN
    prices, times = [], []
    for _ in range(length):
        level = max(1, level + random.randint(-step, step))
        now += random.randint(0, gap)
        prices.append(level * tick)
        times.append(now)
    return prices, times


def tape(prices: list[int], times: list[int], *cuts: int, symbol: str = "ETHUSDT") -> Tape:
    """One tape of these trades, in several files if it is cut."""
    edges = [0, *cuts, len(prices)]
    parts = tuple(
        columns(prices[start:stop], times[start:stop], start + 1)
        for start, stop in itertools.pairwise(edges)
        if start < stop
    )
    return Tape(symbol, parts, ())


def setup(
    symbol: str = "ETHUSDT",
    *,
    fee: str = "0.001",
    latency: int = 0,
    limits: Limits = NO_LIMITS,
    **settings: object,
) -> Setup:
    """The built-in rules of a symbol; settings are values, or texts of rates."""
    given = {
        name: parse_rate(value) if isinstance(value, str) else value
        for name, value in ({"budget": parse_money("1000")} | settings).items()
    }
    wanted = Settings(**given)  # type: ignore[arg-type]
    return Setup(rules(symbol, None), wanted, parse_rate(fee), latency, limits)
