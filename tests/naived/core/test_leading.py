from dataclasses import replace

import pytest

from naived.core.amount import format_amount, parse_money, parse_price, parse_quantity, parse_rate
from naived.core.leader import Adopted, Barred, Directed, Drained, Freed, Informed, Leader, Lost, OrderNews, Traded
from naived.core.leading import step
from naived.core.market import Filters
from naived.core.order import Fill, Intent, OrderStatus, Refusal, Refused, Side
from naived.core.phase import Buying, Finished, Hold, Holding, Selling, Trader, Waiting, position
from naived.core.placement import STALE, Admitted, Answered, Ended, Fate, Placed, Reported, State
from naived.core.scene import Fault, Note, UnexpectedError
from naived.core.settings import Settings, Status
from naived.core.strategy import NO_LEFTOVER, Fees, Leftover
from tests.core_desk import Desk, desk, phases, profits
from tests.core_market import (
    ETH,
    FEES,
    FREE,
    PEPE,
    START,
    TENTH,
    XRP,
    Exchange,
    fill,
    filters,
    info,
    settings,
    trade,
)

ONE = settings(chunks=1, budget="200")
SECOND = 1_000


def bought(of: Desk, price: str = "2683.80") -> Desk:
    """The first trader has bought at the limit that belongs to this price, and sells."""
    of.now += SECOND
    of.trade(price)
    of.settle()
    of.now += SECOND
    of.trade(of.exchange.open(Side.BUY)[-1].intent.price - 1)
    of.settle()
    return of


def sold(of: Desk) -> Desk:
    """Every sell that rests is filled."""
    of.now += SECOND
    of.trade(max(order.intent.price for order in of.exchange.open(Side.SELL)) + 1)
    of.settle()
    return of


def number(of: Desk, which: int) -> Trader:
    return next(trader for trader in of.leader.traders if trader.number == which)


def finish(trader: Trader) -> Finished:
    assert isinstance(trader.phase, Finished)
    return trader.phase


# Whole cycles, to the last digit


PLAIN = settings()
THIRDS = settings(chunks=3, budget="100", buy_down="0.001", profit="0.005", rebuy="0.01")
QUARTERS = settings(chunks=4, budget="100")


@pytest.mark.parametrize(
    ("rules", "last", "wanted", "fee", "sells_at", "dust", "dust_cost", "earned"),
    [
        (ETH, "2683.80", PLAIN, "0.001", "2689.45", "0.0000255", "0.06849851", "0.04049843"),
        (ETH, "2683.80", PLAIN, "0", "2684.07", "0", "0", "0.04023"),
        (XRP, "0.6123", THIRDS, "0.001", "0.6159", "0.0455", "0.02785565", "0.16711069"),
        (XRP, "0.6123", THIRDS, "0", "0.6147", "0", "0", "0.16895"),
        (PEPE, "0.00000815", QUARTERS, "0.001", "0.00000816", "0.747", "0.00000608", "0.01132726"),
        (PEPE, "0.00000815", QUARTERS, "0", "0.00000815", "0", "0", "0.03071253"),
    ],
    ids=["G1", "G2", "G3", "G3 free", "G4", "G4 free"],
)
def test_a_golden_cycle_runs_from_trade_to_profit(
    rules: Filters,
    last: str,
    wanted: Settings,
    fee: str,
    sells_at: str,
    dust: str,
    dust_cost: str,
    earned: str,
) -> None:
    rate = parse_rate(fee)
    cycle = bought(desk(wanted, Fees(rate, rate), Exchange(info(rules), rate)), last)
    assert format_amount(cycle.exchange.open(Side.SELL)[0].intent.price) == sells_at
    sold(cycle)
    cycle.check()
    cycle.check_quiet()
    done = finish(cycle.finished[0])
    assert [format_amount(profit) for profit in profits(cycle)] == [earned]
    assert format_amount(done.dust.quantity) == dust
    assert format_amount(done.dust.cost) == dust_cost
    assert cycle.leader.leftover == done.dust
    assert format_amount(cycle.leader.profit) == earned
    assert cycle.exchange.quote - parse_money("100000") == cycle.leader.profit - done.dust.cost


