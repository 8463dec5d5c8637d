from typing import Any

import pytest
from msgspec.structs import replace

from naived.core.amount import Price, Quantity, format_amount, parse_quantity
from naived.core.engine import (
    Block,
    Blocked,
    BlockedBy,
    Changes,
    CoinsPaid,
    CoinsWrittenOff,
    Deactivated,
    Engine,
    Event,
    Question,
    load,
    step,
)
from naived.core.orders.intent import Side
from naived.core.orders.report import OrderStatus, Refusal, Refused, Unknown
from naived.core.orders.state import (
    LOOKS,
    WATCHED,
    Admitted,
    CancelWanted,
    FillsFound,
    Missing,
    OrderState,
    Reported,
    Resolved,
    Restarted,
    State,
)
from naived.core.sells import resting as resting_of
from naived.core.sells import unbooked as unbooked_of
from naived.core.strategy.day import DAY
from naived.core.strategy.leader import NONE
from naived.core.strategy.leader_events import Activated, Informed
from naived.core.strategy.settings import Status
from naived.core.strategy.trader_state import Counted, Finished, Measured, Note, Released, Traded, Woke, position
from tests.support.engine import GRACE, WINDOW, Workbench, bought, check, rebought, resting, sold, workbench
from tests.support.market import START, Exchange, info, settings, trade

ONE = settings(chunks=1, budget="200")
AWAY = Blocked(BlockedBy.EXCHANGE, "away")
BACK = Blocked(BlockedBy.EXCHANGE, None)


def kept(of: Workbench) -> list[tuple[int, str, int]]:
    return [(order.intent.trader, str(order.intent.side), order.intent.seq) for order in of.engine.orders.values()]


def abandoned(of: Workbench) -> OrderState:
    """The first trader's buy never arrived, as far as anyone can tell; the trader waits again."""
    of.trade("2683.80")
    of.answer(Unknown("timeout"))
    of.now += WINDOW + GRACE + 1
    for _ in range(LOOKS):
        of.serve(of.wanting()[0])
    assert of.phases == ["waiting"]
    return of.order(1, Side.BUY)


def found(of: Workbench, order: OrderState) -> None:
    """It arrived after all, and was filled at once."""
    of.exchange.place(order.client_order_id, order.intent, order.intent.price, of.now)
    of.hear()
    assert of.engine.quarantined == [of.order(1, Side.BUY)]


def doubted(of: Workbench, number: int = 1, side: Side = Side.BUY) -> str:
    """A report of a trader's first order contradicts what is known of it; returns the order's id."""
    order = of.order(number, side)
    there = of.exchange.named(order.client_order_id)
    assert there is not None
    report = replace(of.exchange.state(there), order_id=99)
    of.step(Reported(order.client_order_id, report))
    return order.client_order_id


# A step


@pytest.mark.parametrize(
    "event",
    [
        Traded(trade("2683.80")),
        Woke(),
        Counted(Quantity(1)),
        Measured(Price(1)),
        Released(1, adopt=True),
        Released(7, adopt=False),
        AWAY,
        BACK,
        Restarted("n1gone"),
        CancelWanted("n1gone"),
        Restarted("n1test-1"),
        Admitted("n1test-1", START, WINDOW, 1),
    ],
)
def test_a_step_that_changes_nothing_returns_the_same_engine(event: Event) -> None:
    engine = resting().engine
    if event == AWAY:
        engine, _ = step(engine, AWAY, START)
    after, changes = step(engine, event, START + 1_000)
    assert after is engine
    assert changes == Changes()


def test_an_engine_stays_what_it_was_however_often_it_is_stepped() -> None:
    cycle = workbench(settings(chunks=2, budget="400"))
    seen: list[tuple[Engine, dict[str, OrderState], dict[Any, str]]] = []
    for price in ("2683.80", "2683", "2680", "2670", "2700", "2700"):
        cycle.market(price)
        seen.append((cycle.engine, dict(cycle.engine.orders), dict(cycle.engine.keys)))
        for event in (AWAY, Deactivated(), Traded(trade("2600", cycle.now)), CancelWanted(next(iter(seen[0][1])))):
            step(cycle.engine, event, cycle.now)
    for engine, orders, keys in seen:
        assert (engine.orders, engine.keys) == (orders, keys)


