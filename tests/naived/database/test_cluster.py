"""Leases: one node at a time has a symbol, and whoever lost it writes nothing more of it."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
import trio
from msgspec.structs import replace

from naived.core.orders.intent import Side
from naived.core.orders.state import State
from naived.core.risk import Halt, HaltedBy, OverLimit
from naived.core.strategy.leader_events import Halted
from naived.core.strategy.settings import Status
from naived.database.cluster import SqlCluster, Transactions
from naived.database.deployment import enter
from naived.database.engine import Role, open_engine, parse_url
from naived.database.fence import take_turn
from naived.database.leases import Seat, renew
from naived.database.mailbox import SqlMailbox
from naived.database.queries import events_page, orders_page
from naived.database.reader import Reader
from naived.database.schema import Instant, leases, metadata, nodes, orders, statuses, traders
from naived.database.store import Reentry, Store
from naived.nodes import Errand, FencedError, LeaseLostError, Member, Resting
from naived.ports import ConflictError, JournalError, Page, Unit
from tests.support.database import NOW, SYMBOL, buying, desired, event, finished, first_buy, intent, order

LEASE = 30_000  # ms
OTHER = "BTCUSDT"


class Node:
    """One process of a node, with its connections; its clock is that of the test on SQLite."""

    def __init__(self, url: str, name: str, now: int = NOW) -> None:
        self.now = now
        self.engine = open_engine(parse_url(url), Role.WRITE)
        metadata.create_all(self.engine)
        member = Member(name, "1.0", LEASE)
        entered = enter(self.engine, None, member, shared=True, now=self.now)
        self.store = Store(self.engine, entered.epoch, node=name)
        self.seat = seat = Seat(member, entered.epoch, lambda: self.now)
        reader = Reader(parse_url(url), self.engine, threads=False)
        transactions = Transactions(self.engine, threads=False)
        self.cluster = SqlCluster(transactions, seat, reader)
        self.mailbox = SqlMailbox(transactions, seat)


@pytest.fixture
def node(database_url: str) -> Iterator[Callable[[str], Node]]:
    made: list[Node] = []

    def make(name: str) -> Node:
        made.append(Node(database_url, name))
        return made[-1]

    yield make
    for each in made:
        each.engine.dispose()


def past(node: Node) -> None:
    """Every lease ended a moment ago, by the database's clock."""
    with node.engine.begin() as connection:
        connection.execute(sa.update(leases).values(until=0))
        connection.execute(sa.update(nodes).values(until=0))


async def gone(node: Node) -> Mapping[str, int]:
    """The other nodes, as if their heartbeats had stood still for long."""
    known = (await node.cluster.look()).nodes
    return {name: each.heartbeat for name, each in known.items() if name != node.cluster.member.name}


def unit(epoch: int, symbol: str = SYMBOL) -> Unit:
    return replace(first_buy(symbol), epoch=epoch)


def errand(name: str, *, changes: bool = True, symbol: str = SYMBOL) -> Errand:
    return Errand(name, symbol, "stop", "{}", "beta", changes)


async def asked(node: Node) -> list[str]:
    return [each.id for each in await node.mailbox.errands()]


async def test_a_request_is_answered_by_the_process_that_has_its_symbol(node: Callable[[str], Node]) -> None:
    first, second = node("alpha"), node("beta")
    await first.cluster.renew()
    await first.cluster.claim(1, (SYMBOL,))
    await second.mailbox.ask(errand("one"))
    assert (await asked(first), await asked(second)) == (["one"], [])
    past(first)
    assert await asked(first) == []
    await first.mailbox.answer("one", "late")
    await second.cluster.claim(1, gone=await gone(second))
    assert await asked(second) == ["one"]
    assert await first.mailbox.answer_to("one") == (False, None)
    await second.mailbox.answer("one", "done")
    await second.mailbox.answer("one", "again")
    assert await first.mailbox.answer_to("one") == (True, "done")


