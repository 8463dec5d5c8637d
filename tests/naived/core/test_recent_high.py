"""The highest trade of the last time, against a list of all trades."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naived.core.amount import Price, parse_rate
from naived.core.price_check import PriceCheck
from naived.core.recent_high import SLOTS, Candle, Near, RecentHigh, slot_of, slot_start

SPAN = 600_000  # ms, ten minutes: a slot is ten seconds
START = 1_700_000_000_000
ALL = PriceCheck().near

HOUR = 3_600_000
MINUTE = 60_000
NOW = START // MINUTE * MINUTE + 30_000
TENTH = PriceCheck(parse_rate("0.1")).near

trades = st.lists(st.tuples(st.integers(0, 90_000), st.integers(1, 50)), min_size=1, max_size=60)


def highest(known: list[tuple[int, int]], now: int, span: int) -> int:
    oldest = slot_of(now, span) - SLOTS + 1
    return max((price for time, price in known if slot_of(time, span) >= oldest), default=0)


@given(trades, st.sampled_from([1_000, 7_777, SPAN]))
def test_it_is_the_highest_trade_of_the_last_sixty_slots(steps: list[tuple[int, int]], span: int) -> None:
    of, known, now = RecentHigh(span), list[tuple[int, int]](), START
    of.learn((), now - span, now, ALL)
    for pause, price in steps:
        now += pause
        of.trade(Price(price), now)
        known.append((now, price))
        peak = of.peak(now)
        assert peak.price == highest(known, now, span)
        assert highest(known, peak.until - 1, span) == peak.price
        assert highest(known, peak.until, span) < peak.price
        assert of.peak(peak.until - 1) == peak


@given(st.integers(0, 10**13), st.sampled_from([1_000, 7_777, SPAN]))
def test_a_slot_begins_where_its_number_does(time: int, span: int) -> None:
    number = slot_of(time, span)
    assert slot_start(number, span) <= time < slot_start(number + 1, span)


def test_nothing_is_known_until_the_span_has_passed_or_the_exchange_told_it() -> None:
    of = RecentHigh(SPAN)
    assert of.peak(START).price is None
    of.trade(Price(7), START)
    assert (of.peak(START).price, of.peak(START).until) == (None, START + 10_000)
    assert of.peak(START + SPAN - 1).until == START + SPAN
    assert of.peak(START + SPAN).price == 0  # its slot has left
    of.trade(Price(5), START + SPAN)
    assert of.peak(START + SPAN).price == 5


def test_candles_count_until_the_slot_in_which_they_end_leaves() -> None:
    of = RecentHigh(SPAN)
    of.trade(Price(7), START)
    of.learn(
        [Candle(START - 60_000, START - 1, Price(9)), Candle(START - 2 * SPAN, START - SPAN - 1, Price(99))],
        START - SPAN,
        START,
        ALL,
    )
    assert of.peak(START).price == 9
    assert of.peak(START + SPAN - 11_000).price == 9
    assert of.peak(START + SPAN - 1_000).price == 7


def test_missed_trades_make_it_unknown_again() -> None:
    of = RecentHigh(SPAN)
    of.learn([Candle(START - 1_000, START, Price(9))], START - SPAN, START, ALL)
    lost = of.lost
    of.forget()
    of.trade(Price(8), START + 1_000)
    assert of.lost == lost + 1
    assert of.peak(START + 1_000).price is None


def test_what_was_learnt_again_does_not_make_less_known() -> None:
    of = RecentHigh(SPAN)
    of.learn([Candle(START - 1_000, START, Price(9))], START - SPAN - 5_000, START, ALL)
    of.learn([Candle(START - 1_000, START, Price(9))], START - SPAN, START, ALL)
    assert of.peak(START - 5_000).price == 9  # a trade that was on its way meanwhile
    assert of.peak(START - 5_001).price is None


def learnt(*highs: int, near: Near = TENTH, length: int = MINUTE, heard: int = 2000) -> int | None:
    """The highest price that these highs are taken for, one candle each; the last one is not over yet."""
    of = RecentHigh(60 * length)
    of.trade(Price(heard), NOW)
    first = NOW // length * length - (len(highs) - 1) * length
    starts = range(first, NOW + 1, length)
    candles = [Candle(start, start + length - 1, Price(high)) for start, high in zip(starts, highs, strict=True)]
    of.learn(candles, NOW - 61 * length, NOW, near)
    return of.peak(NOW).price


@pytest.mark.parametrize(
    ("highs", "price"),
    [
        ((2000, 2010, 20000, 2005, 2000), 2010),  # a wick of ten times
        ((2000, 2010, 2000, 2000, 20000), 2010),  # of this minute, and trades were heard since
        ((2000, 20000, 11000, 2000), 2000),  # two bad prints, of different prices
        ((2000, 20000, 0, 0, 0, 2000), 2000),  # minutes without a trade between
        ((2000, 2201, 2000), 2000),
        ((2000, 2200, 2000), 2200),  # as far away as is believed
        ((2000, 2500, 2490, 2000), 2500),  # two minutes confirm each other
        ((2000, 2300, 2700, 3200, 3000, 2600, 2300, 2000), 3200),  # a rise and a fall
        ((20000, 2000, 2000), 20000),  # nothing known before
    ],
)
def test_a_high_that_no_candle_beside_it_comes_near_does_not_count(highs: tuple[int, ...], price: int) -> None:
    assert learnt(*highs) == price


def test_a_last_high_that_no_trade_followed_counts() -> None:
    of = RecentHigh(HOUR)
    candles = [Candle(NOW - MINUTE, NOW - 1, Price(2000)), Candle(NOW, NOW + MINUTE - 1, Price(20000))]
    of.learn(candles, NOW - HOUR, NOW, TENTH)
    assert of.peak(NOW).price == 20000


def test_with_the_deviation_off_and_in_long_candles_every_high_counts() -> None:
    assert learnt(2000, 20000, 2000, near=ALL) == 20000
    assert learnt(2000, 2500, 2000, length=3 * MINUTE) == 2500
    assert learnt(2000, 2500, 2000, length=1000) == 2000


def test_within_two_ticks_a_high_counts() -> None:
    assert learnt(5, 7, 5, near=PriceCheck(parse_rate("0.1"), Price(1)).near, heard=5) == 7
    assert learnt(5, 8, 5, near=PriceCheck(parse_rate("0.1"), Price(1)).near, heard=5) == 5


def test_candles_without_a_trade_count_for_nothing() -> None:
    assert learnt(0, 0, 0, heard=7) == 7
