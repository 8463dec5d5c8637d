"""The live view on a real terminal: its keys, its frames, and how it gives the terminal back."""

import fcntl
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from shlex import quote

import pytest

from naived.control import streams
from tests.support.terminal import on_its_terminal

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"
WRAP = "\x1b[?7h"
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"


@pytest.fixture
def view(daemon, on_terminal, read_until):
    """A live view on a terminal with a keyboard: `press` types, `until` reads what is drawn."""
    return View(*on_terminal("status", "--live", size=(80, 24), keys=True), read_until)


class View:
    def __init__(self, process, terminal, read_until):
        self.process, self.terminal, self._read_until = process, terminal, read_until
        self.modes = termios.tcgetattr(terminal)
        self.until("q quit")

    def press(self, keys):
        os.write(self.terminal, keys.encode())

    def until(self, text):
        read = self._read_until(self.terminal, lambda shown: text in shown)
        assert text in read
        return read

    def rest(self, seconds=15):
        return self._read_until(self.terminal, seconds=seconds)

    def resize(self, columns, lines):
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)  # it is nobody's controlling terminal


WAYS_OUT = [("q", None, 0), ("\x04", None, 0), (None, "SIGINT", 0), (None, "SIGTERM", 143), (None, "SIGHUP", 129)]


@pytest.mark.parametrize(("key", "signum", "code"), WAYS_OUT)
def test_the_terminal_is_as_before_however_the_view_ends(view, key, signum, code):
    assert not termios.tcgetattr(view.terminal)[3] & (termios.ICANON | termios.ECHO)
    if key is None:
        view.process.send_signal(getattr(signal, signum))
    else:
        view.press(key)
    assert view.process.wait(10) == code
    left = view.rest()
    assert WRAP in left
    assert left.endswith(LEAVE)