def test_fills_below_the_limit_earn_more_and_do_not_lower_the_sell() -> None:
    cycle = desk()
    cycle.trade("2683.80")
    cycle.settle()
    order = cycle.exchange.open()[0]
    for quantity, price in (("0.0400", "2683.53"), ("0.0345", "2683.10")):
        cycle.exchange.fill(order, parse_quantity(quantity), parse_price(price), cycle.now)
    cycle.settle()
    assert format_amount(cycle.exchange.open()[0].intent.price) == "2689.45"
    sold(cycle)
    done = finish(cycle.finished[0])
    assert format_amount(done.dust.cost) == "0.06849343"  # G5
    assert [format_amount(profit) for profit in profits(cycle)] == ["0.05532835"]


def test_a_fee_above_the_expected_one_raises_the_sell() -> None:
    cycle = bought(desk(exchange=Exchange(info(), parse_rate("0.002"))))
    assert format_amount(cycle.exchange.open()[0].intent.price) == "2692.14"  # G6


def test_dust_is_carried_until_it_is_worth_a_step() -> None:
    cycle = desk(ONE)
    seen = []
    for _ in range(4):
        sold(bought(cycle))
        done = finish(cycle.finished[-1])
        seen.append([format_amount(part) for part in (done.sold.quantity, done.dust.quantity, done.profit or 0)])
    assert seen == [
        ["0.0744", "0.0000255", "0.04049843"],
        ["0.0744", "0.000051", "0.04049843"],
        ["0.0744", "0.0000765", "0.04049844"],
        ["0.0745", "0.000002", "0.04055286"],
    ]  # G7
    assert format_amount(finish(cycle.finished[-1]).dust.cost) == "0.00537243"
    cycle.check()


def test_a_crumb_is_left_over_and_sold_with_the_next_position() -> None:
    cycle = desk(ONE)
    cycle.trade("2683.80")
    cycle.settle()
    order = cycle.exchange.open()[0]
    cycle.exchange.fill(order, parse_quantity("0.0004"), order.intent.price, cycle.now)
    cycle.exchange.end(order, OrderStatus.EXPIRED, cycle.now)
    cycle.settle()
    assert cycle.leader.leftover == Leftover(parse_quantity("0.0003996"), parse_money("1.073412"))
    assert finish(cycle.finished[0]).reason == "too small to sell"
    sold(bought(cycle))
    done = finish(cycle.finished[1])
    assert format_amount(done.sold.quantity) == "0.0748"
    assert format_amount(done.dust.quantity) == "0.0000251"
    assert format_amount(done.dust.cost) == "0.06742402"
    assert [format_amount(profit) for profit in profits(cycle)] == ["0.04071616"]  # G8
    cycle.check()


def test_fees_in_a_third_asset_are_not_netted() -> None:
    cycle = sold(bought(desk(exchange=Exchange(info(), TENTH, fee_asset="BNB"))))
    assert [format_amount(profit) for profit in profits(cycle)] == ["0.44104"]  # G9
    assert cycle.leader.leftover == NO_LEFTOVER


@pytest.mark.parametrize(("share", "why"), [("5.20", "NOTIONAL"), ("5.36706", None)])
def test_a_share_whose_sell_would_be_too_small_buys_nothing(share: str, why: str | None) -> None:
    cycle = desk(settings(chunks=1, budget=share))
    cycle.trade("2683.80")
    cycle.settle()
    assert bool(cycle.exchange.orders) is (why is None)
    if why:
        (note,) = cycle.told
        assert note == Note("waits", "ETHUSDT-1: too small to trade (NOTIONAL): the least budget is 5.36706 USDT")


def test_more_chunks_do_not_raise_the_budget() -> None:
    (held,) = bought(desk()).leader.traders
    five = tuple(replace(held, number=number) for number in range(1, 6))
    leader = replace(desk().leader, traders=five, next_number=6)
    assert format_amount(leader.committed) == "999.614925"  # G13
    leader = step(leader, Directed(settings(chunks=10), Status.ON), START).leader
    assert step(leader, Traded(trade("2000")), START).leader == leader
    waiting = replace(leader, traders=(*five, replace(held, number=6, phase=Waiting())), next_number=7)
    sixth = step(waiting, Traded(trade("2000")), START).leader.traders[5]
    assert sixth.phase == Waiting(reason="no room in the budget: 0.385075 USDT are left")


