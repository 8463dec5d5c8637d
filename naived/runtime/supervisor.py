"""The symbols, each in a nursery of its own, and what makes the fact follow the wish.

Boot and control are the same: a symbol whose wish is ``on`` or ``shutdown`` gets a task; the task ends by itself
when the wish is ``off``. A symbol that fails is begun again from the journal; one that fails for ever hurts nobody.
"""

from collections.abc import Sequence

import structlog
import trio

from naived.core.restart import Crashes
from naived.core.settings import Status
from naived.ports import ConflictError, ExchangeError, JournalError, SymbolRecord
from naived.runtime.account import Account
from naived.runtime.feed import Feed
from naived.runtime.symbol import Bar, Symbol, blank
from naived.runtime.work import Desk, FaultError

_RETRY = 2.0  # seconds before what the exchange or the journal did not answer is asked again
_MOST_SYMBOLS = 10_000  # far above what any exchange lists

log = structlog.get_logger()


class Supervisor:
    """Owns the symbols of an account and their tasks."""

    def __init__(self, account: Account, feed: Feed, desk: Desk) -> None:
        self.symbols = account.symbols
        self._account = account
        account.follow = self.follow
        self._feed = feed
        self._desk = desk
        self._configured = trio.Event()
        self._inbox, self._wanted = trio.open_memory_channel[Symbol](_MOST_SYMBOLS)

    def load(self, records: Sequence[SymbolRecord]) -> None:
        """Take what the journal knows, before anything runs."""
        for record in records:
            self._add(record)

    def configure(self, name: str) -> Symbol:
        """The symbol; one that was never configured becomes durable with its first wish."""
        return self.symbols.get(name) or self._add(blank(name))

    async def configured(self, name: str) -> Symbol:
        """Wait until somebody configures it."""
        while name not in self.symbols:
            await self._configured.wait()
        return self.symbols[name]

    def _add(self, record: SymbolRecord) -> Symbol:
        symbol = Symbol(record, self._desk, self._feed.lane(record.symbol))
        self.symbols[record.symbol] = symbol
        self._configured.set()
        self._configured = trio.Event()
        return symbol

    def follow(self, symbol: Symbol) -> None:
        """See to it that the symbol has a task if its wish asks for one; a fault is tried again."""
        symbol.fault = None
        if not symbol.tended and symbol.wish.status is not Status.OFF:
            symbol.tended = True
            symbol.bar(Bar.COINS, None)
            self._inbox.send_nowait(symbol)

    async def run(self) -> None:
        """Until cancelled."""
        for symbol in self.symbols.values():
            self.follow(symbol)
        async with trio.open_nursery() as nursery:
            async for symbol in self._wanted:
                nursery.start_soon(self._tend, symbol)

    async def _tend(self, symbol: Symbol) -> None:
        """One symbol for as long as its wish is not ``off``."""
        crashes = Crashes()
        try:
            while symbol.wish.status is not Status.OFF and symbol.fault is None:
                with symbol.contained():
                    await self._trade(symbol)
                if symbol.failed is not None:
                    crashes = await self._mourn(symbol, symbol.failed, crashes)
        finally:
            symbol.tended = False
            self._account.stir(symbol)  # what came while it ended
            symbol.pulse()

    async def _trade(self, symbol: Symbol) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._prepare, symbol)
            await symbol.run()
            nursery.cancel_scope.cancel()
        await self._desk.exchange.unwatch(symbol.name)

    async def _prepare(self, symbol: Symbol) -> None:
        with symbol.contained():
            while True:
                try:
                    await self._activate(symbol)
                    return
                except ExchangeError as error:
                    log.warning("not started yet", symbol=symbol.name, error=str(error))
                await trio.sleep(_RETRY)

    async def _activate(self, symbol: Symbol) -> None:
        """Rules, trades, orders, coins; then it trades. Raises ExchangeError, FaultError."""
        # Now, not when they are counted: a person may resolve what is shown, and that is not to be overwritten.
        symbol.bar(Bar.COINS, None)
        await self._account.session()
        await self._account.inform(symbol)
        leader = symbol.book.leader
        if not (leader.info.trading or leader.traders):  # what is bought is to be sold when a halt is over
            raise FaultError(f"the exchange does not trade {symbol.name} now: {leader.info.status}")
        await self._desk.exchange.watch(symbol.name)
        await self._account.compare(symbol)
        symbol.bar(Bar.COINS, await self._account.missing_coins(symbol))
        symbol.activate()
        log.info("active", symbol=symbol.name, status=str(symbol.wish.status))

    async def _mourn(self, symbol: Symbol, failure: Exception, crashes: Crashes) -> Crashes:
        """Say why it failed, begin again from the journal, and rest a while; too many crashes are a fault."""
        pause = _RETRY
        if isinstance(failure, FaultError):
            log.error("faulted", symbol=symbol.name, reason=str(failure))
            symbol.fault = str(failure)
        elif isinstance(failure, JournalError) and not isinstance(failure, ConflictError):
            log.warning("journal away", symbol=symbol.name, error=str(failure))
        else:
            log.error("crashed", symbol=symbol.name, exc_info=failure)
            crashes = crashes.add(int(trio.current_time() * 1000))
            pause = crashes.pause / 1000
            if crashes.hopeless:
                symbol.fault = f"crashed {len(crashes.times)} times in ten minutes, the last time with: {failure}"
        await self._account.recover(symbol)
        if symbol.fault is None:
            symbol.bar(Bar.CRASH, str(failure))
            with trio.move_on_after(pause):
                await symbol.run()
            symbol.bar(Bar.CRASH, None)
        return crashes
