from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
import structlog
import trio
from trio.testing import MockClock

from naived.binance.history import PAGE, PastTrade
from naived.core.amount import Price, Quantity, parse_price, parse_quantity
from naived.ports import ExchangeError, RefusedError
from naived.recorder.filler import Filler
from naived.recorder.layout import Cause, Gap, Trade
from naived.recorder.track import Track

START = 1_795_867_200_000_000


class History:
    """An exchange that is asked for trades of the past; ``failure`` is raised instead of an answer."""

    def __init__(self, known: Iterable[int]) -> None:
        self.known = sorted(known)
        self.asked: list[tuple[float, str, int]] = []
        self.connections = 0
        self.failure: ExchangeError | None = None
        self.page = PAGE

    @asynccontextmanager
    async def connection(self) -> AsyncIterator["History"]:
        await trio.lowlevel.checkpoint()
        self.connections += 1
        yield self

    async def trades(self, symbol: str, first: int) -> Sequence[PastTrade]:
        await trio.lowlevel.checkpoint()
        self.asked.append((trio.current_time(), symbol, first))
        if self.failure is not None:
            raise self.failure
        return [row(number) for number in self.known if number >= first][: self.page]


def row(number: int) -> PastTrade:
    return PastTrade(number, "2683.80000000", "0.50000000", START + number, False)


def believed(found: PastTrade) -> Trade | None:
    if found.price == "?":
        return None
    return Trade(found.id, parse_price(found.price), parse_quantity(found.quantity), found.time, False)


class World:
    """Tracks that ended at id 1, and one filler for them."""

    def __init__(self, history: History, *symbols: str) -> None:
        self.history = history
        self.written: dict[str, list[Trade | Gap]] = {symbol: [] for symbol in symbols}
        self.tracks = {symbol: Track(trade(1), self.written[symbol].append) for symbol in symbols}
        self.room = trio.Event()
        self.room.set()
        self.filler = Filler(history.connection, self.tracks, believed, self._room)  # type: ignore[arg-type]

    async def _room(self) -> None:
        await self.room.wait()

    def take(self, number: int, symbol: str = "ETHUSDT") -> None:
        self.tracks[symbol].take(trade(number))
        self.filler.look(symbol)

    def ids(self, symbol: str = "ETHUSDT") -> list[int]:
        return [each.id for each in self.written[symbol] if isinstance(each, Trade)]

    def gaps(self, symbol: str = "ETHUSDT") -> list[tuple[int, int]]:
        return [(each.from_id, each.to_id) for each in self.written[symbol] if isinstance(each, Gap)]

    async def settled(self) -> None:
        with trio.fail_after(2000):
            while any(track.asking for track in self.tracks.values()):  # noqa: ASYNC110 - on a clock that jumps
                await trio.sleep(0.1)


def trade(number: int) -> Trade:
    return Trade(number, Price(1), Quantity(1), START + number, False)


@pytest.fixture
async def start(nursery: trio.Nursery) -> AsyncIterator[Callable[..., World]]:
    def start(known: Iterable[int], *symbols: str) -> World:
        world = World(History(known), *(symbols or ("ETHUSDT",)))
        nursery.start_soon(world.filler.run)
        return world

    with structlog.testing.capture_logs():
        yield start


async def test_nothing_is_asked_while_nothing_is_missing(
    autojump_clock: MockClock, start: Callable[..., World]
) -> None:
    world = start(range(100))
    world.take(2)
    await trio.sleep(100)
    assert world.history.connections == 0


async def test_a_gap_is_filled_page_by_page_and_slowly(
    autojump_clock: MockClock, start: Callable[..., World]
) -> None:
    world = start(range(3000))
    world.take(2600)
    assert world.filler.held == 1
    await world.settled()
    assert world.ids() == list(range(2, 2601))
    assert world.gaps() == []
    assert [first for _, _, first in world.history.asked] == [2, 1002, 2002]
    moments = [moment for moment, _, _ in world.history.asked]
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(moments))
    assert world.filler.held == 0


async def test_what_the_exchange_does_not_have_is_given_up_at_once(
    autojump_clock: MockClock, start: Callable[..., World]
) -> None:
    world = start([5, 6, 10, 11])
    world.take(10)
    await world.settled()
    assert (world.ids(), world.gaps()) == ([5, 6, 10], [(2, 4), (7, 9)])
    assert len(world.history.asked) == 1