@pytest.mark.parametrize(
    ("rules", "limit", "above", "below"),
    [
        (ETH, "2683.53", "2682.73", "2682.72"),
        (ETH, "2500.00", "2499.25", "2499.24"),
        (PEPE, "0.00000814", "0.00000814", "0.00000813"),
    ],
)
def test_a_rebuy_joins_strictly_below_its_edge(rules: Filters, limit: str, above: str, below: str) -> None:
    cycle = desk(settings(budget="100", buy_down="0"), FREE, Exchange(info(rules), FREE.buy))
    cycle.trade(limit)
    cycle.settle()
    cycle.trade(above)
    assert len(cycle.leader.traders) == 1
    cycle.trade(below)
    assert len(cycle.leader.traders) == 2  # G12


# Who starts when


def test_the_first_trader_buys_on_the_first_trade() -> None:
    cycle = desk()
    assert cycle.leader.traders == ()
    cycle.trade("2683.80")
    assert phases(cycle) == ["buying"]


def test_no_trader_starts_on_an_old_trade() -> None:
    leader = desk().leader
    assert step(leader, Traded(trade("2683.80")), START + STALE + 1).leader is leader


def test_without_a_budget_nothing_starts_and_no_trade_matters() -> None:
    cycle = desk(settings(budget=None))
    cycle.trade("2683.80")
    assert cycle.leader.traders == ()


def test_a_rebuy_acts_on_the_trade_that_triggered_it_and_only_once() -> None:
    cycle = bought(desk())
    cycle.trade("2680.00")
    assert phases(cycle) == ["selling", "buying"]
    assert number(cycle, 1).rebuy_notified
    second = number(cycle, 2).phase
    assert isinstance(second, Buying)
    assert format_amount(second.intent.price) == "2679.73"
    cycle.settle()
    cycle.trade("2679.90")
    cycle.trade("2679.95")
    assert len(cycle.leader.traders) == 2


def test_no_rebuy_is_measured_from_a_buy_that_the_exchange_does_not_have_yet() -> None:
    cycle = desk()
    cycle.trade("2683.80")
    cycle.trade("2600")
    assert phases(cycle) == ["buying"]
    cycle.settle()
    cycle.trade("2600")
    assert len(cycle.leader.traders) == 2


def test_a_chance_that_cannot_be_taken_is_not_used_up() -> None:
    cycle = bought(desk(ONE))
    cycle.trade("2600")
    assert not number(cycle, 1).rebuy_notified
    cycle.direct(Status.ON, settings(chunks=2, budget="400"))
    cycle.trade("2600")
    assert len(cycle.leader.traders) == 2
    assert number(cycle, 1).rebuy_notified


def test_there_are_never_more_traders_than_chunks_though_the_budget_has_room_for_more() -> None:
    cycle = desk(settings(chunks=4, budget="320"), exchange=Exchange(info(filters(step="0.01"))))
    for price in range(2683, 2600, -5):
        cycle.now += SECOND
        cycle.trade(str(price))
        cycle.settle()
    assert len(cycle.leader.traders) == 4
    assert cycle.leader.committed + cycle.leader.settings.allocation < parse_money("320")


def test_there_are_never_more_traders_than_orders_the_exchange_allows() -> None:
    cycle = desk(exchange=Exchange(info(filters(max_orders=2))))
    for price in range(2683, 2600, -5):
        cycle.now += SECOND
        cycle.trade(str(price))
        cycle.settle()
    assert len(cycle.leader.traders) == 2


def test_a_successor_acts_on_a_trade_later_than_the_fill_and_with_the_newest_settings() -> None:
    cycle = bought(desk(ONE))
    cycle.direct(Status.ON, settings(chunks=1, budget="300"))
    assert number(cycle, 1).terms.budget == parse_money("200")
    sold(cycle)
    assert phases(cycle) == ["waiting"]
    assert number(cycle, 2).terms.budget == parse_money("300")
    cycle.trade("2683.80")
    assert phases(cycle) == ["waiting"]
    cycle.now += 1
    cycle.trade("2683.80")
    assert phases(cycle) == ["buying"]


