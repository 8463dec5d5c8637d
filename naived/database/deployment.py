"""Whose the database is, and how a process enters it: with a new epoch, so that earlier ones can write no more.

Epochs come from one counter: each process gets one when it enters, and each claim of symbols another one. A process
that enters fences all earlier ones with the same node's name, and, where the database is not shared, all others.
"""

import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from naived.database.schema import deployment, leases, nodes, settings
from naived.database.server import history
from naived.database.statements import insert
from naived.nodes import Member
from naived.ports import DeploymentError

_OTHER = "Name another one with --database"
_TAG_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # lower-case base32
_TAG_LENGTH = 4

ALONE = Member("naived", "", 30_000)


@dataclass(frozen=True, slots=True)
class Claim:
    """Binds a new journal to an account; checks that an old one belongs to it."""

    exchange: str
    account_uid: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """``tag`` is in the ids of our orders and made once; ``epoch`` rises by one at each process start."""

    tag: str
    epoch: int


def owner(connection: sa.Connection, exchange: str | None) -> str | None:
    """The account that the database belongs to, None for a new one; raises DeploymentError as ``enter`` does.

    Raises ValueError for one that would get a new tag beside orders with the old one.
    """
    row = connection.execute(sa.select(deployment)).mappings().one_or_none()
    if row is None:
        if connection.scalar(sa.select(settings.c.symbol).limit(1)) is not None:
            raise ValueError("it has symbols, and no row in deployment")
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


def enter(
    engine: sa.Engine, exchange: str | None = None, member: Member = ALONE, *, shared: bool = False, now: int = 0
) -> Deployment:
    """Begin a new epoch: earlier processes of the same node can write no more; if not ``shared``, no other can.

    ``now`` is in ms; a shared PostgreSQL database uses its own clock. Raises DeploymentError, before it changes
    anything, if the database belongs to another ``exchange`` (None: not checked); SQLAlchemyError.
    """
    with engine.begin() as connection:
        _check_exchange(_the_row(connection), exchange)
        epoch = next_epoch(connection)
        _join(connection, member, epoch, now, shared)
        return Deployment(_the_row(connection)["tag"], epoch)


def _the_row(connection: sa.Connection) -> sa.RowMapping:
    """The row of the deployment, locked; it is made with a new tag where there is none."""
    known = sa.select(deployment).with_for_update()
    row = connection.execute(known).mappings().one_or_none()
    if row is not None:
        return row
    tag = "".join(secrets.choice(_TAG_ALPHABET) for _ in range(_TAG_LENGTH))
    # Two nodes may enter a new database at the same time: both get the row of the first.
    connection.execute(
        insert(connection.dialect.name, deployment).on_conflict_do_nothing().values(id=1, tag=tag, epoch=0)
    )
    return connection.execute(known).mappings().one()


def next_epoch(connection: sa.Connection) -> int:
    """One more; the row is locked until the transaction ends."""
    raised = sa.update(deployment).values(epoch=deployment.c.epoch + 1).returning(deployment.c.epoch)
    epoch: int = connection.execute(raised).scalar_one()
    return epoch


def _join(connection: sa.Connection, member: Member, epoch: int, now: int, shared: bool) -> None:
    others = nodes.c.name != member.name
    if not shared:
        connection.execute(sa.delete(nodes).where(others))
    known = connection.execute(sa.select(nodes.c.draining).where(~others)).scalar_one_or_none()
    connection.execute(sa.delete(nodes).where(~others))
    row = {"name": member.name, "epoch": epoch, "written": 0, "draining": bool(known), "version": member.version}
    # Not this machine's time: others would take it for one of a node that is gone for long.
    own = shared and connection.dialect.name == "postgresql"
    entered = sa.func.clock_timestamp() if own else sa.literal(now, nodes.c.heartbeat.type)
    connection.execute(sa.insert(nodes).values(**row, heartbeat=entered, until=entered))
    # What an earlier process of this node had is free; of what is not shared nobody has a lease.
    freed = sa.update(leases).values(node=None)
    connection.execute(freed.where(leases.c.node == member.name) if shared else freed)
    if shared:
        first = sa.update(deployment).where(deployment.c.server.is_(None))
        connection.execute(first.values(server=history(connection)))
        unknown = settings.c.symbol.not_in(sa.select(leases.c.symbol))
        added = sa.select(settings.c.symbol, sa.literal(0), sa.literal(now, leases.c.until.type)).where(unknown)
        connection.execute(sa.insert(leases).from_select(["symbol", "epoch", "until"], added))


def bind(connection: sa.Connection, claim: Claim) -> None:
    """Bind the database to an account; raises DeploymentError if it belongs to another one."""
    row = connection.execute(sa.select(deployment)).mappings().one()
    if row["account_uid"] is None:
        connection.execute(sa.update(deployment).values(exchange=claim.exchange, account_uid=claim.account_uid))
    elif (row["exchange"], row["account_uid"]) != (claim.exchange, claim.account_uid):
        raise DeploymentError(
            f"this database belongs to account {row['account_uid']} on {row['exchange']}, "
            f"not to {claim.account_uid} on {claim.exchange}. {_OTHER}"
        )
