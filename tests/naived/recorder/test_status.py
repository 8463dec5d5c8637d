import io
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
from trio.testing import MockClock

from naived.process import logs
from naived.recorder.files import Found
from naived.recorder.recording import Recording
from naived.recorder.status import StatusLine, line, report
from tests.naived.recorder.test_files import files_of_at_most
from tests.naived.recorder.test_recording import SYMBOL, recording, tell


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def screen(self) -> list[str]:
        """Its lines, after what was erased."""
        return [row.rpartition("\r\x1b[K")[2] for row in self.getvalue().split("\n")]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "40")
    return Terminal()


def test_the_line_stays_below_what_is_written(terminal: Terminal) -> None:
    shown = StatusLine(terminal)
    shown.write("before\n")
    shown.show("1 trade")
    shown.write("first\n")
    shown.show("2 trades")
    shown.write("second\n")
    assert terminal.screen == ["before", "first", "second", "2 trades"]
    shown.show("")
    assert terminal.screen == ["before", "first", "second", ""]


def test_a_line_is_never_wider_than_the_terminal(terminal: Terminal) -> None:
    StatusLine(terminal).show("x" * 100)
    assert terminal.screen == ["x" * 39]


def test_an_unchanged_line_is_not_drawn_again(terminal: Terminal) -> None:
    shown = StatusLine(terminal)
    shown.show("same")
    written = terminal.getvalue()
    shown.show("same")
    assert terminal.getvalue() == written


def test_the_log_of_a_terminal_goes_through_it(terminal: Terminal) -> None:
    shown = StatusLine(terminal)
    shown.show("status")
    try:
        logs.configure("console", "info", stream=shown)
        structlog.get_logger().info("hello")
    finally:
        structlog.reset_defaults()
    *said, status = terminal.screen
    assert "hello" in "".join(said)
    assert status == "status"


async def test_a_line_tells_what_there_is_and_what_is_wrong(tmp_path: Path) -> None:
    made = recording(tmp_path, most=2)
    assert line(made) == "1 symbol · 0 trades · none yet · 0 gaps · 0 B"
    tell(made, 1)
    await made.writer.flush(sync=True)
    assert line(made) == "1 symbol · 1 trade · last 2026-11-28T12:00:00.000Z · 0 gaps · 68 B"
    with structlog.testing.capture_logs(), files_of_at_most(80):
        for number in range(2, 6):
            tell(made, number)
        await made.writer.flush(sync=False)
        assert line(made).endswith("68 B · 2 dropped · 2 wait: ETHUSDT: File too large")
        tell(made, 9)
    with structlog.testing.capture_logs():
        await made.writer.flush(sync=False)
        tell(made, 10)
    assert "1 gap being filled" in line(made)


@pytest.mark.parametrize(
    ("size", "text"), [(999, "999 B"), (1000, "1.0 kB"), (2_560_000, "2.5 MB"), (10**10, "10.0 GB")]
)
def test_sizes_are_short(tmp_path: Path, size: int, text: str) -> None:
    made = recording(tmp_path, found={SYMBOL: Found(None, known=False), "BTCUSDT": Found(None, known=False)})
    made.writer.tally.size = size
    assert line(made).startswith("2 symbols")
    assert line(made).endswith(text)


async def reported(made: Recording, terminal: Terminal | None, seconds: float) -> list[Any]:
    shown = None if terminal is None else StatusLine(terminal)
    with structlog.testing.capture_logs() as records, trio.move_on_after(seconds):
        await report(made, shown)
    return records


async def test_without_a_terminal_a_record_comes_every_minute(autojump_clock: MockClock, tmp_path: Path) -> None:
    records = await reported(recording(tmp_path), None, 150)
    assert [(each["event"], each["symbols"], each["trades"]) for each in records] == [("recorded", 1, 0)] * 2


async def test_on_a_terminal_nothing_of_it_is_logged(
    autojump_clock: MockClock, tmp_path: Path, terminal: Terminal
) -> None:
    assert await reported(recording(tmp_path), terminal, 150) == []
    assert terminal.screen == ["1 symbol · 0 trades · none yet · 0 gaps "[:39]]