async def test_a_process_whose_name_another_one_took_takes_and_answers_no_request(
    node: Callable[[str], Node],
) -> None:
    first = node("alpha")
    await first.cluster.renew()
    await first.cluster.claim(1, (SYMBOL,))
    await first.mailbox.ask(errand("one"))
    second = node("alpha")
    await second.cluster.renew()
    await second.cluster.claim(1, (SYMBOL,))
    assert (await asked(first), await asked(second)) == ([], ["one"])
    await first.mailbox.answer("one", "refused")
    assert await second.mailbox.answer_to("one") == (False, None)
    await first.mailbox.tell({SYMBOL: "{}"})
    assert (await second.mailbox.told({}))[0] == []
    await second.mailbox.tell({SYMBOL: "{}"})
    assert [each.symbol for each in (await second.mailbox.told({}))[0]] == [SYMBOL]


async def test_what_was_said_last_is_told_also_when_the_databases_clock_was_set_back(
    node: Callable[[str], Node],
) -> None:
    first, second = node("alpha"), node("beta")
    await first.cluster.claim(2, (SYMBOL, OTHER))
    await first.mailbox.tell({SYMBOL: "before", OTHER: "before"})
    with first.engine.begin() as connection:  # both were said while the clock was ahead
        ahead = sa.literal(NOW + 10**12, Instant)
        connection.execute(sa.update(statuses).values(at=ahead))
    said, *_ = await second.mailbox.told({})
    known = {each.symbol: each.at for each in said}
    assert len(known) == 2
    await first.mailbox.tell({SYMBOL: "after"})
    said, *_ = await second.mailbox.told(known)
    assert [(each.symbol, each.body) for each in said] == [(SYMBOL, "after")]
    known |= {each.symbol: each.at for each in said}
    assert (await second.mailbox.told(known))[0] == []


@contextmanager
def counted(each: Node) -> Iterator[list[object]]:
    """The transactions that this process begins in the block."""
    begun: list[object] = []

    def begin(connection: sa.Connection) -> None:
        begun.append(connection)

    sa.event.listen(each.engine, "begin", begin)
    yield begun
    sa.event.remove(each.engine, "begin", begin)


async def test_what_is_asked_of_many_symbols_costs_as_many_transactions_as_of_one(
    node: Callable[[str], Node],
) -> None:
    first, second = node("alpha"), node("beta")
    names = [f"A{number:03}USDT" for number in range(50)]
    await first.cluster.renew()
    await first.cluster.claim(50, names)
    asked_for: list[str] = []

    async def ask(name: str) -> None:
        asked_for.append(name)
        await second.mailbox.ask(errand(name, symbol=name))

    async def look() -> None:
        waiting = await first.mailbox.errands()
        told = [each.id for each in waiting]
        # The clock of the test stands still: on SQLite all are asked at the same time.
        assert told == (sorted(asked_for) if first.engine.dialect.name == "sqlite" else asked_for)

    async def follow(name: str) -> None:
        assert await second.mailbox.answer_to(name) == (True, f"of {name}")

    with counted(second) as begun:
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(ask, name)
        assert len(begun) == 1
    with counted(first) as begun:
        async with trio.open_nursery() as nursery:
            for _ in names:
                nursery.start_soon(look)
        assert len(begun) == 1
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(first.mailbox.answer, name, f"of {name}")
        assert len(begun) == 2
    with counted(second) as begun:
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(follow, name)
        assert len(begun) == 1
        assert await second.mailbox.answer_to("unknown") is None


async def test_what_is_asked_again_is_answered_as_it_is_then_and_made_once(node: Callable[[str], Node]) -> None:
    first = node("alpha")
    await first.cluster.renew()
    epoch = (await first.cluster.claim(1, (SYMBOL,)))[SYMBOL]
    for name in ("refused", "made"):
        await first.mailbox.ask(errand(name))
        await first.mailbox.ask(errand(name))
    assert first.store.apply([replace(unit(epoch), request=("made", "true"))]) == [None]
    for name in ("refused", "made"):
        await first.mailbox.answer(name, "then")
        await first.mailbox.ask(errand(name))
    assert {each.id: each.done for each in await first.mailbox.errands()} == {"made": True, "refused": False}
    await first.mailbox.answer("refused", "now")
    assert await first.mailbox.answer_to("refused") == (True, "now")


