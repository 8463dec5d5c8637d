"""The transactions of leases and heartbeats; ``cluster.py`` runs them.

Times are of the database's clock; on SQLite, which has none of its own and is shared only in tests, of the one that
is given. Whoever claims says which nodes are gone, as ``runtime/heartbeats.py`` judges it.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from naived.database.columns import Instant
from naived.database.deployment import next_epoch
from naived.database.schema import deployment, leases, nodes, settings
from naived.database.server import history
from naived.database.statements import insert
from naived.nodes import NOBODY, FencedError, Member, NodeInfo, View

_LONGEST = 300  # characters of a text that came from outside
_KEPT = 30 * 24 * 3_600_000  # ms: a container's host name may never be used again


@dataclass(frozen=True, slots=True)
class Seat:
    """The process that entered as this member with ``epoch``; ``clock`` (ms) is used on SQLite."""

    member: Member
    epoch: int
    clock: Callable[[], int]

    @property
    def mine(self) -> tuple[sa.ColumnElement[bool], ...]:
        """Its row of ``nodes``, unless a later process took its place."""
        return nodes.c.name == self.member.name, nodes.c.epoch == self.epoch

    def check(self, found: int) -> None:
        """Raises FencedError unless one row was ``found``."""
        if found != 1:
            raise FencedError(
                f"another naived with the name of this node, {self.member.name}, uses this database: it has the "
                "symbols now. Give each node a name of its own with --node, or stop one of the two"
            )

    def now(self, connection: sa.Connection, later: int = 0) -> sa.ColumnElement[Any]:
        """The database's time, and so many ms."""
        if connection.dialect.name == "sqlite":
            return sa.literal(self.clock() + later, Instant)
        now: sa.ColumnElement[Any] = sa.func.clock_timestamp(type_=sa.DateTime(timezone=True))
        return now + sa.literal(timedelta(milliseconds=later), sa.Interval) if later else now


def renew(seat: Seat, connection: sa.Connection, exchange_away: str | None = None) -> Mapping[str, int]:
    until = seat.now(connection, seat.member.lease)
    told = None if exchange_away is None else _storable(exchange_away)
    beat = sa.update(nodes).where(*seat.mine)
    beat = beat.values(heartbeat=seat.now(connection), until=until, exchange_away=told)
    seat.check(connection.execute(beat).rowcount)
    renewed = sa.update(leases).where(leases.c.node == seat.member.name).values(until=until)
    rows = connection.execute(renewed.returning(leases.c.symbol, leases.c.epoch))
    return {symbol: epoch for symbol, epoch in rows}


def _storable(text: str) -> str:
    """No database refuses it: a renewal must not fail for the words of an exchange."""
    return "".join(c if c.isprintable() else " " for c in text[:_LONGEST])


def claim(
    seat: Seat,
    connection: sa.Connection,
    most: int,
    names: Collection[str] | None = None,
    gone: Mapping[str, int] = NOBODY,
) -> Mapping[str, int]:
    _check(seat, connection)
    if names is not None:
        rows = [{"symbol": name, "epoch": 0, "until": seat.clock()} for name in sorted(names)]
        connection.execute(insert(connection.dialect.name, leases).on_conflict_do_nothing(), rows)
    others = sa.select(nodes.c.name).where(nodes.c.name.not_in(gone))
    free = sa.select(leases.c.symbol, leases.c.node).where(leases.c.node.is_(None) | leases.c.node.not_in(others))
    if names is not None:
        free = free.where(leases.c.symbol.in_(names))
    # What is locked has a commit of its owner, or another claim, under way. The lock is the strongest one: that of
    # a commit lets weaker ones pass.
    free = free.order_by(leases.c.until, leases.c.symbol).limit(most).with_for_update(skip_locked=True)
    found = connection.execute(free).all()
    # Read behind those locks: a renewal that is not seen yet waits for them, and then does not find what is taken.
    beats = sa.select(nodes.c.name, nodes.c.heartbeat).where(nodes.c.name.in_(gone))
    latest: dict[str, int] = {name: heartbeat for name, heartbeat in connection.execute(beats)}
    symbols = [symbol for symbol, node in found if latest.get(node) == gone.get(node)]
    if not symbols:
        return {}
    epoch = next_epoch(connection)
    taken = {"node": seat.member.name, "epoch": epoch, "until": seat.now(connection, seat.member.lease)}
    connection.execute(sa.update(leases).where(leases.c.symbol.in_(symbols)).values(taken))
    _forget(seat, connection, gone)
    return dict.fromkeys(symbols, epoch)


