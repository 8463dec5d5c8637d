"""What a journal tells of the rates of fees of the past."""

import dataclasses

import pytest
from msgspec.structs import replace

from naived.backtest.past_fees import past_fees
from naived.core.amount import Rate, parse_rate
from naived.core.orders.intent import Side
from naived.core.orders.state import State
from naived.core.strategy.formulas import Bought, Fees
from naived.core.strategy.lots import NO_LOT
from naived.core.strategy.sizing import asked
from naived.core.strategy.trader_state import Trader, Waiting
from naived.database.history import History
from naived.database.queries import Life
from naived.ports import Event
from tests.support.database import SYMBOL, TERMS, desired, fill, intent, order
from tests.support.tape import setup

LOW, HIGH = parse_rate("0.0002"), parse_rate("0.001")
FILTERS = setup().rules.info.filters
OLD, NEW, RISEN = Fees(LOW, LOW), Fees(HIGH, HIGH), Fees(LOW, HIGH)
USUAL = Fees(Rate(7), Rate(7))


def history(*traders: tuple[Fees, list[int], tuple[int, Rate] | None]) -> History:
    """Each trader by the rates of its row, the times of its buys, and when its sell was decided with which rate."""
    lives, orders = [], []
    for number, (fees, buys, sell) in enumerate(traders, 1):
        bought = intent(number, Side.BUY, 1)
        life = Life(
            Trader(SYMBOL, number, replace(TERMS, fees=fees), Waiting(), buys[0], buys[0], buys=len(buys)),
            None,
            Bought(bought.price).with_fill(fill(), "ETH", "USDT"),
        )
        lives.append(life)
        orders += [order(intent(number, Side.BUY, seq), decided_at=at) for seq, at in enumerate(buys, 1)]
        if sell is not None:
            at, rate = sell
            assert life.bought is not None
            terms = replace(TERMS, fees=replace(fees, sell=rate))
            price = asked(terms, life.bought, NO_LOT, FILTERS)
            orders.append(order(replace(intent(number, Side.SELL, 1), price=price), decided_at=at))
    return History(SYMBOL, desired(), tuple(lives), tuple(orders), (), tuple(lives))


@pytest.mark.parametrize(
    ("traders", "told"),
    [
        pytest.param([(NEW, [10], None), (OLD, [20], None)], [(10, NEW), (20, OLD)], id="they fell"),
        pytest.param([(OLD, [10], None), (NEW, [20], None)], [(10, OLD), (20, NEW)], id="they rose"),
        pytest.param([(OLD, [10], (12, LOW)), (OLD, [20], (22, LOW))], [(10, OLD)], id="they stayed"),
        pytest.param(
            [(OLD, [5], (6, LOW)), (RISEN, [10], (15, HIGH)), (NEW, [20], None)],
            [(5, OLD), (15, RISEN), (20, NEW)],
            id="a sell asked for the higher rate before anybody bought with it",
        ),
        pytest.param([(RISEN, [10], (15, LOW))], [(10, OLD)], id="they rose when its sell was decided"),
        pytest.param(
            [(NEW, [10], (30, HIGH)), (OLD, [20], (25, LOW))],
            [(10, NEW), (20, OLD)],
            id="its own stay as they were",
        ),
        pytest.param(
            [(OLD, [10, 30], None), (NEW, [20], None)], [(10, OLD), (20, NEW)], id="it bought again with its own"
        ),
        pytest.param(
            [(OLD, [10], None), (NEW, [15, 40], None)], [(10, OLD), (40, NEW)], id="it took new ones between"
        ),
    ],
)
def test_rates_change_with_the_first_decision_that_has_them(
    traders: list[tuple[Fees, list[int], tuple[int, Rate] | None]], told: list[tuple[int, Fees]]
) -> None:
    assert list(past_fees(history(*traders), FILTERS).told) == told


def test_at_the_beginning_the_last_ones_of_before_are_in_force() -> None:
    of = past_fees(history((OLD, [10], None), (NEW, [20], None)), FILTERS)
    assert [of.at(began, USUAL) for began in (5, 10, 11, 20, 21)] == [OLD, OLD, OLD, OLD, NEW]
    assert [list(of.later(began)) for began in (20, 21)] == [[(20, NEW)], []]
    assert past_fees(history(), FILTERS).at(5, USUAL) == USUAL


def test_a_trader_bought_with_the_rates_of_then() -> None:
    of = history((OLD, [5], (6, LOW)), (RISEN, [10], None), (NEW, [20], None))
    decided = map(past_fees(of, FILTERS).decided, [life.trader for life in of.lives])
    assert [each.terms.fees for each in decided] == [OLD, OLD, NEW]


def test_a_trader_that_waits_again_tells_no_rates() -> None:
    of = history((OLD, [10], None), (NEW, [20], None))
    bought, taken_back = of.orders
    of = dataclasses.replace(of, orders=(bought, replace(taken_back, state=State.CANCELLED)))
    assert past_fees(of, FILTERS).told == [(10, OLD)]


def test_coins_that_are_offered_anew_ask_for_the_rates_since_the_start() -> None:
    of = history((RISEN, [10], (15, LOW)))
    (life,) = of.lives
    assert life.bought is not None
    terms = replace(TERMS, fees=replace(RISEN, sell=HIGH))
    price = asked(terms, life.bought, NO_LOT, FILTERS)
    again = order(replace(intent(1, Side.SELL, 2), price=price), decided_at=40)
    on = Event(35, SYMBOL, "desired", "on")
    of = dataclasses.replace(of, orders=(*of.orders, again), events=(on,))
    assert past_fees(of, FILTERS).told == [(10, OLD), (35, RISEN)]
