import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from naived.check.rows import told
from naived.core.orders.state import State
from naived.database.engine import ConfigurationError, parse_url
from naived.database.inspection import copies, inspect, orphaned_logs, without_owner
from naived.database.journal import open_journal
from naived.database.migrate import HEAD, migrate
from naived.database.schema import metadata
from naived.nodes import Member
from naived.ports import DeploymentError, JournalError, Unit
from tests.support.database import NOW, SYMBOL, first_buy, order
from tests.support.postgres import execute, newcomer


def contents(directory: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in directory.iterdir() if not each.name.endswith("-shm")}


async def test_what_is_in_a_database_is_read_while_a_daemon_uses_it(database_url: str) -> None:
    async with open_journal(database_url, "simulator", now=lambda: NOW) as journal:
        await journal.commit(first_buy())
        await journal.claim("simulator", "4711")
        found = inspect(database_url, "simulator")
        assert found is not None
        assert (found.current, found.version, found.tag) == (True, HEAD, journal.tag)
        assert found.account_uid == "4711"
        assert [record.symbol for record in found.records] == [SYMBOL]
        assert 0 < found.latency < 10_000
        assert without_owner(database_url, [order().client_order_id, "n1aaaa-other"]) == {"n1aaaa-other"}
        await journal.commit(Unit(SYMBOL, orders=(order(state=State.CANCELLED),)))
        assert without_owner(database_url, [order().client_order_id]) == {order().client_order_id}
        with pytest.raises(DeploymentError, match="belongs to account 4711"):
            inspect(database_url, "binance")


async def test_a_database_that_was_restored_on_another_server_is_known(postgres_url: str) -> None:
    async with open_journal(postgres_url, "simulator", shared=True):
        before = inspect(postgres_url, "simulator")
        execute(postgres_url, "UPDATE deployment SET server = '4711/00000001'")
        after = inspect(postgres_url, "simulator")
    assert before is not None
    assert after is not None
    assert (before.replaced, after.replaced) == (False, True)


async def test_no_byte_of_a_file_changes_and_none_is_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    assert inspect(url, "simulator") is None
    assert without_owner(url, ["a"]) == {"a"}
    assert contents(tmp_path) == {}
    async with open_journal(url, "simulator"):
        pass
    before = contents(tmp_path)
    found = inspect(url, "simulator")
    assert found is not None
    assert found.current
    assert contents(tmp_path) == before


def test_an_empty_database_in_which_we_may_make_no_tables_is_for_a_person(postgres_url: str) -> None:
    with newcomer(postgres_url) as url:
        with pytest.raises(ConfigurationError, match="we may make no tables and indexes in schema public"):
            inspect(url, "simulator")
        execute(postgres_url, "GRANT CREATE ON SCHEMA public TO newcomer")
        found = inspect(url, "simulator")
    assert found is not None
    assert found.version is None