def test_the_last_fill_of_a_buy_and_its_sell_are_one_commit() -> None:
    cycle = resting()
    order = cycle.exchange.open()[0]
    cycle.exchange.fill(order, order.rest, order.intent.price, cycle.now)
    (report,) = cycle.exchange.reports()
    cycle.slots = False
    changes = cycle.step(Reported(order.client_order_id, report))
    buy, sell = changes.orders.values()
    assert (buy.state, sell.state, changes.fills) == (State.FILLED, State.NOT_PLACED, order.fills)
    assert changes.traders == {1: cycle.traders[0]}
    assert changes.admits == [sell.client_order_id]
    assert changes.sends == []


def test_an_ended_trader_is_told_in_its_last_state_with_its_successor() -> None:
    cycle = bought(workbench(ONE))
    order = cycle.exchange.open()[0]
    cycle.exchange.fill(order, order.rest, order.intent.price, cycle.now)
    (report,) = cycle.exchange.reports()
    changes = cycle.step(Reported(order.client_order_id, report))
    assert list(changes.traders) == [1, 2]
    assert [note.kind for note in changes.notes] == ["filled", "finished"]


def test_what_a_later_step_changed_is_taken_into_the_earlier_ones_commit() -> None:
    (trader,), (order,) = resting().traders, resting().engine.orders.values()
    (part,) = bought().order(1, Side.BUY).fills
    newer = replace(trader, buys=2), replace(order, attempt=2)
    note = Note("waits", "why")
    first = Changes({1: trader, 2: trader}, {"a": order}, [part], [note], ["a"], ["b"], [Question.RULES])
    first.extend(
        Changes({1: newer[0]}, {"a": newer[1], "b": order}, [part], [note], ["b"], [], [Question.COINS], True)
    )
    questions = [Question.RULES, Question.COINS]
    assert first == Changes(
        {1: newer[0], 2: trader}, {"a": newer[1], "b": order}, [part, part], [note, note], ["a", "b"], ["b"],
        questions, True,
    )  # fmt: skip
    first.extend(Changes())
    assert first.drained


@pytest.mark.parametrize(
    ("kind", "question"), [(Refusal.FILTER, [Question.RULES]), (Refusal.BALANCE, []), (Refusal.OTHER, [])]
)
def test_a_refused_buy_asks_for_the_rules_where_they_may_have_changed(
    kind: Refusal, question: list[Question]
) -> None:
    cycle = workbench()
    cycle.trade("2683.80")
    cycle.answer(Refused(kind, -1, "no"))
    assert cycle.journal.questions == question
    assert cycle.leader.barred == ("buy refused: no" if kind is Refusal.OTHER else None)


# Ids and slots


def test_an_order_says_when_and_on_which_trade_and_by_whom_it_was_decided() -> None:
    engine = replace(workbench().engine, ids=("n1test-a", "n1test-b"), epoch=7)
    engine, changes = step(engine, Traded(trade("2683.80", START - 4)), START)
    (order,) = changes.orders.values()
    assert (order.decided_at, order.created_at, order.updated_at) == (START - 4, START, START)
    assert (order.client_order_id, order.epoch, changes.admits) == ("n1test-a", 7, ["n1test-a"])


