"""One symbol's sequencer: every event of a symbol enters here, in order, and leaves as one unit of work.

``offer`` and ``tell`` are synchronous: they step placements, traders and leader at once and append a unit (rows,
and what to do after) to a bounded queue. ``settle`` commits units in order, then performs: send, attend, publish.
Memory may be ahead of the journal, the exchange never. Nobody else writes a symbol's rows.

An exception while stepping, or a commit that failed, marks the symbol as failed: nothing more is stepped until it
is restored from the journal.
"""

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum

import structlog
import trio

from naived.core.amount import Money, Price, Quantity, Rate
from naived.core.leader import NONE, Awoke, Barred, Directed, Informed, Leader, LeaderEvent, Traded
from naived.core.market import Filters, SymbolInfo, Trade
from naived.core.order import Side
from naived.core.placement import Admitted, PlacementEvent, need
from naived.core.settings import Settings, Status
from naived.core.strategy import NO_LEFTOVER, Fees
from naived.ports import Page, SymbolRecord, Wish
from naived.runtime.book import Book
from naived.runtime.feed import Lane
from naived.runtime.work import Desk, Draft, FaultError, Work

_NEWEST = 1_000  # orders: those of days, or of an hour in which everything went wrong
_MOST_PENDING = 10_000  # units; the journal is far behind then, and starting anew from it is cheaper

# Until the exchange has told its rules a symbol is ``off`` for its leader, so these are never reckoned with.
_UNREAD = Filters(
    tick_size=Price(1),
    min_price=Price(0),
    max_price=Price(0),
    step_size=Quantity(1),
    min_quantity=Quantity(0),
    max_quantity=Quantity(0),
    min_notional=Money(0),
    max_notional=Money(0),
)
_NO_FEES = Fees(Rate(0), Rate(0))

log = structlog.get_logger()


class Bar(StrEnum):
    """Who bars a symbol from buying."""

    EXCHANGE = "exchange"
    COINS = "coins"
    QUARANTINE = "quarantine"
    LINEAGE = "lineage"
    CRASH = "crash"


def blank(name: str) -> SymbolRecord:
    """What the journal would say of a symbol that was never configured."""
    return SymbolRecord(name, Wish(Settings(), Status.OFF, False), 1, NO_LEFTOVER, (), (), 0, Money(0))


