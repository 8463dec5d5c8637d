"""Each change of state is an event, once; what is away is one event, however many symbols it stops."""

import trio
from trio.testing import MockClock

from naived.core.engine import Blocked, BlockedBy
from naived.ports import Remarks
from tests.support.exchange import ExchangeDouble
from tests.support.runtime import Naived, World

LOOK = 1.5  # seconds: more than one look


def told(naived: Naived, *kinds: str) -> list[tuple[str | None, str]]:
    return [(event["symbol"], event["message"]) for event in naived.events.after(0, 1000) if event["kind"] in kinds]


async def test_a_symbol_that_changes_its_state_says_so_with_the_reason(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await trio.sleep(LOOK)
        naived.symbol().offer(Blocked(BlockedBy.COINS, "coins are missing"))
        await trio.sleep(LOOK)
        naived.symbol().offer(Blocked(BlockedBy.COINS, None))
        await trio.sleep(LOOK)
        await naived.ask("stop")
        await trio.sleep(LOOK)
        states = ["quarantined: coins are missing", "trading", "off"]
        assert told(naived, "state") == [("ETHUSDT", state) for state in states]
        written = (await naived.call("events"))["events"]
        assert [event["message"] for event in written if event["kind"] == "state"] == states


async def test_an_exchange_that_goes_away_is_one_event_for_all_symbols(world: World, clock: MockClock) -> None:
    world.exchange = ExchangeDouble("ETHUSDT", "BTCUSDT")
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await trio.sleep(LOOK)
        before = len(told(naived, "state"))
        world.exchange.go_away("no route to host")
        await trio.sleep(LOOK)
        world.exchange.come_back()
        await trio.sleep(2 * LOOK)
        expected = [(None, "away: no route to host"), (None, "answers again, and takes orders")]
        assert told(naived, "exchange")[-2:] == expected
        assert len(told(naived, "state")) == before


async def test_a_limit_of_the_exchange_is_told_when_it_begins_and_ends(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await trio.sleep(LOOK)
        world.exchange.remarked = Remarks(limited="too many requests: none until 12:00")
        await trio.sleep(LOOK)
        world.exchange.remarked = Remarks()
        await trio.sleep(LOOK)
        assert [message for _, message in told(naived, "exchange")][-2:] == [
            "too many requests: none until 12:00",
            "answers again, and takes orders",
        ]


async def test_what_happened_while_the_database_was_away_is_told_when_it_is_back(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await trio.sleep(LOOK)
        naived.journal.away, naived.journal.hanging = True, "the database hangs"
        await trio.sleep(LOOK)
        assert told(naived, "database") == []
        naived.journal.away, naived.journal.hanging = False, None
        await trio.sleep(LOOK)
        assert told(naived, "database") == [(None, "the database hangs"), (None, "answers again")]


async def test_a_wrong_clock_of_this_machine_is_told_once_and_when_it_is_right(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        world.exchange.remarked = Remarks(clock="this machine's clock is 3600 s ahead")
        for _ in range(3):
            await trio.sleep(2)
            assert naived.service.reason == "this machine's clock is 3600 s ahead"
        world.exchange.remarked = Remarks()
        await trio.sleep(2)
        assert naived.service.reason is None
        right = "this machine's clock is right again"
        assert told(naived, "clock") == [(None, "this machine's clock is 3600 s ahead"), (None, right)]


async def test_streams_that_are_away_are_one_event_for_all_symbols(world: World, clock: MockClock) -> None:
    world.exchange = ExchangeDouble("ETHUSDT", "BTCUSDT")
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await trio.sleep(LOOK)
        session = naived.service.session
        for _ in range(2):
            for name in ("ETHUSDT", "BTCUSDT"):
                session.lost(name, "no route to host")
            await trio.sleep(10)
            assert naived.state() == naived.state("BTCUSDT") == "degraded"
            session.lost("ETHUSDT", None)
            await trio.sleep(2 * LOOK)
            session.lost("BTCUSDT", None)
            await trio.sleep(2 * LOOK)
        away = (None, "public trades of 2 symbols do not come: no route to host")
        assert told(naived, "exchange") == [away, (None, "public trades come again")] * 2
        assert told(naived, "state") == []
