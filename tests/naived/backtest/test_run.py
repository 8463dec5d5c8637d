"""A backtest skips what does not matter: its result is that of offering every trade to the engine."""

from dataclasses import fields
from itertools import accumulate

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naived.backtest.measure import drawdown, worth
from naived.backtest.result import Moment, Result, Setup
from naived.backtest.run import Scan, backtest, result
from naived.backtest.session import Session
from naived.backtest.tape import Tape
from naived.core.amount import SCALE, Money, Price, Quantity, parse_money, parse_price, parse_rate, value_up
from naived.core.orders.intent import Side
from naived.core.orders.state import State
from naived.core.price_check import PriceCheck
from naived.core.price_guards import FallGuard, parse_fall_guard
from naived.core.risk import Limits
from tests.support.tape import BEGAN, setup, tape, walk

_SPENT = ("load_seconds", "scan_seconds")


def stepped(of: Tape, wanted: Setup) -> Result:
    """The same backtest, with every trade offered to the engine."""
    session = Session(of, wanted, every=True)
    Scan(of, session, wanted.settings.max_deviation).all()
    return result(of, wanted, session, 0.0, 0.0)


def assert_same(of: Tape, wanted: Setup) -> Result:
    quick, slow = backtest(of, wanted), stepped(of, wanted)
    for field in fields(Result):
        if field.name not in _SPENT:
            assert getattr(quick, field.name) == getattr(slow, field.name), field.name
    return quick


@pytest.mark.parametrize("fee", ["0", "0.001"])
@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"rebuy": "0.002", "reprice": "0.0005", "chunks": 3},
        {"buy_down": "0", "profit": "0.0002", "rebuy": "0.0005"},
        {"max_deviation": "0.00002"},
        {"max_deviation": "0"},
        {"latency": 150, "rebuy": "0.002"},
        {"spacing": "0.001", "rebuy": "0.002"},
        {"floor": parse_price("2680"), "ceiling": parse_price("2690"), "rebuy": "0.001"},
        {"latency": 1, "buy_down": "0", "reprice": "0.0003"},
        {"fall_guard": parse_fall_guard("0.1%/30s"), "buy_down": "0", "rebuy": "0.0005"},
        {"fall_guard": parse_fall_guard("0.2%/1h"), "max_deviation": "0.00002", "rebuy": "0.0005"},
        {"stop_loss": "0.003", "buy_down": "0", "rebuy": "0.0005", "profit": "0.002"},
        {"stop_loss": "0.002", "stop_slippage": "0", "latency": 150, "rebuy": "0.001"},
        {"limits": Limits(max_exposure=parse_money("450")), "rebuy": "0.001"},
        {"limits": Limits(reserve=parse_money("700")), "rebuy": "0.001", "profit": "0.0002"},
        {"limits": Limits(max_daily_loss=parse_money("3")), "buy_down": "0", "rebuy": "0.0005"},
        {"limits": Limits(max_drawdown=parse_money("4")), "latency": 150, "rebuy": "0.001"},
        {"budget": parse_money("9"), "chunks": 5},
        {"budget": parse_money("26"), "chunks": 5, "rebuy": "0.001"},
    ],
)
def test_skipping_and_stepping_give_the_same(wanted: dict[str, object], fee: str) -> None:
    # Stepping looks for bad prints in the whole span of a fall guard at each trade.
    trades = 3_000 if {"fall_guard", "max_deviation"} <= wanted.keys() else 12_000
    prices, times = walk(7, trades, step=20)
    cuts = (each for each in (3, 5_000, 5_001, 9_000) if each < trades)
    assert_same(tape(prices, times, *cuts), setup(fee=fee, **wanted))


