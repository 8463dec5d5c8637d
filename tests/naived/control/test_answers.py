"""Values of the runtime and the journal as documents: decimals as texts, times in UTC, nulls where nothing is."""

from msgspec.structs import replace
from trio.testing import MockClock

from naived.control import answers
from naived.control.orders import order as order_document
from naived.core.amount import Amount, Money, Quantity, parse_amount, parse_money, parse_quantity
from naived.core.orders.state import State
from naived.core.strategy.settings import Settings
from naived.ports import CycleRow, EventRow
from tests.support.database import NOW, event, intent, order
from tests.support.runtime import NO_BALANCE, World


def test_settings_without_a_budget_say_null() -> None:
    assert answers.settings(Settings()) == {
        "chunks": 5,
        "budget": None,
        "buy_down": "0.0001",
        "profit": "0.001",
        "rebuy": "0.006",
        "reprice": "0.01",
        "max_deviation": "0.1",
        "spacing": "0",
        "floor": None,
        "ceiling": None,
        "fall_guard": None,
        "stop_loss": "0",
        "stop_slippage": "0.005",
    }
    assert answers.settings(Settings(budget=parse_money("1000")))["budget"] == "1000"


def test_an_order_names_its_fence_only_once_it_was_admitted() -> None:
    sent = order_document(order())
    assert sent["fence_at"] == "2026-11-22T07:00:05.000Z"
    decided = order(state=State.NOT_PLACED, attempt=0, timestamp=None, recv_window=None)
    assert order_document(decided) == {
        "symbol": "ETHUSDT",
        "trader": "ETHUSDT-1",
        "side": "buy",
        "client_order_id": "n1test-ETHUSDT-1-buy-1",
        "order_id": None,
        "price": "2683.53",
        "quantity": "0.0745",
        "executed": "0",
        "state": "not_placed",
        "fence_at": None,
        "created_at": "2026-11-22T07:00:00.000Z",
        "updated_at": "2026-11-22T07:00:00.000Z",
        "reason": None,
    }


def test_a_cycle_has_average_prices_and_no_fee_of_nothing() -> None:
    row = CycleRow(
        row=1,
        symbol="ETHUSDT",
        number=1,
        bought=parse_quantity("0.0745"),
        cost=parse_money("199.92"),
        sold=parse_quantity("0.0744"),
        received=parse_money("200.09"),
        profit=parse_money("0.12345678"),
        buy_fees_valued=parse_money("0.1"),
        sell_fees_valued=parse_money("0.02"),
        started_at=NOW,
        finished_at=NOW + 1,
        fees={"USDT": parse_amount("0.20009508"), "ETH": parse_amount("0.0000745"), "BNB": Amount(0)},
    )
    assert answers.cycle(row) == {
        "symbol": "ETHUSDT",
        "trader": "ETHUSDT-1",
        "bought": "0.0745",
        "buy_price": "2683.48993288",
        "fees_valued": "0.12",
        "sold": "0.0744",
        "sell_price": "2689.38172043",
        "fees": {"ETH": "0.0000745", "USDT": "0.20009508"},
        "profit": "0.12345678",
        "started_at": "2026-11-22T07:00:00.000Z",
        "finished_at": "2026-11-22T07:00:00.001Z",
    }


def test_a_cycle_that_sold_nothing_has_no_price() -> None:
    nothing = (Quantity(0), Money(0))
    row = CycleRow(1, "ETHUSDT", 1, *nothing, *nothing, Money(-1), None, None, NOW, NOW, {})
    assert (answers.cycle(row)["sell_price"], answers.cycle(row)["buy_price"]) == ("0", "0")
    assert answers.cycle(row)["fees_valued"] is None


def test_an_event_of_the_daemon_has_no_symbol() -> None:
    assert answers.event(EventRow(3, event("hello", None))) == {
        "at": "2026-11-22T07:00:00.000Z",
        "symbol": None,
        "kind": "test",
        "message": "hello",
    }


async def test_a_symbol_without_a_trade_has_no_price_and_no_guess(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        document = answers.symbol(naived.symbol())
        assert (document["last_price"], document["last_trade_at"]) == (None, None)
        assert (document["unrealized_profit"], document["traders"]) == ("0", [])


async def test_unrealized_profit_is_what_selling_all_at_the_last_price_would_bring(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        document = answers.symbol(naived.symbol())
        # 0.0999 ETH * 1990 * 0.999 - 199.98
        assert document["unrealized_profit"] == "-1.377801"
    async with world.naived() as naived:
        assert answers.symbol(naived.symbol())["unrealized_profit"] is None


async def test_a_waiting_trader_shows_no_buy_of_its_past_and_says_why_it_waits(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "2050")
        world.exchange.faults.refusals = [NO_BALANCE]
        await naived.trade("2050")
        (shown,) = answers.symbol(naived.symbol())["traders"]
        assert (shown["phase"], shown["buy"], shown["sell"]) == ("waiting", None, None)
        assert shown["reason"] == NO_BALANCE.message


async def test_open_orders_are_those_the_exchange_has_or_may_have(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990", "1980")
        assert [order["state"] for order in answers.open_orders(naived.symbol())] == ["open", "open"]
        kept = naived.symbol().engine.orders
        ended = order(replace(intent(), trader=9), client_order_id="gone", state=State.ABANDONED)
        kept["gone"] = ended
        kept["maybe"] = replace(ended, state=State.UNKNOWN)
        states = [order["state"] for order in answers.open_orders(naived.symbol())]
        del kept["gone"], kept["maybe"]
        assert states == ["open", "open", "unknown"]
