import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy import event as listening

from naived.core.amount import parse_price
from naived.core.orders.intent import Side
from naived.core.orders.state import State
from naived.core.strategy.settings import Status
from naived.database import engine as engine_module
from naived.database import store as store_module
from naived.database.deployment import Claim, enter
from naived.database.engine import PATIENCE, Role, open_engine, parse_url
from naived.database.queries import events_page, load
from naived.database.schema import control_request, deployment, events, metadata, orders
from naived.database.sqlite_file import SqliteFile
from naived.database.store import Store
from naived.ports import ConflictError, DeploymentError, JournalError, Page, SymbolRecord, Unit, UnwrittenError
from tests.support.database import NOW, SYMBOL, buying, desired, event, fill, first_buy, intent, order, trader
from tests.support.postgres import Server, execute
from tests.support.postgres_proxy import Cut, proxied


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    with opened(database_url) as engine:
        yield engine


@contextlib.contextmanager
def opened(url: str, patience: float = PATIENCE) -> Iterator[sa.Engine]:
    """A database with our schema; the engine is the store's, with its one connection."""
    engine = open_engine(parse_url(url), Role.WRITE, patience=patience)
    try:
        metadata.create_all(engine)
        yield engine
    finally:
        engine.dispose()


@pytest.fixture
def store(engine: sa.Engine) -> Store:
    return Store(engine, enter(engine).epoch)


def record(engine: sa.Engine, symbol: str = SYMBOL) -> SymbolRecord:
    with engine.connect() as connection:
        (found,) = load(connection, symbol, NOW)
    return found


