"""One symbol's engine in a backtest: it is offered events, and its orders and cancels are queued for the exchange.

This is what ``runtime/symbol_task.py`` is in the daemon, without a journal, tasks or an order limit.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from naived.core import engine as core
from naived.core.amount import Price
from naived.core.engine import Engine, Event, Question
from naived.core.market import SymbolInfo
from naived.core.orders.report import Fill
from naived.core.orders.state import Admitted, Need, OrderState, need
from naived.core.strategy.formulas import Fees
from naived.core.strategy.leader import EVERY, NONE, Band
from naived.core.strategy.leader_events import Activated, Informed
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.core.strategy.standing import lacking
from naived.core.strategy.trader_state import Finished, Measured, Trader
from naived.core.strategy.view import UNLIMITED, Funds

_WINDOW = 5_000  # ms, the receive window of each order
_EPOCH = 1
_SPARE = 32  # client order ids that are made at once


class BacktestError(Exception):
    """The backtest cannot go on; the message says why and what to do."""


class Request(Struct, frozen=True):
    """What reaches the exchange at ``due`` (ms): a new order, or the cancel of one."""

    due: int
    client_order_id: str
    cancel: bool


def _unlimited() -> Funds:
    return UNLIMITED


def _unknown(_: int) -> Price | None:
    return None


def _untold() -> Price | None:
    return None


@dataclass(slots=True)
class Trading:
    """``orders`` are all that were ever decided, in their last state; ``cycles`` all traders that finished.

    ``wakes_at`` is the engine's, after its last step; so is ``band``, but computed where it is asked for.
    ``funds``: what a buy may take besides the budget; it changes only with the engine. ``reference``: what the
    exchange's filters measure by at a moment (ms); ``believed``: the last price that decides.
    """

    engine: Engine
    latency: int
    requests: deque[Request] = field(default_factory=deque)
    orders: dict[str, OrderState] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    cycles: list[Trader] = field(default_factory=list)
    wakes_at: int | None = None
    funds: Callable[[], Funds] = _unlimited
    reference: Callable[[int], Price | None] = _unknown
    believed: Callable[[], Price | None] = _untold
    _band: Band | None = NONE
    _cancelled: set[str] = field(default_factory=set)
    _made: int = 0

    @property
    def band(self) -> Band:
        band = self._band
        if band is None:
            least = self.engine.leader.least
            band = self.engine.band if least is None or lacking(least, self.funds()) else EVERY
            self._band = band
        return band

    def offer(self, event: Event, now: int) -> None:
        """Step the engine, and again for each slot of the order limit; queue what it asks for."""
        engine, changes = core.step(self.engine, event, now)
        for client_order_id in changes.admits:
            engine, more = core.step(engine, Admitted(client_order_id, now, _WINDOW, _EPOCH), now)
            changes.extend(more)
        if engine.leader is not self.engine.leader or engine.blocks is not self.engine.blocks:
            self._band, self.wakes_at = None, engine.leader.wakes_at
            engine = self.stocked(engine)
        self.engine = engine
        self.fills += changes.fills
        if engine.leader.barred is not None:
            raise BacktestError(engine.leader.barred)
        for trader in changes.traders.values():
            if type(trader.phase) is Finished and trader.phase.profit is not None:
                self.cycles.append(trader)
        due = now + self.latency
        for client_order_id, order in changes.orders.items():
            self.orders[client_order_id] = order
            if order.cancelling and need(order) is Need.CANCEL and client_order_id not in self._cancelled:
                self._cancelled.add(client_order_id)
                self.requests.append(Request(due, client_order_id, cancel=True))
        for client_order_id in changes.sends:
            self.requests.append(Request(due, client_order_id, cancel=False))
        if Question.RULES in changes.questions:  # COINS never: a market that has what it bought refuses no balance
            self.offer(Informed(engine.leader.info, engine.leader.fees), now)
        if Question.REFERENCE in changes.questions:
            self.offer(Measured(self.reference(now), self.believed()), now)

    def stocked(self, engine: Engine) -> Engine:
        """With as many client order ids as its next step may need."""
        needed = engine.ids_needed
        if len(engine.ids) >= needed:
            return engine
        first = self._made + 1
        self._made += needed + _SPARE
        return replace(engine, ids=(*engine.ids, *[f"b{number:09}" for number in range(first, self._made + 1)]))


def begin(info: SymbolInfo, settings: Settings, fees: Fees, latency: int, now: int) -> Trading:
    """A symbol that is on and has never traded."""
    return resume(Leader(info, fees, DesiredState(settings, Status.ON)), (), latency, now)


def resume(leader: Leader, orders: Iterable[OrderState], latency: int, now: int) -> Trading:
    """A symbol with these traders, whose ``orders`` rest at the exchange."""
    engine, _ = core.load(leader, orders, (), _EPOCH, now)
    trading = Trading(engine, latency)
    trading.engine = trading.stocked(engine)
    trading.offer(Activated(), now)
    return trading
