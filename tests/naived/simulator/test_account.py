from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naived.core.amount import (
    Money,
    format_amount,
    parse_amount,
    parse_money,
    parse_price,
    parse_quantity,
    parse_rate,
)
from naived.core.orders.intent import Side
from naived.core.orders.report import OrderStatus
from naived.simulator.account import Account, cost, fee, held
from naived.simulator.errors import ApiError
from naived.simulator.exchange import Exchange
from naived.simulator.order import Balance, Order, OrderType, StpMode, TimeInForce
from tests.support.simulator import ETH, exchange, new, print_trade


def order(side: Side = Side.BUY, **changes: object) -> Order:
    plain = Order(
        symbol="ETHUSDT",
        id=1,
        client_order_id="a",
        side=side,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price=parse_price("2683.53"),
        quantity=parse_quantity("0.0745"),
        quote_quantity=Money(0),
        stp_mode=StpMode.NONE,
        created=1,
        updated=1,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("side", "quantity", "quote", "expected"),
    [
        (Side.BUY, "0.0745", "199.922985", "0.0000745"),
        (Side.SELL, "0.0744", "200.09508", "0.20009508"),
        (Side.BUY, "54.5", "33.3322", "0.0545"),
        (Side.SELL, "3068181", "25.03635696", "0.02503636"),  # 0.02503635696 rounded up
        (Side.SELL, "0.00000001", "0.00000001", "0.00000001"),
    ],
)
def test_the_fee_is_of_the_asset_received_and_rounded_up(
    side: Side, quantity: str, quote: str, expected: str
) -> None:
    charged = fee(parse_rate("0.001"), side, parse_quantity(quantity), parse_money(quote))
    assert format_amount(charged) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "199.922985"),
        ({"executed": parse_quantity("0.04")}, "92.581785"),
        ({"prevented": parse_quantity("0.04")}, "92.581785"),
        ({"status": OrderStatus.CANCELED}, "0"),
        ({"type": OrderType.MARKET}, "0"),
        ({"side": Side.SELL}, "0.0745"),
    ],
)
def test_an_order_locks_what_it_may_still_spend(changes: dict[str, object], expected: str) -> None:
    assert format_amount(held(order(**changes))) == expected


def test_a_cost_with_more_than_8_decimals_is_locked_rounded_up() -> None:
    assert format_amount(cost(Side.BUY, parse_price("0.05123"), parse_quantity("0.1233"))) == "0.00631666"


def test_more_than_is_free_is_refused_in_binances_words() -> None:
    account = Account({"USDT": Balance(parse_amount("10"), parse_amount("90"))})
    account.require("USDT", parse_amount("10"))
    with pytest.raises(ApiError) as caught:
        account.require("USDT", parse_amount("10.00000001"))
    assert (caught.value.code, caught.value.message) == (
        -2010,
        "Account has insufficient balance for requested action.",
    )


def test_spending_what_is_not_there_is_a_bug_and_stops() -> None:
    account = Account({})
    with pytest.raises(AssertionError):
        account.move(ETH.info, None, order(), None)


def total(engine: Exchange, asset: str) -> int:
    balance = engine.account.balance(asset)
    return balance.free + balance.locked


prices = st.integers(90_00, 110_00).map(lambda cents: f"{cents // 100}.{cents % 100:02d}")
quantities = st.integers(10, 4_0000).map(lambda steps: f"{steps // 10000}.{steps % 10000:04d}")
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["buy", "sell"]), prices, quantities, st.sampled_from(StpMode)),
        st.tuples(st.just("trade"), prices),
        st.tuples(st.just("cancel"), st.integers(1, 40)),
    ),
    max_size=40,
)


@given(steps, st.sampled_from(["0", "0.001", "0.00000007"]), st.booleans())
def test_nothing_appears_or_vanishes_whatever_is_ordered(
    program: list[tuple[object, ...]], rate: str, partly: bool
) -> None:
    engine = exchange(fee=rate, USDT="1000", ETH="5", partly=lambda symbol: partly)
    try:
        begun = {asset: total(engine, asset) for asset in ("USDT", "ETH")}
        print_trade(engine, "100")
        for number, (verb, *arguments) in enumerate(program):
            try:
                match verb, arguments:
                    case "trade", [str(price)]:
                        print_trade(engine, price)
                    case "cancel", [int(order_id)]:
                        engine.cancel("ETHUSDT", order_id, f"cancel-{number}")
                    case _, [str(price), str(quantity), StpMode() as mode]:
                        engine.place(new(str(verb), price, quantity, client_order_id=f"o{number}", stp_mode=mode))
            except ApiError as refused:
                if refused.code not in (-2010, -2011, -1013):
                    raise
        expected = dict(begun)
        for fill in engine.ledger.history.fills(None, limit=-1):
            placed = engine.ledger.history.order(fill.symbol, fill.order_id)
            assert placed is not None
            sign = 1 if placed.side is Side.BUY else -1
            expected["ETH"] += sign * fill.quantity
            expected["USDT"] -= sign * fill.quote
            expected[fill.fee_asset] -= fill.fee
        assert {asset: total(engine, asset) for asset in expected} == expected
        locks = {"USDT": 0, "ETH": 0}
        for resting in engine.ledger.history.open_orders():
            locks["USDT" if resting.side is Side.BUY else "ETH"] += held(resting)
        assert {asset: engine.account.balance(asset).locked for asset in locks} == locks
        balances = engine.account.balances()
        assert {a: b for a, b in engine.ledger.balances().items() if a in balances} == balances
    finally:
        engine.ledger.close()
