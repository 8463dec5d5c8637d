"""Notices a user data stream that says nothing although its connection lives, and has that connection replaced.

Such a stream looks like an account where nothing happens; only our own orders show the difference. One that changed
since the last comparison of the same session, and a while ago, should have been told.
"""

from collections.abc import Iterable

import structlog

from naived.core.orders.report import Report
from naived.core.orders.state import TERMINAL
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
        self._since: dict[Symbol, int] = {}  # when each was compared last in this session (exchange ms)
        self._found: str | None = None

    def begin(self) -> None:
        """Another session: what happened before was not its to tell."""
        self._since.clear()

    def read(self, symbol: Symbol, report: Report) -> None:
        """An answer to a query, before the symbol is told."""
        since = self._since.get(symbol)
        if since is None or not since <= report.time < self._exchange.now() - _LATE or symbol.failed is not None:
            return
        for order in symbol.engine.orders.values():
            if order.order_id != report.order_id or order.state in TERMINAL:
                continue
            if report.executed > order.reported or report.status.ended:
                self._found = f"{symbol.name} order {report.order_id}"

    def compared(self, symbols: Iterable[Symbol], at: int) -> None:
        """All orders of these were read, from ``at`` (exchange ms) on."""
        self._since.update(dict.fromkeys(symbols, at))
        if self._found is not None:
            reason = f"the user data stream said nothing of {self._found}: its connection is replaced"
            log.warning("user data stream silent", order=self._found)
            self._found = None
            self._session.silent = reason
            self._exchange.renew(reason)
