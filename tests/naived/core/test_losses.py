"""The loss of the day and the drawdown, and which halt a limit that is reached sets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naived.core.amount import Money, parse_money
from naived.core.losses import anew, begun, measured, reached, with_limit
from naived.core.risk import Halt, HaltedBy, Limits, Worth
from naived.core.strategy.day import DAY

NOON = 20_000 * DAY + DAY // 2
BY_HAND = Halt("mine", HaltedBy.PERSON, NOON, keep_buys=True)


def after(*values: int, start: int = 0) -> Worth:
    worth = begun(Money(start), NOON, "USDT")
    for number, value in enumerate(values, 1):
        worth = measured(worth, Money(value), NOON + number)
    return worth


def test_the_loss_is_counted_from_the_start_of_the_day_the_drawdown_from_the_peak() -> None:
    worth = after(50, 20, start=30)
    assert (worth.loss, worth.drawdown, worth.peak) == (10, 30, 50)
    assert (after(40, start=30).loss, after(40, start=30).drawdown) == (0, 0)


def test_a_day_begins_with_the_last_value_known_before_it() -> None:
    worth = measured(after(20, start=30), Money(5), NOON + DAY)
    assert (worth.start, worth.loss, worth.drawdown) == (20, 15, 25)
    assert measured(worth, Money(5), NOON).day == worth.day, "a clock that is set back begins no day"


def test_after_five_days_away_what_was_lost_meanwhile_is_a_loss_of_the_day_that_sees_it() -> None:
    worth = measured(after(20, start=30), Money(-80), NOON + 5 * DAY)
    assert (worth.loss, worth.drawdown) == (100, 110)


def test_from_a_resume_on_nothing_is_lost() -> None:
    worth = anew(after(20, start=30))
    assert (worth.value, worth.loss, worth.drawdown) == (20, 0, 0)


def limits(loss: str | None = None, drawdown: str | None = None) -> Limits:
    return Limits(
        max_daily_loss=None if loss is None else parse_money(loss),
        max_drawdown=None if drawdown is None else parse_money(drawdown),
    )


def lost(loss: str, drawdown: str) -> Worth:
    value = parse_money("0")
    return Worth("USDT", value, NOON // DAY, parse_money(loss), parse_money(drawdown))


@pytest.mark.parametrize(
    ("of", "reason", "until"),
    [
        (limits(), None, None),
        (limits("10.1", "30.1"), None, None),
        (limits("10"), "its trading lost 10 USDT of at most 10 since 00:00 UTC (max-daily-loss)", 20_001 * DAY),
        (limits("9", "31"), "its trading lost 10 USDT of at most 9 since 00:00 UTC (max-daily-loss)", 20_001 * DAY),
        (limits("9", "30"), "its trading lost 30 USDT of at most 30 since its peak (max-drawdown)", None),
    ],
)
def test_a_limit_is_reached_by_its_own_measure_and_the_halt_that_lasts_longer_wins(
    of: Limits, reason: str | None, until: int | None
) -> None:
    halt = reached(of, lost("10", "30"), NOON)
    assert (halt is None) == (reason is None)
    if halt is not None and reason is not None:
        assert halt.reason.startswith(reason)
        assert (halt.by, halt.since, halt.until, halt.keep_buys) == (HaltedBy.LIMIT, NOON, until, False)


def test_a_halt_of_a_person_stays_and_no_buy_may_rest_in_it_any_more() -> None:
    limit = reached(limits("10"), lost("10", "10"), NOON)
    assert limit is not None
    assert with_limit(BY_HAND, limit) == Halt("mine", HaltedBy.PERSON, NOON, keep_buys=False)
    assert with_limit(None, limit) is limit


def test_only_a_halt_that_lasts_longer_replaces_that_of_a_limit() -> None:
    day = reached(limits("10"), lost("10", "10"), NOON)
    later = reached(limits("10"), lost("11", "11"), NOON + 1)
    peak = reached(limits(None, "10"), lost("10", "10"), NOON)
    assert day is not None
    assert later is not None
    assert peak is not None
    assert with_limit(day, later) is day
    assert with_limit(day, peak) is peak
    assert with_limit(peak, day) is peak


@given(st.lists(st.tuples(st.integers(-1_000, 1_000), st.integers(0, 3 * DAY)), min_size=1), st.integers(1, 500))
def test_a_drawdown_below_its_limit_means_that_no_value_was_further_above_this_one(
    steps: list[tuple[int, int]], limit: int
) -> None:
    worth, now, values = begun(Money(0), NOON, "USDT"), NOON, [0]
    for value, pause in steps:
        now += pause
        worth = measured(worth, Money(value), now)
        values.append(value)
        halted = reached(Limits(max_drawdown=Money(limit)), worth, now) is not None
        assert halted == (max(values) - value >= limit)
