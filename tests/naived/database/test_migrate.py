import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE, Popen, run
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from naived.core.amount import Money, Quantity, parse_money, parse_price, parse_quantity
from naived.core.strategy.formulas import NO_COINS, Coins
from naived.core.strategy.lots import Lot
from naived.database import migrate as migrate_module
from naived.database.engine import ConfigurationError, Role, open_engine, opening, parse_url
from naived.database.inspection import inspect
from naived.database.migrate import HEAD, migrate
from naived.database.queries import events_page, load
from naived.database.schema import metadata
from naived.database.trader_rows import trader_row
from naived.ports import Page
from tests.support.database import finished
from tests.support.postgres import execute, newcomer

DAY = 86_400_000  # ms

# The beginning of each file's SHA-256. A database keeps only the numbers of those that it went through.
MIGRATIONS = {
    "0001_initial.py": "37c260428bb6",
    "0002_shutdown.py": "64fa7660a545",
    "0003_counters.py": "35c35d6f51dc",
    "0004_pages.py": "67ff08d264b6",
    "0005_lots.py": "0a4776b32ad6",
    "0006_console.py": "3eb85c3d9918",
    "0007_guards.py": "ecd6d4873481",
    "0008_halts.py": "a3dd601ddc00",
    "0009_limits.py": "2b5414474980",
    "0010_nodes.py": "7110cf756006",
    "0011_stops.py": "8fb54633d4a3",
    "0012_losses.py": "7db56d74ca3d",
    "0013_failover.py": "4eca99a0fdd5",
    "0014_closed.py": "fc127ff1522f",
    "0015_alone.py": "68f2043811cd",
    "0016_foreign.py": "23e5a0d567d3",
    "0017_reach.py": "d321919b299a",
}


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = open_engine(parse_url(database_url), Role.WRITE)
    yield engine
    engine.dispose()


def description(engine: sa.Engine) -> dict[str, Any]:
    """Everything about the tables that the database itself tells, without the order of constraints."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(part) for name, part in sorted(value.items())}
        return str(value) if isinstance(value, sa.TextClause) else value

    def ordered(items: Any) -> list[str]:
        return sorted(repr(plain(item)) for item in items)

    inspector = sa.inspect(engine)
    return {
        table: {
            "columns": [repr({**column, "type": repr(column["type"])}) for column in inspector.get_columns(table)],
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": ordered(inspector.get_foreign_keys(table)),
            "unique": ordered(inspector.get_unique_constraints(table)),
            "indexes": ordered(inspector.get_indexes(table)),
            "checks": ordered(inspector.get_check_constraints(table)),
        }
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def test_migrations_end_in_the_schema(engine: sa.Engine) -> None:
    migrate(engine.url)
    migrated = description(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    with engine.begin() as connection:
        metadata.drop_all(connection)
    metadata.create_all(engine)
    assert migrated == description(engine)
    assert set(migrated) == set(metadata.tables)


def test_the_head_is_the_newest_version_there_is() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate_module._scripts()))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_migration_is_added_and_never_changed() -> None:
    versions = Path(str(migrate_module._scripts())) / "versions"
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest()[:12] for file in versions.glob("*.py")}
    assert found == MIGRATIONS


FIRST_ROWS = """
INSERT INTO settings VALUES ('ETHUSDT', 'on', 5, '1000', '0.0001', '0.001', '0.006', '0.01', 2, '0', '0');
INSERT INTO traders (symbol, number, phase, started_at, since, rebuy_notified, buys, sells, budget, chunks,
  buy_down_interval, profit_interval, rebuy_interval, reprice_interval, buy_fee, sell_fee)
  VALUES ('ETHUSDT', 1, 'waiting', '2026-11-22T07:00:00.000Z', '2026-11-22T07:00:00.000Z', false, 0, 0, '1000', 5,
  '0.0001', '0.001', '0.006', '0.01', '0.001', '0.001');