def test_an_id_is_used_once_and_a_step_never_needs_more_than_it_was_given() -> None:
    cycle = workbench(settings(chunks=3, budget="600"))
    rebought(cycle)
    cycle.market("2670", "2660")
    cycle.direct(Status.OFF, settings(chunks=1, budget="600"), cancel=frozenset(Side))
    cycle.settle()
    assert cycle.phases == ["holding"] * 3
    ids = tuple(f"fresh-{number}" for number in range(cycle.engine.ids_needed))
    engine, changes = step(replace(cycle.engine, ids=ids), Activated(), cycle.now)
    assert changes.orders == {}
    on = replace(engine.leader, desired=replace(engine.leader.desired, status=Status.ON))
    engine, changes = step(replace(engine, leader=on), Activated(), cycle.now)
    assert tuple(changes.orders) == ids[:3]
    assert engine.ids == ids[3:]
    assert engine.order(2, Side.SELL, 2) is changes.orders[ids[1]]


def test_every_order_of_a_life_has_its_own_id() -> None:
    cycle = workbench(ONE)
    for _ in range(3):
        sold(bought(cycle))
    assert len({order.intent for order in cycle.journal.orders.values()}) == len(cycle.journal.orders) == 6


@pytest.mark.parametrize("event", [AWAY, Deactivated()])
def test_nothing_asks_for_a_slot_while_the_symbol_is_blocked_or_not_active(event: Event) -> None:
    cycle = resting()
    assert cycle.engine.may_place
    cycle.step(event)
    assert not cycle.engine.may_place
    cycle.market("2600")
    assert cycle.journal.admits == []
    assert cycle.engine.band == NONE
    if event == AWAY:
        assert cycle.order(1, Side.SELL).state is State.NOT_PLACED
        assert cycle.wanting() == []
        cycle.step(BACK)
        cycle.settle()
    else:
        assert cycle.phases == ["holding"]
        cycle.step(Activated())
    assert cycle.engine.may_place
    assert cycle.order(1, Side.SELL).state is not State.NOT_PLACED


@pytest.mark.parametrize("status", [Status.ON, Status.OFF, Status.SHUTDOWN])
def test_sells_go_out_in_a_drain_and_nothing_does_when_off(status: Status) -> None:
    cycle = resting(workbench(ONE))
    cycle.direct(status, keep_buys=True)
    assert cycle.engine.may_place is (status is not Status.OFF)


def test_an_order_takes_the_self_trade_prevention_of_its_side() -> None:
    rules = replace(info(), buy_stp="OF BUYS", sell_stp="OF SELLS")
    cycle = bought(workbench(exchange=Exchange(rules)))
    assert [cycle.order(1, side).stp_mode for side in Side] == ["OF BUYS", "OF SELLS"]
    cycle = bought(workbench(exchange=Exchange(info())))
    assert [cycle.order(1, side).stp_mode for side in Side] == [None, None]


# Which orders are kept


def test_orders_are_kept_as_long_as_their_trader_lives() -> None:
    cycle = bought(workbench(ONE))
    assert kept(cycle) == [(1, "buy", 1), (1, "sell", 1)]
    sold(cycle)
    assert kept(cycle) == []
    assert cycle.engine.keys == {}


def test_of_a_traders_orders_the_latest_of_each_side_is_kept() -> None:
    cycle = resting()
    cycle.market("2720", "2720")
    assert kept(cycle) == [(1, "buy", 2)]
    assert [order.state for order in cycle.journal.orders.values()] == [State.CANCELLED, State.OPEN]


def test_ended_orders_of_traders_that_live_are_kept_when_those_of_others_are_forgotten() -> None:
    cycle = rebought(workbench(settings(chunks=2, budget="400")))
    cycle.end(OrderStatus.CANCELED, Side.SELL)
    cycle.market("2679")
    assert kept(cycle) == [(1, "buy", 1), (1, "sell", 1), (2, "buy", 1), (2, "sell", 1)]
    sold(cycle)
    assert cycle.phases == ["holding", "waiting"]
    assert kept(cycle) == [(1, "buy", 1), (1, "sell", 1)]


