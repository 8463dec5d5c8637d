"""An order in quarantine, or adopted, may live beside the one that its trader decided after giving it up."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

LIVE = sa.text("state NOT IN ('filled', 'cancelled', 'expired', 'rejected', 'abandoned')")
ALONE = sa.text(f"{LIVE} AND state != 'quarantined' AND NOT adopted")


def upgrade() -> None:
    op.create_index("live_orders", "orders", ["symbol"], sqlite_where=LIVE, postgresql_where=LIVE)
    op.drop_index("one_live_intent", "orders")
    op.create_index(
        "one_live_intent",
        "orders",
        ["symbol", "trader", "side"],
        unique=True,
        sqlite_where=ALONE,
        postgresql_where=ALONE,
    )


def downgrade() -> None:
    raise NotImplementedError("a journal is never taken back: restore a backup instead")
