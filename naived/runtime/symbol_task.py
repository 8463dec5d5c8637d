"""One symbol: takes its events in order, steps its engine, commits what changed. Only this writes a symbol's rows.

``offer`` and ``direct`` are synchronous: they step the engine at once, and again for each slot of the order limit,
and append one commit (rows, and what to do after) to a bounded queue. ``settle`` commits in order, then performs:
send, resolve, publish. So memory may be ahead of the journal, but the exchange never is.

An exception while stepping, or a failed commit, marks the symbol as failed: nothing more is stepped until it is
restored from the journal. The supervisor does that.
"""

import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import trio
from msgspec.structs import replace

from naived.core import engine as core
from naived.core.amount import Money, Price, Rate
from naived.core.engine import Blocked, BlockedBy, Changes, Deactivated, Engine, Event, PriceSuspected, Question
from naived.core.market import unread_rules
from naived.core.orders.intent import Side
from naived.core.orders.report import Fill
from naived.core.orders.state import need
from naived.core.risk import Account, Halts
from naived.core.strategy.formulas import NO_COINS, Fees
from naived.core.strategy.leader import NONE
from naived.core.strategy.leader_events import Activated, Halted, Informed
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.core.strategy.standing import lacking
from naived.core.strategy.summary import exposure
from naived.core.strategy.trader_state import Directed, Note, Traded, Woke
from naived.core.strategy.view import Funds
from naived.nodes import LeaseLostError
from naived.ports import Event as Record
from naived.ports import Exchange, Journal, SymbolRecord, Unit
from naived.runtime.attempts import next_attempt
from naived.runtime.commit import Commit, CommitQueue, is_new_buy, refusals
from naived.runtime.fee_values import valued
from naived.runtime.notification import Notification
from naived.runtime.price_gate import PriceGate

_NO_FEES = Fees(Rate(0), Rate(0))


class UnlistedError(Exception):
    """The exchange does not list the symbol, so that a restart would fail the same way; it may do so again."""


class Commands(Protocol):
    """What a symbol asks of the exchange session; each call is synchronous and returns at once."""

    def send(self, symbol: "Symbol", client_order_id: str) -> None:
        """Send this durable order, once."""

    def resolve_order(self, symbol: "Symbol", client_order_id: str) -> None:
        """Do what this order needs (see ``need``), until it needs nothing."""

    def inquire(self, symbol: "Symbol", question: Question) -> None:
        """Ask the exchange and offer the answer to the symbol. Not retried: the symbol asks again if it matters."""


@dataclass(slots=True)
class Context:
    """What all symbols share. ``publish`` passes a durable event on.

    ``quote_prices``: of quote assets in the account's currency, None while its exposure is not limited.
    ``account`` is what is durable of the whole account. ``funds``: what a buy of a symbol may take of it.
    ``fee_value``: what a fill's fee in a third asset is worth in quote. ``booked`` is called with new fills,
    ``recount`` when orders, rules or what is tied up changed. ``followed``: are its trades wanted also while it is
    off? ``trusted``: has no other node our symbols? ``quiet``: see ``PriceGates``. ``away``: why nothing is kept.
    ``carried_out``: is done what was asked of a symbol while no node had it?
    """

    exchange: Exchange
    journal: Journal
    commands: Commands
    publish: Callable[[Record], None]
    funds: Callable[["Symbol"], Funds]
    quote_prices: Callable[[], Mapping[str, Price] | None]
    fee_value: Callable[[Fill, str, str], Money | None]
    new_id: Callable[[], str]
    epoch: int
    recv_window: int
    account: Callable[[], Account]
    trusted: Callable[[], bool] = lambda: True
    booked: Callable[["Symbol", Changes], None] = lambda symbol, changes: None
    recount: Callable[[], None] = lambda: None
    followed: Callable[[str], bool] = lambda symbol: False
    quiet: Callable[[PriceGate], bool] = lambda gate: False
    away: Callable[[], str | None] = lambda: None
    carried_out: Callable[[str], Awaitable[bool]] | None = None


