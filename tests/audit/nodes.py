"""One job with several nodes: they share a PostgreSQL server and an exchange, and are killed, paused and drained.

Whatever happens to one, within two leases every symbol is a living node's, as the database has it; how long that
takes, and how long until all is traded again, is timed. At an audit all end, and one of them is judged as alone.
"""

import math
import os
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random

import sqlalchemy as sa

from naived.control.protocol import format_time
from naived.database.engine import Role, open_engine, parse_url
from naived.database.server import HISTORY
from tests.acceptance.harness import Daemon, Document, Exchange, until
from tests.audit.checkpoint import Checkpoint, settled
from tests.audit.figures import FAILOVER, Figures
from tests.audit.job import SYMBOLS, Act, Plan, limitless
from tests.audit.market import Market
from tests.audit.person import Person
from tests.audit.storage import Storage, storage
from tests.support.postgres_proxy import Cut, proxied

NAMES = ("alpha", "beta", "gamma", "delta")
LEASE = 6.0  # seconds

_WINDOW, _GRACE = 1.0, 2.0  # seconds
_LONGEST_FAULT = 1.6  # seconds, below the grace
_SLACK = 10.0  # seconds beyond two leases, on a machine that is busy with other programs
_PATIENCE = 120.0  # seconds until every order's fate is known, and everything is traded
_SUSPENDED = 30.0  # seconds
_UNREACHABLE = 75  # the exit code of a start that found no database, or is among the commits that it lost
_DONE = ("on", "shutdown")  # statuses of symbols that somebody has to trade


class Everywhere(Person):
    """Asks at any node."""

    def __init__(self, nodes: dict[str, Daemon], random: Random, note: Callable[[str], None]) -> None:
        super().__init__(next(iter(nodes.values())), SYMBOLS, random, note)
        self.nodes = nodes
        self._choice = Random(random.random())

    def follow_a_whim(self, symbol: str) -> None:
        self._daemon = self._choice.choice(list(self.nodes.values()))
        if self._daemon.program is not None and self._daemon.state is not None:
            super().follow_a_whim(symbol)

    def stay_at(self, daemon: Daemon) -> None:
        """Ask at this one from now on."""
        self._daemon = daemon


