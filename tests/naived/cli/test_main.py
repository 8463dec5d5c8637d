import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.tape import walk
from tests.support.tapes import Row, written

INTERRUPTED = """
import os, signal, sys

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name in ("naived.cli.commands", "naived.daemon"):
            os.kill(os.getpid(), getattr(signal, sys.argv.pop()))

sys.meta_path.insert(0, Interrupted())
from naived.cli.main import main
sys.argv[0] = "naived"
main()
"""


def test_ctrl_c_among_the_imports_ends_it_without_a_traceback() -> None:
    command = [sys.executable, "-c", INTERRUPTED, "--help", "SIGINT"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (-2, "", "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_among_the_imports_of_the_daemon_suspends_it(home: Path, name: str) -> None:
    program = INTERRUPTED.replace("getattr(signal, sys.argv.pop())", f"signal.{name}")
    done = subprocess.run([sys.executable, "-c", program, "--home", str(home)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "suspending" in done.stderr
    assert not (home / "control.sock").exists()


def test_what_the_command_line_says_is_done() -> None:
    program = "import sys; sys.argv = ['naived', '--version']; from naived.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "naived 0.1.0\n")


def test_an_error_that_cannot_be_written_keeps_its_exit_code() -> None:
    program = "import sys; sys.argv = ['naived', '--exchange', 'nosuch']; from naived.cli.main import main; main()"
    with open("/dev/full", "w") as full:
        assert subprocess.run([sys.executable, "-c", program], stderr=full).returncode == 2


def test_what_the_terminal_cannot_show_is_escaped(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from naived.cli.main import main; main()", "check", "--home", f"{tmp_path}/ü"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert f"there is no {tmp_path}/\\xfc yet" in done.stdout


def naived(line: str, redirected: str) -> "subprocess.CompletedProcess[str]":
    """A real start with its streams as a shell sets them."""
    command = [sys.executable, "-c", "from naived.cli.main import main; main()", *line.split()]
    return subprocess.run(["sh", "-c", f'exec "$@" {redirected}', "sh", *command], capture_output=True, text=True)


@pytest.mark.parametrize("redirected", ["<&-", ">&-", "2>&-", "2>/dev/full", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("line", "code"), [("--exchange=nosuch", 2), ("sweep", 2), ("--home=/dev/null/x", 78)])
def test_without_a_stream_everything_else_is_as_ever(line: str, code: int, redirected: str) -> None:
    done = naived(line, redirected)
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("redirected", ["<&-", "2>&-", "2>/dev/full", "<&- 2>&-"])
def test_what_is_asked_for_needs_no_other_stream(redirected: str) -> None:
    done = naived("--version", redirected)
    assert (done.returncode, done.stdout, done.stderr) == (0, "naived 0.1.0\n", "")


@pytest.mark.parametrize(
    ("redirected", "why"),
    [
        (">/dev/full", "No space left on device"),
        (">&-", "Bad file descriptor"),
        ("<&- >&-", "Bad file descriptor"),
    ],
)
@pytest.mark.parametrize("line", ["-h", "backtest --help", "--version", "simulate", "check --json", "check"])
def test_output_that_cannot_be_written_is_an_error(home: Path, line: str, redirected: str, why: str) -> None:
    words = f"{line} --home {home}" if line.startswith("check") else line
    done = naived(words, redirected)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == f"naived: cannot write to standard output: {why}"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("redirected", [">/dev/full", ">&-"])
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("backtest ETHUSDT --json", 1),
        ("backtest ETHUSDT --csv -", 1),
        ("sweep ETHUSDT --jobs 1 --json", 1),
        ("sweep ETHUSDT --jobs 1 --write -", 1),
        ("replay --diff --json", 2),  # 1 would say that they differ
    ],
)
def test_a_result_that_cannot_be_written_is_an_error(tmp_path: Path, line: str, code: int, redirected: str) -> None:
    prices, times = walk(5, 200, step=25)
    tape = tmp_path / "ETHUSDT-trades-2023-11-14.csv"
    written(tape, [Row(n, price, time=time) for n, (price, time) in enumerate(zip(prices, times, strict=True), 1)])
    kept = f"--home {tmp_path}" if line.startswith("replay") else "--no-cache"
    done = naived(f"{line} --tape {tape} {kept}", redirected)
    assert (done.returncode, done.stdout) == (code, "")
    assert "naived: cannot write to standard output: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_left_is_an_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    program = "import sys; sys.argv = ['naived', '-h']; from naived.cli.main import main; main()"
    with open(writing, "w") as closed:
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "naived: cannot write to standard output: Broken pipe\n")


@pytest.mark.parametrize(("line", "stream", "code"), [("-h", "stdout", 1), ("nosuch", "stderr", 2)])
def test_a_full_pipe_that_does_not_wait_is_no_traceback(line: str, stream: str, code: int) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(65_536))
    streams: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {stream: writer}
    command = [sys.executable, "-c", "from naived.cli.main import main; main()", line]
    done = subprocess.run(command, **streams, text=True)
    os.close(writer)
    os.close(reader)
    assert done.returncode == code
    assert "Traceback" not in (done.stderr or "")
