"""Prices of pairs that nobody trades here: only those that the exchange trades are prices."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from naived.core.amount import parse_price
from naived.ports import RefusedError
from naived.runtime.fee_prices import FeePrices
from naived.runtime.price_gate import PriceGates
from tests.support.exchange import ExchangeDouble


@asynccontextmanager
async def followed(exchange: ExchangeDouble) -> AsyncIterator[FeePrices]:
    quiet: Any = SimpleNamespace(opened=lambda: None, lost=lambda symbol, why: None)
    prices = FeePrices(cast(Any, exchange), PriceGates())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(exchange.run, quiet)
        nursery.start_soon(prices.run)
        yield prices
        nursery.cancel_scope.cancel()


@pytest.fixture
def exchange() -> ExchangeDouble:
    double = ExchangeDouble("BNBNGN")
    double.last["BNBNGN"] = parse_price("200000")
    return double


async def test_the_last_price_of_a_pair_is_known_soon_and_its_trades_are_wanted(
    exchange: ExchangeDouble, clock: MockClock
) -> None:
    async with followed(exchange) as prices:
        assert prices.price("BNB", "NGN") is None
        await trio.sleep(1)
        assert prices.price("BNB", "NGN") == parse_price("200000")
        assert exchange.watched == {"BNBNGN"}
        await trio.sleep(3 * 3_600)
        assert exchange.asked.count("last_prices") == 1


async def test_the_last_price_of_a_pair_that_is_not_traded_any_more_is_none(
    exchange: ExchangeDouble, clock: MockClock
) -> None:
    """Binance tells the last price of a closed pair for years."""
    exchange.relist("BNBNGN", trading=False)
    async with followed(exchange) as prices:
        prices.follow("BNB", "NGN")
        await trio.sleep(30)
        assert prices.price("BNB", "NGN") is None
        exchange.relist("BNBNGN", trading=True)
        await trio.sleep(61)
        assert prices.price("BNB", "NGN") == parse_price("200000")
        exchange.relist("BNBNGN", trading=False)
        await trio.sleep(3_600)
        assert prices.price("BNB", "NGN") is None
        exchange.last["BNBNGN"] = parse_price("5")
        exchange.relist("BNBNGN", trading=True)
        await trio.sleep(61)
        assert prices.price("BNB", "NGN") == parse_price("5"), "not the one from before it was closed"


async def test_rules_that_cannot_be_read_do_not_make_a_pair_a_closed_one(
    exchange: ExchangeDouble, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreadable(names: Sequence[str]) -> Mapping[str, RefusedError]:
        return {name: RefusedError(f"the rules of {name} cannot be read") for name in names}

    monkeypatch.setattr(exchange, "symbols", unreadable)
    async with followed(exchange) as prices:
        prices.follow("BNB", "NGN")
        await trio.sleep(30)
        assert prices.price("BNB", "NGN") == parse_price("200000")


async def test_pairs_that_are_wanted_together_are_asked_for_as_one(clock: MockClock) -> None:
    names = [f"BNB{number}" for number in range(30)]
    exchange = ExchangeDouble(*names)
    async with followed(exchange) as prices:
        for name in names:
            prices.follow_pair(name)
        await trio.sleep(2 * 3_600)
        assert exchange.asked.count("symbols") <= 6


async def test_a_pair_that_does_not_exist_has_no_price(exchange: ExchangeDouble, clock: MockClock) -> None:
    async with followed(exchange) as prices:
        prices.follow("BNB", "XYZ")
        await trio.sleep(60)
        assert prices.price("BNB", "XYZ") is None
        assert exchange.watched == set()
        await trio.sleep(3_600)
        assert exchange.asked.count("symbols") == 2, "once an hour"


async def test_the_first_price_is_waited_for_but_not_for_long_and_not_again(
    exchange: ExchangeDouble, clock: MockClock
) -> None:
    async with followed(exchange) as prices:
        await prices.until_told("BNB", "NGN")
        assert prices.price("BNB", "NGN") == parse_price("200000")
        await prices.until_told("BNB", "BNB")  # it has no price in itself
    exchange.faults.failing = {"symbols"}
    async with followed(exchange) as prices:
        begun = trio.current_time()
        await prices.until_told("BNB", "NGN")
        assert trio.current_time() - begun == pytest.approx(2)
        await prices.until_told("BNB", "NGN")
        assert trio.current_time() - begun == pytest.approx(2)


async def test_an_exchange_that_is_away_is_asked_again(exchange: ExchangeDouble, clock: MockClock) -> None:
    exchange.faults.failing = {"symbols"}
    async with followed(exchange) as prices:
        prices.follow("BNB", "NGN")
        await trio.sleep(25)
        assert prices.price("BNB", "NGN") is None
        exchange.faults.failing.clear()
        await trio.sleep(11)
        assert prices.price("BNB", "NGN") == parse_price("200000")