"""


def test_rows_of_the_first_schema_survive_the_second(engine: sa.Engine) -> None:
    migrate(engine.url, "0001")
    insert_status = sa.text("UPDATE settings SET status = 'shutdown'")
    with engine.begin() as connection:
        for statement in FIRST_ROWS.split(";")[:-1]:
            connection.exec_driver_sql(statement)
    with pytest.raises(sa.exc.DBAPIError), engine.begin() as connection:
        connection.execute(insert_status)
    engine.dispose()  # PostgreSQL's sessions remember the values of an enum

    migrate(engine.url)

    with engine.begin() as connection:
        connection.execute(insert_status)
        (row,) = connection.execute(sa.select(metadata.tables["settings"])).mappings()
        assert (row["symbol"], row["status"], row["budget"], row["keep_buys"]) == (
            "ETHUSDT",
            "shutdown",
            1000 * 10**8,
            False,
        )
        assert connection.scalar(sa.select(sa.func.count()).select_from(metadata.tables["traders"])) == 1
    with pytest.raises(sa.exc.DBAPIError), engine.begin() as connection:
        connection.execute(sa.text("UPDATE settings SET status = 'perhaps'"))


FINISHED_ROW = """
INSERT INTO traders (symbol, number, phase, started_at, since, rebuy_notified, buys, sells, budget, chunks,
  buy_down_interval, profit_interval, rebuy_interval, reprice_interval, buy_fee, sell_fee, profit, cycle)
SELECT symbol, {number}, 'finished', started_at, since, rebuy_notified, buys, sells, budget, chunks,
  buy_down_interval, profit_interval, rebuy_interval, reprice_interval, buy_fee, sell_fee, {profit}, {cycle}
