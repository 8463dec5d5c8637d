"""Candles of public trades, as the exchange gives them."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from naived.core.amount import Price, Quantity, parse_price, parse_quantity
from naived.simulator.candles import Candles
from naived.simulator.order import PublicTrade

START = 1_700_000_000_000  # ms
DAY = 86_400_000


def trade(price: int, time: int) -> PublicTrade:
    return PublicTrade("ETHUSDT", 1, Price(price), parse_quantity("0.5"), time, buyer_is_maker=False)


def test_a_row_has_what_the_exchanges_has() -> None:
    of = Candles()
    for price, at in (("2000", 0), ("2100", 10), ("1900", 20), ("1950", 999)):
        of.add(PublicTrade("ETHUSDT", 1, parse_price(price), Quantity(10**8), START + at, buyer_is_maker=at == 10))
    (row,) = of.rows(1_000, START, START + 999, 500)
    assert row[:6] == [START, "2000.00000000", "2100.00000000", "1900.00000000", "1950.00000000", "4.00000000"]
    assert row[6:] == [START + 999, "7950.00000000", 4, "3.00000000", "5850.00000000", "0"]


def test_an_interval_without_a_trade_is_flat_and_before_the_first_there_is_none() -> None:
    of = Candles()
    of.add(trade(200, START + 500))
    of.add(trade(300, START + 3_500))
    rows = of.rows(1_000, START - 60_000, START + 4_000, 1_000)
    assert [(row[0], row[2]) for row in rows] == [
        (START + 1_000 * number, f"0.00000{price}") for number, price in enumerate((200, 200, 200, 300, 300))
    ]
    assert of.rows(1_000, None, START + 4_000, 2) == rows[-2:]
    assert of.rows(1_000, START + 1, START + 4_000, 2) == rows[1:3]
    assert of.rows(1_000, START + 5_000, START + 4_000, 2) == []
    assert of.rows(1_000, None, START - 1, 500) == []


def test_trades_that_are_far_apart_cost_no_more_than_the_rows_that_are_asked_for() -> None:
    of = Candles()
    for day in range(3):
        of.add(trade(100 + day, START + day * DAY))
    tracemalloc.start()
    rows = of.rows(1_000, None, START + 4 * DAY, 10)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100_000
    assert [row[0] for row in rows] == [START + 4 * DAY - second * 1_000 for second in range(9, -1, -1)]


@given(
    st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 50)), min_size=1, max_size=40),
    st.sampled_from([1_000, 60_000, 180_000]),
    st.integers(1, 50),
)
def test_the_highest_of_all_rows_is_the_highest_trade(steps: list[tuple[int, int]], length: int, most: int) -> None:
    of, now, known = Candles(), START, list[tuple[int, int]]()
    for pause, price in steps:
        now += pause
        of.add(trade(price, now))
        known.append((now // length * length, price))
    rows = of.rows(length, None, now, most)
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)  # type: ignore[type-var]
    since = rows[0][0]
    expected = max((price for begin, price in known if begin >= since), default=0)  # type: ignore[operator]
    highest = max(round(float(str(row[2])) * 10**8) for row in rows)
    assert highest >= expected
    assert since == max(known[0][0], now // length * length - (most - 1) * length)
