"""Which open orders of another naived block a symbol, and which of them a person said to go on beside."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "foreign_orders",
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("tag", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("symbol", "tag", name=op.f("pk_foreign_orders")),
        sa.CheckConstraint("state IN ('blocks', 'ignored')", name=op.f("ck_foreign_orders_state")),
    )


def downgrade() -> None:
    raise NotImplementedError("a journal is never taken back: restore a backup instead")