async def test_a_request_that_nobody_waits_for_goes_unless_it_changes_something(
    node: Callable[[str], Node],
) -> None:
    first = node("alpha")
    await first.cluster.renew()
    epoch = (await first.cluster.claim(1, (SYMBOL,)))[SYMBOL]
    for each in (errand("change"), errand("done"), errand("wait", changes=False)):
        await first.mailbox.ask(each)
    assert first.store.apply([replace(unit(epoch), request=("done", "true"))]) == [None]
    for name in ("change", "done", "wait"):
        await first.mailbox.withdraw(name)
    assert await asked(first) == ["change", "done"]


async def test_what_an_earlier_process_of_a_node_waited_for_goes_unless_it_changes_something(
    node: Callable[[str], Node],
) -> None:
    first, second = node("alpha"), node("beta")
    await first.cluster.renew()
    await first.cluster.claim(1, (SYMBOL,))
    for each in (errand("change"), errand("wait", changes=False), errand("answered", changes=False)):
        await second.mailbox.ask(each)
    await asked(first)
    await first.mailbox.ask(replace(errand("of alpha", changes=False), asked_by="alpha"))
    await first.mailbox.answer("answered", "told")
    third = node("beta")
    assert sorted(await asked(first)) == ["change", "of alpha", "wait"]
    for each in (second, third):
        waiting = ["change", "of alpha"] if each is third else ["change", "of alpha", "wait"]
        await asked(each)
        assert sorted(await asked(first)) == waiting
    assert await third.mailbox.answer_to("answered") == (True, "told")
    assert await third.mailbox.answer_to("wait") is None


async def test_buys_that_may_rest_are_counted_by_symbol_with_its_node(node: Callable[[str], Node]) -> None:
    first, second = node("alpha"), node("beta")
    epochs = await first.cluster.claim(2, (SYMBOL, OTHER))
    buys = [
        order(intent(1), state=State.OPEN, order_id=1),
        order(intent(2), state=State.UNKNOWN, cancelling=True),
        *(
            order(intent(3 + number), state=state)
            for number, state in enumerate(State)
            if state in (State.NOT_PLACED, State.QUARANTINED, State.CANCELLED, State.FILLED)
        ),
    ]
    sell = order(intent(1, Side.SELL), state=State.OPEN, order_id=2)
    traders = tuple(buying(each.intent.trader) for each in buys)
    units = [
        Unit(SYMBOL, desired(Status.OFF), traders=traders, orders=(*buys, sell), epoch=epochs[SYMBOL]),
        unit(epochs[OTHER], OTHER),
    ]
    assert first.store.apply(units) == [None, None]
    await first.cluster.release((OTHER,))
    assert await second.mailbox.resting() == [Resting(OTHER, None, 1, 0), Resting(SYMBOL, "alpha", 2, 1)]


async def test_buys_that_rest_are_found_by_the_index_of_live_orders(node: Callable[[str], Node]) -> None:
    each, found = node("alpha"), list[tuple[str, Any]]()
    epoch = (await each.cluster.claim(1, (SYMBOL,)))[SYMBOL]
    assert each.store.apply([unit(epoch)]) == [None]
    with each.engine.begin() as connection:
        live = dict(connection.execute(sa.select(orders)).mappings().one())
        ended = {**live, "state": State.CANCELLED.value}
        more = [{**ended, "id": 100 + seq, "seq": seq, "client_order_id": str(seq)} for seq in range(2, 2_000)]
        connection.execute(sa.insert(orders), more)
        connection.execute(sa.text("ANALYZE"))

    def listen(_: object, __: object, statement: str, parameters: object, *more: object) -> None:
        found.append((statement, parameters))

    sa.event.listen(each.engine, "before_cursor_execute", listen)
    assert await each.mailbox.resting() == [Resting(SYMBOL, "alpha", 1, 0)]
    sa.event.remove(each.engine, "before_cursor_execute", listen)
    statement, parameters = found[-1]
    word = "EXPLAIN QUERY PLAN" if each.engine.dialect.name == "sqlite" else "EXPLAIN"
    with each.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"{word} {statement}", parameters).all()
    assert "live_orders" in str(plan)


