"""The one wiring of naived: engine, orders, journal, exchange and control are tied together here and nowhere else.

The daemon, the simulation, the benches and the tests call it. It opens no file and no socket and reads no clock:
whoever calls hands in the journal, the exchange and the source of random bytes.
"""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
import trio

from naived.control.events import EventLog
from naived.core.amount import Money
from naived.ports import Event, Exchange, Journal
from naived.runtime.account import Account
from naived.runtime.feed import Feed
from naived.runtime.supervisor import Supervisor
from naived.runtime.work import Desk
from naived.service import Identity, Service
from naived.verbs import Verbs

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Terms:
    """What is signed and who signs.

    ``tag`` and ``epoch`` come with the journal; ``recv_window`` and ``grace`` are ms. ``budget`` is the default of
    a symbol (None where money is real). ``random_bytes`` gives as many random bytes as it is asked for.
    """

    tag: str
    epoch: int
    recv_window: int
    grace: int
    budget: Money | None
    random_bytes: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class App:
    """One naived, wired; ``running`` runs it."""

    account: Account
    supervisor: Supervisor
    service: Service
    events: EventLog


async def assemble(exchange: Exchange, journal: Journal, identity: Identity, terms: Terms) -> App:
    """Wire one naived and load its symbols from the journal; raises JournalError."""
    events = EventLog(identity.started_at)

    def publish(event: Event) -> None:
        log.info(event.kind, symbol=event.symbol, message=event.message)
        events.publish(event.at, event.symbol, event.kind, event.message)

    def new_id() -> str:
        return f"n1{terms.tag}-{base64.b32encode(terms.random_bytes(16)).decode().rstrip('=').lower()}"

    feed = Feed()
    account = Account(exchange, journal, feed, identity.exchange, terms.tag, terms.grace)
    desk = Desk(exchange, journal, account, publish, new_id, terms.epoch, terms.recv_window)
    supervisor = Supervisor(account, feed, desk)
    supervisor.load(await journal.load())
    verbs = Verbs(supervisor, account, exchange, journal, terms.budget)
    return App(account, supervisor, Service(identity, supervisor, account, journal, verbs, events), events)


@asynccontextmanager
async def running(app: App, serve: Callable[[Service], Awaitable[None]] | None = None) -> AsyncIterator[None]:
    """Run until the block ends, then suspend: statuses stay, orders rest, answers in flight are awaited briefly.

    ``serve`` answers control requests until it is cancelled. What is nested innermost stops first.
    """
    async with trio.open_nursery() as session:
        session.start_soon(app.account.run)
        async with trio.open_nursery() as symbols:
            symbols.start_soon(app.supervisor.run)
            async with trio.open_nursery() as control:
                if serve is not None:
                    control.start_soon(serve, app.service)
                yield
                app.service.suspending = True
                control.cancel_scope.cancel()
            symbols.cancel_scope.cancel()
        await app.account.farewell()
        session.cancel_scope.cancel()
