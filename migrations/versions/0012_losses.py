"""The account's limits of loss, what its trading was worth, and at which prices; when a halt ends by itself."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

DECIMAL = sa.Numeric(28, 8).with_variant(sa.Text(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.add_column("halts", sa.Column("until", INSTANT))
    op.add_column("limits", sa.Column("max_daily_loss", DECIMAL))
    op.add_column("limits", sa.Column("max_drawdown", DECIMAL))
    op.add_column("limits", sa.Column("currency", sa.Text))
    op.execute("UPDATE limits SET currency = 'USDT'")
    # It is locked, so it is always there.
    op.execute("INSERT INTO limits (id) SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM limits)")
    op.create_table(
        "worth",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("value", DECIMAL, nullable=False),
        sa.Column("day", sa.BigInteger, nullable=False),
        sa.Column("day_start", DECIMAL, nullable=False),
        sa.Column("peak", DECIMAL, nullable=False),
        sa.Column("round", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worth")),
        sa.CheckConstraint("id = 1", name=op.f("ck_worth_one_row")),
    )
    op.create_table(
        "gains",
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("quote", sa.Text, nullable=False),
        sa.Column("gain", DECIMAL, nullable=False),
        sa.Column("price", DECIMAL),
        sa.PrimaryKeyConstraint("symbol", name=op.f("pk_gains")),
    )


def downgrade() -> None:
    raise NotImplementedError("a journal is never taken back: restore a backup instead")
