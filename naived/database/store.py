"""Applies units to a database. The writer calls ``Store.apply``; nothing here knows of threads.

A group of units is one transaction, and each unit in it a savepoint:

    BEGIN
    UPDATE nodes SET written = <group> WHERE epoch = <ours> AND written >= <last>      the turn
    SELECT ... FROM leases ... FOR KEY SHARE      in a shared database, see fence.py
    SAVEPOINT  unit 1  RELEASE
    SAVEPOINT  unit 2  ROLLBACK TO      a constraint refused it, or it cannot be stored: only this unit fails
    COMMIT

If the transaction fails before its COMMIT, each unit is tried again in a transaction of its own, so that what
concerns one unit fails that one. When two in a row fail, it is the database that fails, and the rest is not tried.

The first UPDATE, the turn, does three things:

- It fences us off: a process that entered the database later in our place has another epoch, so our UPDATE matches
  no row. It does not match either in an older copy of the database, in which our last group is not written.
- It marks the group: only a COMMIT can have an unknown outcome; then ``written``, read on a new connection, shows
  it. What fails before COMMIT is sent is certainly not written.
- It locks the row: if a connection is lost during COMMIT, PostgreSQL keeps the lock until that transaction has
  ended, so both the reading of ``written`` and the next group wait for it.
"""

import itertools
import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, assert_never

import sqlalchemy as sa
import structlog
from msgspec import Struct
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from naived.core.amount import Money
from naived.core.orders.state import TERMINAL, OrderState
from naived.core.risk import OverLimit
from naived.core.strategy.day import counted_in_day
from naived.core.strategy.settings import DesiredState, Status
from naived.core.strategy.trader_state import Trader
from naived.database import fence
from naived.database.account_rows import write_account
from naived.database.deployment import Claim, bind
from naived.database.engine import cause
from naived.database.exposure import within_limit
from naived.database.rows import desired_row, event_row, fill_row, lot_rows, order_row, owed_row
from naived.database.schema import control_request, events, lots, nodes, settings
from naived.database.sqlite_file import SqliteFile, is_damage
from naived.database.statements import (
    COUNT,
    COUNTERS,
    FINISHED_PROFIT,
    INSERT_EVENT,
    INSERT_FILL,
    INSERT_LOT,
    INSERT_REQUEST,
    TAKE_TURN,
    upsert_order,
    upsert_settings,
    upsert_trader,
)
from naived.database.trader_rows import cycle_profit, trader_row
from naived.nodes import FencedError
from naived.ports import ConflictError, DeploymentError, JournalError, Unit, UnwrittenError

KEPT_EVENTS = 100_000  # about 20 MB: months of few events, or a day of very many
KEPT_REQUESTS = 10_000  # a control request is repeated within minutes, if at all
# The unique numbers of orders, as SQLite and PostgreSQL call them.
_NUMBER_TAKEN = re.compile(r"orders\.symbol, orders\.order_id$|\buq_orders_symbol_order_id\b")
_PRUNE_EVERY = 1_000  # rows by which a table may exceed its bound
_GIVE_UP = 2  # failures in a row, of units that are tried alone, that show that the database fails

_log = structlog.get_logger()


class Reentry(Struct, frozen=True):
    """Go on behind what the server has of this process: it is another one, which lost the last commits."""


Work: TypeAlias = Unit | Claim | Reentry
Outcome: TypeAlias = JournalError | OverLimit | None


