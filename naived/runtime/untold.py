"""Notices a user data stream that says nothing although its connection lives, and has that connection replaced.

Such a stream looks like an account where nothing happens; only our own orders show the difference. One that changed
since the last comparison of the same session, and a while ago, should have been told.
"""

from collections.abc import Iterable

import structlog

from naived.core.orders.report import Report
from naived.core.orders.state import State
from naived.ports import Exchange
from naived.runtime.session import Session
from naived.runtime.symbol_task import Symbol

_LATE = 10_000  # ms: a report that is not here by then does not come

log = structlog.get_logger()


class Untold:
    """Is told by the reconciler what it reads."""

    def __init__(self, exchange: Exchange, session: Session) -> None:
        self._exchange = exchange
        self._session = session
        self._renewed_at = 0  # exchange ms

    def read(self, symbol: Symbol, report: Report) -> None:
        """An answer to a query, before the symbol is told."""
        now, since = self._exchange.now(), symbol.compared_at
        if since is None or symbol.failed is not None:
            return
        # What happened until the new connection was up was not its to tell.
        if not max(since, self._renewed_at + _LATE) <= report.time < now - _LATE:
            return
        for order in symbol.engine.orders.values():
            if order.order_id != report.order_id or order.state is State.QUARANTINED:
                continue  # nothing is booked of the latter, whatever the stream tells
            if report.executed > order.reported or (report.status.ended and order.final is None):
                self._renewed_at = now
                name = f"{symbol.name} order {report.order_id}"
                log.warning("user data stream silent", order=name)
                reason = f"the user data stream said nothing of {name}: its connection is replaced"
                self._session.silent = reason
                self._exchange.renew(reason)
                return

    def compared(self, symbols: Iterable[Symbol], at: int) -> None:
        """All orders of these were read, from ``at`` (exchange ms) on."""
        # While it is away the session may have ended meanwhile, and the next one begins with nothing compared.
        if self._session.away is None:
            for symbol in symbols:
                symbol.compared_at = at