def messages(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return [row.event.message for row in events_page(connection, Page())]


def said(message: str) -> Unit:
    return Unit(SYMBOL, events=(event(message),))


# A unit is whole, and alone


def test_a_unit_that_a_constraint_refuses_fails_alone_and_whole(engine: sa.Engine, store: Store) -> None:
    assert store.apply([first_buy()]) == [None]
    twice = order(intent(seq=2))
    refused = Unit(SYMBOL, events=(event("before the refusal"),), orders=(twice,))
    first, second = store.apply([refused, said("its neighbour")])
    assert isinstance(first, ConflictError)
    assert second is None
    assert messages(engine) == ["its neighbour"]
    assert [found.intent.seq for found in record(engine).orders] == [1]


@pytest.mark.parametrize("state", [State.INTENDED, State.UNKNOWN, State.NOT_PLACED])
def test_a_trader_has_one_live_intent_a_side(store: Store, state: State) -> None:
    store.apply([first_buy()])
    (outcome,) = store.apply([Unit(SYMBOL, orders=(order(intent(seq=2), state=state),))])
    assert isinstance(outcome, ConflictError)


def test_one_that_was_given_up_and_appears_late_may_be_stored_beside_the_next_one(
    engine: sa.Engine, store: Store
) -> None:
    store.apply([first_buy()])
    given_up, successor = order(state=State.ABANDONED), order(intent(seq=2))
    assert store.apply([Unit(SYMBOL, traders=(buying(seq=2),), orders=(given_up, successor))]) == [None]
    for state, adopted in ((State.QUARANTINED, False), (State.UNKNOWN, True), (State.OPEN, True)):
        late = replace(given_up, state=state, order_id=7, adopted=adopted)
        assert store.apply([Unit(SYMBOL, orders=(late,))]) == [None]
        assert record(engine).orders == (late, successor)


@pytest.mark.parametrize("ended", [State.FILLED, State.CANCELLED, State.EXPIRED, State.REJECTED, State.ABANDONED])
def test_an_intent_may_succeed_the_one_that_ends_in_the_same_unit(
    engine: sa.Engine, store: Store, ended: State
) -> None:
    store.apply([first_buy()])
    successor, over = order(intent(seq=2)), order(state=ended)
    assert store.apply([Unit(SYMBOL, traders=(buying(seq=2),), orders=(successor, over))]) == [None]
    assert record(engine).orders[-1] == successor


def test_both_sides_of_a_trader_may_be_live(store: Store) -> None:
    store.apply([first_buy()])
    assert store.apply([Unit(SYMBOL, orders=(order(intent(side=Side.SELL)),))]) == [None]


def test_a_fill_is_applied_once(engine: sa.Engine, store: Store) -> None:
    store.apply([first_buy()])
    first = order(order_id=7, state=State.OPEN, fills=(fill(),))
    assert store.apply([Unit(SYMBOL, orders=(first,), fills=first.fills)]) == [None]
    again = replace(first, state=State.FILLED)
    (outcome,) = store.apply([Unit(SYMBOL, orders=(again,), fills=first.fills)])
    assert isinstance(outcome, ConflictError)
    assert record(engine).orders == (first,)


def test_a_fill_of_no_order_of_ours_is_refused(store: Store) -> None:
    store.apply([first_buy()])
    (outcome,) = store.apply([Unit(SYMBOL, fills=(fill(order_id=8),))])
    assert isinstance(outcome, ConflictError)


def test_an_exchange_order_belongs_to_one_intent(store: Store) -> None:
    store.apply([first_buy()])
    sell = order(intent(side=Side.SELL), order_id=7)
    both = Unit(SYMBOL, orders=(order(order_id=7), sell))
    (outcome,) = store.apply([both])
    assert isinstance(outcome, ConflictError)
    assert "so it has begun anew, as a test exchange does: suspend naived, and name a new --database" in str(
        outcome
    )


def test_the_same_order_number_of_another_symbol_is_another_order(store: Store) -> None:
    store.apply([first_buy(), first_buy("BTCUSDT")])
    other = order(intent(symbol="BTCUSDT"), order_id=7)
    units = [Unit(SYMBOL, orders=(order(order_id=7),)), Unit("BTCUSDT", orders=(other,))]
    assert store.apply(units) == [None, None]


def test_an_intent_is_never_rewritten_into_another(engine: sa.Engine, store: Store) -> None:
    store.apply([first_buy()])
    cheaper = order(replace(intent(), price=parse_price("1")))
    (outcome,) = store.apply([Unit(SYMBOL, orders=(cheaper,))])
    assert isinstance(outcome, ConflictError)
    assert cheaper.client_order_id in str(outcome)
    assert record(engine).orders == (order(),)


def test_an_order_needs_its_trader_and_a_trader_its_symbol(store: Store) -> None:
    store.apply([Unit(SYMBOL, desired())])
    orphan = Unit(SYMBOL, orders=(order(),))
    stranger = Unit("BTCUSDT", traders=(trader(symbol="BTCUSDT"),))
    counter = Unit("BTCUSDT", next_trader=5)
    assert [type(outcome) for outcome in store.apply([orphan, stranger, counter])] == [ConflictError] * 3


def test_a_control_request_is_answered_once(store: Store) -> None:
    asked = Unit(SYMBOL, request=("c0ffee", "{}"))
    first, second = store.apply([asked, asked])
    assert first is None
    assert isinstance(second, ConflictError)


def test_since_when_a_market_is_closed_is_kept_until_it_is_open(engine: sa.Engine, store: Store) -> None:
    store.apply([Unit(SYMBOL, desired())])
    assert record(engine).closed_at == 0
    store.apply([Unit(SYMBOL, closed_at=1_700_000_000_123), Unit(SYMBOL, desired(Status.OFF))])
    assert record(engine).closed_at == 1_700_000_000_123
    store.apply([Unit(SYMBOL, closed_at=0)])
    assert record(engine).closed_at == 0


def test_a_status_is_compared_before_it_is_set(engine: sa.Engine, store: Store) -> None:
    store.apply([Unit(SYMBOL, desired(Status.SHUTDOWN))])
    off = Unit(SYMBOL, desired(Status.OFF), Status.SHUTDOWN, events=(event("drained"),))
    back, late = store.apply([Unit(SYMBOL, desired(Status.ON)), off])
    assert back is None
    assert isinstance(late, ConflictError)
    assert (record(engine).desired.status, messages(engine)) == (Status.ON, [])
    assert store.apply([Unit(SYMBOL, desired(Status.SHUTDOWN)), off]) == [None, None]
    assert (record(engine).desired.status, messages(engine)) == (Status.OFF, ["drained"])


def test_settings_leave_counter_and_lots_alone(engine: sa.Engine, store: Store) -> None:
    store.apply([first_buy(number=4), Unit(SYMBOL, desired(Status.OFF, keep_buys=True))])
    found = record(engine)
    assert (found.next_trader, found.desired) == (5, desired(Status.OFF, keep_buys=True))


# Whose database it is


def test_a_journal_belongs_to_the_account_that_claimed_it_first(store: Store) -> None:
    assert store.apply([Claim("simulator", "u1"), Claim("simulator", "u1")]) == [None, None]
    for other in (Claim("binance", "u1"), Claim("simulator", "u2")):
        (outcome,) = store.apply([other])
        assert isinstance(outcome, DeploymentError)
        assert "belongs to account u1 on simulator" in str(outcome)


def test_a_superseded_process_writes_nothing(engine: sa.Engine, store: Store) -> None:
    successor = Store(engine, enter(engine).epoch)
    outcomes = store.apply([said("stale"), said("stale too")])
    assert all("another naived has opened this database since" in str(outcome) for outcome in outcomes)
    assert successor.apply([said("fresh")]) == [None]
    assert messages(engine) == ["fresh"]


def test_a_superseded_process_that_writes_nothing_notices_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with opened(f"sqlite:///{path}") as engine:
        store = Store(engine, enter(engine).epoch, SqliteFile(str(path)))
        store.apply([said("mine")])
        store.look()
        assert store.lost is None
        enter(engine)
        store.look()
        assert (store.lost or "").startswith("another naived has opened this database since (we are epoch 1)")


# Bounds


def test_only_the_newest_events_and_answers_are_kept(
    engine: sa.Engine, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "KEPT_EVENTS", 5)
    monkeypatch.setattr(store_module, "KEPT_REQUESTS", 3)
    monkeypatch.setattr(store_module, "_PRUNE_EVERY", 4)
    for number in range(20):
        store.apply([Unit(SYMBOL, events=(event(str(number)),), request=(str(number), "{}"))])
    kept = messages(engine)
    assert 5 <= len(kept) <= 5 + 4
    assert kept[-1] == "19"
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(control_request)) <= 3 + 4


