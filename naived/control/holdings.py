"""Coins in answers, as text and JSON: those that are not offered for sale, and those that a person gives up."""

from collections.abc import Iterable
from enum import StrEnum
from itertools import chain
from typing import Any, NamedTuple

from naived.core.amount import SCALE, Money, Price, Quantity, format_amount, money_down
from naived.core.engine import Engine, unoffered
from naived.core.orders.intent import Side
from naived.core.orders.state import State
from naived.core.strategy import lots
from naived.core.strategy.formulas import NO_COINS, Coins, dust_cost
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.settings import Settings, Status
from naived.core.strategy.stopping import own_coins, stop_price
from naived.core.strategy.trader_state import Hold, Holding, Selling, Trader, position
from naived.runtime.symbol_task import Symbol


class Loss(NamedTuple):
    """What is given up: coins of a trader, or, of a buy that is forgotten, the quote money it may have spent.

    ``client_order_id``: the order that was named or in quarantine, if there is one.
    """

    trader: str | None
    client_order_id: str | None
    coins: Coins = NO_COINS
    spent: Money = Money(0)


class Why(StrEnum):
    """Why coins of a trader are in no live sell."""

    STOPPED = "stopped"  # or it is tried again: a start or a shutdown sells them
    BY_HAND = "cancelled by hand"
    QUARANTINE = "quarantine"  # their sell may have been executed


def unsold(engine: Engine, *whys: Why) -> Coins:
    """Coins of the traders that are in no live sell, for these reasons; for any without one."""
    return _sum(
        _unsold(engine, trader) for trader in engine.leader.traders if not whys or _why(engine, trader) in whys
    )


def stopped(engine: Engine, settings: Settings, last: Price | None) -> Coins:
    """Coins that the stop-loss of these settings would sell at a loss if the next trade were at this price.

    While the symbol is off, those that it was selling are among them; those of a sell in quarantine are not.
    """
    if last is None or not settings.stop_loss:
        return NO_COINS
    off = engine.leader.status is Status.OFF
    return _sum(
        own_coins(each)
        for each in engine.leader.traders
        if last <= (stop_price(each, settings.stop_loss) or 0) or (off and each.stop is not None)
        if _why(engine, each) is not Why.QUARANTINE
    )


def everything(engine: Engine) -> Coins:
    """Coins of the traders, in a live sell or not."""
    return _sum(map(position, engine.leader.traders))


def kept(leader: Leader, *, sellable: bool, listed: bool = True) -> Coins:
    """The lots that make whole orders, or the others; of a symbol that is not ``listed`` none makes any."""
    selling, small = lots.whole_orders(leader.lots, leader.info.filters) if listed else ((), leader.lots)
    return _sum(Coins(lot.quantity, lot.cost) for lot in (chain(*selling) if sellable else small))


def _why(engine: Engine, trader: Trader) -> Why:
    sell = engine.order(trader.number, Side.SELL, trader.sells)
    if sell is not None and sell.state is State.QUARANTINED:
        return Why.QUARANTINE
    return Why.BY_HAND if is_held_by_hand(trader) else Why.STOPPED


def is_held_by_hand(trader: Trader) -> bool:
    return isinstance(trader.phase, Holding) and trader.phase.hold is Hold.BY_HAND


def _unsold(engine: Engine, trader: Trader) -> Coins:
    """With a sell that is being cancelled, and without what a live sell leaves as too small for any order."""
    sell = engine.order(trader.number, Side.SELL, trader.sells)
    coins = _part(trader, unoffered(trader, None if sell is not None and sell.cancelling else sell))
    match trader.phase:
        case Selling(intent=intent):
            rest = lots.Lot(coins.quantity, coins.cost, intent.price)
            return NO_COINS if lots.too_little(rest, engine.leader.info.filters) else coins
        case _:
            return coins


def _part(trader: Trader, quantity: Quantity) -> Coins:
    coins = position(trader)
    return Coins(quantity, dust_cost(coins.cost, quantity, coins.quantity)) if quantity > 0 else NO_COINS


def _sum(coins: Iterable[Coins]) -> Coins:
    return sum(coins, NO_COINS)


