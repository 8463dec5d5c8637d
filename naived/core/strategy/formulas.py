"""The arithmetic of the naive strategy: each price and quantity is one exact integer division with one rounding.

Pure functions, called by the trader, the leader and ``control/proposal.py``.
"""

from msgspec import Struct
from msgspec.structs import replace

from naived.core.amount import (
    SCALE,
    Money,
    Price,
    Quantity,
    Rate,
    money_down,
    price_down,
    price_up,
    quantity_down,
    quantity_up,
    value_down,
    value_up,
)
from naived.core.market import Filters, refusal
from naived.core.orders.intent import Side
from naived.core.orders.report import Fill

_EXACT = Price(1)  # a bound that is only compared with prices is not rounded to a tick
_NO_BOUND = Quantity(1 << 100)  # above every quantity
_COIN = Quantity(1)  # a quantity after fees is not rounded to a step


class Fees(Struct, frozen=True):
    """Commission rates that a new trader calculates with: the larger of maker and taker, all parts summed.

    ``asset``: a third asset that fees are taken in while the account has some of it; None if there is none.
    """

    buy: Rate
    sell: Rate
    asset: str | None = None


class Coins(Struct, frozen=True):
    """Coins of the base asset and what they cost. Both are negative for coins that were sold and are owed."""

    quantity: Quantity = Quantity(0)
    cost: Money = Money(0)

    def __add__(self, other: "Coins") -> "Coins":
        return Coins(Quantity(self.quantity + other.quantity), Money(self.cost + other.cost))

    def __bool__(self) -> bool:
        return bool(self.quantity or self.cost)


NO_COINS = Coins()


class Bought(Struct, frozen=True):
    """The result of a buy so far: gross quantity, quote paid, and fees taken in the base asset.

    ``fees_valued`` are fees taken in a third asset, at their value in quote when they were paid.
    """

    limit: Price
    quantity: Quantity = Quantity(0)
    cost: Money = Money(0)
    base_fees: Quantity = Quantity(0)
    fees_valued: Money = Money(0)

    @property
    def net(self) -> Quantity:
        return Quantity(self.quantity - self.base_fees)

    def part(self, quantity: Quantity) -> "Bought":
        """``quantity`` (> 0) of the net coins and its share of the cost; self if that is all of them."""
        return (
            self if quantity >= self.net else Bought(self.limit, quantity, dust_cost(self.cost, quantity, self.net))
        )

    def without(self, part: "Bought") -> "Bought":
        return Bought(
            self.limit,
            Quantity(self.quantity - part.quantity),
            Money(self.cost - part.cost),
            Quantity(self.base_fees - part.base_fees),
            Money(self.fees_valued - part.fees_valued),
        )

    def with_fill(self, fill: Fill, base: str, quote: str) -> "Bought":
        """With one more fill of the buy."""
        return replace(
            self,
            quantity=Quantity(self.quantity + fill.quantity),
            cost=Money(self.cost + fill.quote + (fill.fee if fill.fee_asset == quote else 0)),
            base_fees=Quantity(self.base_fees + (fill.fee if fill.fee_asset == base else 0)),
            fees_valued=Money(self.fees_valued + (fill.fee_value or 0)),
        )


class Sold(Struct, frozen=True):
    """The result of one trader's sells so far: base sold, quote received, fees in quote, base and a third asset."""

    quantity: Quantity = Quantity(0)
    received: Money = Money(0)
    quote_fees: Money = Money(0)
    base_fees: Quantity = Quantity(0)
    fees_valued: Money = Money(0)

    def with_fill(self, fill: Fill, base: str, quote: str) -> "Sold":
        """With one more fill of a sell."""
        return Sold(
            Quantity(self.quantity + fill.quantity),
            Money(self.received + fill.quote),
            Money(self.quote_fees + (fill.fee if fill.fee_asset == quote else 0)),
            Quantity(self.base_fees + (fill.fee if fill.fee_asset == base else 0)),
            Money(self.fees_valued + (fill.fee_value or 0)),
        )


NOTHING_SOLD = Sold()


def buy_price(last: Price, buy_down: Rate, filters: Filters) -> Price:
    return price_down(last * (SCALE - buy_down), SCALE, filters.tick_size)


def buy_quantity(budget: Money, chunks: int, price: Price, filters: Filters) -> Quantity:
    """What one chunk of the budget buys at ``price``; 0 if the price was rounded down to 0."""
    if not price:
        return Quantity(0)
    return quantity_down(budget * SCALE, chunks * price, filters.step_size)


def sell_price(limit: Price, cost: Money, net: Quantity, profit: Rate, fees: Fees, filters: Filters) -> Price:
    """The lowest tick at which selling earns ``profit`` after both fees.

    It is the higher of two prices: one from the buy's limit and the expected fees, one from what the fills really
    cost (``cost`` for ``net``, the quantity after fees in base).
    """
    by_limit = price_up(
        limit * (SCALE + profit) * SCALE, (SCALE - fees.buy) * (SCALE - fees.sell), filters.tick_size
    )
    by_cost = price_up(cost * (SCALE + profit) * SCALE, net * (SCALE - fees.sell), filters.tick_size)
    return max(by_limit, by_cost)


