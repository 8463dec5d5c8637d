"""For tests of the runtime: the whole daemon but its sockets, in one task tree, on trio's clock.

The exchange is `exchange`, the journal a real one on SQLite that runs inline, as trio's clock needs it.
"""

import itertools
import json
import math
from collections.abc import AsyncIterator, Callable, Collection, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import trio
import trio.testing

from naived.app import Signing, assemble, running
from naived.control.answers import Identity
from naived.control.caller import Caller
from naived.control.events import EventLog
from naived.control.methods import METHODS
from naived.control.protocol import ControlError
from naived.control.requests import decode_request
from naived.control.service import Service
from naived.core.amount import Amount, Money
from naived.core.orders.report import Refusal, Refused
from naived.core.risk import Account, OverLimit
from naived.core.strategy.settings import DEFAULT_BUDGET
from naived.core.strategy.trader_state import Trader
from naived.database.deployment import ALONE
from naived.database.journal import SqlJournal, open_journal
from naived.nodes import Member
from naived.ports import JournalError, OrderRow, OrderStory, Page, Row, SymbolRecord, Unit, UnwrittenError
from naived.runtime.account_view import AccountView
from naived.runtime.actual_state import actual_state
from naived.runtime.supervisor import Supervisor
from naived.runtime.symbol_task import Symbol
from tests.support.exchange import ExchangeDouble
from tests.support.market import START

WINDOW = 5_000  # ms, recvWindow
GRACE = 60_000  # ms
LEASE = 30_000  # ms
FENCE = (WINDOW + GRACE) / 1000  # seconds after which an absence can be proven
SOON = 5.0  # seconds in which everything happens that waits for nothing

NO_BALANCE = Refused(Refusal.BALANCE, -2010, "Account has insufficient balance for requested action.")

Document = dict[str, Any]


@dataclass
class FlakyJournal:
    """A real journal that can be taken away, fail once after it wrote, or be slow."""

    real: SqlJournal
    away: bool = False
    commits: list[Unit] = field(default_factory=list)
    lies: int = 0  # commits that are written and raise all the same
    refuses: int = 0  # commits that are certainly not written
    delay: float = 0.0  # seconds
    dead: bool = False  # the process is: nothing of it reaches the disk any more
    hanging: str | None = None  # what the journal says of itself
    asked: list[int] = field(default_factory=list)  # of how many orders each time whether they are known
    committed_at: float | None = None
    _turn: trio.Lock = field(default_factory=trio.Lock)  # first come, first served, as at the real one

    async def _reach(self) -> None:
        if self.away or self.dead:
            await trio.lowlevel.cancel_shielded_checkpoint()
            raise JournalError("the database is away")

    async def commit(self, unit: Unit) -> OverLimit | None:
        async with self._turn:
            await trio.sleep(self.delay)
            await self._reach()
            if self.refuses:
                self.refuses -= 1
                raise UnwrittenError("the database refused it")
            over = await self.real.commit(unit)
            self.commits.append(unit)
            self.committed_at = trio.current_time()
        if self.lies:
            self.lies -= 1
            raise JournalError("nobody knows whether it was written")
        return over

    async def claim(self, exchange: str, account_uid: str) -> None:
        await self._reach()
        await self.real.claim(exchange, account_uid)

    async def load(self, symbol: str | None = None) -> Sequence[SymbolRecord]:
        async with self._turn:
            await self._reach()
            return await self.real.load(symbol)

    async def account(self, *, foreign_only: bool = False) -> Account:
        await self._reach()
        return await self.real.account(foreign_only=foreign_only)

    async def answered(self, request_id: str) -> str | None:
        await self._reach()
        return await self.real.answered(request_id)

    async def known(self, orders: Collection[tuple[str, str]]) -> Set[tuple[str, str]]:
        await self._reach()
        self.asked.append(len(orders))
        return await self.real.known(orders)

    async def fees_paid(self, asset: str, symbols: Sequence[str], since: int) -> Amount:
        await self._reach()
        return await self.real.fees_paid(asset, symbols, since)

    async def stories(self, symbol: str, beginning: str) -> Sequence[OrderStory]:
        await self._reach()
        return await self.real.stories(symbol, beginning)

    async def orders(self, page: Page) -> Sequence[OrderRow]:
        await self._reach()
        return await self.real.orders(page)

    async def rows(
        self, kind: type[Row], page: Page, encode: Callable[[Row], bytes]
    ) -> Sequence[tuple[int, bytes]]:
        await self._reach()
        return await self.real.rows(kind, page, encode)


