"""Since when a symbol's market is closed."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.add_column("settings", sa.Column("closed_at", INSTANT))


def downgrade() -> None:
    raise NotImplementedError("a journal is never taken back: restore a backup instead")
