"""The session with the exchange: what its adapter tells, handed to whom it concerns, and whether there is one now.

While there is none, or while nobody knows what became of our orders in it, symbols are blocked.
"""

from collections.abc import Mapping

import structlog
import trio

from naived.core.amount import Price
from naived.core.engine import Blocked, BlockedBy
from naived.core.orders.report import Report
from naived.core.orders.state import Reported
from naived.runtime.price_gate import PriceGates
from naived.runtime.symbol_task import Symbol

log = structlog.get_logger()


class Session:
    """A ``ports.Sink``. ``prefix`` is how the ids of our orders begin; ``symbols`` are those of the supervisor.

    ``away`` is why the exchange cannot be asked now, None while it can be; ``ready`` is set when all orders were
    asked for once, ``claimed`` when it is certain that the journal belongs to the exchange's account.
    """

    def __init__(self, symbols: Mapping[str, Symbol], feed: PriceGates, prefix: str) -> None:
        self.away: str | None = None
        self.ready = False
        self.claimed = trio.Event()
        self._symbols = symbols
        self._feed = feed
        self._prefix = prefix
        self._open = trio.Event()
        self._over = trio.Event()

    # What the exchange tells (ports.Sink)

    def trade(self, symbol: str, trade_id: int, price: Price, quantity: str, time: int) -> None:
        self._feed.trade(symbol, trade_id, price, quantity, time)

    def report(self, report: Report) -> None:
        symbol = self._symbols.get(report.symbol)
        if symbol is not None and symbol.engine.informed and self.is_ours(report):
            symbol.offer(Reported(report.client_order_id, report))

    def opened(self) -> None:
        log.info("session opened")
        self._open.set()

    def closed(self, reason: str) -> None:
        if reason != self.away:
            log.warning("session closed", reason=reason)
        self.away = reason
        if self._open.is_set():
            self._open = trio.Event()
        self._over.set()
        self._over = trio.Event()
        for symbol in self._symbols.values():
            symbol.offer(Blocked(BlockedBy.EXCHANGE, f"the exchange is away: {reason}"))

    def is_ours(self, report: Report) -> bool:
        """Does the order have our tag?"""
        return report.client_order_id.startswith(self._prefix)

    # What the reconciler found out in it

    def unheard(self, reason: str) -> None:
        """Nothing is known of our orders yet: symbols that do not trade so far say why."""
        self.away = reason
        for symbol in self._symbols.values():
            if not symbol.engine.leader.active:
                symbol.offer(Blocked(BlockedBy.EXCHANGE, f"the exchange is away: {reason}"))

    def heard(self, refusals: Mapping[str, str]) -> None:
        """The exchange answers; where it refuses to say anything of a symbol, that one alone is blocked."""
        self.away = None
        self.ready = True
        for symbol in self._symbols.values():
            why = refusals.get(symbol.name)
            symbol.offer(
                Blocked(
                    BlockedBy.EXCHANGE, None if why is None else f"the exchange says nothing of its orders: {why}"
                )
            )

    # Waiting for it

    async def opening(self) -> trio.Event:
        """Wait until there is a session; returns what is set when it is over."""
        await self._open.wait()
        return self._over

    async def usable(self) -> None:
        """Wait until there is a session, and it is certain that the journal belongs to its account."""
        await self.claimed.wait()
        await self._open.wait()
