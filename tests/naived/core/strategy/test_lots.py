"""Lots: kept by price, joined when there are too many, sold as soon as they make an order."""

from msgspec.structs import replace

from naived.control.holdings import kept
from naived.core.amount import SCALE, Money, Price, Quantity, parse_money, parse_price, parse_quantity
from naived.core.engine import Engine
from naived.core.market import Filters
from naived.core.orders.intent import Side
from naived.core.orders.report import OrderStatus, Refusal, Refused
from naived.core.strategy.leader_events import Informed
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.lots import MOST, Lot, Lots, added, split, taken, together, whole_orders
from naived.core.strategy.settings import DesiredState, Status
from naived.core.strategy.trader_state import Released, Selling
from tests.support.engine import Workbench, check_quiet
from tests.support.ledger import Audited
from tests.support.market import ETH, FREE, Exchange, filters, info, settings

HIGH = filters(notional="30")  # under these each of the lots below is too small


def lot(quantity: str, price: str) -> Lot:
    amount, own = parse_quantity(quantity), parse_price(price)
    return Lot(amount, Money(own * amount // SCALE), own)


def ladder(count: int) -> Lots:
    """Each of about 20 USDT, at prices from 2000 up."""
    lots: Lots = ()
    for number in range(count):
        lots = added(lots, lot("0.01", f"{2000 + number * number}"))
    return lots


def keeping(lots: Lots, rules: Filters = HIGH, budget: str = "2000") -> Workbench:
    """A symbol without traders that keeps these lots; the account has them, and paid for them."""
    coins = together(lots)
    exchange = Exchange(info(rules), FREE.buy, base=coins.quantity)
    exchange.quote -= coins.cost
    desired = DesiredState(settings(chunks=1, budget=budget), Status.ON)
    return Audited(Engine(Leader(exchange.rules, FREE, desired, active=True, lots=lots), epoch=1), exchange)


def allow(of: Workbench, rules: Filters = ETH) -> None:
    of.exchange.rules = info(rules)
    of.step(Informed(of.exchange.rules, of.leader.fees))
    of.settle()


def test_lots_of_one_price_are_one_and_the_cheapest_is_first() -> None:
    lots = added(added(added((), lot("1", "20")), lot("2", "10")), lot("3", "20"))
    assert lots == (lot("2", "10"), lot("4", "20"))


def test_beyond_the_most_the_two_nearest_become_one_at_the_higher_price() -> None:
    lots = ladder(MOST)
    assert len(lots) == MOST
    more = added(lots, lot("0.02", "9000"))
    assert len(more) == MOST
    assert together(more) == together((*lots, lot("0.02", "9000")))
    assert more[0] == replace(together(lots[:2]), price=parse_price("2001"))
    assert more[1:] == (*lots[2:], lot("0.02", "9000"))


def test_a_sell_takes_along_what_its_price_is_enough_for() -> None:
    lots = ladder(4)
    assert split(lots, parse_price("2001")) == (lots[:2], lots[2:])
    assert split(lots, Price(parse_price("2001") - 1)) == (lots[:1], lots[1:])


def test_so_many_coins_are_taken_from_the_lots_nearest_below_a_price_the_last_in_part() -> None:
    first, second, third = lots = (lot("0.02", "2000"), lot("0.01", "2100"), lot("0.01", "2200"))
    half = Lot(Quantity(first.quantity // 2), Money(first.cost // 2), first.price)
    assert taken(lots, parse_price("2199"), parse_quantity("0.02")) == ((second, half), (half, third))
    assert taken(lots, parse_price("2200"), parse_quantity("0.02")) == ((third, second), (first,))
    assert taken(lots, parse_price("2199"), parse_quantity("1")) == ((second, first), (third,))
    assert taken(lots, parse_price("2199"), Quantity(0)) == ((), lots)
    assert taken(lots, parse_price("1999"), parse_quantity("1")) == ((), lots)


def test_the_fewest_that_make_an_order_are_sold_at_the_highest_of_their_prices() -> None:
    lots = ladder(5)
    assert whole_orders(lots, HIGH) == ((lots[:2], lots[2:4]), lots[4:])
    assert whole_orders(lots, filters(notional="500")) == ((), lots)


def test_only_coins_that_make_no_order_are_called_too_small() -> None:
    lots = ladder(5)
    leader = keeping(lots).leader
    small, selling = (kept(leader, sellable=each) for each in (False, True))
    assert (small.quantity, small.cost) == (lots[4].quantity, lots[4].cost)
    assert selling.quantity == together(lots[:4]).quantity


def test_rules_that_make_every_lot_sellable_at_once_sell_each_at_its_own_price() -> None:
    lots = ladder(MOST)
    of = keeping(lots, filters(notional="3000"))
    allow(of)
    assert [(o.intent.price, o.intent.quantity) for o in of.exchange.open()] == [
        (each.price, each.quantity) for each in lots
    ]
    assert of.leader.lots == ()
    of.market("1500", "1500")
    assert of.phases == ["selling"] * MOST + ["buying"]  # they take no chunk


def test_no_more_lots_are_offered_than_orders_are_allowed_and_the_others_follow() -> None:
    of = keeping(ladder(5), filters(notional="3000"), budget="101")
    allow(of, filters(max_orders=3))
    assert of.phases == ["selling"] * 3
    of.market("2003")
    assert len(of.exchange.open(Side.SELL)) == 3
    of.market("2100")
    assert (of.exchange.base, of.leader.lots) == (0, ())


def test_lots_that_fill_the_budget_leave_no_buy_until_they_are_sold() -> None:
    of = keeping(ladder(4), filters(notional="3000"), budget="80")
    of.market("1500", "1400", "1300")
    assert of.exchange.orders == []
    allow(of)
    of.market("2500", "2500")
    assert of.phases == ["buying"]


def test_a_drain_offers_lots_that_become_sellable_and_ends_after_they_are_sold() -> None:
    of = keeping((*ladder(1), lot("0.02", "2050")), HIGH)
    of.market("1500", "1499")  # a position, so that the drain goes on
    of.direct(Status.SHUTDOWN)
    of.settle()
    allow(of)
    assert of.phases.count("selling") >= 2
    assert of.leader.lots == ()
    of.market("2100")
    assert (of.leader.status, of.traders) == (Status.OFF, ())
    assert of.exchange.base == sum(each.quantity for each in of.leader.lots)


def test_a_lot_that_joined_a_sell_which_was_cancelled_by_hand_is_held_with_it_and_sold_with_it() -> None:
    of = keeping(ladder(1))
    of.market("2100", "2099")
    (sell,) = of.exchange.open(Side.SELL)
    assert of.leader.lots == ()
    of.end(OrderStatus.CANCELED, Side.SELL)
    assert of.phases == ["holding"]
    of.restart()
    of.step(Released(of.traders[0].number, adopt=True))
    of.settle()
    (again,) = of.exchange.open(Side.SELL)
    assert (again.intent.price, again.intent.quantity) == (sell.intent.price, sell.intent.quantity)


def test_a_lot_goes_back_when_the_sell_that_took_it_is_refused_for_balance() -> None:
    of = keeping(ladder(1))
    of.market("2100")
    of.trade("2099")
    of.hear()
    assert of.leader.lots == ()
    of.answer(Refused(Refusal.BALANCE, -2010, "Account has insufficient balance for requested action."))
    of.settle()
    assert of.leader.lots == ladder(1)
    (buy,), (sell,) = of.exchange.orders[:1], of.exchange.open(Side.SELL)
    assert sell.intent.quantity == buy.executed
    of.market("2110")
    assert len(of.profits) == 1
    assert of.leader.lots == ladder(1)


def test_a_restart_goes_on_with_a_trader_that_sells_lots() -> None:
    of = keeping(ladder(2), filters(notional="3000"))
    allow(of, filters(notional="30"))
    (trader,) = of.traders
    assert isinstance(trader.phase, Selling)
    of.restart()
    assert (of.phases, of.traders[0].sells_lots) == (["selling"], True)
    of.market("2100", "2099")
    assert [each.intent.trader for each in of.exchange.open(Side.BUY)] != [trader.number]
    assert together(of.leader.lots).quantity == 0
    assert of.leader.profit == 2_000_000 * 1 // 2  # 0.01 at 2001 that cost 2000
    check_quiet(of)


def test_a_lot_whose_price_is_far_above_the_market_waits_and_a_refusal_lowers_nothing() -> None:
    of = keeping(ladder(1), HIGH)
    of.slots = False
    allow(of)
    of.slots = True
    of.settle()
    (sell,) = of.exchange.open(Side.SELL)
    of.exchange.end(sell, OrderStatus.EXPIRED, of.now)
    of.settle()
    assert of.phases == ["holding"]
    of.now += 5_000
    of.settle()
    (again,) = of.exchange.open(Side.SELL)
    assert again.intent.price == parse_price("2000")
    assert parse_money("20") == sum(trader.phase.carried.cost for trader in of.traders)  # type: ignore[union-attr]
