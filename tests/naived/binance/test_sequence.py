import pytest
from hypothesis import given
from hypothesis import strategies as st

from naived.binance.sequence import TradeSequence


def taken(*trades):
    """What is said of each trade, given as (id, time)."""
    sequence = TradeSequence()
    return [sequence.take(*trade) for trade in trades]


def test_trades_in_order_are_new_and_those_of_the_slower_connection_are_not():
    assert taken((5, 10), (5, 10), (6, 10), (5, 10), (7, 11), (6, 10)) == [True, False, True, False, True, False]


@pytest.mark.parametrize("outlier", [2**62, 2**63 - 1, 10**9])
def test_one_absurd_id_is_refused_and_moves_nothing(outlier):
    assert taken((5, 10), (outlier, 11), (6, 12), (7, 13), (outlier, 14), (8, 15)) == [
        True,
        None,
        True,
        True,
        None,
        True,
    ]


def test_an_absurd_first_id_is_overcome_by_the_second_trade_behind_it():
    assert taken((2**62, 10), (5, 11), (6, 12), (7, 12), (6, 12)) == [True, None, True, True, False]


def test_ids_that_begin_again_are_followed_from_the_second_trade_on():
    assert taken((5_000_000, 10), (1, 12), (2, 13), (3, 13)) == [True, None, True, True]


def test_ids_that_jump_ahead_are_followed_from_the_second_trade_on():
    assert taken((5, 10), (10**8, 12), (10**8 + 1, 12), (10**8 + 2, 13)) == [True, None, True, True]


def test_two_outliers_that_do_not_follow_each_other_move_nothing():
    assert taken((5, 10), (2**62, 11), (2**61, 12), (6, 13)) == [True, None, None, True]


@given(st.lists(st.integers(0, 2**63 - 1), max_size=5))
def test_whatever_came_before_the_third_trade_of_a_sequence_is_new(before):
    sequence = TradeSequence()
    for number, trade_id in enumerate(before):
        sequence.take(trade_id, number)
    said = [sequence.take(7_000_000 + n, 100 + n) for n in range(3)]
    assert said[2]
