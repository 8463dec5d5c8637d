"""Lots: coins too few to sell by themselves, each with what it cost and the lowest price at which it may be sold.

A symbol keeps its lots sorted by price. A sell whose price is at or above a lot's own takes the lot along; as soon
as one, or several together at the highest of their prices, make a whole order, they are sold by a trader of their
own.

Pure functions, called by the trader, the leader and the database.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from naived.core.amount import Money, Price, Quantity, price_up
from naived.core.market import Filters, describe, refusal
from naived.core.orders.intent import Side
from naived.core.strategy.formulas import dust_cost, offered

MOST = 32  # lots of one symbol: each is a row, and every sell looks at all of them


class Lot(Struct, frozen=True):
    """``price`` is the sell price that its trader would ask; it is never sold below it."""

    quantity: Quantity = Quantity(0)
    cost: Money = Money(0)
    price: Price = Price(0)

    def __bool__(self) -> bool:
        return bool(self.quantity or self.cost)


NO_LOT = Lot()
_PRICE = attrgetter("price")
Lots: TypeAlias = tuple[Lot, ...]


def together(lots: Sequence[Lot]) -> Lot:
    """All of them as one, at the highest of their prices."""
    return Lot(
        Quantity(sum([lot.quantity for lot in lots])),
        Money(sum([lot.cost for lot in lots])),
        max([lot.price for lot in lots], default=Price(0)),
    )


def added(lots: Lots, lot: Lot) -> Lots:
    """With one more lot. Those of one price are one; beyond ``MOST`` the two nearest become one at the higher."""
    at = bisect_left(lots, lot.price, key=_PRICE)
    same = lots[at : at + 1] if at < len(lots) and lots[at].price == lot.price else ()
    merged = [*lots[:at], together((*same, lot)), *lots[at + len(same) :]]
    if len(merged) > MOST:
        nearest = min(range(len(merged) - 1), key=lambda at: merged[at + 1].price - merged[at].price)
        merged[nearest : nearest + 2] = [together(merged[nearest : nearest + 2])]
    return tuple(merged)


def split(lots: Lots, price: Price) -> tuple[Lots, Lots]:
    """Those that may be sold at ``price``, and the others."""
    count = bisect_right(lots, price, key=_PRICE)
    return lots[:count], lots[count:]


def taken(lots: Lots, price: Price, quantity: Quantity) -> tuple[Lots, Lots]:
    """So many coins of those that may be sold at ``price``, the nearest to it first, and all others.

    The last lot is taken in part; there are fewer coins if the lots have no more.
    """
    below, above = split(lots, price)
    rest, parts = list(below), list[Lot]()
    while rest and quantity > 0:
        lot = rest.pop()
        if lot.quantity > quantity:
            part = Lot(quantity, dust_cost(lot.cost, quantity, lot.quantity), lot.price)
            rest.append(Lot(Quantity(lot.quantity - quantity), Money(lot.cost - part.cost), lot.price))
            lot = part
        parts.append(lot)
        quantity = Quantity(quantity - lot.quantity)
    return tuple(parts), (*rest, *above)


def whole_orders(lots: Lots, filters: Filters) -> tuple[tuple[Lots, ...], Lots]:
    """Groups that each make a whole order, the fewest and cheapest first, and the lots that are left."""
    # If all of them are too little at the highest price, so is each part, unless its price is too low for an order.
    if not lots or (too_little(together(lots), filters) and too_little(lots[0], filters)):
        return (), lots
    groups: list[Lots] = []
    first, group = 0, NO_LOT
    for last, lot in enumerate(lots, 1):
        group = together((group, lot))
        if too_little(group, filters) is None:
            groups.append(lots[first:last])
            first, group = last, NO_LOT
    return tuple(groups), lots[first:]


def too_little(lot: Lot, filters: Filters) -> str | None:
    """Why the exchange would refuse it as an order of its own: the name of a filter; None if it would not."""
    price = price_up(max(lot.price, filters.min_price), 1, filters.tick_size)
    return too_few(price, offered(lot.quantity, price, filters), filters)


def too_few(price: Price, quantity: Quantity, filters: Filters) -> str | None:
    """The filter that a sell of so few coins fails, whether or not its price may be; None if it fails none."""
    any_price = replace(filters, min_price=Price(0), max_price=Price(0))
    failed = refusal(any_price, Side.SELL, price, quantity, None)
    return failed if failed in ("LOT_SIZE", "NOTIONAL") else None


def explain(lot: Lot, filters: Filters) -> str:
    """Why it is not sold now, and what would change that."""
    failed = too_little(lot, filters)
    if failed is None:
        return "it is sold as soon as the symbol is on or draining"
    return f"too small to sell ({failed}): {describe(filters, failed)}"
