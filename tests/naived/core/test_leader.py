from dataclasses import replace

from naived.core.amount import format_amount
from naived.core.leader import EVERY, NONE, Leader, awaits
from naived.core.order import Side
from naived.core.phase import Buying, Finished, Hold, Holding, Sold, Waiting
from naived.core.settings import Status
from naived.core.strategy import NO_LEFTOVER
from tests.core_desk import Desk, desk
from tests.core_market import START, settings


def resting(of: Desk | None = None) -> Desk:
    of = of or desk()
    of.trade("2683.80")
    of.settle()
    return of


def holding(retry_at: int | None) -> Leader:
    leader = resting().leader
    (trader,) = leader.traders
    assert isinstance(trader.phase, Buying)
    return replace(
        leader,
        traders=(replace(trader, phase=Holding(trader.phase.bought, Hold.EXPIRED, "expired", retry_at)),),
    )


def test_every_trade_matters_while_a_trader_may_start_or_decide() -> None:
    leader = desk().leader
    assert leader.band == EVERY
    waiting = replace(resting().leader.traders[0], phase=Waiting())
    assert replace(leader, traders=(waiting,)).band == EVERY


def test_no_trade_matters_while_nothing_may_be_bought() -> None:
    leader = resting().leader
    assert replace(leader, status=Status.OFF).band == NONE
    assert replace(leader, status=Status.SHUTDOWN).band == NONE
    assert replace(leader, barred="away").band == NONE
    assert desk(settings(budget=None)).leader.band == NONE


def test_a_resting_buy_is_bounded_by_its_rebuy_and_its_reprice() -> None:
    low, high = resting().leader.band
    assert (format_amount(low), format_amount(high)) == ("2682.72494099", "2710.36530001")


def test_a_buy_that_is_being_cancelled_or_not_yet_there_has_no_upper_bound() -> None:
    cycle = desk()
    cycle.trade("2683.80")
    assert cycle.leader.band == NONE
    cancelling = resting().leader
    (trader,) = cancelling.traders
    assert isinstance(trader.phase, Buying)
    trader = replace(trader, phase=replace(trader.phase, cancelling=True))
    assert replace(cancelling, traders=(trader,)).band[1] == NONE[1]


def test_a_rebuy_that_was_used_or_has_no_room_has_no_lower_bound() -> None:
    leader = resting().leader
    used = replace(leader, traders=tuple(replace(trader, rebuy_notified=True) for trader in leader.traders))
    assert used.band[0] == NONE[0]
    assert replace(leader, settings=settings(chunks=1)).band[0] == NONE[0]
    assert replace(leader, settings=settings(budget="201")).band[0] == NONE[0]


def test_the_highest_unused_rebuy_is_the_lower_bound() -> None:
    cycle = resting()
    first, _ = cycle.leader.band
    cycle.trade("2600")
    cycle.settle()
    second, _ = cycle.leader.band
    assert 0 < second < first


def test_it_wakes_for_the_earliest_retry() -> None:
    assert holding(None).wakes_at is None
    early = holding(START + 1)
    assert replace(early, traders=(*holding(START + 5).traders, *early.traders)).wakes_at == START + 1
    assert resting().leader.wakes_at is None


def test_each_trader_commits_what_it_spent_or_may_still_spend() -> None:
    leader = resting().leader
    (trader,) = leader.traders
    assert isinstance(trader.phase, Buying)
    assert format_amount(leader.committed) == "199.922985"
    waiting = replace(trader, phase=Waiting())
    assert format_amount(replace(leader, traders=(waiting, waiting)).committed) == "400"
    done = replace(trader, phase=Finished(None, Sold(), NO_LEFTOVER, NO_LEFTOVER, None))
    assert replace(leader, traders=(done,)).committed == 0


def test_a_partly_filled_buy_commits_its_cost_and_the_rest_at_its_limit() -> None:
    cycle = resting()
    order = cycle.exchange.open()[0]
    cycle.exchange.fill(order, order.rest // 2, order.intent.price - 100_000_000, cycle.now)
    cycle.hear()
    assert format_amount(cycle.leader.committed) == "199.885735"


def test_only_the_order_of_the_present_phase_is_awaited() -> None:
    cycle = resting()
    buy = cycle.placements["1-buy-1"].intent
    assert awaits(cycle.leader, buy)
    assert not awaits(cycle.leader, replace(buy, seq=2))
    assert not awaits(cycle.leader, replace(buy, side=Side.SELL))
    cycle.trade("2600")
    cycle.settle()
    assert not awaits(cycle.leader, buy)
    assert awaits(cycle.leader, cycle.placements["1-sell-1"].intent)
