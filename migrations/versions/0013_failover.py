"""Which database server the account was last compared on, and each symbol since."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("deployment", sa.Column("server", sa.Text))
    op.add_column("leases", sa.Column("compared", sa.Text))


def downgrade() -> None:
    raise NotImplementedError("a journal is never taken back: restore a backup instead")
