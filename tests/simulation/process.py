"""One process of naived as its machine sees it: the places where it touches the world, and where it may die.

A process that is dead runs on until its tasks have unwound, and touches nothing: every seam raises Crash. That is
kill -9, while the exchange and the network go on.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa
import trio

from naived.core.orders.intent import Side
from naived.core.orders.state import State
from naived.ports import JournalError, Unit
from tests.simulation.network import End, Network
from tests.simulation.stopping import CURRENT, Tasks

LONGEST_LAG = 10.0  # seconds
_SLACK = 1_000  # ms by which naived's clock may be behind when it begins to wait
_BANNED = 418
_TOO_MUCH = (429, _BANNED)  # the statuses of answers that tell how long to wait
STARTING, RUNNING, LEAVING = "starting", "running", "leaving"


Blame = Callable[[int, str], None]


class _Statements(dict[tuple[Any, ...], Any]):
    """SQLAlchemy's cache of compiled statements, one for all engines: each process of naived has new ones.

    Compiling them again was half of a start. All engines here have the same dialect, with which a key begins.
    """

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        return super().get(key[1:], default)

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        super().__setitem__(key[1:], compiled)


_STATEMENTS = _Statements()


class Crash(BaseException):
    """The process is dead."""


@dataclass
class Doom:
    """When processes die: at these visits of a seam, counted over all processes, or at the ``next`` one
    that has such a word in its name.

    ``visited`` are the names of all seams that were reached, ``deaths`` of those at which one died, in order; the
    stage of the process's life is part of a name.
    """

    at: set[int] = field(default_factory=set)
    next: set[str] = field(default_factory=set)
    visited: list[str] = field(default_factory=list)
    deaths: list[str] = field(default_factory=list)

    def strikes(self, seam: str) -> bool:
        self.visited.append(seam)
        for name in sorted(self.next):
            if name in seam:
                self.next.remove(name)
                return True
        return len(self.visited) in self.at

    def spare(self) -> None:
        """Nobody dies any more."""
        self.at.clear()
        self.next.clear()


@dataclass
class Disk:
    """What befalls commits (probabilities), and until when (trio's time) the database cannot be reached.

    ``slow``: mean seconds that a question waits, and its answer again.
    """

    refused: float = 0.0  # raised, and not committed
    lied: float = 0.0  # raised, and committed
    gone: float = 0.0  # raised, and away for some seconds, so that nobody can tell; committed or not
    slow: float = 0.0
    away_until: float = 0.0
    befell: dict[str, int] = field(default_factory=dict)

    def heal(self) -> None:
        self.refused = self.lied = self.gone = self.slow = self.away_until = 0.0


class Process:
    """``scope`` is around all its tasks, ``stage`` how far its life is, ``now`` the exchange's clock in ms."""

    def __init__(
        self, network: Network, doom: Doom, disk: Disk, random: Any, now: Callable[[], int], blame: Blame
    ) -> None:
        self.scope = trio.CancelScope()
        self.tasks = Tasks()
        self.stage = STARTING
        self.dead = False
        self.died_at = ""
        self.banned_until = 0  # ms, by what the exchange told it
        self.blame = blame
        self.now = now
        self._network = network
        self._doom = doom
        self._disk = disk
        self._random = random
        self._ends: list[End] = []
        self._committing = "other"

    def pass_by(self, seam: str) -> None:
        """Go through a seam, or die there; raises Crash."""
        if self.dead:
            raise Crash
        if self._doom.strikes(self._named(seam)):
            self.die(seam)
            raise Crash

    def _named(self, seam: str) -> str:
        return f"{seam} ({self.stage})"

    def die(self, where: str) -> None:
        """Between two steps of trio's; what it sent is on its way all the same."""
        if self.dead:
            return
        self.dead = True
        self.died_at = self._named(where)
        self._doom.deaths.append(self.died_at)
        for end in self._ends:
            end.leave()
        self.scope.cancel()
        if self.tasks.stopped:
            self.tasks.go_on()

    # The network

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator["Guarded"]:
        self.pass_by("connect")
        async with self._network.connect(url) as end:
            self._ends.append(end)
            try:
                yield Guarded(self, end, metered="/ws-api/" in url)
            finally:
                self._ends.remove(end)

    # The database

    def begins(self, unit: Unit) -> None:
        """From now on this is what is committed."""
        self._committing = _kind(unit)

    async def ahead(self, of: str) -> None:
        """Here a process that can be stopped may be: ahead ``of`` what comes next."""

    @contextmanager
    def database(self, path: str) -> Iterator[None]:
        """Stand between SQLAlchemy and this file."""
        _listen()
        _STANDING[self.tasks] = path, self
        try:
            yield
        finally:
            del _STANDING[self.tasks]

    def reach(self, statement: str) -> None:
        """Raises what a process that is dead, or cut off from the database, meets."""
        if self.dead:
            raise Crash
        if trio.current_time() < self._disk.away_until:
            raise _failed(statement)

    @property
    def slow(self) -> bool:
        """Does the database take its time?"""
        return self._disk.slow > 0

    def lag(self) -> float:
        """Seconds that the next question or answer takes."""
        self._disk.befell["database slow"] = self._disk.befell.get("database slow", 0) + 1
        return min(LONGEST_LAG, self._random.expovariate(1 / self._disk.slow)) if self._disk.slow else 0.0

    def leave_behind(self, work: Callable[[], object]) -> None:
        """Whoever asked is gone, and the database does it all the same."""
        if not self.dead:
            with suppress(JournalError):
                work()

    def commit(self, connection: sa.Connection) -> None:
        """Commit, or fail, or die before it, behind it or in between."""
        if _only_reads(connection):
            return
        what, self._committing = self._committing, "other"
        self.pass_by(f"commit {what}: before")
        disk = self._disk
        if self._falls("refused"):
            raise _failed("COMMIT")
        if self._falls("lied"):
            connection.exec_driver_sql("COMMIT")
            raise _failed("COMMIT")
        if self._falls("gone"):
            disk.away_until = trio.current_time() + self._random.uniform(0, 10)
            if self._random.random() < 0.5:
                connection.exec_driver_sql("COMMIT")
            raise _failed("COMMIT")
        if self._doom.strikes(self._named(f"commit {what}: after")):
            connection.exec_driver_sql("COMMIT")
            self.die(f"commit {what}: after")
            raise Crash

    def wrote_fills(self) -> None:
        """Within the transaction of its commit."""
        self.pass_by(f"commit {self._committing}: within")

    def _falls(self, what: str) -> bool:
        probability: float = getattr(self._disk, what)
        if not probability or self._random.random() >= probability:
            return False
        name = f"commit {what}"
        self._disk.befell[name] = self._disk.befell.get(name, 0) + 1
        return True


class Guarded:
    """A connection of a process; has the methods of ``websocket.WebSocket``. ``metered``: a ban holds for it."""

    def __init__(self, process: Process, end: End, *, metered: bool) -> None:
        self._process = process
        self._end = end
        self._metered = metered
        self._asked: dict[Any, str] = {}
        self._placing: dict[Any, str] = {}  # the client order ids of orders that are not answered yet

    @property
    def closed(self) -> bool:
        return self._end.closed

    async def send(self, text: str) -> None:
        frame = msgspec.json.decode(text)
        method = self._asked[frame["id"]] = frame["method"]
        if method == "order.place":
            self._placing[frame["id"]] = frame["params"]["newClientOrderId"]
        self._process.pass_by(f"send {method}: before")
        if self._metered and self._process.now() < self._process.banned_until:
            self._process.blame(17, f"{method} was sent while the exchange had told us to wait")
        await self._end.send(text)
        self._process.pass_by(f"send {method}: after")

    async def receive(self) -> str:
        text = await self._end.receive()
        frame = _decoded(text)
        if "id" in frame and "status" in frame:
            self._heed(frame)
            self._placing.pop(frame["id"], None)
            self._process.pass_by(f"answer {self._asked.get(frame['id'])}")
        elif (report := _report(frame)) is not None:
            early = " before its answer" if report["c"] in self._placing.values() else ""
            self._process.pass_by(f"report {report['x']}{early}")
        elif self._process.dead:
            raise Crash
        return text

    def _heed(self, frame: dict[str, Any]) -> None:
        """Of a wait as much is demanded as the exchange documents, and only where it says that it is one."""
        if frame["status"] not in _TOO_MUCH:
            return
        try:
            until = int(frame["error"]["data"]["retryAfter"])
        except (KeyError, TypeError, ValueError):
            return
        longest = 3 * 86_400_000 if frame["status"] == _BANNED else 60_000
        until = min(until, self._process.now() + longest - _SLACK)
        self._process.banned_until = max(self._process.banned_until, until)

    async def ping(self) -> None:
        await self._end.ping()


def _decoded(text: str) -> dict[str, Any]:
    """The frame, empty if it is none."""
    try:
        frame = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    return frame if isinstance(frame, dict) and isinstance(frame.get("id", 0), int | None) else {}


def _report(frame: dict[str, Any]) -> dict[str, Any] | None:
    """The execution report in a frame, if it is one."""
    event = frame.get("event")
    known = isinstance(event, dict) and event.get("e") == "executionReport" and {"c", "x"} <= event.keys()
    return event if known else None


def _kind(unit: Unit) -> str:
    """What is in a unit, for the name of the seam."""
    words = []
    if unit.fills:
        words.append("fill")
    for order in unit.orders:
        if order.state in (State.INTENDED, State.NOT_PLACED):
            again = " again" if order.attempt > (order.state is State.INTENDED) else ""
            words.append(f"{'buy' if order.intent.side is Side.BUY else 'sell'} intent{again}")
        elif not unit.fills:
            words.append(str(order.state))
    if unit.desired is not None:
        words.append(f"wish {unit.desired.status}")
    return ", ".join(words) or "other"


_STANDING: dict[Tasks, tuple[str, Process]] = {}  # who stands before which file


def _of(connection: sa.Connection) -> Process | None:
    """The process that runs, if it stands before the file of this connection."""
    tasks = CURRENT.get()
    path, process = _STANDING.get(tasks, ("", None)) if tasks is not None else ("", None)
    return process if connection.engine.url.database == path else None


def standing() -> Process | None:
    """The process that runs, if it stands before a file."""
    tasks = CURRENT.get()
    return _STANDING[tasks][1] if tasks in _STANDING else None


@cache
def _listen() -> None:
    """Once for all processes: with listeners of its own, each would hear what all the others do."""

    def connect(connection: sa.Connection) -> None:
        if any(connection.engine.url.database == path for path, _ in _STANDING.values()):
            connection.execution_options(compiled_cache=_STATEMENTS)

    def begin(connection: sa.Connection) -> None:
        if (process := _of(connection)) is not None:
            process.reach("BEGIN")

    def commit(connection: sa.Connection) -> None:
        if (process := _of(connection)) is not None:
            process.commit(connection)

    def executed(connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO fills") and (process := _of(connection)) is not None:
            process.wrote_fills()

    listeners = (
        ("engine_connect", connect),
        ("begin", begin),
        ("commit", commit),
        ("after_cursor_execute", executed),
    )
    for name, listener in listeners:
        sa.event.listen(sa.Engine, name, listener)


def _only_reads(connection: sa.Connection) -> bool:
    """Asked of the driver, as every transaction is asked this."""
    driver: Any = connection.connection.driver_connection
    (only,) = driver.execute("PRAGMA query_only").fetchone()
    return bool(only)


def _failed(statement: str) -> sa.exc.OperationalError:
    return sa.exc.OperationalError(statement, {}, Exception("disk I/O error"))