def test_a_trader_that_waits_takes_new_settings() -> None:
    cycle = desk(settings(chunks=1, budget="5"))
    cycle.trade("2683.80")
    assert phases(cycle) == ["waiting"]
    cycle.direct(Status.ON, ONE)
    cycle.trade("2683.80")
    assert phases(cycle) == ["buying"]


def test_a_trader_that_waits_takes_new_fees() -> None:
    cycle = desk(settings(chunks=1, budget="5"), FREE)
    cycle.trade("2683.80")
    before = cycle.leader
    cycle.lead(Informed(info(), FREE))
    assert cycle.leader.traders == before.traders
    cycle.lead(Informed(info(), FEES))
    assert number(cycle, 1).terms.fees == FEES


def test_lowered_chunks_let_nobody_buy_until_enough_have_finished() -> None:
    cycle = bought(desk(settings(chunks=3, budget="600")))
    cycle.trade("2680.00")
    cycle.settle()
    cycle.exchange.end(cycle.exchange.open(Side.BUY)[0], OrderStatus.EXPIRED, cycle.now)
    cycle.settle()
    assert phases(cycle) == ["selling", "waiting"]
    cycle.direct(Status.ON, settings(chunks=1, budget="600"))
    cycle.now += 2 * SECOND
    cycle.trade("2680.00")
    assert phases(cycle) == ["selling", "waiting"]
    waiting = number(cycle, 2).phase
    assert isinstance(waiting, Waiting)
    assert waiting.reason == "more traders than chunks: 2 of 1"
    sold(cycle)
    cycle.now += SECOND
    cycle.trade("2680.00")
    assert phases(cycle) == ["buying"]


def test_a_lowered_budget_is_kept_by_those_who_have_not_bought() -> None:
    cycle = bought(desk())
    cycle.trade("2680.00")
    cycle.direct(Status.ON, settings(budget="250"))
    cycle.settle()
    cycle.now += SECOND
    cycle.trade("2600")
    assert len(cycle.leader.traders) == 2


def test_the_successor_of_a_buy_cancelled_by_hand_waits_a_minute() -> None:
    cycle = desk()
    cycle.trade("2683.80")
    cycle.settle()
    cycle.exchange.end(cycle.exchange.open()[0], OrderStatus.CANCELED, cycle.now)
    cycle.settle()
    assert finish(cycle.finished[0]).reason == "buy cancelled by hand"
    assert number(cycle, 2).phase == Waiting(after=START + 60_000)


def test_a_finish_without_a_fill_has_a_successor_too() -> None:
    cycle = bought(desk(ONE))
    cycle.exchange.end(cycle.exchange.open()[0], OrderStatus.EXPIRED, cycle.now)
    cycle.settle()
    assert phases(cycle) == ["holding"]
    cycle.lead(Informed(info(filters(notional="500")), FEES))
    cycle.now = cycle.leader.wakes_at or 0
    cycle.settle()
    assert finish(cycle.finished[0]).reason == "too small to sell"
    assert number(cycle, 2).phase == Waiting(after=cycle.now)


# Stop, start, drain


def test_off_ends_who_waits_and_keeps_who_bought() -> None:
    cycle = bought(desk())
    cycle.trade("2680")
    cycle.settle()
    cycle.direct(Status.OFF)
    assert phases(cycle) == ["selling", "buying"]
    assert cycle.leader.band == (-1, 1 << 62)
    cycle.trade("2600")
    cycle.settle()
    assert phases(cycle) == ["selling", "holding"]
    cycle.direct(Status.ON)
    cycle.settle()
    assert phases(cycle) == ["selling", "selling"]


def test_stop_with_all_cancelled_leaves_no_order_and_start_sells_again() -> None:
    cycle = bought(desk())
    cycle.trade("2680")
    cycle.settle()
    cycle.direct(Status.OFF, cancel=frozenset(Side))
    cycle.settle()
    assert cycle.exchange.open() == []
    assert phases(cycle) == ["holding"]
    cycle.direct(Status.ON)
    cycle.settle()
    assert phases(cycle) == ["selling"]
    cycle.check()


