"""Implements ``ports.Journal`` on SQLite or PostgreSQL: one thread writes, a few others read.

``daemon.py`` opens it. Calls raise JournalError while the database cannot be used.
"""

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence, Set
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa
import trio
from sqlalchemy.engine import URL

from naived.core.amount import Amount
from naived.core.risk import Account, OverLimit
from naived.database import account_rows, queries
from naived.database.cluster import SqlCluster, Transactions
from naived.database.deployment import ALONE, Claim, Deployment, enter, owner
from naived.database.engine import (
    PATIENCE,
    Role,
    make_private,
    open_engine,
    opening,
    parse_url,
)
from naived.database.leases import Seat
from naived.database.mailbox import SqlMailbox
from naived.database.migrate import check_tables, migrate
from naived.database.reader import Reader
from naived.database.rights import check_writing
from naived.database.sessions import check_sessions
from naived.database.sqlite_file import SqliteFile
from naived.database.store import Reentry, Store
from naived.database.together import Together
from naived.database.writer import Submit, inline, writer_thread
from naived.nodes import Cluster, Mailbox, Member
from naived.ports import (
    CycleRow,
    EventRow,
    OrderRow,
    OrderStory,
    Page,
    Row,
    SymbolRecord,
    Unit,
)

T = TypeVar("T")

# How much of a lease a lost answer may cost. A symbol that has to be loaded anew may wait for three, one after the
# other: of its lease, of the writer and of a reader. All that is to take less than two leases.
_OF_LEASE = 0.4

_PAGES: dict[Any, Callable[[sa.Connection, Page], Iterator[Any]]] = {
    OrderRow: queries.orders_page,
    CycleRow: queries.cycles_page,
    EventRow: queries.events_page,
}


