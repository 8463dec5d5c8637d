"""The limits of the account, and what each symbol has in positions and live buys."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

DECIMAL = sa.Numeric(28, 8).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.add_column("settings", sa.Column("quote", sa.Text))
    op.add_column("settings", sa.Column("exposure", DECIMAL, nullable=False, server_default="0"))
    op.create_table(
        "limits",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("max_exposure", DECIMAL),
        sa.Column("reserve", DECIMAL),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_limits")),
        sa.CheckConstraint("id = 1", name=op.f("ck_limits_one_row")),
    )


def downgrade() -> None:
    raise NotImplementedError("a journal is never taken back: restore a backup instead")
