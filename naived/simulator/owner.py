"""What the owner of the account does by hand: cancel, place and amend an order.

Each returns None where it is not possible yet.
"""

from collections.abc import Callable, Iterable, Sequence

from naived.core.amount import SCALE, Money, Quantity, price_up, quantity_up
from naived.core.orders.intent import Side
from naived.simulator.errors import ApiError
from naived.simulator.exchange import Exchange
from naived.simulator.order import NewOrder, Order, OrderType, StpMode, TimeInForce
from naived.simulator.step import Done, Market

_VALUE = 10 * SCALE  # quote money of an order, or the least notional if that is more


def cancel_oldest(exchange: Exchange, markets: Sequence[Market], new_id: Callable[[], str]) -> Done | None:
    oldest = next(iter(_resting(markets)), None)
    if oldest is None:
        return None
    try:
        return exchange.cancel(oldest.symbol, oldest.id, f"web_{new_id()}")
    except ApiError:
        return None


def amend_oldest(exchange: Exchange, markets: Sequence[Market], new_id: Callable[[], str]) -> Done | None:
    """Halve what is open of the oldest order whose symbol's rules allow it."""
    for order in _resting(markets):
        step = exchange.market(order.symbol).listing.info.filters.step_size
        half = order.remaining // (2 * step) * step
        try:
            return exchange.amend(
                order.symbol, order.id, Quantity(order.quantity - order.remaining + half), new_id()
            )
        except ApiError:
            continue
    return None


def place_one(exchange: Exchange, markets: Sequence[Market], new_id: Callable[[], str]) -> Done | None:
    """Place a small buy 10 % below the market: it rests, and its id is not one of naived's."""
    traded = next((market for market in markets if market.last is not None), None)
    if traded is None or traded.last is None:
        return None
    info = traded.listing.info
    price = price_up(traded.last * 9, 10, info.filters.tick_size)
    worth = Money(max(_VALUE, info.filters.min_notional))
    order = NewOrder(
        symbol=info.symbol,
        side=Side.BUY,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price=price,
        quantity=quantity_up(worth * SCALE, price, info.filters.step_size),
        quote_quantity=Money(0),
        client_order_id=f"web_{new_id()}",
        stp_mode=StpMode(traded.listing.stp_default),
    )
    try:
        return exchange.place(order)
    except ApiError:
        return None


def _resting(markets: Iterable[Market]) -> list[Order]:
    """The open orders, oldest first."""
    orders = [order for market in markets for order in market.open.values()]
    return sorted(orders, key=lambda order: (order.created, order.id))
