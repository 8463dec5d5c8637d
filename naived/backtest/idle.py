"""Why a backtest bought nothing: in the words of the trader that waited, or what its buy waited for."""

from naived.core.amount import Price, format_amount
from naived.core.engine import Engine
from naived.core.strategy.summary import held_back, shortage
from naived.core.strategy.trader_state import Buying, Waiting


def idle(engine: Engine, last: Price) -> str:
    """The reason, at the last price of the tape."""
    leader = engine.leader
    arrived = [order.intent for order in engine.orders.values() if order.order_id is not None]
    for trader in leader.traders:
        match trader.phase:
            case Waiting(reason=str(reason)):
                return reason
            case Buying(intent) if intent not in arrived:
                return f"the buy at {format_amount(intent.price)} was on its way when the tape ended (latency)"
            case Buying(intent):
                return f"the price never fell below the buy at {format_amount(intent.price)}"
            case _:
                pass
    return (
        engine.blocked or held_back(leader, last) or shortage(leader, last) or "no trade came after the first one"
    )
