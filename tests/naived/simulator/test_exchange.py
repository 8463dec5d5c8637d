from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from naived.core.amount import Money, Rate, format_amount, parse_money, parse_price, parse_quantity
from naived.core.orders.intent import Side
from naived.core.orders.report import OrderStatus
from naived.simulator.errors import ApiError
from naived.simulator.exchange import Exchange
from naived.simulator.ledger import Ledger
from naived.simulator.order import Event, Executed, Execution, OrderType, Position, StpMode, TimeInForce
from naived.simulator.rules import halted
from naived.simulator.symbols import Listing, load
from tests.support.simulator import ETH, exchange, new, print_trade


@pytest.fixture
def engine() -> Iterator[Exchange]:
    made = exchange(USDT="100000", ETH="10")
    print_trade(made, "2683.80")
    yield made
    made.ledger.close()


def told(events: tuple[Event, ...]) -> list[tuple[Execution, int, OrderStatus]]:
    return [(e.kind, e.order.id, e.order.status) for e in events if isinstance(e, Executed)]


def free(engine: Exchange, asset: str) -> tuple[str, str]:
    balance = engine.account.balance(asset)
    return format_amount(balance.free), format_amount(balance.locked)


def feed(engine: Exchange, price: str) -> tuple[Event, ...]:
    return engine.trade("ETHUSDT", parse_price(price), parse_quantity("1"))[1]


def refused(engine: Exchange, *terms: str, **changes: Any) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        engine.place(new(*terms, **changes))
    return caught.value.code, caught.value.message


def test_a_resting_buy_fills_whole_at_its_own_price_when_a_trade_prints_strictly_through_it(
    engine: Exchange,
) -> None:
    done = engine.place(new("buy", "2683.53", "0.0745"))
    assert (done.order.status, done.order.id, done.fills) == (OrderStatus.NEW, 1, ())
    assert free(engine, "USDT") == ("99800.077015", "199.922985")
    assert feed(engine, "2683.53") == ()
    events = feed(engine, "2683.52")
    assert told(events) == [(Execution.TRADE, 1, OrderStatus.FILLED)]
    assert [type(event) for event in events] == [Executed, Position]
    [fill] = engine.ledger.history.fills("ETHUSDT", limit=9)
    assert (fill.maker, format_amount(fill.price), format_amount(fill.fee), fill.fee_asset) == (
        True,
        "2683.53",
        "0.0000745",
        "ETH",
    )
    assert free(engine, "USDT") == ("99800.077015", "0")
    assert free(engine, "ETH") == ("10.0744255", "0")


def test_a_resting_sell_earns_its_own_price_less_the_fee(engine: Exchange) -> None:
    engine.place(new("sell", "2689.45", "0.0744"))
    assert free(engine, "ETH") == ("9.9256", "0.0744")
    assert feed(engine, "2689.45") == ()
    feed(engine, "2700")
    assert free(engine, "USDT") == ("100199.89498492", "0")


def test_a_crossing_order_fills_whole_at_the_last_price_as_taker(engine: Exchange) -> None:
    done = engine.place(new("buy", "2690", "0.1"))
    assert told(done.events) == [(Execution.NEW, 1, OrderStatus.NEW), (Execution.TRADE, 1, OrderStatus.FILLED)]
    [fill] = done.fills
    assert (fill.maker, format_amount(fill.price), format_amount(fill.quote)) == (False, "2683.8", "268.38")
    assert free(engine, "USDT") == ("99731.62", "0")


def test_an_order_at_the_last_price_crosses_and_one_step_off_rests(engine: Exchange) -> None:
    assert engine.place(new("buy", "2683.80", "0.1")).order.status is OrderStatus.FILLED
    assert engine.place(new("buy", "2683.79", "0.1")).order.status is OrderStatus.NEW
    assert engine.place(new("sell", "2683.80", "0.1")).order.status is OrderStatus.FILLED
    assert engine.place(new("sell", "2683.81", "0.1")).order.status is OrderStatus.NEW


def test_without_a_last_price_an_order_rests_until_a_trade_prints_through_it() -> None:
    engine = exchange()
    assert engine.place(new("buy", "3000", "0.1")).order.status is OrderStatus.NEW
    assert told(feed(engine, "2683.80")) == [(Execution.TRADE, 1, OrderStatus.FILLED)]
    engine.ledger.close()