def test_start_before_the_cancels_land_goes_on() -> None:
    cycle = bought(desk())
    cycle.trade("2680")
    cycle.settle()
    cycle.direct(Status.OFF, cancel=frozenset(Side))
    cycle.direct(Status.ON)
    cycle.settle()
    assert phases(cycle) == ["selling", "waiting"]
    cycle.trade("2680")
    assert phases(cycle) == ["selling", "buying"]


def test_a_drain_cancels_what_did_not_buy_sells_what_did_and_ends() -> None:
    cycle = bought(desk())
    cycle.trade("2680")
    cycle.settle()
    part = cycle.exchange.open(Side.BUY)[0]
    cycle.exchange.fill(part, parse_quantity("0.04"), part.intent.price, cycle.now)
    cycle.settle()
    cycle.direct(Status.SHUTDOWN)
    cycle.settle()
    assert phases(cycle) == ["selling", "selling"]
    cycle.trade("2000")
    assert phases(cycle) == ["selling", "selling"]
    sold(cycle)
    assert (cycle.leader.status, cycle.leader.traders) == (Status.OFF, ())
    assert len(list(profits(cycle))) == 2


def test_a_drain_may_let_buys_rest() -> None:
    cycle = desk(ONE)
    cycle.trade("2683.80")
    cycle.settle()
    cycle.direct(Status.SHUTDOWN, keep_buys=True)
    cycle.settle()
    assert phases(cycle) == ["buying"]
    cycle.trade("2600")
    cycle.settle()
    assert phases(cycle) == ["selling"]
    sold(cycle)
    assert cycle.leader.status is Status.OFF


def test_a_drain_that_keeps_buys_does_not_wait_for_one_that_was_never_sent() -> None:
    cycle = desk(ONE)
    cycle.slots = False
    cycle.trade("2683.80")
    assert cycle.placements["1-buy-1"].state is State.NOT_PLACED
    cycle.direct(Status.SHUTDOWN, keep_buys=True)
    assert cycle.leader.status is Status.OFF


def test_a_second_shutdown_takes_back_the_buys_that_the_first_one_kept() -> None:
    cycle = desk(ONE)
    cycle.trade("2683.80")
    cycle.settle()
    cycle.direct(Status.SHUTDOWN, keep_buys=True)
    cycle.direct(Status.SHUTDOWN)
    cycle.settle()
    assert cycle.leader.status is Status.OFF


def test_a_drain_of_nothing_ends_at_once() -> None:
    leader = desk().leader
    ended = step(leader, Directed(leader.settings, Status.SHUTDOWN), START)
    assert ended.commands == (Drained(),)


def test_a_start_takes_a_drain_back() -> None:
    cycle = bought(desk(ONE))
    cycle.direct(Status.SHUTDOWN)
    cycle.direct(Status.ON)
    sold(cycle)
    assert cycle.leader.status is Status.ON
    assert phases(cycle) == ["waiting"]


def test_a_drain_ends_when_the_last_position_turns_out_too_small_to_sell() -> None:
    cycle = bought(desk(ONE))
    cycle.exchange.end(cycle.exchange.open()[0], OrderStatus.EXPIRED, cycle.now)
    cycle.settle()
    cycle.direct(Status.SHUTDOWN)
    cycle.lead(Informed(info(filters(notional="500")), FEES))
    cycle.now = cycle.leader.wakes_at or 0
    cycle.settle()
    assert cycle.leader.status is Status.OFF


def test_a_drain_ends_when_a_person_writes_the_last_position_off() -> None:
    cycle = bought(desk(ONE))
    cycle.exchange.end(cycle.exchange.open()[0], OrderStatus.CANCELED, cycle.now)
    cycle.settle()
    cycle.direct(Status.SHUTDOWN)
    assert phases(cycle) == ["holding"]
    cycle.lead(Freed(7, adopt=False))
    assert phases(cycle) == ["holding"]
    cycle.lead(Freed(1, adopt=False))
    assert cycle.leader.status is Status.OFF
    assert cycle.leader.profit == -parse_money("199.922985")


# Written off


def held_by_hand() -> Desk:
    cycle = bought(desk(ONE))
    cycle.exchange.end(cycle.exchange.open()[0], OrderStatus.CANCELED, cycle.now)
    cycle.settle()
    assert phases(cycle) == ["holding"]
    return cycle


