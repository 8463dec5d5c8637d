"""What a symbol would do with some settings (`start --dry-run`), and what of them makes no sense."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from naived.control.ladder import Buy, Ladder
from naived.control.proposal import Rules
from naived.core.amount import SCALE, Money, Price, Quantity, format_amount, money_down, money_up, value_up
from naived.core.market import SymbolInfo
from naived.core.orders.intent import Side
from naived.core.strategy.formulas import (
    Fees,
    buy_price,
    buy_quantity,
    dust_cost,
    sell_price,
    sell_quantity,
)
from naived.core.strategy.leader import step_leader
from naived.core.strategy.leader_events import Activated
from naived.core.strategy.leader_state import Leader, LeaderStep
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.core.strategy.summary import exposure, owned
from naived.core.strategy.trader_state import Directed, Place
from naived.core.strategy.traders import chunks_spent
from naived.core.strategy.view import UNLIMITED, Funds

Document = dict[str, Any]

_SHOWN = SCALE // 10_000  # two decimals of a percent


def begin(before: Leader | None, settings: Settings, rules: Rules, now: int) -> LeaderStep:
    """The leader of a symbol that is on with these settings, before its next trade, and what its traders ask for.

    ``before``: as it is now, with its saved traders and lots, None if it has none. ``now``: exchange ms.
    """
    desired = DesiredState(settings, Status.ON)
    leader = replace(before or Leader(rules.info, rules.fees, desired), info=rules.info, fees=rules.fees)
    directed = step_leader(leader, Directed(desired), now, None)
    activated = step_leader(directed.leader, Activated(), now, None)
    return LeaderStep(activated.leader, directed.commands + activated.commands)


def plan(begun: LeaderStep, last: Price, funds: Funds = UNLIMITED, held_up: Sequence[Document] = ()) -> Document:
    """The first order at this price, each trader's share, what is tied up at most, and one cycle's profit.

    Saved traders sell what they hold before anything is bought; of their orders the lowest one is told. The first
    order's quantity is 0 if there is none.
    ``lowest_price`` is where the last of the traders joins: below it nothing is bought any more. All amounts are in
    the quote asset, but for quantities.
    ``funds`` is what the account allows: no buy is told that it or a guard of the price forbids. ``held_up`` keeps
    all buys from being made for a time, and is told beside them.
    """
    leader = begun.leader
    settings, info = leader.settings, leader.info
    sells = sorted((each.intent.price, each.intent.quantity) for each in begun.commands if isinstance(each, Place))
    ladder = Ladder(leader, last, funds)
    buys, why = ladder.buys, ladder.kept_back
    price = buy_price(last, settings.buy_down, info.filters)
    quantity = buy_quantity(settings.budget or Money(0), settings.chunks, price, info.filters)
    profit, paid = _cycle(settings, price, quantity, info, leader.fees)
    first = next(iter(sells + [(each.price, each.quantity) for each in buys]), (price, Quantity(0)))
    bought = sum(value_up(each.price, each.quantity) for each in buys)
    held = owned(leader)
    return {
        "last_price": format_amount(last),
        "side": str(Side.SELL if sells else Side.BUY),
        **_order(*first),
        "share": format_amount(settings.allocation),
        "most_tied_up": format_amount(Money(exposure(leader).money + bought)),
        "lowest_price": format_amount(buys[-1].price if buys else last),
        "cycle_profit": format_amount(profit),
        "cycle_fees": format_amount(paid),
        "base": info.base,
        "quote": info.quote,
        "chunks": settings.chunks,
        "chunks_taken": chunks_spent(leader.traders),
        "held": format_amount(max(0, held.quantity)),
        "held_cost": format_amount(max(0, held.cost)),
        "sells_first": len(sells),
        "first_buy": _first_buy(buys[0]) if buys else None,
        "kept_back": [*held_up, *([] if why is None else [{"reason": why[0], "ends": why[1]}])],
        "stopped_by": ladder.stopped_by,
    }


def _first_buy(buy: Buy) -> Document:
    return {"at": format_amount(buy.at), **_order(buy.price, buy.quantity)}


def _order(price: Price, quantity: Quantity) -> Document:
    return {
        "price": format_amount(price),
        "quantity": format_amount(quantity),
        "value": format_amount(value_up(price, quantity)),
    }


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
    spent = cost - dust_cost(cost, Quantity(net - sold), net)
    return Money(received - selling - spent), Money(buying + selling)


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
