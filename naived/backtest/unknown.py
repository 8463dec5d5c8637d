"""What the journal and the tape do not tell of the moment at which a replay begins, in words.

Each sentence names what the replay takes instead, so that a difference that comes of it is none of the daemon's.
"""

from collections.abc import Iterable, Iterator

from naived.backtest.past_asked import pruned
from naived.backtest.past_lots import PastLots
from naived.backtest.reference import REFERENCE_MINUTES
from naived.control.protocol import format_time
from naived.core.amount import SCALE, Price, format_amount, price_up
from naived.core.orders.state import TERMINAL, State
from naived.core.strategy.formulas import buy_price
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.settings import Status
from naived.core.strategy.trader_state import Buying, Holding, Trader
from naived.database.history import History

_MEASURED = REFERENCE_MINUTES * 60_000  # ms for which a trade counts in the price that filters measure by


def unknown(history: History, past: PastLots, leader: Leader, at: int) -> Iterator[str]:
    """``leader`` is what the replay begins with at ``at`` (exchange ms)."""
    symbol, events = history.symbol, history.events
    if past.doubt is not None:
        yield f"{symbol}: the lots that it had when the tape begins are not certain: {past.doubt}"
    if pruned(history, at):
        yield (
            f"{symbol}: the journal keeps no events of the time before the tape: the replay begins as if it were "
            f"{leader.desired.status} then, and not halted"
        )
    if history.asked is not None or pruned(history, at):
        yield (
            f"{symbol}: settings may have changed since the tape began; of earlier ones the journal has those that "
            "traders bought with, and of max-deviation, spacing, floor, ceiling, fall-guard, stop-loss and "
            "stop-slippage only those of now, which the replay takes"
        )
    if any(event.kind == "halted" and event.at > at for event in events):
        yield f"{symbol}: it was halted; the replay takes back all buys that rest then, as without --keep-buys"
    for trader in leader.traders:
        if _holds(history, trader, at) and leader.desired.status is not Status.OFF:
            yield (
                f"{trader.id} held its coins when the tape begins, and the journal does not tell until when: the "
                "replay offers them at once"
            )
        traded = _decided_on(leader, trader)
        if traded is not None:
            yield (
                f"{trader.id}: its buy was decided on a trade at {format_amount(traded)}, or a tick above it: the "
                "replay may reprice it a tick too early"
            )


def untaped(leader: Leader, began: int, decided: Iterable[int]) -> Iterator[str]:
    """``decided``: the times (ms) of decisions that only one of the two made.

    What came before the tape counts for a while: where all is decided alike in it, it made no difference.
    """
    guard = leader.settings.fall_guard
    until = began + max(_MEASURED, 0 if guard is None else guard.span)
    if min(decided, default=until) < until:
        what = "max-deviation and price filters" if guard is None else "max-deviation, price filters and fall-guard"
        yield (
            f"{leader.info.symbol}: the trades of before the tape are not known: until {format_time(until)} the "
            f"replay judges {what} by those of the tape alone; one that begins earlier has them"
        )


def _holds(history: History, trader: Trader, at: int) -> bool:
    """Had its last order ended without being filled, so that it offered nothing?"""
    if not isinstance(trader.phase, Holding):
        return False
    own = [each for each in history.orders if each.intent.trader == trader.number and each.decided_at < at]
    return bool(trader.sells) and own[-1].state in TERMINAL and own[-1].state is not State.FILLED


def _decided_on(leader: Leader, trader: Trader) -> Price | None:
    """The lower one of two prices that its buy may have been decided on; None if it is certain, or no matter."""
    phase, terms, filters = trader.phase, trader.terms, leader.info.filters
    if not isinstance(phase, Buying) or not terms.reprice:
        return None
    limit = phase.intent.price
    lowest = price_up(limit * SCALE, SCALE - terms.buy_down, filters.tick_size)
    above = buy_price(Price(lowest + filters.tick_size), terms.buy_down, filters)
    return lowest if above == limit else None
