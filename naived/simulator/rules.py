"""What an order must satisfy before the engine looks at it: the symbol's state and filters."""

from naived.core.amount import SCALE, Money, Price, Quantity, price_down, quantity_down
from naived.core.market import refusal
from naived.simulator.errors import ApiError, filter_failure, rejected
from naived.simulator.order import NewOrder, OrderType
from naived.simulator.symbols import Listing


def check(listing: Listing, new: NewOrder, reference: tuple[int, int] | None) -> None:
    """Raises ApiError -1013 for what the API refuses; ``reference`` is the average price as a quotient."""
    filters = listing.info.filters
    if new.stp_mode.value not in listing.info.stp_modes:
        raise ApiError(-1013, "This symbol does not allow the specified self-trade prevention mode.")
    if new.type is OrderType.MARKET:
        _check_market(listing, new, reference)
        return
    average = price_down(*reference, Price(1)) if reference else None
    failed = refusal(filters, new.side, new.price, new.quantity, average)
    if failed is not None:
        raise filter_failure(failed)


def _check_market(listing: Listing, new: NewOrder, reference: tuple[int, int] | None) -> None:
    filters = listing.info.filters
    if new.quote_quantity:
        if new.quote_quantity < filters.min_notional:
            raise filter_failure("NOTIONAL")
        return
    if not _fits(new.quantity, filters.min_quantity, filters.max_quantity, filters.step_size):
        raise filter_failure("LOT_SIZE")
    if not _fits(new.quantity, listing.market_least, listing.market_most, listing.market_step):
        raise filter_failure("MARKET_LOT_SIZE")
    if reference is not None:
        value, quantity = reference
        if value * new.quantity < filters.min_notional * SCALE * quantity:
            raise filter_failure("NOTIONAL")


def _fits(quantity: int, least: int, most: int, step: int) -> bool:
    return (not least or quantity >= least) and (not most or quantity <= most) and not (step and quantity % step)


def check_open(listing: Listing, open_orders: int) -> None:
    """Raises ApiError -2010 for what the matching engine refuses."""
    if not listing.info.trading:
        raise rejected("Market is closed.")
    most = listing.info.filters.max_orders
    if most and open_orders >= most:
        raise rejected("Filter failure: MAX_NUM_ORDERS")


def affordable(listing: Listing, quote_quantity: Money, price: Price) -> Quantity:
    """The quantity a MARKET order buys or sells for so much quote money, down to the step; raises ApiError."""
    step = Quantity(max(listing.info.filters.step_size, listing.market_step, 1))
    quantity = quantity_down(quote_quantity * SCALE, price, step)
    if not quantity:
        raise filter_failure("LOT_SIZE")
    return quantity
