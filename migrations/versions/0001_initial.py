"""The first schema. Types and values are literals, so that later changes of the code do not change it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DECIMAL = sa.Numeric(28, 8).with_variant(sa.Text(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
STATUS = sa.Text().with_variant(
    postgresql.ENUM("on", "off", name="trading_status", create_type=False), "postgresql"
)
LIVE = sa.text("state NOT IN ('filled', 'cancelled', 'expired', 'rejected', 'abandoned')")


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "deployment",
        sa.Column("id", sa.Integer, autoincrement=False),
        sa.Column("tag", sa.Text, nullable=False),
        sa.Column("exchange", sa.Text),
        sa.Column("account_uid", sa.Text),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("written", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deployment"),
        sa.CheckConstraint("id = 1", name=op.f("ck_deployment_one_row")),
    )
    if on_postgresql:
        op.execute("CREATE TYPE trading_status AS ENUM ('on', 'off')")
        status_check = []
    else:
        status_check = [sa.CheckConstraint("status IN ('on', 'off')", name=op.f("ck_settings_status"))]
    op.create_table(
        "settings",
        sa.Column("symbol", sa.Text),
        sa.Column("status", STATUS, nullable=False),
        sa.Column("chunks", sa.Integer, nullable=False),
        sa.Column("budget", DECIMAL),
        sa.Column("buy_down_interval", DECIMAL, nullable=False),
        sa.Column("profit_interval", DECIMAL, nullable=False),
        sa.Column("rebuy_interval", DECIMAL, nullable=False),
        sa.Column("reprice_interval", DECIMAL, nullable=False),
        sa.Column("next_trader", sa.BigInteger, nullable=False),
        sa.Column("leftover_quantity", DECIMAL, nullable=False),
        sa.Column("leftover_cost", DECIMAL, nullable=False),
        sa.PrimaryKeyConstraint("symbol", name="pk_settings"),
        *status_check,
    )
    op.create_table(
        "traders",
        sa.Column("symbol", sa.Text),
        sa.Column("number", sa.BigInteger, autoincrement=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("rebuy_notified", sa.Boolean, nullable=False),
        sa.Column("buys", sa.Integer, nullable=False),
        sa.Column("sells", sa.Integer, nullable=False),
        sa.Column("budget", DECIMAL, nullable=False),
        sa.Column("chunks", sa.Integer, nullable=False),
        sa.Column("buy_down_interval", DECIMAL, nullable=False),
        sa.Column("profit_interval", DECIMAL, nullable=False),
        sa.Column("rebuy_interval", DECIMAL, nullable=False),
        sa.Column("reprice_interval", DECIMAL, nullable=False),
        sa.Column("buy_fee", DECIMAL, nullable=False),
        sa.Column("sell_fee", DECIMAL, nullable=False),
        sa.Column("wait_after", INSTANT),
        sa.Column("seq", sa.Integer),
        sa.Column("accepted", sa.Boolean),
        sa.Column("cancelling", sa.Boolean),
        sa.Column("hold", sa.Text),
        sa.Column("retry_at", INSTANT),
        sa.Column("failures", sa.Integer),
        sa.Column("limit_price", DECIMAL),
        sa.Column("bought", DECIMAL),
        sa.Column("cost", DECIMAL),
        sa.Column("base_fees", DECIMAL),
        sa.Column("carried_quantity", DECIMAL),
        sa.Column("carried_cost", DECIMAL),
        sa.Column("sold", DECIMAL),
        sa.Column("received", DECIMAL),
        sa.Column("quote_fees", DECIMAL),
        sa.Column("sold_base_fees", DECIMAL),
        sa.Column("dust_quantity", DECIMAL),
        sa.Column("dust_cost", DECIMAL),
        sa.Column("profit", DECIMAL),
        sa.Column("cycle", sa.BigInteger),
        sa.PrimaryKeyConstraint("symbol", "number", name="pk_traders"),
        sa.ForeignKeyConstraint(["symbol"], ["settings.symbol"], name="fk_traders_settings"),
        sa.UniqueConstraint("cycle", name="uq_traders_cycle"),
        sa.CheckConstraint(
            "phase IN ('waiting', 'buying', 'holding', 'selling', 'finished')", name=op.f("ck_traders_phase")
        ),
        sa.CheckConstraint(
            "(phase IN ('buying', 'selling')) = (seq IS NOT NULL)", name=op.f("ck_traders_seq_of_intent")
        ),
    )
    op.create_table(
        "orders",
        sa.Column("id", ROW_ID),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("trader", sa.BigInteger, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("client_order_id", sa.Text, nullable=False),
        sa.Column("order_id", sa.BigInteger),
        sa.Column("price", DECIMAL, nullable=False),
        sa.Column("quantity", DECIMAL, nullable=False),
        sa.Column("executed", DECIMAL, nullable=False),
        sa.Column("reported", DECIMAL, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("final", sa.Text),
        sa.Column("cancelling", sa.Boolean, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("signed_at", INSTANT),
        sa.Column("recv_window_ms", sa.Integer),
        sa.Column("stp_mode", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("code", sa.Integer),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
        sa.ForeignKeyConstraint(
            ["symbol", "trader"], ["traders.symbol", "traders.number"], name="fk_orders_traders"
        ),
        sa.UniqueConstraint("client_order_id", name="uq_orders_client_order_id"),
        sa.UniqueConstraint("symbol", "trader", "side", "seq", name="uq_orders_symbol_trader_side_seq"),
        sa.UniqueConstraint("symbol", "order_id", name="uq_orders_symbol_order_id"),
        sa.CheckConstraint("side IN ('buy', 'sell')", name=op.f("ck_orders_side")),
        sa.CheckConstraint(
            "state IN ('intended', 'unknown', 'open', 'partially_filled', 'filled', 'cancelled', 'expired', "
            "'rejected', 'not_placed', 'abandoned', 'quarantined')",
            name=op.f("ck_orders_state"),
        ),
    )
    op.create_index(
        "one_live_intent",
        "orders",
        ["symbol", "trader", "side"],
        unique=True,
        sqlite_where=LIVE,
        postgresql_where=LIVE,
    )
    op.create_table(
        "fills",
        sa.Column("id", ROW_ID),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("order_id", sa.BigInteger, nullable=False),
        sa.Column("trade_id", sa.BigInteger, nullable=False),
        sa.Column("price", DECIMAL, nullable=False),
        sa.Column("quantity", DECIMAL, nullable=False),
        sa.Column("quote", DECIMAL, nullable=False),
        sa.Column("fee", DECIMAL, nullable=False),
        sa.Column("fee_asset", sa.Text, nullable=False),
        sa.Column("maker", sa.Boolean, nullable=False),
        sa.Column("time", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_fills"),
        sa.ForeignKeyConstraint(
            ["symbol", "order_id"], ["orders.symbol", "orders.order_id"], name="fk_fills_orders"
        ),
        sa.UniqueConstraint("symbol", "order_id", "trade_id", name="uq_fills_symbol_order_id_trade_id"),
    )
    op.create_table(
        "events",
        sa.Column("id", ROW_ID),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("symbol", sa.Text),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_table(
        "control_request",
        sa.Column("id", ROW_ID),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_control_request"),
        sa.UniqueConstraint("request_id", name="uq_control_request_request_id"),
    )


def downgrade() -> None:
    raise NotImplementedError("a journal is never taken back: restore a backup instead")
