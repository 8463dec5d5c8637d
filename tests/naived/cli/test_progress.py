import io
import re

import pytest

from naived.cli.progress import Meter


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def hours(meter: Meter, clock: Clock, seconds: int) -> None:
    """A stage of 4 million trades a second, told ten times a second."""
    for tenth in range(seconds * 10 + 1):
        clock.now = 100.0 + tenth / 10
        meter.tell("backtesting", 400_000 * tenth, 400_000 * seconds * 10, 400_000 * tenth)
    meter.end()


def test_a_pipe_gets_a_line_now_and_then_with_rate_and_time_left() -> None:
    clock, file = Clock(), io.StringIO()
    hours(Meter(file, clock), clock, 100)
    assert file.getvalue().splitlines() == [
        "naived: backtesting: 10 %, 4.00 million trades/s, 1m 30s left",
        "naived: backtesting: 30 %, 4.00 million trades/s, 1m 10s left",
        "naived: backtesting: 70 %, 4.00 million trades/s, 30s left",
    ]


def test_cron_gets_a_dozen_lines_of_an_hour_and_none_of_what_ends_soon() -> None:
    clock, file = Clock(), io.StringIO()
    hours(Meter(file, clock), clock, 3_600)
    assert len(file.getvalue().splitlines()) == 10
    short = io.StringIO()
    hours(Meter(short, clock), clock, 9)
    assert short.getvalue() == ""


def test_each_stage_has_a_rate_of_its_own() -> None:
    clock, file = Clock(), io.StringIO()
    meter = Meter(file, clock)
    meter.tell("reading tapes", 0, 1_000, 0)
    clock.now += 5
    meter.tell("backtesting", 0, 1_000, 0)
    clock.now += 5
    meter.tell("backtesting", 500, 1_000, 500)
    assert file.getvalue() == "naived: backtesting: 50 %, 100 trades/s, 5.0s left\n"


def test_a_terminal_has_one_line_that_is_drawn_again_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    clock, screen = Clock(), Terminal()
    hours(Meter(screen, clock), clock, 10)
    text = screen.getvalue()
    assert "\n" not in text
    assert "\x1b[?25l" not in text  # the cursor is not hidden: Ctrl-C would leave it so
    drawings = [re.sub(r"\x1b\[[0-9;]*[mK]", "", line) for line in text.split("\r") if line]
    assert 50 < len(drawings) <= 100
    assert drawings[-1] == ""
    assert all(len(line) <= 80 for line in drawings)
    assert re.fullmatch(r"backtesting \S+ +50 % 4\.00 million trades/s 5\.0s left", drawings[45].rstrip())


@pytest.mark.parametrize("columns", ["20", "40"])
def test_a_narrow_terminal_still_has_one_line(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    clock, screen = Clock(), Terminal()
    hours(Meter(screen, clock), clock, 3)
    drawings = [re.sub(r"\x1b\[[0-9;]*[mK]", "", line) for line in screen.getvalue().split("\r")]
    assert all(len(line) <= int(columns) and "\n" not in line for line in drawings)


def test_a_terminal_sees_nothing_of_what_ends_at_once() -> None:
    clock, screen = Clock(), Terminal()
    meter = Meter(screen, clock)
    meter.tell("backtesting", 0, 10, 0)
    clock.now += 0.4
    meter.tell("backtesting", 9, 10, 9)
    meter.end()
    assert screen.getvalue() == ""


def test_a_stderr_that_is_gone_does_not_end_the_work() -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    clock = Clock()
    hours(Meter(Gone(), clock), clock, 30)
