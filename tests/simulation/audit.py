"""What must hold when everything is quiet: the exchange's ledger against the journal, row by row, exactly.

One judgement for the simulated world and for real processes; the numbers are those of
docs/RELIABILITY.md.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from naived.core.orders.intent import Side
from naived.core.orders.report import Fill
from naived.database import schema
from naived.database.engine import Role, open_engine, parse_url
from naived.simulator.ledger import Ledger
from naived.simulator.order import Order
from naived.simulator.symbols import load

_ALL = -1  # SQLite's LIMIT for no limit
_PLACED = ("open", "partially_filled", "filled", "cancelled", "expired")
_NEVER = ("rejected", "not_placed", "abandoned")
_STATES = {"NEW": "open", "PARTIALLY_FILLED": "partially_filled", "FILLED": "filled", "CANCELED": "cancelled"}

_OF_A_FILL = ("price", "quantity", "quote", "fee", "fee_asset", "maker", "time")

Blame = Callable[[int, str], None]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Journal:
    """The rows of the tables that a database of either kind has: amounts are integers of 10^-8, times are ms."""

    prefix: str
    settings: Sequence[Row]
    lots: Sequence[Row]
    traders: Sequence[Row]
    orders: Sequence[Row]
    fills: Sequence[Row]
    events: Sequence[Row]


def read(database: str) -> Journal:
    """All that is committed in the database of this URL; raises SQLAlchemyError."""
    engine = open_engine(parse_url(database), Role.READ)
    try:
        with engine.connect() as connection:

            def rows(table: sa.Table) -> Sequence[Row]:
                return [dict(row._mapping) for row in connection.execute(sa.select(table))]

            (deployment,) = rows(schema.deployment)
            tables = (schema.settings, schema.lots, schema.traders, schema.orders, schema.fills, schema.events)
            return Journal(f"n1{deployment['tag']}-", *(rows(table) for table in tables))
    finally:
        engine.dispose()


def audit(
    ledger: Ledger,
    journal: Journal,
    initial: Mapping[str, int],
    blame: Blame,
    gone: Collection[str] = (),
    *,
    lossy: bool = False,
) -> None:
    """Tell of everything that is wrong.

    ``initial`` is what the account began with, with what was paid in and without what was paid out. Symbols that
    are ``gone`` from the exchange answer no question any more: what became of their last orders need not be known.
    ``lossy``: the database lost commits, and an order that ended without a fill gets no row again.
    """
    every = ledger.history.orders(None, limit=_ALL)
    fills = ledger.history.fills(None, limit=_ALL)
    ours = [order for order in every if order.client_order_id.startswith(journal.prefix)]
    _placed_once(ours, journal, blame, gone, lossy=lossy)
    _left_alone(every, journal, blame)
    _applied(ours, fills, journal, blame, gone)
    _conserved(ledger, every, fills, initial, blame)
    _one_sell_per_buy(journal, blame)
    _fees_valued(journal, blame)


def _placed_once(
    ours: Sequence[Order], journal: Journal, blame: Blame, gone: Collection[str], *, lossy: bool
) -> None:
    rows = {row["client_order_id"]: row for row in journal.orders}
    for cid, number in Counter(order.client_order_id for order in ours).items():
        if number > 1:
            blame(2, f"{cid} is {number} orders")
    placed = {order.client_order_id: order for order in ours}
    for cid, row in rows.items():
        order = placed.get(cid)
        if row["symbol"] in gone:
            continue
        if row["state"] in ("intended", "unknown", "quarantined"):
            blame(21, f"{cid} is still {row['state']}: {row['reason']}")
        if row["state"] in _PLACED and order is None:
            blame(2, f"{cid} is {row['state']} and was never placed")
        if row["state"] in _NEVER and order is not None:
            blame(2, f"{cid} is {row['state']} and was placed as {order.id}")
    for order in ours:
        found = rows.get(order.client_order_id)
        if found is None:
            if not (lossy and order.status.ended and not order.executed):
                blame(3, f"order {order.id} ({order.client_order_id}) is not in the journal")
        elif found["state"] in _PLACED and order.symbol not in gone and _view(found) != _truth(order):
            blame(13, f"{order.client_order_id}: the journal has {_view(found)}, the exchange {_truth(order)}")


def _view(row: Row) -> tuple[object, ...]:
    return row["order_id"], row["state"], row["executed"]


def _truth(order: Order) -> tuple[object, ...]:
    return order.id, _STATES.get(order.status.value, "expired"), int(order.executed)


def _left_alone(every: Sequence[Order], journal: Journal, blame: Blame) -> None:
    """Nobody else's order was cancelled by us."""
    for order in every:
        foreign = not order.client_order_id.startswith(journal.prefix)
        if foreign and (order.cancel_id or "").startswith(journal.prefix):
            blame(3, f"order {order.id} of somebody else was cancelled")


