"""One symbol's state as a value (traders, orders, blocks), and ``step``, the only function that changes it.

    event ──> step ──┬─ an order's event ──> its state machine ──news──> its trader
                     └─ any other ─────────> the leader ──commands──> orders placed, orders cancelled
              (engine, Changes)

1. ``step`` decides everything and performs nothing. It returns what changed and what is to be done as ``Changes``:
   its rows are committed in one transaction, and only then is anything sent.
2. A new order needs a slot of the exchange's order limit: ``Changes.admits`` asks for it. The caller either steps
   again with ``Admitted`` at once, in the same commit, or does it later.
3. A trader gets all news of one order step as one event, in the same engine step: booking the last fill of a buy
   and deciding its sell are one commit.
4. Every reason not to place orders is in ``blocks``, the most serious first. A halt (``leader.halts``) is none of
   them, nor a buy that was refused for good (``leader.barred``): the leader buys nothing, and sells go on.

Client order ids are random, so the caller makes them before a step and puts them into ``ids``: as many as one step
can need (``Engine.ids_needed``).
"""

from collections.abc import Iterable, Mapping
from enum import Enum, StrEnum, auto
from typing import Any, TypeAlias, assert_never, get_args

from msgspec import Struct
from msgspec.structs import replace

from naived.core.amount import Price, Quantity, format_amount
from naived.core.orders import state as life
from naived.core.orders.intent import Side
from naived.core.orders.recovered import recovered, story
from naived.core.orders.report import Fill, Report
from naived.core.orders.state import (
    LIVE,
    TERMINAL,
    WATCHED,
    CancelWanted,
    Contradicted,
    Ended,
    Executed,
    Need,
    OrderEvent,
    OrderState,
    Placed,
    Reported,
    Resolved,
    Restarted,
    Send,
    State,
    need,
)
from naived.core.orders.turned import FATES, Turned
from naived.core.strategy import leader as leading
from naived.core.strategy.leader import Band
from naived.core.strategy.leader_events import Adopted, Found, Informed, LeaderEvent, Lost, Readopted
from naived.core.strategy.leader_state import Drained, Leader, deactivated, doubt
from naived.core.strategy.settings import Status
from naived.core.strategy.summary import awaits
from naived.core.strategy.trader_state import (
    AS_FEES,
    BY_HAND,
    Cancel,
    Count,
    Finished,
    Measure,
    Note,
    OrderNews,
    Place,
    Recall,
    Reread,
    Take,
    Trader,
    carries,
    position,
)


class BlockedBy(StrEnum):
    """What keeps a symbol from placing orders, the most serious first."""

    QUARANTINE = "quarantine"  # an order contradicts what we know
    LINEAGE = "lineage"  # another naived trades from a copy of the journal
    COINS = "coins"  # the account has fewer coins than the traders hold
    MARKET = "market"  # it was closed for so long that its coin may be another one
    CRASH = "crash"  # the symbol failed and restarts soon
    LEASE = "lease"  # another node may have it
    EXCHANGE = "exchange"  # there is no session, or the exchange refuses to answer for this symbol
    SUSPEND = "suspend"  # this process ends; the status stays as it is


_SEVERITY = {by: number for number, by in enumerate(BlockedBy)}


class Block(Struct, frozen=True):
    """``since`` is exchange ms."""

    by: BlockedBy
    reason: str
    since: int


Key: TypeAlias = tuple[int, Side, int]


