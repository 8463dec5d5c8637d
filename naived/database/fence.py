"""Checks, in the transaction of a commit, that this node still has the symbol; ``store.py`` calls it.

The rows of the leases stay locked until that transaction ends. The lock lets a renewal pass and a claim not: nobody
has a symbol of which a commit of an earlier owner is still under way. Only a shared database is checked.

A unit that places an order also finds the symbol not off. One with a new buy finds the account not halted, also
where nothing is shared: the halt may have become durable since the buy was decided. Where another node may write
it, the row of the deployment makes these two wait for each other; so it does with the limits. While such a row
cannot be read a new buy is left out: that is no fault of its symbol. Nodes that number
finished cycles wait for each other as well.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.dialects.postgresql import ARRAY

from naived.core.amount import Money, Quantity, value_up
from naived.core.orders.intent import Side
from naived.core.orders.state import OrderState, State
from naived.core.risk import OverLimit
from naived.core.strategy.settings import Status
from naived.database.reading import UNREADABLE, UnreadableError, converted, unreadable
from naived.database.rows import halt_of
from naived.database.schema import deployment, halts, leases, nodes, orders, requests, settings
from naived.database.server import history
from naived.database.statements import TAKE_TURN
from naived.database.trader_rows import cycle_profit
from naived.nodes import LeaseLostError, UncomparedError
from naived.ports import ConflictError, Unit

# Its name too: in a failover that lost commits the epoch of a process may have been given to another node again.
_TAKE_TURN = TAKE_TURN.where(nodes.c.name == sa.bindparam("node"))
_STATUS = sa.select(settings.c.status).where(settings.c.symbol == leases.c.symbol).scalar_subquery().label("status")
_OURS = leases.c.node == sa.bindparam("node")
_HELD_IN_FILE = sa.select(leases.c.symbol, leases.c.epoch, _STATUS).where(
    _OURS, leases.c.symbol.in_(sa.bindparam("symbols", expanding=True))
)


@cache
def _turn_and_held(*, placing: bool, alone: bool) -> sa.Select[Any]:
    """The turn of ``statements.py`` and the leases, which stay as they are until the transaction ends (PostgreSQL).

    One round trip. Where an order is placed the account's row is locked as well: what halts the account is read
    behind that. ``alone``: of one symbol, as most groups are; an array is sent, sorted and searched for longer.
    """
    turn = _TAKE_TURN.returning(nodes.c.epoch).cte("turn")
    symbols = sa.bindparam("symbols", type_=sa.Text if alone else ARRAY(sa.Text))
    named = leases.c.symbol == (symbols if alone else sa.any_(symbols))
    columns: list[sa.ColumnElement[Any]] = [leases.c.symbol, leases.c.epoch]
    known, locked = turn.join(leases, sa.true()), [leases]
    if placing:
        columns += [_STATUS, deployment.c.server]
        known, locked = known.join(deployment, sa.true()), [leases, deployment]
    held = sa.select(*columns).select_from(known).where(_OURS, named).order_by(leases.c.symbol)
    return held.with_for_update(read=True, key_share=True, of=locked)


_LOCK_CYCLES = sa.select(sa.func.pg_advisory_xact_lock(0x6E616963))  # "naic"
_WRITTEN = sa.select(nodes.c.written).where(
    nodes.c.name == sa.bindparam("node"), nodes.c.epoch == sa.bindparam("ours")
)
_HALT = sa.select(halts).where(halts.c.scope == "")
_ATTEMPT = sa.select(orders.c.attempt).where(orders.c.client_order_id == sa.bindparam("client_order_id"))


class Held(Struct, frozen=True):
    """A symbol of this node. ``status`` is as stored, None for one that was never configured, or where not asked.

    ``placing``: no symbol is still to be compared after a failover of the database.
    """

    epoch: int
    status: str | None = None
    placing: bool = True


def lock_cycles(connection: sa.Connection, units: Iterable[Unit]) -> None:
    """Before any other lock: wait until the numbers that other nodes gave to finished cycles are committed.

    They are counted over the whole database; two nodes that count at the same time would find the same one.
    """
    if connection.dialect.name != "sqlite" and any(
        cycle_profit(trader) is not None for unit in units for trader in unit.traders
    ):
        connection.execute(_LOCK_CYCLES)


def take_turn(
    connection: sa.Connection, turn: Mapping[str, int], node: str, units: Iterable[Unit]
) -> Mapping[str, Held] | None:
    """Take the turn; returns those symbols of the units that the node has, None without a turn.

    They stay its own until the transaction ends.
    """
    known = list(units)
    symbols = sorted({unit.symbol for unit in known if unit.symbol})
    if connection.dialect.name == "sqlite" or not symbols:
        if connection.execute(_TAKE_TURN, {**turn, "node": node}).rowcount != 1:
            return None
        asked = {"node": node, "symbols": symbols}
        rows = connection.execute(_HELD_IN_FILE, asked).mappings().all() if symbols else []
        return {row["symbol"]: Held(row["epoch"], row["status"]) for row in rows}
    placing = any(_is_decided(order) for unit in known for order in unit.orders)
    alone = len(symbols) == 1
    statement = _turn_and_held(placing=placing, alone=alone)
    found = connection.execute(statement, {**turn, "node": node, "symbols": symbols[0] if alone else symbols}).all()
    if not placing:
        ours = {symbol: Held(epoch) for symbol, epoch in found}
    else:
        server = _history(connection) if found else ""
        ours = {symbol: Held(epoch, status, accepted == server) for symbol, epoch, status, accepted in found}
    # Without a symbol it is still to be told whether there was a turn: each group has a number of its own.
    if not ours and connection.scalar(_WRITTEN, {"node": node, "ours": turn["ours"]}) != turn["group"]:
        return None
    return ours


def _history(connection: sa.Connection) -> str:
    """Of the server that this connection writes to. One that can be written continues one history until it ends."""
    found: str = connection.info.get("history") or connection.info.setdefault("history", history(connection))
    return found


def check(unit: Unit, ours: Mapping[str, Held]) -> None:
    """Raises LeaseLostError if the symbol is not ours any more, ConflictError for an order of one that is off."""
    if not unit.symbol:
        return
    found = ours.get(unit.symbol)
    if found is None or found.epoch != unit.epoch:
        raise LeaseLostError("another node has it, or may have it; nothing more is written here")
    if unit.desired is None and found.status == Status.OFF and any(map(_is_placed, unit.orders)):
        raise ConflictError("it is off, and an order was to be placed")
    if not found.placing and any(map(_is_placed, unit.orders)):
        raise UncomparedError("the database was replaced: nothing is placed before all is compared")


def _is_decided(order: OrderState) -> bool:
    """Is it to be sent, or counted in the account's exposure from now on, as a buy that waits for its slot?"""
    return order.state is State.INTENDED or (order.state is State.NOT_PLACED and order.intent.side is Side.BUY)


