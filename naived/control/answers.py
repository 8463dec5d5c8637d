"""Converts values of the runtime and the journal to JSON documents; scripts depend on them.

Decimals are texts without exponent or trailing zeros, times RFC 3339 in UTC with milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from naived.control import orders
from naived.control.call import Outcome
from naived.control.next_steps import next_step
from naived.control.orders import order_fields
from naived.control.protocol import Code, format_time
from naived.core.amount import SCALE, Money, Price, Quantity, format_amount, money_down, price_down
from naived.core.orders.intent import Side
from naived.core.risk import Halt
from naived.core.strategy import lots
from naived.core.strategy.formulas import Coins
from naived.core.strategy.settings import Settings
from naived.core.strategy.summary import owned, profit_today, tied_up
from naived.core.strategy.trader_state import Buying, Finished, Holding, Selling, Trader, Waiting
from naived.core.strategy.traders import spent_rebuys
from naived.ports import CycleRow, EventRow
from naived.runtime.actual_state import actual_state, state_of
from naived.runtime.symbol_task import Symbol, assets
from naived.runtime.waits import why_waits

Document = dict[str, Any]  # JSON-able; decimals are texts

_PHASES = {Waiting: "waiting", Buying: "buying", Holding: "holding", Selling: "selling", Finished: "finished"}
_NO_TICK = Price(1)  # an average price is not rounded to a tick


@dataclass(frozen=True, slots=True)
class Identity:
    """The daemon that answers.

    ``started_at`` is wall-clock ms; ``database`` is ``sqlite`` or ``postgresql``; ``node`` is the host's name.
    """

    version: str
    instance_id: str
    pid: int
    started_at: int
    exchange: str
    exchange_url: str
    database: str
    node: str = "localhost"


def settings(values: Settings) -> Document:
    """A symbol's settings; the budget is null if it was never set."""
    return {
        "chunks": values.chunks,
        "budget": None if values.budget is None else format_amount(values.budget),
        "buy_down": format_amount(values.buy_down),
        "profit": format_amount(values.profit),
        "rebuy": format_amount(values.rebuy),
        "reprice": format_amount(values.reprice),
        "max_deviation": format_amount(values.max_deviation),
        "spacing": format_amount(values.spacing),
        "floor": None if values.floor is None else format_amount(values.floor),
        "ceiling": None if values.ceiling is None else format_amount(values.ceiling),
        "fall_guard": None if values.fall_guard is None else str(values.fall_guard),
        "stop_loss": format_amount(values.stop_loss),
        "stop_slippage": format_amount(values.stop_slippage),
    }


def halt(value: Halt | None) -> Document | None:
    """What halts a symbol, or the account."""
    if value is None:
        return None
    return {"reason": value.reason, "by": str(value.by), "since": format_time(value.since)}


def daemon(
    who: Identity, state: str, reason: str | None, exchange_state: str, uptime: int, halted: Halt | None
) -> Document:
    """The ``daemon`` of ``status``; only of one that is ready the ``reason`` may be null. ``uptime`` in seconds."""
    return {
        "version": who.version,
        "pid": who.pid,
        "started_at": format_time(who.started_at),
        "exchange": who.exchange,
        "exchange_url": who.exchange_url,
        "database": who.database,
        "state": state,
        "reason": reason,
        "exchange_state": exchange_state,
        "halt": halt(halted),
        "node": who.node,
        "uptime_s": uptime,
    }


def hello(who: Identity, state: str) -> Document:
    """The daemon's part of ``hello``."""
    return {
        "server": who.version,
        "instance_id": who.instance_id,
        "pid": who.pid,
        "state": state,
        "db": who.database,
        "started_at": format_time(who.started_at),
    }


def symbol(value: Symbol) -> Document:
    """One entry of ``status``."""
    leader = value.engine.leader
    state, reason = actual_state(value)
    spent = spent_rebuys(leader.traders)
    return {
        "symbol": value.name,
        "status": str(value.desired.status),
        "state": str(state),
        "reason": reason,
        "next_step": next_step(value),
        "halt": halt(leader.halts.own),
        "chunks": leader.settings.chunks,
        "budget": None if leader.settings.budget is None else format_amount(leader.settings.budget),
        "cycles": leader.cycles,
        "realized_profit": format_amount(leader.profit),
        "profit_today": format_amount(profit_today(leader, value.context.exchange.now())),
        **_money(value),
        **prices(value),
        "traders": [_trader(value, trader, trader.number in spent) for trader in leader.traders],
    }


def _money(value: Symbol) -> Document:
    """What is held, what live buys may still spend, and what makes these figures readable."""
    leader = value.engine.leader
    info, held = leader.info, owned(leader)
    base, quote = assets(value)
    return {
        "base": base or None,
        "quote": quote or None,
        "tick": format_amount(info.filters.tick_size) if info.base else None,
        "held": format_amount(held.quantity),
        "held_cost": format_amount(held.cost),
        "tied_up": format_amount(tied_up(leader)),
        "leftover": [
            {
                "quantity": format_amount(lot.quantity),
                "cost": format_amount(lot.cost),
                "price": format_amount(lot.price),
                "reason": lots.explain(lot, info.filters),
            }
            for lot in leader.lots
        ],
    }