class Engine(Struct, frozen=True):
    """``orders`` are those that may still matter, by client order id; ``keys`` has that id by (trader, side, seq).

    ``ids`` are unused client order ids. ``epoch`` is that of this process.
    """

    leader: Leader
    epoch: int
    orders: Mapping[str, OrderState] = {}
    keys: Mapping[Key, str] = {}
    blocks: tuple[Block, ...] = ()
    ids: tuple[str, ...] = ()

    @property
    def blocked(self) -> str | None:
        """The reason of the most serious block, or None. The desired status is not a block."""
        return self.blocks[0].reason if self.blocks else None

    @property
    def informed(self) -> bool:
        """Are the symbol's rules known? Without its assets the fee of a fill cannot be booked."""
        return bool(self.leader.info.base)

    @property
    def may_place(self) -> bool:
        """May an order be sent now? A block stops sells as well."""
        return not self.blocks and self.leader.status is not Status.OFF

    @property
    def band(self) -> Band:
        """The open interval of prices at which a trade changes nothing."""
        return leading.band(self.leader, self.blocked)

    @property
    def ids_needed(self) -> int:
        """One for each trader that lives or may start: a step decides at most one order per trader.

        A lot may get a trader of its own, also one that a trader carries: the stop-loss gives it back.
        """
        leader = self.leader
        lots = len(leader.lots) + sum([carries(trader) for trader in leader.traders])
        return max(len(leader.traders), leader.settings.chunks) + lots + 1

    def order(self, number: int, side: Side, seq: int) -> OrderState | None:
        """The ``seq``-th order of trader ``number`` on this side; None if it is not kept (any more)."""
        client_order_id = self.keys.get((number, side, seq))
        return None if client_order_id is None else self.orders.get(client_order_id)

    @property
    def resting(self) -> list[OrderState]:
        """Orders that the exchange has, or may have."""
        return [order for order in self.orders.values() if order.state in LIVE]

    @property
    def numbered(self) -> list[OrderState]:
        """Live orders whose order id is known."""
        return [order for order in self.resting if order.order_id is not None]

    @property
    def quarantined(self) -> list[OrderState]:
        return [order for order in self.orders.values() if order.state is State.QUARANTINED]

    @property
    def unsettled(self) -> list[OrderState]:
        """Orders with a request of ours that has no known result: unknown, in flight, or being cancelled."""
        return [
            order for order in self.resting if order.state in (State.UNKNOWN, State.INTENDED) or order.cancelling
        ]

    @property
    def unread(self) -> list[OrderState]:
        """Orders that executed more than the fills we know add up to."""
        return [order for order in self.resting if need(order) is Need.FILLS]

    @property
    def watched(self) -> bool:
        """May the exchange still report any change of an order? An abandoned order may still appear there."""
        return any(order.state in LIVE or order.state is State.ABANDONED for order in self.orders.values())


def is_blocked_by(engine: Engine, by: BlockedBy) -> bool:
    """Is there a block set by ``by``?"""
    return any(block.by is by for block in engine.blocks)


def unoffered(trader: Trader, sell: OrderState | None) -> Quantity:
    """The coins of a trader that are not in its live sell, if ``sell``, its newest, is one."""
    offered = 0 if sell is None or sell.state not in LIVE else sell.quantity - sell.executed
    return Quantity(position(trader).quantity - offered)


class Blocked(Struct, frozen=True):
    """Set the block ``by``, or lift it (``reason`` None)."""

    by: BlockedBy
    reason: str | None


class Deactivated(Struct, frozen=True):
    """The symbol's task ended after a ``stop``: its traders see the status ``off`` until it is active again."""


class CoinsWrittenOff(Struct, frozen=True):
    """A person lifts the block COINS: ``missing`` coins are written off. ``how`` is text for the note."""

    missing: Quantity
    how: str


class CoinsPaid(Struct, frozen=True):
    """``missing`` coins of this symbol were taken as fees of other symbols: they are booked as a loss."""

    missing: Quantity


class Unrecorded(Struct, frozen=True):
    """The exchange has this order of ours, and the journal, which lost its last commits, does not know it."""

    report: Report


class PriceSuspected(Struct, frozen=True):
    """A trade at ``price`` is too far from ``reference`` to decide anything before others confirm it."""

    price: Price
    reference: Price | None


SymbolEvent: TypeAlias = Blocked | Deactivated | CoinsWrittenOff | CoinsPaid | Unrecorded | PriceSuspected
Event: TypeAlias = LeaderEvent | OrderEvent | SymbolEvent

_LEADER_EVENTS = frozenset(get_args(LeaderEvent))
_ORDER_EVENTS = frozenset(get_args(OrderEvent))


class Question(Enum):
    """What a symbol may have to read again from the exchange."""

    RULES = auto()  # filters and fees
    COINS = auto()  # the free balance of its base asset
    REFERENCE = auto()  # the price that its filters measure by
    HIGHS = auto()  # the prices of its fall guard's span


class Changes(Struct):
    """What a step changed, and what it asks for. Rows are complete; a trader that ended is there in its last state.

    ``sends`` and ``admits`` are client order ids. ``drained``: set the status ``off``, unless it is no longer
    ``shutdown``. Each instance gets containers of its own (msgspec).
    """

    traders: dict[int, Trader] = {}
    orders: dict[str, OrderState] = {}
    fills: list[Fill] = []
    notes: list[Note | Turned] = []
    sends: list[str] = []
    admits: list[str] = []
    questions: list[Question] = []
    drained: bool = False

    def extend(self, later: "Changes") -> None:
        """Take in what an answered ``admits`` changed; that step asks for no further slot."""
        self.traders.update(later.traders)
        self.orders.update(later.orders)
        self.fills += later.fills
        self.notes += later.notes
        self.sends += later.sends
        self.questions += later.questions
        self.drained = self.drained or later.drained