def blank(name: str) -> SymbolRecord:
    """The record of a symbol that was never configured."""
    return SymbolRecord(name, DesiredState(Settings(), Status.OFF), 1, (), NO_COINS, (), (), 0, Money(0))


class Symbol:
    """One configured symbol, for as long as it is this process's.

    ``leaving``: it is being handed over. ``gone``: it is another node's, nothing is done here any more.
    ``tended``: a task runs it. ``watched_at``: since when its trades are asked for (trio's time), if they are.
    ``listed``: does the exchange list it, when it was last asked for its rules?
    ``fault``: why it stays stopped until a person acts. ``failed``: the exception that stopped it, until it is
    restored. ``unread``: why its rows cannot be read, so that nothing of it is known here: it is no blank one.
    ``commits_lost``: its rows may lack some. ``awaited``: what its start waits for. ``unresolved``: why an order
    cannot be resolved now, by client order id. ``compared_at``: when all its orders were read last (exchange ms),
    None if not in this session, or not since it was restored.
    """

    def __init__(self, record: SymbolRecord, context: Context, gate: PriceGate, epoch: int | None = None) -> None:
        self.name = record.symbol
        self.gate = gate
        self.epoch = context.epoch if epoch is None else epoch
        self.leaving = self.gone = self.tended = False
        self.watched_at: float | None = None
        self.listed = True
        self.fault: str | None = None
        self.failed: Exception | None = None
        self.commits_lost = False
        self.awaited: str | None = None
        self.unresolved: dict[str, str] = {}
        self.news, self.queue = Notification(), CommitQueue()
        self.exposed = record.exposure  # as the journal has it, once what is queued is written
        self.context = context
        self._settling = trio.Lock()
        self.engine = Engine(Leader(unread_rules(self.name), _NO_FEES, record.desired), self.epoch)
        gate.on_breakout = lambda trade: self.offer(Traded(trade, context.funds(self), gate.peak(trade.time)))
        gate.lacking = lambda least: lacking(least, context.funds(self))
        gate.on_suspect = lambda price: self.offer(PriceSuspected(price, gate.price))
        self.restore(record)

    @property
    def desired(self) -> DesiredState:
        """What a person asked for last; its commit may still be queued."""
        return self.engine.leader.desired

    @property
    def behind(self) -> bool:
        """Is a commit queued or being performed?"""
        return bool(self.queue) or self._settling.locked()

    # Events in

    def offer(self, event: Event) -> Commit | None:
        """Step the engine; returns the commit that makes it durable, if there is anything to write."""
        if self.gone:
            return None
        with self.contained():
            before = self.engine
            return self._enqueue(before, self._step(event))
        return None

    def direct(
        self,
        desired: DesiredState,
        *,
        cancel: frozenset[Side] = frozenset(),
        expected: Status | None = None,
        request: tuple[str, str] | None = None,
        note: Note | None = None,
        halt: Halted | None = None,
    ) -> Commit | None:
        """Set what a person asked for; returns the commit that makes it durable, None if the symbol failed.

        An inactive symbol acts by it once it is active. ``cancel``: the sides whose live orders are cancelled.
        ``expected``, ``request`` and ``halt``: see ``ports.Unit``; with a halt ``desired`` is what it was.
        """
        with self.contained():
            before = self.engine
            changes = self._step(Directed(desired, cancel) if halt is None else halt)
            if note is not None:
                changes.notes.insert(0, note)
            return self._enqueue(before, changes, desired, expected, request, halt)
        return None

    def resolve_orders(self) -> None:
        """Start what any order needs."""
        if self.engine.informed:  # without the symbol's assets the fee of a fill cannot be booked
            for client_order_id, order in self.engine.orders.items():
                if need(order) is not None:
                    self.context.commands.resolve_order(self, client_order_id)

    def _step(self, event: Event) -> Changes:
        """Step the engine, and once more for each new order that gets a slot of the order limit at once."""
        if self.failed is not None and type(event) is not Blocked:  # a restore keeps the blocks
            raise self.failed
        context, engine = self.context, self.engine
        info, now = engine.leader.info, context.exchange.now()
        if (missing := engine.ids_needed - len(engine.ids)) > 0:
            engine = replace(engine, ids=(*engine.ids, *(context.new_id() for _ in range(missing))))
        engine, changes = core.step(
            engine, valued(event, lambda fill: context.fee_value(fill, info.base, info.quote)), now
        )
        for client_order_id in changes.admits if context.trusted() else ():
            order = engine.orders[client_order_id]
            attempt = next_attempt(context.exchange, order, context.recv_window, self.epoch)
            if attempt is not None:
                engine, more = core.step(engine, attempt, now)
                changes.extend(more)
        self.engine = engine
        if type(event) in (Activated, Informed):
            self.resolve_orders()
        return changes

    # Commits out

    def _enqueue(
        self,
        before: Engine,
        changes: Changes,
        desired: DesiredState | None = None,
        expected: Status | None = None,
        request: tuple[str, str] | None = None,
        halt: Halted | None = None,
    ) -> Commit | None:
        after = self.engine
        if after is not before:
            self.gate.bound(after.band, after.leader.least)
            self.gate.check.deviation = after.leader.settings.max_deviation
            self.gate.guard(after.leader.settings.fall_guard)
            self.gate.check.tick = after.leader.info.filters.tick_size
            self.news.notify()
            self.queue.notify()  # the time of the next ``Woke`` may have changed
            if before.blocks and not after.blocks:
                self.resolve_orders()
        elif changes.notes or changes.questions or desired is not None:
            self.news.notify()  # whoever commits for a symbol that is off waits for it
        else:
            return None
        now = self.context.exchange.now()
        leader, known = after.leader, before.leader
        exposed, written = exposure(leader), self.exposed
        if not exposed.quote:  # its rules are not read yet
            exposed = replace(exposed, quote=written.quote)
        grown = exposed.money != written.money or (exposed.money and exposed.quote != written.quote)
        unit = Unit(
            symbol=self.name,
            desired=desired,
            expected=expected,
            next_trader=leader.next_number if leader.next_number != known.next_number else None,
            lots=leader.lots if leader.lots != known.lots else None,
            owed=leader.owed if leader.owed != known.owed else None,
            closed_at=leader.closed_at if leader.closed_at != known.closed_at else None,
            traders=tuple(changes.traders.values()),
            orders=tuple(changes.orders.values()),
            fills=tuple(changes.fills),
            events=tuple(Record(now, self.name, note.kind, note.message) for note in changes.notes),
            request=request,
            halt=halt or _halted(known, leader),
            exposure=exposed if grown else None,
        )
        if changes.orders or exposed != written or leader.info is not known.info:
            self.context.recount()
        self.exposed = exposed
        if changes.fills:
            self.context.booked(self, changes)
        commit = None
        if unit != Unit(self.name) or changes.questions:
            commit = Commit(unit, tuple(changes.sends), tuple(changes.orders), tuple(changes.questions))
            commit = self.queue.append(commit)
        if changes.drained:
            # Compare-and-set, in its own transaction: a start that came in between takes precedence.
            off = replace(self.desired, status=Status.OFF, keep_buys=False)
            self.direct(off, expected=Status.SHUTDOWN, note=Note("desired", "drained: off"))
        return commit

    async def settle(self) -> None:
        """Commit and perform all that is pending, up to a failure."""
        async with self._settling:
            while self.queue and self.failed is None:
                # Shielded: once a commit has begun, only a crash may prevent the actions after it. A failure is
                # caught before the lock is released, so that no other task performs the next commit.
                with trio.CancelScope(shield=True), self.contained():
                    await self._perform(self.queue.pop())
        self.news.notify()  # ``behind`` and ``journal.hanging`` may have changed

    async def _perform(self, commit: Commit) -> None:
        context = self.context
        try:
            unit = commit.unit
            prices = context.quote_prices() if any(map(is_new_buy, unit.orders)) else None
            unit = replace(unit, epoch=self.epoch, prices=prices, currency=context.account().currency)
            over = await context.journal.commit(unit)
            commit.committed = True
        finally:
            commit.done.set()
        for event in commit.unit.events:
            context.publish(event)
        refused = () if over is None else over.client_order_ids
        for answer in refusals(self.engine, over):
            self.offer(answer)
        for client_order_id in commit.sends:
            if client_order_id not in refused:
                context.commands.send(self, client_order_id)
        for client_order_id in commit.touched:
            order = self.engine.orders.get(client_order_id)
            if order is not None and self.engine.informed and need(order) is not None:
                context.commands.resolve_order(self, client_order_id)
        for question in commit.questions:
            context.commands.inquire(self, question)

    # Failure

    @contextmanager
    def contained(self) -> Iterator[None]:
        """An exception in this block fails this symbol and no other. Only this catches every ``Exception``."""
        try:
            yield
        except Exception as error:
            if self.failed is None:
                self.failed = error
                self.engine = replace(self.engine, leader=replace(self.engine.leader, active=False))
                self.gate.bound(NONE)
                self.news.notify()
            self.queue.drop()
            self.queue.notify()

    def restore(self, record: SymbolRecord) -> None:
        """Load the symbol from the journal again, inactive; what was only in memory is lost."""
        self.failed = None
        self.unread: str | None = None
        self.compared_at: int | None = None
        self.queue.drop()
        before = self.engine
        leader = replace(
            before.leader,
            desired=record.desired,
            active=False,
            traders=record.traders,
            next_number=record.next_trader,
            lots=record.lots,
            owed=record.owed,
            closed_at=record.closed_at,
            cycles=record.cycles,
            profit=record.profit,
            day=record.day,
            day_profit=record.day_profit,
            halts=Halts(record.halt, self.context.account().halt),
        )
        self.exposed = record.exposure
        self.context.recount()
        blocks = tuple(block for block in before.blocks if block.by is not BlockedBy.QUARANTINE)
        with self.contained():
            now = self.context.exchange.now()
            self.engine, changes = core.load(leader, record.orders, blocks, self.epoch, now)
            self._enqueue(replace(self.engine, orders={}), changes)


