"""The symbols, a task for each, and the one policy of what happens when a symbol fails.

    off, faulted   its orders rest; what the exchange says of them becomes durable
    on, shutdown   a nursery of its own: prepare, then trade, until it is off or fails
    failed         begun again from the journal, then a pause of 1 s to 60 s; six crashes in ten minutes are a fault

The task is made when the symbol is configured, and lives as long as the process. Boot and control are the same: it
follows what a person asked for. A fault stands until a person acts (``follow``).
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog
import trio

from naived.core.engine import Blocked, BlockedBy, is_blocked_by
from naived.core.restart import Crashes
from naived.core.strategy.leader import Activated
from naived.core.strategy.settings import Status
from naived.ports import ConflictError, ExchangeError, JournalError, SymbolRecord
from naived.runtime.account_view import AccountView
from naived.runtime.price_gate import PriceGates
from naived.runtime.reconciler import Reconciler
from naived.runtime.session import Session
from naived.runtime.symbol_task import Context, FaultError, Symbol, blank, run

_RETRY = 2.0  # seconds before what the exchange or the journal did not answer is asked again

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
        self._keepers: dict[str, _Keeper] = {}
        self._configured = trio.Event()

    def load(self, records: Sequence[SymbolRecord]) -> None:
        """Take what the journal knows, before anything runs."""
        for record in records:
            self._add(record)

    def configure(self, name: str) -> Symbol:
        """The symbol; one that was never configured becomes durable with its first desired state."""
        return self.symbols.get(name) or self._add(blank(name))

    async def configured(self, name: str) -> Symbol:
        """Wait until somebody configures it."""
        while name not in self.symbols:
            await self._configured.wait()
        return self.symbols[name]

    def _add(self, record: SymbolRecord) -> Symbol:
        symbol = Symbol(record, self._context, self._feed.gate(record.symbol))
        self.symbols[symbol.name] = symbol
        self._keepers[symbol.name] = _Keeper(symbol, self._session, self._view, self._reconciler, self._context)
        self._configured.set()
        self._configured = trio.Event()
        return symbol

    async def run(self) -> None:
        """Until cancelled."""
        kept: set[str] = set()
        async with trio.open_nursery() as nursery:
            while True:
                for name, keeper in self._keepers.items():
                    if name not in kept:
                        nursery.start_soon(keeper.run)
                kept.update(self._keepers)
                await self._configured.wait()

    def follow(self, symbol: Symbol) -> None:
        """A person acted: a fault is tried again, what blocks the symbol is measured again, and no pause lasts."""
        self._keepers[symbol.name].follow()

    def measured(self, symbol: Symbol) -> bool:
        """Was what blocks the symbol measured since a person acted?"""
        return self._keepers[symbol.name].measured

    async def restored(self, symbol: Symbol) -> None:
        """A person acts: wait until a symbol that was given up has begun again from the journal."""
        if symbol.fault is not None and symbol.failed is not None:
            self.follow(symbol)
            while symbol.failed is not None:
                await symbol.news.wait()


class _Keeper:
    """Has one symbol trade or rest, as its desired state says, and begins it again when it failed."""

    def __init__(
        self, symbol: Symbol, session: Session, view: AccountView, reconciler: Reconciler, context: Context
    ) -> None:
        self._symbol = symbol
        self._session = session
        self._view = view
        self._reconciler = reconciler
        self._context = context
        self._crashes = Crashes()
        self._asked: trio.Event | None = None  # set when a person acts; None until it was measured at all

    def follow(self) -> None:
        """See ``Supervisor``."""
        symbol = self._symbol
        symbol.fault = None
        symbol.offer(Blocked(BlockedBy.CRASH, None))
        if self._asked is not None and symbol.engine.blocks:
            self._asked.set()
        symbol.news.notify()

    @property
    def measured(self) -> bool:
        """See ``Supervisor``. No measuring lifts a fault, or the quarantine of an order."""
        if self._symbol.fault is not None or is_blocked_by(self._symbol.engine, BlockedBy.QUARANTINE):
            return True
        return self._asked is not None and not self._asked.is_set()

    async def run(self) -> None:
        """Until cancelled."""
        symbol = self._symbol
        while True:
            with symbol.contained():
                if self._trades:
                    await self._trade()
                else:
                    await self._book(lambda: self._trades or symbol.failed is not None)
            if symbol.failed is not None:
                await self._restart(symbol.failed)

    @property
    def _trades(self) -> bool:
        return self._symbol.desired.status is not Status.OFF and self._symbol.fault is None

    async def _book(self, done: Callable[[], bool]) -> None:
        """Until ``done``: what becomes of the orders of a symbol that does not trade is made durable."""
        symbol = self._symbol
        while not done():
            if symbol.behind and symbol.failed is None:
                await symbol.settle()
            else:
                await symbol.news.wait()

    async def _trade(self) -> None:
        """Prepare and trade until it is off or failed."""
        symbol = self._symbol
        symbol.tended = True
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._prepare)
                await run(symbol)
                nursery.cancel_scope.cancel()
            await self._context.exchange.unwatch(symbol.name)
        finally:
            self._asked = None
            symbol.tended = False
            symbol.news.notify()

    async def _prepare(self) -> None:
        """Have it trade; then measure again what blocks it, whenever a person acts."""
        with self._symbol.contained():
            await self._insist(self._activate)
            while True:
                self._asked = trio.Event()
                self._symbol.news.notify()
                await self._asked.wait()
                await self._insist(partial(self._reconciler.measure, self._symbol))

    async def _insist(self, step: Callable[[], Awaitable[None]]) -> None:
        """Take a step as soon as the exchange answers."""
        while True:
            try:
                await step()
                return
            except ExchangeError as error:
                log.warning("not started yet", symbol=self._symbol.name, error=str(error))
            await trio.sleep(_RETRY)

    async def _activate(self) -> None:
        """Rules, trades, orders, coins; then it trades. Raises ExchangeError, FaultError."""
        symbol = self._symbol
        # Now, not when they are counted: a person may resolve what is shown, and that is not to be overwritten.
        symbol.offer(Blocked(BlockedBy.COINS, None))
        await self._session.usable()
        await self._view.inform(symbol)
        leader = symbol.engine.leader
        if not (leader.info.trading or leader.traders):  # what is bought is to be sold when a halt is over
            raise FaultError(f"the exchange does not trade {symbol.name} now: {leader.info.status}")
        await self._context.exchange.watch(symbol.name)
        await self._reconciler.measure(symbol)
        symbol.offer(Activated())
        log.info("active", symbol=symbol.name, status=str(symbol.desired.status))

    async def _restart(self, failure: Exception) -> None:
        """Say why it failed, begin again from the journal, and pause; too many crashes are a fault."""
        symbol = self._symbol
        pause, fault = _RETRY, None
        if isinstance(failure, FaultError):
            log.error("faulted", symbol=symbol.name, reason=str(failure))
        elif isinstance(failure, JournalError) and not isinstance(failure, ConflictError):
            log.warning("journal away", symbol=symbol.name, error=str(failure))
        else:
            log.error("crashed", symbol=symbol.name, exc_info=failure)
            if self._crashes.hopeless:
                while symbol.fault is not None:  # it was given up already, until a person acts
                    await symbol.news.wait()
                self._crashes = Crashes()
            self._crashes = self._crashes.add(int(trio.current_time() * 1000))
            pause = self._crashes.pause / 1000
            if self._crashes.hopeless:
                times = len(self._crashes.times)
                fault = f"crashed {times} times in ten minutes, the last time with: {failure}"
        await self._recover()
        if isinstance(failure, FaultError) and symbol.desired.status is not Status.OFF:
            fault = str(failure)
        if fault is not None:
            symbol.fault = fault
        symbol.offer(Blocked(BlockedBy.CRASH, str(failure)))
        with trio.move_on_after(pause):
            await self._book(lambda: not is_blocked_by(symbol.engine, BlockedBy.CRASH))
        symbol.offer(Blocked(BlockedBy.CRASH, None))

    async def _recover(self) -> None:
        """Begin it again from the journal, as soon as that can be read."""
        symbol = self._symbol
        while True:
            try:
                records = await self._context.journal.load(symbol.name)
                break
            except JournalError as error:
                log.warning("journal not read", symbol=symbol.name, error=str(error))
                await trio.sleep(_RETRY)
        symbol.restore(records[0] if records else blank(symbol.name))
        symbol.resolve_orders()