def test_a_trader_that_loses_a_part_keeps_the_rest_and_sells_it_at_its_own_price() -> None:
    cycle = held_by_hand()
    before = position(cycle.leader.traders[0])
    asked = next(p.intent.price for p in cycle.placements.values() if p.intent.side is Side.SELL)
    cycle.lead(Lost(1, parse_quantity("0.05")))
    (trader,) = cycle.leader.traders
    rest = position(trader)
    loss = cycle.finished[-1]
    assert isinstance(loss.phase, Finished)
    assert (trader.number, before.quantity - rest.quantity) == (1, parse_quantity("0.05"))
    assert loss.phase.profit == cycle.leader.profit == rest.cost - before.cost < 0
    assert (loss.phase.reason, loss.number, cycle.leader.cycles) == ("written off by hand", 2, 1)
    assert "ETHUSDT-1: 0.05 ETH written off by hand" in [t.message for t in cycle.told if isinstance(t, Note)]
    cycle.check()
    cycle.lead(Freed(1, adopt=True))
    (sell,) = [p.intent for p in cycle.placements.values() if p.state is State.INTENDED]
    assert sell.quantity <= rest.quantity
    assert 0 <= sell.price - asked <= ETH.tick_size


def test_a_trader_that_loses_everything_ends_and_is_succeeded() -> None:
    cycle = held_by_hand()
    cost = position(cycle.leader.traders[0]).cost
    cycle.lead(Lost(1, parse_quantity("7")))
    assert (phases(cycle), cycle.leader.profit) == (["waiting"], -cost)
    cycle.check()


def test_a_buy_in_part_that_loses_what_it_bought_goes_on() -> None:
    cycle = desk(ONE)
    cycle.trade("2683.80")
    cycle.settle()
    (order,) = cycle.exchange.open()
    cycle.exchange.fill(order, parse_quantity("0.01"), order.intent.price, cycle.now)
    cycle.settle()
    cycle.lead(Lost(1, position(cycle.leader.traders[0]).quantity))
    assert (phases(cycle), position(cycle.leader.traders[0])) == (["buying"], NO_LEFTOVER)
    cycle.check()


def test_what_has_no_coins_loses_none() -> None:
    cycle = desk(ONE)
    cycle.trade("2683.80")
    before = cycle.leader
    cycle.lead(Lost(1, parse_quantity("1")))
    cycle.lead(Lost(7, parse_quantity("1")))
    assert cycle.leader == before


# Barred, refused, unexpected


def test_while_barred_nothing_is_bought_and_sells_go_on() -> None:
    cycle = bought(desk())
    cycle.lead(Barred("the exchange is away"))
    cycle.trade("2000")
    assert phases(cycle) == ["selling"]
    sold(cycle)
    assert [format_amount(profit) for profit in profits(cycle)] == ["0.04049843"]
    cycle.lead(Barred(None))
    cycle.now += 1
    cycle.trade("2683.80")
    assert phases(cycle) == ["buying"]


def test_a_bar_that_is_already_there_changes_nothing() -> None:
    leader = replace(desk().leader, barred="away")
    assert step(leader, Barred("away"), START).leader is leader


def test_a_permanent_refusal_faults_the_symbol() -> None:
    cycle = desk()
    cycle.trade("2683.80")
    cycle.tell("1-buy-1", Admitted(cycle.now, 5_000, 1))
    cycle.tell("1-buy-1", Answered(Refused(Refusal.CREDENTIALS, -2015, "Invalid API-key.")))
    assert Fault("buy refused: Invalid API-key.") in cycle.told


def test_a_refused_position_is_held_and_offered_again_when_it_is_due() -> None:
    cycle = desk(ONE)
    cycle.trade("2683.80")
    cycle.settle()
    cycle.exchange.trade(1, cycle.now)
    taken, cycle.exchange.base = cycle.exchange.base, 0
    cycle.hear()
    cycle.exchange.base = taken
    cycle.tell("1-sell-1", Admitted(cycle.now, 5_000, 1))
    cycle.tell("1-sell-1", Answered(Refused(Refusal.BALANCE, -2010, "insufficient balance")))
    cycle.wire.clear()
    held = number(cycle, 1).phase
    assert isinstance(held, Holding)
    assert held.hold is Hold.BALANCE
    assert cycle.leader.wakes_at == cycle.now + 1_000
    cycle.now += 1_000
    cycle.settle()
    assert phases(cycle) == ["selling"]