@pytest.mark.parametrize(
    ("price", "time_in_force", "status", "expiry"),
    [
        ("2683.80", TimeInForce.IOC, OrderStatus.FILLED, None),
        ("2683.79", TimeInForce.IOC, OrderStatus.EXPIRED, "UNFILLED_IOC_QUANTITY_EXPIRED"),
        ("2683.80", TimeInForce.FOK, OrderStatus.FILLED, None),
        ("2683.79", TimeInForce.FOK, OrderStatus.EXPIRED, "UNFILLED_FOK_ORDER_EXPIRED"),
    ],
)
def test_what_may_not_rest_fills_or_expires(
    engine: Exchange, price: str, time_in_force: TimeInForce, status: OrderStatus, expiry: str | None
) -> None:
    done = engine.place(new("buy", price, "0.1", time_in_force=time_in_force))
    assert (done.order.status, done.order.expiry) == (status, expiry)
    assert free(engine, "USDT")[1] == "0"
    assert not engine.market("ETHUSDT").open


def test_a_market_order_fills_at_the_last_price(engine: Exchange) -> None:
    done = engine.place(new("sell", "0", "0.5", type=OrderType.MARKET))
    assert (done.order.status, format_amount(done.order.quote)) == (OrderStatus.FILLED, "1341.9")


def test_a_market_order_may_say_what_to_spend(engine: Exchange) -> None:
    done = engine.place(new("buy", "0", "0", type=OrderType.MARKET, quote_quantity=parse_money("100")))
    assert format_amount(done.order.executed) == "0.0372"  # 100 / 2683.80 = 0.03726...
    assert free(engine, "USDT") == ("99900.16264", "0")


def test_a_market_order_without_a_market_expires() -> None:
    engine = exchange()
    done = engine.place(new("buy", "0", "0.5", type=OrderType.MARKET))
    assert (done.order.status, done.order.expiry) == (OrderStatus.EXPIRED, "INSUFFICIENT_LIQUIDITY")
    engine.ledger.close()


def test_a_maker_only_order_that_would_take_is_refused_and_creates_nothing(engine: Exchange) -> None:
    answer = refused(engine, "buy", "2683.80", "0.1", type=OrderType.LIMIT_MAKER)
    assert answer == (-2010, "Order would immediately match and take.")
    assert engine.ledger.history.orders("ETHUSDT", limit=9) == []
    rested = engine.place(new("buy", "2683.79", "0.1", type=OrderType.LIMIT_MAKER))
    assert rested.order.status is OrderStatus.NEW


