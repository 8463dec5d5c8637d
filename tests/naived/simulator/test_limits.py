import pytest

from naived.simulator.errors import ApiError
from naived.simulator.limits import Limits

MINUTE = 60_000
NOW = 29_900_000 * MINUTE  # a whole minute
ROWS = (
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 100},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 3},
    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 5},
    {"rateLimitType": "CONNECTIONS", "interval": "MINUTE", "intervalNum": 5, "limit": 2},
)


def counts(limits: Limits, now: int) -> list[int]:
    return [row["count"] for row in limits.rows(now, kinds=("ORDERS", "REQUEST_WEIGHT"))]


def test_too_much_weight_is_refused_until_the_clock_turns_the_minute() -> None:
    limits = Limits(ROWS, enforced=True)
    limits.take_weight(100, NOW + 59_000)
    with pytest.raises(ApiError) as caught:
        limits.take_weight(1, NOW + 59_500)
    error = caught.value
    assert (error.code, error.status) == (-1003, 429)
    assert error.message == (
        "Too much request weight used; current limit is 100 request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )
    assert error.data == {"serverTime": NOW + 59_500, "retryAfter": NOW + MINUTE}
    limits.take_weight(100, NOW + MINUTE)


def test_who_goes_on_asking_is_banned_for_two_minutes() -> None:
    limits = Limits(ROWS, enforced=True)
    limits.take_weight(100, NOW)
    with pytest.raises(ApiError, match="-1003"):
        limits.take_weight(100, NOW)
    for moment in (NOW, NOW + MINUTE, NOW + 2 * MINUTE - 1):
        with pytest.raises(ApiError) as caught:
            limits.take_weight(1, moment)
        assert caught.value.status == 418
        assert caught.value.data == {"serverTime": moment, "retryAfter": NOW + 2 * MINUTE}
    limits.take_weight(1, NOW + 2 * MINUTE)


def test_free_weight_comes_back_and_a_connection_weighs() -> None:
    limits = Limits(ROWS, enforced=True)
    limits.count_weight(2, NOW)
    limits.take_weight(4, NOW)
    limits.count_weight(-4, NOW)
    assert counts(limits, NOW) == [0, 0, 2]
    limits.count_weight(-4, NOW)
    assert counts(limits, NOW) == [0, 0, 0]


def test_one_order_too_many_waits_for_the_window_that_is_full() -> None:
    limits = Limits(ROWS, enforced=True)
    for _ in range(3):
        limits.check_order(NOW)
        limits.count_order(1, NOW)
    with pytest.raises(ApiError) as caught:
        limits.check_order(NOW)
    assert (caught.value.code, caught.value.status) == (-1015, 429)
    assert caught.value.message == "Too many new orders; current limit is 3 orders per 10 SECOND."
    assert caught.value.data == {"serverTime": NOW, "retryAfter": NOW + 10_000}
    later = NOW + 10_000
    limits.count_order(2, later)
    with pytest.raises(ApiError, match="5 orders per 1 DAY"):
        limits.check_order(later)
    limits.count_order(-5, later)
    limits.check_order(later)
    assert counts(limits, later) == [0, 0, 0]


def test_reported_is_not_enforced() -> None:
    limits = Limits(ROWS, enforced=False)
    for _ in range(10):
        limits.take_weight(100, NOW)
        limits.check_order(NOW)
        limits.count_order(1, NOW)
    assert counts(limits, NOW) == [10, 10, 1000]
    assert all(limits.connect(NOW) for _ in range(10))


def test_connections_are_attempts_per_five_minutes() -> None:
    limits = Limits(ROWS, enforced=True)
    assert [limits.connect(NOW) for _ in range(3)] == [True, True, False]
    assert limits.connect(NOW + 5 * MINUTE)


def test_an_answer_lists_what_it_touched() -> None:
    limits = Limits(ROWS, enforced=True)
    assert [row["rateLimitType"] for row in limits.rows(NOW, kinds=["REQUEST_WEIGHT"])] == ["REQUEST_WEIGHT"]
    assert limits.rows(NOW, kinds=["ORDERS"])[0] == {**ROWS[1], "count": 0}