class NodesJob:
    """``live`` does it all; ``end`` ends what was started, on every path, but for the ``ways`` to the database."""

    def __init__(
        self,
        plan: Plan,
        home: Path,
        database: Storage,
        ways: ExitStack,
        figures: Figures,
        tell: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._home = home
        self._storage = database
        self._figures = figures
        self._tell = tell
        self._random = Random(f"nodes {plan.seed}")
        self._diary = (home / "audit.log").open("a")
        self._exchange = Exchange(home, "--exchange-info", str(limitless(home)))
        self._exchange.start()
        self._ways = {name: ways.enter_context(proxied(database.address)) for name in NAMES[: plan.nodes]}
        self._nodes = {name: self._node(name) for name in self._ways}
        self._person = Everywhere(self._nodes, Random(f"person {plan.seed}"), self._note)
        self._market = Market(
            self._exchange.url, SYMBOLS, Random(f"market {plan.seed}"), plan.troubles, _LONGEST_FAULT
        )
        self._engine = open_engine(parse_url(database.url), Role.READ)
        self._drained: set[str] = set()
        self.takeovers: list[float] = []

    def _node(self, name: str) -> Daemon:
        # The first one's home has the log that is audited.
        home = self._home if name == NAMES[0] else self._home / name
        home.mkdir(exist_ok=True)
        return Daemon(
            home,
            *("--exchange-url", self._exchange.url, "--node", name),
            *("--database", self._ways[name].url(self._storage.url)),
            *("--lease", f"{LEASE:g}s", "--recv-window", f"{_WINDOW:g}s", "--grace", f"{_GRACE:g}s"),
            *("--log-format", "json"),
        )

    def end(self) -> None:
        for daemon in self._nodes.values():
            daemon.end()
        self._exchange.end()
        self._engine.dispose()
        self._diary.close()

    def _note(self, text: str) -> None:
        print(format_time(time.time_ns() // 1_000_000), text, file=self._diary, flush=True)

    def live(self) -> None:
        plan, figures = self._plan, self._figures
        with self._market as market:
            while not figures.violations and figures.kills.total() < plan.kills:
                for daemon in self._nodes.values():
                    if daemon.program is None:
                        daemon.start()
                self._resume()
                market.open()
                with self._person:
                    kills = min(plan.kills, figures.kills.total() + plan.every)
                    while not figures.violations and figures.kills.total() < kills:
                        time.sleep(plan.run * self._random.random() ** 2)
                        self._trouble()
                market.close()
                if not figures.violations:
                    self._audit()
        figures.asked = self._person.asked

    def _resume(self) -> None:
        self._person.stay_at(self._nodes[NAMES[0]])
        self._undrain()
        for symbol in SYMBOLS:
            self._person.start(symbol, "--profit", "0.0005", "--rebuy", "0.002", "--timeout", "20s")

    def _audit(self) -> None:
        """All end; the first is judged as if it were alone."""
        self._note("audit")
        self._undrain()
        for daemon in self._nodes.values():
            daemon.end()
        until(lambda: not self._held(), LEASE + _SLACK)  # what a killed one had is taken over later
        first = self._nodes[NAMES[0]]
        self._person.stay_at(first)
        checkpoint = Checkpoint(
            self._exchange, first, self._storage, self._person, self._figures, self._home, self._note
        )
        checkpoint.undergo()
        for name, daemon in self._nodes.items():
            for line in daemon.log.splitlines():
                if "Traceback (most recent call last)" in line or "foreign lineage" in line:
                    self._figures.blame(0, f"{name} logged: {line[-1500:]}")
        found = len(self._figures.violations)
        self._tell(f"seed {self._plan.seed}: {self._figures.kills.total()} kills, {found} violations")

    # What befalls them

    def _trouble(self) -> None:
        acts: list[tuple[int, Act]] = [
            (40, self._kill),
            (8, self._kill_all),
            (14, self._pause),
            (8, self._suspend),
            (10, self._drain),
            (10, self._lose_database),
            (5, self._fail_over),
            (8, self._cut_off),
            (6, self._cut_a_commit),
            (3, self._lose_exchange),
        ]
        (act,) = self._random.choices([act for _, act in acts], [weight for weight, _ in acts])
        act()
        self._all_had()

    def _any(self) -> tuple[str, Daemon]:
        name = self._random.choice(list(self._nodes))
        return name, self._nodes[name]

    def _kill(self) -> None:
        name, daemon = self._any()
        has = name in self._held().values()
        self._dies(name, daemon)
        began = time.monotonic()
        others = [node for node in self._nodes if node != name and node not in self._drained]
        if others and has and self._random.random() < 0.5:
            self._taken_over(others, began)
        daemon.launch()

    def _dies(self, name: str, daemon: Daemon) -> None:
        program = daemon.program
        if program is not None and program.code not in (None, _UNREACHABLE):
            self._figures.blame(0, f"{name} ended by itself with {program.code}: {daemon.log[-1500:]}")
        daemon.end(signal.SIGKILL)
        self._figures.kills["SIGKILL"] += 1
        self._note(f"SIGKILL {name}")

    def _kill_all(self) -> None:
        for name, daemon in self._nodes.items():
            self._dies(name, daemon)
        for daemon in self._nodes.values():
            daemon.launch()

    def _pause(self) -> None:
        """Beyond its lease or not; it wakes with old orders to send, or never."""
        name, daemon = self._any()
        program = daemon.program
        assert program is not None
        seconds = math.exp(self._random.uniform(math.log(0.2), math.log(2 * LEASE)))
        self._note(f"SIGSTOP {name} for {seconds:.1f} s")
        os.kill(program.pid, signal.SIGSTOP)
        time.sleep(seconds)
        if self._random.random() < 0.3:
            daemon.end(signal.SIGKILL)
            self._figures.kills["SIGSTOP, SIGKILL"] += 1
            daemon.launch()
            return
        os.kill(program.pid, signal.SIGCONT)
        self._figures.beside["SIGSTOP, SIGCONT"] += 1

    def _suspend(self) -> None:
        name, daemon = self._any()
        program = daemon.program
        assert program is not None
        if program.code is None:
            until(lambda: daemon.state is not None, _PATIENCE)  # what ends in its start ends as a crash does
        code = program.end(signal.SIGTERM, _SUSPENDED)
        if code not in (0, 1):  # 1: before every answer came
            self._figures.blame(0, f"a suspend of {name} ended with {code}")
        self._figures.beside["suspended"] += 1
        self._note(f"suspended {name}")
        daemon.launch()

    def _drain(self) -> None:
        """One is drained, or takes symbols again; never the last."""
        name, _ = self._any()
        if name in self._drained:
            self._undrain()
        elif len(self._drained) < len(self._nodes) - 1:
            asked = self._random.choice(list(self._nodes.values()))
            if asked.state is not None and asked.ctl("nodes", "drain", name).code == 0:
                self._drained.add(name)
                self._figures.beside["drained"] += 1
                self._note(f"drain {name}")

    def _undrain(self) -> None:
        daemon = self._nodes[NAMES[0]]
        until(lambda: daemon.state is not None, _PATIENCE)
        for name in list(self._drained):
            until(lambda name=name: daemon.ctl("nodes", "undrain", name).code == 0)  # type: ignore[misc]
            self._drained.discard(name)
            self._note(f"undrain {name}")

    def _lose_database(self) -> None:
        number = self._random.choice((signal.SIGKILL, signal.SIGQUIT))
        self._storage.crash(number)
        self._figures.kills[f"postmaster {number.name}"] += 1
        self._note(f"postmaster {number.name}")
        time.sleep(self._random.uniform(0, 1))
        if self._random.random() < 0.3:
            self._dies(*self._any())
        self._storage.revive()
        self._launch_dead()

    def _fail_over(self) -> None:
        """Its last commits are lost, and the orders behind them are found again; nobody asks meanwhile.

        What a person is told then is not promised, and with other settings a lost order fits no decision.
        """

        def trade_on() -> None:
            time.sleep(self._random.uniform(0, 2))
            if self._random.random() < 0.3:
                self._dies(*self._any())

        with self._person.lock, self._market.calm():
            self._storage.fail_over(trade_on)
            self._figures.kills[FAILOVER] += 1
            self._note("failover")
            self._launch_dead()
            try:
                until(self._goes_on, _PATIENCE)
            except AssertionError as error:
                self._figures.blame(21, f"not traded after a failover: {self._described()}: {str(error)[:500]}")

    def _goes_on(self) -> bool:
        """Is everything traded again? One that was started within the lost moments ends, and is started again."""
        self._launch_dead()
        if any(daemon.state is None for daemon in self._nodes.values()):
            return False
        return self._accepted() and self._trades(self._nodes[NAMES[0]], list(self._nodes))

    def _accepted(self) -> bool:
        """Are all symbols compared on this server?"""
        with self._engine.connect() as connection:
            return bool(connection.scalar(sa.text(f"SELECT server = {HISTORY} FROM deployment")))

    def _described(self) -> str:
        rows = self._nodes[NAMES[0]].ask("status")["symbols"]
        return "; ".join(f"{row['symbol']} {row['status']} {row['state']} {row['reason']}" for row in rows)

    def _cut_off(self) -> None:
        """A node does not reach the database, and is told so or not; beyond its lease or not."""
        name, _ = self._any()
        way = self._ways[name]
        how = self._random.choice((way.swallow, way.refuse))
        seconds = math.exp(self._random.uniform(math.log(0.2), math.log(2 * LEASE)))
        self._note(f"{how.__name__} the way of {name} to the database for {seconds:.1f} s")
        how()
        time.sleep(seconds)
        way.heal()
        self._figures.beside["cut off from the database"] += 1
        self._launch_dead()  # a start that it ended

    def _cut_a_commit(self) -> None:
        name, _ = self._any()
        where = self._random.choice(list(Cut))
        self._ways[name].cut(where)
        self._note(f"the next commit of {name} is cut {where.name}")
        self._figures.beside["commits cut"] += 1

    def _launch_dead(self) -> None:
        for name, daemon in self._nodes.items():
            if daemon.program is None or self._ended_in_its_start(name, daemon):
                daemon.launch()

    def _ended_in_its_start(self, name: str, daemon: Daemon) -> bool:
        """Without its database a start ends with 75, and whoever watches over it starts it again."""
        program = daemon.program
        assert program is not None
        until(lambda: program.code is not None or daemon.state is not None, _PATIENCE)
        if program.code == _UNREACHABLE:
            self._note(f"{name} found no database at its start")
        return program.code == _UNREACHABLE

    def _lose_exchange(self) -> None:
        self._exchange.end()
        self._figures.beside["exchange killed"] += 1
        self._note("exchange killed")
        time.sleep(self._random.uniform(0, 1))
        self._exchange.start()

    # What must be so

    def _held(self) -> dict[str, str]:
        """The node of each symbol that a node has, by the database's clock."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                sa.text("SELECT symbol, node FROM leases WHERE node IS NOT NULL AND until > clock_timestamp()")
            )
            return {symbol: node for symbol, node in rows}

    def _is_had(self, nodes: list[str]) -> bool:
        held = self._held()
        return all(held.get(symbol) in nodes for symbol in SYMBOLS)

    def _all_had(self) -> None:
        """Within two leases after a single fault, each symbol is a node's that lives."""
        living = [name for name in self._nodes if name not in self._drained]
        try:
            until(lambda: self._is_had(living), 2 * LEASE + _SLACK)
        except AssertionError:
            self._figures.blame(21, f"not within two leases a living node's: {self._held()}, alive: {living}")

    def _taken_over(self, others: list[str], began: float) -> None:
        """Time how long the others take to have all symbols, then to know every order's fate and trade."""
        daemon = self._nodes[others[0]]
        with self._market.calm():
            try:
                until(lambda: self._is_had(others), 2 * LEASE + _SLACK)
                self.takeovers.append(time.monotonic() - began)
                until(lambda: self._trades(daemon, others), _PATIENCE)
            except AssertionError as error:
                self._figures.blame(21, f"not taken over: {self._held()}, alive: {others}: {str(error)[:2000]}")
                return
        self._figures.recoveries.append(time.monotonic() - began)

    def _trades(self, daemon: Daemon, others: list[str]) -> bool:
        status: Document = daemon.ask("status")
        status["symbols"] = [row for row in status["symbols"] if row["status"] in _DONE]
        return settled(status) and all(
            row["node"] in others
            and (row["state"] in ("trading", "draining") or "by hand" in (row["reason"] or ""))
            for row in status["symbols"]
        )


def live_nodes(plan: Plan, tell: Callable[[str], None] = lambda line: None) -> Figures:
    """Live one job; its home stays if there is something to blame."""
    figures = Figures(plan.seed, f"{plan.nodes} nodes")
    home = Path(tempfile.mkdtemp(prefix="naived-nodes-"))
    try:
        with ExitStack() as stack:
            database = stack.enter_context(storage("postgresql", home))
            ways = stack.enter_context(ExitStack())
            job = NodesJob(plan, home, database, ways, figures, tell)
            stack.callback(job.end)
            try:
                job.live()
            finally:
                figures.takeovers = job.takeovers
                if figures.violations:
                    database.dump(home / "journal.jsonl")
    except Exception:
        figures.blame(0, traceback.format_exc())
    if figures.violations:
        figures.home = home
    else:
        shutil.rmtree(home)
    return figures