# JSON


def document(symbol: Symbol, coins: Coins) -> dict[str, Any] | None:
    """Asset, quantity, cost and value (at the last price, null without one) in quote; None without coins."""
    if not coins.quantity:
        return None
    worth = _worth(symbol, coins)
    return {
        "asset": symbol.engine.leader.info.base or None,
        "quantity": format_amount(coins.quantity),
        "cost": format_amount(coins.cost),
        "value": None if worth is None else format_amount(worth),
    }


def losses(symbol: Symbol, given_up: Iterable[Loss]) -> list[dict[str, Any]]:
    """One entry for each; of a buy that is forgotten, ``asset`` is the quote asset."""
    entries = []
    for loss in given_up:
        spent = format_amount(loss.spent)
        money = {"asset": symbol.engine.leader.info.quote or None, "quantity": spent, "cost": spent, "value": spent}
        what = document(symbol, loss.coins) or money
        entries.append({"trader": loss.trader, "client_order_id": loss.client_order_id, **what})
    return entries


# Text


def words(symbol: Symbol, coins: Coins) -> str:
    """``0.1 ETH (cost 199.98 USDT, worth 198.7 USDT now)``."""
    info, worth = symbol.engine.leader.info, _worth(symbol, coins)
    base, quote = (info.base, f" {info.quote}") if info.base else (f"coins of {symbol.name}", "")
    now = "" if worth is None else f", worth {format_amount(worth)}{quote} now"
    return f"{format_amount(coins.quantity)} {base} (cost {format_amount(coins.cost)}{quote}{now})"


def lost_words(symbol: Symbol, loss: Loss) -> str:
    """One loss."""
    if loss.coins.quantity:
        whose = "" if loss.trader is None else f" of {loss.trader}"
        return f"{words(symbol, loss.coins)}{whose}"
    quote = symbol.engine.leader.info.quote
    return f"what buy {loss.client_order_id} may have bought for up to {format_amount(loss.spent)} {quote}"


def stays_words(symbol: Symbol) -> list[str]:
    """Which coins stay without an order, and what sells each kind; empty without any."""
    engine, name = symbol.engine, symbol.name
    offered = unsold(engine, Why.STOPPED) + kept(engine.leader, sellable=True, listed=symbol.listed)
    by_hand, doubtful = unsold(engine, Why.BY_HAND), unsold(engine, Why.QUARANTINE)
    small = kept(engine.leader, sellable=False, listed=symbol.listed)
    parts = []
    if offered.quantity > 0:
        sells = f"`naivectl start {name}` or `naivectl shutdown {name}` sells them"
        if not symbol.listed:
            sells = f"the exchange does not list {name}; {written_off_by(symbol)}"
        parts.append(f"{words(symbol, offered)} stay unsold: {sells}")
    if by_hand.quantity > 0:
        sells = f"`naivectl resolve {name} --all --adopt`, and then `naivectl start {name}`, sells them"
        parts.append(f"{words(symbol, by_hand)}, whose sell was cancelled by hand, stay unsold: {sells}")
    if doubtful.quantity > 0:
        ends = f"`naivectl resolve {name} --all --adopt` or `--ignore` ends that"
        parts.append(f"{words(symbol, doubtful)}, whose sell is in quarantine, are kept: {ends}")
    if small.quantity > 0:
        parts.append(small_words(symbol, small))
    return parts


def small_words(symbol: Symbol, small: Coins) -> str:
    """Lots that cannot be sold by themselves."""
    why = "too small to sell; a later sell at their price or above takes them along"
    if not symbol.listed:
        why = f"lots; the exchange does not list {symbol.name}, and `naivectl forget {symbol.name}` writes them off"
    return f"{words(symbol, small)} stay as {why}"


def written_off_by(symbol: Symbol) -> str:
    """What ends the traders of a symbol that the exchange does not list."""
    return f"`naivectl resolve {symbol.name} --all --ignore` writes them off"


def _worth(symbol: Symbol, coins: Coins) -> Money | None:
    price = symbol.gate.price
    return None if price is None else money_down(coins.quantity * price, SCALE)
