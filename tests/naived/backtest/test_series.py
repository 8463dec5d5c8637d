"""The lines of the charts lose no peak and no fall: they are held against every trade, one by one."""

from collections import defaultdict
from itertools import pairwise

import pytest

from naived.backtest import series
from naived.backtest.measure import stretch, worth
from naived.backtest.result import Result
from naived.backtest.run import backtest
from naived.backtest.search import lowest_and_highest
from naived.backtest.series import Line, Periods
from naived.backtest.tape import BLOCK, Tape
from naived.core.amount import SCALE, Money, parse_rate
from naived.core.orders.intent import Side
from tests.support.tape import BEGAN, columns, setup, tape, walk


def made(seed: int, *, periods: int) -> tuple[Tape, Result, Periods]:
    prices, times = walk(seed, 6_000, step=25)
    of = tape(prices, times, 700, 2_500, 2_501)
    return of, backtest(of, setup(fee="0.0001", rebuy="0.001", profit="0.0002")), Periods(of, periods)


def by_period(line: Line, periods: Periods) -> dict[int, list[int]]:
    found = defaultdict(list)
    for time, value in zip(line.times, line.values, strict=True):
        found[periods.of(time)].append(value)
    return found


def profits(of: Tape, result: Result) -> list[tuple[int, Money]]:
    """Time and profit at every trade, where something happened both before and after it."""
    found = []
    for moment, following in pairwise((*result.moments, None)):
        assert moment is not None
        for part, start, stop in stretch(of, moment, following):
            for price, time in zip(part.prices[start:stop].tolist(), part.times[start:stop].tolist(), strict=True):
                found.append((time, worth(moment, price, result.setup.fee)))
    return found


@pytest.mark.parametrize("periods", [1, 7, 400, 5_000])
def test_the_price_has_the_lowest_and_the_highest_of_each_period(periods: int) -> None:
    of, _, cut = made(3, periods=periods)
    line = series.price(of, cut)
    assert line.times == sorted(line.times)
    every = Line()
    for part in of.parts:
        every.times += part.times.tolist()
        every.values += part.prices.tolist()
    drawn, whole = by_period(line, cut), by_period(every, cut)
    assert drawn.keys() == whole.keys()
    assert all({min(drawn[at]), max(drawn[at])} == {min(whole[at]), max(whole[at])} for at in whole)
    assert all(len(values) <= 2 for values in drawn.values())
    assert set(zip(line.times, line.values, strict=True)) <= set(zip(every.times, every.values, strict=True))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("periods", [1, 50, 3_000])
def test_profit_and_drawdown_have_the_extremes_of_each_period(seed: int, periods: int) -> None:
    of, result, cut = made(seed, periods=periods)
    assert result.cycles
    drawn = series.equity(of, result, cut)
    assert drawn.equity.times == sorted(drawn.equity.times)
    line, fall, every = by_period(drawn.equity, cut), by_period(drawn.fall, cut), Line()
    falls: dict[int, int] = defaultdict(int)
    peak = 0
    for time, profit in profits(of, result):
        every.add(time, profit)
        peak = max(peak, profit)
        falls[cut.of(time)] = max(falls[cut.of(time)], peak - profit)
    for at, values in by_period(every, cut).items():
        assert min(values) in line[at]
        assert max(values) in line[at]
        assert -falls[at] in fall[at]
    assert -min(drawn.fall.values) == result.max_drawdown
    assert (drawn.equity.times[0], drawn.equity.values[0]) == (result.began, 0)
    assert (drawn.equity.times[-1], drawn.equity.values[-1]) == (result.ended, result.profit + result.unrealized)


def test_realised_profit_begins_at_nothing_and_ends_at_the_profit() -> None:
    _, result, cut = made(1, periods=200)
    line = series.realised(result, cut)
    assert line.times == sorted(line.times)
    assert (line.times[0], line.values[0]) == (result.began, 0)
    assert (line.times[-1], line.values[-1]) == (result.ended, result.profit)
    assert len(line.times) > 10


def test_fills_are_all_there_until_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    _, result, cut = made(1, periods=4)
    buys = [fill for fill in result.fills if fill.fee_asset == "ETH"]
    line = series.fills(result, Side.BUY, cut)
    assert list(zip(line.times, line.values, strict=True)) == [(fill.time, fill.price) for fill in buys]
    assert len(line.times) + len(series.fills(result, Side.SELL, cut).times) == len(result.fills)
    monkeypatch.setattr(series, "PERIODS", 1)
    few = series.fills(result, Side.BUY, cut)
    assert 2 < len(few.times) <= 8 < len(buys)
    assert {min(few.values), max(few.values)} == {min(line.values), max(line.values)}


def test_a_distance_is_that_to_the_nearest_buy_whose_coins_are_held() -> None:
    # Buys at 1999.8; at 1986.8 by the first rebuy, below 1987.8; at 1973.8 by the second.
    falling = [2000, 1999, 1987, 1986, 1974, 1973]
    of = tape([price * SCALE for price in falling], [BEGAN + 60_000 * n for n in range(len(falling))])
    result = backtest(of, setup(rebuy="0.006"))
    first, second = series.distances(result)
    assert len(result.fills) == 3
    limits = [order.intent.price for order in result.orders if order.intent.side is Side.BUY]
    rebuy = parse_rate("0.006")
    assert first == (limits[0] - limits[1]) * SCALE // limits[0] * SCALE // rebuy
    assert second == (limits[1] - limits[2]) * SCALE // limits[1] * SCALE // rebuy
    assert first > SCALE * 9 // 10


def test_a_buy_after_all_was_sold_has_no_distance() -> None:
    moves = [2000, 1999, 2010, 2009, 2008, 2020]
    of = tape([price * SCALE for price in moves], [BEGAN + 60_000 * n for n in range(len(moves))])
    result = backtest(of, setup())
    assert len(result.cycles) == 2
    assert series.distances(result) == []


@pytest.mark.parametrize("seed", range(3))
def test_the_first_lowest_and_highest_price_of_any_stretch_is_found(seed: int) -> None:
    prices, times = walk(seed, 5 * BLOCK + 17, step=1)  # many equal prices
    part = columns(prices, times)
    edges = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 100, 5 * BLOCK, len(prices)]
    for start in edges:
        for stop in edges:
            if start < stop:
                window = prices[start:stop]
                expected = start + window.index(min(window)), start + window.index(max(window))
                assert lowest_and_highest(part, start, stop) == expected
