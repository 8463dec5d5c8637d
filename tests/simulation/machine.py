"""A machine on which naived runs: it starts it, and again whenever it has ended; a person may ask it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import msgspec
import trio

from naived.control.caller import Caller
from naived.control.protocol import ControlError
from naived.nodes import Member
from naived.ports import JournalError
from tests.simulation.daemon import Document, Naived, running
from tests.simulation.durable import Durable
from tests.simulation.process import LEAVING, RUNNING, Crash, Process
from tests.simulation.stopping import inside

_LOOK = 0.1  # seconds between two looks at whether a start is over
_HANG_UPS = 0.1  # of the requests
_PATIENCE = 8.0  # seconds, the longest until one hangs up
_LONGEST = 20.0  # seconds until naived is started again


@dataclass(frozen=True)
class Site:
    """What a machine stands in.

    ``make`` makes a process with these dice. ``wall`` is the machine's clock (s). ``settled`` says whether a naived
    knows the fate of every order, ``recovered`` is told after how many seconds. ``seed`` seeds all dice here.
    """

    seed: str
    database: Path
    make: Callable[[Random], Process]
    wall: Callable[[], float]
    durable: Durable
    trace: Callable[[str, str], None]
    settled: Callable[[Naived], bool]
    recovered: Callable[[float], None]


class Machine:
    """``member``: as which naived enters a database that it shares. ``naived`` is None while it does not run."""

    def __init__(self, site: Site, member: Member | None = None) -> None:
        self.naived: Naived | None = None
        self.process: Process | None = None
        self.member = member
        self._site = site
        self._door: trio.Nursery | None = None
        self._suspended = trio.Event()
        self._hanging = Random(f"hanging up {site.seed}")

    @property
    def name(self) -> str:
        return "" if self.member is None else self.member.name

    @property
    def answers(self) -> bool:
        """Does naived run, and not leave?"""
        gone = self.process is None or self.process.dead or self._suspended.is_set()
        return self.naived is not None and not gone

    def suspend(self) -> None:
        self._suspended.set()

    async def run(self) -> None:
        """Run until cancelled."""
        site, member = self._site, self.member
        starts = Random(f"keeper {site.seed}")
        number = 0
        while True:
            number += 1
            process = site.make(Random(f"process {site.seed} {number}"))
            self.process, self._suspended = process, trio.Event()
            site.trace("start", f"{self.name} {number}".strip())
            try:
                with inside(process.tasks), process.scope:
                    await self._run_once(process, Random(f"naived {site.seed} {number}"), member)
            except* Crash:
                site.trace("died", f"{self.name} {process.died_at}".strip())
            except* JournalError as group:
                site.trace("not started", repr(group.exceptions[0]))
            self.naived = self._door = None
            await trio.sleep(starts.uniform(0.1, _LONGEST))

    async def _run_once(self, process: Process, random: Random, member: Member | None) -> None:
        site = self._site
        began = trio.current_time()
        async with (
            running(process, site.database, random, site.wall, site.durable, member) as naived,
            trio.open_nursery() as door,
        ):
            self.naived, self._door = naived, door
            try:
                door.start_soon(self._time_recovery, process, naived, began)
                await self._suspended.wait()
                process.stage = LEAVING
                door.cancel_scope.cancel()
            finally:  # it may end by itself
                self.naived = self._door = None

    async def _time_recovery(self, process: Process, naived: Naived, began: float) -> None:
        while not self._site.settled(naived):  # noqa: ASYNC110 - there is no event for it
            await trio.sleep(_LOOK)
        process.stage = RUNNING
        self._site.recovered(trio.current_time() - began)

    async def ask(self, method: str, params: Document) -> Document | None:
        """One control request; None if nobody was there, or died before the answer, or who asked hung up."""
        naived, door, process = self.naived, self._door, self.process
        if naived is None or door is None or process is None or not self.answers:
            return None
        answers: list[Document] = []
        answered, caller = trio.Event(), Caller()

        async def call() -> None:
            try:
                answer = await naived.answer(method, params, caller)
                answers.extend(() if answer is None else (answer,))
            except ControlError as error:
                self._site.trace("refused", error.message)
            finally:
                answered.set()

        self._site.trace("asks", f"{self.name} {method} {params}".strip())
        with inside(process.tasks):
            door.start_soon(call)
        hangs_up = self._hanging.random() < _HANG_UPS
        with trio.move_on_after(self._hanging.uniform(0, _PATIENCE) if hangs_up else math.inf):
            await answered.wait()
        if not answered.is_set():
            self._site.trace("hangs up", method)
            caller.leave()
            return None
        self._site.trace("told", msgspec.json.encode(answers).decode())
        return answers[0] if answers else None
