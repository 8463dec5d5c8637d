"""What a replay begins with that no daemon on the simulator comes to, and what it says of what it cannot know."""

from dataclasses import replace as changed
from typing import Any

import pytest
from msgspec.structs import replace

from naived.backtest.replay import Comparison, replay
from naived.core.amount import (
    SCALE,
    Amount,
    Money,
    Quantity,
    Rate,
    parse_money,
    parse_price,
    parse_quantity,
    parse_rate,
)
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import Fill, OrderStatus
from naived.core.orders.state import OrderState, State
from naived.core.price_guards import parse_fall_guard
from naived.core.strategy.formulas import Fees
from naived.core.strategy.lots import Lot
from naived.core.strategy.settings import DesiredState, Status
from naived.core.strategy.sizing import terms_of
from naived.core.strategy.trader_state import Trader, Waiting
from naived.database.history import History
from naived.database.queries import Life
from naived.ports import Event
from tests.support.database import order
from tests.support.tape import BEGAN, setup, tape

WANTED = setup(fee="0", rebuy="0.01", chunks=1)
PRICE, QUANTITY = parse_price("2680"), parse_quantity("0.37")
BUY = OrderIntent("ETHUSDT", 1, Side.BUY, 1, PRICE, QUANTITY)
SELL = OrderIntent("ETHUSDT", 1, Side.SELL, 1, parse_price("2700"), QUANTITY)
EARLIER, LATER = BEGAN - 10_000, BEGAN + 2_000


def _fill(trade_id: int, quantity: str, time: int, of: OrderIntent = BUY) -> Fill:
    coins = parse_quantity(quantity)
    quote = Money(of.price * coins // SCALE)
    return Fill("ETHUSDT", 7, trade_id, of.price, coins, quote, Amount(0), "ETH", True, time)


def _order(intent: OrderIntent, fills: tuple[Fill, ...], **told: Any) -> OrderState:
    filled = sum(fill.quantity for fill in fills) == intent.quantity
    state, final = (State.FILLED, OrderStatus.FILLED) if filled else (State.OPEN, None)
    executed = Quantity(sum(fill.quantity for fill in fills))
    plain = {"decided_at": EARLIER, "created_at": EARLIER, "updated_at": LATER, "order_id": 7, "state": state}
    return replace(
        order(intent), fills=fills, executed=executed, reported=executed, final=final, **{**plain, **told}
    )


def _history(
    *orders: OrderState, reprice: str = "0", buy_down: str = "0.0001", fee: str = "0", **told: Any
) -> History:
    settings = setup(fee="0", rebuy="0.01", chunks=1, reprice=reprice, buy_down=buy_down).settings
    terms = terms_of(settings, Fees(parse_rate(fee), parse_rate(fee)))
    buys = sum(each.intent.side is Side.BUY for each in orders)
    trader = Trader("ETHUSDT", 1, terms, Waiting(), EARLIER, EARLIER, buys=buys, sells=len(orders) - buys)
    life = Life(trader, None)
    events = (Event(EARLIER, "ETHUSDT", "desired", "on"),)
    plain = History("ETHUSDT", DesiredState(settings, Status.ON), (life,), orders, events, (life,))
    return changed(plain, **told)


def _replayed(history: History, *prices: str) -> Comparison:
    times = [BEGAN + 1_000 * number for number in range(len(prices))]
    return replay(tape([parse_price(price) for price in prices], times), WANTED, history)


def test_only_what_is_left_of_an_order_is_filled_that_was_filled_in_part_before() -> None:
    buy = _order(BUY, (_fill(3, "0.2", EARLIER + 5), _fill(4, "0.17", BEGAN + 1_000)))
    sell = _order(SELL, (), decided_at=BEGAN + 1_000, created_at=BEGAN + 1_000, order_id=8)
    asked = replace(SELL, price=parse_price("2682.68"))
    found = _replayed(_history(buy, replace(sell, intent=asked)), "2681", "2679", "2681", "2680")
    assert (found.same, found.differences) == (1, ())
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("asset", "fee", "value", "price", "quantity"),
    [
        pytest.param("BNB", "0.0008", "2", "2696.20", "0.37", id="a third asset, at its value"),
        pytest.param("BNB", "0.0008", None, "2688.06", "0.37", id="a third asset without a price"),
        pytest.param("ETH", "0.00005", None, "2688.06", "0.3699", id="another rate"),
        pytest.param("ETH", "0.0004", None, "2691.19", "0.3692", id="a higher rate"),
    ],
)
def test_fees_are_those_that_the_journal_has(
    asset: str, fee: str, value: str | None, price: str, quantity: str
) -> None:
    paid = {
        "fee": Amount(parse_quantity(fee)),
        "fee_asset": asset,
        "fee_value": None if value is None else parse_money(value),
    }
    fills = [replace(_fill(number, each, BEGAN + 1_000), **paid) for number, each in ((3, "0.2"), (4, "0.17"))]
    buy = _order(BUY, tuple(fills))
    asked = replace(SELL, price=parse_price(price), quantity=parse_quantity(quantity))
    sell = _order(asked, (), decided_at=BEGAN + 1_000, created_at=BEGAN + 1_000, order_id=8)
    found = _replayed(_history(buy, sell, fee="0.001"), "2681", "2679", "2681", "2680")
    assert (found.same, found.differences) == (1, ())