async def test_symbols_that_have_a_halt_of_their_own_are_told(node: Callable[[str], Node]) -> None:
    first, second = node("alpha"), node("beta")
    epoch = (await first.cluster.claim(1, (SYMBOL,)))[SYMBOL]
    assert await second.mailbox.halted() == []
    halt = Halt("news", HaltedBy.PERSON, NOW)
    of_symbol = Unit(SYMBOL, desired(Status.OFF), halt=Halted(halt), epoch=epoch)
    assert first.store.apply([of_symbol, Unit("", halt=Halted(halt, account=True))]) == [None, None]
    assert await second.mailbox.halted() == [SYMBOL]


async def test_every_symbol_that_was_configured_is_known_before_its_node_says_so(
    node: Callable[[str], Node],
) -> None:
    first, second = node("alpha"), node("beta")
    epochs = await first.cluster.claim(2, (SYMBOL, OTHER))
    assert await second.mailbox.configured() == []
    gone = replace(desired(Status.OFF), forgotten=True)
    units = [Unit(SYMBOL, desired(Status.ON), epoch=epochs[SYMBOL]), Unit(OTHER, gone, epoch=epochs[OTHER])]
    assert first.store.apply(units) == [None, None]
    assert await second.mailbox.configured() == [SYMBOL]
    said, owners, wishes = await second.mailbox.told({})
    assert (said, owners, wishes) == ([], {SYMBOL: "alpha", OTHER: "alpha"}, {SYMBOL: "on"})


def said(message: str, epoch: int) -> Unit:
    return Unit(SYMBOL, events=(event(message),), epoch=epoch)


async def test_a_symbol_has_one_node_until_that_is_gone(node: Callable[[str], Node]) -> None:
    first, second = node("alpha"), node("beta")
    await first.cluster.renew()
    ours = await first.cluster.claim(5, (SYMBOL, OTHER))
    assert set(ours) == {SYMBOL, OTHER}
    before = await gone(second)
    first.now += 1
    assert await first.cluster.renew() == ours
    for names in (None, (SYMBOL, OTHER)):
        assert await second.cluster.claim(5, names) == {}
        assert await second.cluster.claim(5, names, before) == {}  # its heartbeat has changed since
    past(first)  # as it is where the database's clock was set ahead
    assert await second.cluster.claim(5) == {}
    theirs = await second.cluster.claim(5, gone=await gone(second))
    assert set(theirs) == {SYMBOL, OTHER}
    assert theirs[SYMBOL] > ours[SYMBOL]
    assert await first.cluster.renew() == {}


