"""An entry of ``status`` is made when its symbol changed, and is always what it would be if it were made now."""

import json
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from naived.control import answers
from tests.support.exchange import ExchangeDouble
from tests.support.runtime import Naived, World

PLENTY = [f"S{number:03}USDT" for number in range(100)]


async def entries(naived: Naived) -> list[dict[str, object]]:
    """As they are told, compared with what they would be without a memory."""
    told: list[dict[str, object]] = (await naived.call("status"))["symbols"]
    symbols = [naived.symbol(name) for name in sorted(naived.supervisor.symbols)]
    own = [{name: entry[name] for name in entry.keys() - {"node", "as_of"}} for entry in told]
    assert own == [json.loads(json.dumps(answers.symbol(symbol))) for symbol in symbols]
    return own


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the symbols whose entries were made, in order."""
    names: list[str] = []
    real = answers.symbol

    def counted(value):  # type: ignore[no-untyped-def]
        names.append(value.name)
        return real(value)

    monkeypatch.setattr("naived.control.statuses.answers.symbol", counted)
    return names


async def test_an_entry_follows_whatever_happens_to_its_symbol(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        seen = [await entries(naived)]
        for price in ("2000", "1990", "1980", "2100", "2100.01"):
            await naived.trade(price)
            seen.append(await entries(naived))
        world.exchange.go_away("no route to host")
        seen.append(await entries(naived))
        world.exchange.come_back()
        naived.journal.hanging = "the database does not answer"
        seen.append(await entries(naived))
        naived.journal.hanging = None
        await naived.call("settings", "ETHUSDT", budget="700")
        seen.append(await entries(naived))
        await naived.call("stop", "ETHUSDT")
        seen.append(await entries(naived))
        assert all(before != after for before, after in pairwise(seen))


async def test_only_what_changed_is_made_again(world: World, clock: MockClock, made: list[str]) -> None:
    world.exchange = ExchangeDouble(*PLENTY)
    async with world.naived() as naived:
        await naived.start(*PLENTY)
        await naived.call("status")
        made.clear()
        await naived.call("status")
        assert made == []
        await naived.trade("2000", symbol=PLENTY[7])  # a first buy
        await naived.call("status")
        assert made == [PLENTY[7]]
        made.clear()
        await naived.trade("2000.01", symbol=PLENTY[7])  # inside the band: only its price is another
        (entry,) = (await naived.call("status", PLENTY[7]))["symbols"]
        assert (entry["last_price"], made) == ("2000.01", [])


async def test_a_symbol_that_is_configured_meanwhile_does_not_confuse_the_others(
    world: World, clock: MockClock
) -> None:
    names = ["AAAUSDT", *PLENTY]
    world.exchange = ExchangeDouble(*names)
    told: list[str] = []

    async with world.naived() as naived, trio.open_nursery() as nursery:
        await naived.start(*PLENTY)

        async def ask() -> None:
            told.extend(entry["symbol"] for entry in (await naived.call("status", *names))["symbols"])

        nursery.start_soon(ask)
        await trio.lowlevel.checkpoint()
        naived.supervisor.configure(names[0])
    assert told == names
