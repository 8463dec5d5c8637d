"""Control request -> reply: the one place where control meets the runtime."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import trio

from naived import documents
from naived.control.events import EventLog
from naived.control.protocol import MAX_ROWS, Code, ControlError, format_time
from naived.core.settings import Settings
from naived.ports import CycleRow, EventRow, Journal, JournalError, OrderRow, Page
from naived.replies import Outcome
from naived.runtime.account import Account
from naived.runtime.supervisor import Supervisor
from naived.verbs import Verbs

Document = dict[str, Any]
Row = TypeVar("Row", OrderRow, CycleRow, EventRow)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answers. ``started_at`` is wall-clock ms; ``database`` is ``sqlite`` or ``postgresql``."""

    version: str
    instance_id: str
    pid: int
    started_at: int
    exchange: str
    exchange_url: str
    database: str


class Service:
    """Implements ``control.server.Service`` over a running supervisor."""

    def __init__(
        self,
        identity: Identity,
        supervisor: Supervisor,
        account: Account,
        journal: Journal,
        verbs: Verbs,
        events: EventLog,
    ) -> None:
        self.suspending = False
        self._identity = identity
        self._supervisor = supervisor
        self._account = account
        self._journal = journal
        self._events = events
        self._verbs = verbs
        self._by_name = {
            "start": verbs.start,
            "stop": verbs.stop,
            "shutdown": verbs.shutdown,
            "settings": verbs.settings,
            "wait": verbs.wait,
            "resolve": verbs.resolve,
        }

    @property
    def events(self) -> EventLog:
        return self._events

    def status(self, symbols: Sequence[str]) -> Document:
        """The ``status`` document. From memory, it is answered always: what was never configured is off."""
        known, defaults = self._supervisor.symbols, self._verbs.defaults
        return {
            "v": 1,
            "daemon": self._daemon(),
            "symbols": [
                documents.symbol(known[name]) if name in known else documents.unset(name, defaults)
                for name in symbols or sorted(known)
            ],
        }

    async def check(self, symbols: Sequence[str]) -> None:
        for symbol in symbols:
            await self._verbs.find(symbol, {})

    async def call(self, method: str, params: Document) -> Document:
        """Any other method; raises ControlError."""
        match method:
            case "hello":
                return self._hello()
            case "orders":
                return await self._rows("orders", self._journal.orders, documents.order_row, params)
            case "trades":
                return await self._rows("trades", self._journal.cycles, documents.cycle, params)
            case "events":
                return await self._rows("events", self._journal.events, documents.event, params)
            case _:
                return await self._each(method, params)

    @property
    def _state(self) -> str:
        if self.suspending:
            return "suspending"
        failed = any(isinstance(symbol.failed, JournalError) for symbol in self._supervisor.symbols.values())
        if self._account.away is not None or failed or self._journal.hanging is not None:
            return "degraded"
        return "ready" if self._account.ready else "starting"

    def _daemon(self) -> Document:
        who = self._identity
        return {
            "version": who.version,
            "pid": who.pid,
            "started_at": format_time(who.started_at),
            "exchange": who.exchange,
            "exchange_url": who.exchange_url,
            "database": who.database,
            "state": self._state,
        }

    def _hello(self) -> Document:
        who = self._identity
        return {
            "server": who.version,
            "instance_id": who.instance_id,
            "pid": who.pid,
            "state": self._state,
            "db": who.database,
            "started_at": format_time(who.started_at),
        }

    async def _rows(
        self,
        name: str,
        read: Callable[[Page], Awaitable[Sequence[Row]]],
        document: Callable[[Row], Document],
        params: Document,
    ) -> Document:
        await self.check(params["symbols"])
        after, limit = params["after"], params["limit"]
        if after is None and limit is None:
            after = 0
        most = limit if after is None else min(limit or MAX_ROWS, MAX_ROWS) + 1
        try:
            rows = await read(Page(params["symbols"], after, params["since"], most))
        except JournalError as error:
            raise ControlError(Code.DATABASE_UNAVAILABLE, str(error), hint="try again") from error
        held = MAX_ROWS if after is None else most - 1
        return {
            "v": 1,
            name: [document(row) for row in rows[:held]],
            "next": rows[held - 1].row if len(rows) > held else None,
        }

    async def _each(self, method: str, params: Document) -> Document:
        """One verb for every symbol at once; what fails for one is that one's error."""
        if self.suspending:
            raise ControlError(Code.SUSPENDING, "naived is suspending", hint="start it again, then try again")
        names = sorted(self._supervisor.symbols) if not params["symbols"] else list(params["symbols"])
        verb = self._by_name[method]
        results: dict[str, Document] = {}

        async def one(name: str) -> None:
            try:
                outcome = await verb(name, params)
            except ControlError as error:
                outcome = Outcome(False, error.message, error)
            results[name] = self._result(name, outcome)
            if method == "settings" and outcome.error is None:
                results[name]["settings"] = documents.settings(self._settings(name))

        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(one, name)
        return {"v": 1, "results": [results[name] for name in names]}

    def _result(self, name: str, outcome: Outcome) -> Document:
        symbol, error = self._supervisor.symbols.get(name), outcome.error
        entry: Document = {
            "symbol": name,
            "status": None,
            "state": None,
            "changed": outcome.changed,
            "open_orders": [],
            "message": outcome.message if error is None else error.message,
            "error": None if error is None else error.document(),
        }
        if symbol is not None:
            now = documents.symbol(symbol)
            entry |= {
                "status": now["status"],
                "state": now["state"],
                "open_orders": documents.open_orders(symbol),
            }
        elif error is None or error.code is not Code.UNKNOWN_SYMBOL:
            entry |= {"status": "off", "state": "off"}
        return entry

    def _settings(self, name: str) -> Settings:
        symbol = self._supervisor.symbols.get(name)
        return self._verbs.defaults if symbol is None else symbol.wish.settings
