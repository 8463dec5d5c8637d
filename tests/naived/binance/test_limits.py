import pytest

from naived.binance.codec import RateLimit
from naived.binance.limits import Limits, Use

MINUTE = 60_000
START = 1_700_000_040_000  # ms; a whole minute
TEN_SECONDS = 10_000


def rows(weight=100, orders=10, used=None, placed=None):
    return [
        RateLimit("REQUEST_WEIGHT", "MINUTE", 1, weight, used),
        RateLimit("ORDERS", "SECOND", 10, orders, placed),
        RateLimit("RAW_REQUESTS", "MINUTE", 5, 1, 1),
    ]


@pytest.fixture
def limits():
    made = Limits()
    made.learn(rows(), START)
    return made


def taken(limits, use, now, weight=1):
    """How many requests of this kind go at once."""
    count = 0
    while limits.take(use, weight, now):
        count += 1
        assert count < 1000
    return count


def test_sells_may_use_all_orders_and_buys_leave_them_a_part(limits):
    assert taken(limits, Use.BUY, START) == 8
    assert taken(limits, Use.SELL, START) == 2


def test_queries_leave_weight_to_orders_and_cancels(limits):
    assert taken(limits, Use.QUERY, START, weight=20) == 4
    assert limits.take(Use.CANCEL, 20, START)
    assert not limits.take(Use.CANCEL, 1, START)


def test_a_cancel_needs_no_slot_of_the_orders(limits):
    assert taken(limits, Use.SELL, START) == 10
    assert limits.take(Use.CANCEL, 1, START)


def test_windows_open_by_the_exchanges_clock(limits):
    assert taken(limits, Use.SELL, START + 9_000) == 10
    assert limits.delay(Use.SELL, 1, START + 9_000) == 1_000
    assert not limits.take(Use.SELL, 1, START + 9_999)
    assert limits.take(Use.SELL, 1, START + TEN_SECONDS)


def test_when_a_window_opens_sells_go_first(limits):
    taken(limits, Use.SELL, START)
    assert limits.delay(Use.BUY, 1, START) > limits.delay(Use.SELL, 1, START) == TEN_SECONDS


def test_the_exchange_knows_of_orders_that_we_did_not_count(limits):
    limits.learn(rows(placed=9), START)
    assert taken(limits, Use.SELL, START) == 1


def test_an_answer_never_forgets_what_is_in_flight(limits):
    taken(limits, Use.SELL, START)
    limits.learn(rows(placed=3), START)
    assert not limits.take(Use.SELL, 1, START)


def test_limits_are_the_exchanges_own_and_may_change(limits):
    limits.learn([RateLimit("ORDERS", "SECOND", 10, 3), RateLimit("ORDERS", "DAY", 1, 2)], START)
    assert taken(limits, Use.SELL, START) == 2
    assert limits.delay(Use.SELL, 1, START) == 86_400_000 - START % 86_400_000


def test_before_the_exchange_stated_its_limits_cautious_ones_hold():
    assert taken(Limits(), Use.SELL, START) == 50


def test_a_ban_stops_everything_until_its_end(limits):
    limits.halt(START + 90_000)
    for use in Use:
        assert limits.delay(use, 1, START) >= 90_000
        assert not limits.take(use, 1, START + 89_999)
        assert limits.take(use, 1, START + 90_200)


def test_a_later_answer_does_not_shorten_a_ban(limits):
    limits.halt(START + 90_000)
    limits.halt(START + 10)
    assert not limits.take(Use.CANCEL, 1, START + 89_999)


def test_a_request_heavier_than_its_share_goes_alone(limits):
    limits.learn(rows(weight=50), START)
    assert limits.take(Use.QUERY, 80, START)
    assert not limits.take(Use.QUERY, 1, START)
    assert limits.take(Use.QUERY, 80, START + MINUTE)


def test_a_clock_that_was_days_ahead_does_not_stop_us_for_days(limits):
    taken(limits, Use.SELL, START + 3 * 86_400_000)
    assert limits.take(Use.SELL, 1, START)


def test_a_clock_corrected_by_a_moment_forgets_nothing(limits):
    taken(limits, Use.SELL, START)
    assert not limits.take(Use.SELL, 1, START - 5)
    assert not limits.take(Use.SELL, 1, START)