def test_a_sell_refused_after_a_lost_attempt_is_offered_anew_once_both_are_proven_absent() -> None:
    cycle = bought(desk(ONE))
    lost = cycle.exchange.orders.pop()
    cycle.placements["1-sell-1"] = replace(
        cycle.placements["1-sell-1"], state=State.UNKNOWN, order_id=None, attempt=2,
        refused=Refused(Refusal.FILTER, -1013, "Filter failure"),
    )  # fmt: skip
    cycle.now += 66_000
    cycle.settle()
    assert phases(cycle) == ["holding"]
    cycle.now += 1_000
    cycle.settle()
    assert cycle.exchange.open(Side.SELL)[0].intent == replace(lost.intent, seq=2)


def test_no_buy_is_decided_at_or_above_our_own_lowest_sell() -> None:
    cycle = bought(desk(settings(chunks=2, budget="400")))
    leader = cycle.leader
    second = replace(leader.traders[0], number=2, phase=Waiting())
    leader = replace(leader, traders=(*leader.traders, second), next_number=3)
    sells_at = leader.traders[0].phase
    assert isinstance(sells_at, Selling)
    crowded = step(leader, Traded(trade("2690.00", cycle.now)), cycle.now).leader.traders[1].phase
    assert crowded == Waiting(reason="our own sell is in the way: it rests at 2689.45")


def test_news_for_a_trader_that_does_not_live_is_an_error() -> None:
    with pytest.raises(UnexpectedError, match="ETHUSDT-9 does not live"):
        step(desk().leader, OrderNews(9, Side.BUY, 1, Placed()), START)


def test_news_of_an_order_that_its_trader_does_not_have_is_an_error() -> None:
    cycle = bought(desk())
    with pytest.raises(UnexpectedError, match="ETHUSDT-1 is Selling"):
        step(cycle.leader, OrderNews(1, Side.BUY, 1, Ended(Fate.FILLED)), START)


# Orders that come back from the dead


def late(side: Side, *fills: Fill, leader: Leader | None = None) -> Leader:
    intent = Intent("ETHUSDT", 3, side, 1, parse_price("2683.53"), parse_quantity("0.0745"))
    return step(leader or desk().leader, Adopted(intent, fills), START).leader


def test_an_adopted_buy_that_was_given_up_is_sold_by_a_trader_of_its_own() -> None:
    leader = late(Side.BUY, fill("2683.53", "0.0745", "0.0000745"))
    (trader,) = leader.traders
    assert isinstance(trader.phase, Selling)
    assert format_amount(trader.phase.intent.price) == "2689.45"
    off = late(Side.BUY, fill("2683.53", "0.0745", "0.0000745"), leader=replace(leader, status=Status.OFF))
    held = off.traders[1].phase
    assert isinstance(held, Holding)
    assert held.hold is Hold.STOPPED


def test_an_adopted_sell_that_was_given_up_is_owed_by_the_leftovers() -> None:
    leader = late(Side.SELL, fill("2689.45", "0.0744", "0.20009508", "USDT"))
    assert leader.traders == ()
    assert leader.leftover == Leftover(-parse_quantity("0.0744"), -parse_money("199.89498492"))  # type: ignore[arg-type]


def test_an_adopted_order_that_executed_nothing_changes_nothing() -> None:
    leader = desk().leader
    assert late(Side.BUY, leader=leader) is leader


def test_a_report_of_an_order_in_flight_reaches_its_trader_before_the_answer() -> None:
    cycle = desk()
    cycle.trade("2683.80")
    cycle.tell("1-buy-1", Admitted(cycle.now, 5_000, 1))
    answer = cycle.arrive(cycle.wire.pop())
    for report in cycle.exchange.reports():
        cycle.tell("1-buy-1", Reported(report))
    assert isinstance(number(cycle, 1).phase, Buying)
    cycle.tell("1-buy-1", Answered(answer))
    assert cycle.placements["1-buy-1"].state is State.OPEN
