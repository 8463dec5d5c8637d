"""The highest trade of the last time, against a list of all trades."""

from hypothesis import given
from hypothesis import strategies as st

from naived.core.amount import Price
from naived.core.recent_high import SLOTS, Candle, RecentHigh, slot_of, slot_start

SPAN = 600_000  # ms, ten minutes: a slot is ten seconds
START = 1_700_000_000_000

trades = st.lists(st.tuples(st.integers(0, 90_000), st.integers(1, 50)), min_size=1, max_size=60)


def highest(known: list[tuple[int, int]], now: int, span: int) -> int:
    oldest = slot_of(now, span) - SLOTS + 1
    return max((price for time, price in known if slot_of(time, span) >= oldest), default=0)


@given(trades, st.sampled_from([1_000, 7_777, SPAN]))
def test_it_is_the_highest_trade_of_the_last_sixty_slots(steps: list[tuple[int, int]], span: int) -> None:
    of, known, now = RecentHigh(span), list[tuple[int, int]](), START
    of.learn((), now - span, now)
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
    )
    assert of.peak(START).price == 9
    assert of.peak(START + SPAN - 11_000).price == 9
    assert of.peak(START + SPAN - 1_000).price == 7


def test_missed_trades_make_it_unknown_again() -> None:
    of = RecentHigh(SPAN)
    of.learn([Candle(START - 1_000, START, Price(9))], START - SPAN, START)
    lost = of.lost
    of.forget()
    of.trade(Price(8), START + 1_000)
    assert of.lost == lost + 1
    assert of.peak(START + 1_000).price is None


def test_what_was_learnt_again_does_not_make_less_known() -> None:
    of = RecentHigh(SPAN)
    of.learn([Candle(START - 1_000, START, Price(9))], START - SPAN - 5_000, START)
    of.learn([Candle(START - 1_000, START, Price(9))], START - SPAN, START)
    assert of.peak(START - 5_000).price == 9  # a trade that was on its way meanwhile
    assert of.peak(START - 5_001).price is None