def never_sent(of: Workbench) -> OrderState:
    """The first trader's buy gets no slot of the order limit while its trade is young."""
    of.slots = False
    of.trade("2683.80")
    (order,) = of.engine.orders.values()
    of.now += 5_001
    of.step(Admitted(order.client_order_id, of.now, WINDOW, of.engine.epoch))
    (order,) = of.engine.orders.values()
    assert (order.state, order.attempt) == ("abandoned", 0)
    return order


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_abandoned_buy_that_was_never_sent_is_dropped_unless_the_journal_may_have_lost_that(epoch: int) -> None:
    of = workbench(ONE)
    order = replace(never_sent(of), epoch=of.engine.epoch - epoch)
    of.engine = replace(of.engine, orders={order.client_order_id: order})
    of.slots = True
    of.trade("2683.80")
    assert kept(of) == [(1, "buy", 1)] * epoch + [(1, "buy", 2)]


def test_an_abandoned_buy_is_watched_for_a_day() -> None:
    cycle = workbench(ONE)
    given_up = abandoned(cycle)
    sold(bought(cycle))
    assert kept(cycle) == [(1, "buy", 1)]
    assert cycle.engine.watched
    cycle.now = given_up.updated_at + WATCHED - 4_000
    sold(bought(cycle))
    assert kept(cycle) == [(1, "buy", 1)]
    sold(bought(cycle))
    assert kept(cycle) == []
    assert not cycle.engine.watched


@pytest.mark.parametrize("heard", [True, False])
def test_no_watch_of_an_abandoned_buy_ends_by_this_machines_clock(heard: bool) -> None:
    cycle = workbench(ONE)
    cycle.now = abandoned(cycle).updated_at + WATCHED + 1
    if not heard:  # the exchange, which tells the rules
        leader = cycle.engine.leader
        cycle.engine = replace(cycle.engine, leader=replace(leader, info=replace(leader.info, base="")))
    cycle.direct(Status.SHUTDOWN)
    assert cycle.phases == []
    assert cycle.engine.watched is not heard


def test_an_engine_of_the_journal_knows_the_same_orders_and_sends_none_twice() -> None:
    cycle = rebought(workbench(settings(chunks=3, budget="600")))
    cycle.trade("2670")
    keys, (sent,) = cycle.engine.keys, cycle.engine.unsettled
    cycle.restart()
    assert cycle.engine.keys == keys
    assert [order.client_order_id for order in cycle.engine.unsettled] == [sent.client_order_id]
    assert cycle.order(3, Side.BUY).state is State.UNKNOWN
    cycle.wire.clear()
    cycle.settle()
    assert cycle.journal.sends.count(sent.client_order_id) == 1
    check(cycle)


# News that nobody waits for


@pytest.mark.parametrize("adopt", [True, False])
def test_the_twin_of_a_buy_that_was_given_up_is_sold_only_if_a_person_adopts_it(adopt: bool) -> None:
    cycle = workbench(ONE)
    order = abandoned(cycle)
    found(cycle, order)
    cycle.step(Resolved(order.client_order_id, adopt))
    assert cycle.engine.blocks == ()
    cycle.settle()
    cycle.reconcile()
    cycle.settle()
    assert cycle.phases == (["waiting", "selling"] if adopt else ["waiting"])
    assert cycle.order(1, Side.BUY).state is (State.FILLED if adopt else State.CANCELLED)
    assert len(cycle.journal.fills) == adopt


def test_a_sell_that_was_given_up_and_sold_all_the_same_is_its_traders_once_it_is_adopted() -> None:
    cycle = resting(workbench(ONE))
    cycle.exchange.trade(1, cycle.now)
    cycle.hear()
    cycle.answer(Unknown("timeout"))
    cycle.direct(Status.OFF, cancel=frozenset({Side.SELL}))
    cycle.now += WINDOW + GRACE + 1
    cycle.settle()
    assert cycle.phases == ["holding"]
    sell = cycle.order(1, Side.SELL)
    cycle.exchange.place(sell.client_order_id, sell.intent, sell.intent.price, cycle.now)
    cycle.hear()
    assert cycle.engine.blocked == "abandoned, and yet order 2 was filled"
    cycle.step(Resolved(sell.client_order_id, adopt=True))
    cycle.settle()
    cycle.reconcile()
    cycle.settle()
    assert (cycle.leader.owed.quantity, cycle.phases) == (0, [])
    assert cycle.leader.profit > 0
    check(cycle)


