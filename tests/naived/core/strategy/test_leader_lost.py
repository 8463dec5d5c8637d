"""The journal lost its last commits in a failover: what the exchange has of ours is found, or stops the symbol."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import pytest
from msgspec.structs import replace

from naived.core.amount import SCALE, Price, Rate, money_down, parse_price, parse_quantity, parse_rate, value_up
from naived.core.engine import Blocked, BlockedBy, Changes, Engine, Unrecorded, load
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import OrderStatus
from naived.core.orders.state import LOOKS, Missing, OrderState, Reported, Resolved, State
from naived.core.risk import HaltedBy
from naived.core.strategy.formulas import Bought
from naived.core.strategy.leader_events import Activated, Informed
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.lots import MOST, Lot
from naived.core.strategy.settings import DesiredState, Status
from naived.core.strategy.sizing import asked, terms_of
from naived.core.strategy.summary import owned
from naived.core.strategy.trader_state import Buying, Hold, Holding, Note, Released, Selling, Trader, position
from tests.support.engine import GRACE, WINDOW, Workbench, bought, check, check_quiet, rebought, resting, workbench
from tests.support.market import FEES, START, Exchange, Order, info, settings

DOUBT = Blocked(BlockedBy.LEASE, "the database was replaced")


@dataclass(frozen=True)
class Backup:
    """What a standby has: all commits up to a moment."""

    engine: Engine
    journal: Changes
    written_off: int


def backup(of: Workbench) -> Backup:
    return Backup(of.engine, copy.deepcopy(of.journal), of.written_off)


def promote(of: Workbench, standby: Backup) -> None:
    """The later commits are gone; the symbol is loaded, and compared as the runtime does."""
    of.wire.clear()
    of.exchange.outbox.clear()
    of.journal, of.written_off = copy.deepcopy(standby.journal), standby.written_off
    of.now += WINDOW + GRACE + 1_000
    engine = standby.engine
    rows = [of.journal.orders[client_order_id] for client_order_id in engine.orders]
    of.engine, changes = load(replace(engine.leader, active=False), rows, (), engine.epoch + 1, of.now)
    of.journal.extend(changes)
    of.step(DOUBT)
    for client_order_id, order in list(of.engine.orders.items()):
        there = of.exchange.named(client_order_id)
        if there is not None:
            of.step(Reported(client_order_id, of.exchange.state(there)))
        elif order.state is State.UNKNOWN:
            for _ in range(LOOKS):
                of.step(Missing(client_order_id, of.now, GRACE, everywhere=True))
        of.settle()
    for there in list(of.exchange.orders):
        if there.client_order_id not in of.journal.orders and (there.open or there.executed):
            of.step(Unrecorded(of.exchange.state(there)))
            of.settle()


def go_on(of: Workbench) -> None:
    of.step(Blocked(BlockedBy.LEASE, None))
    of.step(Activated())
    of.settle()


def seen(of: Workbench) -> None:
    """Nothing is placed that is not seen, and nothing that was placed twice: the books agree with the exchange."""
    check(of)
    check_quiet_but_for_the_dead(of)
    assert owned(of.leader).quantity == of.exchange.base


def check_quiet_but_for_the_dead(of: Workbench) -> None:
    """Orders that ended without any execution are nobody's loss: their rows stay lost."""
    kept = [each for each in of.exchange.orders if each.client_order_id in of.journal.orders]
    gone = [each for each in of.exchange.orders if each not in kept]
    assert all(not each.open and not each.executed for each in gone)
    check_quiet(of)


def test_a_buy_whose_row_is_lost_is_the_waiting_traders() -> None:
    of = workbench()
    standby = backup(of)
    resting(of)
    (there,) = of.exchange.open()
    promote(of, standby)
    (trader,) = of.traders
    assert isinstance(trader.phase, Buying)
    assert trader.phase.accepted
    assert of.order(trader.number, Side.BUY).order_id == there.id
    assert [note.kind for note in of.journal.notes].count("recovered") == 1
    go_on(of)
    of.market(there.intent.price - 1)
    assert of.phases[0] == "selling"
    assert len(of.exchange.orders) == 2
    seen(of)


