"""The demo as a person or a script starts it: real programs, real time, nothing left behind."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.terminal import on_its_terminal

PROGRAM = Path(__file__).parent.parent / "contrib" / "demo.py"
DEMO = [sys.executable, str(PROGRAM)]
PATIENCE = 60  # seconds for anything here, on a machine that is busy with other tests


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A temporary directory of our own, and variables that would lead a careless demo elsewhere."""
    elsewhere = {"NAIVED_EXCHANGE": "testnet", "NAIVED_HOME": "/nowhere", "NAIVED_SOCKET": "/nowhere/control.sock"}
    return {**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path), **elsewhere}


@pytest.fixture(autouse=True)
def _nothing_is_left_running(tmp_path: Path) -> Iterator[None]:
    yield
    assert programs(tmp_path) == []


def programs(home: Path) -> list[str]:
    listed = subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if f"{home}/naived-demo-" in line]


def wait_for_programs(home: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while len(programs(home)) < 2:
        assert time.monotonic() < deadline, "the demo started nothing"
        time.sleep(0.05)


def test_without_a_terminal_it_trades_for_a_while_and_prints_what_came_of_it(environ: dict[str, str]) -> None:
    done = subprocess.run([*DEMO, "--seconds", "10"], env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    status, _, trades = done.stdout.partition("SYMBOL")[2].partition("SYMBOL")
    for symbol in ("ETHUSDT", "BTCUSDT"):
        assert symbol in status
    assert re.search(r"(ETH|BTC)USDT-\d+", trades), "no cycle finished"
    said = re.search(r"naived is suspended; its state and logs are in (.*)", done.stderr)
    assert said
    assert (Path(said[1]) / "simulator.db").is_file()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_everything_and_says_where_the_state_is(
    environ: dict[str, str], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    demo = subprocess.Popen(
        [*DEMO, "--seconds", "600"], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    wait_for_programs(tmp_path)
    demo.send_signal(number)
    _, errors = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == code
    assert b"its state and logs are in " in errors


EARLY = """
import os, runpy, signal, subprocess, sys

start = subprocess.Popen.__init__

def started(self, command, *more, **named):
    start(self, command, *more, **named)
    if command[1] == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGTERM)

subprocess.Popen.__init__ = started
program = sys.argv.pop()
runpy.run_path(program, run_name="__main__")
"""


@pytest.mark.parametrize("started", ["simulate", "run"])
def test_a_program_that_has_just_been_started_is_ended_too(environ: dict[str, str], started: str) -> None:
    early = EARLY.replace("sys.argv[1]", repr(started))
    done = subprocess.run(
        [sys.executable, "-c", early, str(PROGRAM)], env=environ, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 143, done.stderr


def test_on_a_terminal_it_shows_the_live_table_until_ctrl_c(environ: dict[str, str]) -> None:
    with on_its_terminal(DEMO, {**environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}) as (demo, terminal):
        try:
            read_until(terminal, b"\x1b[?1049h")
            read_until(terminal, b"BTCUSDT")
            os.write(terminal, b"\x03")
            ended = read_until(terminal, b"its state and logs are in ")
            assert b"\x1b[?1049l" in ended
            assert demo.wait(PATIENCE) == 0
        finally:  # it ends the programs that it started
            demo.terminate()
            demo.wait(PATIENCE)


def read_until(terminal: int, text: bytes) -> bytes:
    deadline = time.monotonic() + PATIENCE
    shown = b""
    while text not in shown:
        assert time.monotonic() < deadline, shown
        shown += os.read(terminal, 4096)
    return shown


def test_a_program_that_does_not_start_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    for name in ("naived", "naivectl"):
        (empty / name).write_text("#!/bin/sh\nexit 1\n")
        (empty / name).chmod(0o755)
    (empty / "python").symlink_to(sys.executable)
    program = (
        "import runpy, sys; sys.executable = sys.argv.pop(1); runpy.run_path(sys.argv.pop(1), run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(empty / "python"), str(PROGRAM)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("./dev demo: the simulator did not start, see ")


def test_why_it_does_not_start_is_said(environ: dict[str, str], tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 108)  # no socket can have such a path
    deep.mkdir()
    done = subprocess.run(
        DEMO, env={**environ, "TMPDIR": str(deep)}, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 1
    told = done.stderr.splitlines()[-1]
    assert told.startswith(f"./dev demo: naived did not start, see {deep}/naived-demo-")
    assert "/naived.log: naived: the path of the control socket is" in told


@pytest.mark.parametrize("seconds", ["-1", "nan", "1e300"])
def test_a_time_that_cannot_be_waited_is_a_typo(environ: dict[str, str], seconds: str) -> None:
    done = subprocess.run(
        [*DEMO, f"--seconds={seconds}"], env=environ, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "--seconds takes 0 to 86400" in done.stderr
