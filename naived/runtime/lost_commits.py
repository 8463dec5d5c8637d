"""What is done after a failover of the database that may have lost commits: compare first, place orders afterwards.

    noticed     nothing is placed on the account, by any node; every symbol is claimed and loaded anew
    waited      recv-window, grace and a second of received server time: no frame of a lost row arrives any more
    compared    each symbol by its owner: rows that say ``not placed`` are asked for too, as the lost commit may be
                the one that admitted them, and every order of the last day with our tag has to have a row
    accepted    when all symbols are compared, whichever node finds that out first; then orders are placed again

An order with our tag and no row blocks its symbol until a person has looked (`resolve --all --ignore`).
"""

from collections.abc import Callable

import structlog
import trio

from naived.core.orders.client_id import cancel_id
from naived.core.orders.state import Reported, State
from naived.nodes import Cluster
from naived.ports import Exchange, ExchangeError, Journal, JournalError
from naived.runtime.account_view import AccountView
from naived.runtime.reconciler import Reconciler
from naived.runtime.session import Session
from naived.runtime.supervisor import Supervisor
from naived.runtime.symbol_task import FaultError, Symbol

_RETRY = 2.0  # seconds
_BEYOND = 1_000  # ms beyond recv-window and grace
_DAY = 24 * 3_600_000  # ms of orders that are looked through

log = structlog.get_logger()


class LostCommits:
    """``doubt`` (ms) is how long an order may still arrive: recv-window and grace."""

    def __init__(
        self,
        cluster: Cluster,
        exchange: Exchange,
        journal: Journal,
        session: Session,
        view: AccountView,
        reconciler: Reconciler,
        supervisor: Supervisor,
        doubt: Callable[[], int],
    ) -> None:
        self._cluster = cluster
        self._exchange = exchange
        self._journal = journal
        self._session = session
        self._view = view
        self._reconciler = reconciler
        self._supervisor = supervisor
        self._doubt = doubt

    async def compare(self, server: str, accepted: Callable[[], bool]) -> None:
        """Do it, until it is ``accepted`` that all symbols are compared on this server."""
        await self._wait()
        done: set[tuple[str, int]] = set()
        while not accepted():
            for symbol in list(self._supervisor.symbols.values()):
                key = symbol.name, symbol.epoch
                if key in done or symbol.gone:
                    continue
                try:
                    await self._compare(symbol)
                    await self._cluster.compared(symbol.name, symbol.epoch, server)
                    done.add(key)
                except (ExchangeError, JournalError, FaultError) as error:
                    log.warning("not compared yet", symbol=symbol.name, error=str(error))
            try:
                await self._cluster.accept(server)
            except JournalError as error:
                log.warning("comparison not accepted yet", error=str(error))
            await trio.sleep(_RETRY)

    async def _wait(self) -> None:
        begun: int | None = None
        while True:
            try:
                await self._session.usable()
                now = await self._exchange.server_time()
                begun = now if begun is None else begun
                if now > begun + self._doubt() + _BEYOND:
                    return
            except ExchangeError as error:
                log.warning("the exchange is awaited", error=str(error))
            await trio.sleep(_RETRY)

    async def _compare(self, symbol: Symbol) -> None:
        """Raises ExchangeError, JournalError, FaultError."""
        if not symbol.engine.informed:
            await self._view.inform(symbol)
        for client_order_id, order in symbol.engine.orders.items():
            if order.state is State.NOT_PLACED and order.order_id is None:
                report = await self._exchange.order(symbol.name, client_order_id=client_order_id)
                if report is not None:
                    symbol.offer(Reported(client_order_id, report))
        await self._reconciler.compare(symbol)
        without_row = []
        for report in await self._exchange.orders_since(symbol.name, self._exchange.now() - _DAY):
            client_order_id = report.client_order_id.removesuffix(cancel_id(""))
            if not self._session.is_ours(report) or (report.status.ended and not report.executed):
                continue
            if not await self._journal.knows(symbol.name, client_order_id):
                without_row.append(str(report.order_id))
        if without_row:
            orders = ", ".join(without_row)
            reason = (
                f"the database was replaced and lost what it knew of our order {orders}: look at its coins, then "
                f"go on with: naivectl resolve {symbol.name} --all --ignore"
            )
            log.error("orders without a row", symbol=symbol.name, orders=orders)
            self._reconciler.foreign_orders.blocked[symbol.name] = reason
            self._reconciler.block_lineage()
        await symbol.settle()
        if symbol.failed is not None:
            raise JournalError(str(symbol.failed))
