"""``./dev demo``: the real programs on a simulated exchange in a temporary home, two symbols, a live table.

It shows what ``naived simulate``, ``naived`` and ``naivectl`` do together, and ends them all. Do not use it to run
naived.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

_SECONDS = 20.0  # of trading without a terminal
_LONGEST = 86_400  # seconds: a day
_STARTING = 30.0  # seconds; a cold start on a slow machine migrates a new database
_STOPPING = 15.0  # seconds; a suspend waits for the answers in flight, which takes less
_POLL = 0.1  # seconds
_PRICES = {"ETHUSDT": "2683.80", "BTCUSDT": "61724.50"}
_SPEED = "20"  # about 100 trades a second and symbol: seconds show what takes minutes in a quiet market
_SETTINGS = ("--budget", "1000", "--profit", "0.0002", "--rebuy", "0.002")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DemoError(Exception):
    """One of the programs failed; the message names it and its log."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev demo", description="Trade on the simulator and watch.")
    parser.add_argument(
        "--seconds",
        type=float,
        default=_SECONDS,
        metavar="N",
        help="without a terminal: trade for N seconds (%(default)g), then print what came of it",
    )
    seconds = parser.parse_args().seconds
    if not 0 <= seconds <= _LONGEST:
        parser.error(f"--seconds takes 0 to {_LONGEST}")
    home = Path(tempfile.mkdtemp(prefix="naived-demo-"))
    for number in _SIGNALS:
        signal.signal(number, _exit_by_signal)
    try:
        with ExitStack() as programs:
            _trade(home, programs)
            if sys.stdout.isatty():
                _watch(home, programs)
            else:
                time.sleep(seconds)
                _naivectl(home, "status")
                _naivectl(home, "trades")
    except DemoError as error:
        print(f"./dev demo: {error}", file=sys.stderr)
        return 1
    return 0


def _trade(home: Path, programs: ExitStack) -> None:
    """Start the exchange, the daemon and its two symbols; leaving ``programs`` ends them, the daemon first."""
    walks = [word for symbol, price in _PRICES.items() for word in ("--random-walk", f"{symbol}={price}")]
    arguments = ["simulate", *walks, "--speed", _SPEED, "--ledger", str(home / "exchange.db")]
    with _delayed_signals():
        exchange = programs.enter_context(_program(*arguments, log=home / "exchange.log", stdout=subprocess.PIPE))
    assert exchange.stdout is not None
    url = exchange.stdout.readline().decode().strip()
    if not url:
        raise DemoError(f"the simulator did not start, {_last_word(home / 'exchange.log')}")
    programs.callback(print, f"naived is suspended; its state and logs are in {home}", file=sys.stderr)
    with _delayed_signals():
        daemon = programs.enter_context(
            _program("run", "--home", str(home), "--exchange-url", url, log=home / "naived.log")
        )
    programs.callback(_ignore_signals)
    deadline = time.monotonic() + _STARTING
    while subprocess.run(_command(home, "ping"), capture_output=True, env=_environment()).returncode:
        if daemon.poll() is not None:
            raise DemoError(f"naived did not start, {_last_word(home / 'naived.log')}")
        if time.monotonic() > deadline:
            raise DemoError(f"naived does not answer, see {home}/naived.log")
        time.sleep(_POLL)
    _naivectl(home, "start", *_PRICES, *_SETTINGS)


def _watch(home: Path, programs: ExitStack) -> None:
    # The table gets Ctrl-C too: it ends by itself and restores the terminal.
    signal.signal(signal.SIGINT, _ignore)
    table = subprocess.Popen(_command(home, "status", "--live"), env=_environment())
    programs.callback(_end, table)
    if table.wait():
        raise DemoError(f"the live table ended early, see {home}/naived.log")


@contextmanager
def _program(
    *arguments: str, log: Path, stdout: int | None = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``naived`` with ``arguments``, and end it. In its own session, so that it does not get our Ctrl-C."""
    with open(log, "wb") as stderr:
        started = subprocess.Popen(
            [_executable("naived"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=_environment(),
            start_new_session=True,
        )
    try:
        yield started
    finally:
        _end(started)


def _last_word(log: Path) -> str:
    """Where the log of a program that ended is, and its last line, which says why."""
    lines = log.read_text(encoding="utf-8", errors="backslashreplace").splitlines()
    return ": ".join([f"see {log}", *lines[-1:]])


def _end(program: subprocess.Popen[bytes]) -> None:
    program.terminate()
    try:
        program.wait(_STOPPING)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()
    if program.stdout is not None:
        program.stdout.close()


def _naivectl(home: Path, *arguments: str) -> None:
    if subprocess.run(_command(home, *arguments), env=_environment()).returncode:
        raise DemoError(f"naivectl {arguments[0]} failed, see {home}/naived.log")


def _command(home: Path, *arguments: str) -> list[str]:
    return [_executable("naivectl"), "--home", str(home), *arguments]


def _executable(program: str) -> str:
    return str(Path(sys.executable).with_name(program))


def _environment() -> dict[str, str]:
    """Our environment without NAIVED_ variables, so that no real database or exchange is used."""
    return {name: value for name, value in os.environ.items() if not name.startswith("NAIVED_")}


def _exit_by_signal(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextmanager
def _delayed_signals() -> Iterator[None]:
    """A signal takes effect behind the block: before, nobody would end the program that is being started."""
    came: list[int] = []
    handlers = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if came:
        raise SystemExit(128 + came[0])


def _ignore(_number: int, _frame: FrameType | None) -> None: ...


def _ignore_signals() -> None:
    """Ignore signals while the programs are ended."""
    for number in _SIGNALS:
        signal.signal(number, _ignore)


if __name__ == "__main__":
    sys.exit(main())
