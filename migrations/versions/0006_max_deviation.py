"""A setting: how far a trade may be from the one before and still decide something."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

DECIMAL = sa.Numeric(28, 8).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.add_column("settings", sa.Column("max_deviation", DECIMAL, nullable=False, server_default="0.1"))


def downgrade() -> None:
    raise NotImplementedError("a journal is never taken back: restore a backup instead")