def suspicion(price: Price, reference: Price | None) -> str:
    """In words: a trade that decides nothing yet."""
    before = "" if reference is None else f", the one before at {format_amount(reference)}"
    return f"a trade at {format_amount(price)}{before}: two later trades have to confirm it (max-deviation)"


def _draft(engine: Engine, now: int) -> "_Draft":
    orders: Any = engine.orders
    keys: Any = engine.keys
    return _Draft(engine, now, engine.leader, orders, keys, engine.blocks, engine.ids, Changes())


def load(
    leader: Leader, orders: Iterable[OrderState], blocks: tuple[Block, ...], epoch: int, now: int
) -> tuple[Engine, Changes]:
    """The engine from the journal's rows. An order that may have been sent and has no answer becomes UNKNOWN."""
    draft = _draft(Engine(leader, epoch, blocks=blocks), now)
    for order in orders:
        draft.keep(order)
    for client_order_id in list(draft.orders):
        draft.move(Restarted(client_order_id))
    draft.block_quarantined()
    draft.block(BlockedBy.MARKET, doubt(leader, now))
    return draft.done()


def step(engine: Engine, event: Event, now: int) -> tuple[Engine, Changes]:
    """Apply one event at ``now`` (exchange ms); one that changes nothing returns the same engine.

    Raises UnexpectedError for an event that is impossible in this state, which is a bug.
    """
    draft = _draft(engine, now)
    known: Any = event  # its type is looked up, as ``isinstance`` with a union is ten times as slow
    if type(event) is Lost:
        _take_back(draft, event.number)
    if type(event) in _LEADER_EVENTS:
        draft.lead(known)
        if type(event) is Informed:
            draft.block(BlockedBy.MARKET, doubt(draft.leader, now))
    elif type(event) is Resolved:
        _resolve(draft, event)
    elif type(event) in _ORDER_EVENTS:
        draft.move(known)
    else:
        _apply(draft, known)
    return draft.done()


def _apply(draft: "_Draft", event: SymbolEvent) -> None:
    match event:
        case Blocked(by, reason):
            draft.block(by, reason)
        case Deactivated():
            draft.leader = deactivated(draft.leader, draft.now)
            draft.block(BlockedBy.MARKET, doubt(draft.leader, draft.now))
        case CoinsWrittenOff(missing, how):
            _write_off(draft, missing, BY_HAND)
            reason = next((block.reason for block in draft.blocks if block.by is BlockedBy.COINS), "")
            draft.block(BlockedBy.COINS, None)
            draft.changes.notes.append(Note("resolved", f"{how} by hand: {reason}"))
        case CoinsPaid(missing):
            _write_off(draft, missing, AS_FEES)
        case Unrecorded(report) if report.client_order_id not in draft.orders:
            unsent = [order.intent for order in draft.orders.values() if order.state is State.NOT_PLACED]
            draft.lead(Found(report, unsent))
        case Unrecorded():
            pass
        case PriceSuspected() if draft.leader.status is Status.ON:
            draft.changes.notes.append(Note("price", suspicion(event.price, event.reference)))
        case PriceSuspected():
            pass
        case _:
            assert_never(event)