async def test_a_small_gap_does_not_wait_for_a_large_one(
    autojump_clock: MockClock, start: Callable[..., World]
) -> None:
    world = start(range(20_000), "ETHUSDT", "BTCUSDT")
    world.take(19_000)
    world.take(5, "BTCUSDT")
    with trio.fail_after(2):
        while not world.ids("BTCUSDT"):  # noqa: ASYNC110 - on a clock that jumps
            await trio.sleep(0.1)
    assert world.tracks["ETHUSDT"].asking is not None
    await world.settled()
    assert world.ids() == list(range(2, 19_001))


async def test_trades_that_the_exchange_shows_late_are_asked_for_again(
    autojump_clock: MockClock, start: Callable[..., World]
) -> None:
    world = start([2, 3])
    world.take(6)
    await trio.sleep(3)
    assert world.ids() == [2, 3]
    world.history.known = [2, 3, 4, 5, 6]
    await world.settled()
    assert (world.ids(), world.gaps()) == ([2, 3, 4, 5, 6], [])


async def test_trades_that_never_come_are_given_up(autojump_clock: MockClock, start: Callable[..., World]) -> None:
    world = start([])
    world.take(6)
    with trio.fail_after(60):
        await world.settled()
    assert (world.ids(), world.gaps()) == ([6], [(2, 5)])


async def test_an_exchange_that_refuses_is_asked_once(
    autojump_clock: MockClock, start: Callable[..., World]
) -> None:
    world = start(range(100))
    world.history.failure = RefusedError("-1121 Invalid symbol.")
    world.take(6)
    await world.settled()
    assert (world.gaps(), len(world.history.asked)) == ([(2, 5)], 1)


async def test_an_exchange_that_is_away_is_tried_again(
    autojump_clock: MockClock, start: Callable[..., World]
) -> None:
    world = start(range(100))
    world.history.failure = ExchangeError("connection lost")
    world.take(6)
    await trio.sleep(120)
    assert 8 <= world.history.connections <= 16
    assert world.tracks["ETHUSDT"].asking is not None
    world.history.failure = None
    await world.settled()
    assert (world.ids(), world.gaps()) == ([2, 3, 4, 5, 6], [])


async def test_after_ten_minutes_without_an_answer_a_gap_is_written_down(
    autojump_clock: MockClock, start: Callable[..., World]
) -> None:
    world = start(range(100))
    world.history.failure = ExchangeError("connection lost")
    began = trio.current_time()
    world.take(6)
    await world.settled()
    assert 600 <= trio.current_time() - began <= 620
    assert (world.ids(), world.gaps()) == ([6], [(2, 5)])
    assert isinstance(world.written["ETHUSDT"][0], Gap)
    assert world.written["ETHUSDT"][0].cause is Cause.NOT_RUNNING


async def test_no_page_is_asked_for_while_there_is_no_room(
    autojump_clock: MockClock, start: Callable[..., World]
) -> None:
    world = start(range(100))
    world.room = trio.Event()
    world.take(6)
    await trio.sleep(30)
    assert world.history.asked == []
    world.room.set()
    await world.settled()
    assert world.ids() == [2, 3, 4, 5, 6]


async def test_a_row_that_is_not_believed_is_a_gap(
    autojump_clock: MockClock, start: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        globals(), "row", lambda number: PastTrade(number, "?" if number == 3 else "1", "1", START, False)
    )
    world = start(range(100))
    world.take(6)
    await world.settled()
    assert (world.ids(), world.gaps()) == ([2, 4, 5, 6], [(3, 3)])


async def test_one_connection_serves_gaps_that_follow_each_other(
    autojump_clock: MockClock, start: Callable[..., World]
) -> None:
    world = start(range(100))
    for number in (6, 9, 12):
        world.take(number)
        await world.settled()
        await trio.sleep(30)
    assert world.history.connections == 1
    await trio.sleep(100)
    world.take(20)
    await world.settled()
    assert world.history.connections == 2
    assert world.ids() == list(range(2, 21))


async def test_ids_that_begin_again_leave_nothing_to_ask_for(
    autojump_clock: MockClock, start: Callable[..., World]
) -> None:
    world = start(range(100))
    world.history.failure = ExchangeError("connection lost")
    world.take(90)
    world.tracks["ETHUSDT"].take(Trade(1, Price(1), Quantity(1), START + 10**6, False))
    world.tracks["ETHUSDT"].take(Trade(2, Price(1), Quantity(1), START + 10**6, False))
    world.history.failure = None
    await trio.sleep(100)
    assert world.ids() == [90, 1, 2]
    assert world.gaps() == [(2, 89), (91, 0)]