@dataclass
class Naived:
    """One running naived."""

    exchange: ExchangeDouble
    journal: FlakyJournal
    view: AccountView
    supervisor: Supervisor
    service: Service
    events: EventLog

    def symbol(self, name: str = "ETHUSDT") -> Symbol:
        return self.supervisor.symbols[name]

    def traders(self, name: str = "ETHUSDT") -> tuple[Trader, ...]:
        return self.symbol(name).engine.leader.traders

    def phases(self, name: str = "ETHUSDT") -> list[str]:
        return [type(trader.phase).__name__.lower() for trader in self.traders(name)]

    def state(self, name: str = "ETHUSDT") -> str:
        return str(actual_state(self.symbol(name))[0])

    def reason(self, name: str = "ETHUSDT") -> str | None:
        return actual_state(self.symbol(name))[1]

    def order_states(self, name: str = "ETHUSDT") -> list[str]:
        return [str(order.state) for order in self.symbol(name).engine.orders.values()]

    async def call(self, method: str, *symbols: str, caller: Caller | None = None, **params: object) -> Document:
        """What the control socket answers to this request; raises ControlError."""
        if symbols:
            params["symbols"] = list(symbols)
        frame = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        _, request = decode_request(json.dumps(frame).encode(), METHODS)
        if isinstance(request, ControlError):
            raise request
        body = await METHODS[request.method].answer(self.service, request.params, caller or Caller())
        document: Document = json.loads(body)
        return document

    async def ask(self, method: str, symbol: str = "ETHUSDT", **params: object) -> Document:
        """The one result of a verb for one symbol."""
        document = await self.call(method, symbol, **params)
        (result,) = document["results"]
        assert isinstance(result, dict)
        return result

    async def start(self, *names: str, **params: object) -> None:
        for name in names or ("ETHUSDT",):
            result = await self.ask("start", name, **params)
            assert result["error"] is None, result

    async def until(self, done: Callable[[], object], within: float = SOON) -> None:
        """Wait until ``done``, looked at each 10 ms; fails after ``within`` seconds of trio's clock."""
        deadline = trio.current_time() + within
        while not done() and trio.current_time() < deadline:
            await trio.testing.wait_all_tasks_blocked()
            # Nothing changes before the next sleep of anybody ends.
            idle = min(trio.lowlevel.current_statistics().seconds_to_next_deadline, within)
            await trio.sleep(max(math.ceil(idle * 100), 1) / 100)
            await trio.testing.wait_all_tasks_blocked()
        assert done(), f"not within {within} s: {self.state()}, {self.phases()}, {self.order_states()}"

    async def trade(self, *prices: str, symbol: str = "ETHUSDT") -> None:
        """Public trades, each with time enough for what it causes."""
        for price in prices:
            self.exchange.trade(price, symbol)
            await trio.sleep(0.2)

    async def orders(self, symbol: str = "ETHUSDT") -> list[Document]:
        """The orders as the journal has them."""
        document = await self.call("orders", symbol)
        orders: list[Document] = document["orders"]
        return orders


@dataclass
class World:
    """What outlives one naived: its exchange, and its journal's address."""

    exchange: ExchangeDouble
    url: str

    @asynccontextmanager
    async def naived(
        self,
        *,
        budget: Money | None = DEFAULT_BUDGET,
        grace: int = GRACE,
        suspends: bool = True,
        currency: str = "USDT",
        node: str | None = None,
    ) -> AsyncIterator[Naived]:
        """Run until the block ends, then suspend as a signal would; without ``suspends`` the process dies.

        As a ``node`` it takes the symbols that no other one has.
        """
        exchange = self.exchange
        member = ALONE if node is None else Member(node, "0.1.0", LEASE)
        async with open_journal(
            self.url, threads=False, now=exchange.now, member=member, shared=node is not None
        ) as real:
            journal = FlakyJournal(real)
            identity = Identity("0.1.0", "instance", 4711, START, "simulator", "ws://127.0.0.1:1", real.kind)
            if node is not None:
                identity = replace(identity, instance_id=f"instance-{real.epoch}", node=node)
            counter = itertools.count(real.epoch << 64)
            signing = Signing(
                real.tag,
                real.epoch,
                WINDOW,
                grace,
                budget,
                lambda size: next(counter).to_bytes(size, "big"),
                currency,
            )
            app = await assemble(exchange, journal, identity, signing, real.cluster, real.mailbox)
            dying = trio.CancelScope()
            with dying:
                async with running(app):
                    yield Naived(exchange, journal, app.view, app.supervisor, app.service, app.events)
                    if not suspends:
                        journal.dead = True
                        dying.cancel()
