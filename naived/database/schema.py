"""The tables, for SQLAlchemy Core. A person may read them with other tools.

Python sees integers: 10^-8 for decimals, milliseconds since 1970 for times. The database stores readable values:
``NUMERIC`` and ``timestamptz`` on PostgreSQL, canonical decimals and RFC 3339 as text on SQLite. The last migration
results in exactly this schema; a test compares the two.
"""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from naived.core.orders.client_id import Foreign
from naived.core.orders.intent import Side
from naived.core.orders.state import TERMINAL, State
from naived.core.risk import HaltedBy
from naived.core.strategy.settings import Status
from naived.database.columns import DecimalAmount, Instant

PHASES = ("waiting", "buying", "holding", "selling", "finished")

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite numbers rows automatically only for INTEGER
_TRADING_STATUS = sa.Enum(
    *(status.value for status in Status), name="trading_status", metadata=metadata
).with_variant(sa.Text(), "sqlite")


def _one_of(column: str, values: Iterable[str]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


def _partial_index(name: str, where: sa.TextClause, *columns: sa.Column[Any], unique: bool = False) -> None:
    """An index of the rows that match ``where``. Only queries with literally the same condition use it."""
    sa.Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


deployment = sa.Table(
    "deployment",
    metadata,
    sa.Column(
        "id", sa.Integer, sa.CheckConstraint("id = 1", name="one_row"), primary_key=True, autoincrement=False
    ),
    sa.Column("tag", sa.Text, nullable=False),
    sa.Column("exchange", sa.Text),
    sa.Column("account_uid", sa.Text),
    sa.Column("epoch", sa.BigInteger, nullable=False),  # the last one that anybody got
    sa.Column("server", sa.Text),  # on which all symbols were compared with the exchange, see server.py
)

# The processes that may write, by the names of their nodes: with one database of its own there is one.
nodes = sa.Table(
    "nodes",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False, unique=True),
    sa.Column("written", sa.BigInteger, nullable=False),
    sa.Column("heartbeat", Instant, nullable=False),
    sa.Column("until", Instant, nullable=False),
    sa.Column("draining", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("exchange_away", sa.Text),  # why it does not reach the exchange; NULL: it does
)

# Which node has a symbol; nobody (NULL), or nobody any more once that node is gone.
leases = sa.Table(
    "leases",
    metadata,
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("node", sa.Text),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("until", Instant, nullable=False),
    sa.Column("compared", sa.Text),  # the server on which it was compared
)

# What each symbol's node said of it last: an entry of ``status``.
statuses = sa.Table(
    "statuses",
    metadata,
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("node", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

# What was asked of one node about a symbol of another.
requests = sa.Table(
    "requests",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("params", sa.Text, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("changes", sa.Boolean, nullable=False),
    sa.Column("asked_at", Instant, nullable=False),
    sa.Column("done_at", Instant),
    sa.Column("answer", sa.Text),
)
_partial_index("waiting_requests", sa.text("answer IS NULL"), requests.c.symbol)

settings = sa.Table(
    "settings",
    metadata,
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("status", _TRADING_STATUS, nullable=False),
    sa.Column("chunks", sa.Integer, nullable=False),
    sa.Column("budget", DecimalAmount),
    sa.Column("buy_down_interval", DecimalAmount, nullable=False),
    sa.Column("profit_interval", DecimalAmount, nullable=False),
    sa.Column("rebuy_interval", DecimalAmount, nullable=False),
    sa.Column("reprice_interval", DecimalAmount, nullable=False),
    sa.Column("next_trader", sa.BigInteger, nullable=False),
    # Coins that were sold and are owed, and what they brought; both are 0 or negative.
    sa.Column("owed_quantity", DecimalAmount, nullable=False),
    sa.Column("owed_cost", DecimalAmount, nullable=False),
    sa.Column("keep_buys", sa.Boolean, nullable=False, server_default=sa.false()),
    # The number of finished cycles and the sum of their profits, so that a start need not read all of them.
    sa.Column("cycles", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("realized_profit", DecimalAmount, nullable=False, server_default="0"),
    sa.Column("max_deviation", DecimalAmount, nullable=False, server_default="0.1"),
    sa.Column("forgotten", sa.Boolean, nullable=False, server_default=sa.false()),
    # The part of the profit that came on this day, in days of UTC since 1970.
    sa.Column("profit_day", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("day_profit", DecimalAmount, nullable=False, server_default="0"),
    # Guards of the symbol: no buy nearer to another one, below, above.
    sa.Column("spacing", DecimalAmount, nullable=False, server_default="0"),
    sa.Column("floor", DecimalAmount),
    sa.Column("ceiling", DecimalAmount),
    # What positions have cost and live buys tie up, in this quote asset (NULL: not known yet).
    sa.Column("quote", sa.Text),
    sa.Column("exposure", DecimalAmount, nullable=False, server_default="0"),
    # No buy while the price is that far below the highest one of so many ms; at which loss coins are sold, and how
    # far below the trade.
    sa.Column("fall_guard", DecimalAmount),
    sa.Column("fall_guard_ms", sa.BigInteger),
    sa.Column("stop_loss", DecimalAmount, nullable=False, server_default="0"),
    sa.Column("stop_slippage", DecimalAmount, nullable=False, server_default="0.005"),
    sa.Column("closed_at", Instant),  # when the market was found closed; NULL: it is open
    _one_of("status", Status).ddl_if(dialect="sqlite"),
)

lots = sa.Table(
    "lots",
    metadata,
    sa.Column("symbol", sa.Text, sa.ForeignKey(settings.c.symbol), primary_key=True),
    sa.Column("price", DecimalAmount, primary_key=True),
    sa.Column("quantity", DecimalAmount, nullable=False),
    sa.Column("cost", DecimalAmount, nullable=False),
)

halts = sa.Table(
    "halts",
    metadata,
    # The symbol; empty for the whole account.
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("since", Instant, nullable=False),
    sa.Column("keep_buys", sa.Boolean, nullable=False),
    sa.Column("until", Instant),
    _one_of("by", HaltedBy),
)

# Open orders of another naived, by its tag, that were found when the journal had no order: they block the symbol
# until they have ended, or until a person says to go on beside them.
foreign_orders = sa.Table(
    "foreign_orders",
    metadata,
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("tag", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    _one_of("state", Foreign),
)

# What the owner is ready to tie up or lose, in this currency; one row. New buys and a halt of the account lock it.
limits = sa.Table(
    "limits",
    metadata,
    sa.Column(
        "id", sa.Integer, sa.CheckConstraint("id = 1", name="one_row"), primary_key=True, autoincrement=False
    ),
    sa.Column("max_exposure", DecimalAmount),
    sa.Column("reserve", DecimalAmount),
    sa.Column("max_daily_loss", DecimalAmount),
    sa.Column("max_drawdown", DecimalAmount),
    sa.Column("currency", sa.Text),
)

# What all trading has made since it began, in this currency; one row, none before it was first known.
worth = sa.Table(
    "worth",
    metadata,
    sa.Column(
        "id", sa.Integer, sa.CheckConstraint("id = 1", name="one_row"), primary_key=True, autoincrement=False
    ),
    sa.Column("currency", sa.Text, nullable=False),
    # The last value, its value when the day began (in days of UTC since 1970), and the highest one.
    sa.Column("value", DecimalAmount, nullable=False),
    sa.Column("day", sa.BigInteger, nullable=False),
    sa.Column("day_start", DecimalAmount, nullable=False),
    sa.Column("peak", DecimalAmount, nullable=False),
    # How often start and peak were begun anew.
    sa.Column("round", sa.BigInteger, nullable=False),
)

# What each symbol's trading made, in its quote asset, and the last confirmed price that it was counted at.
gains = sa.Table(
    "gains",
    metadata,
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("quote", sa.Text, nullable=False),
    sa.Column("gain", DecimalAmount, nullable=False),
    sa.Column("price", DecimalAmount),
)

traders = sa.Table(
    "traders",
    metadata,
    sa.Column("symbol", sa.Text, sa.ForeignKey(settings.c.symbol), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("phase", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("since", Instant, nullable=False),
    sa.Column("rebuy_notified", sa.Boolean, nullable=False),
    sa.Column("buys", sa.Integer, nullable=False),
    sa.Column("sells", sa.Integer, nullable=False),
    # The trader's terms.
    sa.Column("budget", DecimalAmount, nullable=False),
    sa.Column("chunks", sa.Integer, nullable=False),
    sa.Column("buy_down_interval", DecimalAmount, nullable=False),
    sa.Column("profit_interval", DecimalAmount, nullable=False),
    sa.Column("rebuy_interval", DecimalAmount, nullable=False),
    sa.Column("reprice_interval", DecimalAmount, nullable=False),
    sa.Column("buy_fee", DecimalAmount, nullable=False),
    sa.Column("sell_fee", DecimalAmount, nullable=False),
    # Columns of some phases; NULL in the others.
    sa.Column("wait_after", Instant),
    sa.Column("seq", sa.Integer),
    sa.Column("accepted", sa.Boolean),
    sa.Column("cancelling", sa.Boolean),
    sa.Column("hold", sa.Text),
    sa.Column("retry_at", Instant),
    sa.Column("failures", sa.Integer),
    sa.Column("limit_price", DecimalAmount),
    sa.Column("bought", DecimalAmount),
    sa.Column("cost", DecimalAmount),
    sa.Column("base_fees", DecimalAmount),
    sa.Column("carried_quantity", DecimalAmount),
    sa.Column("carried_cost", DecimalAmount),
    sa.Column("sold", DecimalAmount),
    sa.Column("received", DecimalAmount),
    sa.Column("quote_fees", DecimalAmount),
    sa.Column("sold_base_fees", DecimalAmount),
    sa.Column("dust_quantity", DecimalAmount),
    sa.Column("dust_cost", DecimalAmount),
    sa.Column("profit", DecimalAmount),
    # The number of this finished cycle, counted over the whole database; readers page by it.
    sa.Column("cycle", sa.BigInteger, unique=True),
    # Added later, so behind the others: which trader's rebuy began its line, and more of some phases.
    sa.Column("origin", sa.BigInteger),
    sa.Column("wait_behind", sa.BigInteger),
    sa.Column("decided_on", DecimalAmount),
    sa.Column("carried_price", DecimalAmount),
    sa.Column("dust_price", DecimalAmount),
    sa.Column("buy_fees_valued", DecimalAmount),
    sa.Column("sell_fees_valued", DecimalAmount),
    sa.Column("rebuy_spent", sa.Boolean, nullable=False, server_default=sa.false()),
    # The limit at which the stop-loss sells; NULL while it was not reached.
    sa.Column("stop", DecimalAmount),
    _one_of("phase", PHASES),
    sa.CheckConstraint("(phase IN ('buying', 'selling')) = (seq IS NOT NULL)", name="seq_of_intent"),
)

FINISHED = sa.text("cycle IS NOT NULL")
_partial_index("cycles_of_symbol", FINISHED, traders.c.symbol, traders.c.cycle)
LIVING = sa.text("phase != 'finished'")
_partial_index("living_traders", LIVING, traders.c.symbol, traders.c.number)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("id", _ROW_ID, primary_key=True),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("trader", sa.BigInteger, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("client_order_id", sa.Text, nullable=False, unique=True),
    sa.Column("order_id", sa.BigInteger),
    sa.Column("price", DecimalAmount, nullable=False),
    sa.Column("quantity", DecimalAmount, nullable=False),
    sa.Column("executed", DecimalAmount, nullable=False),
    sa.Column("reported", DecimalAmount, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("final", sa.Text),
    sa.Column("cancelling", sa.Boolean, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("signed_at", Instant),
    sa.Column("recv_window_ms", sa.Integer),
    sa.Column("stp_mode", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("code", sa.Integer),
    sa.Column("decided_at", Instant, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("amended", DecimalAmount),
    sa.Column("adopted", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("by_exchange", sa.Boolean, nullable=False, server_default=sa.false()),
    # What is not executed at once expires.
    sa.Column("ioc", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.ForeignKeyConstraint(["symbol", "trader"], [traders.c.symbol, traders.c.number]),
    sa.UniqueConstraint("symbol", "trader", "side", "seq"),
    sa.UniqueConstraint("symbol", "order_id"),
    _one_of("side", Side),
    _one_of("state", State),
)

LIVE = sa.text("state NOT IN ({})".format(", ".join(f"'{state}'" for state in State if state in TERMINAL)))
_partial_index("live_orders", LIVE, orders.c.symbol)
# A trader may have decided again before one that it gave up appears: that is in quarantine, or a person adopts it.
ALONE = sa.text(f"{LIVE} AND state != '{State.QUARANTINED}' AND NOT adopted")
_partial_index("one_live_intent", ALONE, orders.c.symbol, orders.c.trader, orders.c.side, unique=True)
ABANDONED = sa.text(f"state = '{State.ABANDONED}'")
_partial_index("abandoned_orders", ABANDONED, orders.c.updated_at)
sa.Index("orders_of_symbol", orders.c.symbol, orders.c.id)

fills = sa.Table(
    "fills",
    metadata,
    sa.Column("id", _ROW_ID, primary_key=True),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("order_id", sa.BigInteger, nullable=False),
    sa.Column("trade_id", sa.BigInteger, nullable=False),
    sa.Column("price", DecimalAmount, nullable=False),
    sa.Column("quantity", DecimalAmount, nullable=False),
    sa.Column("quote", DecimalAmount, nullable=False),
    sa.Column("fee", DecimalAmount, nullable=False),
    sa.Column("fee_asset", sa.Text, nullable=False),
    sa.Column("maker", sa.Boolean, nullable=False),
    sa.Column("time", Instant, nullable=False),
    sa.Column("fee_value", DecimalAmount),
    sa.ForeignKeyConstraint(["symbol", "order_id"], [orders.c.symbol, orders.c.order_id]),
    sa.UniqueConstraint("symbol", "order_id", "trade_id"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", _ROW_ID, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("symbol", sa.Text),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
)

control_request = sa.Table(
    "control_request",
    metadata,
    sa.Column("id", _ROW_ID, primary_key=True),
    sa.Column("request_id", sa.Text, nullable=False, unique=True),
    sa.Column("result", sa.Text, nullable=False),
)
