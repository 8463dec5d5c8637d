"""Control request -> reply: the one place where control meets the runtime."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import trio

from naived import documents
from naived.control.caller import Caller
from naived.control.events import EventLog
from naived.control.protocol import MAX_ROWS, Code, ControlError, encode_body, format_time
from naived.core.strategy.settings import Settings
from naived.ports import CycleRow, EventRow, Journal, JournalError, OrderRow, Page, Row
from naived.replies import Outcome
from naived.runtime.actual_state import actual_state
from naived.runtime.session import Session
from naived.runtime.supervisor import Supervisor
from naived.statuses import Statuses
from naived.verbs import Verbs

Document = dict[str, Any]


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
        session: Session,
        journal: Journal,
        verbs: Verbs,
        events: EventLog,
    ) -> None:
        self.suspending = False
        self._identity = identity
        self._supervisor = supervisor
        self._session = session
        self._journal = journal
        self._events = events
        self._statuses = Statuses()
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

    async def status(self, symbols: Sequence[str]) -> bytes:
        """The ``status`` document. From memory, it is answered always: what was never configured is off."""
        known = self._supervisor.symbols
        names = symbols or sorted(known)
        made = iter(await self._statuses.entries(known[name] for name in names if name in known))
        entries = [next(made) if name in known else self._unset(name) for name in names]
        return b'{"v":1,"daemon":%b,"symbols":[%b]}' % (encode_body(self._daemon()), b",".join(entries))

    def _unset(self, name: str) -> bytes:
        return encode_body(documents.unset(name, self._verbs.defaults))

    async def check(self, symbols: Sequence[str]) -> None:
        for symbol in symbols:
            await self._verbs.find(symbol, {})

    async def call(self, method: str, params: Document, caller: Caller) -> bytes:
        """Any other method; raises ControlError."""
        match method:
            case "orders":
                return await self._rows("orders", OrderRow, documents.order_row, params)
            case "trades":
                return await self._rows("trades", CycleRow, documents.cycle, params)
            case "events":
                return await self._rows("events", EventRow, documents.event, params)
            case _:
                return encode_body(await self._each(method, params, caller))

    @property
    def _state(self) -> str:
        if self.suspending:
            return "suspending"
        failed = any(isinstance(symbol.failed, JournalError) for symbol in self._supervisor.symbols.values())
        if self._session.away is not None or failed or self._journal.hanging is not None:
            return "degraded"
        return "ready" if self._session.ready else "starting"

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

    def hello(self) -> Document:
        """Who answers."""
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
        self, name: str, kind: type[Row], document: Callable[[Row], Document], params: Document
    ) -> bytes:
        await self.check(params["symbols"])
        after, limit = params["after"], params["limit"]
        held = MAX_ROWS if after is None else min(limit or MAX_ROWS, MAX_ROWS)
        # One row more than are told, which says that there are more.
        more = None if limit is None else limit + (after is not None)
        page = Page(params["symbols"], after, params["since"], more, held + 1)
        try:
            rows = await self._journal.rows(kind, page, lambda row: encode_body(document(row)))
        except JournalError as error:
            raise ControlError(Code.DATABASE_UNAVAILABLE, str(error), hint="try again") from error
        told = b",".join(body for _, body in rows[:held])
        following = b"%d" % rows[held - 1][0] if len(rows) > held else b"null"
        return b'{"v":1,"%b":[%b],"next":%b}' % (name.encode(), told, following)

    async def _each(self, method: str, params: Document, caller: Caller) -> Document:
        """One verb for every symbol at once; what fails for one is that one's error."""
        if self.suspending:
            raise ControlError(Code.SUSPENDING, "naived is suspending", hint="start it again, then try again")
        names = sorted(self._supervisor.symbols) if not params["symbols"] else list(params["symbols"])
        verb = self._by_name[method]
        results: dict[str, Document] = {}

        async def one(name: str) -> None:
            try:
                outcome = await verb(name, params, caller)
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
            entry |= {
                "status": str(symbol.desired.status),
                "state": str(actual_state(symbol)[0]),
                "open_orders": documents.open_orders(symbol),
            }
        elif error is None or error.code is not Code.UNKNOWN_SYMBOL:
            entry |= {"status": "off", "state": "off"}
        return entry

    def _settings(self, name: str) -> Settings:
        symbol = self._supervisor.symbols.get(name)
        return self._verbs.defaults if symbol is None else symbol.desired.settings
