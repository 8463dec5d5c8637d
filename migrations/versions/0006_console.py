"""The largest deviation of a trade that decides something, symbols that are forgotten, the profit of the day."""

import time
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

DECIMAL = sa.Numeric(28, 8).with_variant(sa.Text(), "sqlite")
_DAY = 86_400  # seconds


def upgrade() -> None:
    for column in (
        sa.Column("max_deviation", DECIMAL, nullable=False, server_default="0.1"),
        sa.Column("forgotten", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("profit_day", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("day_profit", DECIMAL, nullable=False, server_default="0"),
    ):
        op.add_column("settings", column)
    _count_today()


def _count_today() -> None:
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    day = int(time.time()) // _DAY
    midnight = datetime.fromtimestamp(day * _DAY, UTC)
    finished = connection.execute(
        sa.text("SELECT symbol, profit FROM traders WHERE cycle IS NOT NULL AND since >= :midnight"),
        {"midnight": midnight.strftime("%Y-%m-%dT%H:%M:%S.000Z") if is_sqlite else midnight},
    ).all()
    profits: defaultdict[str, Decimal] = defaultdict(Decimal)
    for symbol, profit in finished:
        profits[symbol] += Decimal(profit)
    for symbol, profit in profits.items():
        text = format(profit.normalize(), "f")
        connection.execute(
            sa.text("UPDATE settings SET profit_day = :day, day_profit = :profit WHERE symbol = :symbol"),
            {"day": day, "profit": text if is_sqlite else profit, "symbol": symbol},
        )


def downgrade() -> None:
    raise NotImplementedError("a journal is never taken back: restore a backup instead")
