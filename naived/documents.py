"""What control answers look like: values of the runtime and the journal as the documents that scripts rely on.

Decimals are texts without exponent or trailing zeros, times RFC 3339 in UTC with milliseconds.
"""

from collections.abc import Mapping
from typing import Any

from naived.control.protocol import format_time
from naived.core.amount import SCALE, Money, Price, format_amount, money_down, price_down
from naived.core.order import Side
from naived.core.phase import Buying, Finished, Holding, Selling, Trader, Waiting, position
from naived.core.placement import Placement
from naived.core.settings import Settings
from naived.core.strategy import Leftover
from naived.ports import CycleRow, EventRow, OrderRow
from naived.runtime.condition import condition
from naived.runtime.symbol import Symbol

Document = dict[str, Any]

_PHASES = {Waiting: "waiting", Buying: "buying", Holding: "holding", Selling: "selling", Finished: "finished"}
_COIN = Price(1)  # an average price is not a multiple of any tick


def settings(values: Settings) -> Document:
    """A symbol's settings; the budget is null where none was ever given."""
    return {
        "chunks": values.chunks,
        "budget": None if values.budget is None else format_amount(values.budget),
        "buy_down": format_amount(values.buy_down),
        "profit": format_amount(values.profit),
        "rebuy": format_amount(values.rebuy),
        "reprice": format_amount(values.reprice),
    }


def symbol(value: Symbol) -> Document:
    """One entry of ``status``."""
    leader = value.book.leader
    state, reason = condition(value)
    lane = value.lane
    return {
        "symbol": value.name,
        "status": str(value.wish.status),
        "state": str(state),
        "reason": reason,
        "chunks": leader.settings.chunks,
        "budget": None if leader.settings.budget is None else format_amount(leader.settings.budget),
        "last_price": None if lane.price is None else format_amount(lane.price),
        "last_trade_at": None if lane.time is None else format_time(lane.time),
        "cycles": leader.cycles,
        "realized_profit": format_amount(leader.profit),
        "unrealized_profit": _unrealized(value),
        "traders": [_trader(value, trader) for trader in leader.traders],
    }


def unset(name: str, defaults: Settings) -> Document:
    """The entry of ``status`` for a symbol that was never configured."""
    shown = settings(defaults)
    return {
        "symbol": name,
        "status": "off",
        "state": "off",
        "reason": "never configured",
        "chunks": shown["chunks"],
        "budget": shown["budget"],
        "last_price": None,
        "last_trade_at": None,
        "cycles": 0,
        "realized_profit": "0",
        "unrealized_profit": "0",
        "traders": [],
    }


def _unrealized(value: Symbol) -> str | None:
    """What selling all that is held at the last price would bring, less its cost; null without a price."""
    held = sum((position(trader) for trader in value.book.leader.traders), value.book.leader.leftover)
    if not held.quantity:
        return "0"
    if value.lane.price is None:
        return None
    return format_amount(_worth(value, held, value.lane.price) - held.cost)


def _worth(value: Symbol, held: Leftover, price: Price) -> Money:
    return money_down(held.quantity * price * (SCALE - value.book.leader.fees.sell), SCALE * SCALE)


def _trader(value: Symbol, trader: Trader) -> Document:
    buy = None if isinstance(trader.phase, Waiting) else value.book.placement(trader.number, Side.BUY, trader.buys)
    sell = value.book.placement(trader.number, Side.SELL, trader.sells)
    return {
        "id": trader.id,
        "phase": _PHASES[type(trader.phase)],
        "reason": trader.phase.reason if isinstance(trader.phase, Waiting | Holding) else None,
        "since": format_time(trader.since),
        "rebuy_notified": trader.rebuy_notified,
        "buy": None if buy is None else _leg(buy),
        "sell": None if sell is None else _leg(sell),
    }


def _leg(placement: Placement) -> Document:
    intent = placement.intent
    return {
        "client_order_id": placement.client_order_id,
        "order_id": placement.order_id,
        "price": format_amount(intent.price),
        "quantity": format_amount(intent.quantity),
        "executed": format_amount(placement.executed),
        "state": str(placement.state),
    }


def order(placement: Placement) -> Document:
    """One entry of ``orders``; ``fence_at`` is when the exchange can no longer accept the latest attempt."""
    intent = placement.intent
    deadline = placement.deadline
    return {
        "symbol": intent.symbol,
        "trader": f"{intent.symbol}-{intent.trader}",
        "side": str(intent.side),
        **_leg(placement),
        "fence_at": None if deadline is None else format_time(deadline),
        "created_at": format_time(placement.created_at),
        "updated_at": format_time(placement.updated_at),
    }


def order_row(row: OrderRow) -> Document:
    """An ``orders`` entry as the journal has it."""
    return order(row.placement)


def open_orders(value: Symbol) -> list[Document]:
    """Every order that rests on the exchange, or may: of one in quarantine nobody knows."""
    return [order(placement) for placement in (*value.book.resting, *value.book.quarantined)]


def cycle(row: CycleRow) -> Document:
    """One entry of ``trades``; prices are averages."""
    trader, phase = row.trader, row.trader.phase
    if not isinstance(phase, Finished) or phase.bought is None or phase.profit is None:
        raise ValueError(f"{trader.id} is not a finished cycle")
    bought, sold = phase.bought, phase.sold
    return {
        "symbol": trader.symbol,
        "trader": trader.id,
        "bought": format_amount(bought.quantity),
        "buy_price": format_amount(price_down(bought.cost * SCALE, bought.quantity, _COIN)),
        "sold": format_amount(sold.quantity),
        "sell_price": format_amount(price_down(sold.received * SCALE, sold.quantity or 1, _COIN)),
        "fees": _fees(row.fees),
        "profit": format_amount(phase.profit),
        "started_at": format_time(trader.started_at),
        "finished_at": format_time(trader.since),
    }


def _fees(fees: Mapping[str, int]) -> dict[str, str]:
    return {asset: format_amount(fee) for asset, fee in sorted(fees.items()) if fee}


def event(row: EventRow) -> Document:
    """One entry of ``events``."""
    value = row.event
    return {"at": format_time(value.at), "symbol": value.symbol, "kind": value.kind, "message": value.message}
