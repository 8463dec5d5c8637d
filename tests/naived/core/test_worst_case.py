"""What a fall ties up and loses: by hand, and never more than settings and limits allow."""

import pytest
from hypothesis import given
from hypothesis import settings as bounds
from hypothesis import strategies as st
from msgspec.structs import replace

from naived.core.amount import SCALE, Amount, Money, Price, Rate, parse_money, parse_price, parse_rate, value_up
from naived.core.losses import begun, gained
from naived.core.market import Filters
from naived.core.orders.report import Fill, Refusal, Refused
from naived.core.orders.state import Ended, Executed, Fate, Placed
from naived.core.risk import NO_HALTS, Halt, HaltedBy, Halts, Limits
from naived.core.strategy.leader import step_leader
from naived.core.strategy.leader_events import LeaderEvent
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.core.strategy.summary import exposure
from naived.core.strategy.trader_state import Buying, Holding, OrderNews, Phase, Selling, Traded, Waiting
from naived.core.strategy.view import Funds
from naived.core.worst_case import FALLS, Fallen, Falling, Means, WorstCase
from tests.support.market import ETH, FEES, FREE, START, filters, info, settings, trade

PRICE = parse_price("2000")


def money(text: str) -> Money:
    return parse_money(text)


BTC = filters(tick="10", step="0.00001")  # near 100000 a step is 1 USDT


def leader(of: Settings, status: Status = Status.ON, rules: Filters = ETH, base: str = "ETH") -> Leader:
    of_base = replace(info(rules), symbol=f"{base}USDT", base=base)
    return Leader(of_base, FREE, DesiredState(of, status))


def after(of: Leader, event: LeaderEvent) -> Leader:
    return step_leader(of, event, START, None).leader


NO_LIMITS = Means()


def fallen(*leaders: Leader, means: Means = NO_LIMITS, price: Price = PRICE) -> list[Fallen]:
    case = WorstCase([Falling(each, price) for each in leaders], means, START)
    while not case.advance(3):
        pass
    return case.fallen


def filled(phase: Phase) -> OrderNews:
    assert type(phase) is Buying
    of, money = phase.intent, value_up(phase.intent.price, phase.intent.quantity)
    fill = Fill(of.symbol, 1, 1, of.price, of.quantity, money, Amount(0), "ETH", True, START)
    return OrderNews(of, (Placed(), Executed(fill), Ended(Fate.FILLED)))


def refused_for_balance(phase: Phase) -> OrderNews:
    assert type(phase) is Selling
    return OrderNews(phase.intent, (Ended(Fate.REJECTED, Refused(Refusal.BALANCE, -2010, "insufficient")),))


def test_one_trader_is_bought_at_once_and_held_all_the_way() -> None:
    (ten, thirty, fifty) = fallen(leader(settings(chunks=1, budget="200", buy_down="0")))
    assert [each.fall for each in (ten, thirty, fifty)] == list(FALLS)
    assert [each.tied_up for each in (ten, thirty, fifty)] == [money("200")] * 3
    assert [each.loss for each in (ten, thirty, fifty)] == [money("20"), money("60"), money("100")]
    assert ten.stopped_by == ()


