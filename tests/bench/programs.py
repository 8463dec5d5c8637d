"""The real programs for a bench: a simulator and a daemon in a temporary home, ended at the end."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STARTING = 30.0  # seconds


@contextmanager
def simulator(*arguments: str) -> Iterator[str]:
    """``naived simulate``; gives its URL."""
    with _running([_program("naived"), "simulate", *arguments], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip()


@contextmanager
def daemon(*simulated: str) -> Iterator[Path]:
    """``naived`` on a simulator with these arguments; gives its home, once it answers."""
    with tempfile.TemporaryDirectory(prefix="naived-bench-") as directory, simulator(*simulated) as url:
        home = Path(directory)
        with running_daemon(home, "--exchange-url", url):
            yield home


@contextmanager
def running_daemon(home: Path, *arguments: str) -> Iterator[None]:
    """``naived`` in a home that is there already, once it answers."""
    with _running([_program("naived"), "--home", str(home), *arguments]):
        deadline = time.monotonic() + _STARTING
        while subprocess.run(naivectl(home, "ping"), capture_output=True).returncode:
            if time.monotonic() > deadline:
                raise TimeoutError("naived did not start")
            time.sleep(0.1)
        yield


def naivectl(home: Path, *arguments: str) -> list[str]:
    return [_program("naivectl"), "--home", str(home), *arguments]


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


@contextmanager
def _running(command: list[str], stdout: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