def prices(value: Symbol) -> Document:
    """The part of an entry that every trade changes."""
    gate = value.gate
    return {
        "last_price": None if gate.price is None else format_amount(gate.price),
        "last_trade_at": None if gate.time is None else format_time(gate.time),
        "unrealized_profit": _unrealized(value),
    }


def unset(name: str, defaults: Settings) -> Document:
    """The entry of ``status`` for a symbol that was never configured."""
    shown = settings(defaults)
    return {
        "symbol": name,
        "status": "off",
        "state": "off",
        "reason": "never configured",
        "next_step": f"naivectl start {name}",
        "halt": None,
        "chunks": shown["chunks"],
        "budget": shown["budget"],
        "cycles": 0,
        "realized_profit": "0",
        "profit_today": "0",
        "base": None,
        "quote": None,
        "tick": None,
        "held": "0",
        "held_cost": "0",
        "tied_up": "0",
        "leftover": [],
        "last_price": None,
        "last_trade_at": None,
        "unrealized_profit": "0",
        "traders": [],
    }


def _unrealized(value: Symbol) -> str | None:
    """The profit if all coins were sold at the last price; null without a price."""
    held = owned(value.engine.leader)
    if not held.quantity:
        return "0"
    if value.gate.price is None:
        return None
    return format_amount(_worth(value, held, value.gate.price) - held.cost)


def _worth(value: Symbol, held: Coins, price: Price) -> Money:
    return money_down(held.quantity * price * (SCALE - value.engine.leader.fees.sell), SCALE * SCALE)


def _trader(value: Symbol, trader: Trader, rebuy_spent: bool) -> Document:
    buy = None if isinstance(trader.phase, Waiting) else value.engine.order(trader.number, Side.BUY, trader.buys)
    sell = value.engine.order(trader.number, Side.SELL, trader.sells)
    return {
        "id": trader.id,
        "phase": _PHASES[type(trader.phase)],
        "reason": trader.phase.reason if isinstance(trader.phase, Holding) else _wait(value, trader),
        "since": format_time(trader.since),
        "rebuy_notified": rebuy_spent,
        "buy": None if buy is None else order_fields(buy),
        "sell": None if sell is None else order_fields(sell),
    }


def _wait(value: Symbol, trader: Trader) -> str | None:
    return why_waits(value, trader) if isinstance(trader.phase, Waiting) else None


def open_orders(value: Symbol) -> list[Document]:
    """Those of a symbol that the exchange has, or may have."""
    return orders.open_orders(value.engine.orders.values())


def result(name: str, value: Symbol | None, outcome: Outcome) -> Document:
    """One entry of ``results``; ``value`` is None for a symbol that was never configured."""
    error = outcome.error
    unknown = value is None and error is not None and error.code is Code.UNKNOWN_SYMBOL
    absent = None if unknown else "off"
    status = None if value is None or value.unread is not None else str(value.desired.status)
    return {
        "symbol": name,
        "status": absent if value is None else status,
        "state": absent if value is None else str(state_of(value)),
        "changed": outcome.changed,
        "open_orders": [] if value is None else open_orders(value),
        "message": outcome.message if error is None else error.message,
        "error": None if error is None else error.document(),
        **outcome.more,
    }


def account_result(state: str, outcome: Outcome) -> Document:
    """The only entry of ``results`` of a verb that was asked of the whole account; ``state`` is the daemon's."""
    known: Document = {
        "symbol": None,
        "status": None,
        "state": state,
        "changed": outcome.changed,
        "open_orders": [],
    }
    return {**known, "message": outcome.message, "error": None, **outcome.more}


def cycle(row: CycleRow) -> Document:
    """One entry of ``trades``; prices are averages."""
    return {
        "symbol": row.symbol,
        "trader": f"{row.symbol}-{row.number}",
        "bought": format_amount(row.bought),
        "buy_price": _average(row.cost, row.bought),
        "sold": format_amount(row.sold),
        "sell_price": _average(row.received, row.sold),
        "fees": _fees(row.fees),
        "fees_valued": None if row.sell_fees_valued is None else format_amount(_fees_valued(row)),
        "profit": format_amount(row.profit),
        "started_at": format_time(row.started_at),
        "finished_at": format_time(row.finished_at),
    }


def _fees_valued(row: CycleRow) -> Money:
    return Money((row.buy_fees_valued or 0) + (row.sell_fees_valued or 0))


def _average(money: Money, quantity: Quantity) -> str:
    return format_amount(price_down(money * SCALE, quantity or 1, _NO_TICK))


def _fees(fees: Mapping[str, int]) -> dict[str, str]:
    return {asset: format_amount(fee) for asset, fee in sorted(fees.items()) if fee}


def event(row: EventRow) -> Document:
    """One entry of ``events``."""
    value = row.event
    return {"at": format_time(value.at), "symbol": value.symbol, "kind": value.kind, "message": value.message}
