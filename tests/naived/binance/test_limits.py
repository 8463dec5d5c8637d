import pytest
import trio

from naived.binance.codec import RateLimit
from naived.binance.limits import Limits, Use
from naived.ports import ExchangeError

MINUTE = 60_000
START = 1_700_000_040_000  # ms; a whole minute
TEN_SECONDS = 10_000


def rows(weight=100, orders=10, used=None, placed=None):
    return [
        RateLimit("REQUEST_WEIGHT", "MINUTE", 1, weight, used),
        RateLimit("ORDERS", "SECOND", 10, orders, placed),
        RateLimit("RAW_REQUESTS", "MINUTE", 5, 1, 1),
    ]


class Clock:
    """The exchange's clock as the test sets it."""

    ms = START

    def __call__(self):
        return self.ms


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def limits(clock):
    made = Limits(clock, clock)
    made.learn(rows())
    return made


def taken(limits, use, weight=1):
    """How many requests of this kind go at once."""
    count = 0
    while limits.take(use, weight):
        count += 1
        assert count < 1000
    return count


def test_sells_may_use_all_orders_and_buys_leave_them_a_part(limits):
    assert taken(limits, Use.BUY) == 8
    assert taken(limits, Use.SELL) == 2


def test_queries_leave_weight_to_orders_and_cancels(limits):
    assert taken(limits, Use.QUERY, weight=20) == 4
    assert limits.take(Use.CANCEL, 20)
    assert not limits.take(Use.CANCEL, 1)


def test_a_cancel_needs_no_slot_of_the_orders(limits):
    assert taken(limits, Use.SELL) == 10
    assert limits.take(Use.CANCEL, 1)


def test_windows_open_by_the_exchanges_clock(limits, clock):
    clock.ms = START + 9_000
    assert taken(limits, Use.SELL) == 10
    assert limits.delay(Use.SELL, 1) == 1_000
    clock.ms = START + 9_999
    assert not limits.take(Use.SELL, 1)
    clock.ms = START + TEN_SECONDS
    assert limits.take(Use.SELL, 1)


def test_when_a_window_opens_sells_go_first(limits):
    taken(limits, Use.SELL)
    assert limits.delay(Use.BUY, 1) > limits.delay(Use.SELL, 1) == TEN_SECONDS


def test_a_count_of_the_exchange_above_ours_is_taken(limits):
    limits.learn(rows(placed=9))
    assert taken(limits, Use.SELL) == 1


def test_a_count_of_the_exchange_below_ours_is_not_taken(limits):
    taken(limits, Use.SELL)
    limits.learn(rows(placed=3))
    assert not limits.take(Use.SELL, 1)


def test_limits_are_the_exchanges_own_and_may_change(limits):
    limits.learn([RateLimit("ORDERS", "SECOND", 10, 3), RateLimit("ORDERS", "DAY", 1, 2)])
    assert taken(limits, Use.SELL) == 2
    assert limits.delay(Use.SELL, 1) == 86_400_000 - START % 86_400_000


def test_before_the_exchange_stated_its_limits_cautious_ones_hold(clock):
    assert taken(Limits(clock, clock), Use.SELL) == 50


def test_a_ban_stops_everything_until_its_end(limits, clock):
    limits.halt(90_000)
    for use in Use:
        clock.ms = START
        assert limits.halted
        assert limits.delay(use, 1) >= 90_000
        clock.ms = START + 89_999
        assert not limits.take(use, 1)
        clock.ms = START + 90_200
        assert limits.take(use, 1)
        assert not limits.halted


def test_a_later_answer_does_not_shorten_a_ban(limits, clock):
    limits.halt(90_000)
    limits.halt(10)
    clock.ms = START + 89_999
    assert not limits.take(Use.CANCEL, 1)


def test_a_request_heavier_than_its_share_goes_alone(limits, clock):
    limits.learn(rows(weight=50))
    assert limits.take(Use.QUERY, 80)
    assert not limits.take(Use.QUERY, 1)
    clock.ms = START + MINUTE
    assert limits.take(Use.QUERY, 80)


def test_a_clock_that_was_days_ahead_does_not_stop_us_for_days(limits, clock):
    clock.ms = START + 3 * 86_400_000
    taken(limits, Use.SELL)
    clock.ms = START
    assert limits.take(Use.SELL, 1)