async def test_a_symbol_whose_node_renews_at_the_same_moment_is_not_claimed(postgres_url: str) -> None:
    first, second = Node(postgres_url, "alpha"), Node(postgres_url, "beta")
    await first.cluster.renew()
    ours = await first.cluster.claim(1, (SYMBOL,))
    late = await gone(second)
    renewed: list[Mapping[str, int]] = []

    @sa.event.listens_for(second.engine, "before_cursor_execute")
    def renewing(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "SKIP LOCKED" in statement and not renewed:
            with first.engine.begin() as connection:
                renewed.append(renew(first.seat, connection))

    assert await second.cluster.claim(1, gone=late) == {}
    assert renewed == [ours]
    with first.engine.begin() as connection:  # it is late: its heartbeat is written, and its leases are not yet
        connection.execute(sa.update(nodes).where(*first.seat.mine).values(heartbeat=sa.func.clock_timestamp()))
        assert set(await second.cluster.claim(1, gone=await gone(second))) == {SYMBOL}
        assert renew(first.seat, connection) == {}
    for each in (first, second):
        each.engine.dispose()


async def test_what_belongs_to_a_node_that_there_is_not_is_free(node: Callable[[str], Node]) -> None:
    first, second = node("alpha"), node("beta")
    await first.cluster.claim(1, (SYMBOL,))
    with first.engine.begin() as connection:
        connection.execute(sa.delete(nodes).where(nodes.c.name == "alpha"))
    assert (await second.cluster.look()).free == 1
    assert set(await second.cluster.claim(1)) == {SYMBOL}


@pytest.mark.parametrize(
    ("days", "draining", "renews", "kept"),
    [(31, False, False, False), (29, False, False, True), (31, True, False, True), (31, False, True, True)],
)
async def test_a_node_that_was_not_heard_for_a_month_and_has_nothing_is_forgotten_at_a_claim(
    node: Callable[[str], Node], days: int, draining: bool, renews: bool, kept: bool
) -> None:
    first, second = node("alpha"), node("beta")
    await first.cluster.renew()
    await first.cluster.claim(1, (SYMBOL,))
    with first.engine.begin() as connection:
        ago = first.seat.now(connection, -days * 24 * 3_600_000)
        connection.execute(sa.update(nodes).where(*first.seat.mine).values(heartbeat=ago, draining=draining))
    absent = await gone(second)
    if renews:
        await first.cluster.renew()
    assert await second.cluster.claim(5, (OTHER,), absent)
    assert set((await second.cluster.look()).nodes) == {"alpha", "beta"}  # it has a symbol still
    absent = await gone(second)
    await second.cluster.claim(5, gone=absent)
    assert ("alpha" in (await second.cluster.look()).nodes) is kept


async def test_a_node_says_with_each_renewal_why_it_does_not_reach_the_exchange(
    node: Callable[[str], Node],
) -> None:
    first, second = node("alpha"), node("beta")

    async def away() -> str | None:
        return (await second.cluster.look()).nodes["alpha"].exchange_away

    assert await away() is None
    await first.cluster.renew("HTTP 403\0\ud800 " + "x" * 1000)
    told = await away()
    assert told is not None
    assert told.startswith("HTTP 403   xxx")
    assert len(told) == 300
    await first.cluster.renew()
    assert await away() is None


async def test_a_node_enters_with_the_time_of_the_database(postgres_url: str) -> None:
    """Its machine's clock may be behind by so much that it would be forgotten before it renews."""
    entered = Node(postgres_url, "alpha", now=0)
    (alpha,) = (await entered.cluster.look()).nodes.values()
    assert alpha.heartbeat == alpha.until > 10**12
    entered.engine.dispose()


async def test_a_lease_that_is_over_and_that_nobody_took_goes_on(node: Callable[[str], Node]) -> None:
    first = node("alpha")
    ours = await first.cluster.claim(1, (SYMBOL,))
    past(first)
    assert await first.cluster.claim(5) == {}
    assert await first.cluster.renew() == ours
    assert await node("beta").cluster.claim(5) == {}


async def test_who_lost_a_symbol_writes_nothing_more_of_it_and_others_do(node: Callable[[str], Node]) -> None:
    first, second = node("alpha"), node("beta")
    ours = await first.cluster.claim(2, (SYMBOL, OTHER))
    assert first.store.apply([unit(ours[SYMBOL]), unit(ours[OTHER], OTHER)]) == [None, None]
    await first.cluster.release((SYMBOL,))
    theirs = await second.cluster.claim(1)
    lost, kept = first.store.apply([said("lost", ours[SYMBOL]), replace(said("", ours[OTHER]), symbol=OTHER)])
    assert isinstance(lost, LeaseLostError)
    assert kept is None
    assert second.store.apply([said("taken", theirs[SYMBOL])]) == [None]
    with second.engine.connect() as connection:
        assert [row.event.message for row in events_page(connection, Page())] == ["", "taken"]


@pytest.mark.parametrize("placing", [False, True])
@pytest.mark.parametrize("symbols", [(SYMBOL,), (SYMBOL, OTHER)])
async def test_a_symbol_whose_node_is_gone_is_not_claimed_while_a_commit_of_it_is_under_way(
    node: Callable[[str], Node], symbols: tuple[str, ...], placing: bool
) -> None:
    first, second = node("alpha"), node("beta")
    if first.engine.dialect.name != "postgresql":
        return  # one transaction writes at a time anyway
    ours = await first.cluster.claim(5, (*symbols, "SOLUSDT"))
    with first.engine.connect() as connection:
        epoch = connection.execute(sa.select(nodes.c.epoch).where(nodes.c.name == "alpha")).scalar_one()
    turn = {"ours": epoch, "last": 0, "group": 1}
    units = [unit(0, symbol) if placing else Unit(symbol) for symbol in symbols]
    with first.engine.begin() as connection:
        held = take_turn(connection, turn, "alpha", units)
        assert held is not None
        assert {symbol: each.epoch for symbol, each in held.items()} == {symbol: ours[symbol] for symbol in symbols}
        assert set(await second.cluster.claim(5, gone=await gone(second))) == {"SOLUSDT"}
    assert set(await second.cluster.claim(5, gone=await gone(second))) == set(symbols)
    with first.engine.begin() as connection:
        assert take_turn(connection, {**turn, "last": 1, "group": 2}, "alpha", units) == {}


async def test_a_process_goes_on_behind_lost_commits_when_it_enters_again_and_not_before(
    node: Callable[[str], Node],
) -> None:
    first = node("alpha")
    ours = await first.cluster.claim(1, (SYMBOL,))
    for message in ("one", "two"):
        assert first.store.apply([said(message, ours[SYMBOL])]) == [None]
    with first.engine.begin() as connection:
        connection.execute(sa.update(nodes).values(written=1))  # the second was lost
    (refused,) = first.store.apply([said("three", ours[SYMBOL])])
    assert "older copy" in str(refused)
    before, entered, after = first.store.apply([said("four", ours[SYMBOL]), Reentry(), said("five", ours[SYMBOL])])
    assert isinstance(before, JournalError)
    assert (entered, after) == (None, None)
    with first.engine.connect() as connection:
        assert [row.event.message for row in events_page(connection, Page())] == ["one", "two", "five"]


async def test_a_process_that_the_database_does_not_know_any_more_cannot_enter_again(
    node: Callable[[str], Node],
) -> None:
    first = node("alpha")
    with first.engine.begin() as connection:
        connection.execute(sa.delete(nodes))
    assert isinstance(first.store.apply([Reentry()])[0], FencedError)


async def test_a_process_whose_epoch_was_given_to_another_node_again_writes_nothing(
    node: Callable[[str], Node],
) -> None:
    first, other = node("alpha"), node("beta")
    ours = await first.cluster.claim(1, (SYMBOL,))
    with first.engine.begin() as connection:  # the start of the first is lost, and its epoch is that of the second
        epoch = connection.execute(sa.select(nodes.c.epoch).where(nodes.c.name == "alpha")).scalar_one()
        connection.execute(sa.delete(nodes).where(nodes.c.name == "alpha"))
        connection.execute(sa.update(nodes).values(epoch=epoch))
    for work in (said("late", ours[SYMBOL]), Reentry()):
        (outcome,) = first.store.apply([work])
        assert isinstance(outcome, JournalError)
    with other.engine.connect() as connection:
        assert connection.execute(sa.select(nodes.c.written)).scalar_one() == 0


async def test_an_older_epoch_of_the_same_node_writes_nothing(node: Callable[[str], Node]) -> None:
    first = node("alpha")
    before = await first.cluster.claim(1, (SYMBOL,))
    await first.cluster.release((SYMBOL,))
    after = await first.cluster.claim(1)
    assert after[SYMBOL] > before[SYMBOL]
    (outcome,) = first.store.apply([unit(before[SYMBOL])])
    assert isinstance(outcome, LeaseLostError)
    assert first.store.apply([unit(after[SYMBOL])]) == [None]


async def test_a_second_process_of_a_node_ends_the_first_and_claims_anew(node: Callable[[str], Node]) -> None:
    first = node("alpha")
    ours = await first.cluster.claim(1, (SYMBOL,))
    second = node("alpha")
    await first.cluster.leave()  # what is not its own is not given back
    for call in (first.cluster.renew, lambda: first.cluster.claim(1), lambda: first.cluster.release((SYMBOL,))):
        with pytest.raises(FencedError, match="alpha"):
            await call()
    (outcome,) = first.store.apply([said("late", ours[SYMBOL])])
    assert outcome is not None
    assert set(await second.cluster.claim(1)) == {SYMBOL}


async def test_symbols_that_were_configured_before_the_database_was_shared_are_free(
    node: Callable[[str], Node], database_url: str
) -> None:
    engine = open_engine(parse_url(database_url), Role.WRITE)
    metadata.create_all(engine)
    assert Store(engine, enter(engine).epoch).apply([first_buy()]) == [None]
    engine.dispose()
    first = node("alpha")
    assert (await first.cluster.look()).free == 1
    assert set(await first.cluster.claim(1)) == {SYMBOL}


async def test_a_node_that_leaves_frees_its_symbols_at_once(node: Callable[[str], Node]) -> None:
    first, second = node("alpha"), node("beta")
    await first.cluster.renew()
    await first.cluster.claim(1, (SYMBOL,))
    assert (await second.cluster.look()).nodes["alpha"].live
    await first.cluster.leave()
    view = await second.cluster.look()
    left = view.nodes["alpha"]
    assert (view.free, left.live, left.until) == (1, False, left.heartbeat)
    assert set(await second.cluster.claim(1)) == {SYMBOL}


async def test_a_drain_is_durable_and_names_a_node_that_there_is(node: Callable[[str], Node]) -> None:
    first = node("alpha")
    assert await first.cluster.drain("alpha", True) is True
    assert await first.cluster.drain("alpha", True) is False
    assert await first.cluster.drain("gamma", True) is None
    assert (await node("alpha").cluster.look()).nodes["alpha"].draining


async def test_an_order_of_a_symbol_that_is_off_is_not_written(node: Callable[[str], Node]) -> None:
    first = node("alpha")
    epoch = (await first.cluster.claim(1, (SYMBOL,)))[SYMBOL]
    first.store.apply([Unit(SYMBOL, desired=desired(Status.OFF), epoch=epoch)])
    late = replace(first_buy(), desired=None, epoch=epoch, orders=(order(state=State.INTENDED, attempt=1),))
    (outcome,) = first.store.apply([late])
    assert isinstance(outcome, ConflictError)
    assert not isinstance(outcome, LeaseLostError)


async def test_a_new_buy_finds_the_halt_that_another_node_made(node: Callable[[str], Node]) -> None:
    first, second = node("alpha"), node("beta")
    epoch = (await first.cluster.claim(1, (SYMBOL,)))[SYMBOL]
    first.store.apply([Unit(SYMBOL, desired=desired(Status.ON), epoch=epoch)])
    halt = Halted(Halt("news", HaltedBy.PERSON, NOW), account=True)
    assert second.store.apply([Unit("", halt=halt)]) == [None]
    placed = order(state=State.INTENDED, attempt=1)
    buy = replace(first_buy(), desired=None, epoch=epoch, orders=(placed,))
    (outcome,) = first.store.apply([buy])
    assert isinstance(outcome, OverLimit)
    assert outcome.client_order_ids == (placed.client_order_id,)
    with first.engine.connect() as connection:
        assert list(orders_page(connection, Page())) == []


async def test_cycles_that_two_nodes_finish_at_the_same_time_get_numbers_of_their_own(postgres_url: str) -> None:
    first, second = Node(postgres_url, "alpha"), Node(postgres_url, "beta")
    seats = {}
    for each, symbol in ((first, SYMBOL), (second, OTHER)):
        await each.cluster.renew()
        seats[symbol] = (await each.cluster.claim(1, (symbol,)))[symbol]
        assert each.store.apply([unit(seats[symbol], symbol)]) == [None]
    outcomes: list[object] = []

    def finish(each: Node, symbol: str) -> None:
        outcomes.extend(
            each.store.apply([Unit(symbol, traders=(finished(1, symbol=symbol),), epoch=seats[symbol])])
        )

    threads = [threading.Thread(target=finish, args=each) for each in ((first, SYMBOL), (second, OTHER))]
    with closing(psycopg.connect(postgres_url)) as holding:
        # The first one has given its number, and cannot commit: its counters are locked.
        holding.execute("SELECT 1 FROM settings WHERE symbol = %s FOR UPDATE", (SYMBOL,))
        for count, thread in enumerate(threads, 1):
            thread.start()
            _until_waiting(postgres_url, count)
        holding.rollback()
    for thread in threads:
        thread.join()
    assert outcomes == [None, None]
    with first.engine.connect() as connection:
        assert sorted(connection.scalars(sa.select(traders.c.cycle))) == [1, 2]
    for each in (first, second):
        each.engine.dispose()


def _until_waiting(url: str, count: int) -> None:
    """Until so many sessions wait for a lock."""
    with closing(psycopg.connect(url, autocommit=True)) as looking:
        deadline = time.monotonic() + 60
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        while looking.execute(waiting).fetchone() != (count,):
            assert time.monotonic() < deadline
            time.sleep(0.02)
