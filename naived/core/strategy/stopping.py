"""The stop-loss: the only thing that sells below cost. The leader asks at each trade that its band lets through.

    trade at or below average cost * (1 - stop-loss)
        └─> ``Trader.stop``, the symbol halted by limit, its sell cancelled
                └─confirmed─> LIMIT IOC at the trade * (1 - stop-slippage), each an intent of its own, with back-off
                        └─> nothing sellable left: finished, without successor, and no rebuy comes back

Only coins that the trader bought itself are covered: lots that it sells along go back to the symbol. A sell that
was cancelled by hand stays so. A later trade below the limit makes a new one: the old one would not be met.
"""

from collections.abc import Iterable

from naived.core.amount import SCALE, Price, Quantity, Rate, price_down, price_up
from naived.core.market import Filters, refusal
from naived.core.orders.intent import Side
from naived.core.strategy.formulas import NO_COINS, Bought, Coins, Sold, dust_cost, offered
from naived.core.strategy.lots import Lot
from naived.core.strategy.settings import Settings
from naived.core.strategy.sizing import held
from naived.core.strategy.trader_state import Hold, Holding, Selling, Trader

_EXACT = Price(1)  # what is only compared with prices is not rounded to a tick


def stop_price(trader: Trader, stop_loss: Rate) -> Price | None:
    """The highest price of a trade that makes this trader sell at a loss; None if none does (any more)."""
    match trader.phase:
        case Selling(bought, carried=carried, sold=sold):
            pass
        case Holding(bought, hold, carried=carried, sold=sold) if hold is not Hold.BY_HAND:
            pass
        case _:
            return None
    if trader.stop is not None or bought.net <= 0 or own(bought, carried, sold) <= 0:
        return None
    return loss_price(bought, stop_loss)


def loss_price(bought: Bought, stop_loss: Rate) -> Price:
    """So far below the average cost of these coins."""
    return price_down((bought.cost + bought.fees_valued) * (SCALE - stop_loss), bought.net, _EXACT)


def stop_limit(trade: Price, settings: Settings, filters: Filters) -> Price:
    """The limit of a sell at a loss that this trade decides."""
    tick = filters.tick_size
    return max(price_down(trade * (SCALE - settings.stop_slippage), SCALE, tick), tick)


def own(bought: Bought, carried: Lot, sold: Sold) -> Quantity:
    """What is left of the coins that a trader bought itself; those are sold first."""
    return Quantity(max(0, min(bought.net, held(bought, carried, sold) - carried.quantity)))


def own_coins(trader: Trader) -> Coins:
    """The same with their share of the cost, of a trader that has bought."""
    match trader.phase:
        case Selling(bought, carried=carried, sold=sold) | Holding(bought, carried=carried, sold=sold):
            rest = own(bought, carried, sold)
            return Coins(rest, dust_cost(bought.cost, rest, bought.net)) if rest else NO_COINS
        case _:
            return NO_COINS


def at_loss(limit: Price, have: Quantity, filters: Filters) -> tuple[Price, Quantity] | None:
    """The order that sells ``have`` at this limit; None if that is too little to sell.

    The rules may have changed since the trade that the limit comes from.
    """
    tick = filters.tick_size
    price = max(price_down(limit, 1, tick), price_up(filters.min_price, 1, tick), tick)
    quantity = offered(have, price, filters) if have > 0 else Quantity(0)
    if quantity <= 0 or refusal(filters, Side.SELL, price, quantity, None) in ("LOT_SIZE", "NOTIONAL"):
        return None
    return price, quantity


def stops_at(traders: Iterable[Trader], stop_loss: Rate) -> int:
    """The highest price at which a trade makes the stop-loss act; below every price if none does."""
    highest = -1
    for trader in traders:
        if trader.stop is not None:
            highest = max(highest, trader.stop - 1)
        elif (price := stop_price(trader, stop_loss)) is not None:
            highest = max(highest, price)
    return highest
