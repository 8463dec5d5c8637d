import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("argument", "code"), [("--exchange=nosuch", 2), ("--version", 0), ("--home=/dev/null/x", 78)]
)
def test_without_a_stream_everything_else_is_as_ever(argument: str, code: int, closed: str) -> None:
    command = [sys.executable, "-c", "from naived.cli.main import main; main()", argument]
    done = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", *command], capture_output=True, text=True)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
