"""Implements ``nodes.Cluster`` on a shared database: each call is one short transaction of ``leases.py``.

It has a connection of its own, so that neither a long queue of commits nor what nodes ask each other
(``mailbox.py``) costs a node its leases. Calls are made one after the other, in a thread, or inline for a
deterministic simulation.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TypeVar

import sqlalchemy as sa
import trio
from sqlalchemy.exc import SQLAlchemyError

from naived.database import leases, queries
from naived.database.engine import cause
from naived.database.leases import Seat
from naived.database.reader import Reader
from naived.database.reading import UNREADABLE, unreadable
from naived.nodes import NOBODY, Member, Unread, View
from naived.ports import CorruptError, JournalError, SymbolRecord

T = TypeVar("T")


class Transactions:
    """Runs one transaction after the other on a connection of its own; raises JournalError."""

    def __init__(self, engine: sa.Engine, *, threads: bool = True) -> None:
        self._engine = engine
        self._turn = trio.CapacityLimiter(1) if threads else None

    async def do(self, work: Callable[[sa.Connection], T]) -> T:
        """Whoever is cancelled does not wait for the end: it may be written all the same."""
        if self._turn is None:
            await trio.lowlevel.checkpoint()
            return self._run(work)
        return await trio.to_thread.run_sync(self._run, work, limiter=self._turn, abandon_on_cancel=True)

    def _run(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            self._engine.dispose()
            raise JournalError(f"the database does not do what the nodes need: {cause(error)}") from error
        except UNREADABLE as error:
            raise CorruptError(f"the database {unreadable(error)}") from error


class SqlCluster:
    """``nodes.Cluster`` for the process that has this seat."""

    def __init__(
        self,
        transactions: Transactions,
        seat: Seat,
        reader: Reader,
        reenter: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint,
    ) -> None:
        self._transactions = transactions
        self._seat = seat
        self._reader = reader
        self._reenter = reenter  # the writer's, behind what it was given before

    @property
    def member(self) -> Member:
        return self._seat.member

    async def renew(self, exchange_away: str | None = None) -> Mapping[str, int]:
        return await self._transactions.do(partial(leases.renew, self._seat, exchange_away=exchange_away))

    async def claim(
        self, most: int, names: Collection[str] | None = None, gone: Mapping[str, int] = NOBODY
    ) -> Mapping[str, int]:
        return await self._transactions.do(partial(leases.claim, self._seat, most=most, names=names, gone=gone))

    async def reenter(self) -> None:
        await self._reenter()

    async def release(self, symbols: Collection[str]) -> None:
        await self._transactions.do(partial(leases.release, self._seat, symbols=symbols))

    async def leave(self) -> None:
        await self._transactions.do(partial(leases.leave, self._seat))

    async def look(self) -> View:
        return await self._transactions.do(partial(leases.look, self._seat))

    async def drain(self, name: str, wanted: bool) -> bool | None:
        return await self._transactions.do(partial(leases.drain, name=name, wanted=wanted))

    async def compared(self, symbol: str, epoch: int, server: str) -> None:
        await self._transactions.do(partial(leases.compared, self._seat, symbol=symbol, epoch=epoch, server=server))

    async def accept(self, server: str) -> None:
        await self._transactions.do(partial(leases.accept, server=server))

    async def others(self, assets: Collection[str], ours: Collection[str]) -> Sequence[SymbolRecord | Unread]:
        wanted, kept, now = frozenset(assets), frozenset(ours), self._seat.clock()
        return await self._reader.read(partial(queries.others, assets=wanted, ours=kept, now=now), listing=True)
