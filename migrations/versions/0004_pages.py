"""Adds an index on the orders and one on the cycles of a symbol, which are listed page by page."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

FINISHED = sa.text("cycle IS NOT NULL")


def upgrade() -> None:
    op.create_index("orders_of_symbol", "orders", ["symbol", "id"])
    op.create_index(
        "cycles_of_symbol", "traders", ["symbol", "cycle"], sqlite_where=FINISHED, postgresql_where=FINISHED
    )


def downgrade() -> None:
    raise NotImplementedError("a journal is never taken back: restore a backup instead")
