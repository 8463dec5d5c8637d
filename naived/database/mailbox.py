"""Implements ``nodes.Mailbox``: what each node says of its symbols, and what one asks of another.

Nothing here is needed to trade. A request is done with the transaction of what it changes (``store.py``); its
answer follows. If its owner dies in between, the next one finds in the journal what was done, and answers.

It has a connection of its own, so that a verb for many symbols costs no node its leases. What many symbols of
such a verb read, or write, at the same moment is one transaction.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import sqlalchemy as sa

from naived.core.orders.intent import Side
from naived.core.orders.state import LIVE as PERHAPS_RESTING
from naived.database.cluster import Transactions
from naived.database.leases import Seat
from naived.database.rows import event_of
from naived.database.schema import (
    LIVE,
    control_request,
    events,
    halts,
    leases,
    nodes,
    orders,
    requests,
    settings,
    statuses,
)
from naived.database.statements import insert
from naived.database.together import Jointly, Together
from naived.nodes import Errand, Resting, Told
from naived.ports import EventRow

_COLUMNS = ("id", "symbol", "verb", "params", "asked_by", "changes")
_KEPT = 7 * 24 * 3_600_000  # ms: an answer is awaited for seconds


class SqlMailbox:
    def __init__(self, transactions: Transactions, seat: Seat) -> None:
        self._transactions = transactions
        self._seat = seat
        self._first = True  # requests were not read yet
        do = transactions.do

        async def waiting(symbols: Sequence[str]) -> Mapping[str, Sequence[Errand]]:
            found = await do(partial(_read_errands, seat, symbols=symbols, first=self._first))
            self._first = False
            return found

        self._asks = Jointly[Errand](lambda errands: do(partial(_write_errands, seat, errands=errands)))
        self._answers = Jointly[tuple[str, str]](lambda given: do(partial(_write_answers, seat, given=given)))
        self._waiting = Together[Sequence[Errand]](waiting)
        self._answered = Together[tuple[bool, str | None]](lambda ids: do(partial(_read_answers, ids=ids)))

    async def tell(self, bodies: Mapping[str, str]) -> None:
        def write(connection: sa.Connection) -> None:
            if connection.dialect.name == "postgresql":  # it is said again if it is lost
                connection.execute(sa.text("SET LOCAL synchronous_commit = off"))
            node, now = self._seat.member.name, self._seat.now(connection)
            ours = (leases.c.symbol == sa.bindparam("of")) & (leases.c.node == node) & _present(self._seat)
            said = sa.select(leases.c.symbol, sa.literal(node), now, sa.bindparam("said", type_=sa.Text)).where(
                ours
            )
            told = insert(connection.dialect.name, statuses).from_select(["symbol", "node", "at", "body"], said)
            changed = {name: told.excluded[name] for name in ("node", "at", "body")}
            statement = told.on_conflict_do_update(index_elements=["symbol"], set_=changed)
            connection.execute(statement, [{"of": name, "said": body} for name, body in sorted(bodies.items())])

        await self._transactions.do(write)

    async def told(self, known: Mapping[str, int]) -> tuple[Sequence[Told], Mapping[str, str], Mapping[str, str]]:
        def read(connection: sa.Connection) -> tuple[Sequence[Told], Mapping[str, str], Mapping[str, str]]:
            # Not what is later than before: the database's clock may be set back, and commits overtake each other.
            moments = connection.execute(sa.select(statuses.c.symbol, statuses.c.at))
            new = [symbol for symbol, at in moments if known.get(symbol) != at]
            said = sa.select(statuses).where(statuses.c.symbol.in_(new))
            rows = [Told(**row) for row in connection.execute(said).mappings()] if new else []
            held = sa.select(leases.c.symbol, leases.c.node).where(leases.c.node.is_not(None))
            owners = connection.execute(held)
            # As text: a status that only a later version knows costs no other row.
            wished = sa.select(settings.c.symbol, sa.cast(settings.c.status, sa.Text)).where(~settings.c.forgotten)
            wishes = connection.execute(wished)
            return rows, {symbol: node for symbol, node in owners}, {symbol: status for symbol, status in wishes}

        return await self._transactions.do(read)

    async def happened(self, behind: int | None) -> tuple[int, Sequence[EventRow]]:
        def read(connection: sa.Connection) -> tuple[int, Sequence[EventRow]]:
            newest: int = connection.scalar(sa.select(sa.func.max(events.c.id))) or 0
            if behind is None or newest <= behind:
                return newest, []
            later = sa.select(events).where(events.c.id > behind).order_by(events.c.id)
            return newest, [EventRow(row["id"], event_of(row)) for row in connection.execute(later).mappings()]

        return await self._transactions.do(read)

    async def ask(self, errand: Errand) -> None:
        await self._asks.put(errand)

    async def errands(self, symbol: str = "") -> Sequence[Errand]:
        return await self._waiting.ask(symbol) or []

    async def answer(self, errand_id: str, text: str) -> None:
        await self._answers.put((errand_id, text))

    async def withdraw(self, errand_id: str) -> None:
        def write(connection: sa.Connection) -> None:
            unanswered = (requests.c.id == errand_id) & requests.c.answer.is_(None)
            connection.execute(sa.delete(requests).where(unanswered, ~requests.c.changes))

        await self._transactions.do(write)

    async def configured(self) -> Sequence[str]:
        def read(connection: sa.Connection) -> Sequence[str]:
            return connection.scalars(sa.select(settings.c.symbol).where(~settings.c.forgotten)).all()

        return await self._transactions.do(read)

    async def answer_to(self, errand_id: str) -> tuple[bool, str | None] | None:
        return await self._answered.ask(errand_id)

    async def resting(self) -> Sequence[Resting]:
        return await self._transactions.do(_read_resting)

    async def halted(self) -> Sequence[str]:
        def read(connection: sa.Connection) -> Sequence[str]:
            own = sa.select(halts.c.scope).where(halts.c.scope != "").order_by(halts.c.scope)
            return connection.scalars(own).all()

        return await self._transactions.do(read)


def _write_errands(seat: Seat, connection: sa.Connection, errands: Sequence[Errand]) -> None:
    old = requests.c.asked_at < seat.now(connection, -_KEPT)
    connection.execute(sa.delete(requests).where(old, requests.c.answer.is_not(None)))
    # Asked again, it is carried out again and answered as it is then; no change is made twice.
    stored = sa.select(control_request.c.request_id)
    ids = [errand.id for errand in errands]
    made = set(connection.scalars(stored.where(control_request.c.request_id.in_(ids))))
    rows = [{**{name: getattr(errand, name) for name in _COLUMNS}, "made": errand.id in made} for errand in errands]
    now = seat.now(connection)
    again = insert(connection.dialect.name, requests).values(
        asked_at=now, done_at=sa.case((sa.bindparam("made", type_=sa.Boolean), now))
    )
    changed = {name: again.excluded[name] for name in (*_COLUMNS, "asked_at", "done_at")}
    unanswered = again.on_conflict_do_update(
        index_elements=["id"], set_={**changed, "answer": None}, where=requests.c.answer.is_not(None)
    )
    connection.execute(unanswered, rows)


def _write_answers(seat: Seat, connection: sa.Connection, given: Sequence[tuple[str, str]]) -> None:
    unanswered = (requests.c.id == sa.bindparam("of")) & requests.c.answer.is_(None)
    ours = sa.select(leases.c.symbol).where(_ours(seat, connection)).exists()
    done = sa.func.coalesce(requests.c.done_at, seat.now(connection))
    told = sa.update(requests).where(unanswered, ours).values(answer=sa.bindparam("text"), done_at=done)
    connection.execute(told, [{"of": name, "text": text} for name, text in given])


def _drop_earlier(seat: Seat, connection: sa.Connection) -> None:
    """Nobody waits any more for what an earlier process of this node asked; what changes something is done."""
    waiting = (requests.c.asked_by == seat.member.name) & requests.c.answer.is_(None)
    connection.execute(sa.delete(requests).where(waiting, ~requests.c.changes, _present(seat)))


def _read_errands(
    seat: Seat, connection: sa.Connection, *, symbols: Sequence[str], first: bool
) -> Mapping[str, Sequence[Errand]]:
    """Those of each of these symbols; by the empty name those of all that are ours. ``first``: by this process."""
    if first:
        _drop_earlier(seat, connection)
    found: dict[str, list[Errand]] = {symbol: [] for symbol in symbols}
    if "" in found:
        found[""] = _waiting(connection, sa.select(leases.c.symbol).where(_ours(seat, connection)).exists())
    named = [symbol for symbol in symbols if symbol]
    for errand in _waiting(connection, requests.c.symbol.in_(named)) if named else []:
        found[errand.symbol].append(errand)
    return found


def _waiting(connection: sa.Connection, which: sa.ColumnElement[bool]) -> list[Errand]:
    """These of the requests without an answer, in the order in which they were asked."""
    columns = [requests.c[name] for name in _COLUMNS]
    done = requests.c.done_at.is_not(None).label("done")
    waiting = sa.select(*columns, done).where(requests.c.answer.is_(None), which)
    rows = connection.execute(waiting.order_by(requests.c.asked_at, requests.c.id)).mappings()
    return [Errand(**{**row, "done": bool(row["done"])}) for row in rows]


def _read_answers(connection: sa.Connection, ids: Sequence[str]) -> Mapping[str, tuple[bool, str | None]]:
    found = sa.select(requests.c.id, requests.c.done_at, requests.c.answer).where(requests.c.id.in_(ids))
    rows = connection.execute(found).mappings()
    return {row["id"]: (row["done_at"] is not None, row["answer"]) for row in rows}


def _read_resting(connection: sa.Connection) -> Sequence[Resting]:
    cancelling = sa.func.sum(sa.case((orders.c.cancelling, 1), else_=0))
    found = (
        sa.select(orders.c.symbol, leases.c.node, sa.func.count(), cancelling)
        .select_from(orders.outerjoin(leases, leases.c.symbol == orders.c.symbol))
        # The first condition is that of the index.
        .where(LIVE, orders.c.state.in_([state.value for state in PERHAPS_RESTING]))
        .where(orders.c.side == Side.BUY.value)
        .group_by(orders.c.symbol, leases.c.node)
        .order_by(orders.c.symbol)
    )
    return [Resting(*row) for row in connection.execute(found)]


def _ours(seat: Seat, connection: sa.Connection) -> sa.ColumnElement[bool]:
    """The lease of the symbol of a request, if this very process has it now."""
    held = (leases.c.node == seat.member.name) & (leases.c.until > seat.now(connection))
    return (leases.c.symbol == requests.c.symbol) & held & _present(seat)


def _present(seat: Seat) -> sa.ColumnElement[bool]:
    """Is this process the one that has its node's name now?"""
    return sa.select(nodes.c.name).where(*seat.mine).exists()
