"""An ordinary trade costs two comparisons; only one outside the band reaches its symbol."""

import pytest
import structlog

from naived.core.amount import Money, Price
from naived.core.market import Trade
from naived.core.strategy.leader import EVERY, NONE
from naived.runtime.price_gate import PriceGates


def feed_with(low: int, high: int) -> tuple[PriceGates, list[Trade]]:
    feed, seen = PriceGates(), list[Trade]()
    gate = feed.gate("ETHUSDT")
    gate.low, gate.high, gate.on_breakout = low, high, seen.append
    return feed, seen


@pytest.mark.parametrize(
    ("price", "acts"), [(99, True), (100, True), (101, False), (199, False), (200, True), (201, True)]
)
def test_a_trade_acts_at_the_bounds_of_the_band_and_beyond(price: int, acts: bool) -> None:
    feed, seen = feed_with(100, 200)
    feed.trade("ETHUSDT", 7, Price(price), "1.5", 1_000)
    assert seen == ([Trade(7, Price(price), 150_000_000, 1_000)] if acts else [])  # type: ignore[arg-type]


@pytest.mark.parametrize(("band", "acts"), [(EVERY, True), (NONE, False)])
def test_a_band_can_let_through_every_trade_or_none(band: tuple[int, int], acts: bool) -> None:
    feed, seen = feed_with(*band)
    feed.trade("ETHUSDT", 7, Price(1), "1", 1_000)
    assert bool(seen) is acts


def test_a_band_that_holds_while_money_lacks_lets_a_trade_through_once_there_is_enough() -> None:
    feed, seen = feed_with(100, 200)
    gate, free = feed.gate("ETHUSDT"), 49
    gate.bound((100, 200), Money(50))
    gate.lacking = lambda least: free < least
    feed.trade("ETHUSDT", 7, Price(150), "1", 1_000)
    assert seen == []
    free = 50
    feed.trade("ETHUSDT", 8, Price(150), "1", 1_000)
    assert [trade.id for trade in seen] == [8]


def test_the_last_price_is_known_whether_or_not_it_matters() -> None:
    feed, _ = feed_with(100, 200)
    feed.trade("ETHUSDT", 7, Price(150), "1", 1_000)
    gate = feed.gate("ETHUSDT")
    assert (gate.price, gate.time) == (150, 1_000)


def test_the_quantity_of_an_ordinary_trade_is_never_read() -> None:
    feed, seen = feed_with(100, 200)
    with structlog.testing.capture_logs() as records:
        feed.trade("ETHUSDT", 7, Price(150), "garbage", 1_000)
    assert (seen, records) == ([], [])


def test_one_that_cannot_be_read_is_left_out_and_ends_nothing() -> None:
    feed, seen = feed_with(100, 200)
    with structlog.testing.capture_logs() as records:
        feed.trade("ETHUSDT", 7, Price(250), "garbage", 1_000)
    feed.trade("ETHUSDT", 8, Price(251), "1", 1_000)
    assert [record["log_level"] for record in records] == ["warning"]
    assert [trade.id for trade in seen] == [8]


def test_trades_of_symbols_without_a_lane_are_ignored() -> None:
    feed, seen = feed_with(100, 200)
    feed.trade("BTCUSDT", 7, Price(250), "1", 1_000)
    assert seen == []


def test_a_symbol_has_one_lane() -> None:
    feed = PriceGates()
    assert feed.gate("ETHUSDT") is feed.gate("ETHUSDT")
    assert feed.gate("ETHUSDT") is not feed.gate("BTCUSDT")


def test_a_price_that_jumped_reaches_nobody_until_it_is_confirmed_and_is_told_once_a_minute() -> None:
    feed, seen = feed_with(*EVERY)
    gate, suspects = feed.gate("ETHUSDT"), list[Price]()
    gate.on_suspect = suspects.append
    for number, (price, time) in enumerate([(1000, 60_000), (10, 60_001), (1000, 60_002), (10, 60_003)]):
        feed.trade("ETHUSDT", number, Price(price), "1", time)
    assert [trade.price for trade in seen] == [1000, 1000]
    assert suspects == [10]
    assert (gate.price, gate.time) == (1000, 60_002)
    feed.trade("ETHUSDT", 5, Price(1000), "1", 60_004)
    feed.trade("ETHUSDT", 6, Price(10), "1", 120_001)
    assert suspects == [10, 10]
