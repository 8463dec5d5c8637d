"""What keeps a symbol from buying: the distance between buys, the lowest and the highest price of one."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

DECIMAL = sa.Numeric(28, 8).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.add_column("settings", sa.Column("spacing", DECIMAL, nullable=False, server_default="0"))
    op.add_column("settings", sa.Column("floor", DECIMAL))
    op.add_column("settings", sa.Column("ceiling", DECIMAL))


def downgrade() -> None:
    raise NotImplementedError("a journal is never taken back: restore a backup instead")
