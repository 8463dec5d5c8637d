"""One symbol's sequencer: every event of a symbol enters here, in order, and leaves as one unit of work.

``offer`` and ``tell`` are synchronous: they step placements, traders and leader at once and append a unit (rows,
and what to do after) to a bounded queue. ``settle`` commits units in order, then performs: send, attend, publish.
Memory may be ahead of the journal, the exchange never. Nobody else writes a symbol's rows.

An exception while stepping, or a commit that failed, marks the symbol as failed: nothing more is stepped until it
is restored from the journal.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum

import structlog
import trio

from naived.core import leader as leading
from naived.core import placing
from naived.core.amount import Money, Price, Quantity, Rate
from naived.core.leader import Barred, Directed, Drained, Informed, Leader, LeaderEvent, OrderNews, Traded
from naived.core.market import Filters, SymbolInfo, Trade
from naived.core.order import Side
from naived.core.placement import (
    LIVE,
    TERMINAL,
    Action,
    Admitted,
    CancelWanted,
    Contradicted,
    Ended,
    Executed,
    Placed,
    Placement,
    PlacementEvent,
    Restarted,
    Send,
    State,
    need,
)
from naived.core.scene import Cancel, Fault, Note, Place, Reread
from naived.core.settings import Settings, Status
from naived.core.strategy import NO_LEFTOVER, Fees
from naived.ports import SymbolRecord, Wish
from naived.runtime.feed import Lane
from naived.runtime.work import Desk, Draft, Work

_MOST_PENDING = 10_000  # units; the journal is far behind then, and starting anew from it is cheaper
_WATCHED = 86_400_000  # ms an abandoned buy is watched for a late twin

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
_STP = {Side.BUY: "EXPIRE_TAKER", Side.SELL: "EXPIRE_MAKER"}  # a sell survives whichever came first

log = structlog.get_logger()


class Bar(StrEnum):
    """Who bars a symbol from buying."""

    EXCHANGE = "exchange"
    COINS = "coins"
    QUARANTINE = "quarantine"
    LINEAGE = "lineage"


def blank(name: str) -> SymbolRecord:
    """What the journal would say of a symbol that was never configured."""
    return SymbolRecord(name, Wish(Settings(), Status.OFF, False), 1, NO_LEFTOVER, (), (), 0, Money(0))


class FaultError(Exception):
    """Nothing but a person can mend this symbol; trying again would only repeat it."""


class Symbol:
    """One configured symbol, for as long as the process lives. ``wish`` is what the journal was told last."""

    def __init__(self, record: SymbolRecord, desk: Desk, lane: Lane) -> None:
        self.name = record.symbol
        self.lane = lane
        self.wish = record.wish
        self.leader = Leader(SymbolInfo(self.name, "", "", False, "UNREAD", _UNREAD), _NO_FEES, Settings())
        self.informed = False
        self.active = False
        self.tended = False
        self.fault: str | None = None
        self.failed: Exception | None = None
        self.bars: dict[Bar, str] = {}
        self.placements: dict[str, Placement] = {}
        self._desk = desk
        self._keys: dict[tuple[int, Side, int], str] = {}
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
    def may_place(self) -> bool:
        """May an intent go out now? A quarantine and a doubtful lineage stop sells as well."""
        return self.active and self.leader.status is not Status.OFF and not self.bars

    @property
    def recv_window(self) -> int:
        return self._desk.recv_window

    @property
    def busy(self) -> bool:
        """Is there work that is not durable yet?"""
        return bool(self._pending) or self._settling.locked()

    @property
    def unsettled(self) -> list[Placement]:
        """Orders whose fate is open because we asked for something: unknown, in flight, being cancelled."""
        return [
            placement
            for placement in self.placements.values()
            if placement.state in (State.UNKNOWN, State.INTENDED)
            or (placement.cancelling and placement.state in LIVE)
        ]

    @property
    def resting(self) -> list[Placement]:
        """Orders that the exchange has, or may have."""
        return [placement for placement in self.placements.values() if placement.state in LIVE]

    @property
    def quarantined(self) -> list[Placement]:
        return [placement for placement in self.placements.values() if placement.state is State.QUARANTINED]

    def placement(self, number: int, side: Side, seq: int) -> Placement | None:
        client_order_id = self._keys.get((number, side, seq))
        return None if client_order_id is None else self.placements.get(client_order_id)

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
            self._lead(draft, event)
            return self._enqueue(draft)
        return None

    def tell(self, client_order_id: str, event: PlacementEvent) -> Work | None:
        """Step one placement; an id that is not ours any more is ignored."""
        with self.contained():
            draft = self._draft()
            self._move(draft, client_order_id, event)
            return self._enqueue(draft)
        return None

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
            self._lead(draft, Directed(wish.settings, status, wish.keep_buys, cancel))
            self.active = self.active and wish.status is not Status.OFF
            return self._enqueue(draft)
        return None

    def activate(self) -> None:
        """Rules are read, orders are reconciled, trades flow: follow the wish."""
        self.active = True
        self.offer(Directed(self.wish.settings, self.wish.status, self.wish.keep_buys))
        self.attend()

    def inform(self, info: SymbolInfo, fees: Fees) -> None:
        self.informed = True
        self.offer(Informed(info, fees))

    def bar(self, who: Bar, reason: str | None) -> None:
        """Nothing is bought while anyone bars it; None lifts one bar."""
        if self.bars.get(who) == reason:
            return
        if reason is None:
            self.bars.pop(who, None)
        else:
            self.bars[who] = reason
        self.offer(Barred(next(iter(self.bars.values()), None)))
        if not self.bars:
            self.attend()

    def attend(self) -> None:
        """Whatever any placement needs is seen to (again)."""
        for client_order_id, placement in self.placements.items():
            if need(placement) is not None:
                self._desk.errands.attend(self, client_order_id)

    def rouse(self) -> None:
        """Time has passed: what waited for it goes on."""
        wakes_at = self.leader.wakes_at
        if self.active and wakes_at is not None and wakes_at <= self.now:
            self.offer(leading.Awoke())

    # Stepping

    def _draft(self) -> Draft:
        if self.failed is not None:
            raise self.failed
        return Draft(self.name, self.now, self.leader)

    def _lead(self, draft: Draft, event: LeaderEvent) -> None:
        step = leading.step(self.leader, event, draft.now)
        self.leader = step.leader
        for trader in step.touched:
            draft.traders[trader.number] = trader
        for command in step.commands:
            match command:
                case Place():
                    self._place(draft, command)
                case Cancel(intent):
                    client_order_id = self._keys.get((intent.trader, intent.side, intent.seq))
                    if client_order_id is not None:
                        self._move(draft, client_order_id, CancelWanted())
                case Note(kind, message):
                    draft.note(kind, message)
                case Reread():
                    draft.reread = True
                case Drained():
                    draft.drained = True
                case Fault(reason):
                    raise FaultError(reason)

    def _place(self, draft: Draft, command: Place) -> None:
        intent = command.intent
        mode = _STP[intent.side]
        placement = Placement(
            intent,
            self._desk.new_id(),
            mode if mode in self.leader.info.stp_modes else None,
            self._desk.epoch,
            decided_at=command.decided_at,
            created_at=draft.now,
            updated_at=draft.now,
        )
        self._put(draft, placement)
        timestamp = self._desk.exchange.admit(intent.side) if self.may_place else None
        if timestamp is not None:
            self._move(draft, placement.client_order_id, Admitted(timestamp, self._desk.recv_window))

    def _put(self, draft: Draft, placement: Placement) -> None:
        intent, client_order_id = placement.intent, placement.client_order_id
        self.placements[client_order_id] = placement
        self._keys[intent.trader, intent.side, intent.seq] = client_order_id
        draft.placements[client_order_id] = placement

    def _move(self, draft: Draft, client_order_id: str, event: PlacementEvent) -> None:
        placement = self.placements.get(client_order_id)
        if placement is None:
            return
        after, actions = placing.step(placement, event, draft.now)
        if after is not placement:
            self._put(draft, after)
        for action in actions:
            self._act(draft, after, action)

    def _act(self, draft: Draft, placement: Placement, action: Action) -> None:
        intent = placement.intent
        match action:
            case Send():
                draft.sends.append(placement.client_order_id)
            case Placed() | Executed() | Ended():
                if isinstance(action, Executed):
                    draft.fills.append(action.fill)
                self._lead(draft, OrderNews(intent.trader, intent.side, intent.seq, action))
            case Contradicted(reason):
                draft.note("quarantined", f"{placement.client_order_id}: {reason}")
                self.bars[Bar.QUARANTINE] = reason
                self._lead(draft, Barred(reason))

    def _enqueue(self, draft: Draft) -> Work | None:
        self.lane.low, self.lane.high = self.leader.band
        self.pulse()
        work = draft.work(self.leader)
        if work is None:
            return None
        self._append(work)
        if draft.drained:
            # Compare-and-set, in a transaction of its own: a start that came in between wins.
            off = replace(self.wish, status=Status.OFF, keep_buys=False, expected=Status.SHUTDOWN)
            self.direct(off, note="drained: off")
        if draft.traders:
            self._prune(draft.now)
        return work

    def _append(self, work: Work) -> None:
        if len(self._pending) >= _MOST_PENDING:
            raise OverflowError(f"{_MOST_PENDING} units of {self.name} wait for the journal")
        self._pending.append(work)
        self._stirred.set()
        self._desk.errands.stir(self)

    def _prune(self, now: int) -> None:
        """Forget orders that have ended and that no living trader refers to."""
        latest = {(trader.number, Side.BUY, trader.buys) for trader in self.leader.traders}
        latest |= {(trader.number, Side.SELL, trader.sells) for trader in self.leader.traders}
        for key, client_order_id in list(self._keys.items()):
            placement = self.placements[client_order_id]
            watched = placement.state is State.ABANDONED and now - placement.updated_at < _WATCHED
            if placement.state in TERMINAL and key not in latest and not watched:
                del self._keys[key]
                del self.placements[client_order_id]

    # Work out

    async def run(self) -> None:
        """Settle and wake until the wish is ``off`` and all is durable; raises what the symbol failed with."""
        while True:
            await self.settle()
            if self.wish.status is Status.OFF and not self._pending:
                return
            self._stirred = trio.Event()
            wakes_at = self.leader.wakes_at
            patience = float("inf") if wakes_at is None else max(0, wakes_at - self.now) / 1000
            with trio.move_on_after(patience):
                await self._stirred.wait()
            self.rouse()

    async def settle(self) -> None:
        """Commit and perform all that is pending; raises what the symbol failed with."""
        async with self._settling:
            while self._pending and self.failed is None:
                # A commit that was begun is finished, and what it allows is begun: only a crash may come between.
                with trio.CancelScope(shield=True):
                    await self._perform(self._pending.popleft())
            if self.failed is not None:
                raise self.failed

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
            placement = self.placements.get(client_order_id)
            if placement is not None and need(placement) is not None:
                self._desk.errands.attend(self, client_order_id)
        if work.reread:
            self._desk.errands.reread(self)

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
            self.lane.low, self.lane.high = leading.NONE
            self.pulse()
        while self._pending:
            self._pending.popleft().done.set()
        self._stirred.set()

    def restore(self, record: SymbolRecord) -> None:
        """Begin again from the journal: what may have been sent and was not answered is unknown now."""
        self.failed = None
        self.active = False
        self._pending.clear()
        self._keys.clear()
        self.placements.clear()
        self.wish = record.wish
        self.leader = replace(
            self.leader,
            settings=record.wish.settings,
            status=Status.OFF,
            keep_buys=record.wish.keep_buys,
            traders=record.traders,
            next_number=record.next_trader,
            leftover=record.leftover,
            cycles=record.cycles,
            profit=record.profit,
        )
        self.bars.pop(Bar.QUARANTINE, None)
        draft = self._draft()
        for placement in record.placements:
            self._put(draft, placement)
        draft.placements.clear()
        for client_order_id in list(self.placements):
            self._move(draft, client_order_id, Restarted())
        for placement in self.quarantined:
            self.bars[Bar.QUARANTINE] = placement.reason or "quarantined"
        self._lead(draft, Barred(next(iter(self.bars.values()), None)))
        self._enqueue(draft)