def sell_quantity(have: Quantity, filters: Filters) -> Quantity:
    """How much of ``have`` one order can offer; the rest is dust, or left for the next order."""
    quantity = quantity_down(have, 1, filters.step_size)
    if quantity <= filters.max_quantity:
        return quantity
    return quantity_down(filters.max_quantity, 1, filters.step_size) or quantity


def offered(have: Quantity, price: Price, filters: Filters) -> Quantity:
    """How much of ``have`` one order can offer at this price, within the largest value of an order."""
    quantity = sell_quantity(have, filters)
    most = filters.max_notional * SCALE
    if not most or price * quantity <= most:
        return quantity
    return quantity_down(most, price, filters.step_size)


def dust_cost(cost: Money, dust: Quantity, have: Quantity) -> Money:
    """The share of ``cost`` (paid for ``have``) that belongs to ``dust``; all of it if nothing was sold."""
    return cost if dust == have else money_down(cost * dust, have)


def rebuy_below(limit: Price, rebuy: Rate) -> Price:
    """A trade strictly below this price may start one more trader."""
    return price_up(limit * (SCALE - rebuy), SCALE, _EXACT)


def reprice_above(traded: Price, reprice: Rate, filters: Filters) -> Price:
    """A trade strictly above this price cancels the resting buy, so that it is placed again higher.

    ``traded`` is the price of the trade that the buy was decided on, never its own limit: at a constant price
    nothing is cancelled, however coarse the ticks are.
    """
    return Price(max(price_down(traded * (SCALE + reprice), SCALE, _EXACT), traded + filters.tick_size))


def untradable(
    last: Price, budget: Money, chunks: int, buy_down: Rate, profit: Rate, fees: Fees, filters: Filters
) -> str | None:
    """The filter that a buy decided at ``last``, or the sell of what it buys, would fail; None if both pass.

    Lots are not counted: a cycle must be able to sell without them.
    """
    price = buy_price(last, buy_down, filters)
    return cycle_refusal(last, price, buy_quantity(budget, chunks, price, filters), profit, fees, filters)


def cycle_refusal(
    last: Price, price: Price, quantity: Quantity, profit: Rate, fees: Fees, filters: Filters
) -> str | None:
    """The filter that this buy, or the sell of what it buys, would fail; None if both pass."""
    failed = refusal(filters, Side.BUY, price, quantity, last)
    if failed:
        return failed
    net = quantity_down(quantity * (SCALE - fees.buy), SCALE, _COIN)
    sold = sell_quantity(net, filters)
    if not sold:
        return "LOT_SIZE"
    target = sell_price(price, value_up(price, quantity), net, profit, fees, filters)
    return refusal(filters, Side.SELL, target, sold, last)


def least_budget(
    last: Price, chunks: int, buy_down: Rate, profit: Rate, fees: Fees, filters: Filters
) -> Money | None:
    """The smallest budget that can be traded at ``last``; None if no budget can."""
    price = buy_price(last, buy_down, filters)
    if not price:
        return None
    step = filters.step_size
    by_limit = price_up(
        price * (SCALE + profit) * SCALE, (SCALE - fees.buy) * (SCALE - fees.sell), filters.tick_size
    )
    sold = max(
        quantity_up(filters.min_quantity, 1, step), quantity_up(filters.min_notional * SCALE, by_limit, step), step
    )
    bought = max(
        quantity_up(filters.min_quantity, 1, step),
        quantity_up(filters.min_notional * SCALE, price, step),
        quantity_up(sold * SCALE, SCALE - fees.buy, step),
    )
    budget = Money(value_up(price, bought) * chunks)
    return None if untradable(last, budget, chunks, buy_down, profit, fees, filters) else budget


def largest_budget(
    last: Price, chunks: int, buy_down: Rate, profit: Rate, fees: Fees, filters: Filters
) -> Money | None:
    """A budget that can be traded at ``last`` and is at most one step and one tick below the largest.

    None if there is no upper bound, or if no budget can be traded.
    """
    price = buy_price(last, buy_down, filters)
    bounds = [filters.max_quantity] if filters.max_quantity else []
    if filters.max_position:
        bounds.append(Quantity(filters.max_position // chunks))
    if not price or not (bounds or filters.max_notional):
        return None
    by_limit = price_up(
        price * (SCALE + profit) * SCALE, (SCALE - fees.buy) * (SCALE - fees.sell), filters.tick_size
    )
    for target in (by_limit, Price(by_limit + filters.tick_size)):  # what the fills cost may round up to one more
        most = [Quantity(filters.max_notional * SCALE // target)] if filters.max_notional else []
        quantity = quantity_down(min(*bounds, *most, _NO_BOUND), 1, filters.step_size)
        for value in (value_up(price, quantity), value_down(price, quantity)):
            budget = Money(value * chunks)
            if untradable(last, budget, chunks, buy_down, profit, fees, filters) is None:
                return budget
    return None
