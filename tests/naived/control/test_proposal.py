"""Settings as proposed: percent or fraction, over the present ones, refused where they cannot work."""

from typing import Never

import pytest
import trio
from trio.testing import MockClock

from naived.control.proposal import check_size, proposed
from naived.control.protocol import ControlError
from naived.core.amount import parse_money, parse_price, parse_rate
from naived.core.strategy.settings import Settings
from naived.runtime.listing import Listing
from tests.support.exchange import ExchangeDouble

THOUSAND = parse_money("1000")


def test_what_is_given_is_laid_over_what_is_there() -> None:
    change = proposed("ETHUSDT", {"profit": "0.2%", "chunks": 3, "wait": True}, THOUSAND)
    before = Settings(chunks=5, budget=parse_money("500"), rebuy=parse_rate("0.01"))
    assert change(before) == Settings(3, parse_money("500"), before.buy_down, parse_rate("0.002"), before.rebuy)


def test_the_default_budget_is_for_those_who_never_had_one() -> None:
    change = proposed("ETHUSDT", {}, THOUSAND)
    assert change(Settings()).budget == THOUSAND
    assert change(Settings(budget=parse_money("7"))).budget == parse_money("7")
    assert proposed("ETHUSDT", {}, None)(Settings()).budget is None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"budget": "1e3"}, "not a plain decimal"),
        ({"budget": "9" * 30}, "is too large"),
        ({"budget": "0"}, "budget must be above 0"),
        ({"chunks": 1001}, "chunks must be 1 to 1000, not 1001"),
        ({"profit": "100%"}, "profit must be above 0 and below 1"),
        ({"buy_down": "-0.1"}, "not a plain decimal"),
    ],
)
def test_what_cannot_be_is_refused_with_its_range(given: dict[str, object], why: str) -> None:
    with pytest.raises(ControlError, match=why) as caught:
        proposed("ETHUSDT", given, THOUSAND)
    assert (caught.value.code.kind, caught.value.symbol) == ("invalid_params", "ETHUSDT")


async def exchange_with(last: str | None) -> ExchangeDouble:
    exchange = ExchangeDouble("ETHUSDT")
    if last is not None:
        exchange.last["ETHUSDT"] = parse_price(last)
    exchange._open()
    return exchange


async def test_the_least_budget_that_is_named_is_enough_and_the_next_smaller_is_not(clock: MockClock) -> None:
    exchange = await exchange_with("2000")
    with pytest.raises(ControlError) as caught:
        await check_size("ETHUSDT", Settings(budget=parse_money("10")), Listing(exchange), None)
    hint = caught.value.hint or ""
    least = parse_money(hint.removeprefix("the least budget for 5 chunks is ").removesuffix(" USDT"))
    await check_size("ETHUSDT", Settings(budget=least), Listing(exchange), None)
    with pytest.raises(ControlError):
        await check_size("ETHUSDT", Settings(budget=parse_money("24")), Listing(exchange), None)


async def test_the_price_that_was_seen_last_goes_before_a_question(clock: MockClock) -> None:
    exchange = await exchange_with(None)
    with pytest.raises(ControlError):
        await check_size("ETHUSDT", Settings(budget=parse_money("10")), Listing(exchange), parse_price("2000"))
    assert "last_prices" not in exchange.asked


async def test_the_price_of_a_name_that_is_not_listed_is_not_asked_for(clock: MockClock) -> None:
    exchange = await exchange_with("2000")
    assert await check_size("NOPEUSDT", Settings(budget=parse_money("10")), Listing(exchange), None) is None
    assert "last_prices" not in exchange.asked


@pytest.mark.parametrize("missing", ["symbols", "last_prices", "fees account"])
async def test_what_the_exchange_does_not_say_refuses_nothing(clock: MockClock, missing: str) -> None:
    exchange = await exchange_with("2000")
    exchange.faults.failing = set(missing.split())
    await check_size("ETHUSDT", Settings(budget=parse_money("10")), Listing(exchange), None)


async def test_without_a_price_only_what_is_too_small_at_any_price_is_refused(clock: MockClock) -> None:
    listing = Listing(await exchange_with(None))
    await check_size("ETHUSDT", Settings(budget=parse_money("25")), listing, None)
    with pytest.raises(ControlError) as caught:
        await check_size("ETHUSDT", Settings(budget=parse_money("24.99")), listing, None)
    assert caught.value.hint == "the least budget for 5 chunks is 25 USDT"


async def test_without_a_budget_there_is_nothing_to_check(clock: MockClock) -> None:
    await check_size("ETHUSDT", Settings(), Listing(await exchange_with("2000")), None)


async def test_an_exchange_that_is_too_busy_to_say_refuses_nothing_and_is_not_waited_for(clock: MockClock) -> None:
    exchange = await exchange_with("2000")

    async def never(names: object) -> Never:
        await trio.sleep_forever()

    exchange.symbols = never  # type: ignore[assignment,method-assign]
    await check_size("ETHUSDT", Settings(budget=parse_money("10")), Listing(exchange), None)
    assert trio.current_time() < 10
