from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from naived.binance.codec import WholeTrade
from naived.binance.refusals import Refusals
from naived.core.amount import parse_price, parse_quantity
from naived.recorder.files import Found
from naived.recorder.layout import DAY, Cause, Trade, trades_name
from naived.recorder.recording import Recording
from tests.naived.recorder.test_files import files_of_at_most

NOW = 1_795_867_200_000_000
SYMBOL = "ETHUSDT"


@asynccontextmanager
async def never() -> AsyncIterator[Any]:
    raise AssertionError("nobody asks")
    yield


def recording(directory: Path, most: int = 100, found: Mapping[str, Found] | None = None) -> Recording:
    found = found or {SYMBOL: Found(None, known=False)}
    return Recording(directory, found, never, Refusals(lambda: NOW // 1000), lambda: NOW, most)


def tell(made: Recording, number: int, quantity: str = "0.5") -> None:
    made.trade(WholeTrade(SYMBOL, number, "2683.8", quantity, NOW + number, True), parse_price("2683.8"))


def ids(directory: Path) -> list[int]:
    text = (directory / trades_name(SYMBOL, NOW // DAY)).read_text()
    return [int(line.partition(",")[0]) for line in text.splitlines()]


async def test_what_the_stream_tells_is_written(tmp_path: Path) -> None:
    made = recording(tmp_path)
    for number in (5, 6, 6, 7):
        tell(made, number)
    assert await made.writer.finish()
    assert ids(tmp_path) == [5, 6, 7]
    assert (made.doubles, made.dropped, made.waiting) == (1, 0, 0)


async def test_a_slow_disk_is_a_counted_gap_and_the_oldest_trades_are_kept(tmp_path: Path) -> None:
    made = recording(tmp_path, most=3)
    with structlog.testing.capture_logs() as records, files_of_at_most(10):
        for number in range(1, 4):
            tell(made, number)
        await made.writer.flush(sync=False)
        for number in range(4, 9):
            tell(made, number)
    assert (made.waiting, made.dropped) == (3, 5)
    assert [each["event"] for each in records if "dropped" in each["event"]] == [
        "no more trades can be held, later ones are dropped and asked for again"
    ]
    with structlog.testing.capture_logs():
        await made.writer.flush(sync=False)
        tell(made, 9)
        gap = made.tracks[SYMBOL].asking
        assert gap is not None
        assert (gap.from_id, gap.to_id, gap.cause) == (4, 8, Cause.FULL)
        made.tracks[SYMBOL].give_up()
        assert await made.writer.finish()
    assert ids(tmp_path) == [1, 2, 3, 9]
    assert "4,8," in (tmp_path / f"{SYMBOL}-gaps.csv").read_text()


async def test_trades_that_are_held_for_those_before_them_count_too(tmp_path: Path) -> None:
    last = Trade(1, parse_price("2683.8"), parse_quantity("1"), NOW, True)
    made = recording(tmp_path, most=3, found={SYMBOL: Found(last, known=True)})
    with structlog.testing.capture_logs():
        for number in range(5, 12):
            tell(made, number)
    assert (made.waiting, made.dropped) == (3, 4)
    assert made.filler.held == 3


@pytest.mark.parametrize("quantity", ["x", "-1", "1e5", "99999999999999999999"])
async def test_a_quantity_that_cannot_be_is_refused_and_missing(tmp_path: Path, quantity: str) -> None:
    made = recording(tmp_path)
    with structlog.testing.capture_logs() as records:
        tell(made, 1)
        tell(made, 2, quantity)
        tell(made, 3)
    assert made.tracks[SYMBOL].next_id == 2
    assert [each["kind"] for each in records] == ["a public trade"]


async def test_a_lost_connection_is_the_cause_of_the_next_gap(tmp_path: Path) -> None:
    made = recording(tmp_path)
    tell(made, 1)
    made.lost(SYMBOL)
    tell(made, 4)
    gap = made.tracks[SYMBOL].asking
    assert gap is not None
    assert gap.cause is Cause.CONNECTION
