from itertools import islice, pairwise

import pytest

from naived.core.amount import Price, parse_price
from naived.core.market import Filters
from naived.simulator.symbols import built_in_prices, load
from naived.simulator.tape import Print
from naived.simulator.walk import walk

LISTINGS = load(None)[0]


def trades(symbol: str, count: int, seed: int = 0) -> list[Print]:
    filters: Filters = LISTINGS[symbol].info.filters
    return list(islice(walk(symbol, built_in_prices()[symbol], filters, seed), count))


def test_the_same_seed_gives_the_same_walk_and_another_another() -> None:
    assert trades("ETHUSDT", 100, seed=1) == trades("ETHUSDT", 100, seed=1)
    assert trades("ETHUSDT", 100, seed=1) != trades("ETHUSDT", 100, seed=2)
    assert [t.time for t in trades("ETHUSDT", 100)] != [t.time for t in trades("BTCUSDT", 100)]


@pytest.mark.parametrize("symbol", ["ETHUSDT", "PEPEUSDT", "BNBBTC"])
def test_every_trade_is_on_tick_and_step_and_worth_something(symbol: str) -> None:
    filters = LISTINGS[symbol].info.filters
    for trade in trades(symbol, 2000):
        assert trade.price % filters.tick_size == 0
        assert trade.quantity % filters.step_size == 0
        assert trade.price * trade.quantity >= filters.min_notional


def test_there_are_about_five_trades_a_second() -> None:
    walked = trades("ETHUSDT", 5000)
    assert 900 < (walked[-1].time - walked[0].time) / 1_000_000 < 1100
    assert all(earlier.time < later.time for earlier, later in pairwise(walked))


@pytest.mark.parametrize("seed", range(5))
def test_a_walk_moves_enough_for_a_cycle_a_minute_and_stays_home(seed: int) -> None:
    anchor = built_in_prices()["ETHUSDT"]
    prices = [trade.price for trade in trades("ETHUSDT", 20_000, seed)]
    minutes = [prices[begin : begin + 300] for begin in range(0, len(prices), 300)]
    moved = sum((max(minute) - min(minute)) * 1000 > 3 * anchor for minute in minutes)
    assert moved > len(minutes) // 2
    assert anchor * 9 < min(prices) * 10
    assert max(prices) * 10 < anchor * 11


def test_a_price_of_one_tick_does_not_fall_to_nothing() -> None:
    filters = LISTINGS["ETHUSDT"].info.filters
    assert {t.price for t in islice(walk("X", parse_price("0.01"), filters, 0), 500)} <= {
        Price(filters.tick_size),
        Price(2 * filters.tick_size),
    }
