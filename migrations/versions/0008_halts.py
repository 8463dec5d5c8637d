"""What keeps a symbol, or the whole account, from buying until it is ended."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "halts",
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("keep_buys", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_halts")),
        sa.CheckConstraint("by IN ('person', 'limit')", name=op.f("ck_halts_by")),
    )


def downgrade() -> None:
    raise NotImplementedError("a journal is never taken back: restore a backup instead")
