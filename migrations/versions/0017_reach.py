"""Why a node does not reach the exchange."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("nodes", sa.Column("exchange_away", sa.Text))


def downgrade() -> None:
    raise NotImplementedError("a journal is never taken back: restore a backup instead")
