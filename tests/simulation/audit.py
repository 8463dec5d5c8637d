"""What must hold when everything is quiet: the exchange's ledger against the journal, row by row, exactly."""

from collections import Counter
from typing import Any

from naived.core.amount import Amount, parse_amount
from naived.core.order import Side
from naived.simulator.exchange import Exchange
from naived.simulator.order import Order
from tests.simulation.oracle import Oracle

_ALL = -1  # SQLite's LIMIT for no limit
_PLACED = ("open", "partially_filled", "filled", "cancelled", "expired")
_NEVER = ("rejected", "not_placed", "abandoned")


def audit(oracle: Oracle, exchange: Exchange, initial: dict[str, Amount]) -> None:
    """Tell the oracle of everything that is wrong."""
    ledger = exchange.ledger.history
    ours = [order for order in ledger.orders(None, limit=_ALL) if oracle.is_ours(order)]
    rows = {row["client_order_id"]: row for row in oracle.rows("SELECT * FROM orders")}
    _placed_once(oracle, ours, rows)
    _fills(oracle, exchange, ours)
    _conserved(oracle, exchange, initial)
    _traders(oracle, rows)


def _placed_once(oracle: Oracle, ours: list[Order], rows: dict[str, dict[str, Any]]) -> None:
    for cid, number in Counter(order.client_order_id for order in ours).items():
        if number > 1:
            oracle.blame(2, f"{cid} is {number} orders")
    placed = {order.client_order_id: order for order in ours}
    for cid, row in rows.items():
        order = placed.get(cid)
        if row["state"] in ("intended", "unknown", "quarantined"):
            oracle.blame(21, f"{cid} is still {row['state']}: {row['reason']}")
        if row["state"] in _PLACED and order is None:
            oracle.blame(2, f"{cid} is {row['state']} and was never placed")
        if row["state"] in _NEVER and order is not None:
            oracle.blame(2, f"{cid} is {row['state']} and was placed as {order.id}")
    for order in ours:
        row = rows.get(order.client_order_id)
        if row is None:
            oracle.blame(3, f"order {order.id} ({order.client_order_id}) is not in the journal")
        elif row["state"] in _PLACED and _view(row) != _truth(order):
            oracle.blame(13, f"{order.client_order_id}: the journal has {_view(row)}, the exchange {_truth(order)}")


def _view(row: dict[str, Any]) -> tuple[object, ...]:
    return row["order_id"], row["state"], int(parse_amount(row["executed"]))


def _truth(order: Order) -> tuple[object, ...]:
    state = {
        "NEW": "open",
        "PARTIALLY_FILLED": "partially_filled",
        "FILLED": "filled",
        "CANCELED": "cancelled",
    }.get(order.status, "expired")
    return order.id, state, int(order.executed)


def _fills(oracle: Oracle, exchange: Exchange, ours: list[Order]) -> None:
    ids = {(order.symbol, order.id) for order in ours}
    there = {
        (fill.symbol, fill.order_id, fill.trade_id): (int(fill.price), int(fill.quantity), int(fill.fee))
        for fill in exchange.ledger.history.fills(None, limit=_ALL)
        if (fill.symbol, fill.order_id) in ids
    }
    here = {
        (row["symbol"], row["order_id"], row["trade_id"]): (
            int(parse_amount(row["price"])),
            int(parse_amount(row["quantity"])),
            int(parse_amount(row["fee"])),
        )
        for row in oracle.rows("SELECT * FROM fills")
    }
    for key in there.keys() - here.keys():
        oracle.blame(9, f"fill {key} is not in the journal")
    for key in here.keys() - there.keys():
        oracle.blame(9, f"fill {key} is not at the exchange")
    for key in here.keys() & there.keys():
        if here[key] != there[key]:
            oracle.blame(9, f"fill {key} is {here[key]} in the journal, {there[key]} at the exchange")


def _conserved(oracle: Oracle, exchange: Exchange, initial: dict[str, Amount]) -> None:
    """What there was, moved by every fill less its fee, is what there is; all orders count, ours or not."""
    history = exchange.ledger.history
    sides = {(order.symbol, order.id): order.side for order in history.orders(None, limit=_ALL)}
    moved = Counter({asset: int(amount) for asset, amount in initial.items()})
    for fill in history.fills(None, limit=_ALL):
        info = exchange.markets[fill.symbol].listing.info
        sign = 1 if sides[fill.symbol, fill.order_id] is Side.BUY else -1
        moved[info.base] += sign * fill.quantity
        moved[info.quote] -= sign * fill.quote
        moved[fill.fee_asset] -= fill.fee
    for asset, balance in exchange.account.balances().items():
        if balance.free + balance.locked != moved[asset]:
            oracle.blame(8, f"{balance.free + balance.locked} {asset} are there, the fills make {moved[asset]}")


def _traders(oracle: Oracle, rows: dict[str, dict[str, Any]]) -> None:
    """One sell per filled buy: what a trader bought is sold, offered, held, or left over, to the last unit."""
    bought: Counter[tuple[str, int]] = Counter()
    sold: Counter[tuple[str, int]] = Counter()
    by_order = {(row["symbol"], row["order_id"]): row for row in rows.values() if row["order_id"] is not None}
    base_fees: Counter[tuple[str, int]] = Counter()
    for fill in oracle.rows("SELECT * FROM fills"):
        order = by_order[fill["symbol"], fill["order_id"]]
        key = (order["symbol"], order["trader"])
        quantity, fee = parse_amount(fill["quantity"]), parse_amount(fill["fee"])
        if order["side"] == "buy":
            bought[key] += quantity
            base_fees[key] += fee
        else:
            sold[key] += quantity
    left: Counter[str] = Counter()
    for trader in oracle.rows("SELECT * FROM traders"):
        key = (trader["symbol"], trader["number"])
        carried, dust = (parse_amount(trader[name] or "0") for name in ("carried_quantity", "dust_quantity"))
        left[trader["symbol"]] -= carried
        if trader["phase"] == "finished":
            left[trader["symbol"]] += dust
            if bought[key] - base_fees[key] + carried - sold[key] != dust:
                oracle.blame(
                    4, f"{key}: bought {bought[key]} - {base_fees[key]} + {carried}, sold {sold[key]}, {dust} left"
                )
        elif sold[key] > bought[key] - base_fees[key] + carried:
            oracle.blame(4, f"{key} sold {sold[key]} of {bought[key] - base_fees[key] + carried}")
    forgiven = {row["symbol"] for row in oracle.rows("SELECT symbol FROM events WHERE kind = 'written off'")}
    for row in oracle.rows("SELECT symbol, leftover_quantity FROM settings"):
        if row["symbol"] in forgiven:
            continue
        if parse_amount(row["leftover_quantity"]) != left[row["symbol"]]:
            oracle.blame(
                4,
                f"{row['symbol']} has {row['leftover_quantity']} left over, its traders left {left[row['symbol']]}",
            )