def test_the_modes_of_the_terminal_are_put_back(daemon, read_until):
    """A terminal that we keep open ourselves, so that its modes outlive the view."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    before = termios.tcgetattr(ours)
    for end in ("q", signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        command = [sys.executable, "-c", "from naivectl.main import main; main()", "status", "--live"]
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
        read_until(ours, lambda text: "q quit" in text)
        assert termios.tcgetattr(ours) != before
        if end == "q":
            os.write(ours, b"q")
        else:
            process.send_signal(end)
        read_until(ours, lambda text: LEAVE in text)
        process.wait(10)
        assert termios.tcgetattr(ours) == before
    os.close(ours)
    os.close(theirs)


def test_an_error_gives_the_terminal_back_and_is_told(home, fake_daemon, serving, on_terminal, read_until, row):
    fake = fake_daemon()
    with serving(fake, home / "control.sock"):
        process, terminal = on_terminal("status", "--live", "ETHUSDT", size=(80, 24), keys=True)
        read_until(terminal, lambda text: "q quit" in text)
        fake.rows = [row("BTCUSDT", "off")]
        text = read_until(terminal)
    assert process.wait(10) == 4
    assert "ETHUSDT" in text.rpartition(LEAVE)[2]


def test_a_view_without_a_keyboard_ends_by_a_signal(daemon, read_until, on_terminal, row):
    process, terminal = on_terminal("status", "--live")
    assert ENTER in read_until(terminal, lambda text: "BTCUSDT" in text)
    daemon.rows = [row("NEWUSDT", "trading")]
    redrawn = read_until(terminal, lambda text: "NEWUSDT" in text)
    assert LEAVE not in redrawn
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0


def test_a_frame_is_one_write_of_the_lines_that_differ(view, daemon, row):
    view.until(END)
    daemon.rows = [{**each, "realized_profit": "77"} for each in daemon.rows]
    frame = view.until("+77.00").rpartition(BEGIN)[2] + view.until(END)
    lines = re.findall(r"\x1b\[(\d+);1H\x1b\[2K", frame)
    assert {"4", "5"} <= set(lines)
    assert not {"2", "3", "24"} & set(lines)  # counts, heading and keys stay
    assert "\x1b[K" not in frame


def test_at_most_two_frames_a_second_are_drawn_for_news(daemon, monkeypatch, request):
    monkeypatch.setattr(streams, "TICK", 0.02)
    changing = property(lambda _: [{**row, "realized_profit": str(time.monotonic())} for row in ROWS])
    monkeypatch.setattr(type(daemon), "rows", changing, raising=False)
    view = request.getfixturevalue("view")
    began = time.monotonic()
    frames = view.rest(2.0).count(BEGIN)
    assert 1 <= frames <= 2 * (time.monotonic() - began) + 1


ROWS = [{"symbol": name, "status": "on", "state": "trading"} for name in ("ETHUSDT", "BTCUSDT")]


def test_keys_move_the_cursor_and_open_a_symbol(view):
    view.press("j")
    assert ">" in view.until("BTCUSDT")  # the row of the cursor is drawn anew
    view.press("\x1b[A\r")
    assert "17      " in view.until("Esc back")  # the ladder of ETHUSDT
    view.press("\x1b")
    view.until("Enter open")


def test_a_filter_is_typed_and_cleared(view):
    view.press("/eth")
    view.until("1 of 2 symbols")
    view.press("x")
    view.until('no symbol has "ethx" in it')
    view.press("\x7f\r")
    view.until("filter: eth")
    view.press("\x1b")
    view.until("s sort: symbol")


def test_sort_reverse_and_help(view):
    view.press("s")
    view.until("sort: today")
    view.press("S")
    view.until("sort: symbol")
    view.press("r")
    view.until("symbol, reversed")
    view.press("?")
    view.until("any key goes back")
    view.press(" ")
    view.until("Enter open")


def test_another_size_draws_everything_anew(view):
    view.resize(40, 10)
    assert "\x1b[2J" in view.until("1-2")
    view.resize(39, 10)
    view.until("too small: 40 x 8 at least")


def test_events_and_orders_of_a_symbol_are_pages(view, daemon):
    event = {
        "at": "2026-11-22T07:00:05.000Z",
        "symbol": "ETHUSDT",
        "kind": "finished",
        "message": "ETHUSDT-16: good",
    }
    daemon.answers["events"] = {"v": 1, "events": [event], "next": None}
    daemon.answers["orders"] = {"v": 1, "orders": [], "next": None}
    view.press("\r")
    view.until("16: good")
    view.press("o")
    view.until("No orders yet.")
    view.press("e")
    view.until("16: good")
    view.press("\x1b")
    view.until("selling")


def test_after_a_restart_of_the_daemon_it_goes_on(home, fake_daemon, serving, on_terminal, read_until, row):
    with serving(fake_daemon(), home / "control.sock"):
        process, terminal = on_terminal("status", "--live", size=(80, 24), keys=True)
        read_until(terminal, lambda text: "BTCUSDT" in text)
    gone = read_until(terminal, lambda text: "systemctl" in text)
    assert "naived has ended; waiting for it" in gone
    (home / "control.sock").unlink(missing_ok=True)
    again = fake_daemon()
    again.rows = [row("NEWUSDT", "trading")]
    with serving(again, home / "control.sock"):
        assert "as of now" in read_until(terminal, lambda text: "NEWUSDT" in text)
        os.write(terminal, b"q")
        assert process.wait(10) == 0


def test_without_a_daemon_at_first_it_is_a_failure(home, on_terminal, read_until):
    process, terminal = on_terminal("status", "--live")
    text = read_until(terminal)
    assert process.wait(10) == 7
    assert ENTER not in text
    assert "naived is not running" in text


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell with job control")
def test_ctrl_z_gives_the_terminal_back_and_fg_draws_it_all(daemon, read_until):
    """In a shell with job control, since a program without one cannot be stopped."""
    environment = {**os.environ, "TERM": "xterm", "PS1": "ready>", "HISTFILE": os.devnull}
    with on_its_terminal(["bash", "--norc", "-i"], environment) as (_, ours):
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        read_until(ours, lambda text: "ready>" in text)
        program = f"{quote(sys.executable)} -c 'from naivectl.main import main; main()'"
        os.write(ours, f"{program} status --live\n".encode())
        read_until(ours, lambda text: "q quit" in text)
        os.write(ours, b"\x1a")
        stopped = read_until(ours, lambda text: LEAVE in text and "ready>" in text.rpartition(LEAVE)[2])
        assert "Stopped" in stopped.rpartition(LEAVE)[2]
        assert termios.tcgetattr(ours)[3] & termios.ISIG
        os.write(ours, b"fg\n")
        again = read_until(ours, lambda text: ENTER in text and "q quit" in text)
        assert "ETHUSDT" in again.partition(ENTER)[2]
        os.write(ours, b"q")
        assert LEAVE in read_until(ours, lambda text: "ready>" in text)