def test_a_sell_asks_for_the_rates_of_its_time_though_they_fell_later() -> None:
    filled = BEGAN + 1_000
    buy = _order(BUY, (_fill(3, "0.37", filled),))
    ask = replace(SELL, price=parse_price("2688.06"))
    sell = _order(ask, (_fill(4, "0.37", BEGAN + 2_000, ask),), decided_at=filled, created_at=filled, order_id=8)
    again = replace(BUY, trader=2, price=parse_price("2688.73"), quantity=parse_quantity("0.3719"))
    rebought = _order(again, (), decided_at=BEGAN + 3_000, created_at=BEGAN + 3_000, order_id=9)
    history = _history(buy, sell, rebought, fee="0.001")
    (life,) = history.lives
    free = terms_of(history.desired.settings, Fees(Rate(0), Rate(0)))
    newer = replace(
        life, trader=replace(life.trader, number=2, terms=free, started_at=BEGAN + 2_000, buys=1, sells=0)
    )
    found = _replayed(changed(history, lives=(life, newer), everyone=(life, newer)), "2681", "2679", "2689", "2689")
    assert (found.same, found.differences) == (2, ())


@pytest.mark.parametrize("later", [0, 1])
def test_a_fill_may_have_caused_the_halt_of_its_millisecond(later: int) -> None:
    filled = BEGAN + 1_000
    ask = replace(SELL, price=parse_price("2682.68"))
    sell = _order(ask, (), decided_at=filled, created_at=filled, order_id=8)
    of = _history(_order(BUY, (_fill(3, "0.37", filled),)), sell)
    halted = Event(filled + later, None, "halted", "the account is halted: it lost 5 USDT today")
    desired = replace(of.desired, settings=replace(of.desired.settings, chunks=2))
    found = _replayed(changed(of, desired=desired, events=(*of.events, halted)), "2681", "2600", "2600")
    assert (found.same, [each.journal for each in found.differences]) == (1, [False] * later)


def test_an_order_that_the_journal_does_not_have_pays_in_the_asset_of_its_time() -> None:
    buy = _order(BUY, (replace(_fill(3, "0.37", EARLIER + 5), fee_asset="BNB"),))
    sell = replace(SELL, price=parse_price("2688.06"))
    sold = _order(sell, (replace(_fill(4, "0.37", BEGAN + 1_000, sell), fee_asset="BNB"),), order_id=8)
    found = _replayed(_history(buy, sold, fee="0.001"), "2681", "2689", "2680", "2679")
    bought, offered = (each.order.intent for each in found.differences)
    assert (bought.side, offered.side) == (Side.BUY, Side.SELL)
    assert offered.quantity == bought.quantity