def test_a_whole_cycle_that_is_lost_is_found_and_nothing_is_bought_or_sold_again() -> None:
    of = workbench(settings(chunks=1))
    standby = backup(of)
    bought(of)
    before = len(of.exchange.orders)
    promote(of, standby)
    assert len(of.exchange.orders) == before
    (trader,) = of.traders
    assert isinstance(trader.phase, Selling)
    seen(of)
    go_on(of)
    of.market(of.exchange.open(Side.SELL)[0].intent.price + 1)
    assert of.profits == [of.leader.profit]
    seen(of)


def test_a_sell_that_was_filled_behind_the_last_commit_is_booked_with_its_profit() -> None:
    of = resting(workbench(settings(chunks=1)))
    standby = backup(of)
    of.market(of.exchange.open(Side.BUY)[0].intent.price - 1)
    of.market(of.exchange.open(Side.SELL)[0].intent.price + 1)
    profits = of.profits
    promote(of, standby)
    assert of.profits == profits
    go_on(of)
    seen(of)


def test_the_rebuy_that_started_a_lost_trader_is_spent() -> None:
    of = bought()
    standby = backup(of)
    of.market("2680")
    promote(of, standby)
    first, second = of.traders
    assert second.origin == first.number
    go_on(of)
    of.market("2680")
    assert len(of.exchange.open(Side.BUY)) == 1
    seen(of)


def test_a_drain_takes_a_found_buy_back() -> None:
    of = workbench()
    standby = backup(of)
    resting(of)
    promote(of, standby)
    of.direct(Status.SHUTDOWN)
    go_on(of)
    assert not of.exchange.open()
    assert not of.traders
    seen(of)


