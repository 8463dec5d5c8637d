"""One job: a home, an exchange, a database and a seed; naived is killed over and over there, and audited.

    dead ──started──────────────────────────> alive ──SIGKILL; SIGTERM or SIGSTOP, then SIGKILL──> dead
      │  ──two started at once: one wins────>   │
      └──killed in its start or migration──> dead   └──its database server killed; SIGSTOP, SIGCONT──> alive

Meanwhile the market trades and arms faults, and a person asks; for an audit both are made to wait.
"""

import json
import math
import os
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol

from naivectl.client import Failure
from naived.control.protocol import format_time
from naived.simulator.symbols import built_in
from tests.acceptance.harness import Daemon, Document, Exchange, Program, until
from tests.audit.checkpoint import Checkpoint, settled
from tests.audit.figures import Figures
from tests.audit.market import Market
from tests.audit.person import Person
from tests.audit.storage import Storage, storage

SYMBOLS = ("ETHUSDT", "BTCUSDT", "SOLUSDT")

_WINDOW, _GRACE = 1.0, 2.0  # seconds: fences pass quickly
_LONGEST_FAULT = 1.6  # seconds an order may be hidden or delayed: below the grace, which is a bet on exactly that
_PATIENCE = 120.0  # seconds in which a start must recover, whatever fault is armed; requests are given up after 10
_TAKEN = 69  # the exit code of who finds the home taken
_BUSY = 1000  # times the exchange's own limits: so many starts a minute are asked of nobody


