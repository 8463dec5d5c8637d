"""Which nodes live is judged by what was seen of them, not by the database's clock."""

from typing import Any

import pytest
from msgspec.structs import replace

from naived.nodes import NodeInfo, View
from naived.ports import JournalError
from naived.runtime.heartbeats import Heartbeats

LEASE = 30_000  # ms
AHEAD = 600_000  # ms by which the database's clock is set


class Looked:
    """A ``Cluster`` with the node beta, which has 2 of 3 symbols; the third is free. ``time`` is in s."""

    def __init__(self) -> None:
        self.time = 1_000.0
        self.beta = NodeInfo("beta", True, False, 2, 0, LEASE, "0.1.0")
        self.away = False
        self.took = 0.0  # seconds that a look takes
        both: Any = self
        self.heartbeats = Heartbeats(both, lambda: self.time)

    async def look(self) -> View:
        self.time += self.took
        if self.away:
            raise JournalError("away")
        return View({"beta": self.beta}, 3, 1)

    def beats(self, at: int) -> None:
        self.beta = replace(self.beta, heartbeat=at, until=at + LEASE)

    async def after(self, seconds: float) -> tuple[bool, int, int]:
        """Looked at each second: is it live, how many symbols has it, and how many are free?"""
        until = self.time + seconds
        while self.time < until - 1:
            await self.now(1)
        return await self.now(until - self.time)

    async def now(self, seconds: float) -> tuple[bool, int, int]:
        """The same without a look for so long."""
        self.time += seconds
        view = await self.heartbeats.look()
        return view.nodes["beta"].live, view.nodes["beta"].symbols, view.free

    async def out(self, seconds: float) -> None:
        """The database is away for so long, looked at all the same."""
        self.away, until = True, self.time + seconds
        while self.time < until:
            with pytest.raises(JournalError):
                await self.now(1)
        self.away = False


LIVE, GONE = (True, 2, 1), (False, 0, 3)


@pytest.fixture
def looked() -> Looked:
    return Looked()


async def test_a_heartbeat_that_stands_still_for_a_lease_is_no_life_whatever_the_databases_clock_says(
    looked: Looked,
) -> None:
    assert await looked.after(0) == LIVE
    looked.beats(AHEAD)  # and then the clock is set back, so that its lease seems to last
    for seconds in (1, 10, 10, 9.9):
        assert await looked.after(seconds) == LIVE
    assert await looked.after(0.1) == GONE
    assert await looked.after(3_600) == GONE
    looked.beats(AHEAD + 1)
    assert await looked.after(1) == LIVE


async def test_a_node_that_is_gone_before_the_databases_clock_is_set_back_does_not_live_again(
    looked: Looked,
) -> None:
    looked.beta = replace(looked.beta, live=False)
    assert await looked.after(0) == GONE
    assert await looked.after(30) == GONE
    looked.beta = replace(looked.beta, live=True)
    assert await looked.after(1) == GONE


async def test_a_node_that_beats_lives_also_where_the_databases_clock_is_set_ahead(looked: Looked) -> None:
    assert await looked.after(0) == LIVE
    looked.beats(10_000)
    looked.beta = replace(looked.beta, live=False)
    assert await looked.after(1) == LIVE
    assert await looked.after(29) == LIVE
    assert await looked.after(1) == GONE


async def test_of_a_node_that_was_seen_for_less_than_a_lease_the_databases_clock_decides(looked: Looked) -> None:
    assert await looked.after(0) == LIVE
    looked.beta = replace(looked.beta, live=False)
    assert await looked.after(1) == GONE


async def test_a_look_that_takes_long_does_not_count_against_a_node(looked: Looked) -> None:
    assert await looked.after(0) == LIVE
    assert await looked.after(20) == LIVE
    looked.took = 60
    assert await looked.after(0) == LIVE
    looked.took = 0
    assert await looked.after(9.9) == LIVE


async def test_an_outage_of_the_database_does_not_count_against_a_node(looked: Looked) -> None:
    assert await looked.after(0) == LIVE
    looked.beats(10_000)
    looked.beta = replace(looked.beta, live=False)  # its lease is long over when the database is back
    assert await looked.after(9) == LIVE
    await looked.out(40)
    assert await looked.now(1) == LIVE
    assert await looked.after(20) == LIVE
    looked.beats(80_000)
    assert await looked.after(20) == LIVE


async def test_a_node_that_died_in_an_outage_is_gone_within_a_lease_of_the_first_look(looked: Looked) -> None:
    assert await looked.after(0) == LIVE
    looked.beats(10_000)
    looked.beta = replace(looked.beta, live=False)
    assert await looked.after(9) == LIVE
    await looked.out(40)
    assert await looked.now(1) == LIVE
    assert await looked.after(21) == LIVE
    assert await looked.after(1) == GONE


async def test_a_look_that_fails_now_and_then_keeps_no_dead_node_alive(looked: Looked) -> None:
    assert await looked.after(0) == LIVE
    for _ in range(7):
        assert await looked.after(5) == LIVE
        await looked.out(1)
    assert await looked.after(5) == GONE


@pytest.mark.parametrize("hung", [False, True])  # or between two looks
async def test_the_time_for_which_this_process_is_stopped_does_not_count_against_a_node(
    looked: Looked, hung: bool
) -> None:
    assert await looked.after(0) == LIVE
    assert await looked.after(20) == LIVE
    looked.took = 60 if hung else 0
    assert await looked.now(0 if hung else 60) == LIVE
    looked.took = 0
    assert await looked.after(9.5) == LIVE
    assert await looked.after(1) == GONE


async def test_a_look_that_began_before_another_one_counts_no_time_twice(looked: Looked) -> None:
    assert await looked.after(0) == LIVE
    look = looked.look

    async def overtaken() -> View:
        looked.look = look  # type: ignore[method-assign]
        await looked.now(1)
        return await look()

    for _ in range(14):
        looked.look = overtaken  # type: ignore[method-assign]
        assert await looked.now(1) == LIVE
    assert looked.heartbeats.counted == 28


async def test_a_node_that_was_not_looked_at_for_long_and_beat_meanwhile_lives(looked: Looked) -> None:
    assert await looked.after(0) == LIVE
    looked.beats(3_600_000)
    assert await looked.now(3_600) == LIVE


@pytest.mark.parametrize("beats", [False, True])  # whether or not its heartbeat was seen to change
async def test_a_node_that_left_or_has_not_renewed_yet_is_gone_at_once(looked: Looked, beats: bool) -> None:
    assert await looked.after(0) == LIVE
    if beats:
        looked.beats(10_000)
        assert await looked.after(10) == LIVE
    looked.beta = replace(looked.beta, until=looked.beta.heartbeat)
    assert await looked.after(1) == GONE
