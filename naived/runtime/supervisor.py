"""All symbols, a task for each, and the only restart policy. ``app.py`` runs it; control configures symbols.

    off, faulted   its orders rest; what the exchange reports of them becomes durable
    on, shutdown   a nursery of its own: prepare, then trade, until it is off or fails
    failed         restored from the journal, then a pause of 1 s to 60 s; six crashes in ten minutes are a fault

A symbol's task starts when the symbol is configured, and lives as long as the process. At boot and later it does
the same: what the desired state asks for. A fault lasts until a person acts (``follow``).
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog
import trio

from naived.core.engine import Blocked, BlockedBy, is_blocked_by
from naived.core.orders.state import Restarted
from naived.core.restart import Crashes
from naived.core.strategy.leader_events import Activated
from naived.core.strategy.settings import Status
from naived.nodes import LeaseLostError, UncomparedError
from naived.ports import ConflictError, ExchangeError, JournalError, SymbolRecord
from naived.runtime.account_view import AccountView
from naived.runtime.price_gate import PriceGates
from naived.runtime.reconciler import Reconciler
from naived.runtime.session import Session
from naived.runtime.symbol_task import Context, Symbol, UnlistedError, blank, let_go, run

_UNWATCHING = 5.0  # seconds to end the subscription of a symbol that is another node's
_LOOK = 0.5  # seconds between two looks at what it waits for
_RETRY = 2.0  # seconds before a request that the exchange or the journal did not answer is repeated

log = structlog.get_logger()


class Supervisor:
    """Owns the ``symbols`` of an account and their tasks."""

    def __init__(
        self,
        symbols: dict[str, Symbol],
        session: Session,
        view: AccountView,
        reconciler: Reconciler,
        feed: PriceGates,
        context: Context,
    ) -> None:
        self.symbols = symbols
        self._session = session
        self._view = view
        self._reconciler = reconciler
        self._feed = feed
        self._context = context
        self._runners: dict[str, _SymbolRunner] = {}
        self._configured = trio.Event()

    def load(self, records: Sequence[SymbolRecord]) -> None:
        """Add the symbols of the journal, before anything runs."""
        for record in records:
            self._add(record)

    def adopt(self, record: SymbolRecord, epoch: int, unread: JournalError | None = None) -> Symbol:
        """Add a symbol that this node has claimed; it begins as after a crash.

        ``unread``: why its record is not known; it does nothing and is read again until it is.
        """
        symbol = self._add(record, epoch)
        if unread is not None:
            symbol.failed, symbol.unread = unread, str(unread)
            self._context.recount()
        symbol.resolve_orders()
        if self._session.away is not None:
            symbol.offer(Blocked(BlockedBy.EXCHANGE, f"the exchange is away: {self._session.away}"))
        return symbol

    def drop(self, name: str) -> Symbol:
        """It is another node's, or nobody's: its task ends, and nothing more of it is written or sent."""
        symbol = self.symbols.pop(name)
        self._context.recount()
        let_go(symbol)
        self._runners.pop(name).scope.cancel()
        return symbol

    def configure(self, name: str) -> Symbol:
        """The symbol; a new one becomes durable with its first desired state."""
        return self.symbols.get(name) or self._add(blank(name))

    async def configured(self, name: str) -> Symbol:
        """Wait until the symbol is configured."""
        while name not in self.symbols:
            await self._configured.wait()
        return self.symbols[name]

    def _add(self, record: SymbolRecord, epoch: int | None = None) -> Symbol:
        gate = self._feed.gate(record.symbol)
        if not self._context.followed(record.symbol):
            gate.forget()  # this process may have had the symbol before, and not heard of it since
        symbol = Symbol(record, self._context, gate, epoch)
        self.symbols[symbol.name] = symbol
        self._runners[symbol.name] = _SymbolRunner(
            symbol, self._session, self._view, self._reconciler, self._context
        )
        self._configured.set()
        self._configured = trio.Event()
        return symbol

    async def run(self) -> None:
        """Run until cancelled."""
        kept: set[_SymbolRunner] = set()
        async with trio.open_nursery() as nursery:
            while True:
                runners = set(self._runners.values())
                for runner in self._runners.values():
                    if runner not in kept:
                        nursery.start_soon(self._keep, runner)
                kept = runners
                await self._configured.wait()

    async def _keep(self, runner: "_SymbolRunner") -> None:
        await runner.run()
        # It is another node's; its price may be needed all the same.
        if runner.name not in self.symbols and not self._context.followed(runner.name):
            with trio.move_on_after(_UNWATCHING):
                await self._context.exchange.unwatch(runner.name)

    def follow(self, symbol: Symbol) -> None:
        """A person acted: clear the fault, end a pause after a crash, and measure again what blocks the symbol.

        One that is another node's by now is that node's to follow.
        """
        if not symbol.gone:
            self._runners[symbol.name].follow()

    def measured(self, symbol: Symbol) -> bool:
        """Was what blocks the symbol measured since a person last acted?"""
        return symbol.gone or self._runners[symbol.name].measured

    async def restored(self, symbol: Symbol) -> None:
        """If the symbol failed and is faulted: ``follow``, and wait until it is restored from the journal."""
        if symbol.fault is not None and symbol.failed is not None:
            self.follow(symbol)
            while symbol.failed is not None:
                await symbol.news.wait()


class _SymbolRunner:
    """The task of one symbol: has it trade or rest, as the desired state asks, and restarts it when it failed."""

    def __init__(
        self, symbol: Symbol, session: Session, view: AccountView, reconciler: Reconciler, context: Context
    ) -> None:
        self.name = symbol.name
        self._symbol = symbol
        self._session = session
        self._view = view
        self._reconciler = reconciler
        self._context = context
        self._crashes = Crashes()
        self._measure_wanted: trio.Event | None = None  # set when a person acts; None until the first measurement
        self.scope = trio.CancelScope()  # of its task

    def follow(self) -> None:
        """See ``Supervisor``."""
        symbol = self._symbol
        symbol.fault = None
        symbol.offer(Blocked(BlockedBy.CRASH, None))
        if self._measure_wanted is not None and symbol.engine.blocks:
            self._measure_wanted.set()
        symbol.news.notify()

    @property
    def measured(self) -> bool:
        """See ``Supervisor``. True for a fault or a quarantine, as measuring does not lift them."""
        if self._symbol.fault is not None or is_blocked_by(self._symbol.engine, BlockedBy.QUARANTINE):
            return True
        return self._measure_wanted is not None and not self._measure_wanted.is_set()

    async def run(self) -> None:
        """Run until cancelled, or until the symbol is gone."""
        symbol = self._symbol
        with self.scope:
            while True:
                with symbol.contained():
                    if self._should_trade:
                        await self._trade()
                    else:
                        await self._book(lambda: self._should_trade or symbol.failed is not None)
                if isinstance(symbol.failed, LeaseLostError):
                    # Nothing of it is written any more; the keeper finds that out by itself and ends this task.
                    await trio.sleep_forever()
                if symbol.failed is not None:
                    await self._restart(symbol.failed)

    @property
    def _should_trade(self) -> bool:
        return self._symbol.desired.status is not Status.OFF and self._symbol.fault is None

    async def _book(self, done: Callable[[], bool]) -> None:
        """Until ``done``, commit what the exchange reports of the orders of a symbol that does not trade."""
        symbol = self._symbol
        while not done():
            if symbol.behind and symbol.failed is None:
                await symbol.settle()
            else:
                await symbol.news.wait()

    async def _trade(self) -> None:
        """Prepare and trade until the symbol is off or failed."""
        symbol = self._symbol
        symbol.tended = True
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._prepare)
                await run(symbol)
                nursery.cancel_scope.cancel()
            if not self._context.followed(symbol.name):
                await self._context.exchange.unwatch(symbol.name)
        finally:
            self._measure_wanted = symbol.watched_at = None
            symbol.tended = False
            symbol.news.notify()

    async def _prepare(self) -> None:
        """Activate the symbol; then measure again what blocks it, whenever a person acts."""
        with self._symbol.contained():
            await self._until_answered(self._activate)
            while True:
                self._measure_wanted = trio.Event()
                self._symbol.news.notify()
                await self._measure_wanted.wait()
                await self._until_answered(partial(self._reconciler.measure, self._symbol))

    async def _until_answered(self, step: Callable[[], Awaitable[None]]) -> None:
        """Repeat ``step`` until it raises no ExchangeError."""
        while True:
            try:
                await step()
                return
            except ExchangeError as error:
                log.warning("not started yet", symbol=self._symbol.name, error=str(error))
            await trio.sleep(_RETRY)

    async def _activate(self) -> None:
        """Read rules, subscribe to trades, compare orders and coins, activate; raises ExchangeError, UnlistedError.

        A market that is closed is no reason not to: the rules are read again until it opens.
        """
        symbol = self._symbol
        # Lifted now, not when coins are counted: a person may resolve the block that is shown until then.
        symbol.offer(Blocked(BlockedBy.COINS, None))
        while not self._context.trusted():  # noqa: ASYNC110 - there is no event for it
            await trio.sleep(_RETRY)  # after a failover lost orders come first: coins would seem to be missing
        await self._session.usable()
        await self._view.inform(symbol)
        last = await self._view.last_price(symbol)
        if last is not None:
            symbol.gate.check.told(last)
        if symbol.watched_at is None:
            symbol.watched_at = trio.current_time()
        await self._context.exchange.watch(symbol.name)
        await self._reconciler.measure(symbol)
        await _carry_out(symbol)
        symbol.offer(Activated())
        log.info("active", symbol=symbol.name, status=str(symbol.desired.status))

    async def _restart(self, failure: Exception) -> None:
        """Log the failure, restore the symbol from the journal, and pause; too many crashes are a fault."""
        symbol = self._symbol
        pause, fault = _RETRY, None
        if isinstance(failure, UnlistedError):
            log.warning("not listed", symbol=symbol.name, error=str(failure))
        elif _is_away(failure):
            log.warning("journal away", symbol=symbol.name, error=str(failure))
        else:
            log.error("crashed", symbol=symbol.name, exc_info=failure)
            if self._crashes.hopeless:
                while symbol.fault is not None:  # it is faulted already: wait until a person acts
                    await symbol.news.wait()
                self._crashes = Crashes()
            self._crashes = self._crashes.add(int(trio.current_time() * 1000))
            pause = self._crashes.pause / 1000
            if self._crashes.hopeless:
                times = len(self._crashes.times)
                fault = f"crashed {times} times in ten minutes, the last time with: {failure}"
        await self._recover()
        if isinstance(failure, UnlistedError) and not symbol.listed and symbol.desired.status is not Status.OFF:
            fault = str(failure)
        if fault is not None:
            symbol.fault = fault
        symbol.offer(Blocked(BlockedBy.CRASH, str(failure)))
        with trio.move_on_after(pause):
            await self._book(lambda: not is_blocked_by(symbol.engine, BlockedBy.CRASH))
        symbol.offer(Blocked(BlockedBy.CRASH, None))

    async def _recover(self) -> None:
        """Restore the symbol as soon as the journal can be read."""
        symbol = self._symbol
        while True:
            try:
                records = await self._context.journal.load(symbol.name)
                break
            except JournalError as error:
                log.warning("journal not read", symbol=symbol.name, error=str(error))
                if not isinstance(symbol.failed, JournalError):
                    symbol.failed = error  # what it failed for first is logged; this is what a person must mend
                    symbol.news.notify()
                await trio.sleep(_RETRY)
        symbol.restore(records[0] if records else blank(symbol.name))
        if symbol.commits_lost:
            doubt_orders(symbol)
        symbol.resolve_orders()


async def _carry_out(symbol: Symbol) -> None:
    """Wait until what was asked of it while no node had it is done: it may be a stop."""
    done = symbol.context.carried_out
    try:
        while done is not None and not await done(symbol.name):
            symbol.awaited = "what was asked of it before is carried out first"
            symbol.news.notify()
            await trio.sleep(_LOOK)
    finally:
        symbol.awaited = None


def doubt_orders(symbol: Symbol) -> None:
    """Its rows may lack commits: until all is compared what of its orders may have been sent is unknown."""
    symbol.commits_lost = True
    for client_order_id in list(symbol.engine.orders):
        symbol.offer(Restarted(client_order_id, lost=True))
    symbol.resolve_orders()


def _is_away(failure: Exception) -> bool:
    """Can the journal not be used for a while, as opposed to a unit that it refused?"""
    refused = isinstance(failure, ConflictError) and not isinstance(failure, UncomparedError)
    return isinstance(failure, JournalError) and not refused