# Blocks


_HOUR = 3_600_000


def look(of: Workbench, *, closed: bool) -> None:
    """The rules are read."""
    status = {"trading": not closed, "status": "BREAK" if closed else "TRADING"}
    of.step(Informed(replace(of.exchange.rules, **status), of.leader.fees))


def shut(of: Workbench, *hours: int) -> None:
    """The market is closed, and looked at after so many hours each."""
    look(of, closed=True)
    for each in hours:
        of.now += each * _HOUR
        look(of, closed=True)


def test_a_market_that_was_closed_for_hours_goes_on_by_itself_each_time() -> None:
    cycle = bought()
    for _ in range(3):
        shut(cycle, 6, 6)
        look(cycle, closed=False)
        assert (cycle.engine.blocks, cycle.leader.closed_at) == ((), 0)


def test_a_market_that_was_closed_for_more_than_half_a_day_waits_for_a_person_before_it_opens() -> None:
    cycle = bought()
    began, sent = cycle.now, len(cycle.wire)
    shut(cycle, 6, 7)
    assert [block.by for block in cycle.engine.blocks] == [BlockedBy.MARKET]
    shut(cycle, 48)
    look(cycle, closed=False)
    assert cycle.leader.closed_at == began
    assert [note.kind for note in cycle.journal.notes].count("quarantined") == 1
    cycle.trade("1")
    cycle.trade("4000")
    assert (cycle.engine.may_place, len(cycle.wire)) == (False, sent)
    cycle.step(Blocked(BlockedBy.MARKET, None))
    assert (cycle.engine.blocks, cycle.leader.closed_at) == ((), 0)
    assert cycle.journal.notes[-1] == Note("resolved", "no more doubt about what its market trades")
    look(cycle, closed=False)
    assert cycle.engine.may_place


def test_the_doubt_is_there_again_behind_a_restart() -> None:
    cycle = bought()
    shut(cycle, 13)
    loaded, _ = load(cycle.leader, cycle.engine.orders.values(), (), 2, cycle.now)
    assert [block.by for block in loaded.blocks] == [BlockedBy.MARKET]


def test_a_symbol_that_is_off_is_in_doubt_only_if_it_was_before_and_holds_something() -> None:
    for hours, holds, doubted in ((13, True, True), (13, False, False), (5, True, False), (5, False, False)):
        cycle = bought() if holds else workbench()
        shut(cycle, hours)
        cycle.direct(Status.OFF)
        cycle.step(Deactivated())
        cycle.now += 100 * _HOUR
        look(cycle, closed=True)
        assert bool(cycle.engine.blocks) == bool(cycle.leader.closed_at) == doubted, (hours, holds)


def test_a_symbol_that_was_started_while_its_market_was_closed_trades_when_it_opens() -> None:
    """One may wait for a coin that is listed next week; from its first opening on it is known."""
    exchange = Exchange(replace(info(), trading=False, status="BREAK"))
    of = workbench(exchange=exchange)
    shut(of, 13, 100)
    assert (of.engine.blocks, of.leader.closed_at) == ((), 0)
    of.restart()
    shut(of, 13)
    exchange.rules = info()
    look(of, closed=False)
    resting(of)
    assert of.phases == ["buying"]
    shut(of, 13)
    assert [block.by for block in of.engine.blocks] == [BlockedBy.MARKET]


def test_a_symbol_that_bought_before_is_in_doubt_also_if_it_was_not_looked_at_before_a_restart() -> None:
    """Rules are read once an hour: the market may have closed since."""
    of = resting()
    of.end(OrderStatus.CANCELED)
    assert of.phases == ["waiting"]
    closed = replace(info(), trading=False, status="BREAK")
    of.engine = replace(of.engine, leader=replace(of.leader, info=closed, active=False))  # as it is loaded
    of.exchange.rules = closed
    shut(of, 0)
    of.step(Activated())
    shut(of, 13)
    assert [block.by for block in of.engine.blocks] == [BlockedBy.MARKET]