def assets(symbol: Symbol) -> tuple[str, str]:
    """Its base and its quote asset; before its rules are read as the journal has them, empty if it has not."""
    info, quote = symbol.engine.leader.info, symbol.exposed.quote
    return (info.base, info.quote) if info.base or not quote else (symbol.name.removesuffix(quote), quote)


def let_go(symbol: Symbol) -> None:
    """It is another node's: nothing more is stepped, committed or sent; whoever waits for a commit is told."""
    symbol.gone = True
    with symbol.contained():
        raise LeaseLostError(f"{symbol.name} is traded by another node now: ask again")


def _halted(before: Leader, after: Leader) -> Halted | None:
    """The halt that the step itself set: a stop-loss was reached."""
    return None if after.halts.own == before.halts.own else Halted(after.halts.own)


async def run(symbol: Symbol) -> None:
    """Commit and wake traders in time, until the symbol failed, or is desired ``off`` and all is durable."""
    try:
        while True:
            await symbol.settle()
            if symbol.failed is not None or (symbol.desired.status is Status.OFF and not symbol.queue):
                return
            await symbol.queue.wait(_seconds_to_wake(symbol))
            if _seconds_to_wake(symbol) <= 0:
                symbol.offer(Woke())
    finally:
        if symbol.engine.leader.active:
            off = symbol.desired.status is Status.OFF
            symbol.offer(Deactivated() if off else Blocked(BlockedBy.SUSPEND, "naived is suspending"))


def _seconds_to_wake(symbol: Symbol) -> float:
    """Seconds until ``Woke`` is due; infinite if it is not."""
    leader, now = symbol.engine.leader, symbol.context.exchange.now()
    if not leader.active or leader.wakes_at is None:
        return math.inf
    return 0 if leader.overslept(now) else max(0, leader.wakes_at - now) / 1000
