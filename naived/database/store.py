"""Applies units to a database. The writer calls ``Store.apply``; nothing here knows of threads.

A group of units is one transaction, and each unit in it a savepoint:

    BEGIN
    UPDATE deployment SET written = <group> WHERE epoch = <ours> AND written >= <last>      the turn
    SAVEPOINT  unit 1  RELEASE
    SAVEPOINT  unit 2  ROLLBACK TO      a constraint refused it, or it cannot be stored: only this unit fails
    COMMIT

If the transaction fails before its COMMIT, each unit is tried again in a transaction of its own, so that what
concerns one unit fails that one. When two in a row fail, it is the database that fails, and the rest is not tried.

The first UPDATE, the turn, does three things:

- It fences us off: a process that opened the database later raised the epoch, so our UPDATE matches no row. It does
  not match either in an older copy of the database, in which our last group is not written.
- It marks the group: only a COMMIT can have an unknown outcome; then ``written``, read on a new connection, shows
  it. What fails before COMMIT is sent is certainly not written.
- It locks the row: if a connection is lost during COMMIT, PostgreSQL keeps the lock until that transaction has
  ended, so both the reading of ``written`` and the next group wait for it.
"""

import itertools
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from naived.core.amount import Money
from naived.core.orders.state import TERMINAL, OrderState
from naived.core.risk import OverLimit
from naived.core.strategy.day import counted_in_day
from naived.core.strategy.settings import DesiredState, Status
from naived.core.strategy.trader_state import Finished, Trader
from naived.database.engine import cause
from naived.database.exposure import within_limit
from naived.database.rows import (
    desired_row,
    event_row,
    fill_row,
    halt_row,
    limits_row,
    lot_rows,
    order_row,
    owed_row,
)
from naived.database.schema import control_request, deployment, events, halts, limits, lots, settings
from naived.database.sqlite_file import SqliteFile, is_damage
from naived.database.statements import (
    COUNT,
    COUNTERS,
    FINISHED_PROFIT,
    INSERT_EVENT,
    INSERT_FILL,
    INSERT_HALT,
    INSERT_LOT,
    INSERT_REQUEST,
    TAKE_TURN,
    upsert_order,
    upsert_settings,
    upsert_trader,
)
from naived.database.trader_rows import trader_row
from naived.ports import ConflictError, DeploymentError, JournalError, Unit

KEPT_EVENTS = 100_000  # about 20 MB: months of few events, or a day of very many
KEPT_REQUESTS = 10_000  # a control request is repeated within minutes, if at all
_PRUNE_EVERY = 1_000  # rows by which a table may exceed its bound
_GIVE_UP = 2  # failures in a row, of units that are tried alone, that show that the database fails
_OTHER = "Name another one with --database"

_TAG_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # lower-case base32
_TAG_LENGTH = 4

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Claim:
    """Binds a new journal to an account; checks that an old one belongs to it."""

    exchange: str
    account_uid: str


Work: TypeAlias = Unit | Claim
Outcome: TypeAlias = JournalError | OverLimit | None


@dataclass(frozen=True, slots=True)
class Deployment:
    """``tag`` is in the ids of our orders and made once; ``epoch`` rises by one at each process start."""

    tag: str
    epoch: int


def owner(connection: sa.Connection, exchange: str | None) -> str | None:
    """The account that the database belongs to, None for a new one; raises DeploymentError as ``enter`` does."""
    row = connection.execute(sa.select(deployment)).mappings().one_or_none()
    if row is None:
        return None
    _check_exchange(row, exchange)
    account_uid: str | None = row["account_uid"]
    return account_uid


def _check_exchange(row: sa.RowMapping, exchange: str | None) -> None:
    if exchange is not None and row["exchange"] not in (None, exchange):
        raise DeploymentError(
            f"this database belongs to account {row['account_uid']} on {row['exchange']}, "
            f"not to {exchange}. {_OTHER}"
        )


def check_account(account_uid: str, found: str, exchange: str) -> None:
    """Raises DeploymentError if the account that was ``found`` is not that of the database."""
    if account_uid != found:
        raise DeploymentError(
            f"this database belongs to account {account_uid} on {exchange}, not to {found} on {exchange}. {_OTHER}"
        )