class Act(Protocol):
    __name__: str

    def __call__(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """``every``: kills between two audits; ``run``, ``pause``: seconds at most; ``troubles``: faults a second.

    ``start``: seconds that a start takes, a migration included, on an ordinary machine.
    """

    seed: int
    database: str
    kills: int
    every: int = 50
    run: float = 3.0
    pause: float = 60.0
    troubles: float = 0.5
    nodes: int = 1
    start: float = 1.3


def live(plan: Plan, tell: Callable[[str], None] = lambda line: None, *, keep: bool = False) -> Figures:
    """Live one job; its home is removed if there is nothing to blame, unless it is to be kept."""
    figures = Figures(plan.seed, plan.database)
    home = Path(tempfile.mkdtemp(prefix="naived-audit-"))
    try:
        with ExitStack() as stack:
            database = stack.enter_context(storage(plan.database, home))
            job = Job(plan, home, database, figures, tell)
            stack.callback(job.end)
            try:
                job.live()
            finally:
                if database.server is not None and figures.violations:
                    database.dump(home / "journal.jsonl")
    except Exception:
        figures.blame(0, traceback.format_exc())
    if figures.violations or keep:
        figures.home = home
    else:
        shutil.rmtree(home)
    return figures


class Job:
    """``live`` does it all; ``end`` ends what was started, on every path."""

    def __init__(
        self, plan: Plan, home: Path, database: Storage, figures: Figures, tell: Callable[[str], None]
    ) -> None:
        self._plan = plan
        self._home = home
        self._storage = database
        self._figures = figures
        self._tell = tell
        self._random = Random(f"kills {plan.seed}")
        self._diary = (home / "audit.log").open("a")
        self._exchange = Exchange(home, "--exchange-info", str(limitless(home)))
        self._exchange.start()
        self._daemon = Daemon(
            home,
            *("--exchange-url", self._exchange.url, "--database", database.url),
            *("--recv-window", f"{_WINDOW:g}s", "--grace", f"{_GRACE:g}s", "--log-format", "json"),
        )
        self._person = Person(self._daemon, SYMBOLS, Random(f"person {plan.seed}"), self._note)
        self._market = Market(
            self._exchange.url, SYMBOLS, Random(f"market {plan.seed}"), plan.troubles, _LONGEST_FAULT
        )
        self._program: Program | None = None
        self._done: set[str] = set()

    def end(self) -> None:
        self._daemon.end()
        self._exchange.end()
        self._diary.close()

    def _note(self, text: str) -> None:
        print(format_time(time.time_ns() // 1_000_000), text, file=self._diary, flush=True)

    def live(self) -> None:
        plan, figures = self._plan, self._figures
        market = self._market
        self._killed_in_migration()  # of a database that is empty
        with market:
            self._daemon.start()
            self._program = self._daemon.program
            while not figures.violations and figures.kills.total() < plan.kills:
                self._resume()
                market.open()
                with self._person:
                    self._trouble(min(plan.kills, figures.kills.total() + plan.every))
                market.close()
                self._audit()
        figures.asked = self._person.asked

    def _trouble(self, kills: int) -> None:
        """Until there have been so many."""
        while self._figures.kills.total() < kills:
            self._die()
            if self._program is None:
                self._bury()
                self._rise()

    def _resume(self) -> None:
        for symbol in SYMBOLS:
            self._person.start(symbol, "--profit", "0.0005", "--rebuy", "0.002", "--timeout", "5s")

    def _audit(self) -> None:
        checkpoint = Checkpoint(
            self._exchange, self._daemon, self._storage, self._person, self._figures, self._home, self._note
        )
        self._note("audit")
        if self._daemon.end() is not None:
            self._compare()
        checkpoint.undergo()
        self._program = self._daemon.program
        found = len(self._figures.violations)
        self._tell(
            f"seed {self._plan.seed} on {self._plan.database}: "
            f"{self._figures.kills.total()} kills, {self._figures.orders} orders, {found} violations"
        )

    # How it dies

    def _die(self) -> None:
        """Let it run for a moment; then something happens, of which it need not die."""
        time.sleep(self._plan.run * self._random.random() ** 2)  # mostly short: recoveries are to overlap
        ways: list[tuple[int, Act]] = [
            (60, self._kill),
            (10, self._suspend),
            (10, self._pause),
            (3, self._lose_exchange),
        ]
        if self._storage.server is not None:
            ways.append((12, self._lose_database))
        self._do_one_of(ways)

    def _do_one_of(self, ways: Sequence[tuple[int, Act]]) -> None:
        """What was never done yet comes first, so that a short run has some of everything; then by weight."""
        acts = [act for _, act in ways if act.__name__ not in self._done]
        if acts:
            act = self._random.choice(acts)
        else:
            (act,) = self._random.choices([act for _, act in ways], [weight for weight, _ in ways])
        self._done.add(act.__name__)
        act()

    def _kill(self, how: str = "SIGKILL") -> None:
        assert self._program is not None
        code = self._program.code
        if code is not None:
            self._figures.blame(0, f"naived ended by itself with {code}")
        self._daemon.end(signal.SIGKILL)
        self._program = None
        self._count(how)

    def _count(self, how: str) -> None:
        self._figures.kills[how] += 1
        self._note(how)

    def _suspend(self) -> None:
        """SIGTERM, and before or after it has come to its end, SIGKILL."""
        assert self._program is not None
        os.kill(self._program.pid, signal.SIGTERM)
        time.sleep(self._random.uniform(0, 1))
        code = self._program.code
        if code is None:
            self._kill("SIGTERM, SIGKILL")
            return
        if code != 0:
            self._figures.blame(0, f"a suspend ended with {code}")
        self._daemon.end()
        self._program = None
        self._figures.beside["suspended in time"] += 1
        self._note("suspended")

    def _pause(self) -> None:
        """A paused process wakes with old orders to send, or never."""
        assert self._program is not None
        seconds = math.exp(self._random.uniform(math.log(0.1), math.log(self._plan.pause)))
        self._note(f"SIGSTOP for {seconds:.1f} s")
        os.kill(self._program.pid, signal.SIGSTOP)
        time.sleep(seconds)
        if self._random.random() < 0.5:
            self._kill("SIGSTOP, SIGKILL")
            return
        os.kill(self._program.pid, signal.SIGCONT)
        self._figures.beside["SIGSTOP, SIGCONT"] += 1

    def _lose_exchange(self) -> None:
        """It dies and comes back with the same ledger; what it was told and did not answer is not known."""
        self._exchange.end()
        self._figures.beside["exchange killed"] += 1
        self._note("exchange killed")
        time.sleep(self._random.uniform(0, 1))
        self._exchange.start()

    def _lose_database(self) -> None:
        number = self._random.choice((signal.SIGKILL, signal.SIGQUIT))
        self._storage.crash(number)
        self._count(f"postmaster {number.name}")
        time.sleep(self._random.uniform(0, 1))
        if self._random.random() < 0.3:
            self._kill("SIGKILL without database")
        self._storage.revive()

    def _bury(self) -> None:
        with self._person.lock:
            self._compare()

    def _compare(self) -> None:
        """It is dead: does the journal have what was acknowledged?"""
        stored = self._storage.stored()
        if stored is not None:
            for symbol, wishes in self._person.wishes.items():
                status, chunks = stored.get(symbol, ("off", None))
                if status not in wishes.status or (chunks is not None and chunks not in wishes.chunks):
                    self._figures.blame(16, f"{symbol} is stored as {status} with {chunks} chunks, asked: {wishes}")
        self._person.died(stored)

    # How it is started

    def _rise(self) -> None:
        """Start it, perhaps not at once."""
        while self._program is None:
            began = time.monotonic()
            self._do_one_of(
                [
                    (75, self._start),
                    (7, self._race),
                    (12, self._killed_in_start),
                    (6, self._killed_in_migration),
                ]
            )
        self._figures.restarts += 1
        until(self._answers, _PATIENCE)
        if self._random.random() < 0.25:
            with self._market.calm():  # else something new would be unknown at any moment
                self._recover(began)

    def _start(self) -> None:
        self._program = self._daemon.launch()

    def _answers(self) -> bool:
        assert self._program is not None
        assert self._program.code is None, f"naived ended with {self._program.code}: {self._daemon.log[-2000:]}"
        return self._daemon.state is not None

    def _killed_in_start(self) -> None:
        self._start()
        time.sleep(self._random.uniform(0, self._plan.start))
        self._kill("SIGKILL in start")
        self._bury()

    def _killed_in_migration(self) -> None:
        """From an empty database, or from one that is a revision old; it is brought up to date by a later start."""
        if self._storage.version() is not None and not self._storage.wind_back():
            return
        before = self._storage.version()
        self._person.lost_halts()
        self._start()
        time.sleep(self._random.uniform(self._plan.start / 4, self._plan.start))
        self._kill(f"SIGKILL in migration {'from nothing' if before is None else f'from {before}'}")
        if self._storage.version() != before:
            self._figures.beside["migrations finished before the kill"] += 1
        self._bury()

    def _race(self) -> None:
        """Two for one home: exactly one wins."""
        first = self._daemon.launch()
        time.sleep(self._random.uniform(0, 0.2))
        second = self._daemon.launch()
        until(lambda: first.code is not None or second.code is not None)
        winner, loser = (second, first) if first.code is not None else (first, second)
        self._daemon.adopt(winner)
        self._program = winner
        if loser.ended() != _TAKEN:
            self._figures.blame(0, f"the second naived for one home ended with {loser.code}")
        self._figures.beside["races for one home"] += 1
        self._note(f"race: {winner.pid} wins, {loser.pid} ends with {loser.code}")

    def _recover(self, began: float) -> None:
        """How long does it take until it is ready, and knows what became of every order?"""
        seen: Document = {}

        def recovered() -> bool:
            nonlocal seen
            self._answers()
            try:
                seen = self._daemon.ask("status")
            except Failure:
                return False
            return settled(seen)

        try:
            until(recovered, _PATIENCE)
        except AssertionError:
            self._figures.blame(21, f"not recovered within {_PATIENCE:g} s: {json.dumps(seen)[:3000]}")
        self._figures.recoveries.append(time.monotonic() - began)


def limitless(home: Path) -> Path:
    """The built-in listings without limits that matter."""
    info = built_in()
    info["rateLimits"] = [{**row, "limit": row["limit"] * _BUSY} for row in info["rateLimits"]]
    info["symbols"] = [row for row in info["symbols"] if row["symbol"] in SYMBOLS]
    file = home / "exchange-info.json"
    file.write_text(json.dumps(info))
    return file