@pytest.mark.parametrize("buys", [False, True])
def test_a_symbol_that_saw_its_market_open_is_in_doubt_with_and_without_a_buy(buys: bool) -> None:
    of = resting() if buys else workbench()
    shut(of, 5)
    of.restart()
    shut(of, 8)
    assert [block.by for block in of.engine.blocks] == [BlockedBy.MARKET]


def test_the_most_serious_block_is_the_reason_and_each_has_to_be_lifted_by_itself() -> None:
    cycle = workbench()
    cycle.step(Blocked(BlockedBy.CRASH, "crashed"))
    cycle.now += 1
    cycle.step(AWAY)
    cycle.step(Blocked(BlockedBy.COINS, "coins are missing"))
    assert [(block.by, block.since) for block in cycle.engine.blocks] == [
        (BlockedBy.COINS, START + 1),
        (BlockedBy.CRASH, START),
        (BlockedBy.EXCHANGE, START + 1),
    ]
    assert cycle.engine.blocked == "coins are missing"
    cycle.step(Blocked(BlockedBy.COINS, None))
    cycle.step(Blocked(BlockedBy.CRASH, None))
    assert cycle.engine.blocked == "away"
    cycle.step(BACK)
    assert (cycle.engine.blocks, cycle.engine.may_place) == ((), True)
    assert cycle.journal.notes == [Note("quarantined", "coins are missing")]


def test_a_block_has_one_reason_the_newest() -> None:
    cycle = workbench()
    cycle.step(AWAY)
    cycle.now += 1
    cycle.step(Blocked(BlockedBy.EXCHANGE, "no such symbol"))
    assert cycle.engine.blocks == (Block(BlockedBy.EXCHANGE, "no such symbol", START + 1),)


def test_a_contradiction_blocks_the_symbol_until_a_person_resolves_it() -> None:
    cycle = rebought(workbench(settings(chunks=2, budget="400")))
    reason = "two orders under one id: 2 and 99"
    sell = doubted(cycle, 1, Side.SELL)
    assert cycle.engine.blocks == (Block(BlockedBy.QUARANTINE, reason, cycle.now),)
    assert cycle.journal.notes[-1] == Note("quarantined", f"{sell}: {reason}")
    buy = doubted(cycle, 2)
    assert cycle.engine.blocked == "two orders under one id: 3 and 99"
    cycle.step(Resolved(buy, adopt=True))
    assert cycle.engine.blocked == reason
    assert not cycle.engine.may_place
    cycle.step(Resolved(sell, adopt=True))
    assert (cycle.engine.blocks, cycle.engine.quarantined) == ((), [])
    sold(cycle)
    check(cycle)


def test_a_quarantined_buy_that_is_written_off_ends_its_trader() -> None:
    cycle = resting(workbench(ONE))
    cycle.step(Resolved(doubted(cycle), adopt=False))
    assert (cycle.phases, cycle.engine.blocks) == (["waiting"], ())
    assert [trader.number for trader in cycle.finished] == [1]


def test_a_quarantine_outlives_the_process() -> None:
    cycle = resting()
    doubted(cycle)
    known = cycle.engine
    order = replace(known.quarantined[0], state=State.INTENDED)
    stale = (
        Block(BlockedBy.QUARANTINE, "of an order that was resolved", START),
        Block(BlockedBy.CRASH, "it", START),
    )
    again, changes = load(known.leader, known.orders.values(), (), 2, cycle.now)
    assert (again.blocks, again.orders, again.epoch) == (known.blocks, known.orders, 2)
    assert changes == Changes()
    again, changes = load(known.leader, [order], stale, 2, cycle.now)
    assert again.blocks == stale[1:]
    assert [row.state for row in changes.orders.values()] == [State.UNKNOWN]