def _forget(seat: Seat, connection: sa.Connection, gone: Mapping[str, int]) -> None:
    """Drop the rows of nodes that are ``gone`` for a month and have nothing: every look reads all there are."""
    old = nodes.c.name.in_(gone) & (nodes.c.heartbeat < seat.now(connection, -_KEPT))
    has = sa.select(leases.c.symbol).where(leases.c.node == nodes.c.name).exists()
    connection.execute(sa.delete(nodes).where(old, ~nodes.c.draining, ~has))


def release(seat: Seat, connection: sa.Connection, symbols: Collection[str]) -> None:
    _check(seat, connection)
    _free(seat, connection, leases.c.symbol.in_(symbols))


def leave(seat: Seat, connection: sa.Connection) -> None:
    gone = sa.update(nodes).where(*seat.mine).values(until=nodes.c.heartbeat)
    if connection.execute(gone).rowcount:
        _free(seat, connection, sa.true())


def _free(seat: Seat, connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    ours = which & (leases.c.node == seat.member.name)
    # The same lock as a claim's: the next owner finds no commit of ours under way.
    connection.execute(sa.select(leases.c.symbol).where(ours).order_by(leases.c.symbol).with_for_update())
    connection.execute(sa.update(leases).where(ours).values(node=None, until=seat.now(connection)))


def look(seat: Seat, connection: sa.Connection) -> View:
    held = sa.select(leases.c.node, sa.func.count()).group_by(leases.c.node)
    counts: dict[str | None, int] = {node: count for node, count in connection.execute(held)}
    live = (nodes.c.until > seat.now(connection)).label("live")
    rows = connection.execute(sa.select(nodes, live).order_by(nodes.c.name))
    found = {
        row["name"]: NodeInfo(
            name=row["name"],
            live=bool(row["live"]),
            draining=row["draining"],
            symbols=counts.get(row["name"], 0),
            heartbeat=row["heartbeat"],
            until=row["until"],
            version=row["version"],
            exchange_away=row["exchange_away"],
        )
        for row in rows.mappings()
    }
    accepted: str = connection.scalar(sa.select(deployment.c.server)) or ""
    server = history(connection)
    uncompared: dict[str, str | None] = {}
    if server != accepted:
        awaited = sa.select(leases.c.symbol, leases.c.node).where(_uncompared(server)).order_by(leases.c.symbol)
        uncompared = {symbol: node for symbol, node in connection.execute(awaited)}
    total = sum(counts.values())
    free = total - sum(node.symbols for node in found.values())
    return View(found, total, free, server, accepted, uncompared)


def drain(connection: sa.Connection, name: str, wanted: bool) -> bool | None:
    known = connection.execute(sa.select(nodes.c.draining).where(nodes.c.name == name)).scalar_one_or_none()
    if known is None:
        return None
    connection.execute(sa.update(nodes).where(nodes.c.name == name).values(draining=wanted))
    return bool(known != wanted)


def compared(seat: Seat, connection: sa.Connection, symbol: str, epoch: int, server: str) -> None:
    ours = (leases.c.symbol == symbol) & (leases.c.node == seat.member.name) & (leases.c.epoch == epoch)
    connection.execute(sa.update(leases).where(ours).values(compared=server))


def _uncompared(server: str) -> sa.ColumnElement[bool]:
    other = sa.func.coalesce(leases.c.compared, "") != server
    configured = sa.select(settings.c.symbol).where(settings.c.symbol == leases.c.symbol).exists()
    # A node may have one that was never configured: the commit that did so may be lost.
    return other & (configured | leases.c.node.is_not(None))


def accept(connection: sa.Connection, server: str) -> None:
    missing = sa.select(leases.c.symbol).where(_uncompared(server))
    connection.execute(sa.update(deployment).where(~missing.exists()).values(server=server))


def _check(seat: Seat, connection: sa.Connection) -> None:
    seat.check(len(connection.execute(sa.select(nodes.c.name).where(*seat.mine)).all()))
