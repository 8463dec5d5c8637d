"""What is done after a failover of the database that may have lost commits: compare first, place orders afterwards.

    noticed     nothing is placed on the account, by any node; every symbol is claimed and loaded anew
    waited      recv-window, grace and a second of received server time: no frame of a lost row arrives any more
    compared    each symbol by its owner: rows that say ``not placed`` are unknown again, as the lost commit may be
                the one that admitted them (``doubt_orders``); then every order of the last day with our tag gets a
                row if it has none, in the order in which they were placed (``core/strategy/leader_lost.py`` says
                whose it is)
    accepted    when all symbols are compared, whichever node finds that out first; then orders are placed again;
                until then the reason of every symbol names some that are awaited

A symbol of which the very first commit was lost is claimed by a node that had it or heard of an order of it, or for
the orders that it has open.
"""

from collections.abc import Callable

import structlog
import trio

from naived.core.engine import Unrecorded
from naived.core.orders.report import Report
from naived.core.orders.state import Reported, Restarted, State
from naived.nodes import Cluster
from naived.ports import Exchange, ExchangeError, Journal, JournalError
from naived.runtime.account_view import AccountView
from naived.runtime.elsewhere import Elsewhere
from naived.runtime.reconciler import Reconciler
from naived.runtime.session import Session
from naived.runtime.supervisor import Supervisor
from naived.runtime.symbol_task import Symbol, UnlistedError

_RETRY = 2.0  # seconds
_READING = 20.0  # seconds for one symbol's orders and fills; what is not read by then is read in a later round
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
        elsewhere: Elsewhere,
        doubt: Callable[[], int],
    ) -> None:
        self._cluster = cluster
        self._exchange = exchange
        self._journal = journal
        self._session = session
        self._view = view
        self._reconciler = reconciler
        self._supervisor = supervisor
        self._elsewhere = elsewhere
        self._doubt = doubt
        self._claimed_on: str | None = None  # the server on which unknown symbols were claimed

    async def compare(self, server: str, accepted: Callable[[], bool], awaited: dict[str, str]) -> None:
        """Do it, until it is ``accepted`` that all symbols are compared on this server.

        ``awaited`` gets why a symbol of ours could not be compared, by symbol.
        """
        self._reconciler.expecting = True
        try:
            sent_until = await self._wait()
            done: set[tuple[str, int]] = set()
            while not accepted():
                await self._round(server, sent_until, done, awaited)
                await trio.sleep(_RETRY)
        finally:
            self._reconciler.expecting = False

    async def _wait(self) -> int:
        """Until no frame arrives any more of which the row was lost; returns by when those were signed."""
        begun: int | None = None
        while True:
            try:
                await self._session.usable()
                now = await self._exchange.server_time()
                begun = now if begun is None else begun
                if now > begun + self._doubt() + _BEYOND:
                    return begun
            except ExchangeError as error:
                log.warning("the exchange is awaited", error=str(error))
            await trio.sleep(_RETRY)

    async def _round(
        self, server: str, sent_until: int, done: set[tuple[str, int]], awaited: dict[str, str]
    ) -> None:
        """Compare what is ours and not ``done``: symbols and their epochs."""
        try:
            if self._claimed_on != server:  # once: the list of all open orders is a heavy question
                await self._claim_unknown()
                self._claimed_on = server
            for symbol in list(self._supervisor.symbols.values()):
                key = symbol.name, symbol.epoch
                if key in done or symbol.gone:
                    continue
                why = await self._why_not_compared(symbol, sent_until)
                if why is not None:
                    log.warning("not compared yet", symbol=symbol.name, error=why)
                    awaited[symbol.name] = why
                    continue
                awaited.pop(symbol.name, None)
                await self._cluster.compared(symbol.name, symbol.epoch, server)
                symbol.commits_lost = False
                done.add(key)
            await self._cluster.accept(server)
        except (ExchangeError, JournalError) as error:
            log.warning("comparison not accepted yet", error=str(error))

    async def _claim_unknown(self) -> None:
        """Claim symbols of which the journal lost all; raises ExchangeError, JournalError."""
        reports = map(self._session.placed_ids.restore, await self._exchange.open_orders())
        names = {report.symbol for report in reports if self._session.is_ours(report)}
        unknown = (names | self._elsewhere.named) - self._supervisor.symbols.keys()
        if unknown:
            unknown -= {record.symbol for record in await self._journal.load()}  # those are claimed in their turn
        if unknown:
            await self._cluster.claim(len(unknown), unknown)

    async def _why_not_compared(self, symbol: Symbol, sent_until: int) -> str | None:
        """Compare it; returns why that was not possible, None if it was."""
        try:
            if symbol.failed is None and not await self._compare(symbol, sent_until) and symbol.failed is None:
                return next(iter(symbol.unresolved.values()), "its orders and fills are being read")
        except UnlistedError as error:  # there is nothing to compare
            log.warning("not compared", symbol=symbol.name, error=str(error))
            return None
        except (ExchangeError, JournalError) as error:
            return str(error)
        return None if symbol.failed is None else str(symbol.failed)

    async def _compare(self, symbol: Symbol, sent_until: int) -> bool:
        """Read every order of ours; False if that takes longer, or the symbol failed.

        Raises ExchangeError, JournalError, UnlistedError.
        """
        if not symbol.engine.informed:
            await self._view.inform(symbol)
        for client_order_id, order in list(symbol.engine.orders.items()):
            if order.state is State.UNKNOWN and order.timestamp is None:  # from now on its absence can be proven
                symbol.offer(Restarted(client_order_id, True, sent_until, symbol.context.recv_window))
        await self._reconciler.look(symbol, symbol.engine.numbered)
        symbol.resolve_orders()
        reports = await self._exchange.orders_since(symbol.name, self._exchange.now() - _DAY)
        for listed in sorted(reports, key=lambda report: report.order_id):
            report = self._session.placed_ids.restore(listed)
            if not self._matters(report):
                continue
            row = symbol.engine.orders.get(report.client_order_id)
            if row is not None and row.order_id is None:  # a cancel changed the id that was asked for
                symbol.offer(Reported(report.client_order_id, report))
            elif not await self._is_known(symbol, report):
                if not await self._read(symbol):
                    return False
                symbol.offer(Unrecorded(report))
        if not await self._read(symbol):
            return False
        await self._reconciler.compare(symbol)
        return symbol.failed is None

    def _matters(self, report: Report) -> bool:
        return self._session.is_ours(report) and not (report.status.ended and not report.executed)

    async def _is_known(self, symbol: Symbol, report: Report) -> bool:
        """Has it a row? Without one the symbol needs at least settings in the journal; raises JournalError."""
        if report.client_order_id in symbol.engine.orders:
            return True
        if await self._journal.known({(symbol.name, report.client_order_id)}):
            return True
        log.error("an order without a row", symbol=symbol.name, order=report.order_id)
        if not await self._journal.load(symbol.name):
            symbol.direct(symbol.desired)
        return False

    async def _read(self, symbol: Symbol) -> bool:
        """Wait until the symbol's orders are known to their last fill, and all that is durable."""
        with trio.move_on_after(_READING):
            while symbol.failed is None and (symbol.behind or _unread(symbol)):
                await symbol.news.wait()
            return symbol.failed is None
        return False


def _unread(symbol: Symbol) -> bool:
    unsure = (State.UNKNOWN, State.INTENDED)
    return bool(symbol.engine.unread) or any(order.state in unsure for order in symbol.engine.orders.values())