def wall_clock() -> int:
    """The wall clock, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class SqlJournal:
    """ports.Journal on SQLite or PostgreSQL; made by ``open_journal``."""

    def __init__(
        self,
        deployment: Deployment,
        kind: str,
        submit: Submit,
        hanging: Callable[[], str | None],
        reader: Reader,
        now: Callable[[], int],
        cluster: Cluster | None,
        mailbox: Mailbox | None,
    ) -> None:
        self.tag = deployment.tag  # four lower-case base32 characters in the ids of all orders of this database
        self.epoch = deployment.epoch  # the number of processes that opened this database so far
        self.kind = kind  # ``sqlite`` or ``postgresql``
        self.account_uid: str | None = None  # once it was claimed
        self.cluster = cluster  # the nodes of a database that is shared
        self.mailbox = mailbox  # what they tell and ask each other
        self.committed_at: float | None = None
        self._submit = submit
        self._hanging = hanging
        self._reader = reader
        self._now = now
        self._answers = Together[str](lambda ids: reader.read(partial(queries.answered, request_ids=ids)))

    @property
    def hanging(self) -> str | None:
        return self._hanging()

    async def commit(self, unit: Unit) -> OverLimit | None:
        over = await self._submit(unit)
        self.committed_at = trio.current_time()
        return over

    async def claim(self, exchange: str, account_uid: str) -> None:
        await self._submit(Claim(exchange, account_uid))
        self.account_uid = account_uid

    async def load(self, symbol: str | None = None) -> Sequence[SymbolRecord]:
        # A lost connection may still be committing on the server. The empty unit is written after that has ended,
        # so no row that is missing in what we read can appear later.
        await self._submit(Unit(""))
        return await self._reader.read(partial(queries.load, symbol=symbol, now=self._now()), within=math.inf)

    async def account(self, *, foreign_only: bool = False) -> Account:
        wanted = account_rows.foreign_alone if foreign_only else account_rows.account
        return await self._reader.read(wanted, within=math.inf)

    async def answered(self, request_id: str) -> str | None:
        return await self._answers.ask(request_id)

    async def known(self, orders: Collection[tuple[str, str]]) -> Set[tuple[str, str]]:
        return await self._reader.read(partial(queries.known, wanted=frozenset(orders)))

    async def fees_paid(self, asset: str, symbols: Sequence[str], since: int) -> Amount:
        return await self._reader.read(partial(queries.fees_paid, asset=asset, symbols=tuple(symbols), since=since))

    async def stories(self, symbol: str, beginning: str) -> Sequence[OrderStory]:
        return await self._reader.read(partial(queries.stories, symbol=symbol, beginning=beginning))

    async def orders(self, page: Page) -> Sequence[OrderRow]:
        return await self._reader.read(lambda connection: list(queries.orders_page(connection, page)))

    async def rows(
        self, kind: type[Row], page: Page, encode: Callable[[Row], bytes]
    ) -> Sequence[tuple[int, bytes]]:
        def read(connection: sa.Connection) -> Sequence[tuple[int, bytes]]:
            # Row by row, because one long call of C code would hold the GIL and so block the event loop.
            return [(row.row, encode(row)) for row in _PAGES[kind](connection, page)]

        return await self._reader.read(read, listing=True)


Whose = Callable[[str], Awaitable[None]]


@asynccontextmanager
async def open_journal(
    url: str,
    exchange: str | None = None,
    whose: Whose | None = None,
    *,
    threads: bool = True,
    now: Callable[[], int] = wall_clock,
    member: Member = ALONE,
    shared: bool = False,
) -> AsyncIterator[SqlJournal]:
    """Open a database, upgrade it, begin a new epoch. At the end submitted units are written, then it closes.

    Where it is ``shared``, other nodes use it at the same time, and a symbol is written only under its lease.
    Without ``threads`` everything runs in the caller's thread and blocks its loop, for a deterministic simulation.
    Raises DeploymentError if the database belongs to another ``exchange``, or ``whose``, which is called with the
    account that it belongs to, raises it: a daemon that uses the database is not disturbed.
    Raises ConfigurationError where a person must change something, otherwise JournalError: unreachable, try later.
    """
    address = parse_url(url)
    run = trio.to_thread.run_sync if threads else _run_inline
    account_uid = await run(_prepare, address, exchange, member.name)
    if account_uid is not None and whose is not None:
        await whose(account_uid)
    deployment = await run(partial(_enter, address, exchange, member, shared, now()))
    file = SqliteFile(address.database or "") if address.get_backend_name() == "sqlite" else None
    patience = min(PATIENCE, member.lease / 1000 * _OF_LEASE) if shared else PATIENCE
    writing, reading, leases, letters = (
        open_engine(address, role, file, patience) for role in (Role.WRITE, Role.READ, Role.WRITE, Role.WRITE)
    )
    store = Store(writing, deployment.epoch, file, member.name if shared else None)
    reader = Reader(address, reading, threads)
    seat = Seat(member, deployment.epoch, now)

    def make(submit: Submit, hanging: Callable[[], str | None]) -> SqlJournal:
        reenter = partial(submit, Reentry())
        cluster = SqlCluster(Transactions(leases, threads=threads), seat, reader, reenter) if shared else None
        mailbox = SqlMailbox(Transactions(letters, threads=threads), seat) if shared else None
        return SqlJournal(deployment, address.get_backend_name(), submit, hanging, reader, now, cluster, mailbox)

    try:
        if threads:
            async with writer_thread(store) as writer:
                yield make(writer.submit, writer.hanging)
        else:
            yield make(inline(store), lambda: None)
    finally:
        reader.close()
        store.close()
        leases.dispose()
        letters.dispose()


async def _run_inline(function: Callable[..., T], *arguments: Any) -> T:
    await trio.lowlevel.checkpoint()
    return function(*arguments)


def _prepare(address: URL, exchange: str | None, node: str) -> str | None:
    """Upgrade and check the database; returns its account. Runs in a worker thread: it may wait for a disk."""
    if address.get_backend_name() == "sqlite":
        make_private(address)
    with opening(address):
        check_sessions(address)
        migrate(address, node=node)
        engine = open_engine(address, Role.READ)
        try:
            with engine.begin() as connection:
                check_writing(connection, address)
                check_tables(connection, address)
                account_uid = owner(connection, exchange)
                # What is damaged, or was changed by hand, shows now at the latest, and is still as it was.
                queries.load(connection, None, 0)
                account_rows.account(connection)
                return account_uid
        finally:
            engine.dispose()


def _enter(address: URL, exchange: str | None, member: Member, shared: bool, now: int) -> Deployment:
    with opening(address):
        engine = open_engine(address, Role.WRITE)
        try:
            return enter(engine, exchange, member, shared=shared, now=now)
        finally:
            engine.dispose()
