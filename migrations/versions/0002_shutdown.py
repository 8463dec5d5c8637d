"""Adds the status ``shutdown`` (open traders finish, none is started), and whether its buys may rest."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    keep_buys = sa.Column("keep_buys", sa.Boolean, nullable=False, server_default=sa.false())
    if op.get_bind().dialect.name == "postgresql":
        # A value added inside a transaction cannot be used before that transaction ends.
        with op.get_context().autocommit_block():
            op.execute("ALTER TYPE trading_status ADD VALUE IF NOT EXISTS 'shutdown'")
        op.add_column("settings", keep_buys)
        return
    with op.batch_alter_table("settings") as settings:
        settings.drop_constraint(op.f("ck_settings_status"), type_="check")
        settings.create_check_constraint(op.f("ck_settings_status"), "status IN ('on', 'off', 'shutdown')")
        settings.add_column(keep_buys)


def downgrade() -> None:
    raise NotImplementedError("a journal is never taken back: restore a backup instead")