class Store:
    """Applies groups, one at a time, on its own engine, for one epoch; ``node`` is given in a shared database."""

    def __init__(
        self, engine: sa.Engine, epoch: int, file: SqliteFile | None = None, node: str | None = None
    ) -> None:
        self.lost: str | None = None  # why nothing can be written: its files are gone, or not ours any more
        self._engine = engine
        self._epoch = epoch
        self._file = file
        self._node = node
        self._groups = itertools.count(1)
        self._written = 0  # the last group that is known to be written
        self._since_pruned = _PRUNE_EVERY

    def apply(self, works: Sequence[Work]) -> list[Outcome]:
        """Make the group durable; returns for each work, in the same order, None or why it was not written."""
        for at, work in enumerate(works):
            if isinstance(work, Reentry):
                before, after = works[:at], works[at + 1 :]
                refused = self.apply(before) if before else []
                return [*refused, self._reenter(), *(self.apply(after) if after else [])]
        outcomes, alone = self._apply_together(works)
        if not alone or len(works) == 1:
            return outcomes
        outcomes = []
        for work in works:
            if len(outcomes) >= _GIVE_UP and all(isinstance(each, JournalError) for each in outcomes[-_GIVE_UP:]):
                outcomes.append(outcomes[-1])
            else:
                outcomes += self._apply_together([work])[0]
        return outcomes

    def _apply_together(self, works: Sequence[Work]) -> tuple[list[Outcome], bool]:
        """As ``apply``, in one transaction; True if it failed before its COMMIT, so that nothing is in doubt."""
        group = next(self._groups)
        outcomes: list[Outcome] = []
        try:
            with self._engine.connect() as connection, connection.begin():
                ours = self._take_turn(connection, group, works)
                for work in works:
                    outcomes.append(_apply_one(connection, work, ours))  # noqa: PERF401 - its length is the progress
                self._prune(connection, works)
        except SQLAlchemyError as error:
            self._engine.dispose()  # the connection is in an unknown state and not used again
            committing = len(outcomes) == len(works)
            if not (committing and self._is_written(group)):
                kind = JournalError if committing else UnwrittenError
                return [_failure(error, kind) for _ in works], not committing
        except JournalError as error:  # before anything was committed
            return [UnwrittenError(*error.args) for _ in works], False
        self._written = group
        return outcomes, False

    def look(self) -> None:
        """See that an SQLite database is still in its place, and still ours; ``lost`` says why not.

        Without its write-ahead log, which we still have open, what is in it is copied to the database: the log is
        lost when this process ends.
        """
        if self._file is None:
            return
        try:
            self._file.check()
        except JournalError as error:
            if self.lost is None:
                _log.error("database lost", error=str(error))
                self.lost = str(error)
                if self._file.only_logs_are_gone:
                    self._rescue()
        else:
            self.lost = self._ask_for_turn()

    def _ask_for_turn(self) -> str | None:
        """Why the next turn will not be ours, as of now; nothing is written."""
        ours = sa.select(nodes.c.name).where(nodes.c.epoch == self._epoch, nodes.c.written >= self._written)
        try:
            with self._engine.connect() as connection:
                found = connection.execute(ours).first()
        except (SQLAlchemyError, JournalError):
            return self.lost  # the next commit says why
        return None if found else _superseded(self._epoch)

    def _rescue(self) -> None:
        try:
            connection = self._engine.raw_connection()
            try:
                connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")
            finally:
                connection.close()
        except (SQLAlchemyError, JournalError, sqlite3.Error) as error:
            _log.error("write-ahead log not rescued", error=str(error))

    def close(self) -> None:
        self._engine.dispose()

    def _take_turn(
        self, connection: sa.Connection, group: int, works: Sequence[Work]
    ) -> Mapping[str, fence.Held] | None:
        """Take the turn; returns the symbols of these works that are ours, None where nothing is shared."""
        turn = {"ours": self._epoch, "last": self._written, "group": group}
        ours = None
        if self._node is None:
            taken = connection.execute(TAKE_TURN, turn).rowcount == 1
        else:
            units = [work for work in works if isinstance(work, Unit)]
            fence.lock_cycles(connection, units)
            ours = fence.take_turn(connection, turn, self._node, units)
            taken = ours is not None
        if not taken:
            raise JournalError(_superseded(self._epoch))
        return ours

    @property
    def _last_written(self) -> sa.Select[Any]:
        """The last group of this process; the row stays locked."""
        ours = [nodes.c.epoch == self._epoch]
        if self._node is not None:
            ours.append(nodes.c.name == self._node)
        return sa.select(nodes.c.written).where(*ours).with_for_update()

    def _reenter(self) -> JournalError | None:
        """The count of our groups went back with the last commits. Nothing of before is under way any more."""
        try:
            with self._engine.connect() as connection, connection.begin():
                written = connection.scalar(self._last_written)
        except SQLAlchemyError as error:
            self._engine.dispose()
            return _failure(error)
        if written is None:
            return FencedError("the database was replaced by one that does not know this process")
        self._written = written
        return None

    def _is_written(self, group: int) -> bool:
        """Was the group written although its COMMIT raised? False also if that cannot be read."""
        try:
            with self._engine.begin() as connection:
                written = connection.scalar(self._last_written)
        except (SQLAlchemyError, JournalError):
            self._engine.dispose()
            return False
        return bool(written == group)

    def _prune(self, connection: sa.Connection, works: Sequence[Work]) -> None:
        for work in works:
            if isinstance(work, Unit):
                self._since_pruned += len(work.events) + (work.request is not None)
        if self._since_pruned < _PRUNE_EVERY:
            return
        self._since_pruned = 0
        for table, kept in ((events, KEPT_EVENTS), (control_request, KEPT_REQUESTS)):
            newest = sa.select(sa.func.max(table.c.id)).scalar_subquery()
            connection.execute(sa.delete(table).where(table.c.id <= newest - kept))


