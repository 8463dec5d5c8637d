"""Adds two counters and two indexes, so that a start of the daemon reads no finished traders."""

from collections import defaultdict
from decimal import Decimal, localcontext

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

DECIMAL = sa.Numeric(28, 8).with_variant(sa.Text(), "sqlite")
LIVING = sa.text("phase != 'finished'")
ABANDONED = sa.text("state = 'abandoned'")
_DIGITS = 60  # more than any sum of 28-digit decimals has


def upgrade() -> None:
    op.add_column("settings", sa.Column("cycles", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("settings", sa.Column("realized_profit", DECIMAL, nullable=False, server_default="0"))
    _count()
    for name, table, column, where in (
        ("living_traders", "traders", ["symbol", "number"], LIVING),
        ("abandoned_orders", "orders", ["updated_at"], ABANDONED),
    ):
        op.create_index(name, table, column, sqlite_where=where, postgresql_where=where)


def _count() -> None:
    """Sum the history once: here and not in SQL, because SQLite would sum decimals as floats."""
    connection = op.get_bind()
    profits: defaultdict[str, list[Decimal]] = defaultdict(list)
    finished = connection.exec_driver_sql("SELECT symbol, profit FROM traders WHERE cycle IS NOT NULL")
    for symbol, profit in finished:
        profits[symbol].append(Decimal(profit or 0))
    update = sa.text("UPDATE settings SET cycles = :cycles, realized_profit = :profit WHERE symbol = :symbol")
    with localcontext(prec=_DIGITS):
        for symbol, listed in profits.items():
            total = sum(listed, Decimal(0))
            # The text is canonical: no exponent, no trailing zeros.
            text = format(total.normalize(), "f")
            value = text if connection.dialect.name == "sqlite" else Decimal(text)
            connection.execute(update, {"cycles": len(listed), "profit": value, "symbol": symbol})


def downgrade() -> None:
    raise NotImplementedError("a journal is never taken back: restore a backup instead")
