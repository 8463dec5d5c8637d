"""The stop-loss on an engine at work: what it sells, at what limit, and what does not come after it."""

from msgspec.structs import replace

from naived.core.amount import Price, Quantity, parse_money, parse_price, parse_quantity, parse_rate
from naived.core.engine import Blocked, BlockedBy
from naived.core.orders.intent import Side
from naived.core.orders.report import OrderStatus
from naived.core.orders.state import State
from naived.core.risk import Halt, HaltedBy
from naived.core.strategy.leader_events import Halted, Informed
from naived.core.strategy.lots import Lot
from naived.core.strategy.settings import Settings, Status
from naived.core.strategy.trader_state import Hold, Holding, Selling
from tests.support.engine import Workbench, check, check_quiet, workbench
from tests.support.market import FREE, settings

SECOND = 1_000
PLAIN = settings(chunks=3, budget="600", buy_down="0", rebuy="0.2", reprice="0")


def stopped(rate: str = "0.05", plain: Settings = PLAIN) -> Settings:
    return replace(plain, stop_loss=parse_rate(rate))


def at_2000(wanted: Settings | None = None) -> Workbench:
    """The first trader has bought 0.1 at 2000, and sells: 0.0999 after the fee, at a cost of 2002.002 each."""
    of = workbench(wanted or stopped())
    of.market("2000")
    assert of.phases == ["selling"]
    return of


def test_a_trade_at_the_stop_cancels_the_sell_and_sells_at_the_market() -> None:
    of = at_2000()
    of.market("1901.91")  # 5 % below 2002.002 is 1901.9019
    assert of.leader.halts.own is None
    of.market("1901.90")
    assert of.order(1, Side.SELL, 1).state is State.CANCELLED
    sell = of.order(1, Side.SELL, 2)
    assert (sell.intent.price, sell.intent.ioc) == (parse_price("1892.39"), True)  # 0.5 % below, down to a tick
    assert sell.state is State.FILLED
    assert of.exchange.base == 0
    check_quiet(of)
    check(of)


def test_a_limit_below_what_the_exchange_takes_is_raised_to_it_when_it_was_refused() -> None:
    of = at_2000(stopped(plain=replace(PLAIN, stop_slippage=parse_rate("0.2"))))
    near = replace(of.leader.info, filters=replace(of.leader.info.filters, ask_down=parse_rate("0.9")))
    of.exchange.rules = near
    of.step(Informed(near, of.leader.fees))
    of.market("1900")
    refused = of.order(1, Side.SELL, 2)
    assert (refused.intent.price, refused.state) == (parse_price("1520"), State.REJECTED)
    assert of.phases == ["holding"]
    of.now += SECOND
    of.settle()
    sell = of.order(1, Side.SELL, 3)
    assert (sell.intent.price, sell.intent.ioc, sell.state) == (parse_price("1710"), True, State.FILLED)
    assert of.exchange.base == 0
    check(of)


def test_the_symbol_is_halted_by_limit_and_nothing_follows_until_it_is_resumed() -> None:
    of = at_2000()
    of.market("1900")
    halt = of.leader.halts.own
    assert halt is not None
    assert halt.by is HaltedBy.LIMIT
    assert halt.reason == (
        "the stop-loss of ETHUSDT-1: a trade at 1900, its stop is at 1901.9019019 (stop-loss 0.05)"
    )
    assert of.traders == ()
    of.market("1890", "2000", "1500")
    assert len(of.exchange.orders) == 3
    of.step(Halted(None))
    of.market("1500")
    assert of.phases == ["selling"]
    check(of)


def test_each_trader_has_its_own_stop_and_no_rebuy_comes_back() -> None:
    of = at_2000(stopped("0.05", replace(PLAIN, rebuy=parse_rate("0.02"))))
    of.market("1950")
    assert of.phases == ["selling", "selling"]
    of.market("1900")  # the stop of the first, not that of the second
    assert of.phases == ["selling"]
    assert of.traders[0].number == 2
    of.step(Halted(None))
    of.market("1905", "1899")
    assert [trader.number for trader in of.traders] == [2, 3]  # the rebuy of the second itself
    check(of)


