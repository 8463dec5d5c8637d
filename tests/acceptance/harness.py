"""The real programs, each in a process of its own: `naived simulate`, `naived` and `naivectl`.

A test that is marked ``executed`` is about a `naived` that it starts; the other two are forked all the same.

A test steers the price through the simulator's `sim.*` methods and compares what three witnesses say: the control
socket, the exchange's ledger and the database.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from naivectl.client import Failure, call
from tests.acceptance.wire import Wire, WireError
from tests.support import forks
from tests.support.journal import copy_new_journal

PATIENCE = 60.0  # seconds for anything here, on a machine that is busy with other tests
SYMBOL = "ETHUSDT"
TAPE = Path(__file__).parents[3] / "shared/data/ETHUSDT-trades-2024-08-08.csv"

_POLL = 0.05  # seconds
_BURST = 0.25  # seconds

Document = dict[str, Any]
T = TypeVar("T")


def until(look: Callable[[], T], patience: float = PATIENCE) -> T:
    """What ``look`` returns as soon as it is true; fails with the last it returned."""
    deadline = time.monotonic() + patience
    while not (seen := look()):
        assert time.monotonic() < deadline, f"waited {patience} s in vain; last seen: {seen!r}"
        time.sleep(_POLL)
    return seen


def environment() -> dict[str, str]:
    """Ours without any NAIVED_ variable."""
    return {name: value for name, value in os.environ.items() if not name.startswith("NAIVED_")}


class Program:
    """``naived`` with some arguments; its log is a file. Ended by whoever starts it, in any case.

    ``forked``: see `forks.start`.
    """

    def __init__(self, log: Path, *arguments: str, forked: bool | None = None) -> None:
        self.log = log
        with log.open("ab") as stderr:
            self._process = forks.start(
                "naived",
                *arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr.fileno(),
                env=environment(),
                forked=forked,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.poll()

    def line(self) -> str:
        """The next line of its standard output; empty when it ended."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().strip()

    def end(self, number: signal.Signals, patience: float = PATIENCE) -> int:
        """Send a signal and wait; the exit code."""
        self._process.send_signal(number)
        return self.ended(patience)

    def hang_up(self) -> None:
        """As if the configuration had changed."""
        self._process.send_signal(signal.SIGHUP)

    def ended(self, patience: float = PATIENCE) -> int:
        """Wait until it ends by itself; the exit code."""
        try:
            return self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            assert self._process.stdout is not None
            self._process.stdout.close()