def test_a_sell_that_the_price_has_left_far_below_is_sold_at_the_market() -> None:
    seconds = [0, 401, *range(500, 811, 10), *range(1_200, 1_400, 10)]
    prices = [200_000_000_000, 199_000_000_000, *[260_000_000_000] * (len(seconds) - 2)]
    found = assert_same(
        tape(prices, [BEGAN + 1_000 * each for each in seconds]), setup(fee="0", latency=400_000, reprice="0")
    )
    sells = [order for order in found.orders if order.intent.side is Side.SELL]
    assert [(order.state, order.intent.price) for order in sells[:2]] == [
        (State.REJECTED, parse_price("2001.8")),
        (State.FILLED, parse_price("2080")),
    ]
    assert {part.price for part in sells[1].fills} == {parse_price("2600")}


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    moves=st.lists(
        st.tuples(
            st.integers(-60, 60) | st.sampled_from([-30_000, -3_000, 3_000, 30_000]),
            st.sampled_from([0, 0, 1, 40, 1_500, 400_000, 30_000_000]),
            st.sampled_from([1, 1, 2, 300]),
        ),
        min_size=1,
        max_size=60,
    ),
    cut=st.integers(0, 400),
    chunks=st.integers(1, 4),
    rates=st.tuples(
        st.sampled_from(["0", "0.0001", "0.001"]),
        st.sampled_from(["0.0003", "0.001"]),
        st.sampled_from(["0.0005", "0.006"]),
        st.sampled_from(["0", "0.0002", "0.01"]),
        st.sampled_from(["0", "0.0005", "0.1"]),
        st.sampled_from(["0", "0", "0.0005", "0.01"]),
    ),
    floor=st.sampled_from([None, None, parse_price("2650"), parse_price("2683")]),
    fall_guard=st.sampled_from(["none", "none", "0.05%/1s", "0.1%/1m", "1%/1h"]).map(parse_fall_guard),
    stop_loss=st.sampled_from(["0", "0", "0.0015", "0.01"]),
    limits=st.tuples(*(st.none() | st.none() | st.sampled_from([1, 5, 300, 900]) for _ in range(4))),
    latency=st.sampled_from([0, 0, 1, 60, 2_000]),
    fee=st.sampled_from(["0", "0.001"]),
)
def test_any_tape_and_settings(
    moves: list[tuple[int, int, int]],
    cut: int,
    chunks: int,
    rates: tuple[str, str, str, str, str, str],
    floor: int | None,
    fall_guard: FallGuard | None,
    stop_loss: str,
    limits: tuple[int | None, ...],
    latency: int,
    fee: str,
) -> None:
    """Moves are repeated: quiet stretches, hundreds of trades of one millisecond, jumps in both directions."""
    steps = [(move if first == 0 else 0, gap) for move, gap, times in moves for first in range(times)]
    levels = accumulate((move for move, _ in steps), lambda level, move: max(1, level + move), initial=268_380)
    times = list(accumulate((gap for _, gap in steps), initial=BEGAN))
    prices = [level * 10**6 for level in levels]
    names = ("buy_down", "profit", "rebuy", "reprice", "max_deviation", "spacing")
    given = dict(zip(names, rates, strict=True))
    guards = {"floor": floor, "fall_guard": fall_guard, "stop_loss": stop_loss}
    of_account = Limits(*(None if limit is None else Money(limit * SCALE) for limit in limits))
    wanted = setup(fee=fee, latency=latency, chunks=chunks, limits=of_account, **guards, **given)
    assert_same(tape(prices, times, min(cut, len(prices))), wanted)


def test_what_is_earned_adds_up() -> None:
    prices, times = walk(3, 20_000, step=20)
    found = backtest(tape(prices, times), setup(rebuy="0.002", chunks=4))
    assert found.profit > 0
    bought = sum(fill.quote for fill in found.fills if fill.fee_asset == "ETH")
    received = sum(fill.quote - fill.fee for fill in found.fills if fill.fee_asset == "USDT")
    assert found.profit - found.held_cost == received - bought
    coins = sum(fill.quantity - fill.fee if fill.fee_asset == "ETH" else -fill.quantity for fill in found.fills)
    assert found.held == coins


def price(text: str) -> int:
    return parse_price(text)


def test_one_cycle_by_hand() -> None:
    """Bought at 99.99, sold at 100.3 (the least tick above both fees and the profit)."""
    prices = [price(text) for text in ("100", "99.98", "100.29", "100.3", "100.31", "95")]
    times = [BEGAN + 1_000 * number for number in range(len(prices))]
    found = backtest(tape(prices, times, symbol="SOLUSDT"), setup("SOLUSDT", chunks=1, profit="0.001"))
    buy, sell = found.fills[:2]
    assert (buy.price, sell.price) == (price("99.99"), price("100.3"))
    assert (buy.quantity, sell.quantity) == (1_000_100_000, 999_000_000)
    assert [len(found.orders), len(found.cycles)] == [3, 1]
    assert found.max_tied_up >= value_up(buy.price, buy.quantity)


def test_a_bad_print_fills_orders_and_decides_nothing() -> None:
    """At a tenth of the price the resting buy fills, as on the exchange; no further trader joins."""
    prices = [price(text) for text in ("100", "10", "100", "100")]
    times = [BEGAN + 1_000 * number for number in range(4)]
    found = backtest(tape(prices, times, symbol="SOLUSDT"), setup("SOLUSDT", chunks=5))
    assert len(found.fills) == 1
    joined = backtest(tape(prices, times, symbol="SOLUSDT"), setup("SOLUSDT", chunks=5, max_deviation="0"))
    assert len(joined.orders) > len(found.orders)


