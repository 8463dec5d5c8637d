import os
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
import trio
import trio.testing

from naived.core.orders.state import WATCHED
from naived.core.strategy.settings import Status
from naived.database import reader as reader_module
from naived.database import writer as writer_module
from naived.database.engine import READERS, ConfigurationError, Role, open_engine, parse_url
from naived.database.inspection import inspect
from naived.database.journal import Reader, SqlJournal, open_journal
from naived.database.migrate import migrate
from naived.nodes import Member
from naived.ports import ConflictError, CycleRow, DeploymentError, EventRow, JournalError, Page, Unit
from tests.support.database import NOW, SYMBOL, buying, desired, event, finished, first_buy, intent, order
from tests.support.postgres import Server
from tests.support.postgres_proxy import proxied


@pytest.fixture(params=[True, False], ids=["threads", "inline"])
def threads(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def messages(journal: SqlJournal) -> list[str]:
    """Those of all events, oldest first."""
    rows = await journal.rows(EventRow, Page(), lambda row: row.event.message.encode())
    return [message.decode() for _, message in rows]


async def test_what_was_committed_is_there_after_a_restart(database_url: str, threads: bool) -> None:
    async with open_journal(database_url, threads=threads, now=lambda: NOW) as journal:
        await journal.commit(first_buy())
        await journal.commit(Unit(SYMBOL, events=(event("one"),), request=("c0ffee", "{}")))
        before = (journal.tag, journal.epoch)
    async with open_journal(database_url, threads=threads, now=lambda: NOW) as journal:
        assert (journal.tag, journal.epoch) == (before[0], before[1] + 1)
        assert journal.kind == parse_url(database_url).get_backend_name()
        (record,) = await journal.load()
        assert record.traders == (buying(),)
        assert record.orders == (order(),)
        assert [row.order for row in await journal.orders(Page())] == [order()]
        assert await messages(journal) == ["one"]
        assert await journal.answered("c0ffee") == "{}"
        assert await journal.answered("tea") is None
        assert await journal.rows(CycleRow, Page(), repr) == []
        assert await journal.load("BTCUSDT") == []


async def test_a_refused_unit_raises_and_leaves_the_journal_usable(database_url: str, threads: bool) -> None:
    async with open_journal(database_url, threads=threads) as journal:
        await journal.commit(first_buy())
        with pytest.raises(ConflictError):
            await journal.commit(Unit(SYMBOL, orders=(order(intent(seq=2)),)))
        await journal.commit(Unit(SYMBOL, traders=(finished(),)))
        ((number, trader),) = await journal.rows(CycleRow, Page(), lambda row: row.symbol.encode())
        assert (number, trader) == (1, b"ETHUSDT")


async def test_a_journal_belongs_to_one_account(database_url: str) -> None:
    async with open_journal(database_url) as journal:
        await journal.claim("simulator", "u1")
    async with open_journal(database_url) as journal:
        await journal.claim("simulator", "u1")
        with pytest.raises(DeploymentError, match="belongs to account u1 on simulator"):
            await journal.claim("binance", "u1")


async def test_who_comes_for_another_exchange_is_refused_and_shuts_nobody_out(
    database_url: str, threads: bool
) -> None:
    async with open_journal(database_url, "paper", threads=threads) as journal:
        await journal.claim("paper", "uid-1")
        with pytest.raises(DeploymentError, match=r"belongs to account uid-1 on paper, not to binance\."):
            async with open_journal(database_url, "binance", threads=threads):
                pass
        await journal.commit(first_buy())
    async with open_journal(database_url, "paper", threads=threads) as journal:
        assert len(await journal.load()) == 1


async def test_units_of_one_symbol_are_committed_in_the_order_of_the_calls(database_url: str) -> None:
    async with open_journal(database_url) as journal:
        called: list[str] = []

        async def commit(number: int) -> None:
            called.append(str(number))
            await journal.commit(Unit(SYMBOL, events=(event(str(number)),)))

        async with trio.open_nursery() as nursery:
            for number in range(300):
                nursery.start_soon(commit, number)
        assert await messages(journal) == called


async def test_an_earlier_process_can_no_longer_write(database_url: str) -> None:
    async with open_journal(database_url) as old, open_journal(database_url) as new:
        with pytest.raises(JournalError, match="another naived"):
            await old.commit(Unit(SYMBOL, desired(Status.OFF)))
        with pytest.raises(JournalError, match="another naived"):
            await old.load()
        await new.commit(Unit(SYMBOL, desired()))


async def test_an_abandoned_buy_is_watched_whatever_this_machines_clock_says(sqlite_url: str) -> None:
    ahead = 0
    async with open_journal(sqlite_url, now=lambda: NOW + ahead) as journal:
        abandoned = order(state=order().state.ABANDONED)
        await journal.commit(Unit(SYMBOL, desired(), traders=(finished(profit=None),), orders=(abandoned,)))
        for days in (0, -365, 365):
            ahead = days * WATCHED
            (record,) = await journal.load()
            assert record.orders == (abandoned,)


async def test_a_row_that_was_damaged_by_hand_is_an_error_that_says_so(database_url: str) -> None:
    async with open_journal(database_url) as journal:
        await journal.commit(first_buy())
        engine = open_engine(parse_url(database_url), Role.WRITE)
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE settings SET chunks = 0"))
        engine.dispose()
        with pytest.raises(JournalError, match=r"chunks must be 1 to 1000, not 0\. Was it changed by hand"):
            await journal.load()


async def test_a_lost_server_is_an_error_and_its_return_is_enough(postgres_url: str) -> None:
    async with open_journal(postgres_url) as journal:
        await journal.commit(Unit(SYMBOL, desired(), events=(event("before"),)))
        engine = open_engine(parse_url(postgres_url), Role.WRITE)
        with engine.connect() as connection:
            connection.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        engine.dispose()
        await journal.commit(Unit(SYMBOL, events=(event("after"),)))
        assert await messages(journal) == ["before", "after"]


async def test_readers_whom_a_database_keeps_waiting_are_all_told_in_time(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than connections: nobody waits for the patience of those before."""
    async with open_journal(postgres_url) as journal:
        told: list[str] = []

        async def read() -> None:
            with pytest.raises(JournalError) as caught:
                await journal.orders(Page())
            told.append(str(caught.value))

        with closing(psycopg.connect(postgres_url)) as other, monkeypatch.context() as patched:
            patched.setattr(reader_module, "_PATIENCE", 0.3)
            other.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            begun = time.monotonic()
            async with trio.open_nursery() as nursery:
                for _ in range(3 * READERS):
                    nursery.start_soon(read)
            assert time.monotonic() - begun < 3
        assert len(told) == 3 * READERS
        assert all("cannot be read now: no answer" in each for each in told)
        assert await journal.orders(Page()) == []


async def test_a_symbol_is_loaded_while_many_listings_are_read(sqlite_url: str) -> None:
    async with open_journal(sqlite_url) as journal:
        await journal.commit(Unit(SYMBOL, desired(), events=(event("one"),)))
        reading, over = threading.Event(), threading.Event()

        def encode(_row: EventRow) -> bytes:
            reading.set()
            over.wait(timeout=10)
            return b""

        async with trio.open_nursery() as nursery:
            for _ in range(3 * READERS):
                nursery.start_soon(journal.rows, EventRow, Page(), encode)
            await trio.to_thread.run_sync(reading.wait)
            with trio.fail_after(5):
                assert len(await journal.load(SYMBOL)) == 1
            over.set()


async def test_a_commit_that_is_kept_waiting_shows(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "HANGING", 0.0)
    async with open_journal(postgres_url) as journal:
        assert journal.hanging is None
        with closing(psycopg.connect(postgres_url)) as other:
            other.execute("LOCK TABLE deployment IN ACCESS EXCLUSIVE MODE")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(journal.commit, Unit(SYMBOL, desired()))
                await trio.testing.wait_all_tasks_blocked()
                assert "the database does not answer" in (journal.hanging or "")
                other.rollback()
        assert journal.hanging is None


def test_a_reader_left_behind_closes_its_connection_itself(database_url: str) -> None:
    engine = open_engine(parse_url(database_url), Role.READ)
    closed: list[object] = []
    sa.event.listen(engine, "close", lambda connection, _: closed.append(connection))
    reading, over = threading.Event(), threading.Event()

    def read(connection: sa.Connection) -> None:
        reading.set()
        over.wait(timeout=10)

    reader = Reader(parse_url(database_url), engine, threads=False)
    thread = threading.Thread(target=reader.run, args=(read,))
    thread.start()
    reading.wait(timeout=10)
    reader.close()
    assert closed == []
    over.set()
    thread.join()
    assert len(closed) == 1


async def test_a_table_that_is_gone_makes_reading_an_error(database_url: str) -> None:
    async with open_journal(database_url) as journal:
        engine = open_engine(parse_url(database_url), Role.WRITE)
        with engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE events"))
        engine.dispose()
        with pytest.raises(JournalError, match="cannot be read now"):
            await messages(journal)


async def spoilt(url: str, statement: str, told: str) -> None:
    """Neither a start nor a look at it takes what this statement leaves of a journal with a buy."""
    async with open_journal(url, "simulator", now=lambda: NOW) as journal:
        await journal.commit(first_buy())
    engine = sa.create_engine(parse_url(url))
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
    with pytest.raises(ConfigurationError, match=told):
        async with open_journal(url, "simulator", now=lambda: NOW):
            pass
    with pytest.raises(ConfigurationError, match=told):
        inspect(url, "simulator")


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DROP TABLE gains", "has other tables than naived made"),
        ("ALTER TABLE nodes DROP COLUMN version", "has other tables than naived made"),
        ("DELETE FROM deployment", "cannot read: it has symbols, and no row in deployment"),
        ("DELETE FROM orders", "cannot read: .* Was it changed by hand"),
    ],
)
async def test_a_journal_that_was_changed_by_hand_is_refused_at_the_start(
    database_url: str, statement: str, told: str
) -> None:
    await spoilt(database_url, statement, told)


@pytest.mark.parametrize("table", ["events", "control_request", "statuses", "requests"])
async def test_a_table_of_which_a_start_needs_nothing_may_be_locked(postgres_url: str, table: str) -> None:
    migrate(parse_url(postgres_url))
    with closing(psycopg.connect(postgres_url)) as person:
        person.execute(f"LOCK TABLE {table}")  # as VACUUM FULL does, for minutes
        assert inspect(postgres_url, "simulator") is not None
        async with open_journal(postgres_url, "simulator", shared=True):
            pass


@pytest.mark.parametrize(
    ("column", "told"), [("settings SET budget", "is no number"), ("orders SET decided_at", "is no time")]
)
@pytest.mark.parametrize("value", ["x'00ff'", "'soon'"])
async def test_a_value_of_another_kind_is_refused_at_the_start(
    sqlite_url: str, column: str, value: str, told: str
) -> None:
    await spoilt(sqlite_url, f"UPDATE {column} = {value}", told if value[0] == "x" else "cannot read")


async def test_a_database_that_is_away_is_not_a_wrong_configuration() -> None:
    with pytest.raises(JournalError, match="cannot be used now") as caught:
        async with open_journal("postgresql://me:hunter2@127.0.0.1:1/db"):
            pass
    assert not isinstance(caught.value, ConfigurationError)
    assert "hunter2" not in str(caught.value)


async def test_a_file_that_is_no_database_is_a_wrong_configuration(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, this is not a database. " * 100)
    with pytest.raises(ConfigurationError, match="file is not a database"):
        async with open_journal(f"sqlite:///{path}"):
            pass


async def test_the_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with open_journal(f"sqlite:///{path}") as journal:
        await journal.commit(Unit(SYMBOL, desired()))
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


COMMITS = """
import sys, trio
from naived.database.journal import Reader, open_journal
from naived.ports import Event, Unit

async def main():
    async with open_journal(sys.argv[1]) as journal:
        numbers = iter(range(10**9))

        async def commit_for_ever():
            for number in numbers:
                await journal.commit(Unit("ETHUSDT", events=(Event(0, None, "test", f"{sys.argv[2]}-{number}"),)))
                sys.stdout.write(f"{sys.argv[2]}-{number}\\n")
                sys.stdout.flush()

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(commit_for_ever)

trio.run(main)
"""


def test_what_was_acknowledged_survives_a_kill(database_url: str) -> None:
    acknowledged: set[str] = set()
    for enough in (1, 200, 700):
        command = [sys.executable, "-c", COMMITS, database_url, str(enough)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            heard = [next(process.stdout) for _ in range(enough)]
            process.send_signal(signal.SIGKILL)
            heard += process.stdout  # what it had said before it died
        acknowledged |= {line.strip() for line in heard if line.endswith("\n")}

        async def written() -> list[str]:
            async with open_journal(database_url) as journal:
                return await messages(journal)

        assert acknowledged <= set(trio.run(written))


async def test_a_node_whose_connections_lost_bytes_goes_on_within_two_leases(
    postgres_url: str, postgres_server: Server
) -> None:
    """Nobody tells it that they work no more: it waits for its lease, for what is written, and for what is read."""
    lease = 3.0  # seconds
    member = Member("alpha", "0.1.0", round(1_000 * lease))
    with proxied(postgres_server.admin) as proxy:
        async with open_journal(proxy.url(postgres_url), member=member, shared=True) as journal:
            assert journal.cluster is not None
            await journal.cluster.claim(1, {SYMBOL})
            await journal.load(SYMBOL)
            proxy.swallow()
            proxy.heal()
            with trio.fail_after(2 * lease):
                assert await journal.cluster.renew() == {SYMBOL: 2}
                assert await journal.load(SYMBOL) == []


async def test_what_nodes_ask_each_other_does_not_hold_up_the_leases(postgres_url: str) -> None:
    async with open_journal(postgres_url, member=Member("alpha", "0.1.0", 30_000), shared=True) as journal:
        assert journal.cluster is not None
        assert journal.mailbox is not None
        ours = await journal.cluster.claim(1, {SYMBOL})
        with closing(psycopg.connect(postgres_url)) as other:
            other.execute("LOCK TABLE requests IN ACCESS EXCLUSIVE MODE")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(journal.mailbox.errands)
                await trio.testing.wait_all_tasks_blocked()
                with trio.fail_after(3):
                    assert await journal.cluster.renew() == ours
                    assert (await journal.cluster.look()).symbols == 1
                other.rollback()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("settings SET chunks = 'five'", "table settings, symbol ETHUSDT: chunks is 'five'"),
        ("settings SET closed_at = '2026-01-01'", "table settings, symbol ETHUSDT: "),
        ("settings SET quote = x'ff'", "table settings, symbol ETHUSDT: quote is "),
        ("orders SET created_at = '2026-01-01'", "table orders, symbol ETHUSDT: "),
        ("traders SET number = 'one'", "table traders, symbol ETHUSDT: number is 'one'"),
        ("settings SET next_trader = 1.5", "table settings, symbol ETHUSDT: next_trader is '1.5'"),
    ],
)
async def test_a_row_that_cannot_be_read_is_named_at_the_start_and_fails_its_symbol_alone(
    sqlite_url: str, change: str, told: str
) -> None:
    async with open_journal(sqlite_url, "simulator", now=lambda: NOW) as journal:
        await journal.commit(first_buy())
        await journal.commit(Unit("BTCUSDT", desired=desired()))
        engine = sa.create_engine(parse_url(sqlite_url))
        with engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE {change} WHERE symbol = 'ETHUSDT'")
        engine.dispose()
        with pytest.raises(JournalError, match=f"{told}.*Was it changed by hand"):
            await journal.load("ETHUSDT")
        assert [record.symbol for record in await journal.load("BTCUSDT")] == ["BTCUSDT"]
    with pytest.raises(ConfigurationError, match=told):
        async with open_journal(sqlite_url, "simulator", now=lambda: NOW):
            pass


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE limits SET max_exposure = 'much'", "table limits: "),
        ("INSERT INTO halts VALUES ('', 'x', 'person', '2026-01-01', 0, NULL)", "table halts: "),
        ("INSERT INTO worth VALUES (1, 'USDT', '0', 'today', '0', '0', 0)", "table worth: day is 'today'"),
        ("INSERT INTO gains (symbol, quote, gain, price) VALUES ('ETHUSDT', x'ff', '1', NULL)", "quote is"),
    ],
)
async def test_a_row_of_the_account_that_cannot_be_read_is_named_at_the_start(
    sqlite_url: str, change: str, told: str
) -> None:
    await spoilt(sqlite_url, change, told)