def enter(engine: sa.Engine, exchange: str | None = None) -> Deployment:
    """Begin a new epoch: earlier processes can write no more.

    Raises DeploymentError, before it changes anything, if the database belongs to another ``exchange`` (None: not
    checked); SQLAlchemyError.
    """
    with engine.begin() as connection:
        row = connection.execute(sa.select(deployment).with_for_update()).mappings().one_or_none()
        if row is None:
            tag = "".join(secrets.choice(_TAG_ALPHABET) for _ in range(_TAG_LENGTH))
            connection.execute(sa.insert(deployment).values(id=1, tag=tag, epoch=1, written=0))
            return Deployment(tag, 1)
        _check_exchange(row, exchange)
        entered = Deployment(row["tag"], row["epoch"] + 1)
        connection.execute(sa.update(deployment).values(epoch=entered.epoch, written=0))
        return entered


class Store:
    """Applies groups, one at a time, on its own engine, for one epoch."""

    def __init__(self, engine: sa.Engine, epoch: int, file: SqliteFile | None = None) -> None:
        self.lost: str | None = None  # why nothing can be written: the files of the database are not in their place
        self._engine = engine
        self._epoch = epoch
        self._file = file
        self._groups = itertools.count(1)
        self._written = 0  # the last group that is known to be written
        self._since_pruned = _PRUNE_EVERY

    def apply(self, works: Sequence[Work]) -> list[Outcome]:
        """Make the group durable; returns for each work, in the same order, None or why it was not written."""
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
                self._take_turn(connection, group)
                for work in works:
                    outcomes.append(_apply_one(connection, work))  # noqa: PERF401 - its length is the progress
                self._prune(connection, works)
        except SQLAlchemyError as error:
            self._engine.dispose()  # the connection is in an unknown state and not used again
            committing = len(outcomes) == len(works)
            if not (committing and self._is_written(group)):
                return [_failure(error) for _ in works], not committing
        except JournalError as error:
            return [JournalError(*error.args) for _ in works], False
        self._written = group
        return outcomes, False

    def look(self) -> None:
        """See that an SQLite database is still in its place; ``lost`` says why not.

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
            self.lost = None

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

    def _take_turn(self, connection: sa.Connection, group: int) -> None:
        turn = {"ours": self._epoch, "last": self._written, "group": group}
        if connection.execute(TAKE_TURN, turn).rowcount != 1:
            raise JournalError(
                f"another naived has opened this database since (we are epoch {self._epoch}), or an older copy of "
                "it was put in its place: nothing more is written here. Stop one of the two, or start naived again"
            )

    def _is_written(self, group: int) -> bool:
        """Was the group written although its COMMIT raised? False also if that cannot be read."""
        try:
            with self._engine.begin() as connection:
                row = connection.execute(sa.select(deployment).with_for_update()).mappings().one()
        except (SQLAlchemyError, JournalError):
            self._engine.dispose()
            return False
        return bool(row["epoch"] == self._epoch and row["written"] == group)

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


def _failure(error: SQLAlchemyError) -> JournalError:
    text = cause(error)
    next_step = "See that it runs and has room; naived tries again by itself"
    if is_damage(text):
        next_step = "The file is damaged: suspend naived, keep a copy of it, and put a backup in its place"
    failure = JournalError(f"the database did not take the change: {text}. {next_step}")
    failure.__cause__ = error
    return failure


def _apply_one(connection: sa.Connection, work: Work) -> Outcome:
    savepoint = connection.begin_nested()
    try:
        over = _write(connection, work)
    except IntegrityError as error:
        savepoint.rollback()
        what = work.symbol if isinstance(work, Unit) else work.exchange
        conflict = ConflictError(f"{what}: the journal already holds something else: {cause(error)}")
        conflict.__cause__ = error
        return conflict
    except (ConflictError, DeploymentError) as error:
        savepoint.rollback()
        return error
    except Exception as error:
        if isinstance(error, DBAPIError) and not isinstance(error, DataError):
            raise  # it may concern every unit
        savepoint.rollback()
        return _unwritable(work, error)
    savepoint.commit()
    return over


def _unwritable(work: Work, error: Exception) -> ConflictError:
    """The outcome of a unit whose values the database cannot hold; they should have been refused before."""
    what = work.symbol if isinstance(work, Unit) else work.exchange
    why = cause(error) if isinstance(error, SQLAlchemyError) else repr(error)
    unwritable = ConflictError(f"{what}: the journal cannot hold this change: {why}. This is a bug in naived")
    unwritable.__cause__ = error
    return unwritable


def _write(connection: sa.Connection, work: Work) -> OverLimit | None:
    match work:
        case Unit():
            unit, over = within_limit(connection, work)
            _write_unit(connection, unit)
            return over
        case Claim():
            _claim(connection, work)
            return None
        case _:
            assert_never(work)


def _write_unit(connection: sa.Connection, unit: Unit) -> None:
    if unit.desired is not None:
        _write_desired(connection, unit.symbol, unit.desired, unit.expected)
    _write_symbol(connection, unit)
    if unit.halt is not None:
        connection.execute(sa.delete(halts).where(halts.c.scope == unit.symbol))
        if unit.halt.halt is not None:
            connection.execute(INSERT_HALT, halt_row(unit.symbol, unit.halt.halt))
    if unit.limits is not None:
        connection.execute(sa.delete(limits))
        connection.execute(sa.insert(limits).values(limits_row(unit.limits)))
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
        raise ConflictError(f"{symbol}: its status is not {expected} any more")


def _write_symbol(connection: sa.Connection, unit: Unit) -> None:
    changes: dict[str, Any] = {}
    if unit.next_trader is not None:
        changes["next_trader"] = unit.next_trader
    if unit.owed is not None:
        changes |= owed_row(unit.owed)
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
        raise ConflictError(f"{unit.symbol}: the journal has no settings of it")


def _write_trader(connection: sa.Connection, trader: Trader) -> None:
    row = trader_row(trader)
    names = tuple(row)
    if not isinstance(trader.phase, Finished) or trader.phase.profit is None:
        connection.execute(upsert_trader(connection.dialect.name, names, cycle=False), row)
        return
    symbol = {"of_symbol": trader.symbol}
    # None: the trader is not counted yet. One that is written again is counted once, with its last profit.
    before = connection.execute(FINISHED_PROFIT, {**symbol, "number": trader.number}).one_or_none()
    connection.execute(upsert_trader(connection.dialect.name, names, cycle=True), row)
    cycles, profit, day, today = connection.execute(COUNTERS, symbol).one()
    counted, replaced = (cycles + 1, 0) if before is None else (cycles, before.profit)
    gained = Money(trader.phase.profit - replaced)
    day, today = counted_in_day(day, today, gained, trader.since)
    counters = {"counted": counted, "total": profit + gained, "day": day, "today": today}
    connection.execute(COUNT, {**symbol, **counters})


def _write_order(connection: sa.Connection, order: OrderState) -> None:
    row = order_row(order)
    statement = upsert_order(connection.dialect.name, tuple(row))
    # After an INSERT SQLAlchemy keeps the row count only with this option.
    if connection.execute(statement, row, execution_options={"preserve_rowcount": True}).rowcount != 1:
        raise ConflictError(
            f"{order.intent.symbol}: {order.client_order_id} is the id of another intent in the journal"
        )


def _claim(connection: sa.Connection, claim: Claim) -> None:
    row = connection.execute(sa.select(deployment)).mappings().one()
    if row["account_uid"] is None:
        connection.execute(sa.update(deployment).values(exchange=claim.exchange, account_uid=claim.account_uid))
    elif (row["exchange"], row["account_uid"]) != (claim.exchange, claim.account_uid):
        raise DeploymentError(
            f"this database belongs to account {row['account_uid']} on {row['exchange']}, "
            f"not to {claim.account_uid} on {claim.exchange}. {_OTHER}"
        )
