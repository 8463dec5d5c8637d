"""What is asked for is durable before it is answered, once for each request."""

import pytest
import trio
from trio.testing import MockClock

from naived.core.amount import parse_money
from naived.core.strategy.settings import Status
from naived.database.journal import open_journal
from tests.support.exchange import listed
from tests.support.market import Exchange
from tests.support.runtime import World


async def test_an_answer_comes_after_the_commit_and_is_there_after_a_kill(world: World, clock: MockClock) -> None:
    async with world.naived(suspends=False) as naived:
        naived.journal.delay = 0.5
        began = trio.current_time()
        await naived.ask("start", wait=False)
        assert trio.current_time() - began >= 0.5
    async with world.naived(suspends=False) as naived:
        assert naived.symbol().desired.status is Status.ON
        await naived.ask("stop", wait=False)
    async with world.naived() as naived:
        assert naived.symbol().desired.status is Status.OFF


async def test_a_verb_that_is_given_up_stands_all_the_same(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.journal.delay = 1
        with trio.move_on_after(0.5):
            await naived.ask("stop")
        await naived.until(lambda: naived.state() == "off")
        assert naived.journal.commits[-1].desired is not None


async def test_a_verb_whose_commit_fails_says_that_the_database_is_away(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.journal.away = True
        error = (await naived.ask("stop"))["error"]
        assert (error["kind"], error["message"]) == ("database_unavailable", "the database is away")
        assert error["hint"] == "it is not certain that anything was changed; repeating it is safe"
        naived.journal.away = False
        await naived.until(lambda: naived.state() == "trading")  # the wish was not written
        assert (await naived.ask("stop"))["state"] == "off"


async def test_the_database_has_longer_for_a_request_of_many_symbols(world: World, clock: MockClock) -> None:
    names = [f"C{number}USDT" for number in range(300)]
    world.exchange.markets |= {name: Exchange(listed(name)) for name in names}
    async with world.naived() as naived:
        naived.journal.delay = 0.06  # 18 s for all: longer than a request for one symbol waits
        for method, params in (("start", {"wait": False}), ("settings", {"chunks": 7})):
            began = trio.current_time()
            document = await naived.call(method, *names, **params)
            assert [result["error"] for result in document["results"] if result["error"]] == []
            assert trio.current_time() - began > 15


async def test_a_naived_that_was_shut_out_by_a_newer_one_says_so(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        async with open_journal(world.url, threads=False):
            for verb, params in (
                ("stop", {}),  # finds out
                ("stop", {}),  # its wish is so in memory only
                ("shutdown", {}),
                ("stop", {"request_id": "one"}),
                ("start", {"chunks": 7}),
                ("settings", {"chunks": 7}),
                ("resolve", {"all": True, "action": "adopt"}),
            ):
                error = (await naived.ask(verb, **params))["error"]
                assert error["kind"] == "database_unavailable"
                assert error["message"].startswith("another naived has opened this database since")
                assert error["message"] == str(naived.symbol().failed)


async def test_a_verb_whose_commit_fails_while_it_is_awaited_is_answered(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.journal.delay = 0.5
        results: list[object] = []

        async def stop() -> None:
            results.append((await naived.ask("stop"))["error"]["kind"])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop)
            await trio.sleep(0.2)
            nursery.start_soon(stop)
            await trio.sleep(0.1)
            naived.journal.away = True
        assert results == ["database_unavailable"] * 2


@pytest.mark.parametrize(
    ("verb", "params", "within"),
    [
        ("stop", {"timeout": "2s"}, 2),
        ("stop", {"timeout": "0s"}, 1),
        ("start", {"timeout": "none", "chunks": 7}, 15),
        ("shutdown", {}, 15),
        ("settings", {"chunks": 7}, 15),
    ],
)
async def test_a_verb_is_not_held_up_by_a_database_that_hangs_and_stands_all_the_same(
    world: World, clock: MockClock, verb: str, params: dict[str, object], within: float
) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.journal.delay = 100
        begun = trio.current_time()
        result = await naived.ask(verb, **params)
        assert trio.current_time() - begun == pytest.approx(within, abs=0.1)
        assert result["error"]["kind"] == "database_unavailable"
        await trio.sleep(300)
        assert len([unit for unit in naived.journal.commits if unit.desired is not None]) > 1


async def test_two_changes_of_settings_at_once_both_count(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: naived.ask("settings", budget="900", request_id="a"))
            nursery.start_soon(lambda: naived.ask("settings", chunks=4))
        settings = naived.symbol().desired.settings
        assert (settings.chunks, settings.budget) == (4, 900 * 10**8)


async def test_a_change_of_settings_never_undoes_a_stop(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        answered = naived.journal.answered

        async def slowly(request_id: str) -> str | None:
            await trio.sleep(1)
            return await answered(request_id)

        naived.journal.answered = slowly  # type: ignore[method-assign]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: naived.ask("settings", chunks=3, request_id="a"))
            await trio.sleep(0.5)
            nursery.start_soon(lambda: naived.ask("stop"))
        assert (naived.state(), naived.symbol().desired.settings.chunks) == ("off", 3)


@pytest.mark.parametrize(
    ("first", "second"), [("stop", "stop"), ("stop", "shutdown"), ("shutdown", "stop"), ("forget", "forget")]
)
async def test_what_is_already_so_is_answered_when_it_is_durable(
    world: World, clock: MockClock, first: str, second: str
) -> None:
    params = {} if second == "forget" else {"wait": False}
    async with world.naived() as naived:
        await naived.start()
        if first == "forget":
            await naived.ask("stop")
        naived.journal.delay = 0.5
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: naived.ask(first, **params))
            await trio.sleep(0.2)
            answer = await naived.ask(second, **params)
            assert trio.current_time() - began > 0.5
        assert (answer["changed"], answer["error"]) == (False, None)
        await trio.sleep(1)
        began = trio.current_time()
        await naived.ask(second, **params)
        assert trio.current_time() == began


async def test_a_drain_is_called_over_when_its_end_is_durable(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.journal.delay = 0.5
        ended = await naived.ask("shutdown", wait=True, timeout="600ms")
        assert (ended["state"], ended["error"]["message"]) == ("stopping", "drained; not off yet")
        assert (await naived.ask("shutdown", wait=True))["message"] == "drained: off"


async def test_a_repeated_request_is_answered_the_same_and_done_once(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        first = await naived.ask("start", request_id="one")
        again = await naived.ask("start", request_id="one")
        assert (first["changed"], again["changed"]) == (True, True)
        await naived.ask("stop", request_id="two")
    async with world.naived() as naived:
        assert (await naived.ask("stop", request_id="two"))["changed"] is True
        repeated = await naived.ask("start", request_id="one", wait=False)
        assert (repeated["changed"], repeated["status"]) == (True, "off")


async def test_a_shutdown_that_drained_at_once_is_answered_the_same_when_it_is_repeated(
    world: World, clock: MockClock
) -> None:
    # The answer was lost, and asking again said that nothing had changed: the symbol was off by then.
    async with world.naived() as naived:
        await naived.start()
        assert (await naived.ask("shutdown", request_id="one", wait=True))["changed"] is True
        assert naived.state() == "off"
        assert (await naived.ask("shutdown", request_id="one"))["changed"] is True
        assert (await naived.ask("shutdown", request_id="two"))["changed"] is False
        await naived.start()
        again = await naived.ask("shutdown", request_id="one")
        assert (again["changed"], again["status"], again["message"]) == (True, "on", "trading")


async def test_a_request_that_is_repeated_while_it_is_under_way_is_done_once_and_hurts_nobody(
    world: World, clock: MockClock
) -> None:
    answers = []
    async with world.naived() as naived:
        await naived.start()

        async def ask() -> None:
            answers.append(await naived.ask("settings", budget="900", request_id="one"))

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
        assert [(each["changed"], each["state"], each["error"]) for each in answers] == [
            (True, "trading", None)
        ] * 3


async def test_a_repeated_request_that_changed_nothing_changes_nothing_later(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        assert (await naived.ask("start", request_id="one"))["changed"] is False
        await naived.ask("stop")
        assert (await naived.ask("start", request_id="one", wait=False))["changed"] is False
        assert naived.state() == "off"


async def test_an_id_that_is_used_for_another_request_is_no_repeated_request(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start(request_id="one", budget="900")
        assert (await naived.ask("settings", request_id="one", chunks=3))["changed"] is True
        assert (await naived.ask("start", request_id="one", budget="800"))["changed"] is True
        assert (await naived.ask("start", request_id="one", budget="800"))["changed"] is True
        assert naived.symbol().desired.settings.budget == parse_money("800")
        assert (await naived.ask("stop", request_id="one"))["changed"] is True
        assert naived.state() == "off"
        await naived.ask("halt", request_id="one")
        assert (await naived.ask("resume", request_id="one"))["changed"] is True


async def test_one_request_id_counts_for_each_of_its_symbols(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        document = await naived.call("start", "ETHUSDT", "BTCUSDT", request_id="one")
        assert [result["changed"] for result in document["results"]] == [True, True]
