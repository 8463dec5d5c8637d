import numpy as np
import pytest

from naived.backtest import split
from naived.backtest.columns import BLOCK, index
from naived.backtest.run import backtest
from naived.backtest.tape import Tape
from naived.core.amount import parse_rate
from tests.support.tape import setup, tape, walk

DAY = 24 * 60 * 60 * 1000


def times(part: Tape | None) -> list[int]:
    return [] if part is None else [time for columns in part.parts for time in columns.times.tolist()]


@pytest.mark.parametrize("cuts", [(), (700,), (100, 1300, 2000)])
@pytest.mark.parametrize("share", ["0.1", "0.5", "0.7", "0.999"])
def test_each_trade_is_in_one_part_by_its_time(cuts: tuple[int, ...], share: str) -> None:
    whole = tape(*walk(1, 3_000, step=20), *cuts)
    at = split.moment(whole, parse_rate(share))
    first, rest = split.cut(whole, at)
    assert times(first) + times(rest) == times(whole)
    assert times(first)[-1] < at <= times(rest)[0]


def test_trades_of_one_millisecond_stay_together() -> None:
    prices, moments = walk(2, 1_000, step=20)
    moments = [moments[number // 100 * 100] for number in range(1_000)]
    first, rest = split.cut(tape(prices, moments), moments[500])
    assert (len(times(first)), len(times(rest))) == (500, 500)


def test_the_index_of_each_part_is_that_of_its_own_prices() -> None:
    whole = tape(*walk(3, 5 * BLOCK, step=20))
    for part in split.cut(whole, int(whole.parts[0].times[BLOCK + 77])):
        assert part is not None
        (columns,) = part.parts
        for kept, made in zip((columns.low, columns.high), index(columns.prices), strict=True):
            assert np.array_equal(kept, made)


def test_a_part_is_backtested_as_a_tape_of_its_trades_alone() -> None:
    prices, moments = walk(4, 4_000, step=200)
    whole = tape(prices, moments, 1_500)
    _, rest = split.cut(whole, moments[1_000])
    assert rest is not None
    place = len(prices) - rest.length
    alone = tape(prices[place:], moments[place:])
    assert backtest(rest, setup()).profit == backtest(alone, setup()).profit
    assert backtest(rest, setup()).fills


def test_a_part_without_trades_is_none() -> None:
    whole = tape(*walk(5, 100, step=1))
    assert split.cut(whole, 0)[0] is None
    assert split.cut(whole, 1 << 50)[1] is None


@pytest.mark.parametrize(("days", "worth"), [(3, False), (4, True)])
def test_a_tape_is_split_unasked_where_both_parts_last_a_day(days: int, worth: bool) -> None:
    assert split.worth_splitting(tape([10**10, 10**10], [0, days * DAY])) is worth