@pytest.mark.parametrize(
    ("jump", "cut"),
    [
        pytest.param([(100, 0), (130, 1), (100, 1), (130, 1), (101, 1)], 2, id="after a bad print"),
        pytest.param([(100, 0), (130, 1), (130, 2), (130, 3), (130, 3), (100, 3)], 4, id="after a confirmed jump"),
        pytest.param([(100, 0), (130, 1), (130, 1), (100, 1), (130, 2)], 3, id="while a price is suspected"),
        pytest.param([(100, 0), (101, 1), (101, 1), (130, 1), (101, 1)], 3, id="of one millisecond"),
    ],
)
def test_a_cut_within_a_millisecond_changes_nothing_that_is_believed(jump: list[tuple[int, int]], cut: int) -> None:
    prices = [price * SCALE for price, _ in jump]
    times = [BEGAN + each for _, each in jump]
    check = PriceCheck(parse_rate("0.1"), Price(10**6))
    every = [check.believes(Price(price), when) for price, when in zip(prices, times, strict=True)]
    for cuts in ((), (cut,), range(1, len(prices))):
        of = tape(prices, times, *cuts)
        session = Session(of, setup())
        Scan(of, session, parse_rate("0.1")).all()
        starts = [0, *accumulate(len(part.ids) for part in of.parts)]
        doubted = {starts[part] + index for part, found in session.references.doubted.items() for index in found}
        assert [number not in doubted for number in range(len(prices))] == every


def test_an_order_reaches_the_exchange_after_its_latency() -> None:
    """At the time of its decision the price falls through the buy; when it arrives, the price is back."""
    prices = [price(text) for text in ("100", "99", "100", "100", "99")]
    times = [BEGAN, BEGAN + 10, BEGAN + 40, BEGAN + 60, BEGAN + 1_000]
    at_once = backtest(tape(prices, times, symbol="SOLUSDT"), setup("SOLUSDT", chunks=1))
    later = backtest(tape(prices, times, symbol="SOLUSDT"), setup("SOLUSDT", chunks=1, latency=50))
    assert [fill.time for fill in at_once.fills] == [BEGAN + 10]
    assert [fill.time for fill in later.fills] == [BEGAN + 1_000]


def test_the_drawdown_is_the_largest_fall_of_the_profit_on_any_trade() -> None:
    prices = [price(text) for text in ("100", "99.98", "90", "95", "80", "100")]
    times = [BEGAN + 1_000 * number for number in range(len(prices))]
    wanted = setup("SOLUSDT", fee="0", chunks=1)
    found = backtest(tape(prices, times, symbol="SOLUSDT"), wanted)
    coins, cost = found.fills[0].quantity, found.fills[0].quote
    assert found.max_drawdown == cost - coins * price("80") // SCALE
    assert found.in_market == times[-1] - times[1]
    assert parse_rate("0.001") == wanted.settings.profit


def test_a_print_far_above_a_sell_that_it_fills_makes_no_peak() -> None:
    """The coins are sold at the sell's price; at the print's nobody ever held them."""
    levels = [parse_price(text) for text in ("2000", "1999", "2000", "20000", "2000", "2001")]
    found = backtest(tape(levels, [BEGAN + number * 1_000 for number in range(6)]), setup(fee="0", chunks=1))
    (bought, sold) = found.fills
    assert found.profit == sold.quote - bought.quote
    assert found.max_drawdown == bought.quote - bought.quantity * levels[1] // SCALE


@given(
    steps=st.lists(st.integers(-40, 40), min_size=1, max_size=1_500),
    cut=st.integers(0, 1_500),
    coins=st.integers(1, 3),
    cash=st.integers(-400_000, 400_000),
)
@settings(deadline=None, max_examples=60)
def test_the_drawdown_of_a_stretch_is_that_of_each_trade(steps: list[int], cut: int, coins: int, cash: int) -> None:
    prices = [level * 10**6 for level in accumulate(steps, lambda level, move: max(1, level + move), initial=3_000)]
    of = tape(prices, [BEGAN + number for number in range(len(prices))], min(cut, len(prices)))
    moment = Moment(
        0, 0, BEGAN, Price(prices[0]), Money(cash * 10**4), Quantity(coins * 10**7), Money(0), Money(0), 1
    )
    fee = parse_rate("0.001")
    peak = most = 0
    for each in prices:
        peak = max(peak, worth(moment, each, fee))
        most = max(most, peak - worth(moment, each, fee))
    assert drawdown(of, [moment], fee) == most