class _Draft(Struct):
    """The working copy of one step. ``orders`` and ``keys`` are shared with the engine until the first write."""

    engine: Engine
    now: int
    leader: Leader
    orders: dict[str, OrderState]
    keys: dict[Key, str]
    blocks: tuple[Block, ...]
    ids: tuple[str, ...]
    changes: Changes
    news: list[LeaderEvent] = []
    prunable: bool = False

    def settle(self) -> None:
        """Pass the news of orders to their traders."""
        while self.news:
            self.lead(self.news.pop(0))

    def done(self) -> tuple[Engine, Changes]:
        self.settle()
        if self.prunable:
            self._prune()
        engine = self.engine
        if self.leader is engine.leader and self.orders is engine.orders and self.blocks is engine.blocks:
            return engine, self.changes
        return Engine(self.leader, engine.epoch, self.orders, self.keys, self.blocks, self.ids), self.changes

    # Traders

    def lead(self, event: LeaderEvent) -> None:
        """Step the leader and carry out its commands."""
        blocked = self.blocks[0].reason if self.blocks else None
        result = leading.step_leader(self.leader, event, self.now, blocked)
        self.leader = result.leader
        changes = self.changes
        for trader in result.touched:
            changes.traders[trader.number] = trader
            self.prunable = self.prunable or type(trader.phase) is Finished
        for command in result.commands:
            match command:
                case Place():
                    self._place(command)
                case Take():
                    _take(self, command)
                case Note():
                    changes.notes.append(command)
                case Cancel(intent):
                    client_order_id = self.keys.get((intent.trader, intent.side, intent.seq))
                    if client_order_id is not None:
                        self.move(CancelWanted(client_order_id))
                case Reread():
                    changes.questions.append(Question.RULES)
                case Count():
                    changes.questions.append(Question.COINS)
                case Measure() if Question.REFERENCE not in changes.questions:
                    changes.questions.append(Question.REFERENCE)
                case Measure():
                    pass
                case Recall():
                    changes.questions.append(Question.HIGHS)
                case Drained():
                    changes.drained = True

    def _place(self, command: Place) -> None:
        intent = command.intent
        client_order_id = self.ids[0]
        self.ids = self.ids[1:]
        order = OrderState(
            intent,
            client_order_id,
            self.leader.info.buy_stp if intent.side is Side.BUY else self.leader.info.sell_stp,
            self.engine.epoch,
            decided_at=command.decided_at,
            created_at=self.now,
            updated_at=self.now,
        )
        self.add(order)
        self.prunable = self.prunable or intent.seq > 1
        if not self.blocks and self.leader.status is not Status.OFF:
            self.changes.admits.append(client_order_id)

    # Orders

    def keep(self, order: OrderState) -> None:
        """Hold one more order; its row does not change."""
        if self.keys is self.engine.keys:
            self.keys = dict(self.keys)
        self.keys[order.intent.trader, order.intent.side, order.intent.seq] = order.client_order_id
        self.put(order)

    def add(self, order: OrderState) -> None:
        """Hold one more order; its row is to be written."""
        self.keep(order)
        self.changes.orders[order.client_order_id] = order

    def put(self, order: OrderState) -> None:
        if self.orders is self.engine.orders:
            self.orders = dict(self.orders)
        self.orders[order.client_order_id] = order

    def move(self, event: OrderEvent) -> None:
        """Step one order and queue its news as one event. An id that is not kept (any more) is ignored."""
        order = self.orders.get(event.client_order_id)
        if order is None:
            return
        after, actions = life.step_order(order, event, self.now)
        if after is not order:
            self.put(after)
            self.changes.orders[after.client_order_id] = after
            if after.state is not order.state and after.state in FATES:
                self.changes.notes.append(Turned(after))
        news: list[Placed | Executed | Ended] = []
        for action in actions:
            match action:
                case Executed():
                    self.changes.fills.append(action.fill)
                    news.append(action)
                case Placed() | Ended():
                    news.append(action)
                case Send():
                    self.changes.sends.append(after.client_order_id)
                case Contradicted(reason):
                    self.changes.notes.append(Note("quarantined", f"{after.client_order_id}: {reason}"))
        if news:
            self._queue_news(after, tuple(news))
        if State.QUARANTINED in (order.state, after.state):
            self.block_quarantined()

    def _queue_news(self, order: OrderState, news: tuple[Placed | Executed | Ended, ...]) -> None:
        if awaits(self.leader, order.intent):
            self.news.append(OrderNews(order.intent, news))
        elif fills := tuple(each.fill for each in news if isinstance(each, Executed)):
            self.news.append(Adopted(order.intent, fills))

    def _prune(self) -> None:
        """Drop orders that have ended and that no living trader refers to."""
        living = {trader.number: trader for trader in self.leader.traders}
        # Until the exchange told the rules, ``now`` is this machine's clock: nothing that is watched is over by it.
        now = self.now if self.leader.info.base else 0
        gone = [
            (key, client_order_id)
            for key, client_order_id in self.keys.items()
            if not _refers(living.get(key[0]), key)
            and _is_over(self.orders[client_order_id], now, self.engine.epoch)
        ]
        if gone:
            self.orders, self.keys = dict(self.orders), dict(self.keys)
        for key, client_order_id in gone:
            del self.keys[key]
            del self.orders[client_order_id]

    # Blocks

    def block(self, by: BlockedBy, reason: str | None) -> None:
        known = next((block for block in self.blocks if block.by is by), None)
        if (known.reason if known is not None else None) == reason:
            return
        others = [block for block in self.blocks if block.by is not by]
        if reason is not None:
            others.append(Block(by, reason, self.now))
            if by in (BlockedBy.COINS, BlockedBy.MARKET):
                self.changes.notes.append(Note("quarantined", reason))
        elif by is BlockedBy.MARKET:
            self.leader = replace(self.leader, closed_at=0)
            self.changes.notes.append(Note("resolved", "no more doubt about what its market trades"))
        self.blocks = tuple(sorted(others, key=lambda block: _SEVERITY[block.by]))

    def block_quarantined(self) -> None:
        """Set or lift the block QUARANTINE, depending on whether an order is in quarantine."""
        doubtful = [order for order in self.orders.values() if order.state is State.QUARANTINED]
        self.block(BlockedBy.QUARANTINE, (doubtful[-1].reason or "quarantined") if doubtful else None)


