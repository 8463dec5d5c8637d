"""One running naived, on the seams of one `Process`."""

import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import trio

from naived import app as wiring
from naived.binance import endpoint
from naived.binance.clock import ServerClock
from naived.binance.exchange import BinanceExchange
from naived.binance.signing import credentials
from naived.control.answers import Identity
from naived.control.caller import Caller
from naived.control.methods import METHODS
from naived.control.protocol import ControlError
from naived.control.requests import decode_request
from naived.control.service import Service
from naived.core.risk import OverLimit
from naived.core.strategy.settings import DEFAULT_BUDGET
from naived.database.deployment import ALONE
from naived.database.journal import SqlJournal, open_journal
from naived.nodes import NOBODY, Cluster, Member
from naived.ports import Unit
from naived.runtime.keeper import Keeper
from naived.runtime.session import Session
from naived.runtime.supervisor import Supervisor
from tests.simulation.durable import Durable
from tests.simulation.process import Process

WINDOW = 5_000  # ms, recvWindow
GRACE = 60_000  # ms
EPOCH = 1_700_000_000_000  # ms, the exchange's clock at trio's time 0
URL = "ws://exchange"
KEY, SECRET = "the-key", "the-secret"

Document = dict[str, Any]


def exchange_time() -> int:
    """Milliseconds on the exchange's clock."""
    return EPOCH + int(trio.current_time() * 1000)


class WatchedJournal:
    """The real journal; the process is told what each commit is about, ``commits`` counts those that were done.

    ``durable`` looks at what came of each.
    """

    def __init__(self, real: SqlJournal, process: Process, durable: Durable) -> None:
        self._real = real
        self._process = process
        self._durable = durable
        self.commits = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def commit(self, unit: Unit) -> OverLimit | None:
        self._process.begins(unit)
        await self._process.ahead("of a commit")
        try:
            over = await self._real.commit(unit)
        finally:
            self._durable.look(unit)
        self.commits += 1
        return over


class WatchedCluster:
    """The real leases; the process may be stopped before each call and behind it, as its thread can be."""

    def __init__(self, real: Cluster, process: Process) -> None:
        self._real = real
        self._process = process

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def renew(self, exchange_away: str | None = None) -> Mapping[str, int]:
        await self._process.ahead("of a renewal")
        renewed = await self._real.renew(exchange_away)
        await self._process.ahead("of the answer to a renewal")
        return renewed

    async def claim(
        self, most: int, names: Collection[str] | None = None, gone: Mapping[str, int] = NOBODY
    ) -> Mapping[str, int]:
        claimed = await self._real.claim(most, names, gone)
        await self._process.ahead("of the answer to a claim")
        return claimed


def steady(_process: Process) -> Callable[[], float]:
    """A clock of the process's machine that is never set, and runs on while the process is stopped."""
    return trio.current_time


@dataclass
class Naived:
    journal: WatchedJournal
    session: Session
    supervisor: Supervisor
    service: Service
    keeper: Keeper | None

    async def call(self, method: str, params: Document) -> Document:
        """What the control socket answers to a patient client; raises ControlError."""
        document = await self.answer(method, params, Caller())
        assert document is not None
        return document

    async def answer(self, method: str, params: Document, caller: Caller) -> Document | None:
        """The same to any client, None if it is gone and only reads."""
        frame = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        _, request = decode_request(json.dumps(frame).encode(), METHODS)
        if isinstance(request, ControlError):
            raise request
        called = METHODS[request.method]
        with nullcontext() if called.changes(request.params) else caller.waiting():
            document: Document = json.loads(await called.answer(self.service, request.params, caller))
            return document
        return None

    def settled(self, gone: Collection[str]) -> bool:
        """Is the fate of every order known, but of those of symbols that are ``gone`` from the exchange?"""
        symbols = [symbol for name, symbol in self.supervisor.symbols.items() if name not in gone]
        return self.session.ready.is_set() and not any(
            symbol.engine.unsettled or symbol.behind for symbol in symbols
        )


@asynccontextmanager
async def running(
    process: Process,
    database: Path,
    random: Random,
    wall: Callable[[], float],
    durable: Durable,
    member: Member | None = None,
) -> AsyncIterator[Naived]:
    """Until the block ends, then it suspends as a signal would. ``wall`` is the machine's clock, in s.

    A ``member`` shares the database with others.
    """
    url, shared = f"sqlite:///{database}", member is not None
    with process.database(str(database)):
        opened = open_journal(url, threads=False, now=exchange_time, member=member or ALONE, shared=shared)
        async with opened as real:
            journal = WatchedJournal(real, process, durable)
            exchange = BinanceExchange(
                endpoint.simulator(URL),
                credentials(KEY, SECRET),
                connect=process.connect,
                jitter=random.random,
                clock=ServerClock(wall=wall),
            )
            instance = f"simulated-{real.epoch}"
            identity = Identity("0.1.0", instance, 1, exchange_time(), "simulator", URL, real.kind)
            signing = wiring.Signing(real.tag, real.epoch, WINDOW, GRACE, DEFAULT_BUDGET, random.randbytes)
            cluster = None if real.cluster is None else WatchedCluster(real.cluster, process)
            clock = steady(process)
            app = await wiring.assemble(exchange, journal, identity, signing, cluster, real.mailbox, clock)
            async with wiring.running(app):
                yield Naived(journal, app.session, app.supervisor, app.service, app.keeper)
