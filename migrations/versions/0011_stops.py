"""The fall guard and the stop-loss: settings, the limit of a stopped trader, orders that expire at once."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

DECIMAL = sa.Numeric(28, 8).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.add_column("settings", sa.Column("fall_guard", DECIMAL))
    op.add_column("settings", sa.Column("fall_guard_ms", sa.BigInteger))
    op.add_column("settings", sa.Column("stop_loss", DECIMAL, nullable=False, server_default="0"))
    op.add_column("settings", sa.Column("stop_slippage", DECIMAL, nullable=False, server_default="0.005"))
    op.add_column("traders", sa.Column("rebuy_spent", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("traders", sa.Column("stop", DECIMAL))
    op.add_column("orders", sa.Column("ioc", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    raise NotImplementedError("a journal is never taken back: restore a backup instead")
