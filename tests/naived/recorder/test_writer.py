from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
import trio
from trio.testing import MockClock

from naived.core.amount import parse_price, parse_quantity
from naived.recorder.files import Tape
from naived.recorder.layout import DAY, Cause, Gap, Trade, read_trade, trade_line
from naived.recorder.writer import Writer
from tests.naived.recorder.test_files import files_of_at_most

SYMBOL = "ETHUSDT"
MIDNIGHT = 20_786 * DAY  # 2026-11-29
FIRST, SECOND = f"{SYMBOL}-trades-2026-11-28.csv", f"{SYMBOL}-trades-2026-11-29.csv"


def trade(number: int, time: int) -> Trade:
    return Trade(number, parse_price("2683.8"), parse_quantity("0.5"), time, True)


def ids(path: Path) -> list[int]:
    return [read_trade(line).id for line in path.read_text().splitlines()]


def writer(directory: Path) -> Writer:
    return Writer({SYMBOL: Tape(directory, SYMBOL, None)})


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(20):
        while not condition():  # noqa: ASYNC110 - what it waits for happens in a thread
            await trio.sleep(0.01)


async def test_trades_go_into_the_file_of_their_own_day(tmp_path: Path) -> None:
    made = writer(tmp_path)
    add = made.adder(SYMBOL)
    for number, time in enumerate((MIDNIGHT - 2, MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + 1), start=1):
        add(trade(number, time))
    assert made.waiting == 4
    assert await made.finish()
    assert (ids(tmp_path / FIRST), ids(tmp_path / SECOND)) == ([1, 2], [3, 4])
    assert (made.waiting, made.tally.trades, made.tally.last) == (0, 4, MIDNIGHT + 1)
    assert made.tally.size == sum((tmp_path / each).stat().st_size for each in (FIRST, SECOND))


async def test_a_day_never_goes_back(tmp_path: Path) -> None:
    made = writer(tmp_path)
    add = made.adder(SYMBOL)
    for number, time in enumerate((MIDNIGHT, MIDNIGHT - 1), start=1):
        add(trade(number, time))
    await made.flush(sync=False)
    add(trade(3, MIDNIGHT - 1))
    assert await made.finish()
    assert ids(tmp_path / SECOND) == [1, 2, 3]
    assert not (tmp_path / FIRST).exists()


async def test_what_is_given_is_written_at_once_and_durable_within_a_second(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    tape = Tape(tmp_path, SYMBOL, None)
    made = Writer({SYMBOL: tape})
    nursery.start_soon(made.run)
    made.adder(SYMBOL)(trade(1, MIDNIGHT))
    await until(lambda: made.tally.trades)
    assert (tmp_path / SECOND).read_text() == trade_line(trade(1, MIDNIGHT))
    made.adder(SYMBOL)(trade(2, MIDNIGHT))
    await until(lambda: made.tally.trades == 2 and not tape.unsynced)


async def test_a_gap_is_told_and_stands_between_the_trades_round_it(tmp_path: Path) -> None:
    made = writer(tmp_path)
    add = made.adder(SYMBOL)
    with structlog.testing.capture_logs() as records:
        add(trade(1, MIDNIGHT))
        add(Gap(2, 4, MIDNIGHT, MIDNIGHT + 1, Cause.CONNECTION))
        add(trade(5, MIDNIGHT + 1))
    assert made.waiting == 2
    assert await made.finish()
    assert made.tally.gaps == 1
    (record,) = records
    assert (record["log_level"], record["first"], record["last"], record["why"]) == (
        "warning",
        2,
        4,
        "connection lost",
    )
    assert record["since"] == "2026-11-29T00:00:00.000Z"


async def test_a_full_disk_is_told_once_and_nothing_is_lost(tmp_path: Path, nursery: trio.Nursery) -> None:
    made = writer(tmp_path)
    add = made.adder(SYMBOL)
    add(trade(1, MIDNIGHT))
    await made.flush(sync=True)
    with structlog.testing.capture_logs() as records:
        with files_of_at_most((tmp_path / SECOND).stat().st_size + 10):
            add(trade(2, MIDNIGHT))
            await made.flush(sync=False)
            add(trade(3, MIDNIGHT))
            await made.flush(sync=False)
            assert made.trouble == f"{SYMBOL}: File too large"
            assert (made.waiting, ids(tmp_path / SECOND)) == (2, [1])
        nursery.start_soon(made.run)
        await made.below(0)
    assert ids(tmp_path / SECOND) == [1, 2, 3]
    assert [each["log_level"] for each in records] == ["error", "info"]


async def test_one_symbol_that_cannot_be_written_does_not_hold_up_another(tmp_path: Path) -> None:
    (tmp_path / "BTCUSDT-trades-2026-11-29.csv").mkdir()
    made = Writer({each: Tape(tmp_path, each, None) for each in ("BTCUSDT", SYMBOL)})
    for each in ("BTCUSDT", SYMBOL):
        made.adder(each)(trade(1, MIDNIGHT))
    with structlog.testing.capture_logs():
        assert not await made.finish()
    assert ids(tmp_path / SECOND) == [1]
    assert made.waiting == 1


async def test_a_cancelled_writer_has_lost_nothing(tmp_path: Path) -> None:
    made = writer(tmp_path)
    add = made.adder(SYMBOL)
    for number in range(1, 200):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.run)
            add(trade(number, MIDNIGHT))
            await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    assert await made.finish()
    assert ids(tmp_path / SECOND) == list(range(1, 200))


@pytest.mark.parametrize("waiting", [3, 4])
async def test_who_gives_more_can_wait_for_room(autojump_clock: MockClock, tmp_path: Path, waiting: int) -> None:
    made = writer(tmp_path)
    for number in range(waiting):
        made.adder(SYMBOL)(trade(number, MIDNIGHT))
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(5) as scope:
            await made.below(3)
        assert scope.cancelled_caught == (waiting == 4)
        nursery.start_soon(made.below, 0)
        await made.flush(sync=False)
