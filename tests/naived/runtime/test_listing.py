"""What a person asks about symbols must not use up what orders need."""

from contextlib import suppress

import pytest
import trio
from trio.testing import MockClock

from naived.ports import ExchangeError
from naived.runtime.listing import Listing, UnknownNamesError
from tests.support.exchange import ExchangeDouble


def opened() -> tuple[ExchangeDouble, Listing]:
    exchange = ExchangeDouble("ETHUSDT", "BTCUSDT")
    exchange._open()
    return exchange, Listing(exchange)


async def test_a_symbol_is_asked_for_once_a_minute(clock: MockClock) -> None:
    exchange, listing = opened()
    for _ in range(3):
        info = await listing.info("ETHUSDT")
        assert info is not None
        await listing.fees("ETHUSDT")
        assert await listing.info("NOPEUSDT") is None
    assert (exchange.asked.count("symbols"), exchange.asked.count("fees")) == (2, 1)
    await trio.sleep(61)
    await listing.info("ETHUSDT")
    assert exchange.asked.count("symbols") == 3


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
    asked = exchange.asked.count("symbols")
    assert 60 <= asked <= 70
    assert len(refused) == 1_000 - asked
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