def test_a_clock_that_is_set_back_a_little_forgets_no_count(limits, clock):
    taken(limits, Use.SELL)
    clock.ms = START - 5
    assert not limits.take(Use.SELL, 1)
    clock.ms = START
    assert not limits.take(Use.SELL, 1)


async def test_a_request_waits_until_it_may_go_but_not_through_a_ban(autojump_clock):
    limits = Limits(lambda: START + int(trio.current_time() * 1000), lambda: int(trio.current_time() * 1000))
    limits.halt(50_000)
    await limits.wait(Use.QUERY, 1)
    assert trio.current_time() == pytest.approx(50)
    limits.halt(3_600_000)
    with pytest.raises(ExchangeError, match="for 3600 s"):
        await limits.wait(Use.QUERY, 1)
    assert trio.current_time() == pytest.approx(50)


def test_the_weight_that_is_used_is_told_with_its_limit():
    time = [1_700_000_000_000]
    limits = Limits(lambda: time[0], lambda: time[0])
    assert limits.take(Use.QUERY, 20)
    assert limits.weight == (20, 6000)
    time[0] += 60_000
    assert limits.weight == (0, 6000)


def test_nodes_divide_the_limit_of_orders_and_not_the_weight() -> None:
    limits = Limits(lambda: 1_000_000, lambda: 0)
    limits.learn([RateLimit("ORDERS", "SECOND", 10, 10), RateLimit("REQUEST_WEIGHT", "MINUTE", 1, 6000)])
    assert [limits.take(Use.SELL, 1, sharers=2) for _ in range(6)] == [True] * 5 + [False]
    assert limits.take(Use.QUERY, 100, sharers=2)
    assert limits.take(Use.SELL, 1)  # the other node is gone


def words(limits, use, sharers=1):
    return (limits.reached(use, sharers) or "").partition(" is used up")[0]


def test_which_limit_is_used_up_is_told_and_for_whom(limits, clock):
    assert limits.reached(Use.SELL) is limits.reached(Use.BUY) is None
    for _ in range(4):
        limits.take(Use.BUY, 1, sharers=2)
    assert words(limits, Use.BUY, 2) == "this node's part for buys of the account's limit, 4 of 10 orders in 10 s,"
    assert limits.reached(Use.SELL, 2) is limits.reached(Use.BUY) is None
    limits.take(Use.SELL, 1, sharers=2)
    assert words(limits, Use.SELL, 2) == "this node's part of the account's limit, 5 of 10 orders in 10 s,"
    limits.learn(rows(placed=8))  # those of the other node
    assert words(limits, Use.BUY) == "the part for buys of the account's limit, 8 of 10 orders in 10 s,"
    assert limits.reached(Use.SELL) is None
    limits.learn(rows(placed=10), confirmed=True)
    for use in (Use.SELL, Use.BUY):
        assert words(limits, use, 2) == "the account's limit of 10 orders in 10 s"
    clock.ms = START + TEN_SECONDS
    assert limits.reached(Use.BUY, 2) is None


def test_of_several_limits_the_one_that_lasts_longest_is_told(limits):
    limits.learn([RateLimit("ORDERS", "DAY", 1, 10)])
    taken(limits, Use.SELL)
    assert words(limits, Use.SELL) == "the account's limit of 10 orders in 86400 s"


def test_a_weight_that_is_used_up_is_told_as_orders_have_one_too(limits):
    assert limits.take(Use.CANCEL, 100)
    assert words(limits, Use.SELL) == "the limit of 100 request weight in 60 s"


@pytest.mark.parametrize("use", [Use.BUY, Use.SELL])
async def test_hundreds_of_orders_that_wait_look_a_hundred_times_a_second_together(autojump_clock, use):
    limits = Limits(lambda: START + int(trio.current_time() * 1000), lambda: int(trio.current_time() * 1000))
    limits.learn([RateLimit("ORDERS", "DAY", 1, 10)])
    taken(limits, Use.SELL)
    looks = 0

    async def wait():
        nonlocal looks
        while limits.delay(use, 1):
            looks += 1
            await limits.sleep(use, 1)

    async with trio.open_nursery() as nursery:
        for _ in range(500):
            nursery.start_soon(wait)
        await trio.sleep(60)
        assert looks <= 60 * 110
        began = trio.current_time()
        limits.learn([RateLimit("ORDERS", "DAY", 1, 20)])
    assert trio.current_time() - began <= 6
