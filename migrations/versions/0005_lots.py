"""Lots, lines of traders, the price behind a buy, fees in a third asset, orders amended or ended by others."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

DECIMAL = sa.Numeric(28, 8).with_variant(sa.Text(), "sqlite")
_DIGITS = 60  # more than a product of three 28-digit decimals needs before it is rounded
_UNIT = Decimal("0.00000001")
_USUAL_FEE = Decimal("0.001")  # of a symbol that never had a trader


def upgrade() -> None:
    op.create_table(
        "lots",
        sa.Column(
            "symbol", sa.Text, sa.ForeignKey("settings.symbol", name=op.f("fk_lots_settings")), nullable=False
        ),
        sa.Column("price", DECIMAL, nullable=False),
        sa.Column("quantity", DECIMAL, nullable=False),
        sa.Column("cost", DECIMAL, nullable=False),
        sa.PrimaryKeyConstraint("symbol", "price", name=op.f("pk_lots")),
    )
    for column in (
        sa.Column("origin", sa.BigInteger),
        sa.Column("wait_behind", sa.BigInteger),
        *(sa.Column(name, DECIMAL) for name in ("decided_on", "carried_price", "dust_price")),
        *(sa.Column(name, DECIMAL) for name in ("buy_fees_valued", "sell_fees_valued")),
    ):
        op.add_column("traders", column)
    op.add_column("orders", sa.Column("amended", DECIMAL))
    for name in ("adopted", "by_exchange"):
        op.add_column("orders", sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("fills", sa.Column("fee_value", DECIMAL))
    op.alter_column("settings", "leftover_quantity", new_column_name="owed_quantity")
    op.alter_column("settings", "leftover_cost", new_column_name="owed_cost")
    with localcontext(prec=_DIGITS):
        _make_lots()


def _make_lots() -> None:
    """A positive leftover becomes a lot; a cost without coins is booked as a loss. What is owed stays as it is."""
    connection = op.get_bind()
    rows = connection.exec_driver_sql(
        "SELECT symbol, profit_interval, owed_quantity, owed_cost, realized_profit FROM settings"
    ).all()
    for symbol, profit_interval, quantity_, cost_, realized in rows:
        quantity, cost = Decimal(quantity_), Decimal(cost_)
        if quantity < 0 or (not quantity and not cost):
            continue
        name = {"symbol": symbol}
        if quantity:
            fee = connection.execute(
                sa.text("SELECT sell_fee FROM traders WHERE symbol = :symbol ORDER BY number DESC LIMIT 1"), name
            ).scalar()
            rate = _USUAL_FEE if fee is None else Decimal(fee)
            price = (cost * (1 + Decimal(profit_interval)) / (quantity * (1 - rate))).quantize(_UNIT, ROUND_CEILING)
            values = {"price": _stored(price), "quantity": _stored(quantity), "cost": _stored(cost)}
            connection.execute(
                sa.text(
                    "INSERT INTO lots (symbol, price, quantity, cost) VALUES (:symbol, :price, :quantity, :cost)"
                ),
                {**name, **values},
            )
        else:
            values = {"profit": _stored(Decimal(realized) - cost)}
            connection.execute(
                sa.text("UPDATE settings SET realized_profit = :profit WHERE symbol = :symbol"), {**name, **values}
            )
            _tell(symbol, f"{_text(cost)} of cost without coins were booked as a loss")
        connection.execute(
            sa.text("UPDATE settings SET owed_quantity = :none, owed_cost = :none WHERE symbol = :symbol"),
            {**name, "none": _stored(Decimal(0))},
        )


def _tell(symbol: str, message: str) -> None:
    connection = op.get_bind()
    now = (
        "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
        if connection.dialect.name == "sqlite"
        else "date_trunc('milliseconds', now())"
    )
    connection.execute(
        sa.text(f"INSERT INTO events (at, symbol, kind, message) VALUES ({now}, :symbol, 'written off', :message)"),
        {"symbol": symbol, "message": f"{symbol}: {message}"},
    )


def _stored(value: Decimal) -> Decimal | str:
    """SQLite holds canonical text: no exponent, no trailing zeros."""
    return value if op.get_bind().dialect.name == "postgresql" else _text(value)


def _text(value: Decimal) -> str:
    return format(value.quantize(_UNIT, ROUND_FLOOR).normalize(), "f")


def downgrade() -> None:
    raise NotImplementedError("a journal is never taken back: restore a backup instead")