def test_the_parent_of_a_stopped_trader_does_not_rebuy_again() -> None:
    of = at_2000(stopped("0.01", replace(PLAIN, rebuy=parse_rate("0.001"))))
    of.direct(Status.ON, replace(PLAIN, rebuy=parse_rate("0.001")))
    of.market("1997")
    assert of.phases == ["selling", "selling"]
    first = of.traders[0]
    of.engine = replace(
        of.engine,
        leader=replace(
            of.leader,
            traders=(
                replace(
                    first,
                    phase=replace(
                        first.phase, bought=replace(first.phase.bought, cost=first.phase.bought.cost * 9 // 10)
                    ),
                ),
                of.traders[1],
            ),
        ),
    )  # the first one bought cheaper, so that only the second is stopped
    of.direct(Status.ON, stopped("0.01", replace(PLAIN, rebuy=parse_rate("0.001"))))
    of.market("1970")
    assert [trader.number for trader in of.traders] == [1]
    assert of.traders[0].rebuy_spent
    of.step(Halted(None))
    of.market("1960", "1950")
    assert [trader.number for trader in of.traders] == [1]


def test_what_a_person_halted_for_stays_in_the_reason_and_the_first_stop_is_the_one_that_is_told() -> None:
    of = workbench(stopped("0.05", replace(PLAIN, rebuy=parse_rate("0.04"))))
    of.market("2000", "1919")
    assert len(of.traders) == 2
    of.step(Halted(Halt("I am away", HaltedBy.PERSON, of.now, keep_buys=True)))
    of.market("1900")
    first = of.leader.halts.own
    assert first is not None
    assert (first.by, first.keep_buys) == (HaltedBy.LIMIT, False)
    assert first.reason.startswith("the stop-loss of ETHUSDT-1: a trade at 1900,")
    assert first.reason.endswith("; it was halted by hand before: I am away")
    of.market("1700")  # the stop of the second one
    assert of.leader.halts.own == first
    assert [note.kind for note in of.journal.notes].count("stop-loss") == 2


def test_it_sells_while_halted_and_while_draining_and_not_while_off() -> None:
    of = at_2000()
    of.step(Halted(Halt("enough", HaltedBy.PERSON, of.now)))
    of.market("1900")
    assert of.exchange.base == 0

    of = at_2000()
    of.direct(Status.SHUTDOWN)
    of.market("1900")
    assert of.exchange.base == 0
    assert of.leader.desired.status is Status.OFF  # drained

    of = at_2000()
    of.direct(Status.OFF)
    of.market("1900")
    assert of.exchange.base > 0


def test_what_does_not_fill_is_tried_again_with_a_back_off_and_at_a_lower_trade_with_its_limit() -> None:
    of = at_2000()
    of.now += SECOND
    of.trade("1900")  # its sell is being cancelled when the price falls on
    of.trade("1850")
    of.settle()
    first = of.order(1, Side.SELL, 2)
    assert first.intent.price == parse_price("1840.75")  # the limit of the later trade
    assert first.state is State.FILLED

    of = at_2000()
    of.now += SECOND
    of.trade("1900")
    of.exchange.trade(parse_price("1880"), of.now)  # of which the engine has not heard
    of.last = parse_price("1880")
    of.settle()
    assert of.order(1, Side.SELL, 2).state is State.EXPIRED
    phase = of.traders[0].phase
    assert isinstance(phase, Holding)
    assert phase.retry_at == of.now + SECOND
    of.now += SECOND
    of.trade("1880")
    of.settle()
    assert of.order(1, Side.SELL, 3).intent.price == parse_price("1870.6")
    assert of.exchange.base == 0
    check(of)


def test_a_part_that_executed_is_not_sold_again() -> None:
    of = at_2000()
    (sell,) = of.exchange.open(Side.SELL)
    of.exchange.fill(sell, parse_quantity("0.04"), sell.intent.price, of.now)
    of.settle()
    of.market("1900")
    assert of.order(1, Side.SELL, 2).intent.quantity == parse_quantity("0.0599")
    assert of.exchange.base == 0
    check(of)


def test_a_sell_that_fills_while_it_is_cancelled_earns_its_profit_and_has_no_successor() -> None:
    of = at_2000()
    of.now += SECOND
    of.trade("1900")
    (sell,) = of.exchange.open(Side.SELL)
    of.exchange.fill(sell, sell.rest, sell.intent.price, of.now)
    of.settle()
    (profit,) = of.profits
    assert profit > 0
    assert of.traders == ()


def test_lots_are_not_covered() -> None:
    of = workbench(stopped())
    lot = Lot(parse_quantity("0.001"), parse_money("1.9"), parse_price("1900"))
    of.exchange.base = lot.quantity
    of.engine = replace(of.engine, leader=replace(of.leader, lots=(lot,)))
    of.market("2000")
    phase = of.traders[0].phase
    assert isinstance(phase, Selling)
    assert phase.carried == lot
    of.market("1900")
    assert of.exchange.base == lot.quantity
    assert of.leader.lots == (lot,)


def test_lots_of_a_sell_that_executed_in_part_are_not_covered_either() -> None:
    of = workbench(stopped())
    lot = Lot(parse_quantity("0.001"), parse_money("1.9"), parse_price("1900"))
    of.exchange.base = lot.quantity
    of.engine = replace(of.engine, leader=replace(of.leader, lots=(lot,)))
    of.market("2000")
    (sell,) = of.exchange.open(Side.SELL)
    of.exchange.fill(sell, parse_quantity("0.04"), sell.intent.price, of.now)
    of.settle()
    of.market("1900")
    assert of.order(1, Side.SELL, 2).intent.quantity == parse_quantity("0.0599")
    assert of.exchange.base == lot.quantity
    assert [each.quantity for each in of.leader.lots] == [lot.quantity]


def test_a_trade_exactly_at_the_stop_reaches_it_and_one_a_tick_above_does_not() -> None:
    of = workbench(stopped(), FREE)  # without fees the average cost is 2000
    of.market("2000", "1900.01")
    assert of.leader.halts.own is None
    of.market("1900")
    assert of.exchange.base == 0


def test_a_sell_that_a_person_cancelled_stays_cancelled() -> None:
    of = at_2000()
    of.end(OrderStatus.CANCELED, Side.SELL)
    phase = of.traders[0].phase
    assert isinstance(phase, Holding)
    assert phase.hold is Hold.BY_HAND
    of.market("1700")
    assert len(of.exchange.orders) == 2


def test_it_goes_on_after_a_restart_and_taking_it_away_ends_it() -> None:
    of = at_2000()
    of.now += SECOND
    of.trade("1900")
    of.exchange.trade(parse_price("1800"), of.now)
    of.last = parse_price("1800")
    of.settle()
    of.restart()
    of.now += SECOND
    of.direct(Status.ON, PLAIN)
    of.settle()
    (sell,) = of.exchange.open(Side.SELL)
    assert sell.intent.price > parse_price("2000")
    check(of)


def test_a_resting_buy_of_the_symbol_is_taken_back() -> None:
    of = workbench(stopped("0.3", replace(PLAIN, buy_down=parse_rate("0.3"))))
    of.market("2000", "1399", "1119")
    assert of.phases == ["selling", "buying"]
    of.market("980")
    assert of.leader.halts.own is not None
    assert not of.exchange.open(Side.BUY)
    check(of)


def test_a_sell_at_a_loss_that_was_not_sent_yet_is_not_sent_once_the_stop_loss_is_taken_away() -> None:
    of = at_2000()
    of.now += SECOND
    of.trade("1900")
    of.step(Blocked(BlockedBy.EXCHANGE, "away"))
    of.settle()
    assert of.order(1, Side.SELL, 2).state is State.NOT_PLACED
    of.direct(Status.ON, PLAIN)
    of.step(Blocked(BlockedBy.EXCHANGE, None))
    of.settle()
    assert of.order(1, Side.SELL, 2).state is State.ABANDONED
    (sell,) = of.exchange.open(Side.SELL)
    assert sell.intent.price > parse_price("2000")
    check(of)


def test_its_limit_follows_rules_that_changed_since() -> None:
    of = at_2000()
    of.now += SECOND
    of.trade("1900")
    of.exchange.trade(parse_price("1880"), of.now)  # of which the engine has not heard
    of.last = parse_price("1880")
    of.settle()
    assert of.traders[0].stop == parse_price("1890.5")
    coarse = replace(of.leader.info.filters, tick_size=parse_price("1"))
    of.exchange.rules = replace(of.leader.info, filters=coarse)
    of.step(Informed(of.exchange.rules, of.leader.fees))
    of.now += SECOND
    of.exchange.trade(parse_price("1895"), of.now)
    of.last = parse_price("1895")
    of.settle()
    assert of.order(1, Side.SELL, 3).intent.price == parse_price("1890")
    assert of.exchange.base == 0


def test_its_back_off_begins_anew_whatever_became_of_the_sells_before() -> None:
    of = at_2000()
    for _ in range(7):
        of.end(OrderStatus.EXPIRED, Side.SELL)
        of.now += 400 * SECOND
        of.settle()
    of.end(OrderStatus.EXPIRED, Side.SELL)
    of.now += SECOND
    of.trade("1900")
    of.exchange.trade(parse_price("1880"), of.now)
    of.last = parse_price("1880")
    of.settle()
    phase = of.traders[0].phase
    assert isinstance(phase, Holding)
    assert phase.retry_at == of.now + SECOND


def test_coins_that_were_missing_are_counted_at_once_when_the_stop_is_reached() -> None:
    of = at_2000()
    of.end(OrderStatus.EXPIRED, Side.SELL)
    held = of.traders[0].phase
    assert isinstance(held, Holding)
    missing = replace(held, hold=Hold.BALANCE, retry_at=of.now + 300 * SECOND, failures=9)
    of.engine = replace(of.engine, leader=replace(of.leader, traders=(replace(of.traders[0], phase=missing),)))
    of.market("1900")
    assert of.exchange.base == 0


def test_lots_that_many_traders_give_back_at_once_are_sold_by_traders_of_their_own() -> None:
    of = workbench(
        stopped(plain=settings(chunks=4, budget="800", buy_down="0", rebuy="0.001", reprice="0")),
    )
    of.market("2000", "1990", "1980", "1970")
    for _ in of.traders:
        of.end(OrderStatus.EXPIRED, Side.SELL)
    traders = []
    for number, trader in enumerate(of.traders):
        assert isinstance(trader.phase, Holding)
        lot = Lot(parse_quantity("0.004"), parse_money("8"), Price(parse_price("2100") + number))
        of.exchange.base = Quantity(of.exchange.base + lot.quantity)
        traders.append(replace(trader, phase=replace(trader.phase, carried=lot)))
    of.engine = replace(of.engine, leader=replace(of.leader, traders=tuple(traders)), ids=())
    of.market("1850")
    assert [of.order(number, Side.SELL, 2).state for number in (1, 2, 3, 4)] == [State.FILLED] * 4
    assert [order.rest for order in of.exchange.open(Side.SELL)] == [parse_quantity("0.004")] * 4


def test_a_trader_that_is_still_being_sold_has_no_rebuy_after_a_resume() -> None:
    of = at_2000(stopped("0.05", replace(PLAIN, rebuy=parse_rate("0.02"))))
    of.now += SECOND
    of.trade("1900")
    of.exchange.trade(parse_price("1850"), of.now)  # of which the engine has not heard
    of.last = parse_price("1850")
    of.settle()
    of.step(Halted(None))
    of.now += 500
    of.trade("1870")
    of.settle()
    assert [trader.number for trader in of.traders] == [1]
    of.now += SECOND
    of.settle()
    of.market("1870")
    assert [(trader.number, trader.origin) for trader in of.traders] == [(2, None)]
    check(of)


def test_a_sell_at_a_loss_that_is_on_its_way_while_the_stop_loss_is_taken_away_has_no_successor() -> None:
    of = at_2000()
    of.now += SECOND
    of.trade("1900")
    (cancelled,) = of.wanting()
    of.serve(cancelled)
    assert of.order(1, Side.SELL, 2).state is State.INTENDED
    of.direct(Status.ON, PLAIN)
    of.settle()
    assert of.order(1, Side.SELL, 2).state is State.FILLED
    assert of.traders == ()
    check(of)
    check_quiet(of)
