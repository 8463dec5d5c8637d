"""The loss of the day and the drawdown, and which halt a limit that is reached sets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from naived.core.amount import (
    SCALE,
    Amount,
    Money,
    Price,
    money_down,
    parse_money,
    parse_price,
    parse_rate,
    value_up,
)
from naived.core.losses import anew, begun, gained, least_gained, measured, reached, with_limit
from naived.core.orders.report import Fill
from naived.core.orders.state import Ended, Executed, Fate, Placed
from naived.core.risk import Halt, HaltedBy, Limits, Worth
from naived.core.strategy.day import DAY
from naived.core.strategy.leader import step_leader
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.settings import DesiredState, Status
from naived.core.strategy.trader_state import Buying, OrderNews, Selling, Traded
from tests.support.market import ETH, FREE, START, info, settings, trade

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


def selling(stop_loss: str = "0") -> Leader:
    """A trader that bought for 1000 at 2000, and offers that."""
    of = Leader(
        info(ETH),
        FREE,
        DesiredState(replace(settings(chunks=1), stop_loss=parse_rate(stop_loss)), Status.ON),
        active=True,
    )
    buying = step_leader(of, Traded(trade("2000")), START, None).leader
    (trader,) = buying.traders
    assert type(trader.phase) is Buying
    intent = trader.phase.intent
    paid = value_up(intent.price, intent.quantity)
    fill = Fill("ETHUSDT", 1, 1, intent.price, intent.quantity, paid, Amount(0), "ETH", True, START)
    news = OrderNews(intent, (Placed(), Executed(fill), Ended(Fate.FILLED)))
    return step_leader(buying, news, START, None).leader


def test_coins_that_a_sell_offers_surely_bring_its_limit_and_no_more_whatever_the_price() -> None:
    leader = selling()
    (trader,) = leader.traders
    assert type(trader.phase) is Selling
    limit = trader.phase.intent.price
    below = Price(limit - 1)
    assert least_gained(leader, below) == gained(leader, below)
    most = gained(leader, limit)
    assert most == money_down(trader.phase.intent.quantity * limit, SCALE) - trader.phase.bought.cost
    assert least_gained(leader, limit) == least_gained(leader, parse_price("2400")) == most
    beyond = trader.phase.intent.quantity * (parse_price("2400") - limit) // SCALE
    assert gained(leader, parse_price("2400")) == most + beyond
    assert least_gained(leader, None) is None


def test_what_a_stop_loss_sells_is_worth_the_price_and_not_the_limit_below_it() -> None:
    leader = step_leader(selling("0.1"), Traded(trade("1700")), START, None).leader
    (trader,) = leader.traders
    assert type(trader.phase) is Selling
    ended = OrderNews(trader.phase.intent, (Ended(Fate.CANCELLED),))
    (trader,) = step_leader(leader, ended, START, None).leader.traders
    assert type(trader.phase) is Selling
    assert trader.phase.intent.ioc
    assert trader.phase.intent.price < parse_price("1700")
    worth = money_down(trader.phase.intent.quantity * parse_price("1700"), SCALE)
    left = replace(leader, traders=(trader,))
    for made in (gained, least_gained):
        assert made(left, parse_price("1700")) == worth - trader.phase.bought.cost