class Exchange:
    """The simulator: held, with a durable ledger, always at the address where it first was."""

    def __init__(self, home: Path, *options: str) -> None:
        self._home = home
        self._options = options
        self._address = "127.0.0.1:0"
        self._program: Program | None = None
        self._wire: Wire | None = None
        self.url = ""

    def start(self, *options: str) -> None:
        """Begin, or begin again with the same ledger; ``options`` are for this time only."""
        given = (*self._options, *options)
        if "--ledger" not in given:
            given += ("--ledger", str(self._home / "exchange.db"))
        words = ("simulate", "--listen", self._address, "--hold", *given)
        self._program = Program(self._home / "exchange.log", *words, forked=forks.beside)
        self.url = self._program.line()
        assert self.url, (self._home / "exchange.log").read_text()
        self._address = self.url.removeprefix("ws://")

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Let it die, or end in order; harmless when it is not there."""
        self._hang_up()
        if self._program is not None:
            self._program.end(number)
            self._program = None

    def call(self, method: str, /, **params: object) -> Any:
        """One request's result."""
        if self._wire is None or not self._wire.lives():
            self._hang_up()
            self._wire = Wire(f"{self.url}/ws-api/v3", PATIENCE)
        try:
            answer = self._wire.ask(method, params)
        except WireError:
            self._hang_up()
            if method.startswith("sim.") and method != "sim.ledger":
                raise  # it may have been done
            self._wire = Wire(f"{self.url}/ws-api/v3", PATIENCE)
            answer = self._wire.ask(method, params)
        assert answer["status"] == 200, answer
        return answer["result"]

    def _hang_up(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def trade(self, price: str, symbol: str = SYMBOL, *, quantity: str = "1") -> None:
        """One public trade: what rests behind ``price`` fills, and the daemon hears of it."""
        self.call("sim.trade", symbol=symbol, price=price, quantity=quantity)

    def fault(self, kind: str, /, **params: object) -> None:
        self.call("sim.fault", kind=kind, **params)

    def orders(self, *, open_only: bool = False, **match: object) -> list[Document]:
        """The ledger's orders of every symbol, oldest first, whose fields are as in ``match``."""
        orders: list[Document] = self.call("sim.ledger")["orders"]
        return [
            order
            for order in orders
            if all(order[name] == value for name, value in match.items())
            and not (open_only and order["status"] not in ("NEW", "PARTIALLY_FILLED"))
        ]

    def open(self, side: str, symbol: str = SYMBOL) -> list[Decimal]:
        """The prices at which orders of one side (``BUY``, ``SELL``) rest, oldest first."""
        return [Decimal(order["price"]) for order in self.orders(open_only=True, side=side, symbol=symbol)]

    def balance(self, asset: str) -> Decimal:
        """Free and locked together; 0 for an asset that was never there."""
        rows = {row["asset"]: Decimal(row["free"]) + Decimal(row["locked"]) for row in self._balances()}
        return rows.get(asset, Decimal(0))

    def _balances(self) -> list[Document]:
        balances: list[Document] = self.call("sim.ledger")["balances"]
        return balances


class Finished:
    """What a run of `naivectl` came to; ``document`` is what it printed with ``--json``."""

    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def result(self) -> Document:
        """The only entry of ``results``."""
        (entry,) = self.document["results"]
        found: Document = entry
        return found


class Daemon:
    """``naived`` in a home, and `naivectl` for it.

    One that is forked finds a new journal in its home, as an earlier start would have left it.
    """

    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        self._options = options
        self._begun = False
        self._program: Program | None = None

    @property
    def program(self) -> Program | None:
        """The one that was begun last, None when it is over."""
        return self._program

    @property
    def pid(self) -> int:
        assert self._program is not None
        return self._program.pid

    @property
    def log(self) -> str:
        return (self.home / "naived.log").read_text()

    def launch(self, log: Path | None = None, *, forked: bool | None = None) -> Program:
        """Begin, without waiting for anything; ``forked``: see `forks.start`."""
        log = log or self.home / "naived.log"
        self._prepare_home(forks.wanted if forked is None else forked)
        self._program = Program(log, "run", "--home", str(self.home), *self._options, forked=forked)
        return self._program

    def _prepare_home(self, forked: bool) -> None:
        """Before the first start; one that is real makes its journal itself."""
        begun, self._begun = self._begun, True
        if begun or not forked or "--database" in self._options or not self.home.is_dir():
            return
        kinds = dict(zip(self._options, self._options[1:], strict=False))
        journal = self.home / f"{kinds.get('--exchange', 'simulator')}.db"
        if not journal.exists():
            copy_new_journal(journal)

    def adopt(self, program: Program) -> None:
        """Of two that were launched, this is the one that runs."""
        self._program = program

    def start(self, *, forked: bool | None = None) -> None:
        """Begin, and wait until it answers and has seen its exchange; ``forked``: see `forks.start`."""
        program = self.launch(forked=forked)

        def ready() -> bool:
            assert program.code is None, self.log
            return self.state == "ready"

        until(ready)

    def end(self, number: signal.Signals = signal.SIGKILL) -> int | None:
        """Let it die, or suspend; the exit code. Harmless when it is not there."""
        if self._program is None:
            return None
        program, self._program = self._program, None
        return program.end(number)

    def suspend(self) -> int | None:
        return self.end(signal.SIGTERM)

    # What it says

    def ask(self, method: str, /, **params: object) -> Document:
        """Straight over the socket, as `naivectl` does: cheap enough to be asked often."""
        return call([str(self.home / "control.sock")], method, params)

    @property
    def state(self) -> str | None:
        """The daemon's own; None while it does not answer."""
        try:
            state: str = self.ask("status")["daemon"]["state"]
        except Failure:
            return None
        return state

    def symbol(self, name: str = SYMBOL) -> Document:
        """Its entry of ``status``."""
        (entry,) = self.ask("status", symbols=[name])["symbols"]
        found: Document = entry
        return found

    def phases(self, name: str = SYMBOL) -> list[str]:
        """What the symbol's traders do, oldest first."""
        return [trader["phase"] for trader in self.symbol(name)["traders"]]

    def reaches(self, *phases: str, name: str = SYMBOL) -> None:
        """Wait until the symbol's traders do this, and each order of theirs is known to rest."""
        until(lambda: self.does(*phases, name=name))

    def does(self, *phases: str, name: str = SYMBOL) -> bool:
        """Is it so at one moment? Between two looks a sell may have been refused."""
        traders = self.symbol(name)["traders"]
        return [trader["phase"] for trader in traders] == list(phases) and not _unsettled(traders)

    def unsettled(self, name: str = SYMBOL) -> list[Document]:
        """Orders of living traders that were decided and are not known to the exchange yet."""
        return _unsettled(self.symbol(name)["traders"])

    def orders(self, name: str = SYMBOL) -> list[Document]:
        found: list[Document] = self.ask("orders", symbols=[name])["orders"]
        return found

    # naivectl

    def ctl(self, *words: str) -> Finished:
        """``naivectl --json``, as a program."""
        words = ("--json", "--home", str(self.home), *words)
        how = {"env": environment(), "forked": forks.beside}
        return Finished(forks.run("naivectl", *words, timeout=2 * PATIENCE, **how))

    def do(self, *words: str) -> Finished:
        """The same, and it must succeed."""
        done = self.ctl(*words)
        assert done.code == 0, (words, done.code, done.out, done.err)
        return done


def _unsettled(traders: list[Document]) -> list[Document]:
    legs = [trader[side] for trader in traders for side in ("buy", "sell")]
    return [leg for leg in legs if leg and leg["state"] in ("not_placed", "intended", "unknown")]


def plays(exchange: Exchange, daemon: Daemon, enough: Callable[[], bool]) -> None:
    """The market goes on, in bursts, until there is enough; it waits for a daemon on a slow machine."""

    def burst() -> bool:
        brisk(exchange)
        exchange.call("sim.hold")
        until(lambda: not daemon.unsettled())
        return enough()

    until(burst, 3 * PATIENCE)


def brisk(exchange: Exchange) -> None:
    """The market goes on."""
    exchange.call("sim.play")
    time.sleep(_BURST)