class Symbol:
    """One configured symbol, for as long as the process lives. ``wish`` is what the journal was told last."""

    def __init__(self, record: SymbolRecord, desk: Desk, lane: Lane) -> None:
        self.name = record.symbol
        self.lane = lane
        self.wish = record.wish
        unread = SymbolInfo(self.name, "", "", False, "UNREAD", _UNREAD)
        self.book = Book(Leader(unread, _NO_FEES, Settings()), desk, self._admit)
        self.active = False
        self.tended = False
        self.fault: str | None = None
        self.failed: Exception | None = None
        self.bars: dict[Bar, str] = {}
        self._desk = desk
        self._pending: deque[Work] = deque()
        self._settling = trio.Lock()
        self._stirred = trio.Event()
        self._news: trio.Event | None = None
        lane.act = self.trade
        self.restore(record)

    # What it is

    @property
    def now(self) -> int:
        return self._desk.exchange.now()

    @property
    def informed(self) -> bool:
        """Are the rules known? Without its assets nobody can tell which fees a fill took out of what."""
        return bool(self.book.leader.info.base)

    @property
    def may_place(self) -> bool:
        """May an intent go out now? A quarantine and a doubtful lineage stop sells as well."""
        return self.active and self.book.leader.status is not Status.OFF and not self.bars

    @property
    def behind(self) -> bool:
        """Is the journal behind what is known here?"""
        return bool(self._pending) or self._settling.locked()

    @property
    def hanging(self) -> str | None:
        """Why nothing can become durable now; None if it can, as far as is known."""
        return self._desk.journal.hanging

    async def news(self) -> None:
        """Wait until something about the symbol may have changed."""
        if self._news is None:
            self._news = trio.Event()
        await self._news.wait()

    def pulse(self) -> None:
        """Tell those who wait for news."""
        if self._news is not None:
            self._news.set()
            self._news = None

    # Events in

    def trade(self, trade: Trade) -> None:
        """A public trade outside the band."""
        if self.active:
            self.offer(Traded(trade))

    def offer(self, event: LeaderEvent) -> Work | None:
        """Step the leader; returns the work that makes it durable, if there is any."""
        with self.contained():
            draft = self._draft()
            self.book.lead(draft, event)
            return self._enqueue(draft)
        return None

    def tell(self, client_order_id: str, event: PlacementEvent) -> Work | None:
        """Step one placement; an id that is not ours any more is ignored."""
        with self.contained():
            draft = self._draft()
            self.book.move(draft, client_order_id, event)
            return self._enqueue(draft)
        return None

    def admit(self, client_order_id: str, side: Side) -> None:
        """Begin the next attempt of an order, if there is a slot for it now."""
        timestamp = self._admit(side)
        if timestamp is not None:
            self.tell(client_order_id, Admitted(timestamp, self._desk.recv_window, self._desk.epoch))

    def direct(
        self,
        wish: Wish,
        *,
        cancel: frozenset[Side] = frozenset(),
        request: tuple[str, str] | None = None,
        note: str | None = None,
    ) -> Work | None:
        """A person's wish: durable with this unit; what is not active yet follows it when it becomes so."""
        with self.contained():
            draft = self._draft()
            draft.wish, draft.request = wish, request
            if note is not None:
                draft.note("wish", note)
            self.wish = wish
            status = wish.status if self.active else Status.OFF
            self.book.lead(draft, Directed(wish.settings, status, wish.keep_buys, cancel))
            return self._enqueue(draft)
        return None

    def activate(self) -> None:
        """Rules are read, orders are reconciled, trades flow: follow the wish, unless it is ``off`` by now."""
        if self.failed is not None or self.wish.status is Status.OFF:
            return
        self.active = True
        self.offer(Directed(self.wish.settings, self.wish.status, self.wish.keep_buys))
        self.attend()
        self._stirred.set()

    def inform(self, info: SymbolInfo, fees: Fees) -> None:
        """Take the exchange's rules; what came of orders can be booked from now on."""
        self.offer(Informed(info, fees))
        self.attend()

    def bar(self, who: Bar, reason: str | None) -> None:
        """Nothing is bought while anyone bars it; None lifts one bar."""
        if self.bars.get(who) == reason:
            return
        if reason is None:
            self.bars.pop(who, None)
        else:
            self.bars[who] = reason
        with self.contained():
            draft = self._draft()
            if who is Bar.COINS and reason is not None:
                draft.note("quarantined", reason)
            self._rebar(draft)
        if not self.bars:
            self.attend()

    def excuse(self, missing: Quantity, how: str) -> Work | None:
        """A person ends the quarantine for missing coins: as many as are ``missing`` are written off."""
        with self.contained():
            draft = self._draft()
            self.book.write_off(draft, missing)
            draft.note("resolved", f"{how} by hand: {self.bars.pop(Bar.COINS)}")
            work = self._rebar(draft)
            if not self.bars:
                self.attend()
            return work
        return None

    def _rebar(self, draft: Draft) -> Work | None:
        self.book.lead(draft, Barred(next(iter(self.bars.values()), None)))
        return self._enqueue(draft)

    def attend(self) -> None:
        """Whatever any placement needs is seen to (again)."""
        for client_order_id, placement in self.book.placements.items():
            if need(placement) is not None:
                self._desk.errands.attend(self, client_order_id)

    def rouse(self) -> None:
        """Time has passed: what waited for it goes on."""
        wakes_at = self.book.leader.wakes_at
        if self.active and wakes_at is not None and wakes_at <= self.now:
            self.offer(Awoke())

    # Stepping

    def _admit(self, side: Side) -> int | None:
        return self._desk.exchange.admit(side) if self.may_place else None

    def _draft(self) -> Draft:
        if self.failed is not None:
            raise self.failed
        return Draft(self.name, self.now, self.book.leader)

    def _enqueue(self, draft: Draft) -> Work | None:
        if draft.contradiction is not None:
            self.bars[Bar.QUARANTINE] = draft.contradiction
            self.book.lead(draft, Barred(draft.contradiction))
        leader = self.book.leader
        self.lane.low, self.lane.high = leader.band
        self.pulse()
        work = draft.work(leader)
        if work is not None:
            work = self._append(work)
        if draft.drained:
            # Compare-and-set, in a transaction of its own: a start that came in between wins.
            off = replace(self.wish, status=Status.OFF, keep_buys=False, expected=Status.SHUTDOWN)
            self.direct(off, note="drained: off")
        if draft.traders:
            self.book.prune(draft.now)
        return work

    def _append(self, work: Work) -> Work:
        """Queue it; returns the work it is committed with."""
        if self._pending and self._pending[-1].absorb(work):
            return self._pending[-1]
        if len(self._pending) >= _MOST_PENDING:
            raise OverflowError(f"{_MOST_PENDING} units of {self.name} wait for the journal")
        self._pending.append(work)
        self._stirred.set()
        self._desk.errands.stir(self)
        return work

    # Work out

    async def run(self) -> None:
        """Settle and wake until it failed, or the wish is ``off`` and all is durable; then it is inactive."""
        try:
            while True:
                await self.settle()
                if self.failed is not None or (self.wish.status is Status.OFF and not self._pending):
                    return
                self._stirred = trio.Event()
                wakes_at = self.book.leader.wakes_at if self.active else None
                patience = math.inf if wakes_at is None else max(0, wakes_at - self.now) / 1000
                with trio.move_on_after(patience):
                    await self._stirred.wait()
                self.rouse()
        finally:
            self.active = False

    async def settle(self) -> None:
        """Commit and perform all that is pending, up to a failure."""
        async with self._settling:
            while self._pending and self.failed is None:
                # A commit that was begun is finished, and what it allows is begun: only a crash may come between.
                # It fails in here, before another task can commit what was to follow.
                with trio.CancelScope(shield=True), self.contained():
                    await self._perform(self._pending.popleft())
        self.pulse()  # it is not behind any more, and whatever hung does not

    async def numbers(self) -> set[int | None]:
        """The order ids of the newest orders of this symbol, living or ended; raises JournalError."""
        await self.settle()  # what is not written yet is not read
        rows = await self._desk.journal.orders(Page((self.name,), limit=_NEWEST))
        return {row.placement.order_id for row in rows}

    async def _perform(self, work: Work) -> None:
        try:
            await self._desk.journal.commit(work.unit)
            work.committed = True
        finally:
            work.done.set()
        for event in work.unit.events:
            self._desk.publish(event)
        for client_order_id in work.sends:
            self._desk.errands.send(self, client_order_id)
        for client_order_id in work.touched:
            placement = self.book.placements.get(client_order_id)
            if placement is not None and need(placement) is not None:
                self._desk.errands.attend(self, client_order_id)
        for question in work.questions:
            self._desk.errands.inquire(self, question)
        if work.fault is not None:
            raise FaultError(work.fault)

    # Failure

    @contextmanager
    def contained(self) -> Iterator[None]:
        """What goes wrong in here fails this symbol and no other: the one place that catches everything."""
        try:
            yield
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if self.failed is None:
            self.failed = error
            self.active = False
            self.lane.low, self.lane.high = NONE
            self._desk.errands.stir(self)
            self.pulse()
        while self._pending:
            self._pending.popleft().done.set()
        self._stirred.set()

    def restore(self, record: SymbolRecord) -> None:
        """Begin again from the journal, inactive: what was in memory only is forgotten."""
        self.failed = None
        self.active = False
        self._pending.clear()
        self.wish = record.wish
        leader = replace(
            self.book.leader,
            settings=record.wish.settings,
            status=Status.OFF,
            keep_buys=record.wish.keep_buys,
            traders=record.traders,
            next_number=record.next_trader,
            leftover=record.leftover,
            cycles=record.cycles,
            profit=record.profit,
        )
        with self.contained():
            draft = Draft(self.name, self.now, leader)
            self.book.load(leader, record.placements, draft)
            self.bars.pop(Bar.QUARANTINE, None)
            for placement in self.book.quarantined:
                self.bars[Bar.QUARANTINE] = placement.reason or "quarantined"
            self.book.lead(draft, Barred(next(iter(self.bars.values()), None)))
            self._enqueue(draft)
