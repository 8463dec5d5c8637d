"""A bad print decides nothing; a real jump does as soon as two later trades confirm it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naived.core.amount import SCALE, Price, Rate
from naived.core.price_check import PriceCheck

TENTH = Rate(SCALE // 10)


def believed(
    *trades: tuple[int, int], told: int | None = 1000, deviation: Rate = TENTH, tick: int = 1
) -> list[int]:
    """The prices of those trades, given as (price, ms), that may decide something."""
    check = PriceCheck(deviation, Price(tick))
    if told is not None:
        check.told(Price(told))
    return [price for price, time in trades if check.believes(Price(price), time)]


@pytest.mark.parametrize(
    ("price", "is_believed"),
    [(900, True), (899, False), (1100, True), (1101, False), (10, False), (100_000, False)],
)
def test_a_trade_further_than_the_deviation_is_suspected(price: int, is_believed: bool) -> None:
    assert believed((price, 1)) == ([price] if is_believed else [])


def test_one_bad_print_is_forgotten_at_the_next_good_trade() -> None:
    assert believed((1000, 1), (10, 2), (1001, 3), (10, 4), (999, 5)) == [1000, 1001, 999]


def test_bad_prints_of_one_millisecond_do_not_confirm_each_other() -> None:
    assert believed((1000, 1), (10, 2), (10, 2), (10, 2), (1000, 3)) == [1000, 1000]


def test_two_later_trades_of_different_milliseconds_confirm_and_the_second_decides() -> None:
    assert believed((1000, 1), (500, 2), (501, 3), (499, 3), (502, 4), (503, 4), (503, 5)) == [1000, 502, 503, 503]


def test_a_trade_far_from_the_suspect_begins_anew() -> None:
    assert believed((500, 2), (501, 3), (250, 4), (251, 5), (252, 6)) == [252]


def test_trades_of_one_millisecond_are_compared_with_an_earlier_one() -> None:
    assert believed((1000, 1), (950, 2), (890, 2), (899, 3)) == [1000, 950, 899]


def test_the_first_trade_is_compared_with_what_the_exchange_told() -> None:
    assert believed((10, 1), told=1000) == []
    assert believed((10, 1), told=None) == [10]


def test_a_price_that_is_told_ends_a_suspicion() -> None:
    check = PriceCheck(TENTH)
    check.told(Price(1000))
    assert not check.believes(Price(10), 1)
    check.told(Price(10))
    assert check.suspect is None
    assert check.believes(Price(10), 2)


def test_two_ticks_are_never_too_far() -> None:
    assert believed((3, 1), (1, 2), told=5) == [3, 1]
    assert believed((4, 1), told=10, tick=3) == [4]
    assert believed((4, 1), told=10, tick=2) == []


@pytest.mark.parametrize("price", [1, 10**12])
def test_off_believes_everything(price: int) -> None:
    assert believed((price, 1), deviation=Rate(0)) == [price]


moments = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 2)), max_size=40)


@given(moments, st.sampled_from([TENTH, Rate(SCALE // 2)]))
def test_it_does_what_its_rules_say(steps: list[tuple[int, int]], deviation: Rate) -> None:
    """Against the rules written down once more, with all trades kept instead of a few numbers."""

    def near(a: int, b: int) -> bool:
        return abs(a - b) * SCALE <= deviation * b or abs(a - b) <= 2

    check, time = PriceCheck(deviation, Price(1)), 0
    check.told(Price(20))
    accepted = [(20, -1)]
    suspects: list[tuple[int, int]] = []
    for price, pause in steps:
        time += pause
        reference = next(value for value, at in reversed(accepted) if at < time)
        if near(price, reference):
            expected, suspects = True, []
        elif suspects and near(price, suspects[0][0]):
            if time > suspects[-1][1]:
                suspects.append((price, time))
            expected = len(suspects) == 3
        else:
            expected, suspects = False, [(price, time)]
        assert check.believes(Price(price), time) is expected
        if expected:
            if suspects:  # what comes in the same millisecond is compared with the price that was confirmed
                accepted = [(suspects[0][0], time - 1)]
                suspects = []
            accepted.append((price, time))
