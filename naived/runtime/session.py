"""The session with the exchange: passes what the adapter reports to the symbols, and knows if there is a session.

Without a session, and until its orders were compared after it opened, a symbol is blocked.
"""

import math
from collections.abc import Callable, Mapping

import structlog
import trio

from naived.core.amount import Price
from naived.core.engine import Blocked, BlockedBy, is_blocked_by
from naived.core.orders.report import Report
from naived.core.orders.state import Reported
from naived.ports import Balance, ExchangeError, JournalError
from naived.runtime.funds import AccountFunds
from naived.runtime.placed_ids import PlacedIds
from naived.runtime.price_gate import PriceGates
from naived.runtime.symbol_task import Symbol

EVERY = 60.0  # seconds between two reconciliations
_STRANGE = 5.0  # seconds, at least, between two for the sake of an order that nobody here knows

log = structlog.get_logger()


class Pause:
    """Between two passes of the reconciler."""

    def __init__(self) -> None:
        self._wanted, self._stranger = trio.Event(), trio.Event()
        self._strange_at = -math.inf  # when a stranger ended one, on trio's clock

    def end(self) -> None:
        """Something came that was not compared yet: make the next pass at once."""
        self._wanted.set()

    def end_for_stranger(self) -> None:
        """As ``end``, for an order with our tag that nobody here knows: a copy of the journal may be in use."""
        self._stranger.set()

    async def wait(self, over: trio.Event, within: float = EVERY) -> None:
        """Until the next pass is due, in so many seconds, or wanted, or the session is over."""

        async def wait_for(event: trio.Event) -> None:
            await event.wait()
            nursery.cancel_scope.cancel()

        async def wait_for_stranger() -> None:
            await self._stranger.wait()
            await trio.sleep_until(self._strange_at + _STRANGE)
            self._strange_at = trio.current_time()
            nursery.cancel_scope.cancel()

        with trio.move_on_after(within):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait_for, over)
                nursery.start_soon(wait_for, self._wanted)
                nursery.start_soon(wait_for_stranger)
        self._wanted, self._stranger = trio.Event(), trio.Event()


class Session:
    """A ``ports.Sink``. ``prefix`` is how the ids of our orders begin; ``symbols`` are those of the supervisor.

    ``away``: why the exchange does not answer, until our orders were compared again, else None; ``unread``: why the
    journal does not. ``unreached``: why the exchange does not answer for the account, None once it did in this
    session: never what concerns one symbol alone.
    ``silent``: what its user data stream did not tell, until that is an event.
    ``ready`` is set when all orders were read once, ``claimed`` when it is certain that the journal belongs to the
    account of this session. ``elsewhere`` is told of orders with our tag whose symbol is not of this process.
    ``placed_ids`` are those of our orders on all nodes. ``pause`` is the reconciler's.
    """

    def __init__(
        self,
        symbols: Mapping[str, Symbol],
        gates: PriceGates,
        funds: AccountFunds,
        prefix: str,
        elsewhere: Callable[[Report], None] = lambda _: None,
    ) -> None:
        self.away: str | None = None
        self.unreached: str | None = "not connected yet"
        self.unread: str | None = None
        self.silent: str | None = None
        self.ready = trio.Event()
        self.claimed = trio.Event()
        self._symbols = symbols
        self._gates = gates
        self._funds = funds
        self._prefix = prefix
        self._elsewhere = elsewhere
        self.placed_ids = PlacedIds()
        self._open = trio.Event()
        self._over = trio.Event()
        self.pause = Pause()

    # Calls of the adapter (ports.Sink)

    def trade(self, symbol: str, trade_id: int, price: Price, quantity: str, time: int) -> None:
        self._gates.trade(symbol, trade_id, price, quantity, time)

    def lost(self, symbol: str, why: str | None) -> None:
        self._gates.lost(symbol, why)

    def report(self, report: Report, *, told: bool = True) -> None:
        """``told``: by the exchange, not read by us."""
        symbol = self._symbols.get(report.symbol)
        ours = self.is_ours(report)
        if ours:
            self.placed_ids.note(report)
        if symbol is None and ours:
            self._elsewhere(report)
        if symbol is None or not symbol.engine.informed:
            return
        if ours:
            if told and not report.status.ended and report.client_order_id not in symbol.engine.orders:
                self.pause.end_for_stranger()
            symbol.offer(Reported(report.client_order_id, report))
            return
        # An order that a person amended has another client order id; its number is the same.
        for order in symbol.engine.orders.values():
            if order.order_id == report.order_id:
                symbol.offer(Reported(order.client_order_id, report))

    def balances(self, balances: Mapping[str, Balance], time: int) -> None:
        self._funds.balances.learn(balances, time)

    def opened(self) -> None:
        log.info("session opened")
        self._open.set()

    def closed(self, reason: str) -> None:
        if reason != self.away:
            log.warning("session closed", reason=reason)
        self.away = self.unreached = reason
        if self._open.is_set():
            self._open = trio.Event()
        if self.claimed.is_set():
            self.claimed = trio.Event()
        self._over.set()
        self._over = trio.Event()
        for symbol in self._symbols.values():
            symbol.compared_at = None
            symbol.offer(Blocked(BlockedBy.EXCHANGE, f"the exchange is away: {reason}"))

    def is_ours(self, report: Report) -> bool:
        """Does the order have our tag?"""
        return report.client_order_id.startswith(self._prefix)

    # Results of the reconciler

    def unheard(self, error: ExchangeError | JournalError) -> None:
        """Our orders could not be compared: block symbols that are not active yet, with this reason."""
        if isinstance(error, JournalError):
            self.unread = reason = str(error)
            if self.unreached is None:
                self.away = None  # it is the journal that is waited for
        else:
            self.away = self.unreached = str(error)
            reason = f"the exchange is away: {error}"
        for symbol in self._symbols.values():
            if not symbol.engine.leader.active or is_blocked_by(symbol.engine, BlockedBy.EXCHANGE):
                symbol.offer(Blocked(BlockedBy.EXCHANGE, reason))

    def heard(self, refusals: Mapping[str, str]) -> None:
        """Our orders were read: only symbols for which the exchange did not answer are blocked."""
        self.away = self.unreached = self.unread = None
        self.ready.set()
        for symbol in self._symbols.values():
            why = refusals.get(symbol.name)
            symbol.offer(
                Blocked(
                    BlockedBy.EXCHANGE, None if why is None else f"the exchange says nothing of its orders: {why}"
                )
            )

    # Waiting for it

    async def opening(self) -> trio.Event:
        """Wait until there is a session; returns the event that is set when it is over."""
        await self._open.wait()
        return self._over

    async def usable(self) -> None:
        """Wait until there is a session, and it is certain that the journal belongs to its account."""
        while not (self.claimed.is_set() and self._open.is_set()):
            await self._open.wait()
            await self.claimed.wait()