# Failures


def lost(statement: str = "COMMIT") -> sa.exc.OperationalError:
    return sa.exc.OperationalError(statement, {}, Exception("the connection is lost"))


def once(engine: sa.Engine, name: str, act: Callable[..., Any]) -> None:
    """Let ``act`` happen at the next such event of the engine, and only then."""
    waiting = [act]

    def listener(*args: Any) -> Any:
        return waiting.pop()(*args) if waiting else None

    listening.listen(engine, name, listener)


def committed_but_raises(connection: sa.Connection) -> None:
    driver: Any = connection.connection.driver_connection
    driver.commit()
    raise lost()


def raises(*_: Any) -> None:
    raise lost()


def refuses(connection: Any, _record: Any) -> None:
    connection.close()
    raise lost("connect")


def test_a_commit_that_raised_but_happened_is_acknowledged(engine: sa.Engine, store: Store) -> None:
    store.apply([first_buy()])
    once(engine, "commit", committed_but_raises)
    conflict = Unit(SYMBOL, orders=(order(intent(seq=2)),))
    refused, written = store.apply([conflict, said("committed")])
    assert isinstance(refused, ConflictError)
    assert written is None
    assert messages(engine) == ["committed"]


def test_a_commit_that_raised_and_did_not_happen_is_not_acknowledged(engine: sa.Engine, store: Store) -> None:
    store.apply([said("earlier")])
    once(engine, "commit", raises)
    outcomes = store.apply([said("lost"), said("lost too")])
    assert all(type(outcome) is JournalError for outcome in outcomes)
    assert outcomes[0] is not outcomes[1]
    assert "the connection is lost" in str(outcomes[0])
    assert store.apply([said("later")]) == [None]
    assert messages(engine) == ["earlier", "later"]


def test_a_commit_that_nobody_can_read_back_is_not_acknowledged(engine: sa.Engine, store: Store) -> None:
    store.apply([said("earlier")])
    once(engine, "commit", committed_but_raises)
    once(engine, "connect", refuses)
    (outcome,) = store.apply([said("in doubt")])
    assert type(outcome) is JournalError
    assert store.apply([said("later")]) == [None]
    assert messages(engine) == ["earlier", "in doubt", "later"]


def test_a_database_that_is_away_fails_the_group_and_is_used_again_when_it_is_back(
    engine: sa.Engine, store: Store
) -> None:
    engine.dispose()
    once(engine, "connect", refuses)
    (outcome,) = store.apply([said("away")])
    assert type(outcome) is UnwrittenError
    assert store.apply([said("back")]) == [None]
    assert messages(engine) == ["back"]