def _applied(
    ours: Sequence[Order], fills: Sequence[Fill], journal: Journal, blame: Blame, gone: Collection[str]
) -> None:
    """Each fill once, as it was, and the sums are what the exchange says was executed."""
    ids = {(order.symbol, order.id) for order in ours}
    there = {
        (fill.symbol, fill.order_id, fill.trade_id): tuple(getattr(fill, name) for name in _OF_A_FILL)
        for fill in fills
        if (fill.symbol, fill.order_id) in ids
    }
    here = {
        (row["symbol"], row["order_id"], row["trade_id"]): tuple(row[name] for name in _OF_A_FILL)
        for row in journal.fills
    }
    if len(here) != len(journal.fills):
        blame(9, f"{len(journal.fills) - len(here)} fills were applied twice")
    for key in there.keys() - here.keys():
        if key[0] not in gone:
            blame(9, f"fill {key} is not in the journal")
    for key in here.keys() - there.keys():
        blame(9, f"fill {key} is not at the exchange")
    for key in here.keys() & there.keys():
        if here[key] != there[key]:
            blame(9, f"fill {key} is {here[key]} in the journal, {there[key]} at the exchange")
    sums: Counter[tuple[str, int]] = Counter()
    for row in journal.fills:
        sums[row["symbol"], row["order_id"]] += row["quantity"]
    for row in journal.orders:
        filled = sums[row["symbol"], row["order_id"]]
        if filled != row["executed"]:
            blame(9, f"{row['client_order_id']} executed {row['executed']}, its fills are {filled}")


def _conserved(
    ledger: Ledger, every: Sequence[Order], fills: Sequence[Fill], initial: Mapping[str, int], blame: Blame
) -> None:
    """What there was, moved by every fill less its fee, is what there is; all orders count, ours or not."""
    listings, _ = load(None)
    sides = {(order.symbol, order.id): order.side for order in every}
    moved = Counter(initial)
    for fill in fills:
        info = listings[fill.symbol].info
        sign = 1 if sides[fill.symbol, fill.order_id] is Side.BUY else -1
        moved[info.base] += sign * fill.quantity
        moved[info.quote] -= sign * fill.quote
        moved[fill.fee_asset] -= fill.fee
    for asset, balance in ledger.balances().items():
        if balance.free + balance.locked != moved[asset]:
            blame(8, f"{balance.free + balance.locked} {asset} are there, the fills make {moved[asset]}")


def _one_sell_per_buy(journal: Journal, blame: Blame) -> None:
    """What a trader bought is sold, offered, held, or left over, to the last unit."""
    bought: Counter[tuple[str, int]] = Counter()
    sold: Counter[tuple[str, int]] = Counter()
    by_order = {(row["symbol"], row["order_id"]): row for row in journal.orders if row["order_id"] is not None}
    base_fees: Counter[tuple[str, int]] = Counter()
    for fill in journal.fills:
        order = by_order.get((fill["symbol"], fill["order_id"]))
        if order is None:
            blame(9, f"fill {fill['trade_id']} of {fill['symbol']} is of an order that is not in the journal")
            continue
        key = (order["symbol"], order["trader"])
        if order["side"] == "buy":
            bought[key] += fill["quantity"]
            base_fees[key] += fill["fee"] if fill["symbol"].startswith(fill["fee_asset"]) else 0
        else:
            sold[key] += fill["quantity"]
    left: Counter[str] = Counter()
    for trader in journal.traders:
        key = (trader["symbol"], trader["number"])
        carried, dust = trader["carried_quantity"] or 0, trader["dust_quantity"] or 0
        left[trader["symbol"]] -= carried
        if trader["phase"] == "finished":
            left[trader["symbol"]] += dust
            if bought[key] - base_fees[key] + carried - sold[key] != dust:
                blame(
                    4, f"{key}: bought {bought[key]} - {base_fees[key]} + {carried}, sold {sold[key]}, {dust} left"
                )
        elif sold[key] > bought[key] - base_fees[key] + carried:
            blame(4, f"{key} sold {sold[key]} of {bought[key] - base_fees[key] + carried}")
    forgiven = {row["symbol"] for row in journal.events if row["kind"] == "written off"}
    for row in journal.settings:
        symbol = row["symbol"]
        kept = row["owed_quantity"] + sum(lot["quantity"] for lot in journal.lots if lot["symbol"] == symbol)
        if symbol not in forgiven and kept != left[symbol]:
            blame(4, f"{symbol} has lots of {kept}, its traders left {left[symbol]}")


def _fees_valued(journal: Journal, blame: Blame) -> None:
    """A fee in a third asset lessens the profit of its trader by its value, once."""
    traders = {
        (row["symbol"], row["order_id"]): (row["symbol"], row["trader"])
        for row in journal.orders
        if not row["adopted"]
    }
    valued: Counter[tuple[str, int] | None] = Counter()
    for fill in journal.fills:
        valued[traders.get((fill["symbol"], fill["order_id"]))] += fill["fee_value"] or 0
    forgiven = {row["symbol"] for row in journal.events if row["kind"] == "written off"}
    for row in journal.traders:
        key = row["symbol"], row["number"]
        if row["phase"] != "finished" or row["symbol"] in forgiven or row["bought"] is None:
            continue
        fees = (row["buy_fees_valued"] or 0) + (row["sell_fees_valued"] or 0)
        if fees != valued[key]:
            blame(8, f"{key} counts {fees} for fees in a third asset, its fills say {valued[key]}")
        cost = row["cost"] + row["carried_cost"] - row["dust_cost"]
        profit = row["received"] - row["quote_fees"] - fees - cost
        if row["profit"] not in (None, profit):
            blame(8, f"{key} has a profit of {row['profit']}, it received {profit} more than it spent")