@pytest.mark.parametrize(
    ("terms", "changes", "expected"),
    [
        (("buy", "2683.805", "0.1"), {}, (-1013, "Filter failure: PRICE_FILTER")),
        (("buy", "2683.80", "0.00015"), {}, (-1013, "Filter failure: LOT_SIZE")),
        (("buy", "2683.80", "0.0018"), {}, (-1013, "Filter failure: NOTIONAL")),
        (("buy", "3220.57", "0.1"), {}, (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE")),
        (("buy", "1341.89", "0.1"), {}, (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE")),
        (("sell", "5367.61", "0.1"), {}, (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE")),
        (
            ("buy", "2683.80", "40"),
            {},
            (-2010, "Account has insufficient balance for requested action."),
        ),
        (
            ("sell", "2683.80", "10.0001"),
            {},
            (-2010, "Account has insufficient balance for requested action."),
        ),
        (("buy", "0", "0.0018"), {"type": OrderType.MARKET}, (-1013, "Filter failure: NOTIONAL")),
        (
            ("buy", "0", "0"),
            {"type": OrderType.MARKET, "quote_quantity": parse_money("4.99")},
            (-1013, "Filter failure: NOTIONAL"),
        ),
        (("buy", "2683.80", "0.1"), {"symbol": "NOPE"}, (-1121, "Invalid symbol.")),
    ],
)
def test_a_refusal_is_worded_like_binances_and_changes_nothing(
    engine: Exchange, terms: tuple[str, ...], changes: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert refused(engine, *terms, **changes) == expected
    assert engine.ledger.history.orders("ETHUSDT", limit=9) == []
    assert free(engine, "USDT") == ("100000", "0")


@pytest.mark.parametrize(
    ("minutes", "later", "most"),
    [
        (5, 0, "2400"),  # the mean of both trades
        (5, 299_999, "2400"),
        (5, 300_000, None),  # nobody knows a price
        (10, 299_999, "2400"),
        (10, 300_000, "1224"),  # weighted by volume
        (10, 600_000, None),
        (0, 299_999, "2400"),
        (0, 300_000, "3600"),  # the last price
    ],
)
def test_a_filter_compares_with_the_reference_price_and_without_one_with_the_average(
    minutes: int, later: int, most: str | None
) -> None:
    """A buy may stand 1.2 times as high. The trades are at the beginning of a minute."""
    now = 28_333_334 * 60_000
    row = ETH.row
    filters = [{**each, "avgPriceMins": minutes} if "avgPriceMins" in each else each for each in row["filters"]]
    listings = load({"symbols": [{**row, "filters": filters}]})[0]
    ledger = Ledger(None, 7, {})
    made = Exchange(listings, ledger, Rate(0), clock=lambda: now)
    print_trade(made, "1000", "99")
    print_trade(made, "3000", "1")
    now += later
    if most is None:
        made.check(new("buy", "999999", "1"))
    else:
        made.check(new("buy", most, "1"))
        with pytest.raises(ApiError, match="PERCENT_PRICE_BY_SIDE"):
            made.check(new("buy", format_amount(parse_price(most) + parse_price("0.01")), "1"))
    ledger.close()


def test_a_symbol_has_so_many_open_orders_and_not_one_more(engine: Exchange) -> None:
    for number in range(200):
        engine.place(new("buy", "2600", "0.002", client_order_id=f"n{number}"))
    assert refused(engine, "buy", "2600", "0.002") == (-2010, "Filter failure: MAX_NUM_ORDERS")
    engine.cancel("ETHUSDT", 7, "x")
    engine.place(new("buy", "2600", "0.002"))


def test_a_halted_symbol_takes_no_order_and_no_cancel(engine: Exchange) -> None:
    engine.place(new("buy", "2600", "0.1"))
    listing = engine.market("ETHUSDT").listing
    engine.list(halted(listing))
    assert refused(engine, "buy", "2600", "0.2") == (-2010, "Market is closed.")
    with pytest.raises(ApiError, match="-2011"):
        engine.cancel("ETHUSDT", 1, "x")
    engine.list(listing)
    assert engine.cancel("ETHUSDT", 1, "x").order.status is OrderStatus.CANCELED


def test_a_client_order_id_is_unique_among_open_orders_only(engine: Exchange) -> None:
    engine.place(new("buy", "2600", "0.1", client_order_id="once"))
    assert refused(engine, "buy", "2650", "0.1", client_order_id="once") == (-2010, "Duplicate order sent.")
    feed(engine, "2599")
    assert engine.place(new("buy", "2590", "0.1", client_order_id="once")).order.id == 2
    newest = engine.find("ETHUSDT", None, "once")
    assert newest is not None
    assert newest.id == 2


def test_a_cancel_frees_the_lock_and_its_id_replaces_the_orders(engine: Exchange) -> None:
    engine.place(new("buy", "2600", "0.1", client_order_id="mine"))
    done = engine.cancel("ETHUSDT", 1, "mine-x")
    assert told(done.events) == [(Execution.CANCELED, 1, OrderStatus.CANCELED)]
    assert (done.order.client_order_id, done.order.cancel_id) == ("mine", "mine-x")
    assert free(engine, "USDT") == ("100000", "0")
    assert engine.find("ETHUSDT", None, "mine") == engine.find("ETHUSDT", None, "mine-x") == done.order
    assert feed(engine, "2500") == ()
    with pytest.raises(ApiError, match="Unknown order sent"):
        engine.cancel("ETHUSDT", 1, "again")


def test_two_ids_of_two_orders_do_not_belong_together(engine: Exchange) -> None:
    engine.place(new("buy", "2600", "0.1", client_order_id="a"))
    engine.place(new("buy", "2601", "0.1", client_order_id="b"))
    found = engine.find("ETHUSDT", 1, "a")
    assert found is not None
    with pytest.raises(ApiError, match="-2039"):
        engine.find("ETHUSDT", 1, "b")
    assert engine.find("ETHUSDT", 99, None) is None


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (
            StpMode.EXPIRE_MAKER,
            [
                (Execution.NEW, 2, OrderStatus.NEW),
                (Execution.TRADE_PREVENTION, 1, OrderStatus.EXPIRED_IN_MATCH),
                (Execution.TRADE, 2, OrderStatus.FILLED),
            ],
        ),
        (
            StpMode.EXPIRE_TAKER,
            [
                (Execution.NEW, 2, OrderStatus.NEW),
                (Execution.TRADE_PREVENTION, 2, OrderStatus.EXPIRED_IN_MATCH),
            ],
        ),
        (
            StpMode.DECREMENT,
            [
                (Execution.NEW, 2, OrderStatus.NEW),
                (Execution.TRADE_PREVENTION, 2, OrderStatus.NEW),
                (Execution.TRADE_PREVENTION, 1, OrderStatus.EXPIRED_IN_MATCH),
                (Execution.TRADE, 2, OrderStatus.FILLED),
            ],
        ),
        (StpMode.NONE, [(Execution.NEW, 2, OrderStatus.NEW), (Execution.TRADE, 2, OrderStatus.FILLED)]),
    ],
)
def test_two_own_orders_never_trade_with_each_other(
    engine: Exchange, mode: StpMode, expected: list[tuple[Execution, int, OrderStatus]]
) -> None:
    engine.place(new("sell", "2690", "0.1"))
    done = engine.place(new("buy", "2690", "0.3", stp_mode=mode))
    assert told(done.events) == expected
    assert engine.account.balance("USDT").locked == 0


def test_a_mode_the_symbol_does_not_allow_is_refused() -> None:
    engine = exchange()
    row = {**ETH.row, "allowedSelfTradePreventionModes": ["EXPIRE_MAKER"]}
    engine.list(listing_of(row))
    assert refused(engine, "buy", "2600", "0.1", stp_mode=StpMode.NONE) == (
        -1013,
        "This symbol does not allow the specified self-trade prevention mode.",
    )
    engine.ledger.close()


def listing_of(row: dict[str, Any]) -> Listing:
    return load({"symbols": [row]})[0]["ETHUSDT"]


def test_a_partial_fill_leaves_the_rest_open_and_the_next_print_takes_it() -> None:
    pieces = iter([True, True, False])
    engine = exchange(partly=lambda symbol: next(pieces))
    engine.place(new("buy", "2600", "0.1001"))
    assert told(feed(engine, "2599")) == [(Execution.TRADE, 1, OrderStatus.PARTIALLY_FILLED)]
    assert [format_amount(fill.quantity) for fill in engine.ledger.history.fills("ETHUSDT", limit=9)] == ["0.05"]
    assert told(feed(engine, "2599")) == [(Execution.TRADE, 1, OrderStatus.PARTIALLY_FILLED)]
    assert told(feed(engine, "2599")) == [(Execution.TRADE, 1, OrderStatus.FILLED)]
    fills = engine.ledger.history.fills("ETHUSDT", limit=9)
    assert [format_amount(fill.quantity) for fill in fills] == ["0.05", "0.025", "0.0251"]
    assert [fill.trade_id for fill in fills] == [1, 2, 3]
    engine.ledger.close()


def test_a_partly_filled_order_can_be_cancelled_and_keeps_what_it_got() -> None:
    engine = exchange(partly=lambda symbol: True)
    engine.place(new("buy", "2600", "0.1"))
    feed(engine, "2599")
    done = engine.cancel("ETHUSDT", 1, "x")
    assert (done.order.status, format_amount(done.order.executed)) == (OrderStatus.CANCELED, "0.05")
    assert free(engine, "USDT") == ("99870", "0")
    assert free(engine, "ETH") == ("0.04995", "0")
    engine.ledger.close()


def test_all_or_nothing_is_never_filled_in_part() -> None:
    engine = exchange(partly=lambda symbol: True)
    print_trade(engine, "2683.80")
    done = engine.place(new("buy", "2690", "0.1", time_in_force=TimeInForce.FOK))
    assert done.order.status is OrderStatus.FILLED
    engine.ledger.close()


def test_ids_are_counted_per_symbol_and_reports_within_it(engine: Exchange) -> None:
    first = engine.place(new("buy", "2600", "0.1"))
    other = engine.place(new("buy", "90000", "0.001", symbol="BTCUSDT"))
    assert (first.order.id, other.order.id) == (1, 1)
    second = engine.place(new("buy", "2601", "0.1"))
    numbers = [e.id for done in (first, second) for e in done.events if isinstance(e, Executed)]
    assert numbers == [1, 2]
    trades = [engine.trade("ETHUSDT", parse_price("2683"), parse_quantity("1"))[0].id for _ in range(3)]
    assert trades == [2, 3, 4]


def test_new_rules_hold_for_new_orders_and_leave_the_old_ones_alone(engine: Exchange) -> None:
    engine.place(new("buy", "2600.01", "0.1"))
    listing = engine.market("ETHUSDT").listing
    coarse = structs.replace(listing.info.filters, tick_size=parse_price("0.1"))
    engine.list(replace(listing, info=structs.replace(listing.info, filters=coarse)))
    assert refused(engine, "buy", "2600.01", "0.2") == (-1013, "Filter failure: PRICE_FILTER")
    assert told(feed(engine, "2600")) == [(Execution.TRADE, 1, OrderStatus.FILLED)]


def test_a_side_of_the_book_fills_best_price_first(engine: Exchange) -> None:
    for price in ("2600", "2620", "2610"):
        engine.place(new("buy", price, "0.1"))
    assert [number for _, number, _ in told(feed(engine, "2605"))] == [2, 3]
    assert engine.market("ETHUSDT").open[1].side is Side.BUY
    assert Money(engine.account.balance("USDT").locked) == parse_money("260")
