"""What a symbol would do with some settings (`start --dry-run`), and what of them makes no sense."""

from typing import Any

from naived.core.amount import SCALE, Money, Price, Quantity, format_amount, money_down, money_up, value_up
from naived.core.market import SymbolInfo
from naived.core.strategy.formulas import (
    Fees,
    buy_price,
    buy_quantity,
    dust_cost,
    rebuy_below,
    sell_price,
    sell_quantity,
    untradable,
)
from naived.core.strategy.settings import Settings

Document = dict[str, Any]

_SHOWN = SCALE // 10_000  # two decimals of a percent


def plan(settings: Settings, info: SymbolInfo, last: Price, fees: Fees) -> Document:
    """The first order at this price, each trader's share, what is tied up at most, and one cycle's profit.

    ``lowest_price`` is where the last of the traders joins: below it nothing is bought any more. All amounts are in
    the quote asset, but for the order's quantity.
    """
    rules = info.filters
    price = buy_price(last, settings.buy_down, rules)
    quantity = buy_quantity(settings.budget or Money(0), settings.chunks, price, rules)
    tied_up, lowest = _ladder(settings, last, info, fees)
    profit, paid = _cycle(settings, price, quantity, info, fees)
    return {
        "last_price": format_amount(last),
        "price": format_amount(price),
        "quantity": format_amount(quantity),
        "value": format_amount(value_up(price, quantity)),
        "share": format_amount(settings.allocation),
        "most_tied_up": format_amount(tied_up),
        "lowest_price": format_amount(lowest),
        "cycle_profit": format_amount(profit),
        "cycle_fees": format_amount(paid),
        "base": info.base,
        "quote": info.quote,
    }


def _ladder(settings: Settings, last: Price, info: SymbolInfo, fees: Fees) -> tuple[Money, Price]:
    """What all buys cost together while the price falls, and the price of the last one."""
    budget, tied_up, trade, lowest = settings.budget or Money(0), 0, last, last
    for _ in range(settings.chunks):
        room = Money(budget - tied_up)
        share = (budget, settings.chunks) if budget <= room * settings.chunks else (room, 1)
        if untradable(trade, *share, settings.buy_down, settings.profit, fees, info.filters):
            break
        lowest = buy_price(trade, settings.buy_down, info.filters)
        tied_up += value_up(lowest, buy_quantity(*share, lowest, info.filters))
        trade = Price(rebuy_below(lowest, settings.rebuy) - info.filters.tick_size)
        if trade <= 0:
            break
    return Money(tied_up), lowest


def _cycle(
    settings: Settings, price: Price, quantity: Quantity, info: SymbolInfo, fees: Fees
) -> tuple[Money, Money]:
    """The profit and the fees, both in quote, of a buy at this price and its sell."""
    cost = value_up(price, quantity)
    net = Quantity(quantity - money_up(quantity * fees.buy, SCALE))
    if net <= 0:
        return Money(0), Money(0)
    asked = sell_price(price, cost, net, settings.profit, fees, info.filters)
    sold = sell_quantity(net, info.filters)
    received = money_down(sold * asked, SCALE)
    selling = money_up(received * fees.sell, SCALE)
    buying = money_up(cost * fees.buy, SCALE)
    # Coins of less than a step stay, with their part of the cost.
    return Money(received - selling - dust_cost(cost, sold, net)), Money(buying + selling)


def warnings(settings: Settings, info: SymbolInfo, last: Price, fees: Fees) -> list[str]:
    """Which settings cannot do what they say, at this price."""
    tick, found = info.filters.tick_size, []
    for name, rate, means in (
        ("rebuy", settings.rebuy, "traders stand one tick apart"),
        ("reprice", settings.reprice, "a buy is placed anew at each tick up"),
        ("buy-down", settings.buy_down, "a buy stands at the next tick down"),
    ):
        if 0 < rate * last < tick * SCALE:
            one = _percent(_two_decimals(tick * SCALE // last))
            found.append(f"{name} {_percent(rate)} is less than one tick ({one}): {means}")
    if 0 < settings.reprice < settings.buy_down:
        found.append(
            f"reprice {_percent(settings.reprice)} is less than buy-down {_percent(settings.buy_down)}: "
            "a buy is placed anew before the price has gone away from it as far as it stood below"
        )
    # A buy is filled by a trade below it, and its coins have cost their fee too.
    price = buy_price(last, settings.buy_down, info.filters)
    if settings.stop_loss and price * (SCALE - settings.stop_loss) >= (price - tick) * (SCALE - fees.buy):
        found.append(
            f"stop-loss {_percent(settings.stop_loss)} is no more than the fee of a buy ({_percent(fees.buy)}) "
            "and a tick: the trade that fills a buy sells its coins at a loss"
        )
    return found


def _two_decimals(rate: int) -> int:
    """Rounded down to two decimals of a percent, or if it is less than that, to its first digit."""
    step: int = _SHOWN
    while step > rate > 0:
        step //= 10
    return rate // step * step


def _percent(rate: int) -> str:
    return f"{format_amount(rate * 100)}%"