# Coins that are not there


def short_of_coins(missing: str) -> Workbench:
    """The first trader's sell rests, the second holds, the third's sell was not sent; coins are written off."""
    cycle = rebought(workbench(settings(chunks=3, budget="600")))
    cycle.market("2679", "2670")
    second = cycle.exchange.named(cycle.order(2, Side.SELL).client_order_id)
    assert second is not None
    cycle.exchange.end(second, OrderStatus.CANCELED, cycle.now)
    cycle.settle()
    cycle.slots = False
    cycle.exchange.trade(1, cycle.now)
    cycle.hear()
    assert cycle.phases == ["selling", "holding", "selling"]
    assert cycle.order(3, Side.SELL).state is State.NOT_PLACED
    cycle.step(Blocked(BlockedBy.COINS, "0.08 ETH are missing"))
    cycle.step(CoinsWrittenOff(parse_quantity(missing), "ignored"))
    check(cycle)
    return cycle


def test_coins_that_others_paid_as_fees_are_a_loss_of_their_trader_and_the_rest_is_sold() -> None:
    cycle = bought(workbench(ONE))
    before = cycle.engine.leader.profit
    cycle.exchange.end(cycle.exchange.open()[0], OrderStatus.CANCELED, cycle.now)
    cycle.settle()
    held = position(cycle.traders[0])
    lost = parse_quantity("0.01")
    changes = cycle.step(CoinsPaid(lost))
    (note,) = changes.notes
    assert note.kind == "written off"
    assert note.message.endswith("written off as fees that other symbols paid")
    (finished,) = [each for each in changes.traders.values() if isinstance(each.phase, Finished)]
    assert finished.phase.reason == "written off as fees that other symbols paid"
    rest = position(cycle.traders[0])
    assert rest.quantity == held.quantity - lost
    assert cycle.engine.leader.profit - before == rest.cost - held.cost
    check(cycle)


def test_coins_of_a_sell_in_quarantine_are_not_booked_as_fees() -> None:
    cycle = bought(workbench(ONE))
    sell, (there,) = cycle.order(1, Side.SELL), cycle.exchange.open()
    cycle.step(Reported(sell.client_order_id, replace(cycle.exchange.state(there), order_id=77)))
    before = position(cycle.traders[0]).quantity
    cycle.step(CoinsPaid(Quantity(10**6)))
    assert position(cycle.traders[0]).quantity == before - min(10**6, before - sell.intent.quantity)


@pytest.mark.parametrize(
    ("missing", "left", "phases"),
    [
        ("0", ["0.0744255", "0.0745254", "0.0748251"], ["selling", "holding", "selling"]),
        ("0.00002", ["0.0744055", "0.0745254", "0.0748251"], ["selling", "holding", "selling"]),
        ("0.0500255", ["0.0744", "0.0245254", "0.0748251"], ["selling", "holding", "selling"]),
        ("0.0755509", ["0.0744", "0.0738251", "0"], ["selling", "holding", "waiting"]),
        ("7", ["0.0744", "0", "0"], ["selling", "waiting", "waiting"]),
    ],
)
def test_coins_are_written_off_of_the_oldest_traders_first_and_none_that_rest_at_the_exchange(
    missing: str, left: list[str], phases: list[str]
) -> None:
    cycle = short_of_coins(missing)
    assert [format_amount(position(trader).quantity) for trader in cycle.traders] == left
    assert cycle.phases == phases
    assert cycle.engine.blocks == ()
    assert cycle.journal.notes[-1] == Note("resolved", "ignored by hand: 0.08 ETH are missing")
    assert cycle.exchange.open(Side.SELL)[0].intent == cycle.order(1, Side.SELL).intent


# What it tells those who ask