def _superseded(epoch: int) -> str:
    return (
        f"another naived has opened this database since (we are epoch {epoch}), or an older copy of it was put in "
        "its place: nothing more is written here. Stop one of the two, or start naived again"
    )


def _failure(error: SQLAlchemyError, kind: type[JournalError] = JournalError) -> JournalError:
    text = cause(error)
    next_step = "See that it runs and has room"
    if is_damage(text):
        next_step = "The file is damaged: suspend naived, keep a copy of it, and put a backup in its place"
    failure = kind(f"the database did not take the change: {text}. {next_step}")
    failure.__cause__ = error
    return failure


def _contradiction(text: str) -> str:
    if _NUMBER_TAKEN.search(text):
        return (
            "the exchange gave an order the number of an earlier one, so it has begun anew, as a test exchange "
            "does: suspend naived, and name a new --database"
        )
    return f"the journal already holds something else: {text}"


def _apply_one(connection: sa.Connection, work: Work, ours: Mapping[str, fence.Held] | None) -> Outcome:
    savepoint = connection.begin_nested()
    try:
        over = _write(connection, work, ours)
    except IntegrityError as error:
        savepoint.rollback()
        conflict = ConflictError(_contradiction(cause(error)))
        conflict.__cause__ = error
        return conflict
    except (ConflictError, DeploymentError) as error:
        savepoint.rollback()
        return error
    except Exception as error:
        if isinstance(error, DBAPIError) and not isinstance(error, DataError):
            raise  # it may concern every unit
        savepoint.rollback()
        return _unwritable(error)
    savepoint.commit()
    return over


def _unwritable(error: Exception) -> ConflictError:
    """The outcome of a unit whose values the database cannot hold; they should have been refused before."""
    why = cause(error) if isinstance(error, SQLAlchemyError) else repr(error)
    unwritable = ConflictError(f"the journal cannot hold this change: {why}. This is a bug in naived")
    unwritable.__cause__ = error
    return unwritable


def _write(connection: sa.Connection, work: Work, ours: Mapping[str, fence.Held] | None) -> OverLimit | None:
    match work:
        case Unit():
            if ours is not None:
                fence.check(work, ours)
                if not work.symbol and (work.halt is not None or work.limits):
                    fence.lock_account(connection)
                if work.request is not None:
                    fence.mark_done(connection, work.request[0])
            unit, halted = fence.unless_halted(connection, work)
            unit, over = within_limit(connection, unit)
            _write_unit(connection, unit)
            return halted or over
        case Claim():
            bind(connection, work)
            return None
        case Reentry():
            raise ValueError("it is no part of a transaction")
        case _:
            assert_never(work)


