"""The recording of a real simulator over real sockets, with the simulator's clock in the test's hand."""

import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
import trio.testing

from naived.core.amount import parse_price, parse_quantity
from naived.process.config import ConfigError, Venue
from naived.recorder import run as run_module
from naived.recorder.layout import DAY, Cause, Gap, Trade, day_of, read_gap, read_trade, trade_line, trades_name
from naived.recorder.run import RecordConfig, UnlistedError, record
from naived.simulator.server import Simulation, SimulatorConfig, simulate
from naived.websocket import WebSocket, connect
from tests.support.simulator import api

SYMBOL = "ETHUSDT"
MIDNIGHT = 20_786 * DAY  # 2026-11-29, microseconds
PATIENCE = 30  # seconds for anything here


class Exchange:
    """A simulator that may close and open again at its address; ``now`` is its clock (ms)."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.now = MIDNIGHT // 1000 - 2
        self._nursery = nursery
        self._scope = trio.CancelScope()
        self._port = 0
        self._over = trio.Event()
        self._simulation: Simulation
        self._streams: list[WebSocket] = []

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port}"

    async def open(self) -> None:
        self._simulation = await self._nursery.start(self._run)
        self._port = int(self._simulation.url.rpartition(":")[2])

    async def _run(self, task_status: trio.TaskStatus[Simulation]) -> None:
        self._over = trio.Event()
        config = SimulatorConfig(fed=True)
        with trio.CancelScope() as self._scope:
            await simulate(config, port=self._port, clock=lambda: self.now, task_status=task_status)
        self._over.set()

    async def close(self) -> None:
        self._scope.cancel()
        await self._over.wait()

    def publish(self, *prices: int) -> None:
        for price in prices:
            self._simulation.publish(SYMBOL, parse_price(str(price)), parse_quantity("0.5"))

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[WebSocket]:
        """What a recording connects with."""
        async with connect(url) as socket:
            if "/stream" in url:
                self._streams.append(socket)
            yield socket

    async def cut(self) -> None:
        """Close the newest connection to the streams."""
        await self._streams[-1].aclose()

    async def do(self, method: str, **params: Any) -> None:
        async with api(self._simulation) as client:
            await client.get(method, **params)


@pytest.fixture
async def exchange(nursery: trio.Nursery) -> Exchange:
    exchange = Exchange(nursery)
    await exchange.open()
    return exchange


@pytest.fixture
def records() -> Any:
    with structlog.testing.capture_logs() as records:
        yield records


def config(exchange: Exchange, directory: Path, *symbols: str) -> RecordConfig:
    return RecordConfig(symbols or (SYMBOL,), directory, Venue.SIMULATOR, exchange.url, "json", "info")


def trades(directory: Path, day: int = 0) -> list[Trade]:
    """What is in the file of a day; 0 is that which begins at MIDNIGHT."""
    path = directory / trades_name(SYMBOL, day_of(MIDNIGHT) + day)
    return [read_trade(line) for line in path.read_text().splitlines(keepends=True)] if path.exists() else []


def files(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def ids(directory: Path, day: int = 0) -> list[int]:
    return [each.id for each in trades(directory, day)]


def gaps(directory: Path) -> list[tuple[int, int, Cause]]:
    path = directory / f"{SYMBOL}-gaps.csv"
    lines = path.read_text().splitlines(keepends=True)[1:] if path.exists() else []
    found = [read_gap(line) for line in lines]
    return [(each.from_id, each.to_id, each.cause) for each in found if isinstance(each, Gap)]


async def until(look: Callable[[], object]) -> None:
    with trio.fail_after(PATIENCE):
        while not look():  # noqa: ASYNC110 - it waits for files
            await trio.sleep(0.01)


@asynccontextmanager
async def recording(exchange: Exchange, directory: Path, code: int = 0) -> AsyncIterator[None]:
    """Record until the block ends; then all is written."""
    ended, codes = trio.Event(), []

    async def run() -> None:
        wanted = config(exchange, directory)
        codes.append(await record(wanted, ended, exchange.connect, now=lambda: exchange.now * 1000))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        yield
        ended.set()
    assert codes == [code]


async def heard(exchange: Exchange, directory: Path) -> None:
    """Publish trades until one is written: then the stream is subscribed."""

    def look() -> bool:
        exchange.publish(2000)
        return bool(ids(directory, -1) + ids(directory))

    await until(look)


async def test_a_day_ends_at_midnight_of_the_trades_own_clock(exchange: Exchange, tmp_path: Path) -> None:
    async with recording(exchange, tmp_path):
        await heard(exchange, tmp_path)
        last = MIDNIGHT // 1000 - 1
        exchange.now = last
        exchange.publish(2001)
        exchange.now += 1
        exchange.publish(2002, 2003)
        await until(lambda: len(ids(tmp_path)) == 2)
    before, after = trades(tmp_path, -1), trades(tmp_path)
    assert (before[-1].time, before[-1].price) == (last * 1000, parse_price("2001"))
    assert [each.time for each in after] == [MIDNIGHT, MIDNIGHT]
    numbers = [each.id for each in before + after]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert gaps(tmp_path) == []


async def test_a_lost_connection_costs_nothing_that_the_exchange_still_gives(
    exchange: Exchange, tmp_path: Path, records: list[Any]
) -> None:
    async with recording(exchange, tmp_path):
        await heard(exchange, tmp_path)
        await exchange.cut()
        await until(lambda: any(each["event"] == "connection ends" for each in records))
        count = len(ids(tmp_path, -1))
        exchange.publish(*range(2000, 2050))

        def look() -> bool:
            exchange.publish(3000)
            return len(ids(tmp_path, -1)) > count + 50

        await until(look)
    numbers = ids(tmp_path, -1)
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert gaps(tmp_path) == []
    assert [each["why"] for each in records if each["event"] == "a gap is closed"] == ["connection lost"]


async def test_what_happened_between_two_runs_is_asked_for(exchange: Exchange, tmp_path: Path) -> None:
    async with recording(exchange, tmp_path):
        await heard(exchange, tmp_path)
    first = ids(tmp_path, -1)
    exchange.publish(*range(2000, 2100))
    async with recording(exchange, tmp_path):

        def look() -> bool:
            exchange.publish(3000)
            return len(ids(tmp_path, -1)) > len(first) + 100

        await until(look)
    numbers = ids(tmp_path, -1)
    assert numbers[: len(first)] == first
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert gaps(tmp_path) == []


async def test_what_the_exchange_does_not_give_any_more_is_written_down(
    exchange: Exchange, tmp_path: Path, records: list[Any]
) -> None:
    (tmp_path / trades_name(SYMBOL, day_of(MIDNIGHT) - 1)).write_text(
        trade_line(Trade(7, parse_price("2000"), parse_quantity("1"), MIDNIGHT - 10**7, True))
    )
    exchange.publish(*[2000] * 2500)  # it keeps 2000
    async with recording(exchange, tmp_path):

        def look() -> bool:
            exchange.publish(3000)
            return len(ids(tmp_path, -1)) > 1

        await until(look)
    (gap,) = gaps(tmp_path)
    numbers = ids(tmp_path, -1)
    assert gap == (8, numbers[1] - 1, Cause.NOT_RUNNING)
    assert numbers[1:] == list(range(numbers[1], numbers[-1] + 1))
    (told,) = [each for each in records if each["event"] == "trades are missing"]
    assert (told["log_level"], told["first"], told["why"]) == ("warning", 8, "not running")


async def test_an_exchange_whose_ids_begin_again_is_followed_into_a_new_file(
    exchange: Exchange, tmp_path: Path
) -> None:
    async with recording(exchange, tmp_path):
        exchange.publish(*[2000] * 500)
        await heard(exchange, tmp_path)
    (last,) = ids(tmp_path, -1)[-1:]
    await exchange.close()
    exchange.now += 1
    await exchange.open()
    async with recording(exchange, tmp_path):

        def look() -> bool:
            exchange.publish(3000)
            return bool(list(tmp_path.glob("*.until-*.csv")) and ids(tmp_path, -1))

        await until(look)
    assert (tmp_path / f"{SYMBOL}-trades-2026-11-28.until-{last}.csv").exists()
    assert ids(tmp_path, -1)[0] < last
    assert [cause for _, _, cause in gaps(tmp_path)] == [Cause.RESTART]


async def test_an_exchange_that_is_away_is_waited_for_and_told(
    exchange: Exchange, tmp_path: Path, records: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "_FIRST_PAUSE", 0.01)
    await exchange.close()
    async with recording(exchange, tmp_path):
        await until(lambda: len([each for each in records if each["event"] == "waiting for the exchange"]) > 2)
        await exchange.open()
        await heard(exchange, tmp_path)


async def test_the_end_may_come_while_it_is_waited_for(exchange: Exchange, tmp_path: Path) -> None:
    await exchange.close()
    async with recording(exchange, tmp_path):
        pass
    assert files(tmp_path) == []


async def test_the_end_waits_for_a_disk_that_is_busy(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, free = threading.Event(), threading.Event()
    syncing, most = 0, 0

    def sync(descriptor: int) -> None:
        nonlocal syncing, most
        syncing += 1
        most = max(most, syncing)
        busy.set()
        assert free.wait(PATIENCE)
        syncing -= 1

    async with recording(exchange, tmp_path):
        await heard(exchange, tmp_path)
        monkeypatch.setattr(os, "fsync", sync)

        def look() -> bool:
            exchange.publish(2000)
            return busy.is_set()

        await until(look)
        exchange.publish(2001)
        await trio.testing.wait_all_tasks_blocked(0.05)
        trio.lowlevel.spawn_system_task(_after_all, free.set)
    assert trades(tmp_path, -1)[-1].price == parse_price("2001")
    assert most == 1


async def _after_all(then: Callable[[], None]) -> None:
    await trio.testing.wait_all_tasks_blocked(0.05)
    then()


async def recorded(exchange: Exchange, directory: Path, *symbols: str) -> int:
    """Record until it ends by itself."""
    with trio.fail_after(PATIENCE):
        return await record(config(exchange, directory, *symbols), trio.Event(), now=lambda: exchange.now * 1000)


async def raised(ask: Callable[[], Awaitable[int]]) -> ConfigError:
    """What it ends with, out of the groups that nurseries make."""
    try:
        await ask()
    except ExceptionGroup as group:
        found: BaseException = group
        while isinstance(found, BaseExceptionGroup):
            (found,) = found.exceptions
        assert isinstance(found, ConfigError)
        return found
    except ConfigError as error:
        return error
    raise AssertionError("it ended well")


async def test_a_symbol_that_was_never_recorded_and_is_not_listed_is_a_usage_error(
    exchange: Exchange, tmp_path: Path
) -> None:
    error = await raised(partial(recorded, exchange, tmp_path, SYMBOL, "NOSUCHUSDT"))
    assert isinstance(error, UnlistedError)
    assert (error.exit_code, str(error)) == (2, "the exchange simulator does not list NOSUCHUSDT")
    assert files(tmp_path) == []


async def test_a_delisted_symbol_is_told_and_the_others_are_recorded(
    exchange: Exchange, tmp_path: Path, records: list[Any]
) -> None:
    (tmp_path / "BTCUSDT-trades-2026-11-20.csv").touch()
    await exchange.do("sim.delist", symbol="BTCUSDT")
    ended = trio.Event()
    async with trio.open_nursery() as nursery:
        wanted = config(exchange, tmp_path, SYMBOL, "BTCUSDT")
        nursery.start_soon(partial(record, wanted, ended, now=lambda: exchange.now * 1000))
        await heard(exchange, tmp_path)
        ended.set()
    assert [(each["log_level"], each["symbol"]) for each in records if "any more" in each["event"]] == [
        ("error", "BTCUSDT")
    ]
    error = await raised(partial(recorded, exchange, tmp_path, "BTCUSDT"))
    assert "BTCUSDT no more" in str(error)


async def test_a_market_that_closes_or_is_delisted_later_is_told(
    exchange: Exchange, tmp_path: Path, records: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "_LOOK_EVERY", 0.02)
    changes = []

    def look() -> bool:
        changes[:] = [each["status"] for each in records if each["event"] == "the status of a symbol changed"]
        return len(changes) == 2

    async with recording(exchange, tmp_path):
        await heard(exchange, tmp_path)
        await exchange.do("sim.rules", symbol=SYMBOL, status="BREAK")
        await until(lambda: look() or changes)
        await exchange.do("sim.delist", symbol=SYMBOL)
        await until(look)
    assert changes == ["BREAK", "delisted"]


async def test_a_recording_of_the_future_is_refused(exchange: Exchange, tmp_path: Path) -> None:
    (tmp_path / trades_name(SYMBOL, day_of(MIDNIGHT) + 9)).write_text(
        trade_line(Trade(7, parse_price("2000"), parse_quantity("1"), MIDNIGHT + 9 * DAY, True))
    )
    error = await raised(partial(recorded, exchange, tmp_path))
    assert "2026-12-08T00:00:00.000Z, which is not yet" in str(error)


async def test_a_file_that_is_no_recording_is_refused(exchange: Exchange, tmp_path: Path) -> None:
    (tmp_path / trades_name(SYMBOL, day_of(MIDNIGHT))).write_text("id,price\n")
    error = await raised(partial(recorded, exchange, tmp_path))
    assert (error.exit_code, "does not end with a trade" in str(error)) == (78, True)
