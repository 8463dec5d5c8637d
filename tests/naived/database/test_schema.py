from decimal import Decimal

import pytest
import sqlalchemy as sa

from naived.database.columns import DecimalAmount, Instant
from naived.database.engine import Role, open_engine, parse_url

TABLE = sa.Table("sample", sa.MetaData(), sa.Column("amount", DecimalAmount), sa.Column("at", Instant))


@pytest.mark.parametrize(
    ("value", "text"), [(1, "0.00000001"), (-150_000_000, "-1.5"), (268_380_000_000, "2683.8"), (0, "0")]
)
def test_a_person_reads_canonical_decimals_in_sqlite(value: int, text: str) -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        TABLE.create(connection)
        connection.execute(sa.insert(TABLE).values(amount=value))
        assert connection.exec_driver_sql("SELECT amount, typeof(amount) FROM sample").one() == (text, "text")
        assert connection.scalar(sa.select(TABLE.c.amount)) == value
    engine.dispose()


def test_a_person_reads_numeric_and_timestamptz_in_postgresql(postgres_url: str) -> None:
    largest = 10**28 - 1  # 12 digits more than a float holds
    engine = open_engine(parse_url(postgres_url), Role.WRITE)
    with engine.begin() as connection:
        TABLE.create(connection)
        connection.execute(sa.insert(TABLE).values(amount=largest, at=1_795_330_800_001))
        row = connection.exec_driver_sql("SELECT amount, at::text, pg_typeof(at)::text FROM sample").one()
        read = connection.execute(sa.select(TABLE.c.amount, TABLE.c.at)).one()
    engine.dispose()
    assert row == (Decimal("99999999999999999999.99999999"), *row[1:])
    assert row[1:] == ("2026-11-22 07:00:00.001+00", "timestamp with time zone")
    assert read == (largest, 1_795_330_800_001)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1_795_330_800_000, "2026-11-22T07:00:00.000Z"), (1, "1970-01-01T00:00:00.001Z"), (None, None)],
)
def test_a_person_reads_rfc_3339_in_sqlite(value: int | None, text: str | None) -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        TABLE.create(connection)
        connection.execute(sa.insert(TABLE).values(at=value))
        assert connection.exec_driver_sql("SELECT at FROM sample").scalar() == text
        assert connection.scalar(sa.select(TABLE.c.at)) == value
    engine.dispose()
