"""What a test makes happen to the exchange: new rules, ended orders, deposits, fees in a third asset, a delisting.

All of it is durable in the ledger. Raises ApiError -1121 for a symbol that is not listed.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from naived.core.amount import Amount, Quantity
from naived.core.orders.intent import Side
from naived.core.orders.report import OrderStatus
from naived.simulator.exchange import DELISTED, Exchange
from naived.simulator.order import Event, Execution, FeeAsset, Order, Position, Prevention, Transfer
from naived.simulator.rules import altered
from naived.simulator.step import Done, Market, Step

_ENDED_BY_EXCHANGE = "EXCHANGE_CANCELED"  # the expiry reason


def alter_rules(exchange: Exchange, symbol: str, rules: Mapping[str, str]) -> None:
    """Change rules of a symbol, named as in ``sim.rules``; raises ApiError -1130 for a value that is none."""
    market = exchange.market(symbol)
    listing = altered(market.listing, rules)
    exchange.ledger.alterations.set_rules(symbol, rules)
    exchange.altered_rules.setdefault(symbol, {}).update(rules)
    market.listing = listing


def end_orders(
    exchange: Exchange, symbol: str, side: Side | None, status: OrderStatus, new_id: Callable[[], str]
) -> list[Done]:
    """The exchange ends the open orders of a symbol; ``new_id`` makes the ids of its cancels."""
    market = exchange.market(symbol)
    ended = []
    for order in list(market.open.values()):
        if side in (None, order.side):
            with exchange.step(market) as step:
                ended.append(step.done(_end(step, market, order, status, new_id)))
    return ended


def _end(step: Step, market: Market, order: Order, status: OrderStatus, new_id: Callable[[], str]) -> Order:
    match status:
        case OrderStatus.CANCELED:
            return step.change(order, replace(order, status=status, cancel_id=new_id()), Execution.CANCELED)
        case OrderStatus.EXPIRED:
            after = replace(order, status=status, expiry=_ENDED_BY_EXCHANGE)
            return step.change(order, after, Execution.EXPIRED)
        case OrderStatus.EXPIRED_IN_MATCH:
            # Order ids are shared by all accounts: this one is that of the other account's order.
            market.counters.orders += 1
            market.counters.preventions += 1
            met = Prevention(market.counters.preventions, market.counters.orders, order.price, order.remaining)
            after = replace(order, status=status, prevented=Quantity(order.prevented + order.remaining))
            return step.change(order, after, Execution.TRADE_PREVENTION, prevention=met)
        case _:
            raise AssertionError(f"an exchange does not end an order as {status}")


def delist(exchange: Exchange, symbol: str, new_id: Callable[[], str]) -> list[Done]:
    """End the open orders of a symbol and take it out of every answer, for good."""
    ended = end_orders(exchange, symbol, None, OrderStatus.EXPIRED, new_id)
    exchange.ledger.alterations.set_rules(symbol, {DELISTED: "true"})
    exchange.altered_rules.setdefault(symbol, {})[DELISTED] = "true"
    del exchange.markets[symbol]
    return ended


def set_free(exchange: Exchange, asset: str, free: Amount, now: int) -> tuple[Event, ...]:
    """A deposit or withdrawal after which ``free`` is free; returns its events."""
    change = exchange.account.set_free(asset, free)
    balance = exchange.account.balance(asset)
    exchange.ledger.alterations.set_balance(asset, balance)
    return (Transfer(now, asset, change), Position(now, ((asset, balance),))) if change else ()


def set_fee_asset(exchange: Exchange, fees: FeeAsset | None) -> None:
    """Take fees in a third asset while it lasts, or as before if it is None."""
    exchange.ledger.alterations.set_fee_asset(fees)
    exchange.fee_asset = fees
