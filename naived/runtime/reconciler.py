"""Compares orders and coins at the exchange with ours: when a session opens, a symbol starts, and every minute.

All of it is idempotent; a pass that finds no difference writes nothing.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set

import structlog
import trio

from naived.core.amount import Quantity, format_amount
from naived.core.engine import Blocked, BlockedBy, Question
from naived.core.orders.report import Report
from naived.core.orders.state import Missing, OrderState, Reported
from naived.core.strategy.settings import Status
from naived.ports import DeploymentError, Exchange, ExchangeError, Journal, JournalError, RefusedError
from naived.runtime.account_view import AccountView
from naived.runtime.batcher import Batcher
from naived.runtime.fee_losses import owners
from naived.runtime.foreign_orders import ForeignOrders
from naived.runtime.funds import holds
from naived.runtime.session import EVERY, Session
from naived.runtime.symbol_task import Symbol
from naived.runtime.unanswered import Unanswered
from naived.runtime.untold import Untold

_RETRY = 2.0  # seconds before a failed one is repeated
_SUBSCRIPTION_TIMEOUT = (
    5  # seconds to wait for the subscriptions after an outage: sells must not wait longer for them
)
_COVER_READINGS = 3  # readings of the balance that must all lack coins: a fill may come between two answers

log = structlog.get_logger()


class _Claim:
    """Is a session for the account that the journal belongs to? A simulator may begin anew at the same address."""

    def __init__(self, exchange: Exchange, journal: Journal, venue: str) -> None:
        self._exchange = exchange
        self._journal = journal
        self._venue = venue
        self._uid: str | None = None  # of the account, once the journal belongs to it

    async def check(self) -> None:
        """Raises DeploymentError if it is another one, ExchangeError, JournalError."""
        uid = (await self._exchange.account()).uid
        if uid == self._uid:
            return
        # Asked twice: a journal that is bound to a wrong one is of no use any more.
        if (await self._exchange.account()).uid != uid:
            raise ExchangeError("two answers of the exchange name two accounts")
        await self._journal.claim(self._venue, uid)
        self._uid = uid


class Reconciler:
    """For one exchange account. ``venue`` is the exchange the journal must belong to; ``grace`` is in ms."""

    def __init__(
        self,
        exchange: Exchange,
        journal: Journal,
        session: Session,
        view: AccountView,
        symbols: Mapping[str, Symbol],
        venue: str,
        grace: int,
        foreign_orders: ForeignOrders,
    ) -> None:
        self._exchange = exchange
        self._journal = journal
        self._session = session
        self._view = view
        self._symbols = symbols
        self.grace = grace
        self._comparison = Batcher(self.reconcile)
        self._surveyed: trio.Event | None = None  # the session in which all open orders were read
        self._foreign: Mapping[str, str] = {}
        self._claim = _Claim(exchange, journal, venue)
        self.expecting = False  # orders without a row are being looked for, after a failover of the database
        self.foreign_orders = foreign_orders
        self._untold = Untold(exchange, session)

    async def run(self) -> None:
        """Run until cancelled; raises DeploymentError when the journal belongs to another account."""
        pause = _RETRY
        while True:
            over = await self._session.opening()
            try:
                unanswered = await self._reconcile_all(over)
            except DeploymentError:
                raise
            except (ExchangeError, JournalError) as error:
                log.warning("not reconciled", error=str(error))
                if not over.is_set():
                    self._session.unheard(error)
                await trio.sleep(_RETRY)
                continue
            if not over.is_set():
                self._session.heard(unanswered.reasons)
            # What one symbol lacks is asked for again soon, and less and less often.
            await self._session.pause.wait(over, pause if unanswered.passing else EVERY)
            pause = min(2 * pause, EVERY) if unanswered.passing else _RETRY

    async def _reconcile_all(self, session: trio.Event) -> Unanswered:
        claimed = self._session.claimed
        if not claimed.is_set() or self._session.unreached is not None:
            await self._claim.check()
        known = self._surveyed is session
        reports = () if known else await self._exchange.open_orders()
        if not session.is_set():
            self._session.unreached = None
        if not known:
            await self.foreign_orders.note(reports, None)
            self._surveyed = session
            self.block_lineage()
        if not session.is_set():  # else it was another session whose account was asked for
            claimed.set()
        kept = [
            symbol
            for symbol in self._symbols.values()
            if symbol.desired.status is not Status.OFF or symbol.engine.watched or holds(symbol)
        ]
        uninformed = [symbol for symbol in kept if not (symbol.engine.informed and symbol.listed)]
        failures = await self._view.inform_all(uninformed)
        for symbol in uninformed:
            if not symbol.listed:
                _miss_orders(symbol, self._exchange.now(), self.grace)
        await self._view.read_funds()
        with trio.move_on_after(_SUBSCRIPTION_TIMEOUT):
            await self._await_subscriptions()

        def compared(symbol: Symbol) -> None:
            if not session.is_set():
                symbol.offer(Blocked(BlockedBy.EXCHANGE, None))

        listed = [symbol for symbol in kept if symbol.engine.informed and symbol.listed]
        unanswered = await self.reconcile(listed, compared)
        for symbol in kept:
            if symbol.name in unanswered.reasons:  # it may be delisted
                symbol.context.commands.inquire(symbol, Question.RULES)
        unanswered.reasons = {**failures, **unanswered.reasons}
        return unanswered

    async def _await_subscriptions(self) -> None:
        """Wait until the trades of every active symbol are subscribed (again)."""
        for symbol in list(self._symbols.values()):
            if symbol.engine.leader.active:
                await self._exchange.watch(symbol.name)

    # Orders

    async def compare(self, symbol: Symbol) -> None:
        """Reconcile this symbol, in one pass with those that call at the same time; raises ExchangeError."""
        reasons = (await self._comparison.ask(symbol)).reasons
        if symbol.name in reasons:
            raise RefusedError(reasons[symbol.name])

    async def reconcile(
        self, symbols: Sequence[Symbol], compared: Callable[[Symbol], None] = lambda _: None
    ) -> Unanswered:
        """Read every order of ours of these symbols. Returns of which symbols the exchange did not answer.

        ``compared`` is called for each symbol of which all were read. Raises ExchangeError if the exchange did not
        answer for the account, JournalError.
        """
        begun = self._exchange.now()
        before = {
            symbol.name: {p.order_id: p for p in symbol.engine.resting if p.order_id is not None}
            for symbol in symbols
        }
        bulk = len(symbols) >= self._exchange.bulk_open_orders_from
        unanswered = Unanswered(self._exchange)
        refusals = unanswered.reasons
        foreign: dict[str, str] = {}
        reports = await self._open_orders(symbols, bulk, unanswered)
        await self.foreign_orders.note(reports, None if bulk else before.keys() - refusals.keys())
        unrecorded = await _unrecorded(self._journal, filter(self._is_strange, reports))
        for report in reports:
            if _key(report) in unrecorded:
                async with unanswered.about(report.symbol):
                    if await _is_open(self._exchange, report):
                        foreign[report.symbol] = f"{report.symbol} order {report.order_id}"
            if report.symbol in self._symbols:
                self._untold.read(self._symbols[report.symbol], report)
            self._session.report(report, told=False)
            before.get(report.symbol, {}).pop(report.order_id, None)
        known = self._foreign.items()
        unchecked = {name: why for name, why in known if name in refusals or not (bulk or name in before)}
        self.block_lineage(unchecked | foreign)
        for symbol in sorted(symbols, key=lambda symbol: len(before[symbol.name])):
            missing = list(before[symbol.name].values())
            if symbol.name not in refusals and missing:
                async with unanswered.about(symbol.name):
                    await self.look(symbol, missing)
            if symbol.name not in refusals:
                compared(symbol)
            symbol.resolve_orders()
        await unanswered.confirm()
        self._untold.compared([symbol for symbol in symbols if symbol.name not in refusals], begun)
        return unanswered

    async def _open_orders(self, symbols: Sequence[Symbol], bulk: bool, unanswered: Unanswered) -> Sequence[Report]:
        if bulk:
            return await self._exchange.open_orders()
        reports: list[Report] = []
        for symbol in symbols:
            async with unanswered.about(symbol.name):
                reports += await self._exchange.open_orders(symbol.name)
        return reports

    async def look(self, symbol: Symbol, orders: Sequence[OrderState]) -> None:
        """Query these orders by their order ids; raises ExchangeError."""
        for order in orders:
            report = await self._exchange.order(symbol.name, order_id=order.order_id)
            client_order_id = order.client_order_id
            if report is not None:
                self._untold.read(symbol, report)
            missing = Missing(client_order_id, self._exchange.now(), self.grace)
            symbol.offer(missing if report is None else Reported(client_order_id, report))

    # Coins

    async def measure(self, symbol: Symbol) -> None:
        """Check all that may block a symbol: its orders, foreign orders, its coins; raises ExchangeError."""
        for name in list(self._foreign):
            if name in self._symbols and name != symbol.name:
                await self.compare(self._symbols[name])
        claimed = self._session.claimed
        usable = claimed.is_set()
        await self.compare(symbol)
        if usable and self._session.claimed is claimed and self._session.unreached is None:
            symbol.offer(Blocked(BlockedBy.EXCHANGE, None))  # its orders were read in this session
        held, there = await self.cover(symbol)
        base, reason = symbol.engine.leader.info.base, None
        if there < held and not await self._view.losses.booked(symbol, Quantity(held - there)):
            reason = f"the traders hold {format_amount(held)} {base}, the account has {format_amount(there)}"
        symbol.offer(Blocked(BlockedBy.COINS, reason))

    async def cover(self, symbol: Symbol, *, to_sell: bool = False) -> tuple[Quantity, Quantity]:
        """Base coins that the traders hold, and that the account has (see ``AccountView.coins``).

        Reads again if coins are missing. Raises ExchangeError.
        """
        held, there = await self._view.coins(symbol, to_sell=to_sell)
        for _ in range(_COVER_READINGS - 1):
            if there >= held:
                break
            await trio.sleep(1)
            await self.compare(symbol)
            # A sell of another symbol with the same base asset may have been filled unnoticed.
            others = {other.name: other for other, _ in owners(self._symbols, symbol) if other is not symbol}
            unread = await _refused(self.compare, others.values())
            held, there = await self._view.coins(symbol, to_sell=to_sell, unread=unread)
        return held, there

    # Lineage

    def _is_strange(self, report: Report) -> bool:
        """Has it our tag, and is none of the orders that this node has in memory?"""
        symbol = self._symbols.get(report.symbol)
        kept = symbol is not None and report.client_order_id in symbol.engine.orders
        return not (kept or self.expecting) and self._session.is_ours(report)

    def block_lineage(self, found: Mapping[str, str] | None = None) -> None:
        """Block every symbol if orders of our tag were ``found`` (None: as before) that the journal has not.

        Then another naived trades from a copy of it. Else each symbol is blocked only for its own foreign orders.
        """
        foreign = self._foreign if found is None else found
        for name in foreign.keys() - self._foreign.keys():
            log.error("foreign lineage", symbol=name, order=foreign[name])
        self._foreign = foreign
        first = next(iter(foreign.values()), None)
        reason = None if first is None else f"{first} has our tag and is not in the journal: a copy of it trades"
        for each in self._symbols.values():
            each.offer(Blocked(BlockedBy.LINEAGE, reason or self.foreign_orders.blocked.get(each.name)))


def _key(report: Report) -> tuple[str, str]:
    return report.symbol, report.client_order_id


async def _unrecorded(journal: Journal, reports: Iterable[Report]) -> Set[tuple[str, str]]:
    """Those that the journal has not; raises JournalError.

    One that has ended since it was listed has a row, and so has one that was abandoned and appeared later, or that
    is another node's.
    """
    strange = {_key(report) for report in reports}
    return strange - await journal.known(strange) if strange else strange


async def _is_open(exchange: Exchange, report: Report) -> bool:
    """Is it still? Raises ExchangeError."""
    now = await exchange.order(report.symbol, order_id=report.order_id)
    return now is not None and not now.status.ended


def _miss_orders(symbol: Symbol, now: int, grace: int) -> None:
    """The exchange does not list the symbol, and so tells nothing of its orders. Times are in ms."""
    for order in symbol.engine.resting:
        symbol.offer(Missing(order.client_order_id, now, grace, everywhere=True, listed=False))


async def _refused(compare: Callable[[Symbol], Awaitable[None]], symbols: Iterable[Symbol]) -> set[str]:
    """Compare these; returns those of whose orders the exchange refuses to tell. Raises ExchangeError."""
    refused = set()
    for symbol in symbols:
        try:
            await compare(symbol)
        except RefusedError:
            refused.add(symbol.name)
    return refused
