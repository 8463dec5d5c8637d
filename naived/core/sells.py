"""What a trader's newest sell has done to its coins, as far as the exchange has told."""

from naived.core.amount import Quantity
from naived.core.engine import Engine
from naived.core.orders.intent import Side
from naived.core.orders.state import OrderState, State
from naived.core.strategy.trader_state import Trader


def unbooked(engine: Engine, trader: Trader, *, unread: bool = False) -> Quantity:
    """What the trader's live sell may have executed beyond the fills we know.

    ``unread``: what the exchange says of its orders could not be read, so any of it may be. So it may of a sell in
    quarantine, until a person ends that.
    """
    sell = engine.order(trader.number, Side.SELL, trader.sells)
    match sell:
        case OrderState(state=State.UNKNOWN | State.INTENDED):
            return sell.intent.quantity
        case OrderState(state=State.QUARANTINED):
            return Quantity(sell.quantity - sell.executed)
        case OrderState(state=State.OPEN | State.PARTIALLY_FILLED) if unread or sell.missed_at is not None:
            return Quantity(sell.quantity - sell.executed)
        case OrderState(state=State.OPEN | State.PARTIALLY_FILLED):
            return Quantity(sell.reported - sell.executed)
        case _:
            return Quantity(0)


def resting(engine: Engine, trader: Trader) -> Quantity:
    """What of the trader's coins is in an open sell at the exchange, as far as its reports say."""
    sell = engine.order(trader.number, Side.SELL, trader.sells)
    match sell:
        case OrderState(state=State.OPEN | State.PARTIALLY_FILLED, missed_at=None):
            return Quantity(sell.quantity - sell.reported)
        case _:
            return Quantity(0)
