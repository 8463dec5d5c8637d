"""What is bought and asked after settings, fees and rules changed while orders rested."""

import pytest
from msgspec.structs import replace

from naived.core.amount import SCALE, Amount, Money, Price, Quantity, Rate, money_up, parse_price, parse_rate
from naived.core.engine import CoinsPaid
from naived.core.market import Filters
from naived.core.orders.intent import Side
from naived.core.orders.report import OrderStatus
from naived.core.strategy.formulas import Coins, Fees
from naived.core.strategy.leader_events import Informed
from naived.core.strategy.settings import Status
from naived.core.strategy.summary import exposure, owned
from naived.core.strategy.trader_state import position
from tests.support.engine import Workbench, bought, check, resting, sold, workbench
from tests.support.market import FEES, FREE, TENTH, Exchange, Order, filters, info, settings


def test_a_buy_that_is_taken_back_is_decided_again_by_the_settings_of_now() -> None:
    of = workbench(settings(chunks=1, budget="1000", buy_down="0.05", reprice="0.005"))
    of.market("2683.80")
    wanted = settings(chunks=5, budget="1000", buy_down="0.0001", reprice="0.005")
    of.direct(Status.ON, replace(wanted, floor=parse_price("2650")))
    of.market("2700", "2701", "2701")
    (buy,) = of.exchange.open(Side.BUY)
    assert buy.intent.price == parse_price("2700.72")
    assert buy.intent.price * buy.intent.quantity <= 200 * SCALE * SCALE
    check(of)


class Charging(Exchange):
    """It takes 0.2 % of a buy in BNB."""

    def _fill(self, order: Order, quantity: int, price: Price, now: int) -> None:
        super()._fill(order, quantity, price, now)
        fill = order.fills[-1]
        rate = parse_rate("0.002") if order.intent.side is Side.BUY else TENTH
        order.fills[-1] = replace(fill, fee=Amount(1), fee_value=money_up(fill.quote * rate, SCALE))
        self.outbox[-1] = replace(self.outbox[-1], fills=(order.fills[-1],))


def test_a_fee_in_a_third_asset_is_part_of_what_a_sell_has_to_bring() -> None:
    of = bought(workbench(exchange=Charging(info(), TENTH, "BNB")))
    (sell,) = of.exchange.open(Side.SELL)
    assert sell.intent.price == parse_price("2692.13")
    of.market(Price(sell.intent.price + 1))
    (profit,) = of.profits
    assert profit > 0


def test_a_sell_that_is_decided_after_the_fees_rose_brings_them_too() -> None:
    of = resting(workbench(fees=FREE, exchange=Exchange(info(), Rate(0))))
    of.exchange.fee = TENTH
    of.step(Informed(of.exchange.rules, FEES))
    (buy,) = of.exchange.open(Side.BUY)
    of.market(Price(buy.intent.price - 1))
    (sell,) = of.exchange.open(Side.SELL)
    assert sell.intent.price == parse_price("2689.45")
    of.step(Informed(of.exchange.rules, FREE))
    assert of.traders[0].terms.fees.sell == TENTH, "what it has to bring never falls"


def test_a_sell_asks_what_the_exchange_takes_at_least() -> None:
    of = bought()
    of.exchange.rules = info(filters(min_price=parse_price("2700")))
    of.exchange.end(of.exchange.open(Side.SELL)[0], OrderStatus.EXPIRED, of.now)
    of.settle()
    of.step(Informed(of.exchange.rules, FEES))
    of.now += 400_000
    of.settle()
    assert [sell.intent.price for sell in of.exchange.open(Side.SELL)] == [parse_price("2700")]


@pytest.mark.parametrize(
    "rules", [filters(max_price=parse_price("2000")), filters(tick="5000", min_price=parse_price("10000"))]
)
def test_a_lot_that_is_too_small_is_no_whole_order_whatever_its_price(rules: Filters) -> None:
    of = sold(bought())
    assert of.leader.lots
    of.exchange.rules = info(rules)
    of.step(Informed(of.exchange.rules, FEES))
    before = of.leader.next_number
    for each in range(5):
        of.step(Informed(of.exchange.rules, Fees(Rate(100_000 + each), TENTH)))
    assert of.leader.next_number == before


def owing(of: Workbench, coins: int) -> None:
    """So many coins were sold that its traders did not have, for what they cost."""
    each = position(of.traders[0])
    owed = Coins(Quantity(-coins), Money(-each.cost * coins // each.quantity))
    of.engine = replace(of.engine, leader=replace(of.engine.leader, owed=owed))


def test_what_is_owed_makes_no_room_for_buys() -> None:
    of = bought()
    owing(of, 2 * position(of.traders[0]).quantity)
    assert exposure(of.leader).money == 0


@pytest.mark.parametrize("part", [1, 3])
def test_coins_that_are_missing_because_they_were_sold_pay_what_is_owed(part: int) -> None:
    of = bought()
    of.exchange.end(of.exchange.open(Side.SELL)[0], OrderStatus.CANCELED, of.now)
    of.settle()
    held = position(of.traders[0]).quantity
    owing(of, held // part)
    before, there = of.engine.leader.profit, owned(of.engine.leader).quantity
    changes = of.step(CoinsPaid(Quantity(held // part)))
    assert [note.kind for note in changes.notes] == ["lot"] + ["finished"] * (part == 1)
    assert of.engine.leader.owed.quantity == 0
    assert owned(of.engine.leader).quantity == there
    assert abs(of.engine.leader.profit - before) <= 1, "they were sold for what they cost"
    assert of.phases == (["waiting"] if part == 1 else ["holding"])