def test_what_the_exchange_may_have_sold_without_our_knowing_is_not_missed() -> None:
    cycle = resting(workbench(ONE))
    cycle.exchange.trade(1, cycle.now)
    cycle.hear()

    def unbooked() -> Quantity:
        return unbooked_of(cycle.engine, cycle.traders[0])

    whole = cycle.order(1, Side.SELL).intent.quantity
    assert unbooked() == whole
    cycle.settle()
    assert (unbooked(), cycle.engine.unread) == (0, [])
    order = cycle.exchange.open()[0]
    cycle.exchange.fill(order, parse_quantity("0.04"), order.intent.price, cycle.now)
    cycle.exchange.outbox.clear()
    cycle.reconcile()
    assert unbooked() == parse_quantity("0.04")
    assert cycle.engine.unread == [cycle.order(1, Side.SELL)]
    cycle.step(FillsFound(order.client_order_id, tuple(order.fills)))
    assert unbooked() == 0
    assert unbooked_of(cycle.engine, cycle.traders[0], unread=True) == whole - parse_quantity("0.04")
    cycle.step(Missing(order.client_order_id, cycle.now, GRACE))
    assert unbooked() == whole - parse_quantity("0.04")


def test_what_a_sell_in_quarantine_was_to_sell_is_not_missed() -> None:
    cycle = resting(workbench(ONE))
    cycle.exchange.trade(1, cycle.now)
    cycle.hear()
    cycle.settle()
    sell = cycle.order(1, Side.SELL)
    report = cycle.exchange.state(cycle.exchange.open()[0])
    cycle.step(Reported(sell.client_order_id, replace(report, order_id=report.order_id + 1)))
    assert cycle.engine.quarantined
    assert unbooked_of(cycle.engine, cycle.traders[0]) == sell.intent.quantity


def test_coins_that_a_person_took_out_of_a_sell_do_not_rest_in_it() -> None:
    cycle = resting(workbench(ONE))
    cycle.exchange.trade(1, cycle.now)
    cycle.hear()
    cycle.settle()
    report = cycle.exchange.state(cycle.exchange.open()[0])
    assert resting_of(cycle.engine, cycle.traders[0]) == report.quantity
    cycle.step(Reported(report.client_order_id, replace(report, quantity=parse_quantity("0.03"), amended=True)))
    assert resting_of(cycle.engine, cycle.traders[0]) == parse_quantity("0.03")
    trader, taken = cycle.traders[0], Quantity(report.quantity - parse_quantity("0.03"))
    held = position(trader).quantity
    cycle.step(Blocked(BlockedBy.COINS, "coins are missing"))
    cycle.step(CoinsWrittenOff(taken, "by hand"))
    assert position(cycle.traders[0]).quantity == held - taken, "what is gone can be written off"


def test_orders_whose_fate_is_open_are_unsettled() -> None:
    cycle = workbench()
    assert not cycle.engine.watched
    cycle.trade("2683.80")
    assert len(cycle.engine.unsettled) == 1
    cycle.settle()
    assert (cycle.engine.unsettled, len(cycle.engine.resting), cycle.engine.watched) == ([], 1, True)
    cycle.step(CancelWanted(cycle.order(1, Side.BUY).client_order_id))
    assert cycle.engine.unsettled == cycle.engine.resting


def test_rules_are_known_once_the_assets_are() -> None:
    engine = workbench().engine
    assert engine.informed
    unread = replace(engine.leader, info=replace(info(), base="", quote=""))
    assert not replace(engine, leader=unread).informed


def test_a_cycle_that_ends_while_the_clock_goes_back_over_midnight_counts_in_the_day_of_its_end() -> None:
    cycle = workbench(ONE)
    cycle.now = midnight = (cycle.now // DAY + 1) * DAY
    bought(cycle)
    began = cycle.engine.leader.traders[0].since
    cycle.now = midnight - 5_000
    sold(cycle)
    leader = cycle.engine.leader
    assert (leader.cycles, leader.day, leader.day_profit) == (1, began // DAY, leader.profit)
    assert leader.profit > 0
