"""The real control server with a fake daemon behind it, in a thread; and `naivectl`, in process or as a program."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

import pytest
import structlog
import trio

from naivectl.main import run
from naived.control.caller import Caller
from naived.control.endpoint import Endpoint
from naived.control.events import EventLog
from naived.control.protocol import Code, ControlError, encode_body
from tests.support import forks
from tests.support.control import IDENTITY, methods_of, serve_alone

Started = forks.Forked | subprocess.Popen[bytes]

PROGRAM = [sys.executable, "-c", "from naivectl.main import main; main()"]

TRADER = {
    "id": "ETHUSDT-17",
    "phase": "selling",
    "reason": None,
    "since": "2026-11-22T07:00:01.000Z",
    "rebuy_notified": False,
    "buy": {"order_id": 1, "price": "2683.53", "quantity": "0.0745", "executed": "0.0745", "state": "filled"},
    "sell": {"order_id": 2, "price": "2689.45", "quantity": "0.0744", "executed": "0", "state": "open"},
}


def symbol_row(symbol: str, state: str, **more: object) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "status": "on" if state == "trading" else "off",
        "state": state,
        "reason": None,
        "chunks": 5,
        "budget": "1000",
        "last_price": "2683.8",
        "last_trade_at": "2026-11-22T07:00:05.123Z",
        "cycles": 12,
        "realized_profit": "1.23456789",
        "unrealized_profit": "-0.01",
        "traders": [],
        **more,
    }


def result(symbol: str, **more: object) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "status": "off",
        "state": "off",
        "changed": True,
        "open_orders": [],
        "message": None,
        "error": None,
        **more,
    }


class FakeDaemon:
    """Answers from ``answers``: by method a document, an error, or a function of the parameters."""

    def __init__(self) -> None:
        self.events = EventLog(1)
        self.identity = IDENTITY
        self.rows = [symbol_row("ETHUSDT", "trading", traders=[TRADER]), symbol_row("BTCUSDT", "off")]
        self.state = "ready"
        self.answers: dict[str, Any] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def document(self, symbols: Sequence[str]) -> dict[str, Any]:
        for symbol in symbols:
            if symbol not in [row["symbol"] for row in self.rows]:
                raise ControlError(Code.UNKNOWN_SYMBOL, f"there is no symbol {symbol}", hint="see: naivectl status")
        return {
            "v": 1,
            "daemon": {
                "version": "0.1.0",
                "pid": os.getpid(),
                "started_at": "2026-11-22T07:00:00.000Z",
                "exchange": "simulator",
                "exchange_url": "ws://127.0.0.1:41234",
                "database": "sqlite",
                "state": self.state,
            },
            "symbols": [row for row in self.rows if not symbols or row["symbol"] in symbols],
        }

    async def call(self, method: str, params: dict[str, Any], caller: Caller) -> bytes:
        await trio.lowlevel.checkpoint()
        if method == "status":
            return encode_body(self.document(params["symbols"]))
        self.calls.append((method, params))
        answer = self.answers.get(method)
        if callable(answer):
            answer = answer(params)
        if isinstance(answer, ControlError):
            raise answer
        if answer is None:
            answer = {"v": 1, "results": [result(symbol) for symbol in params["symbols"]]}
        return encode_body(answer)


class Finished(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tmp_path.chmod(0o700)
    monkeypatch.setenv("NAIVED_HOME", str(tmp_path))
    monkeypatch.delenv("NAIVED_SOCKET", raising=False)
    return tmp_path


@pytest.fixture
def daemon(home: Path) -> Iterator[FakeDaemon]:
    fake = FakeDaemon()
    with running(fake, home / "control.sock"):
        yield fake


@contextmanager
def running(fake: FakeDaemon, path: Path) -> Iterator[Callable[..., None]]:
    """Serve ``fake`` at ``path`` in a thread of its own; gives a way to publish an event there."""
    scope = trio.CancelScope()
    tokens: SimpleQueue[trio.lowlevel.TrioToken] = SimpleQueue()

    async def main() -> None:
        with scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve_alone, Endpoint(path), methods_of(fake), fake)
                tokens.put(trio.lowlevel.current_trio_token())

    thread = threading.Thread(target=trio.run, args=[main])
    with structlog.testing.capture_logs():  # the daemon's log is not the program's output
        thread.start()
        token = tokens.get(timeout=10)
        try:
            yield lambda *event: token.run_sync_soon(fake.events.publish, *event)
        finally:
            token.run_sync_soon(scope.cancel)
            thread.join(10)


@pytest.fixture
def serving() -> Callable[..., AbstractContextManager[Callable[..., None]]]:
    return running


@pytest.fixture
def fake_daemon() -> type[FakeDaemon]:
    return FakeDaemon


@pytest.fixture
def row() -> Callable[..., dict[str, Any]]:
    return symbol_row


@pytest.fixture
def done() -> Callable[..., dict[str, Any]]:
    return result


@pytest.fixture
def naivectl(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Finished]:
    def call(*arguments: str) -> Finished:
        capsys.readouterr()
        code = run(arguments)
        return Finished(code, *capsys.readouterr())

    return call


@pytest.fixture
def program(home: Path) -> Callable[..., Finished]:
    def call(*arguments: str, before: str = "", **environment: str) -> Finished:
        env = {**os.environ, **environment}
        if before:
            command = [sys.executable, "-c", f"{before}; from naivectl.main import main; main()", *arguments]
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=env)
        else:
            done = forks.run("naivectl", *arguments, timeout=30, env=env)
        return Finished(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def spawn(home: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []

    def call(*arguments: str, **how: Any) -> "subprocess.Popen[str]":
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **how}
        started.append(subprocess.Popen([*PROGRAM, *arguments], **how))
        return started[-1]

    yield call
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def on_terminal(home: Path) -> Iterator[Callable[..., Any]]:
    """Start `naivectl` on a terminal; gives the process and the terminal's other end.

    ``size`` are its columns and lines. With ``keys`` what is written to the other end is typed.
    """
    ends: list[int] = []
    started: list[Started] = []

    def start(
        *arguments: str, size: tuple[int, int] = (120, 30), keys: bool = False, **environment: str
    ) -> tuple[Started, int]:
        ours, theirs = pty.openpty()
        columns, lines = size
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", **environment}
        environment = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
        how = {"stdout": theirs, "stderr": subprocess.STDOUT, "stdin": theirs if keys else subprocess.DEVNULL}
        started.append(forks.start("naivectl", *arguments, env=environment, **how))
        os.close(theirs)
        ends.append(ours)
        return started[-1], ours

    yield start
    for process in started:
        process.kill()
        process.wait()
    for end in ends:
        os.close(end)


def _read_until(terminal: int, done: Callable[[str], bool] = lambda _: False, seconds: float = 15) -> str:
    """What is on the terminal once ``done`` says so of it, or at its end."""
    text, deadline = "", time.monotonic() + seconds
    while not done(text) and (left := deadline - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            try:
                chunk = os.read(terminal, 65536)
            except OSError:  # EIO: the other end is closed
                break
            if not chunk:
                break
            text += chunk.decode()
    return text


@pytest.fixture
def read_until() -> Callable[..., str]:
    return _read_until
