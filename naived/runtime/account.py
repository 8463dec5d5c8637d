"""The exchange session: it keeps every order of ours, whatever its symbol does.

It sends what is durable, sees to what a placement needs, and reconciles: when a session opens, when a symbol
starts, and every minute. All of it is idempotent; a pass that learns nothing writes nothing.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import assert_never

import structlog
import trio

from naived.core.amount import Price, Quantity, format_amount
from naived.core.market import SymbolInfo
from naived.core.order import Report
from naived.core.phase import position
from naived.core.placement import Missing, Placement, Reported
from naived.core.scene import Counted
from naived.core.settings import Status
from naived.ports import AccountInfo, DeploymentError, Exchange, ExchangeError, Journal, JournalError, RefusedError
from naived.runtime import attendant
from naived.runtime.feed import Feed
from naived.runtime.fees import FeeReader
from naived.runtime.joint import Joint
from naived.runtime.symbol import Bar, Symbol, blank
from naived.runtime.work import FaultError, Question

_EVERY = 60  # seconds between two reconciliations
_RETRY = 2  # seconds before one that was not answered is tried again
_FLOWING = 5  # seconds that trades are awaited after an outage: sells must not wait longer for them
_DAILY = 86_400  # seconds between readings of rules and fees
_FAREWELL = 5  # seconds that answers in flight are awaited when we suspend
_ERRANDS = 100_000  # that may wait for their task; far more than all orders of an account
_MANY = 13  # symbols above which one question for all open orders weighs less (80) than one each (6)
_COVER_LOOKS = 3  # at the balances before coins are missed: a fill may be between two answers

log = structlog.get_logger()


class Account:
    """One session with one exchange account: a `ports.Sink` for the exchange, `work.Errands` for the symbols."""

    def __init__(self, exchange: Exchange, journal: Journal, feed: Feed, venue: str, tag: str, grace: int) -> None:
        self.symbols: dict[str, Symbol] = {}
        self.away: str | None = None
        self.ready = False  # has a first reconciliation gone through?
        # Gives a symbol the task that its wish asks for.
        self.follow: Callable[[Symbol], None] = lambda symbol: None
        self.exchange = exchange
        self._journal = journal
        self._feed = feed
        self._venue = venue
        self._prefix = f"n1{tag}-"
        self._grace = grace
        self._claimed = trio.Event()
        self._session = trio.Event()
        self._over = trio.Event()
        self._inbox, self._errands = trio.open_memory_channel[Callable[[], Awaitable[None]]](_ERRANDS)
        self._attended: set[tuple[str, str]] = set()
        self._rules = Joint(exchange.symbols)
        self._balances = Joint(self._ask_balances)
        self._comparison = Joint(self.reconcile)
        self._fees = FeeReader(exchange)
        self._strangers: Mapping[str, str] = {}
        self._sending = 0
        self._answered = trio.Event()

    async def run(self) -> None:
        """Until cancelled; raises DeploymentError when the journal belongs to another account."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.exchange.run, self)
            nursery.start_soon(self._reconcile_always)
            nursery.start_soon(self._reread_daily)
            nursery.start_soon(self._fees.run)
            async for errand in self._errands:
                nursery.start_soon(errand)

    async def farewell(self) -> None:
        """Wait, for a short while, until what was sent is answered and the answers are durable."""
        with trio.move_on_after(_FAREWELL):
            await self._settle_all()
            while self._sending:
                await self._answered.wait()
            await self._settle_all()

    async def _settle_all(self) -> None:
        for symbol in self.symbols.values():
            await symbol.settle()

    # What the exchange tells (ports.Sink)

    def trade(self, symbol: str, trade_id: int, price: Price, quantity: str, time: int) -> None:
        self._feed.trade(symbol, trade_id, price, quantity, time)

    def report(self, report: Report) -> None:
        symbol = self.symbols.get(report.symbol)
        if symbol is not None and symbol.informed and report.client_order_id.startswith(self._prefix):
            symbol.tell(report.client_order_id, Reported(report))

    def opened(self) -> None:
        log.info("session opened")
        self._session.set()

    def closed(self, reason: str) -> None:
        if reason != self.away:
            log.warning("session closed", reason=reason)
        self.away = reason
        if self._session.is_set():
            self._session = trio.Event()
        self._over.set()
        self._over = trio.Event()
        for symbol in self.symbols.values():
            symbol.bar(Bar.EXCHANGE, f"the exchange is away: {reason}")

    # What a symbol asks for (work.Errands)

    def send(self, symbol: Symbol, client_order_id: str) -> None:
        self._sending += 1
        self._inbox.send_nowait(partial(self._send, symbol, client_order_id))

    def attend(self, symbol: Symbol, client_order_id: str) -> None:
        # Without its rules nobody knows which fees a fill took in which asset.
        if symbol.informed and (symbol.name, client_order_id) not in self._attended:
            self._attended.add((symbol.name, client_order_id))
            self._inbox.send_nowait(partial(self._attend, symbol, client_order_id))

    def inquire(self, symbol: Symbol, question: Question) -> None:
        self._inbox.send_nowait(partial(self._inquire, symbol, question))

    def stir(self, symbol: Symbol) -> None:
        if not symbol.tended:
            self._inbox.send_nowait(partial(self._settle, symbol))

    async def _send(self, symbol: Symbol, client_order_id: str) -> None:
        try:
            with symbol.contained():
                await attendant.send(symbol, client_order_id, self.exchange)
        finally:
            self._sending -= 1
            self._answered.set()
            self._answered = trio.Event()

    async def _attend(self, symbol: Symbol, client_order_id: str) -> None:
        try:
            with symbol.contained():
                await attendant.attend(symbol, client_order_id, self.exchange, self._grace)
        finally:
            self._attended.discard((symbol.name, client_order_id))

    async def _settle(self, symbol: Symbol) -> None:
        """The work of a symbol that has no task: its orders rest, and what becomes of them is booked."""
        if symbol.tended:
            return
        await symbol.settle()
        if symbol.failed is not None and not symbol.tended:
            log.warning("symbol failed while off", symbol=symbol.name, error=str(symbol.failed))
            await trio.sleep(_RETRY)
            await self.recover(symbol)
            # The stop may not have become durable: then it is as if nobody had asked for it.
            self.follow(symbol)

    async def _inquire(self, symbol: Symbol, question: Question) -> None:
        with symbol.contained():
            try:
                match question:
                    case Question.RULES:
                        await self.inform(symbol)
                    case Question.COINS:
                        symbol.offer(Counted(await self._free(symbol)))
                    case _:
                        assert_never(question)
            except ExchangeError as error:
                log.warning("not answered", symbol=symbol.name, question=question.name, error=str(error))

    async def _free(self, symbol: Symbol) -> Quantity:
        """Base coins on the account that no order holds; raises ExchangeError."""
        balance = (await self._balances.ask(symbol)).balances.get(symbol.book.leader.info.base)
        return Quantity(0 if balance is None else balance.free)

    # What a symbol waits for

    async def session(self) -> None:
        """Wait until there is a session, and it is certain that the journal belongs to its account."""
        await self._claimed.wait()
        await self._session.wait()

    async def inform(self, symbol: Symbol) -> None:
        """Read a symbol's rules and fees; raises FaultError if it is not listed, ExchangeError."""
        await self._inform(symbol, await self._rules.ask(symbol.name))

    async def _inform(self, symbol: Symbol, rules: Mapping[str, SymbolInfo]) -> None:
        info = rules.get(symbol.name)
        if info is None:
            raise FaultError(f"the exchange does not list {symbol.name} (any more)")
        symbol.inform(info, await self._fees.of(symbol))

    async def recover(self, symbol: Symbol) -> None:
        """Begin a failed symbol again from the journal, as soon as it can be read, unless somebody else did."""
        while symbol.failed is not None:
            try:
                records = await self._journal.load(symbol.name)
            except JournalError as error:
                log.warning("journal not read", symbol=symbol.name, error=str(error))
                await trio.sleep(_RETRY)
                continue
            if symbol.failed is not None:
                symbol.restore(records[0] if records else blank(symbol.name))
                symbol.attend()
            return

    async def compare(self, symbol: Symbol) -> None:
        """Reconcile this symbol, together with those that want it at the same time; raises ExchangeError."""
        refusals = await self._comparison.ask(symbol)
        if symbol.name in refusals:
            raise RefusedError(refusals[symbol.name])

    async def reconcile(self, symbols: Sequence[Symbol]) -> Mapping[str, str]:
        """Ask for every order of ours that these symbols have; of which nothing is told, and why, by symbol.

        Raises ExchangeError when nothing is told of any.
        """
        before = {
            symbol.name: {p.order_id: p for p in symbol.book.resting if p.order_id is not None}
            for symbol in symbols
        }
        refusals: dict[str, str] = {}
        asked = set(self.symbols) if len(symbols) > _MANY else set(before)
        strangers: dict[str, str] = {}
        for report in await self._open_orders(symbols, refusals):
            try:
                if await self._is_strange(report):
                    strangers[report.symbol] = f"{report.symbol} order {report.order_id}"
            except RefusedError as error:
                refusals[report.symbol] = str(error)
            self.report(report)
            before.get(report.symbol, {}).pop(report.order_id, None)
        asked -= refusals.keys()
        self._bar_lineage({name: why for name, why in self._strangers.items() if name not in asked} | strangers)
        for symbol in symbols:
            if symbol.name not in refusals:
                try:
                    await self.look(symbol, list(before[symbol.name].values()))
                except RefusedError as error:
                    refusals[symbol.name] = str(error)
            symbol.attend()
        return refusals

    async def _open_orders(self, symbols: Sequence[Symbol], refusals: dict[str, str]) -> Sequence[Report]:
        if len(symbols) > _MANY:
            return await self.exchange.open_orders()
        reports: list[Report] = []
        for symbol in symbols:
            try:
                reports += await self.exchange.open_orders(symbol.name)
            except RefusedError as error:
                refusals[symbol.name] = str(error)
        return reports

    async def look(self, symbol: Symbol, placements: Sequence[Placement]) -> None:
        """Ask for the state of these orders, by their order ids; raises ExchangeError."""
        for placement in placements:
            report = await self.exchange.order(symbol.name, order_id=placement.order_id)
            missing = Missing(self.exchange.now(), self._grace)
            symbol.tell(placement.client_order_id, missing if report is None else Reported(report))

    async def missing_coins(self, symbol: Symbol) -> str | None:
        """None if the account has the coins that the traders hold, else what is missing; raises ExchangeError."""
        held, there = await self.cover(symbol)
        if there >= held:
            return None
        base = symbol.book.leader.info.base
        return f"the traders hold {format_amount(held)} {base}, the account has {format_amount(there)}"

    async def cover(self, symbol: Symbol) -> tuple[Quantity, Quantity]:
        """Base coins that the traders hold, and that the account has, at one moment; raises ExchangeError."""
        base = symbol.book.leader.info.base
        for look in range(_COVER_LOOKS):
            if look:
                await trio.sleep(1)
                await self.compare(symbol)
            balance = (await self._balances.ask(symbol)).balances.get(base)
            there = Quantity(balance.free + balance.locked if balance is not None else 0)
            held = self.held(symbol)
            if there >= held:
                break
        return held, there

    def held(self, symbol: Symbol) -> Quantity:
        """What the traders of all symbols with the same base asset own of it, as far as is known for certain."""
        return Quantity(
            sum(
                position(trader).quantity - other.book.unbooked(trader)
                for other in self.symbols.values()
                if other.book.leader.info.base == symbol.book.leader.info.base
                for trader in other.book.leader.traders
            )
        )

    async def _ask_balances(self, symbols: Sequence[Symbol]) -> AccountInfo:
        return await self.exchange.account()

    # Reconciliation

    async def _reconcile_always(self) -> None:
        while True:
            await self._session.wait()
            over = self._over
            try:
                refusals = await self._reconcile_all()
            except DeploymentError:
                raise
            except (ExchangeError, JournalError) as error:
                log.warning("not reconciled", error=str(error))
                if over is self._over:
                    self._postpone(str(error))
                await trio.sleep(_RETRY)
                continue
            with trio.move_on_after(_FLOWING):
                await self._flowing()
            if over is self._over:
                self._lift(refusals)
            with trio.move_on_after(_EVERY):
                await over.wait()

    async def _reconcile_all(self) -> Mapping[str, str]:
        if not self._claimed.is_set():
            await self._journal.claim(self._venue, (await self.exchange.account()).uid)
            self._claimed.set()
        kept = [
            symbol
            for symbol in self.symbols.values()
            if symbol.wish.status is not Status.OFF or symbol.book.watched
        ]
        uninformed = [symbol for symbol in kept if not symbol.informed]
        rules = await self.exchange.symbols([symbol.name for symbol in uninformed])
        refusals: dict[str, str] = {}
        for symbol in uninformed:
            try:
                await self._inform(symbol, rules)
            except FaultError as error:
                symbol.fault = str(error)
            except RefusedError as error:
                refusals[symbol.name] = str(error)
        return {**refusals, **await self.reconcile([symbol for symbol in kept if symbol.informed])}

    async def _flowing(self) -> None:
        """Wait until the trades of every active symbol flow (again)."""
        for symbol in list(self.symbols.values()):
            if symbol.active:
                await self.exchange.watch(symbol.name)

    def _postpone(self, reason: str) -> None:
        """Nothing is known of our orders yet: who does not trade so far says why."""
        self.away = reason
        for symbol in self.symbols.values():
            if not symbol.active:
                symbol.bar(Bar.EXCHANGE, f"the exchange is away: {reason}")

    def _lift(self, refusals: Mapping[str, str]) -> None:
        """The exchange is there; of which symbol it refuses to say anything, that one alone is barred."""
        self.away = None
        self.ready = True
        for symbol in self.symbols.values():
            why = refusals.get(symbol.name)
            symbol.bar(Bar.EXCHANGE, None if why is None else f"the exchange says nothing of its orders: {why}")

    async def _is_strange(self, report: Report) -> bool:
        """Is it an open order with our tag that the journal has never heard of? Raises ExchangeError."""
        symbol = self.symbols.get(report.symbol)
        kept = symbol is not None and report.client_order_id in symbol.book.placements
        if kept or not report.client_order_id.startswith(self._prefix):
            return False
        try:
            if await self._journal.knows(report.symbol, report.client_order_id):
                return False  # it has ended, or was given up, and the list is older, or the exchange found it again
        except JournalError as error:
            raise ExchangeError(f"an order was not looked up: {error}") from error
        now = await self.exchange.order(report.symbol, order_id=report.order_id)
        return now is not None and not now.status.ended

    def _bar_lineage(self, strangers: Mapping[str, str]) -> None:
        """An order with our tag and no row: another naived trades from a copy of our journal. Place nothing."""
        for name in strangers.keys() - self._strangers.keys():
            log.error("foreign lineage", symbol=name, order=strangers[name])
        self._strangers = strangers
        first = next(iter(strangers.values()), None)
        reason = None if first is None else f"{first} has our tag and is not in the journal: a copy of it trades"
        for each in self.symbols.values():
            each.bar(Bar.LINEAGE, reason)

    async def _reread_daily(self) -> None:
        while True:
            await trio.sleep(_DAILY)
            for symbol in self.symbols.values():
                if symbol.active:
                    self.inquire(symbol, Question.RULES)