def _write_unit(connection: sa.Connection, unit: Unit) -> None:
    if unit.desired is not None:
        _write_desired(connection, unit.symbol, unit.desired, unit.expected)
    _write_symbol(connection, unit)
    write_account(connection, unit)
    for trader in unit.traders:
        _write_trader(connection, trader)
    # Ended orders first: the unique index one_live_intent allows one live order per trader and side.
    for order in sorted(unit.orders, key=lambda order: order.state not in TERMINAL):
        _write_order(connection, order)
    for fill in unit.fills:
        connection.execute(INSERT_FILL, fill_row(fill))
    for event in unit.events:
        connection.execute(INSERT_EVENT, event_row(event))
    if unit.request is not None:
        request_id, result = unit.request
        connection.execute(INSERT_REQUEST, {"request_id": request_id, "result": result})


def _write_desired(connection: sa.Connection, symbol: str, desired: DesiredState, expected: Status | None) -> None:
    row = desired_row(desired)
    if expected is None:
        row["symbol"] = symbol
        connection.execute(upsert_settings(connection.dialect.name, tuple(row)), row)
        return
    unchanged = (settings.c.symbol == symbol) & (settings.c.status == expected.value)
    if connection.execute(sa.update(settings).where(unchanged).values(row)).rowcount != 1:
        raise ConflictError(f"its status is not {expected} any more")


def _write_symbol(connection: sa.Connection, unit: Unit) -> None:
    changes: dict[str, Any] = {}
    if unit.next_trader is not None:
        changes["next_trader"] = unit.next_trader
    if unit.owed is not None:
        changes |= owed_row(unit.owed)
    if unit.closed_at is not None:
        changes["closed_at"] = unit.closed_at or None
    if unit.exposure is not None:
        changes |= {"quote": unit.exposure.quote or None, "exposure": unit.exposure.money}
    if unit.lots is not None:
        connection.execute(sa.delete(lots).where(lots.c.symbol == unit.symbol))
        for row in lot_rows(unit.symbol, unit.lots):
            connection.execute(INSERT_LOT, row)
    if not changes:
        return
    statement = sa.update(settings).where(settings.c.symbol == unit.symbol).values(changes)
    if connection.execute(statement).rowcount != 1:
        raise ConflictError("the journal has no settings of it")


def _write_trader(connection: sa.Connection, trader: Trader) -> None:
    row = trader_row(trader)
    names = tuple(row)
    made = cycle_profit(trader)
    if made is None:
        connection.execute(upsert_trader(connection.dialect.name, names, cycle=False), row)
        return
    symbol = {"of_symbol": trader.symbol}
    # None: the trader is not counted yet. One that is written again is counted once, with its last profit.
    before = connection.execute(FINISHED_PROFIT, {**symbol, "number": trader.number}).one_or_none()
    connection.execute(upsert_trader(connection.dialect.name, names, cycle=True), row)
    cycles, profit, day, today = connection.execute(COUNTERS, symbol).one()
    counted, replaced = (cycles + 1, 0) if before is None else (cycles, before.profit)
    gained = Money(made - replaced)
    day, today = counted_in_day(day, today, gained, trader.since)
    counters = {"counted": counted, "total": profit + gained, "day": day, "today": today}
    connection.execute(COUNT, {**symbol, **counters})


def _write_order(connection: sa.Connection, order: OrderState) -> None:
    row = order_row(order)
    statement = upsert_order(connection.dialect.name, tuple(row))
    # After an INSERT SQLAlchemy keeps the row count only with this option.
    if connection.execute(statement, row, execution_options={"preserve_rowcount": True}).rowcount != 1:
        raise ConflictError(f"{order.client_order_id} is the id of another intent in the journal")
