"""What a person asks about symbols must not use up what orders need."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import pytest
import trio
from trio.testing import MockClock

from naived.core.market import SymbolInfo
from naived.core.strategy.formulas import Fees
from naived.ports import ExchangeError, RefusedError
from naived.runtime.listing import Listing, UnknownNamesError
from tests.support.exchange import ExchangeDouble
from tests.support.market import TENTH


def opened() -> tuple[ExchangeDouble, Listing]:
    exchange = ExchangeDouble("ETHUSDT", "BTCUSDT")
    exchange._open()
    return exchange, Listing(exchange)


async def test_a_symbol_is_asked_for_once_a_minute(clock: MockClock) -> None:
    exchange, listing = opened()
    for _ in range(3):
        info = await listing.info("ETHUSDT")
        assert info is not None
        assert await listing.fees("ETHUSDT") == Fees(TENTH, TENTH)
        assert await listing.info("NOPEUSDT") is None
    assert (exchange.asked.count("symbols"), exchange.asked.count("fees")) == (2, 1)
    await trio.sleep(61)
    await listing.info("ETHUSDT")
    assert exchange.asked.count("symbols") == 3


async def test_fees_of_many_symbols_and_fees_that_are_not_told_are_those_of_the_account(clock: MockClock) -> None:
    exchange, listing = opened()
    for number in range(100):
        assert await listing.fees(f"Q{number}") == Fees(TENTH, TENTH)
    assert (exchange.asked.count("fees"), exchange.asked.count("account")) == (5, 1)
    await trio.sleep(61)
    exchange.faults.failing = {"fees"}
    assert await listing.fees("ETHUSDT") == Fees(TENTH, TENTH)
    assert (exchange.asked.count("fees"), exchange.asked.count("account")) == (6, 2)


async def test_a_question_that_failed_is_asked_again(clock: MockClock) -> None:
    exchange, listing = opened()
    exchange.faults.failing = {"symbols"}
    with pytest.raises(ExchangeError):
        await listing.info("ETHUSDT")
    exchange.faults.failing = set()
    assert await listing.info("ETHUSDT") is not None


async def test_a_thousand_unknown_names_cost_the_exchange_few_questions(clock: MockClock) -> None:
    exchange, listing = opened()
    refused = []

    async def ask(name: str) -> None:
        try:
            assert await listing.info(name) is None
        except UnknownNamesError:
            refused.append(name)

    async with trio.open_nursery() as nursery:
        for number in range(1_000):
            nursery.start_soon(ask, f"Q{number}")
    assert exchange.asked.count("symbols") == 1  # they asked together
    assert refused == []
    with pytest.raises(UnknownNamesError):
        await listing.info("BTCUSDT")  # nobody can tell it from a typing error
    await trio.sleep(61)
    assert await listing.info("BTCUSDT") is not None


async def test_what_is_known_is_told_however_many_are_not(clock: MockClock) -> None:
    _, listing = opened()
    await listing.info("ETHUSDT")
    for number in range(60):
        await listing.info(f"Q{number}")
    await trio.sleep(55)  # of ETHUSDT only that it was listed is remembered by now
    for number in range(60, 120):
        with suppress(UnknownNamesError):
            await listing.info(f"Q{number}")
    await trio.sleep(10)
    assert await listing.info("ETHUSDT") is not None


async def test_rules_that_cannot_be_read_are_not_remembered_as_not_listed(clock: MockClock) -> None:
    exchange, listing = opened()
    asked = exchange.symbols

    async def unreadable(names: Sequence[str]) -> Mapping[str, SymbolInfo | RefusedError]:
        return {name: RefusedError("unreadable") for name in names}

    exchange.symbols = unreadable  # type: ignore[method-assign]
    with pytest.raises(RefusedError):
        await listing.info("ETHUSDT")
    exchange.symbols = asked  # type: ignore[method-assign]
    assert await listing.info("ETHUSDT") is not None