async def refused_to_start(url: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        async with open_journal(url, "simulator", shared=True):
            pass
    return caught.value


# What a person grants who keeps a history to which rows are only added.
LEAST = (
    "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO newcomer",
    "GRANT UPDATE ON deployment, nodes, leases, settings, traders, orders, statuses, requests TO newcomer",
    "GRANT UPDATE ON foreign_orders, gains, limits, worth TO newcomer",
    "GRANT DELETE ON control_request, events, foreign_orders, halts, lots, nodes, requests TO newcomer",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO newcomer",
)


async def test_no_right_is_asked_for_that_is_not_needed(postgres_url: str) -> None:
    migrate(parse_url(postgres_url))
    with newcomer(postgres_url) as url:
        execute(postgres_url, *LEAST)
        assert inspect(url, "simulator") is not None
        async with open_journal(url, "simulator", now=lambda: NOW) as journal:
            await journal.commit(first_buy())


@pytest.mark.parametrize(
    "right",
    [
        "SELECT ON leases",
        "INSERT ON fills",
        "UPDATE ON orders",
        "DELETE ON events",
        "USAGE ON SEQUENCE fills_id_seq",
    ],
)
async def test_a_right_that_is_missing_is_told_before_an_order_depends_on_it(postgres_url: str, right: str) -> None:
    migrate(parse_url(postgres_url))
    with newcomer(postgres_url) as url:
        execute(postgres_url, *LEAST, f"REVOKE {right} FROM newcomer")
        with pytest.raises(ConfigurationError) as caught:
            inspect(url, "simulator")
        for error in (caught.value, await refused_to_start(url)):
            assert f'we may not {right}. Let it: GRANT {right} TO "newcomer"' in str(error)


async def test_all_rights_that_are_missing_are_told_at_once(postgres_url: str) -> None:
    migrate(parse_url(postgres_url))
    with newcomer(postgres_url) as url:
        assert 'OWNER TO "newcomer"; ALTER TABLE NAME OWNER TO "newcomer"' in str(await refused_to_start(url))
        execute(postgres_url, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO newcomer")
        text = str(await refused_to_start(url))
        execute(postgres_url, *text.partition("Let it: ")[2].split("; "))
        assert inspect(url, "simulator") is not None
        async with open_journal(url, "simulator", shared=True, now=lambda: NOW) as journal:
            assert journal.epoch == 1


async def test_tables_of_another_owner_are_ours_by_what_is_said(postgres_url: str) -> None:
    migrate(parse_url(postgres_url), "0014")
    with newcomer(postgres_url) as url:
        execute(postgres_url, "GRANT CREATE ON SCHEMA public TO newcomer")
        assert "ALTER TABLE NAME OWNER TO" in str(await refused_to_start(url))
        for name in sorted({*metadata.tables, "alembic_version"} - {"foreign_orders"}):  # which came later
            execute(postgres_url, f"ALTER TABLE {name} OWNER TO newcomer")
        async with open_journal(url, "simulator", shared=True) as journal:
            assert journal.epoch == 1


async def test_who_does_not_own_the_tables_cannot_upgrade_them(postgres_url: str) -> None:
    migrate(parse_url(postgres_url), "0014")
    with newcomer(postgres_url) as url:
        execute(postgres_url, "GRANT ALL ON ALL TABLES IN SCHEMA public TO newcomer")
        with pytest.raises(ConfigurationError, match="we may not upgrade its table control_request"):
            inspect(url, "simulator")
        assert "Let our user own it" in str(await refused_to_start(url))


async def test_who_owns_the_tables_and_may_make_no_more_cannot_upgrade_them(postgres_url: str) -> None:
    with newcomer(postgres_url) as url:
        execute(postgres_url, "GRANT CREATE ON SCHEMA public TO newcomer")
        migrate(parse_url(url), "0014")
        execute(postgres_url, "REVOKE CREATE ON SCHEMA public FROM newcomer")
        with pytest.raises(ConfigurationError) as caught:
            inspect(url, "simulator")
        for error in (caught.value, await refused_to_start(url)):
            assert 'Let it: GRANT CREATE ON SCHEMA "public" TO "newcomer"' in str(error)
        execute(postgres_url, "GRANT CREATE ON SCHEMA public TO newcomer")
        assert inspect(url, "simulator") is not None
        async with open_journal(url, "simulator", shared=True):
            pass
        execute(postgres_url, "REVOKE CREATE ON SCHEMA public FROM newcomer")
        assert inspect(url, "simulator") is not None


async def test_who_may_not_ask_which_server_it_is_is_told_the_right(postgres_url: str) -> None:
    with newcomer(postgres_url) as url:
        execute(postgres_url, "GRANT ALL ON SCHEMA public TO newcomer")
        execute(postgres_url, "REVOKE EXECUTE ON FUNCTION pg_control_system FROM PUBLIC")
        try:
            with pytest.raises(ConfigurationError) as caught:
                inspect(url, "simulator")
            for error in (caught.value, await refused_to_start(url)):
                assert 'GRANT EXECUTE ON FUNCTION "pg_control_system" TO "newcomer"' in str(error)
        finally:
            execute(postgres_url, "GRANT EXECUTE ON FUNCTION pg_control_system TO PUBLIC")


async def test_sessions_that_may_only_read_are_no_wrong_configuration(postgres_url: str) -> None:
    name = parse_url(postgres_url).database
    execute(postgres_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        with pytest.raises(JournalError, match="Set it to off for our user") as caught:
            inspect(postgres_url, "simulator")
        assert not isinstance(caught.value, ConfigurationError)
        with pytest.raises(JournalError, match="Set it to off for our user"):
            async with open_journal(postgres_url, "simulator"):
                pass
    finally:
        execute(postgres_url, "SET default_transaction_read_only = off", f"ALTER DATABASE {name} RESET ALL")


def test_an_old_schema_is_not_upgraded(database_url: str) -> None:
    migrate(parse_url(database_url), "0003")
    found = inspect(database_url, "simulator")
    assert found is not None
    assert (found.current, found.version, found.records) == (False, "0003", ())


async def test_the_schema_stays_while_another_node_lives(postgres_url: str) -> None:
    migrate(parse_url(postgres_url), "0014")
    leases = {"alpha": "60 s", "beta": "60 s", "gamma": "60 s", "killed": "-1 s"}
    for epoch, (name, rest) in enumerate(leases.items(), 100):
        execute(
            postgres_url,
            "INSERT INTO nodes (name, epoch, written, heartbeat, until, version) "
            f"VALUES ('{name}', {epoch}, 0, now(), now() + interval '{rest}', '0.1.0')",
        )

    async def start() -> None:
        async with open_journal(postgres_url, "simulator", member=Member("alpha", "0.2.0", 30_000), shared=True):
            pass

    with pytest.raises(JournalError, match=r"schema 0014 to .*: nodes beta, gamma use it. Stop naived there"):
        inspect(postgres_url, "simulator", "alpha")
    with pytest.raises(JournalError, match="nodes beta, gamma use it") as caught:
        await start()
    assert not isinstance(caught.value, ConfigurationError)
    execute(postgres_url, "UPDATE nodes SET until = heartbeat WHERE name = 'beta'")
    with pytest.raises(JournalError, match="node gamma uses it"):
        await start()
    execute(postgres_url, "UPDATE nodes SET until = heartbeat WHERE name = 'gamma'")
    found = inspect(postgres_url, "simulator", "alpha")
    assert found is not None
    assert not found.current
    await start()
    execute(postgres_url, "UPDATE nodes SET until = now() + interval '60 s'")
    await start()  # there is nothing to upgrade


def test_a_database_of_a_newer_naived_names_what_to_do(database_url: str) -> None:
    migrate(parse_url(database_url))
    engine = sa.create_engine(parse_url(database_url))
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0999'"))
    engine.dispose()
    with pytest.raises(ConfigurationError) as caught:
        inspect(database_url, "simulator")
    found, todo = told(caught.value, "something else")
    assert "was made by a newer naived (schema 0999" in found
    assert todo == "Install that version, or name another database"


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(ConfigurationError, match="is damaged, or no database"):
        inspect(f"sqlite:///{path}", "simulator")
    assert path.read_bytes() == b"not a database" * 100


async def test_copies_of_a_journal_and_logs_without_one_are_found(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with open_journal(f"sqlite:///{path}") as journal:
        tag = journal.tag
    async with open_journal(f"sqlite:///{tmp_path}/another.db"):
        pass
    shutil.copy(path, tmp_path / "a.db.bak")
    (tmp_path / "notes.db").write_text("SQLite, but not really")
    (tmp_path / "fake.db").write_bytes(b"SQLite format 3\0" + b"x" * 600)
    assert copies(path, tag) == [tmp_path / "a.db.bak"]
    assert orphaned_logs(tmp_path) == []
    (tmp_path / "gone.db-wal").write_bytes(b"commits")
    (tmp_path / "empty.db-wal").touch()
    assert orphaned_logs(tmp_path) == [tmp_path / "gone.db-wal"]