FROM traders WHERE number = 1
"""


def test_the_counters_of_a_symbol_begin_with_its_history(engine: sa.Engine) -> None:
    migrate(engine.url, "0001")
    with engine.begin() as connection:
        for statement in (*FIRST_ROWS.split(";")[:-1], FIRST_ROWS.split(";")[0].replace("ETH", "BTC")):
            connection.exec_driver_sql(statement)
        for number, profit in enumerate(("90000000000000000000.00000001", "-0.1", "0.3"), 2):
            connection.exec_driver_sql(FINISHED_ROW.format(number=number, profit=f"'{profit}'", cycle=number))
        connection.exec_driver_sql(FINISHED_ROW.format(number=9, profit="NULL", cycle="NULL"))
    engine.dispose()
    migrate(engine.url)
    with engine.connect() as connection:
        bitcoin, ether = load(connection, None, 0)
    assert (ether.cycles, ether.profit) == (3, parse_money("90000000000000000000.20000001"))
    assert (bitcoin.cycles, bitcoin.profit) == (0, 0)


def test_the_profit_of_the_day_begins_with_the_cycles_of_today(engine: sa.Engine) -> None:
    migrate(engine.url, "0005")
    today = time.time_ns() // 1_000_000
    row = {"symbol": "ETHUSDT", "status": "off", "chunks": 5, "next_trader": 4}
    rates = dict.fromkeys(("buy_down_interval", "profit_interval", "rebuy_interval", "reprice_interval"), "0.01")
    zero = "'0'" if engine.dialect.name == "sqlite" else "0"
    names = [*row, *rates, "owed_quantity", "owed_cost"]
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                f"INSERT INTO settings ({', '.join(names)}) VALUES "
                f"({', '.join(f':{name}' for name in (*row, *rates))}, {zero}, {zero})"
            ),
            {**row, **(rates if engine.dialect.name == "sqlite" else dict.fromkeys(rates, 0.01))},
        )
        for number, (profit, since) in enumerate((("5", today - 2 * DAY), ("0.5", today), ("0.25", today)), 1):
            values = trader_row(finished(number, profit=profit, since=since)) | {"cycle": number}
            there = {column["name"] for column in sa.inspect(connection).get_columns("traders")}
            old = {name: value for name, value in values.items() if name in there}
            connection.execute(sa.insert(metadata.tables["traders"]).inline(), old)
    engine.dispose()
    migrate(engine.url)
    with engine.connect() as connection:
        (record,) = load(connection, None, 0)
    assert (record.day, record.day_profit) == (today // DAY, parse_money("0.75"))


def test_what_was_left_over_becomes_a_lot_with_a_price_and_what_is_owed_stays_owed(engine: sa.Engine) -> None:
    migrate(engine.url, "0001")
    symbol, trader = FIRST_ROWS.split(";")[:2]
    with engine.begin() as connection:
        for name, left in (
            ("ETH", "'0.5', '1000'"),
            ("BTC", "'-0.5', '-1000'"),
            ("BNB", "'0', '7'"),
            ("SOL", "'0.1', '2'"),
        ):
            connection.exec_driver_sql(symbol.replace("ETH", name).replace("2, '0', '0'", f"2, {left}"))
        connection.exec_driver_sql(trader.replace("'0.001')", "'0.002')"))
    engine.dispose()
    migrate(engine.url)
    with engine.connect() as connection:
        coin, bitcoin, ether, sol = load(connection, None, 0)
        (event,) = events_page(connection, Page())
    # 1000 * 1.001 / (0.5 * 0.998) and, where there was no trader, 2 * 1.001 / (0.1 * 0.999), rounded up
    assert ether.lots == (Lot(parse_quantity("0.5"), parse_money("1000"), parse_price("2006.01202405")),)
    assert sol.lots == (Lot(parse_quantity("0.1"), parse_money("2"), parse_price("20.04004005")),)
    assert (bitcoin.lots, bitcoin.owed) == (
        (),
        Coins(Quantity(-parse_quantity("0.5")), Money(-parse_money("1000"))),
    )
    assert (coin.lots, coin.owed, coin.profit) == ((), NO_COINS, -parse_money("7"))
    assert (event.event.symbol, event.event.kind) == ("BNBUSDT", "written off")
    assert ether.owed == NO_COINS


Second = Callable[[str, str], None]


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Second:
    """Puts another second migration, of two statements, in the place of ours."""

    def put(first: str, second: str) -> None:
        scripts = tmp_path / "migrations"
        (scripts / "versions").mkdir(parents=True)
        original = migrate_module._scripts()
        for name in ("env.py", "versions/0001_initial.py"):
            (scripts / name).write_text((original / name).read_text())
        (scripts / "versions" / "0002_other.py").write_text(
            "from alembic import op\nrevision = '0002'\ndown_revision = '0001'\n"
            f"def upgrade():\n    op.execute({first!r})\n    op.execute({second!r})\n"
        )
        monkeypatch.setattr(migrate_module, "_scripts", lambda: scripts)

    return put


def test_a_migration_that_would_orphan_rows_is_taken_back(sqlite_url: str, second: Second) -> None:
    url = parse_url(sqlite_url)
    second("CREATE TABLE half (x INTEGER)", "DELETE FROM settings")
    migrate(url, "0001")
    engine = open_engine(url, Role.WRITE)
    with engine.begin() as connection:
        for statement in FIRST_ROWS.split(";")[:-1]:
            connection.exec_driver_sql(statement)
    with pytest.raises(ConfigurationError, match=r"without their parents.*changed by hand"), opening(url):
        migrate(url, "0002")
    assert not sa.inspect(engine).has_table("half")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM settings").scalar() == 1
    engine.dispose()


def test_a_migration_that_fails_half_way_leaves_nothing_behind(engine: sa.Engine, second: Second) -> None:
    second("CREATE TABLE half (x INTEGER)", "SELECT nonsense")
    migrate(engine.url, "0001")
    with pytest.raises(sa.exc.DBAPIError):
        migrate(engine.url, "0002")
    assert not sa.inspect(engine).has_table("half")
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == "0001"


def test_a_database_that_is_newer_than_the_program_is_refused(engine: sa.Engine) -> None:
    migrate(engine.url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0999'"))
    with pytest.raises(ConfigurationError, match=r"made by a newer naived \(schema 0999"):
        migrate(engine.url)


OTHERS = "CREATE TABLE orders (id int)", "CREATE TABLE users (id int)"


def versions(*versions: str) -> tuple[str, ...]:
    made = "CREATE TABLE alembic_version (version_num varchar(32))"
    return (made, *(f"INSERT INTO alembic_version VALUES ('{version}')" for version in versions))


@pytest.mark.parametrize(
    "statements",
    [
        OTHERS,
        (*OTHERS, *versions("0007_add_users")),
        (*OTHERS, *versions("0001")),
        (*OTHERS, *versions("9999")),
        versions(),
        ("CREATE TABLE deployment (id int)", "CREATE TABLE settings (id int)", *versions("ae1027a6acf")),
        ("CREATE TABLE deployment (id int)", "CREATE TABLE settings (id int)", *versions("0001", "0002")),
    ],
)
def test_the_database_of_another_program_is_refused_and_left_alone(
    engine: sa.Engine, statements: tuple[str, ...]
) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    before = description(engine)
    for look in (migrate, lambda url: inspect(url.render_as_string(hide_password=False), "simulator")):
        with pytest.raises(ConfigurationError, match="cannot be used: it has tables of another program"):
            look(engine.url)
    assert description(engine) == before


def test_tables_of_others_beside_ours_and_the_schemas_of_others_are_nobodys_business(postgres_url: str) -> None:
    execute(
        postgres_url, "CREATE TABLE users (id int)", "CREATE SCHEMA theirs", "CREATE TABLE theirs.orders (id int)"
    )
    url = parse_url(postgres_url)
    try:
        migrate(url)
        migrate(url)
    finally:
        execute(postgres_url, "DROP SCHEMA theirs CASCADE")


@pytest.mark.parametrize("first", ["0009", HEAD])
@pytest.mark.parametrize("others", [OTHERS, versions("0007_add_users"), ("CREATE TABLE nodes (id int)",)])
def test_in_a_schema_of_our_own_the_tables_of_others_in_the_search_path_are_in_nobodys_way(
    postgres_url: str, others: tuple[str, ...], first: str
) -> None:
    with newcomer(postgres_url) as text:
        execute(postgres_url, *others, "CREATE SCHEMA newcomer AUTHORIZATION newcomer")
        url = parse_url(text)
        before = tables_of(url, "public")
        for target in (first, HEAD, HEAD):
            assert inspect(text, "simulator") is not None
            migrate(url, target)
        found = inspect(text, "simulator")
        assert found is not None
        assert found.current
        assert tables_of(url, "newcomer") == {"alembic_version", *metadata.tables}
        assert tables_of(url, "public") == before


def test_tables_that_were_made_before_there_was_another_schema_are_upgraded_in_their_place(
    postgres_url: str,
) -> None:
    with newcomer(postgres_url) as text:
        execute(postgres_url, "GRANT CREATE ON SCHEMA public TO newcomer")
        url = parse_url(text)
        migrate(url, "0009")
        execute(postgres_url, "CREATE SCHEMA newcomer AUTHORIZATION newcomer")
        migrate(url)
        assert tables_of(url, "newcomer") == set()
        assert tables_of(url, "public") == {"alembic_version", *metadata.tables}


def tables_of(url: sa.URL, schema: str) -> set[str]:
    engine = open_engine(url, Role.READ)
    try:
        return set(sa.inspect(engine).get_table_names(schema))
    finally:
        engine.dispose()


UPGRADE = """
import sys
from naived.database.engine import parse_url
from naived.database.migrate import migrate
migrate(parse_url(sys.argv[1]))
print(*(name for name in ("alembic", "psycopg") if name in sys.modules))
"""


def test_alembic_and_psycopg_are_imported_only_when_there_is_something_to_do(sqlite_url: str) -> None:
    def upgrade() -> str:
        return run([sys.executable, "-c", UPGRADE, sqlite_url], capture_output=True, text=True, check=True).stdout

    assert [upgrade(), upgrade()] == ["alembic\n", "\n"]


def test_daemons_that_start_together_upgrade_one_after_the_other(database_url: str) -> None:
    command = [sys.executable, "-c", UPGRADE, database_url]
    with Popen(command, stderr=PIPE, stdout=PIPE) as first, Popen(command, stderr=PIPE, stdout=PIPE) as second:
        for process in (first, second):
            _, trouble = process.communicate()
            assert trouble == b""
    migrate(parse_url(database_url))