def test_a_buy_belongs_to_the_trade_that_it_was_decided_on_though_it_was_written_after_the_next_one() -> None:
    buy = _order(BUY, (), created_at=BEGAN + 1)
    found = _replayed(_history(buy), "2681", "2681")
    assert (found.same, found.differences) == (0, ())


def test_what_was_decided_on_the_last_trade_is_written_after_it() -> None:
    buy = _order(BUY, (), decided_at=BEGAN, created_at=BEGAN + 3)
    bought = replace(BUY, price=parse_price("2680.99"), quantity=parse_quantity("0.3729"))
    assert _replayed(_history(replace(buy, intent=bought)), "2681.26").differences == ()
    later = replace(buy, decided_at=BEGAN + 500, created_at=BEGAN + 500)
    found = _replayed(_history(replace(later, intent=bought)), "2000")
    assert [each.journal for each in found.differences] == [False]


def test_coins_that_were_held_are_named() -> None:
    buy = _order(BUY, (_fill(3, "0.37", EARLIER + 5),))
    sell = _order(SELL, (), state=State.REJECTED, updated_at=EARLIER + 9, order_id=None)
    warning, *_ = _replayed(_history(buy, sell), "2681").warnings
    assert warning == (
        "ETHUSDT-1 held its coins when the tape begins, and the journal does not tell until when: the replay "
        "offers them at once"
    )


def test_a_buy_that_two_trades_can_have_caused_is_named() -> None:
    buy = _order(BUY, ())
    assert _replayed(_history(buy, reprice="0.002"), "2681").warnings == ()
    (warning,) = _replayed(_history(buy, reprice="0.002", buy_down="0.5"), "2681").warnings
    assert warning == (
        "ETHUSDT-1: its buy was decided on a trade at 5360, or a tick above it: the replay may reprice it a tick "
        "too early"
    )


@pytest.mark.parametrize(
    ("guard", "apart", "warned"),
    [
        pytest.param(
            "5%/24h", 12 * 3_600_000, ["until 2023-11-15T22:13:20.000Z"], id="within the fall guard's span"
        ),
        pytest.param("5%/24h", 25 * 3_600_000, [], id="after it"),
        pytest.param(
            "none", 60_000, ["until 2023-11-14T22:18:20.000Z"], id="within the minutes of the price filters"
        ),
        pytest.param("none", 400_000, [], id="after them"),
    ],
)
def test_trades_of_before_the_tape_are_named_where_a_difference_may_come_of_them(
    guard: str, apart: int, warned: list[str]
) -> None:
    history = _history(_order(BUY, (_fill(3, "0.37", EARLIER + 5),)), _order(SELL, (), order_id=8))
    wanted = replace(history.desired.settings, fall_guard=parse_fall_guard(guard), chunks=2)
    of = tape([parse_price("2681"), parse_price("2600")], [BEGAN, BEGAN + apart])
    found = replay(of, WANTED, changed(history, desired=replace(history.desired, settings=wanted)))
    assert [each.order.intent.side for each in found.differences] == [Side.BUY]
    said = [warning.partition("are not known: ")[2].partition(" the replay")[0] for warning in found.warnings]
    assert said == warned


def test_settings_halts_and_events_that_the_journal_does_not_keep_are_named() -> None:
    halted = Event(BEGAN + 1, "ETHUSDT", "halted", "halted by hand: because")
    told = _replayed(_history(_order(BUY, ()), asked=LATER, events=(halted,)), "2681").warnings
    assert [warning.partition(": ")[2].partition(";")[0] for warning in told] == [
        "the journal keeps no events of the time before the tape: the replay begins as if it were on then, and not "
        "halted",
        "settings may have changed since the tape began",
        "it was halted",
    ]


def test_uncertain_lots_are_named() -> None:
    lots = (Lot(Quantity(5), Money(6), parse_price("2700")),)
    (warning,) = _replayed(_history(_order(BUY, ()), lots=lots), "2681").warnings
    assert warning == (
        "ETHUSDT: the lots that it had when the tape begins are not certain: they add up to 0 in 0 until now, and "
        "the journal has 0.00000005 in 1"
    )