def _is_placed(order: OrderState) -> bool:
    return order.state is State.INTENDED and not order.cancelling


def unless_halted(connection: sa.Connection, unit: Unit) -> tuple[Unit, OverLimit | None]:
    """The unit without its new buys, and why, if the account is halted; see ``take_turn`` for its lock."""
    buys = [order for order in unit.orders if order.intent.side is Side.BUY and order.state is State.INTENDED]
    if not buys:
        return unit, None
    try:
        row = connection.execute(_HALT).mappings().one_or_none()
        halt = None if row is None else halt_of(row)
    except UNREADABLE as error:
        reason = unread(connection, error, (halts, _HALT))
    else:
        if halt is None:
            return unit, None
        reason = f"the account is halted {halt.words}"
    new = [order for order in buys if _is_new(connection, order)]
    if not new:
        return unit, None
    return without(unit, new), OverLimit(tuple(order.client_order_id for order in new), reason)


def unread(connection: sa.Connection, error: Exception, *rows: tuple[sa.Table, sa.Select[Any]]) -> str:
    """In words: which of these rows it was that could not be read when it was looked whether a buy is allowed."""
    named = error
    try:
        for table, statement in rows:
            converted(connection, statement, table, lambda row: row)
    except UnreadableError as its:
        named = its
    return f"the database {unreadable(named)}"


def lock_account(connection: sa.Connection) -> None:
    """Wait until every new buy that does not see the new halt or limits of the account is committed."""
    connection.execute(sa.select(deployment.c.id).with_for_update())


def mark_done(connection: sa.Connection, request_id: str) -> None:
    """If it is what another node asked for, it is done with this transaction."""
    now = requests.c.asked_at if connection.dialect.name == "sqlite" else sa.func.clock_timestamp()
    connection.execute(sa.update(requests).where(requests.c.id == request_id).values(done_at=now))


def without(unit: Unit, new: list[OrderState]) -> Unit:
    """The unit as if these new buys had not been decided."""
    gone = {order.client_order_id for order in new}
    traders = {order.intent.trader for order in new}
    exposure = unit.exposure
    if exposure is not None:
        value = sum(value_up(order.intent.price, Quantity(order.intent.quantity)) for order in new)
        exposure = replace(exposure, money=Money(exposure.money - value))
    return replace(
        unit,
        exposure=exposure,
        traders=tuple(trader for trader in unit.traders if trader.number not in traders),
        orders=tuple(order for order in unit.orders if order.client_order_id not in gone),
    )


def _is_new(connection: sa.Connection, order: OrderState) -> bool:
    """Is this attempt not durable yet? One that is may have been sent."""
    attempt = connection.scalar(_ATTEMPT, {"client_order_id": order.client_order_id})
    return attempt is None or attempt < order.attempt
