"""The rules of a whole recorded exchange: each symbol trades with default settings, or says what would make it.

Each symbol is tried at one price. ``NAIVED_TEST_SYMBOLS=all`` tries each at all of them, a number so many at all of
them, spread evenly.
"""

import gzip
import os
import re
from collections import Counter
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from naived.binance.border import read
from naived.binance.mapping import ExchangeInfo, SymbolRow, symbol_of
from naived.core.amount import SCALE, Money, Price, parse_money
from naived.core.engine import Engine
from naived.core.market import SymbolInfo
from naived.core.orders.intent import Side
from naived.core.strategy.formulas import untradable
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.core.strategy.trader_state import Waiting
from tests.support.ledger import Audited, own_price
from tests.support.market import FEES, TENTH, Exchange

RECORDED = Path(__file__).parents[3] / "shared/data/fixtures/exchange_info_all_prod_2021-04-29.json.gz"
DEFAULTS = Settings(budget=parse_money("1000"))
TICKS = (1, 2, 52, 10_000)  # prices of so many ticks
RICH = Money(10**32)


def recorded(ticks: int) -> list[SymbolInfo]:
    """The symbols to be tried at a price of so many ticks."""
    if not RECORDED.exists():
        pytest.skip(f"no {RECORDED.name} beside this project")
    rows = msgspec.json.decode(gzip.decompress(RECORDED.read_bytes()), type=ExchangeInfo).symbols
    match os.environ.get("NAIVED_TEST_SYMBOLS"):
        case None:
            rows = rows[TICKS.index(ticks) :: len(TICKS)]
        case str(most) if most != "all":
            rows = rows[:: max(1, len(rows) // int(most))]
    # The engine is told the assets' names that the books of the tests have.
    chosen = [symbol_of(read(row, SymbolRow, print), print) for row in rows]
    return [replace(info, base="ETH", quote="USDT", trading=True) for info in chosen]


def begin(info: SymbolInfo, wanted: Settings, price: int) -> Audited:
    """It is on, and has seen trades of one price."""
    exchange = Exchange(info, TENTH, quote=RICH)
    bench = Audited(
        Engine(Leader(info, FEES, DesiredState(wanted, Status.ON), active=True), epoch=1), exchange, last=price
    )
    bench.market(price, price)
    return bench


def tradable(info: SymbolInfo, price: int, budget: int) -> bool:
    rest = (DEFAULTS.buy_down, DEFAULTS.profit, FEES, info.filters)
    return untradable(Price(price), Money(budget), DEFAULTS.chunks, *rest) is None


def reason(bench: Audited) -> str | None:
    """Why the only trader waits; None if it does not."""
    (trader,) = bench.traders
    return trader.phase.reason if isinstance(trader.phase, Waiting) else None


def print_trade(bench: Audited, price: int) -> None:
    """A trade that fills an order and that the symbol is not told of: no other trader joins."""
    bench.last = price
    bench.exchange.trade(price, bench.now)
    bench.settle()


def cycle(bench: Audited) -> None:
    """Buy lower, sell higher: the sell brings what was promised, the profit is what the balance tells."""
    info = bench.exchange.rules
    (buy,) = bench.exchange.open(Side.BUY)
    print_trade(bench, buy.intent.price - 1)
    (trader,) = bench.traders
    (sell,) = bench.exchange.open(Side.SELL)
    own = own_price(bench, trader)
    assert own is not None
    assert own <= sell.intent.price < own + info.filters.tick_size, f"{info.symbol}: {sell.intent} at {float(own)}"
    print_trade(bench, sell.intent.price + 1)
    (profit,) = bench.profits
    lots = bench.leader.lots
    assert profit - sum(lot.cost for lot in lots) == bench.exchange.quote - RICH
    assert sum(lot.quantity for lot in lots) == bench.exchange.base
    cost = Fraction(buy.intent.price * buy.intent.quantity, SCALE) - sum(lot.cost for lot in lots)
    assert profit >= cost * DEFAULTS.profit / SCALE - 3, f"{info.symbol} earned {profit} of {cost}"


@pytest.mark.parametrize("ticks", TICKS)
def test_each_symbol_trades_or_names_a_budget_with_which_it_does(ticks: int) -> None:
    outcomes: Counter[str] = Counter()
    for info in recorded(ticks):
        price = ticks * info.filters.tick_size
        if info.filters.max_price and price * 2 > info.filters.max_price:
            continue
        bench = begin(info, DEFAULTS, price)
        why = reason(bench)
        if why is None:
            outcomes["traded"] += 1
        elif budget := re.search(r"the (?:least|largest) budget is ([\d.]+) USDT", why):
            outcomes["named"] += 1
            bench = begin(info, replace(DEFAULTS, budget=parse_money(budget[1])), price)
            assert reason(bench) is None, f"{info.symbol} at {price}: {why}, and then: {reason(bench)}"
        else:
            outcomes["impossible"] += 1
            assert "with any budget" in why, f"{info.symbol} at {price}: {why}"
            assert not any(tradable(info, price, 5 * 10**size) for size in range(30)), info.symbol
            continue
        cycle(bench)
    # A buy is one tick lower at least: at a price of one tick there is none.
    assert set(outcomes) == ({"impossible"} if ticks == 1 else outcomes.keys())
    assert outcomes["traded"] > outcomes["impossible"] or ticks <= 2, outcomes
