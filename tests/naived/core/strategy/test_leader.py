from typing import Any

import pytest
from msgspec.structs import replace

from naived.core.amount import format_amount, parse_money, parse_price, parse_quantity, parse_rate
from naived.core.engine import Blocked, BlockedBy, Changes, Deactivated
from naived.core.market import Filters
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import Fill, OrderStatus, Refusal, Refused, Unknown
from naived.core.orders.state import LOOKS, STALE, Answered, Ended, Fate, State, UnexpectedError
from naived.core.strategy.formulas import NO_COINS, NOTHING_SOLD, Bought, Coins, Fees
from naived.core.strategy.leader import EVERY, NONE, band, step_leader
from naived.core.strategy.leader_events import Activated, Adopted, Informed, LeaderEvent, Lost
from naived.core.strategy.leader_state import Drained, Leader, LeaderStep
from naived.core.strategy.lots import NO_LOT, Lot
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.core.strategy.summary import awaits, shortage
from naived.core.strategy.trader_state import (
    Counted,
    Directed,
    Finished,
    Hold,
    Holding,
    Note,
    OrderNews,
    Released,
    Selling,
    Traded,
    Waiting,
    position,
)
from naived.core.strategy.traders import commitment, commitments, spent_rebuys
from tests.support.engine import (
    GRACE,
    WINDOW,
    Workbench,
    bought,
    check,
    check_quiet,
    rebought,
    resting,
    sold,
    workbench,
)
from tests.support.market import (
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

PLAIN = settings()
THIRDS = settings(chunks=3, budget="100", buy_down="0.001", profit="0.005", rebuy="0.01")
QUARTERS = settings(chunks=4, budget="100")
ONE = settings(chunks=1, budget="200")
FENCE = WINDOW + GRACE + 1


def held(status: OrderStatus) -> Workbench:
    """The only trader's sell was ended by the exchange."""
    of = bought(workbench(ONE))
    of.end(status)
    assert of.phases == ["holding"]
    return of


def fill_in_part(of: Workbench, quantity: str, price: str | None = None) -> None:
    order = of.exchange.open(Side.BUY)[0]
    at = order.intent.price if price is None else parse_price(price)
    of.exchange.fill(order, parse_quantity(quantity), at, of.now)
    of.settle()


def finish(of: Workbench, which: int = -1) -> Finished:
    phase = of.finished[which].phase
    assert isinstance(phase, Finished)
    return phase


def pure(leader: Leader, event: LeaderEvent, now: int = START) -> LeaderStep:
    return step_leader(leader, event, now, None)


def directed(status: Status = Status.ON, wanted: Settings = PLAIN) -> Directed:
    return Directed(DesiredState(wanted, status))


# Whole cycles, to the last digit


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
    cycle = bought(workbench(wanted, Fees(rate, rate), Exchange(info(rules), rate)), last)
    assert format_amount(cycle.exchange.open(Side.SELL)[0].intent.price) == sells_at
    sold(cycle)
    check(cycle)
    check_quiet(cycle)
    done = finish(cycle)
    assert [format_amount(part) for part in (done.dust.quantity, done.dust.cost)] == [dust, dust_cost]
    assert [format_amount(profit) for profit in cycle.profits] == [earned]
    assert cycle.leader.lots == ((done.dust,) if done.dust else ())
    assert format_amount(cycle.leader.profit) == earned
    assert cycle.exchange.quote - parse_money("100000") == cycle.leader.profit - done.dust.cost


def test_fills_below_the_limit_earn_more_and_do_not_lower_the_sell() -> None:
    cycle = resting()
    fill_in_part(cycle, "0.0400", "2683.53")
    fill_in_part(cycle, "0.0345", "2683.10")
    assert format_amount(cycle.exchange.open()[0].intent.price) == "2689.45"
    sold(cycle)
    assert format_amount(finish(cycle).dust.cost) == "0.06849343"  # G5
    assert [format_amount(profit) for profit in cycle.profits] == ["0.05532835"]


def test_a_fee_above_the_expected_one_raises_the_sell() -> None:
    cycle = bought(workbench(exchange=Exchange(info(), parse_rate("0.002"))))
    assert format_amount(cycle.exchange.open()[0].intent.price) == "2692.14"  # G6


def test_dust_is_carried_until_it_is_worth_a_step() -> None:
    cycle = workbench()
    seen = []
    for _ in range(4):
        done = finish(sold(bought(cycle)))
        seen.append([format_amount(part) for part in (done.sold.quantity, done.dust.quantity, done.profit or 0)])
    assert seen == [
        ["0.0744", "0.0000255", "0.04049843"],
        ["0.0744", "0.000051", "0.04049843"],
        ["0.0744", "0.0000765", "0.04049844"],
        ["0.0745", "0.000002", "0.04055286"],
    ]  # G7
    assert format_amount(finish(cycle).dust.cost) == "0.00537243"
    check(cycle)


def test_a_crumb_becomes_a_lot_and_is_sold_with_the_next_position() -> None:
    cycle = resting()
    fill_in_part(cycle, "0.0004")
    cycle.end(OrderStatus.EXPIRED)
    assert cycle.leader.lots == (Lot(parse_quantity("0.0003996"), parse_money("1.073412"), parse_price("2689.45")),)
    assert finish(cycle).reason == "too small to sell"
    done = finish(sold(bought(cycle)))
    assert format_amount(done.sold.quantity) == "0.0748"
    assert format_amount(done.dust.quantity) == "0.0000251"
    assert format_amount(done.dust.cost) == "0.06742402"
    assert [format_amount(profit) for profit in cycle.profits] == ["0.04071616"]  # G8
    check(cycle)


def test_fees_in_a_third_asset_are_not_netted() -> None:
    cycle = sold(bought(workbench(exchange=Exchange(info(), TENTH, fee_asset="BNB"))))
    assert [format_amount(profit) for profit in cycle.profits] == ["0.44104"]  # G9
    assert cycle.leader.lots == ()


def test_a_share_whose_sell_would_be_too_small_buys_nothing() -> None:
    assert resting(workbench(settings(chunks=1, budget="5.36706"))).exchange.orders
    cycle = resting(workbench(settings(chunks=1, budget="5.20")))
    assert cycle.exchange.orders == []
    reason = "too small to trade (NOTIONAL): the least budget is 5.36706 USDT"
    assert cycle.journal.notes == [Note("waits", f"ETHUSDT-1: {reason}")]


def test_more_chunks_do_not_raise_the_budget() -> None:
    (holder,) = bought().traders
    five = tuple(replace(holder, number=number) for number in range(1, 6))
    assert format_amount(sum(commitments(five, ()))) == "999.614925"  # G13
    leader = replace(workbench(settings(chunks=10)).leader, traders=five, next_number=6)
    assert pure(leader, Traded(trade("2000"))).leader is leader
    waiting = replace(leader, traders=(*five, replace(holder, number=6, phase=Waiting())), next_number=7)
    sixth = pure(waiting, Traded(trade("2000"))).leader.traders[5]
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
    cycle = workbench(settings(budget="100", buy_down="0"), FREE, Exchange(info(rules), FREE.buy))
    cycle.market(limit)
    cycle.trade(above)
    assert len(cycle.traders) == 1
    cycle.trade(below)
    assert len(cycle.traders) == 2  # G12


def test_two_that_buy_on_one_trade_share_what_the_budget_leaves() -> None:
    wanted = settings(chunks=3, budget="450")
    leader = bought(workbench(settings(chunks=1, budget="200"))).leader
    waiting = replace(
        leader.traders[0], terms=replace(leader.traders[0].terms, budget=parse_money("450"), chunks=3)
    )
    both = [replace(waiting, number=number, phase=Waiting()) for number in (2, 3)]
    leader = replace(leader, traders=(*leader.traders, *both), desired=DesiredState(wanted, Status.ON))
    _, second, third = pure(leader, Traded(trade("2600"))).leader.traders
    shares = [format_amount(commitment(trader)) for trader in (second, third)]
    assert shares == ["149.745024", "100.08999"]  # its share of 150, and what 450 leave


# Who starts when


def test_the_first_trader_buys_on_the_first_trade() -> None:
    cycle = workbench()
    assert cycle.traders == ()
    cycle.trade("2683.80")
    assert cycle.phases == ["buying"]


def test_no_trader_starts_on_an_old_trade() -> None:
    leader = workbench().leader
    assert pure(leader, Traded(trade("2683.80")), START + STALE + 1) == LeaderStep(leader)


def test_without_a_budget_nothing_starts_and_no_trade_matters() -> None:
    cycle = workbench(settings(budget=None))
    cycle.trade("2683.80")
    assert (cycle.traders, cycle.engine.band) == ((), NONE)


def test_a_rebuy_acts_on_the_trade_that_triggered_it_and_only_once() -> None:
    cycle = bought()
    cycle.trade("2680.00")
    assert cycle.phases == ["selling", "buying"]
    assert spent_rebuys(cycle.traders) == {1}
    assert format_amount(cycle.order(2, Side.BUY).intent.price) == "2679.73"
    cycle.settle()
    cycle.trade("2679.90")
    cycle.trade("2679.95")
    assert len(cycle.traders) == 2


def test_no_rebuy_is_measured_from_a_buy_that_the_exchange_does_not_have_yet() -> None:
    cycle = workbench()
    cycle.trade("2683.80")
    cycle.trade("2600")
    assert cycle.phases == ["buying"]
    cycle.settle()
    cycle.trade("2600")
    assert len(cycle.traders) == 2


def test_a_chance_that_cannot_be_taken_is_not_used_up() -> None:
    cycle = bought(workbench(ONE))
    cycle.trade("2600")
    assert spent_rebuys(cycle.traders) == set()
    cycle.direct(Status.ON, settings(chunks=2, budget="400"))
    cycle.trade("2600")
    assert len(cycle.traders) == 2
    assert spent_rebuys(cycle.traders) == {1}


@pytest.mark.parametrize(
    ("wanted", "rules", "most"),
    [(settings(chunks=4, budget="320"), filters(step="0.01"), 4), (PLAIN, filters(max_orders=2), 2)],
    ids=["chunks", "orders the exchange allows"],
)
def test_there_are_never_more_traders_though_the_budget_has_room_for_more(
    wanted: Settings, rules: Filters, most: int
) -> None:
    cycle = workbench(wanted, exchange=Exchange(info(rules)))
    cycle.market(*(str(price) for price in range(2683, 2600, -5)))
    assert len(cycle.traders) == most
    assert sum(commitments(cycle.traders, cycle.leader.lots)) + wanted.allocation < (wanted.budget or 0)


def test_a_successor_acts_on_a_trade_later_than_the_fill_and_with_the_newest_settings() -> None:
    cycle = bought(workbench(ONE))
    cycle.direct(Status.ON, settings(chunks=1, budget="300"))
    assert cycle.trader(1).terms.budget == parse_money("200")
    cycle.exchange.trade(parse_price("2700"), cycle.now)
    cycle.now += 1
    cycle.settle()
    assert cycle.trader(2).terms.budget == parse_money("300")
    filled_by = cycle.exchange.trades
    assert cycle.trader(2).phase == Waiting(behind=filled_by)
    for number in (filled_by - 1, filled_by):
        early = Traded(trade("2683.80", cycle.now, number))
        assert pure(cycle.leader, early, cycle.now) == LeaderStep(cycle.leader)
    cycle.trade("2683.80")
    assert cycle.phases == ["buying"]


def test_a_trader_that_waits_takes_new_settings() -> None:
    cycle = resting(workbench(settings(chunks=1, budget="5")))
    assert cycle.phases == ["waiting"]
    cycle.direct(Status.ON, ONE)
    cycle.trade("2683.80")
    assert cycle.phases == ["buying"]


def test_a_trader_that_waits_takes_new_fees() -> None:
    cycle = resting(workbench(settings(chunks=1, budget="5"), FREE))
    assert cycle.step(Informed(info(), FREE)).traders == {}
    cycle.step(Informed(info(), FEES))
    assert cycle.trader(1).terms.fees == FEES


def test_lowered_chunks_let_nobody_buy_until_enough_have_finished() -> None:
    cycle = rebought(workbench(settings(chunks=3, budget="600")))
    cycle.end(OrderStatus.EXPIRED, Side.BUY)
    assert cycle.phases == ["selling", "waiting"]
    cycle.direct(Status.ON, settings(chunks=1, budget="600"))
    cycle.now += 1_000
    cycle.market("2680.00")
    assert cycle.trader(2).phase == Waiting(cycle.now - 1_000, "more traders than chunks: 2 of 1", failures=1)
    sold(cycle)
    cycle.market("2680.00")
    assert cycle.phases == ["buying"]


def test_traders_that_wait_after_the_chunks_were_lowered_do_not_wait_for_each_other() -> None:
    cycle = rebought(workbench(settings(chunks=3)))
    cycle.market("2679", "2670", "2700")
    assert cycle.phases == ["waiting", "waiting", "waiting"]
    cycle.direct(Status.ON, settings(chunks=1))
    cycle.market("2700")
    assert cycle.phases == ["buying", "waiting", "waiting"]
    for left in (2, 1):
        cycle.market("2690", "2710")
        assert cycle.phases == ["waiting"] * left
        cycle.market("2700")
        assert cycle.phases == ["buying", *["waiting"] * (left - 1)]
    check(cycle)


def test_a_lowered_budget_is_kept_by_those_who_have_not_bought() -> None:
    cycle = bought()
    cycle.trade("2680.00")
    cycle.direct(Status.ON, settings(budget="250"))
    cycle.settle()
    cycle.market("2600")
    assert len(cycle.traders) == 2


def test_the_successor_of_a_buy_cancelled_by_hand_waits_a_minute() -> None:
    cycle = resting()
    cycle.end(OrderStatus.CANCELED)
    assert finish(cycle).reason == "buy cancelled by hand"
    assert cycle.trader(2).phase == Waiting(after=cycle.now + 60_000)


@pytest.mark.parametrize("status", [Status.ON, Status.SHUTDOWN])
def test_a_position_that_turns_out_too_small_to_sell_has_a_successor_or_ends_the_drain(status: Status) -> None:
    cycle = held(OrderStatus.EXPIRED)
    cycle.direct(status)
    cycle.step(Informed(info(filters(notional="500")), FEES))
    cycle.now = cycle.leader.wakes_at or 0
    cycle.settle()
    assert finish(cycle).reason == "too small to sell"
    if status is Status.ON:
        assert cycle.trader(2).phase == Waiting(after=cycle.now)
    else:
        assert (cycle.leader.status, cycle.traders) == (Status.OFF, ())


# Stop, start, drain


def test_off_ends_who_waits_and_keeps_who_bought() -> None:
    cycle = rebought()
    cycle.direct(Status.OFF)
    assert cycle.phases == ["selling", "buying"]
    cycle.market("2600")
    assert cycle.phases == ["selling", "holding"]
    cycle.direct(Status.ON)
    cycle.settle()
    assert cycle.phases == ["selling", "selling"]
    waiting = resting(workbench(settings(budget="5")))
    waiting.direct(Status.OFF)
    assert waiting.traders == ()


def test_stop_with_all_cancelled_leaves_no_order_and_start_sells_again() -> None:
    cycle = rebought()
    cycle.direct(Status.OFF, cancel=frozenset(Side))
    cycle.settle()
    assert cycle.exchange.open() == []
    assert cycle.phases == ["holding"]
    cycle.direct(Status.ON)
    cycle.settle()
    assert cycle.phases == ["selling"]
    check(cycle)


def test_start_before_the_cancels_land_goes_on() -> None:
    cycle = rebought()
    cycle.direct(Status.OFF, cancel=frozenset(Side))
    cycle.direct(Status.ON)
    cycle.settle()
    assert cycle.phases == ["selling", "waiting"]
    cycle.trade("2680")
    assert cycle.phases == ["selling", "buying"]


def test_a_drain_cancels_what_did_not_buy_sells_what_did_and_ends() -> None:
    cycle = rebought()
    fill_in_part(cycle, "0.04")
    cycle.direct(Status.SHUTDOWN)
    cycle.settle()
    assert cycle.phases == ["selling", "selling"]
    cycle.trade("2000")
    assert cycle.phases == ["selling", "selling"]
    sold(cycle)
    assert (cycle.leader.status, cycle.traders) == (Status.OFF, ())
    assert len(cycle.profits) == 2


def test_a_drain_may_let_buys_rest() -> None:
    cycle = resting(workbench(ONE))
    cycle.direct(Status.SHUTDOWN, keep_buys=True)
    cycle.settle()
    assert cycle.phases == ["buying"]
    cycle.market("2600")
    assert cycle.phases == ["selling"]
    sold(cycle)
    assert cycle.leader.status is Status.OFF


def test_a_drain_that_keeps_buys_does_not_wait_for_one_that_was_never_sent() -> None:
    cycle = workbench(ONE)
    cycle.slots = False
    cycle.trade("2683.80")
    assert cycle.order(1, Side.BUY).state is State.NOT_PLACED
    cycle.direct(Status.SHUTDOWN, keep_buys=True)
    assert cycle.leader.status is Status.OFF


def test_a_second_shutdown_takes_back_the_buys_that_the_first_one_kept() -> None:
    cycle = resting(workbench(ONE))
    cycle.direct(Status.SHUTDOWN, keep_buys=True)
    cycle.direct(Status.SHUTDOWN)
    cycle.settle()
    assert cycle.leader.status is Status.OFF


def test_a_drain_of_nothing_ends_at_once() -> None:
    assert pure(workbench().leader, directed(Status.SHUTDOWN)).commands == (Drained(),)


def test_a_start_takes_a_drain_back() -> None:
    cycle = bought(workbench(ONE))
    cycle.direct(Status.SHUTDOWN)
    cycle.direct(Status.ON)
    sold(cycle)
    assert cycle.leader.status is Status.ON
    assert cycle.phases == ["waiting"]


def test_a_drain_ends_when_a_person_writes_the_last_position_off() -> None:
    cycle = held(OrderStatus.CANCELED)
    cycle.direct(Status.SHUTDOWN)
    cycle.step(Released(7, adopt=False))
    assert cycle.phases == ["holding"]
    cycle.step(Released(1, adopt=False))
    assert cycle.leader.status is Status.OFF
    assert cycle.leader.profit == -parse_money("199.922985")


def test_what_is_not_active_is_off_for_its_traders_until_it_is() -> None:
    leader = replace(workbench().leader, active=False)
    assert pure(leader, Traded(trade("2683.80"))) == LeaderStep(leader)
    ended = pure(leader, directed(Status.SHUTDOWN))
    assert (ended.leader.status, ended.commands) == (Status.OFF, ())
    active = pure(ended.leader, Activated())
    assert (active.leader.status, active.commands) == (Status.SHUTDOWN, (Drained(),))


def test_an_activation_behind_a_stop_changes_nothing() -> None:
    leader = replace(workbench().leader, desired=DesiredState(PLAIN, Status.OFF), active=False)
    assert pure(leader, Activated()) == LeaderStep(leader)


def test_what_filled_before_a_symbol_became_active_is_sold_then() -> None:
    cycle = resting()
    cycle.step(Deactivated())
    cycle.market("2600")
    assert cycle.phases == ["holding"]
    cycle.step(Activated())
    assert cycle.phases == ["selling"]


def test_what_keeps_a_further_trader_from_starting_is_said() -> None:
    cycle = bought(workbench(settings(chunks=2, budget="400")))
    assert shortage(cycle.leader, parse_price("2683")) is None
    tight = replace(cycle.leader, desired=DesiredState(settings(chunks=2, budget="205"), Status.ON))
    assert (
        shortage(tight, parse_price("2683")) == "no room in the budget for another trader: 5.077015 USDT are left"
    )
    dear = replace(tight, info=info(filters(notional="150")))
    least = "no further trader can start: too small to trade (NOTIONAL): the least budget is 300.46576 USDT"
    assert shortage(dear, parse_price("2683")) == least
    coarse = replace(cycle.leader, info=info(filters(step="0.1")))
    least = "no further trader can start: too small to trade (LOT_SIZE): the least budget is 1073.092 USDT"
    assert shortage(coarse, parse_price("2683")) == least
    full = replace(cycle.leader, info=info(filters(max_orders=1)))
    most = "no further trader can start: the exchange allows 1 orders of one symbol (MAX_NUM_ORDERS)"
    assert shortage(full, parse_price("2683")) == most


def test_a_trader_that_waits_says_itself_that_its_share_is_too_small() -> None:
    dear = Exchange(info(filters(notional="1000")), FEES.buy)
    cycle = workbench(settings(chunks=2, budget="400"), exchange=dear)
    assert shortage(cycle.leader, parse_price("2683")) is None
    cycle.trade("2683.80")
    assert cycle.traders[0].phase.reason.startswith("too small to trade (NOTIONAL)")
    assert shortage(cycle.leader, parse_price("2683")) is None


# Written off


def test_a_trader_that_loses_a_part_keeps_the_rest_and_sells_it_at_its_own_price() -> None:
    cycle = held(OrderStatus.CANCELED)
    before = position(cycle.traders[0])
    cycle.step(Lost(1, parse_quantity("0.05")))
    (trader,) = cycle.traders
    rest = position(trader)
    assert (trader.number, before.quantity - rest.quantity) == (1, parse_quantity("0.05"))
    assert finish(cycle).profit == cycle.leader.profit == rest.cost - before.cost < 0
    assert finish(cycle).reason == "written off by hand"
    assert (cycle.finished[-1].number, cycle.leader.cycles) == (2, 1)
    assert cycle.journal.notes[-1].message == "ETHUSDT-1: 0.05 ETH that cost 134.31081081 USDT written off by hand"
    check(cycle)
    cycle.step(Released(1, adopt=True))
    again = cycle.order(1, Side.SELL, 2).intent
    assert again.quantity <= rest.quantity
    assert 0 <= again.price - cycle.order(1, Side.SELL).intent.price <= ETH.tick_size


def test_a_buy_that_is_written_off_also_cost_its_fees_in_a_third_asset() -> None:
    cycle = resting()
    fill_in_part(cycle, "0.0004")
    cycle.end(OrderStatus.EXPIRED)
    bought(cycle)
    cycle.end(OrderStatus.CANCELED, Side.SELL)
    (trader,) = cycle.traders
    assert isinstance(trader.phase, Holding)
    paid = replace(trader.phase.bought, fees_valued=parse_money("0.15"))
    dear = replace(cycle.leader, traders=(replace(trader, phase=replace(trader.phase, bought=paid)),))
    lost = Lost(2, parse_quantity("0.0748"))
    plain, charged = (pure(leader, lost, cycle.now).leader for leader in (cycle.leader, dear))
    assert charged.profit == plain.profit - parse_money("0.15")


def test_a_trader_that_loses_more_than_its_own_coins_loses_those_of_the_lots_it_carries() -> None:
    cycle = resting()
    fill_in_part(cycle, "0.0004")
    cycle.end(OrderStatus.EXPIRED)
    bought(cycle)
    cycle.end(OrderStatus.CANCELED, Side.SELL)
    (before,) = (position(trader) for trader in cycle.traders)
    cycle.step(Lost(2, parse_quantity("0.0748")))
    (after,) = (position(trader) for trader in cycle.traders)
    assert before.quantity - after.quantity == parse_quantity("0.0748")
    assert cycle.leader.profit == after.cost - before.cost
    assert (
        cycle.journal.notes[-1].message == "ETHUSDT-2: 0.0748 ETH that cost 200.92897297 USDT written off by hand"
    )
    check(cycle)


def test_a_trader_that_loses_everything_ends_and_is_succeeded() -> None:
    cycle = held(OrderStatus.CANCELED)
    cost = position(cycle.traders[0]).cost
    cycle.step(Lost(1, parse_quantity("7")))
    assert (cycle.phases, cycle.leader.profit) == (["waiting"], -cost)
    check(cycle)


def test_a_buy_in_part_that_loses_what_it_bought_goes_on() -> None:
    cycle = resting(workbench(ONE))
    fill_in_part(cycle, "0.01")
    cycle.step(Lost(1, position(cycle.traders[0]).quantity))
    assert (cycle.phases, position(cycle.traders[0])) == (["buying"], NO_COINS)
    check(cycle)


@pytest.mark.parametrize("number", [1, 7])
def test_what_has_no_coins_loses_none(number: int) -> None:
    leader = resting(workbench(ONE)).leader
    assert pure(leader, Lost(number, parse_quantity("1"))) == LeaderStep(leader)


# Blocked, refused, unexpected


def test_while_blocked_nothing_is_bought_and_sells_go_on() -> None:
    cycle = bought()
    cycle.step(Blocked(BlockedBy.EXCHANGE, "the exchange is away"))
    cycle.trade("2000")
    assert pure(cycle.leader, Traded(trade("2000"))).leader is not cycle.leader
    assert cycle.phases == ["selling"]
    sold(cycle)
    assert [format_amount(profit) for profit in cycle.profits] == ["0.04049843"]
    cycle.step(Blocked(BlockedBy.EXCHANGE, None))
    cycle.now += 1
    cycle.trade("2683.80")
    assert cycle.phases == ["buying"]


def test_after_a_refusal_that_stays_nothing_is_bought_until_a_person_acts_and_sells_go_on() -> None:
    cycle = bought(workbench(replace(ONE, chunks=2)))
    cycle.trade("2660")
    cycle.answer(Refused(Refusal.CREDENTIALS, -2015, "Invalid API-key."))
    assert cycle.leader.barred == "buy refused: Invalid API-key."
    assert cycle.engine.band == NONE
    cycle.trade("2600")
    assert cycle.phases == ["selling", "waiting"]
    sold(cycle)
    cycle.trade("2600")
    assert cycle.phases == ["waiting", "waiting"]
    cycle.step(Directed(cycle.leader.desired))
    cycle.trade("2600")
    assert "buying" in cycle.phases


def test_buys_that_wait_for_a_slot_are_taken_back_after_a_refusal_that_stays() -> None:
    cycle = rebought(workbench(replace(ONE, chunks=2)))
    cycle.market("2600")
    sold(cycle)
    assert cycle.phases == ["waiting", "waiting"]
    cycle.now += 1_000
    cycle.slots = False
    cycle.trade("2600")
    first, second = cycle.wanting()
    cycle.serve(first)
    cycle.answer(Refused(Refusal.FORBIDDEN, -2010, "This symbol is restricted for this account."))
    assert cycle.journal.orders[second.client_order_id].state is State.ABANDONED
    assert cycle.phases == ["waiting", "waiting"]


def unheard() -> Workbench:
    """The only trader has bought, and the frame of its sell is on its way."""
    cycle = resting(workbench(ONE))
    cycle.exchange.trade(1, cycle.now)
    cycle.hear()
    assert len(cycle.wire) == 1
    return cycle


def test_a_refused_position_is_held_and_offered_again_when_it_is_due() -> None:
    cycle = unheard()
    cycle.answer(Refused(Refusal.BALANCE, -2010, "insufficient balance"))
    assert cycle.traders[0].phase.hold is Hold.BALANCE
    assert cycle.leader.wakes_at == cycle.now + 1_000
    cycle.now += 1_000
    cycle.settle()
    assert cycle.phases == ["selling"]


def test_coins_that_one_trader_offers_are_not_free_for_the_next() -> None:
    leader = unheard().leader
    (trader,) = leader.traders
    short = replace(trader, phase=Holding(trader.phase.bought, Hold.BALANCE, "no", START))
    leader = replace(leader, traders=(short, replace(short, number=2)), next_number=3)
    counted = pure(leader, Counted(parse_quantity("0.08"))).commands
    assert [format_amount(place.intent.quantity) for place in counted] == ["0.0744", "0.0056"]


def test_coins_that_one_trader_leaves_as_a_lot_are_not_free_for_the_next() -> None:
    leader = unheard().leader
    (trader,) = leader.traders
    short = replace(trader, phase=Holding(trader.phase.bought, Hold.BALANCE, "no", START))
    dearer = replace(leader.info, filters=replace(leader.info.filters, min_notional=parse_money("1000")))
    leader = replace(leader, info=dearer, traders=(short, replace(short, number=2)), next_number=3)
    counted = pure(leader, Counted(parse_quantity("0.08"))).leader
    assert [trader.phase.reason for trader in counted.traders] == ["of 0.0744255 ETH only 0.0055745 are free"]
    assert [format_amount(lot.quantity) for lot in counted.lots] == ["0.0744255"]


def test_a_sell_refused_after_a_lost_attempt_is_offered_anew_once_both_are_proven_absent() -> None:
    cycle = unheard()
    cycle.answer(Unknown("timeout"))
    cycle.now += FENCE
    for _ in range(LOOKS + 1):
        cycle.serve(cycle.wanting()[0])
    assert cycle.order(1, Side.SELL).attempt == 2
    cycle.answer(Refused(Refusal.FILTER, -1013, "Filter failure"))
    assert cycle.phases == ["selling"]
    cycle.now += FENCE
    cycle.settle()
    assert cycle.phases == ["holding"]
    cycle.now += 1_000
    cycle.settle()
    assert cycle.exchange.open(Side.SELL)[0].intent == replace(cycle.order(1, Side.SELL).intent, seq=2)


def test_no_buy_is_decided_at_or_above_our_own_lowest_sell() -> None:
    leader = bought(workbench(settings(chunks=2, budget="400"))).leader
    second = replace(leader.traders[0], number=2, phase=Waiting())
    leader = replace(leader, traders=(*leader.traders, second), next_number=3)
    crowded = pure(leader, Traded(trade("2690.00"))).leader.traders[1].phase
    assert crowded == Waiting(reason="our own sell is in the way: it rests at 2689.45")


@pytest.mark.parametrize(
    ("number", "problem"), [(9, "ETHUSDT-9 does not live"), (1, "ETHUSDT-1 is Selling, and yet")]
)
def test_news_that_nobody_waits_for_is_an_error(number: int, problem: str) -> None:
    cycle = bought()
    intent = replace(cycle.order(1, Side.BUY).intent, trader=number)
    with pytest.raises(UnexpectedError, match=problem):
        pure(cycle.leader, OrderNews(intent, (Ended(Fate.FILLED),)))


# Orders that come back from the dead


def late(side: Side, *fills: Fill, leader: Leader | None = None) -> Leader:
    intent = OrderIntent("ETHUSDT", 3, side, 1, parse_price("2683.53"), parse_quantity("0.0745"))
    return pure(leader or workbench().leader, Adopted(intent, fills)).leader


@pytest.mark.parametrize("active", [True, False])
def test_an_adopted_buy_that_was_given_up_is_sold_by_a_trader_of_its_own(active: bool) -> None:
    leader = replace(workbench().leader, active=active)
    (trader,) = late(Side.BUY, fill("2683.53", "0.0745", "0.0000745"), leader=leader).traders
    if active:
        assert isinstance(trader.phase, Selling)
        assert format_amount(trader.phase.intent.price) == "2689.45"
    else:
        assert trader.phase.hold is Hold.STOPPED


def test_an_adopted_sell_that_was_given_up_is_owed_by_the_lots() -> None:
    leader = late(Side.SELL, fill("2689.45", "0.0744", "0.20009508", "USDT"))
    assert leader.traders == ()
    assert leader.owed == Coins(-parse_quantity("0.0744"), -parse_money("199.89498492"))  # type: ignore[arg-type]


def test_an_adopted_order_that_executed_nothing_changes_nothing() -> None:
    leader = workbench().leader
    assert late(Side.BUY, leader=leader) is leader


def test_a_report_of_an_order_in_flight_reaches_its_trader_before_the_answer() -> None:
    cycle = workbench()
    cycle.trade("2683.80")
    frame = cycle.wire.pop()
    answer = cycle.arrive(frame)
    cycle.hear()
    assert cycle.traders[0].phase.accepted
    assert cycle.step(Answered(frame.client_order_id, answer)) == Changes()


def test_only_the_order_of_the_present_phase_is_awaited() -> None:
    cycle = resting()
    buy = cycle.order(1, Side.BUY).intent
    assert awaits(cycle.leader, buy)
    assert not awaits(cycle.leader, replace(buy, seq=2))
    assert not awaits(cycle.leader, replace(buy, side=Side.SELL))
    cycle.market("2600")
    assert not awaits(cycle.leader, buy)
    assert awaits(cycle.leader, cycle.order(1, Side.SELL).intent)


# What the price gate, the clock and the budget are told


def changed(leader: Leader, **more: Any) -> Leader:
    """With one other phase or flag for its only trader."""
    (trader,) = leader.traders
    return replace(leader, traders=(replace(trader, **more),))


def test_every_trade_matters_while_a_trader_may_start_or_decide() -> None:
    assert workbench().engine.band == EVERY
    assert band(changed(resting().leader, phase=Waiting()), None) == EVERY


def test_no_trade_matters_while_nothing_may_be_bought() -> None:
    leader = resting().leader
    for status in (Status.OFF, Status.SHUTDOWN):
        assert band(replace(leader, desired=DesiredState(PLAIN, status)), None) == NONE
    assert band(replace(leader, active=False), None) == NONE
    assert band(leader, "away") == NONE


def test_a_resting_buy_is_bounded_by_its_rebuy_and_its_reprice() -> None:
    low, high = resting().engine.band
    assert (format_amount(low), format_amount(high)) == ("2682.72494099", "2710.63800001")


def test_a_buy_that_is_being_cancelled_or_not_yet_there_has_no_upper_bound() -> None:
    cycle = workbench()
    cycle.trade("2683.80")
    assert cycle.engine.band == NONE
    leader = resting().leader
    assert band(changed(leader, phase=replace(leader.traders[0].phase, cancelling=True)), None)[1] == NONE[1]


def test_a_rebuy_that_has_no_room_has_no_lower_bound() -> None:
    leader = resting().leader
    for wanted in (settings(chunks=1), settings(budget="199")):
        assert band(replace(leader, desired=DesiredState(wanted, Status.ON)), None)[0] == NONE[0]


def test_a_rebuy_is_no_bound_while_the_trader_it_started_lives() -> None:
    leader = resting().leader
    used = replace(leader.traders[0], number=2, origin=1, phase=replace(leader.traders[0].phase, accepted=False))
    assert band(replace(leader, traders=(*leader.traders, used)), None)[0] == NONE[0]


def test_the_highest_unused_rebuy_is_the_lower_bound() -> None:
    cycle = resting()
    first, _ = cycle.engine.band
    cycle.market("2600")
    second, _ = cycle.engine.band
    assert 0 < second < first


def test_it_wakes_for_the_earliest_retry() -> None:
    leader = resting().leader
    assert leader.wakes_at is None
    nothing = Bought(parse_price("2683.53"))

    def holding(retry_at: int | None) -> Leader:
        return changed(leader, phase=Holding(nothing, Hold.EXPIRED, "expired", retry_at))

    assert holding(None).wakes_at is None
    traders = (*holding(START + 5).traders, *holding(None).traders, *holding(START + 1).traders)
    assert replace(leader, traders=traders).wakes_at == START + 1


def test_each_trader_commits_what_it_spent_or_may_still_spend() -> None:
    cycle = resting()
    (trader,) = cycle.traders
    waiting = replace(trader, phase=Waiting())
    done = replace(trader, phase=Finished(None, NOTHING_SOLD, NO_LOT, NO_LOT, None))
    spent, shares = commitments((waiting, trader, waiting, done), ())
    assert (format_amount(spent), format_amount(shares)) == ("199.922985", "400")
    half = cycle.exchange.open()[0].rest // 2
    fill_in_part(cycle, format_amount(half), "2682.53")
    assert format_amount(commitments(cycle.traders, ())[0]) == "199.885735"