def _refers(trader: Trader | None, key: Key) -> bool:
    """Is this the newest order of the trader on its side?"""
    _, side, seq = key
    return trader is not None and seq == (trader.buys if side is Side.BUY else trader.sells)


def _take(draft: _Draft, command: Take) -> None:
    """Hold an order that the exchange has; the one that was decided in its place is not wanted any more."""
    intent, instead, info = command.intent, command.instead, draft.leader.info
    if instead is not None:
        draft.move(CancelWanted(draft.keys[instead.trader, instead.side, instead.seq]))
    stp_mode = info.buy_stp if intent.side is Side.BUY else info.sell_stp
    order = recovered(intent, command.report, stp_mode, draft.engine.epoch, draft.now, command.problem)
    draft.add(order)
    draft.prunable = True
    draft.changes.notes.append(Note(*story(order)))
    if command.problem is None:
        draft.move(Reported(order.client_order_id, command.report))
    else:
        draft.block_quarantined()


def _resolve(draft: _Draft, event: Resolved) -> None:
    """A person ends a quarantine. What is adopted and rests is taken back if no trader can wait for it."""
    before = draft.orders.get(event.client_order_id)
    if before is None or before.state is not State.QUARANTINED:
        return
    if event.adopt:
        draft.lead(Readopted(before.intent))
    draft.move(event)
    after = draft.orders[event.client_order_id]
    if after.state not in TERMINAL and not awaits(draft.leader, after.intent):
        draft.move(CancelWanted(event.client_order_id))


def _is_over(order: OrderState, now: int, epoch: int) -> bool:
    """A buy that was never sent cannot appear late. Of another epoch's the journal may have lost the attempt."""
    if order.state is not State.ABANDONED:
        return order.state in TERMINAL
    unsent = order.epoch == epoch and not order.attempt and order.order_id is None
    return unsent or now - order.updated_at >= WATCHED


def _sell_of(draft: _Draft, trader: Trader) -> OrderState | None:
    """The newest sell of a trader; None if it is not kept (any more)."""
    return draft.orders.get(draft.keys.get((trader.number, Side.SELL, trader.sells), ""))


def _take_back(draft: _Draft, number: int) -> None:
    """Coins that a trader loses are not sold by the sell that it has decided: it decides anew."""
    for trader in draft.leader.traders:
        sell = _sell_of(draft, trader)
        if trader.number == number and sell is not None and sell.state is State.NOT_PLACED:
            draft.move(CancelWanted(sell.client_order_id))
            draft.settle()


def _write_off(draft: _Draft, missing: Quantity, why: str) -> None:
    """Write off coins that are not on the account, those of the oldest traders first.

    The oldest traders bought at the highest prices, so those that remain sell soonest. Coins in a live sell are not
    written off, as the exchange holds them, nor those of one in quarantine: they were not counted.
    """
    for trader in draft.leader.traders:
        if missing <= 0:
            break
        _take_back(draft, trader.number)
        sell = _sell_of(draft, trader)
        doubtful = sell.quantity - sell.executed if sell is not None and sell.state is State.QUARANTINED else 0
        lost = min(missing, unoffered(trader, sell) - doubtful)
        if lost > 0:
            draft.lead(Lost(trader.number, Quantity(lost), why))
            missing = Quantity(missing - lost)