def test_a_unit_for_which_the_disk_has_no_room_fails_alone(sqlite_url: str) -> None:
    with opened(sqlite_url) as engine:
        store = Store(engine, enter(engine).epoch)
        assert store.apply([said("earlier")]) == [None]
        engine.dispose()
        listening.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count = 60"))
        outcomes = store.apply([said("before"), said("x" * 1_000_000), said("after")])
        assert [type(outcome) for outcome in outcomes] == [type(None), UnwrittenError, type(None)]
        assert "database or disk is full" in str(outcomes[1])
        assert store.apply([said("room again")]) == [None]
        assert messages(engine) == ["earlier", "before", "after", "room again"]


def test_a_disk_that_is_full_is_not_asked_for_every_unit(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(sqlite_url) as engine:
        store = Store(engine, enter(engine).epoch)
        engine.dispose()
        listening.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count = 60"))
        tried: list[int] = []
        together = store._apply_together
        monkeypatch.setattr(store, "_apply_together", lambda works: tried.append(len(works)) or together(works))
        outcomes = store.apply([said("x" * 1_000_000) for _ in range(50)])
        assert [type(outcome) for outcome in outcomes] == [UnwrittenError] * 50
        assert tried == [50, 1, 1]


@pytest.mark.parametrize("at", [10**18, -(10**17), 2**63, 10**22])  # ms: no calendar reaches them
def test_a_time_that_the_database_cannot_hold_fails_its_unit_alone(
    engine: sa.Engine, store: Store, at: int
) -> None:
    outcomes = store.apply([said("before"), Unit(SYMBOL, events=(event("far", at=at),)), said("after")])
    assert [type(outcome) for outcome in outcomes] == [type(None), ConflictError, type(None)]
    assert str(outcomes[1]).startswith("the journal cannot hold this change: ")
    assert messages(engine) == ["before", "after"]


@pytest.mark.parametrize("change", [{"trade_id": 2**63}, {"trade_id": 10**22}, {"order_id": 2**80}])
def test_a_number_that_the_database_cannot_hold_fails_its_unit_alone(
    engine: sa.Engine, store: Store, change: dict[str, int]
) -> None:
    assert store.apply([first_buy()]) == [None]
    unwritable = Unit(SYMBOL, fills=(replace(fill(), **change),))
    outcomes = store.apply([said("before"), unwritable, said("after")])
    assert [type(outcome) for outcome in outcomes] == [type(None), ConflictError, type(None)]
    assert messages(engine) == ["before", "after"]


def backend(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        pid: int = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    return pid


def terminate(url: str, pid: int) -> None:
    with contextlib.closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_backend_that_dies_between_groups_costs_nothing(postgres_url: str) -> None:
    with opened(postgres_url) as engine:
        store = Store(engine, enter(engine).epoch)
        assert store.apply([said("first")]) == [None]
        terminate(postgres_url, backend(engine))
        assert store.apply([said("second")]) == [None]
        assert messages(engine) == ["first", "second"]


def test_a_group_whose_backend_dies_is_written_by_the_next_one_each_unit_once(postgres_url: str) -> None:
    with opened(postgres_url) as engine:
        store = Store(engine, enter(engine).epoch)
        store.apply([said("earlier")])
        pid = backend(engine)

        def die(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            if statement.startswith("RELEASE"):
                terminate(postgres_url, pid)

        listening.listen(engine, "before_cursor_execute", die)
        outcomes = store.apply([said("one"), said("two")])
        listening.remove(engine, "before_cursor_execute", die)
        assert outcomes == [None, None]
        assert store.apply([said("later")]) == [None]
        assert messages(engine) == ["earlier", "one", "two", "later"]


def test_reading_back_waits_for_a_lost_transaction_to_end(postgres_url: str) -> None:
    """PostgreSQL may still be committing for a client that has lost its connection already."""
    with opened(postgres_url) as engine:
        store = Store(engine, enter(engine).epoch)
        store.apply([said("earlier")])
        ghost = psycopg.connect(postgres_url)

        def goes_on_without_us(connection: sa.Connection) -> None:
            driver: Any = connection.connection.driver_connection
            driver.rollback()
            ghost.execute("UPDATE nodes SET written = 2")
            ghost.execute("INSERT INTO events (at, kind, message) VALUES (now(), 'test', 'late')")
            raise lost()

        def commit_once_somebody_waits() -> None:
            with contextlib.closing(psycopg.connect(postgres_url, autocommit=True)) as watching:
                waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                deadline = time.monotonic() + 2
                while watching.execute(waiting).fetchone() == (0,) and time.monotonic() < deadline:
                    pass
            ghost.commit()

        once(engine, "commit", goes_on_without_us)
        thread = threading.Thread(target=commit_once_somebody_waits)
        thread.start()
        outcomes = store.apply([said("late")])
        thread.join()
        ghost.close()
        assert outcomes == [None]
        assert messages(engine) == ["earlier", "late"]


def failure(store: Store, message: str, kind: type[JournalError] = UnwrittenError) -> str:
    """Why this change was not taken, or may not be: the database is away, which is no contradiction."""
    (outcome,) = store.apply([said(message)])
    assert type(outcome) is kind
    return str(outcome)


@pytest.mark.parametrize(("where", "written"), [(Cut.AFTER, True), (Cut.BEFORE, False)])
def test_a_connection_that_is_cut_at_its_commit_is_read_back(
    postgres_url: str, postgres_server: Server, where: Cut, written: bool
) -> None:
    with proxied(postgres_server.admin) as proxy, opened(proxy.url(postgres_url)) as engine:
        store = Store(engine, enter(engine).epoch)
        store.apply([said("earlier")])
        proxy.cut(where)
        (outcome,) = store.apply([said("cut")])
        assert proxy.commits_cut == 1
        assert (outcome is None) is written
        assert store.apply([said("later")]) == [None]
        assert messages(engine) == ["earlier", *(["cut"] if written else []), "later"]


def test_a_commit_that_is_lost_on_its_way_ends_and_cannot_come_late(
    postgres_url: str, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had written keeps the turn until the server ends it: nothing overtakes it meanwhile."""
    monkeypatch.setattr(engine_module, "_LOCK_TIMEOUT", 100)
    monkeypatch.setattr(engine_module, "_STATEMENT", 30)  # the server ends it later than it is asked here
    with proxied(postgres_server.admin) as proxy, opened(proxy.url(postgres_url), 0.3) as engine:
        store = Store(engine, enter(engine).epoch)
        store.apply([said("earlier")])

        def vanish(_connection: sa.Connection) -> None:
            proxy.swallow()
            threading.Timer(0.1, proxy.heal).start()  # for those who come anew

        once(engine, "commit", vanish)
        assert "has not answered" in failure(store, "lost", JournalError)
        assert "lock timeout" in failure(store, "behind it")
        with contextlib.closing(psycopg.connect(postgres_url, autocommit=True)) as admin:
            left = "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction'"
            (pid,) = admin.execute(left).fetchone() or (0,)
        terminate(postgres_url, pid)
        assert store.apply([said("later")]) == [None]
        assert messages(engine) == ["earlier", "later"]


def test_a_transaction_that_nobody_goes_on_with_is_ended_by_the_server(postgres_url: str) -> None:
    """Its locks would keep our own next connection out for ever."""
    with opened(postgres_url, 3.6) as engine, engine.connect() as silent:
        pid: int = silent.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with contextlib.closing(psycopg.connect(postgres_url, autocommit=True)) as admin:
            deadline = time.monotonic() + 60
            there = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
            while admin.execute(there, [pid]).fetchone() == (1,):
                assert time.monotonic() < deadline
        silent.invalidate()


def test_a_backend_that_dies_at_its_commit_takes_the_group_along(postgres_url: str) -> None:
    with opened(postgres_url) as engine:
        store = Store(engine, enter(engine).epoch)
        store.apply([said("earlier")])
        pid = backend(engine)
        once(engine, "commit", lambda _connection: terminate(postgres_url, pid))
        assert "terminating connection" in failure(store, "lost", JournalError)
        assert store.apply([said("later")]) == [None]
        assert messages(engine) == ["earlier", "later"]


def test_a_server_that_turned_into_a_standby_takes_nothing(postgres_url: str) -> None:
    with opened(postgres_url) as engine:
        store = Store(engine, enter(engine).epoch)
        store.apply([said("earlier")])
        name = parse_url(postgres_url).database
        execute(postgres_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        try:
            engine.dispose()
            assert "read-only transaction" in failure(store, "lost")
        finally:
            execute(
                postgres_url,
                "SET default_transaction_read_only = off",
                f"ALTER DATABASE {name} RESET default_transaction_read_only",
            )
        assert store.apply([said("later")]) == [None]
        assert messages(engine) == ["earlier", "later"]


@contextlib.contextmanager
def journal_file(url: str) -> Iterator[tuple[Store, sa.Engine, Path]]:
    """A store on SQLite with something in it, and its file."""
    with opened(url) as engine:
        store = Store(engine, enter(engine).epoch)
        assert store.apply([said("earlier")]) == [None]
        yield store, engine, Path(parse_url(url).database or "")


def test_a_file_that_another_program_has_locked_takes_nothing_until_it_is_free(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_BUSY_TIMEOUT", 50)
    with journal_file(sqlite_url) as (store, engine, path):
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as shell:
            shell.execute("BEGIN IMMEDIATE")
            assert "database is locked" in failure(store, "lost")
        assert store.apply([said("later")]) == [None]
        assert messages(engine) == ["earlier", "later"]


def test_a_file_that_may_only_be_read_takes_nothing(sqlite_url: str) -> None:
    with journal_file(sqlite_url) as (store, engine, _):
        engine.dispose()
        once(engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only = ON"))
        assert "attempt to write a readonly database" in failure(store, "lost")
        assert store.apply([said("later")]) == [None]
        assert messages(engine) == ["earlier", "later"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux shows the files of a process")
def test_a_disk_that_fails_takes_nothing(sqlite_url: str) -> None:
    """The log is open for reading only, all of a sudden: each write to it is an I/O error."""
    with journal_file(sqlite_url) as (store, engine, path):

        def fail(_connection: sa.Connection) -> None:
            log = f"{path}-wal"
            reading = os.open(log, os.O_RDONLY)
            for each in os.listdir("/proc/self/fd"):
                if int(each) != reading and os.path.realpath(f"/proc/self/fd/{each}") == log:
                    os.dup2(reading, int(each))
            os.close(reading)

        once(engine, "commit", fail)
        assert "disk I/O error" in failure(store, "lost", JournalError)
        assert store.apply([said("later")]) == [None]
        assert messages(engine) == ["earlier", "later"]


def test_a_file_that_was_moved_takes_nothing_until_it_is_back(sqlite_url: str) -> None:
    with journal_file(sqlite_url) as (store, engine, path):
        path.rename(path.with_suffix(".away"))
        for _ in range(2):
            assert "journal.db was replaced, moved or deleted" in failure(store, "lost")
        assert not path.exists()  # an empty one would have cost the log of the true one
        path.with_suffix(".away").rename(path)
        assert store.apply([said("later")]) == [None]
        assert messages(engine) == ["earlier", "later"]


def test_a_commit_that_failed_while_its_file_was_moved_is_not_acknowledged(sqlite_url: str) -> None:
    with journal_file(sqlite_url) as (store, engine, path):

        def move(_connection: sa.Connection) -> None:
            path.rename(path.with_suffix(".away"))
            raise lost()

        once(engine, "commit", move)
        failure(store, "lost", JournalError)
        assert not path.exists()
        path.with_suffix(".away").rename(path)
        assert store.apply([said("later")]) == [None]
        assert messages(engine) == ["earlier", "later"]


def test_an_older_copy_in_the_place_of_the_database_takes_nothing(sqlite_url: str) -> None:
    """Put back into the same file, as sqlite3's .restore does, within the life of one process."""
    with journal_file(sqlite_url) as (store, engine, path):
        with (
            contextlib.closing(sqlite3.connect(path)) as live,
            contextlib.closing(sqlite3.connect(path.with_suffix(".copy"))) as copy,
        ):
            live.backup(copy)
            assert store.apply([said("forgotten")]) == [None]
            copy.backup(live)
        assert "an older copy of it was put in its place" in failure(store, "on top of it")
        assert messages(engine) == ["earlier"]
        successor = Store(engine, enter(engine).epoch)
        assert successor.apply([said("read anew")]) == [None]


# Epochs


def test_a_database_has_one_tag_and_one_epoch_more_per_process(engine: sa.Engine) -> None:
    first, second = enter(engine), enter(engine)
    assert (first.epoch, second.epoch) == (1, 2)
    assert first.tag == second.tag
    assert len(first.tag) == 4
    assert set(first.tag) <= set("abcdefghijklmnopqrstuvwxyz234567")


def test_an_order_carries_its_epoch_and_a_deployment_is_one_row(engine: sa.Engine, store: Store) -> None:
    store.apply([first_buy()])
    with engine.begin() as connection:
        assert connection.scalar(sa.select(orders.c.epoch)) == 1
        assert connection.scalar(sa.select(events.c.id)) is None
        with pytest.raises(sa.exc.IntegrityError):
            connection.execute(sa.insert(deployment).values(id=2, tag="abcd", epoch=1))
