"""A program that is forked is to the tests what one that is started for real is."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import forks

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux forks for tests")

PATIENCE = 60  # seconds
_OF_LIBC = 0b11 << 31  # signals 32 and 33: a program that Python 3.13 starts ignores one of them

Started = forks.Forked | subprocess.Popen[bytes]


@pytest.fixture(params=[False, True], ids=["executed", "forked"])
def start(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Started]]:
    """Start a program in either way."""
    monkeypatch.setattr(forks, "wanted", request.param)
    begun: list[Started] = []

    def call(*words: str, **how: Any) -> Started:
        begun.append(forks.start(*words, stdin=subprocess.DEVNULL, **how))
        assert isinstance(begun[-1], forks.Forked) == request.param
        return begun[-1]

    yield call
    for process in begun:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def simulator(start: Callable[..., Started], **how: Any) -> Started:
    """One that has said where it listens."""
    process = start("naived", "simulate", "--hold", stdout=subprocess.PIPE, **how)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"ws://127.0.0.1:")
    return process


@pytest.mark.parametrize(
    ("words", "code", "out", "err"),
    [
        (("naived", "--version"), 0, b"naived 0.", b""),
        (("naivectl", "frobnicate"), 2, b"", b"No such command"),
        (("naived", "--grace", "soon"), 2, b"", b"is not a duration"),
        (("naived", "simulate", "--exchange-info", "/absent"), 78, b"", b"/absent"),
    ],
)
def test_it_says_and_ends_with_the_same(
    start: Callable[..., Started], tmp_path: Path, words: tuple[str, ...], code: int, out: bytes, err: bytes
) -> None:
    environment = {**os.environ, "NAIVED_HOME": str(tmp_path)}
    if words[0] == "naived" and "simulate" in words:
        del environment["NAIVED_HOME"]
    process = start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    said = process.communicate(timeout=PATIENCE)
    assert process.returncode == process.poll() == process.wait(0) == code
    assert (out in said[0], err in said[1]) == (True, True), said
    assert b"Traceback" not in said[1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -9)])
def test_a_signal_ends_it_with_the_same_code(start: Callable[..., Started], number: int, code: int) -> None:
    process = simulator(start, stderr=subprocess.DEVNULL)
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.send_signal(number)
    assert process.wait(PATIENCE) == code
    process.send_signal(number)  # it is harmless


@pytest.fixture
def _mask() -> Iterator[None]:
    """Another one than the helper began with."""
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_mask")
def test_it_has_what_a_process_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Descriptors, signals, limits, directory, group: nothing of the helper is left in it."""
    seen = []
    environment = {**os.environ, "HOME": "/nonexistent"}
    for wanted in (False, True):
        monkeypatch.setattr(forks, "wanted", wanted)
        with forks.start(
            "naived", "simulate", "--hold", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        ) as process:
            assert isinstance(process, forks.Forked) == wanted
            assert process.stdout is not None
            process.stdout.readline()
            of = Path(f"/proc/{process.pid}")
            status = dict(
                line.split(":\t", 1) for line in (of / "status").read_text().splitlines() if ":\t" in line
            )
            # libffi keeps a descriptor of its own file.
            files = sorted(
                name.split(":")[0] for name in map(os.readlink, (of / "fd").iterdir()) if "libffi" not in name
            )
            seen.append(
                {
                    **{name: status[name] for name in ("Umask", "Uid", "Gid")},
                    **{name: int(status[name], 16) & ~_OF_LIBC for name in ("SigBlk", "SigIgn", "SigCgt")},
                    "files": files,
                    "limits": (of / "limits").read_text(),
                    "directory": os.readlink(of / "cwd"),
                    "group": (os.getpgid(process.pid), os.getsid(process.pid)),
                }
            )
            process.kill()
            process.wait(PATIENCE)
    assert seen[0] == seen[1]


def test_a_variable_that_an_import_may_read_makes_it_start_for_real(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "wanted", True)
    with forks.start("naived", "--version", stdout=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"}) as process:
        assert isinstance(process, subprocess.Popen)
        assert process.communicate(timeout=PATIENCE)[0].startswith(b"naived ")