def test_a_found_order_that_we_had_cancelled_is_not_taken_for_one_that_a_person_cancelled() -> None:
    of = workbench()
    standby = backup(of)
    resting(of)
    (there,) = of.exchange.open()
    of.exchange.fill(there, there.rest // 2, there.intent.price, of.now)
    of.settle()
    of.direct(Status.OFF, cancel=frozenset({Side.BUY}))
    of.settle()
    assert there.status is OrderStatus.CANCELED
    promote(of, standby)
    go_on(of)
    assert of.phases == ["selling"]
    seen(of)


def test_a_sell_of_more_than_there_is_is_quarantined_until_a_person_has_decided() -> None:
    of = bought(workbench(settings(chunks=1)))
    of.exchange.base += parse_quantity("100")
    intent = OrderIntent("ETHUSDT", 1, Side.SELL, 1, parse_price("9000"), parse_quantity("100"))
    of.exchange.place("n1test-lost", intent, parse_price("2600"), of.now)
    (there,) = [each for each in of.exchange.open() if each.client_order_id == "n1test-lost"]
    coins = owned(of.leader)
    of.step(Unrecorded(of.exchange.state(there)))
    (order,) = of.engine.quarantined
    assert order.order_id == there.id
    assert "no trader has coins that it sells at this price" in (of.engine.blocked or "")
    assert not of.engine.may_place
    assert owned(of.leader) == coins
    of.step(Unrecorded(of.exchange.state(there)))
    assert len(of.engine.quarantined) == 1
    of.step(Resolved(order.client_order_id, adopt=False))
    assert of.engine.may_place


def test_a_buy_beyond_the_chunks_and_the_budget_of_today_is_a_trader_of_its_own() -> None:
    of = bought(workbench(settings(chunks=1)))
    intent = OrderIntent("ETHUSDT", 1, Side.BUY, 1, parse_price("2600"), parse_quantity("0.5"))
    of.exchange.place("n1test-lost", intent, parse_price("2690"), of.now)
    of.step(Unrecorded(of.exchange.state(of.exchange.open(Side.BUY)[0])))
    assert of.engine.blocked is None
    assert of.phases == ["selling", "buying"]
    of.market("2599")
    assert of.phases == ["selling", "selling"]
    seen(of)


@pytest.mark.parametrize(("ticks", "fits"), [(0, True), (1, False)])
def test_a_sell_of_a_lost_profit_is_an_ordinary_one_unless_it_loses_money(ticks: int, fits: bool) -> None:
    """The profit of the trader that decided it may have been lost with it; only a stop-loss sells for less."""
    of = resting(workbench(settings(chunks=1)))
    of.slots = False  # the sell is decided, and not sent
    of.trade(of.exchange.open()[0].intent.price - 1)
    of.hear()
    (trader,) = of.traders
    assert isinstance(trader.phase, Selling)
    sell, filters = trader.phase.intent, of.exchange.rules.filters
    least = asked(replace(trader.terms, profit=Rate(0)), trader.phase.bought, trader.phase.carried, filters)
    assert least < sell.price
    lower = replace(sell, price=Price(least - ticks * filters.tick_size))
    of.exchange.place("n1test-lost", lower, of.last, of.now)
    (there,) = of.exchange.open()
    of.step(Unrecorded(of.exchange.state(there)))
    assert (not of.engine.quarantined) == fits
    assert of.leader.halts.own is None


def live(
    of: Workbench,
    random: Random,
    between: Callable[[Workbench, Random], None],
    *,
    kept: int,
    lost: Sequence[int],
    spread: int,
) -> tuple[int, Backup]:
    """Trades, ``between`` before each: fewer than ``kept``, then so many whose commits are lost.

    Returns the last price in hundredths, which changes by up to ``spread``, and what is not lost.
    """
    price, standby, lost_from = 268_380, None, random.randrange(kept)
    for step in range(lost_from + random.choice(lost)):
        if step == lost_from:
            standby = backup(of)
        price += random.randint(-spread, spread)
        between(of, random)
        of.market(f"{price / 100:.2f}")
    assert standby is not None
    return price, standby


def fill_in_part(of: Workbench, random: Random) -> None:
    if random.random() < 0.1 and of.exchange.open():
        there = random.choice(of.exchange.open())
        of.exchange.fill(there, there.rest // 3 // 10_000 * 10_000, there.intent.price, of.now)
        of.settle()


@pytest.mark.parametrize("seed", [*range(20), 251, 1312, 1486, 2292])
def test_wherever_the_commits_end_every_order_and_every_coin_is_found(seed: int) -> None:
    random = Random(seed)
    profit, rebuy = random.choice((("0.001", "0.002"), ("0.0005", "0.001"), ("0.003", "0.0005")))
    of = workbench(settings(chunks=random.choice((1, 2, 5)), profit=profit, rebuy=rebuy, reprice="0.002"))
    price, standby = live(of, random, fill_in_part, kept=40, lost=(1, 2, 5, 20), spread=400)
    orders = len(of.exchange.orders)
    promote(of, standby)
    assert len(of.exchange.orders) == orders
    assert not of.engine.quarantined
    seen(of)
    go_on(of)
    for _ in range(20):
        price += random.randint(-400, 400)
        of.market(f"{price / 100:.2f}")
        seen(of)
    assert sum(position(trader).quantity for trader in of.traders) <= of.exchange.base


def follow(of: Workbench, step: str) -> None:
    """The exchange counts in other steps from now on, and it is read."""
    rules = of.exchange.rules
    size = parse_quantity(step)
    of.exchange.rules = replace(rules, filters=replace(rules.filters, step_size=size, min_quantity=size))
    of.step(Informed(of.exchange.rules, of.leader.fees))
    of.settle()


def test_a_sell_of_what_two_traders_left_in_coarser_steps_is_sold_by_neither_alone() -> None:
    of = workbench(settings(chunks=2))
    follow(of, "0.04")
    of.market("2683.80", "2683", "2670", "2669")
    assert of.phases == ["selling", "selling"]
    standby = backup(of)
    for order in of.exchange.open(Side.SELL):
        of.exchange.fill(order, order.rest, order.intent.price, of.now)
    of.settle()
    (there,) = of.exchange.open(Side.SELL)
    assert (there.intent.quantity, of.leader.lots) == (parse_quantity("0.04"), ())
    follow(of, "0.0001")
    promote(of, standby)
    (trader,) = of.traders
    assert trader.sells_lots
    assert of.order(trader.number, Side.SELL).client_order_id == there.client_order_id
    assert sum(lot.quantity for lot in of.leader.lots) == of.exchange.base - there.intent.quantity
    go_on(of)
    seen(of)


def change_the_step(of: Workbench, random: Random) -> None:
    if random.random() < 0.3:
        follow(of, random.choice(("0.0001", "0.02", "0.05")))


@pytest.mark.parametrize("seed", [*range(10), 23, 38, 40, 46, 79, 91, 107, 127])
def test_what_was_sold_by_rules_that_changed_meanwhile_is_found(seed: int) -> None:
    random = Random(seed)
    profit, rebuy = random.choice((("0.001", "0.002"), ("0.0005", "0.001"), ("0.003", "0.0005")))
    of = workbench(settings(chunks=random.choice((1, 2, 5)), profit=profit, rebuy=rebuy, reprice="0.002"))
    price, standby = live(of, random, change_the_step, kept=60, lost=(5, 20, 60), spread=900)
    follow(of, random.choice(("0.0001", "0.02", "0.05")))
    promote(of, standby)
    assert not of.engine.quarantined
    seen(of)
    go_on(of)
    for _ in range(20):
        price += random.randint(-900, 900)
        of.market(f"{price / 100:.2f}")
        seen(of)


def meddle(of: Workbench, random: Random) -> None:
    """What the exchange and a person may do between two trades."""
    exchange = of.exchange
    there = random.choice(exchange.open() or [None])
    match random.randrange(8):
        case 0:
            size, tick = random.choice(("0.0001", "0.02", "0.05")), parse_price(random.choice(("0.01", "0.1", "5")))
            rules = replace(exchange.rules.filters, tick_size=tick, min_price=tick)
            exchange.rules = replace(exchange.rules, filters=rules)
            follow(of, size)
        case 1 if there is not None:
            exchange.fill(there, there.rest // 3 // 10_000 * 10_000, there.intent.price, of.now)
        case 2 if there is not None:
            exchange.end(there, random.choice((OrderStatus.CANCELED, OrderStatus.EXPIRED)), of.now)
        case 3:
            for trader in of.traders:
                if isinstance(trader.phase, Holding) and trader.phase.hold is Hold.BY_HAND:
                    of.step(Released(trader.number, adopt=True))
        case 4 if of.leader.desired.status is Status.OFF:
            of.direct(Status.ON)
        case 4 if random.random() < 0.5:
            of.direct(Status.OFF, cancel=random.choice((frozenset(Side), frozenset({Side.BUY}))))
        case 5:
            of.slots = not of.slots
        case _:
            pass
    of.settle()


@pytest.mark.parametrize("seed", [*range(30), 75, 95, 1021, 1265, 2265])
def test_whatever_is_lost_no_coin_is_counted_twice_and_nothing_is_sold_at_a_loss(seed: int) -> None:
    """An order may fit no decision, and waits for a person then; without a stop-loss nothing halts the symbol."""
    random = Random(seed)
    of = workbench(settings(chunks=random.choice((1, 2, 5)), profit="0.0005", rebuy="0.001", reprice="0.002"))
    price, standby = live(of, random, meddle, kept=40, lost=(5, 20, 60), spread=900)
    of.slots = True
    promote(of, standby)
    assert of.leader.halts.own is None
    if of.engine.quarantined:
        return
    seen(of)
    go_on(of)
    of.direct(Status.ON)
    for _ in range(20):
        price += random.randint(-900, 900)
        of.market(f"{price / 100:.2f}")
        seen(of)


@pytest.mark.parametrize("partly", [False, True])
def test_a_lost_sell_of_the_stop_loss_is_booked_and_halts_the_symbol_again(partly: bool) -> None:
    of = bought(workbench(replace(settings(chunks=2), stop_loss=parse_rate("0.01"))))
    standby = backup(of)
    if partly:
        (there,) = of.exchange.open(Side.SELL)
        of.exchange.fill(there, there.rest // 3 // 10_000 * 10_000, there.intent.price, of.now)
        of.settle()
    of.market("2600")
    assert of.leader.halts.own is not None
    profits = of.profits
    promote(of, standby)
    assert of.profits == profits
    assert owned(of.leader).quantity == of.exchange.base
    halt = of.leader.halts.own
    assert halt is not None
    assert (halt.by, "which the database lost" in halt.reason) == (HaltedBy.LIMIT, True)
    assert Note("stop-loss", halt.reason) in of.journal.notes
    go_on(of)
    of.market("2600", "2590")
    assert not of.exchange.open(Side.BUY)
    seen(of)


def holding(*traders: tuple[str, str], lots: tuple[tuple[str, str], ...] = ()) -> Workbench:
    """Loaded from the journal: traders that hold so many coins bought at this price, and lots at these prices."""
    wanted = settings(chunks=5, profit="0.0005")
    exchange = Exchange(info(), FEES.buy)
    made = []
    for number, (coins, price) in enumerate(traders, 1):
        net = parse_quantity(coins)
        held = Holding(
            Bought(parse_price(price), net, value_up(parse_price(price), net)), Hold.STOPPED, "stopped", None
        )
        made.append(Trader("ETHUSDT", number, terms_of(wanted, FEES), held, START, START, buys=1))
    left = [
        Lot(
            parse_quantity(coins), money_down(parse_price(price) * parse_quantity(coins), SCALE), parse_price(price)
        )
        for coins, price in lots
    ]
    exchange.base = sum(position(trader).quantity for trader in made) + sum(lot.quantity for lot in left)
    desired = DesiredState(wanted, Status.ON)
    leader = Leader(exchange.rules, FEES, desired, traders=tuple(made), next_number=len(made) + 1, lots=tuple(left))
    of = Workbench(Engine(leader, epoch=2), exchange)
    of.journal.traders.update({trader.number: trader for trader in made})
    return of


def wanted(of: Workbench, number: int) -> Price:
    """What a trader asks for its own coins."""
    trader = of.trader(number)
    assert isinstance(trader.phase, Holding)
    return asked(trader.terms, trader.phase.bought, trader.phase.carried, of.leader.info.filters)


def found(of: Workbench, price: Price, quantity: str, *, sold: str = "0", ioc: bool = False) -> OrderState:
    """A sell without a row, of which so much was ``sold`` before it expired; it rests if nothing was."""
    intent = OrderIntent("ETHUSDT", 1, Side.SELL, 1, price, parse_quantity(quantity), ioc)
    there = Order(len(of.exchange.orders) + 1, f"n1test-lost{len(of.exchange.orders)}", intent, of.now)
    of.exchange.orders.append(there)
    if part := parse_quantity(sold):
        of.exchange.fill(there, part, price, of.now)
        of.exchange.end(there, OrderStatus.EXPIRED, of.now)
    of.exchange.outbox.clear()
    of.step(Unrecorded(of.exchange.state(there)))
    of.settle()
    return of.journal.orders[there.client_order_id]


def test_a_lot_at_the_price_of_a_sell_makes_no_other_trader_ask_that_price() -> None:
    lots = (("0.0002785", "2695"), ("0.0000261", "2712.83"))
    of = holding(("0.0738261", "2706.05"), ("0.073926", "2701.03"), lots=lots)
    first = found(of, wanted(of, 1), "0.0741", sold="0.0741")
    second = found(of, wanted(of, 2), "0.0739")
    assert (first.intent.trader, second.intent.trader, of.engine.blocked) == (1, 2, None)


def test_lots_alone_do_not_take_the_sell_of_a_trader_that_asks_just_this() -> None:
    of = holding(("0.05994", "2706.05"), lots=(("0.0451", "2690"), ("0.00994", "2712.83")))
    first = found(of, wanted(of, 1), "0.05")
    second = found(of, parse_price("2690"), "0.04")
    assert (first.intent.trader, second.intent.trader, of.engine.blocked) == (1, 2, None)


def test_a_sell_takes_all_lots_along_that_its_price_is_enough_for() -> None:
    of = holding(("0.34965", "2736.10"), ("0.3251745", "2704.36"), lots=(("0.010629", "2699.47"),))
    price, other = wanted(of, 1), wanted(of, 2)
    found(of, price, "0.35", sold="0.32")  # in steps of 0.05
    first, second = found(of, price, "0.0402"), found(of, other, "0.3251")
    assert (first.intent.trader, second.intent.trader, of.engine.blocked) == (1, 2, None)


def test_a_tick_that_became_coarser_makes_no_sell_a_cheap_one() -> None:
    of = holding(("0.0738261", "2706.05"))
    price = wanted(of, 1)
    coarse = replace(of.exchange.rules.filters, tick_size=parse_price("5"), min_price=parse_price("5"))
    of.step(Informed(replace(of.exchange.rules, filters=coarse), FEES))
    assert found(of, price, "0.0738").intent.trader == 1
    assert (of.leader.halts.own, of.engine.blocked) == (None, None)


@pytest.mark.parametrize("stop_loss", ["", "0.03"])
def test_a_sell_of_a_stop_loss_that_was_changed_since_is_still_its_sell(stop_loss: str) -> None:
    """Nothing but the stop-loss sells IOC, and what it began it ends, whatever the settings are by now."""
    of = holding(("0.0878", "2706.13"), ("0.0879", "2700.68"))
    if stop_loss:
        of.direct(Status.ON, replace(of.leader.settings, stop_loss=parse_rate(stop_loss)))
    for number, quantity in ((1, "0.0878"), (2, "0.0879")):
        order = found(of, parse_price("2662.18"), quantity, sold=quantity, ioc=True)
        assert (order.intent.trader, order.intent.ioc, of.engine.quarantined) == (number, True, [])
    halt = of.leader.halts.own
    assert halt is not None
    assert "its sell at 2662.18, which the database lost" in halt.reason
    assert owned(of.leader).quantity == of.exchange.base == 0


def test_a_sell_of_the_stop_loss_is_of_a_trader_that_it_may_have_stopped() -> None:
    of = holding(("0.05", "2600"), ("0.0879", "2700.68"))
    of.direct(Status.ON, replace(of.leader.settings, stop_loss=parse_rate("0.01")))
    order = found(of, parse_price("2662.18"), "0.05", sold="0.05", ioc=True)
    assert (order.intent.trader, of.engine.quarantined) == (2, [])


def test_a_sell_of_the_stop_loss_is_of_no_trader_whose_sell_a_person_cancelled() -> None:
    of = holding(("0.05", "2706.05"), ("0.06", "2706.05"))
    kept, other = of.traders
    assert isinstance(kept.phase, Holding)
    kept = replace(kept, phase=replace(kept.phase, hold=Hold.BY_HAND, reason="cancelled by hand"))
    of.engine = replace(of.engine, leader=replace(of.leader, traders=(kept, other)))
    assert found(of, parse_price("2662.18"), "0.05", sold="0.05", ioc=True).intent.trader == 2
    assert of.traders[0] is kept


def test_a_sell_of_the_stop_loss_that_no_trader_has_coins_for_waits_for_a_person() -> None:
    of = holding(("0.05", "2706.05"))
    found(of, parse_price("2662.18"), "0.06", sold="0.06", ioc=True)
    (order,) = of.engine.quarantined
    assert order.reason is not None
    assert "no trader has bought so many coins" in order.reason


def test_nothing_is_taken_for_a_stop_loss_that_the_symbol_does_not_have() -> None:
    """What was left of the coins would be sold at a loss, for real."""
    of = holding(("0.05994", "2717.64"), lots=(("0.0146253", "2688.99"), ("0.0018508", "2692.98")))
    found(of, parse_price("2692.98"), "0.02", sold="0.02")
    assert of.engine.quarantined
    of.last = parse_price("2692")
    of.step(Activated())
    of.settle()
    assert (of.trader(1).stop, of.leader.halts.own, of.exchange.open(Side.SELL)) == (None, None, [])


def test_coins_that_wait_for_a_person_are_left_as_lots_last() -> None:
    of = holding(("0.03", "2706.05"), ("0.03", "2706.05"), ("0.05", "2706.05"))
    kept, *others = of.traders
    assert isinstance(kept.phase, Holding)
    kept = replace(kept, phase=replace(kept.phase, hold=Hold.BY_HAND, reason="cancelled by hand"))
    of.engine = replace(of.engine, leader=replace(of.leader, traders=(kept, *others)))
    found(of, wanted(of, 2), "0.08")
    assert of.traders[0] is kept
    assert not of.engine.quarantined


def test_nobody_leaves_its_coins_for_a_sell_that_is_nobodys_all_the_same() -> None:
    """Lots that were merged at the higher of two prices may be too dear for it."""
    steps = [("0.0001", f"{2750 + 7 * number}") for number in range(MOST - 1)]
    of = holding(("0.03", "2706.05"), ("0.03", "2706.03"), lots=(("0.0001", "2712.84"), *steps))
    high = max(wanted(of, 1), wanted(of, 2))
    before = of.traders
    assert found(of, high, "0.06").state is State.QUARANTINED
    assert of.traders == before


def test_what_is_found_twice_is_found_once() -> None:
    of = workbench()
    standby = backup(of)
    rebought(of)
    promote(of, standby)
    rows = dict(of.journal.orders)
    for there in of.exchange.orders:
        of.step(Unrecorded(of.exchange.state(there)))
    assert of.journal.orders == rows