def test_each_rebuy_joins_where_it_would_and_a_floor_ends_them() -> None:
    of = settings(chunks=4, budget="800", buy_down="0", rebuy="0.2")
    tied_up = [each.tied_up // money("195") for each in fallen(leader(of))]
    assert tied_up == [1, 2, 4], "2000, 1599.99, 1279.98, 1023.97"
    floored = [each.tied_up // money("195") for each in fallen(leader(replace(of, floor=parse_price("1300"))))]
    assert floored == [1, 2, 2]


def test_two_symbols_share_the_account_and_its_limit_stops_whichever_comes_later() -> None:
    of = settings(chunks=2, budget="400", buy_down="0", rebuy="0.05")
    free = fallen(leader(of), leader(of))
    assert free[0].tied_up > money("790")
    limited = fallen(leader(of), leader(of), means=Means(Limits(max_exposure=money("650"))))
    assert [each.tied_up for each in limited] == [each.tied_up for each in limited[:1]] * 3
    assert money("590") < limited[0].tied_up <= money("650")
    assert limited[0].stopped_by == ("max-exposure",)
    reserve = fallen(leader(of), means=Means(Limits(reserve=money("100")), free=money("350")))
    assert (reserve[0].tied_up, reserve[0].stopped_by) == (money("200"), ("reserve",))
    assert fallen(leader(of), means=Means(free=money("350")))[0].stopped_by == ("free money",)


def test_a_loss_that_reaches_its_limit_ends_all_buying_as_it_does_live() -> None:
    of = settings(chunks=5, budget="1000", buy_down="0", rebuy="0.05")
    means = Means(Limits(max_drawdown=money("40")), worth=begun(Money(0), START, "USDT"))
    ten, thirty, fifty = fallen(leader(of), means=means)
    assert (ten.stopped_by, fifty.stopped_by) == ((), ("max-drawdown",))
    assert thirty.tied_up == fifty.tied_up < money("800")
    assert fallen(leader(of))[2].tied_up > money("990")
    daily = replace(means, limits=Limits(max_daily_loss=money("40")))
    assert fallen(leader(of), means=daily)[2].stopped_by == ("max-daily-loss",)


def test_a_stop_loss_sells_at_its_lowest_price_and_buys_no_more_for_its_symbol_alone() -> None:
    of = settings(chunks=2, budget="400", buy_down="0", rebuy="0.3")
    stopping = replace(of, stop_loss=parse_rate("0.2"), stop_slippage=parse_rate("0.01"))
    ten, thirty, fifty = fallen(leader(stopping))
    assert (ten.tied_up, ten.loss, ten.stopped_by) == (money("200"), money("20"), ())
    assert (thirty.tied_up, thirty.loss, thirty.stopped_by) == (0, money("41.6"), ("stop-loss",))
    assert fifty == replace(thirty, fall=FALLS[2])
    both = fallen(leader(stopping), leader(of))
    assert [each.tied_up // money("195") for each in both] == [2, 1, 2]


def test_a_stop_loss_acts_in_a_halt_of_the_account_too() -> None:
    of = replace(settings(chunks=2, budget="400", buy_down="0", rebuy="0.3"), stop_loss=parse_rate("0.2"))
    means = Means(Limits(max_drawdown=money("15")), worth=begun(Money(0), START, "USDT"))
    ten, thirty, _ = fallen(leader(of), means=means)
    assert (ten.tied_up, ten.stopped_by) == (money("200"), ("max-drawdown",))
    assert (thirty.tied_up, thirty.stopped_by) == (0, ("max-drawdown", "stop-loss"))


def test_a_symbol_that_is_off_buys_nothing_and_a_halt_of_now_may_end_first() -> None:
    of = settings(chunks=1, budget="200", buy_down="0")
    assert [each.tied_up for each in fallen(leader(of, Status.OFF))] == [0, 0, 0]
    halted = replace(leader(of), halts=Halts(account=Halt("news", HaltedBy.PERSON, START)))
    assert fallen(halted) == fallen(replace(halted, halts=NO_HALTS))


def test_a_buy_that_is_too_small_now_is_made_where_the_price_lets_it_have_one_step_more() -> None:
    of = leader(settings(chunks=10, budget="54", buy_down="0", rebuy="0.01"), rules=BTC)
    ten, _, fifty = fallen(of, price=parse_price("109000"))  # 0.00004 BTC for 4.36, and an order is of at least 5
    assert (ten.tied_up, ten.loss) == (money("41.7125"), money("2.4725"))
    assert (fifty.tied_up, fifty.loss) == (money("52.4579"), money("24.1179"))


def test_a_buy_that_costs_too_much_by_less_than_a_step_is_made_where_it_costs_less() -> None:
    of = leader(settings(chunks=5, budget="500", buy_down="0", rebuy="0.01"), rules=BTC)
    limits = Limits(max_exposure=money("299.5"))
    fifty = fallen(of, means=Means(limits), price=parse_price("100000"))[2]
    assert (fifty.tied_up, fifty.loss) == (money("299.4911"), money("147.9911"))


@pytest.mark.parametrize("means", [Means(free=money("200")), Means(Limits(max_exposure=money("200")))])
def test_what_a_stop_loss_brings_and_gives_room_to_is_bought_by_others(means: Means) -> None:
    stopping = replace(settings(chunks=1, budget="200", buy_down="0"), stop_loss=parse_rate("0.05"))
    rules = filters(tick="1")
    other = leader(settings(chunks=1, budget="150", buy_down="0"), rules=rules, base="SOL")
    ten, _, fifty = fallen(leader(stopping, rules=rules), other, means=means)
    assert (ten.tied_up, ten.loss) == (money("149.91"), money("18.89"))
    assert (fifty.tied_up, fifty.loss) == (money("149.91"), money("82.01"))


def test_a_refusal_or_a_pause_or_a_closed_market_of_now_keeps_nothing_from_being_bought() -> None:
    free = replace(leader(settings(chunks=1, budget="200", buy_down="0")), active=True)
    told = fallen(free)
    refused = after(free, Traded(trade("2000"), Funds(room=Money(0), limited="max-exposure")))
    assert refused.standing is not None
    assert fallen(refused) == told
    (waiting,) = refused.traders
    pausing = replace(waiting, phase=Waiting(START + 280_000, "expired", failures=9))
    assert fallen(replace(refused, standing=None, traders=(pausing,))) == told
    assert fallen(replace(free, info=replace(free.info, trading=False, status="BREAK"))) == told


def test_what_rests_of_a_symbol_that_its_stop_loss_halts_is_taken_back() -> None:
    of = replace(settings(chunks=2, budget="400", buy_down="0.1", rebuy="0.01"), stop_loss=parse_rate("0.05"))
    ten, thirty, fifty = fallen(leader(of, rules=filters(tick="1")))
    assert (ten.tied_up, ten.loss) == (money("199.98"), 0)
    assert (thirty.tied_up, thirty.loss) == (0, money("10.9989"))
    assert (fifty.tied_up, fifty.loss) == (0, money("10.9989"))


def test_a_stop_loss_that_lacks_its_coins_is_looked_at_once() -> None:
    of = replace(
        settings(chunks=1, budget="200", buy_down="0"), stop_loss=parse_rate("0.05"), stop_slippage=Rate(0)
    )
    holding = after(replace(leader(of), active=True), Traded(trade("2000")))
    for news in (filled, refused_for_balance):
        holding = after(holding, news(holding.traders[0].phase))
    assert type(holding.traders[0].phase) is Holding
    case = WorstCase([Falling(holding, PRICE)], NO_LIMITS, START)
    assert case.advance(10)
    assert [each.tied_up for each in case.fallen] == [money("200")] * 3


def test_a_buy_is_made_before_the_loss_of_its_own_trade_is_seen() -> None:
    of = leader(settings(chunks=2, budget="400", buy_down="0", rebuy="0.05"))
    worth = begun(Money(0), START, "USDT")
    # 0.1 ETH of 2000: the next one is bought at 1899.99.
    found = fallen(of, means=Means(Limits(max_drawdown=money("10.001")), worth=worth))
    assert {(each.tied_up, each.stopped_by) for each in found} == {(money("399.878948"), ("max-drawdown",))}
    found = fallen(of, means=Means(Limits(max_drawdown=money("10")), worth=worth))
    assert {(each.tied_up, each.stopped_by) for each in found} == {(money("200"), ("max-drawdown",))}


def test_steps_that_are_finer_than_any_price_do_not_make_it_slow() -> None:
    finest = filters(tick="0.00000001", step="0.00000001", notional="5")
    of = leader(settings(budget="25"), rules=finest)  # a share that is exactly the least value of an order
    case = WorstCase([Falling(of, parse_price("2"))], NO_LIMITS, START)
    assert case.advance(1_000)


@bounds(deadline=None, max_examples=60)
@given(
    chunks=st.integers(1, 6),
    budget=st.integers(50, 5_000),
    rebuy=st.sampled_from(["0.001", "0.006", "0.05", "0.2"]),
    spacing=st.sampled_from(["0", "0.01", "0.1"]),
    limit=st.one_of(st.none(), st.integers(10, 6_000)),
)
def test_no_fall_ties_up_more_than_the_budget_and_the_limit_and_it_only_grows(
    chunks: int, budget: int, rebuy: str, spacing: str, limit: int | None
) -> None:
    of = settings(chunks=chunks, budget=str(budget), rebuy=rebuy)
    of = replace(of, spacing=parse_price(spacing))
    means = Means(Limits(max_exposure=None if limit is None else Money(limit * SCALE)))
    both = replace(Leader(info(ETH), FEES, DesiredState(of, Status.ON)))
    found = fallen(both, both, means=means)
    most = min(2 * budget, budget * 2 if limit is None else limit) * SCALE
    assert all(each.tied_up <= most for each in found)
    assert sorted(each.tied_up for each in found) == [each.tied_up for each in found]
    assert all(0 <= each.loss <= each.tied_up for each in found)
    assert gained(both, PRICE) == 0
    assert exposure(both).money == 0
