"""Several nodes on one database: which there are, who has which symbol, and what they ask of each other."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
WAITING = sa.text("answer IS NULL")


def upgrade() -> None:
    op.create_table(
        "nodes",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("written", sa.BigInteger, nullable=False),
        sa.Column("heartbeat", INSTANT, nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("draining", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("version", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_nodes")),
        sa.UniqueConstraint("epoch", name=op.f("uq_nodes_epoch")),
    )
    op.create_table(
        "leases",
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("node", sa.Text),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("symbol", name=op.f("pk_leases")),
    )
    op.create_table(
        "statuses",
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("symbol", name=op.f("pk_statuses")),
    )
    op.create_table(
        "requests",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("verb", sa.Text, nullable=False),
        sa.Column("params", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("changes", sa.Boolean, nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("done_at", INSTANT),
        sa.Column("answer", sa.Text),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
    )
    op.create_index("waiting_requests", "requests", ["symbol"], sqlite_where=WAITING, postgresql_where=WAITING)
    with op.batch_alter_table("deployment") as deployment:
        deployment.drop_column("written")


def downgrade() -> None:
    raise NotImplementedError("a journal is never taken back: restore a backup instead")
