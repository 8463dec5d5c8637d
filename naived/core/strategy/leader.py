"""One symbol's traders and money: when a trader starts, and what follows one that finished. The engine steps it.

    no trader ──trade──> one ──falls below its rebuy──> one more, at most ``chunks``
                          │
                          └──finished──> a successor, or none: no room, not ``on``
                                         └── ``shutdown`` and none left: Drained

1. No trader starts if there would be more of them than ``chunks``, or if they would commit more than ``budget``.
2. Each trader starts one more, once, on a trade strictly below its rebuy price. If none may start then, it can
   still do so later. The new trader acts on the trade that started it.
3. A finished trader is followed by a new one with the newest settings, which acts on a later trade. A trader that
   still waits takes new settings; one that has decided keeps its own.
4. While ``shutdown`` nothing starts; when the last trader finishes, the symbol becomes ``off``. ``start`` ends the
   drain.

``step_leader`` is the only way to change a leader. ``band`` is the open interval of prices at which a trade changes
nothing, so that a price gate compares two integers per trade and calls ``step_leader`` only outside.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from naived.core.amount import Money, Price, Quantity, format_amount, money_down, value_up
from naived.core.market import SymbolInfo, Trade
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import Fill
from naived.core.orders.state import STALE, Ended, UnexpectedError
from naived.core.strategy import trader as trading
from naived.core.strategy.formulas import (
    NO_LEFTOVER,
    NOTHING_SOLD,
    Bought,
    Fees,
    Leftover,
    Sold,
    rebuy_below,
    reprice_above,
)
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.core.strategy.trader import (
    Buying,
    Cancel,
    Carry,
    Count,
    Counted,
    Directed,
    Fault,
    Finished,
    Hold,
    Holding,
    Leave,
    Note,
    OrderNews,
    Phase,
    Place,
    Released,
    Reread,
    Selling,
    SymbolView,
    Terms,
    Traded,
    Trader,
    TraderEvent,
    Waiting,
    Woke,
    position,
)

_HAND_PAUSE = 60_000  # ms before a successor buys, after a person cancelled the buy
_NEVER = 1 << 62  # above every price

Band: TypeAlias = tuple[int, int]
EVERY: Band = (_NEVER, -1)  # no price lies inside: every trade matters
NONE: Band = (-1, _NEVER)  # every price lies inside: no trade matters


class Leader(Struct, frozen=True):
    """One symbol's traders and money; ``traders`` are the living ones, oldest first.

    ``active``: rules were read, orders compared and trades subscribed, so the desired state is in effect.
    """

    info: SymbolInfo
    fees: Fees
    desired: DesiredState
    active: bool = False
    traders: tuple[Trader, ...] = ()
    next_number: int = 1
    leftover: Leftover = NO_LEFTOVER
    cycles: int = 0
    profit: Money = Money(0)

    @property
    def settings(self) -> Settings:
        return self.desired.settings

    @property
    def status(self) -> Status:
        """The status that traders act by: ``off`` while the symbol is not active."""
        return self.desired.status if self.active else Status.OFF

    @property
    def wakes_at(self) -> int | None:
        """When (exchange ms) ``Woke`` would change something; None if it would not."""
        times = [
            trader.phase.retry_at
            for trader in self.traders
            if type(trader.phase) is Holding and trader.phase.retry_at is not None
        ]
        return min(times, default=None)


def band(leader: Leader, blocked: str | None) -> Band:
    """The open interval of prices at which a trade changes nothing; ``blocked``: why nothing may be bought."""
    if blocked is not None or leader.status is not Status.ON:
        return NONE
    traders = leader.traders
    low, high = NONE
    rebuys = NONE[0]
    for trader in traders:
        phase = trader.phase
        if type(phase) is Waiting:
            return EVERY
        if type(phase) is Buying and phase.accepted and not phase.cancelling and trader.terms.reprice:
            high = min(high, reprice_above(phase.intent.price, trader.terms.reprice) + 1)
        limit = rebuy_limit(trader)
        if limit is not None:
            rebuys = max(rebuys, rebuy_below(limit, trader.terms.rebuy) - 1)
    may_start = rebuys > low or not traders  # checked first, as summing the money of all traders is slower
    if (
        may_start
        and len(traders) < leader.settings.chunks
        and _has_room(leader, len(traders), sum(commitments(traders)))
    ):
        return (rebuys, high) if traders else EVERY
    return low, high


def commitment(trader: Trader) -> int:
    """The quote money a trader has spent or may still spend; for a waiting one its whole share."""
    match trader.phase:
        case Selling(bought) | Holding(bought):
            return bought.cost
        case Buying(intent, bought):
            return bought.cost + value_up(intent.price, Quantity(intent.quantity - bought.quantity))
        case Waiting():
            return money_down(trader.terms.budget, trader.terms.chunks)
        case Finished():
            return 0
        case _:
            assert_never(trader.phase)


def commitments(traders: Iterable[Trader]) -> tuple[int, int]:
    """The sum for traders that decided to buy, and the sum for those that still wait."""
    spent = shares = 0
    for trader in traders:
        if type(trader.phase) is Waiting:
            shares += commitment(trader)
        else:
            spent += commitment(trader)
    return spent, shares


def rebuy_limit(trader: Trader) -> Price | None:
    """The limit of the buy from which this trader's rebuy is measured; None without one, or if it was used."""
    if trader.rebuy_notified:
        return None
    match trader.phase:
        case Selling(bought) | Holding(bought):
            return bought.limit
        case Buying(intent, _, True):
            return intent.price
        case _:
            return None


def _has_room(leader: Leader, living: int, committed: int) -> bool:
    """May one more trader start, by chunks, by orders and by money?"""
    settings = leader.settings
    most = leader.info.filters.max_orders
    return (
        settings.budget is not None
        and living < settings.chunks
        and (not most or living < most)
        and committed + settings.allocation <= settings.budget
    )


def surplus(living: int, chunks: int) -> str | None:
    """Why nothing is bought after the chunks were lowered, until enough traders have finished."""
    return f"more traders than chunks: {living} of {chunks}" if living > chunks else None


def terms_of(leader: Leader) -> Terms:
    """The terms of a trader made now."""
    settings = leader.settings
    return Terms(
        settings.budget or Money(0),
        settings.chunks,
        settings.buy_down,
        settings.profit,
        settings.rebuy,
        settings.reprice,
        leader.fees,
    )


def awaits(leader: Leader, intent: OrderIntent) -> bool:
    """Does a trader wait for news of this order? None does if the order was given up and appeared later."""
    for trader in leader.traders:
        if trader.number == intent.trader:
            phase = trader.phase
            return isinstance(phase, Buying | Selling) and phase.intent == intent
    return False


class Informed(Struct, frozen=True):
    """The exchange's rules and fees, read again."""

    info: SymbolInfo
    fees: Fees


class Lost(Struct, frozen=True):
    """A person writes off ``quantity`` of one trader's coins: they are not on the account."""

    number: int
    quantity: Quantity


class Adopted(Struct, frozen=True):
    """An order that a person adopted, and for which no trader waits (see ``awaits``), ended with these fills."""

    intent: OrderIntent
    fills: tuple[Fill, ...]


class Activated(Struct, frozen=True):
    """Rules were read, orders compared and trades subscribed: the desired state is in effect from now on."""


LeaderEvent: TypeAlias = (
    Traded | OrderNews | Woke | Directed | Activated | Informed | Released | Lost | Adopted | Counted
)


class Drained(Struct, frozen=True):
    """The last trader of a drain has ended: make the status ``off``, unless it is not ``shutdown`` any more."""


Command: TypeAlias = Place | Cancel | Note | Reread | Count | Fault | Drained


class LeaderStep(Struct, frozen=True):
    """``touched`` are the traders that changed, including those that ended, in their last state."""

    leader: Leader
    commands: tuple[Command, ...] = ()
    touched: tuple[Trader, ...] = ()


def step_leader(leader: Leader, event: LeaderEvent, now: int, blocked: str | None) -> LeaderStep:
    """Apply one event at ``now`` (exchange ms); ``blocked``: why nothing may be bought.

    Raises UnexpectedError for news of an order that no trader waits for.
    """
    draft = _Draft(leader, now, blocked, {trader.number: trader for trader in leader.traders})
    match event:
        case Traded(trade):
            _traded(draft, event, trade)
        case OrderNews(intent):
            trader = draft.living.get(intent.trader)
            if trader is None:
                raise UnexpectedError(f"{leader.info.symbol}-{intent.trader} does not live, and yet: {event}")
            draft.tell(trader, event)
        case Woke():
            draft.tell_all(event)
        case Directed(desired):
            draft.leader = replace(leader, desired=desired)
            draft.tell_all(event)
            draft.renew()
        case Activated() if leader.desired.status is Status.OFF:
            pass  # a stop came first
        case Activated():
            draft.leader = replace(leader, active=True)
            draft.tell_all(Directed(leader.desired))
            draft.renew()
        case Informed(info, fees):
            draft.leader = replace(leader, info=info, fees=fees)
            draft.renew()
        case Released(number):
            if (trader := draft.living.get(number)) is not None:
                draft.tell(trader, event)
        case Lost(number, quantity):
            if (trader := draft.living.get(number)) is not None:
                _lost(draft, trader, quantity)
        case Adopted(intent, fills):
            _adopted(draft, intent, fills)
        case Counted(free):
            _counted(draft, free)
        case _:
            assert_never(event)
    return draft.result(leader)


@dataclass(slots=True)
class _Draft:
    """The working copy of one step; ``living`` are its traders by number, oldest first."""

    leader: Leader
    now: int
    blocked: str | None
    living: dict[int, Trader]
    commands: list[Command] = field(default_factory=list)
    touched: dict[int, Trader] = field(default_factory=dict)
    money: tuple[int, int] | None = None  # the commitments of ``living``, summed when first needed, then kept
    lowest_sell: Price | None = None  # of ``living``; set only while a trade is handled

    @property
    def commitments(self) -> tuple[int, int]:
        if self.money is None:
            self.money = commitments(self.living.values())
        return self.money

    def view(self, *, deciding: bool) -> SymbolView:
        leader = self.leader
        view = SymbolView(
            self.now,
            leader.info.filters,
            leader.status,
            leader.desired.keep_buys,
            leader.info.base,
            leader.info.quote,
            leader.leftover,
        )
        if not deciding:
            return view
        return replace(
            view,
            room=Money(max(0, (leader.settings.budget or 0) - self.commitments[0])),
            lowest_sell=self.lowest_sell,
            surplus=surplus(len(self.living), leader.settings.chunks),
        )

    def put(self, trader: Trader) -> None:
        before = self.living.get(trader.number)
        if before is trader:
            return
        if self.money is not None:
            self._recount(before, -1)
            self._recount(trader, 1)
        self.touched[trader.number] = trader
        if type(trader.phase) is Finished:
            self.living.pop(trader.number, None)
        else:
            self.living[trader.number] = trader

    def _recount(self, trader: Trader | None, sign: int) -> None:
        if trader is not None and self.money is not None:
            spent, shares = commitments((trader,))
            self.money = self.money[0] + sign * spent, self.money[1] + sign * shares

    def tell(self, trader: Trader, event: TraderEvent) -> None:
        deciding = type(event) is Traded and type(trader.phase) is Waiting
        after, commands = trading.step_trader(trader, event, self.view(deciding=deciding))
        self.put(after)
        for command in commands:
            match command:
                case Carry(leftover):
                    rest = self.leader.leftover
                    rest = Leftover(Quantity(rest.quantity - leftover.quantity), Money(rest.cost - leftover.cost))
                    self.leader = replace(self.leader, leftover=rest)
                case Leave(leftover):
                    self.leader = replace(self.leader, leftover=self.leader.leftover + leftover)
                case _:
                    self.commands.append(command)
        if after is not trader and type(after.phase) is Finished:
            self._ended(after.phase, event)

    def tell_all(self, event: TraderEvent) -> None:
        for trader in list(self.living.values()):
            self.tell(trader, event)

    def _ended(self, finished: Finished, event: TraderEvent) -> None:
        """Count the cycle and start a successor, which acts on a trade later than the end of this one."""
        self.count(finished)
        match event:
            case OrderNews(news=(*_, Ended(at=int(at)))):
                self.start(after=at)
            case _:
                self.start(after=self.now + (_HAND_PAUSE if finished.bought is None else 0))

    def count(self, finished: Finished) -> None:
        leader = self.leader
        if finished.profit is not None:
            self.leader = replace(leader, cycles=leader.cycles + 1, profit=Money(leader.profit + finished.profit))

    def start(self, after: int) -> Trader | None:
        """One more trader, for trades later than ``after`` (exchange ms); None if there is no room for it."""
        if self.leader.status is not Status.ON or not _has_room(
            self.leader, len(self.living), sum(self.commitments)
        ):
            return None
        return self.add(Waiting(after))

    def add(self, phase: Phase) -> Trader:
        leader = self.leader
        trader = Trader(leader.info.symbol, leader.next_number, terms_of(leader), phase, self.now, self.now)
        self.leader = replace(leader, next_number=leader.next_number + 1)
        self.put(trader)
        return trader

    def renew(self) -> None:
        """Give waiting traders the newest settings and fees."""
        terms = terms_of(self.leader)
        for trader in list(self.living.values()):
            if type(trader.phase) is Waiting and trader.terms != terms:
                self.put(replace(trader, terms=terms, phase=replace(trader.phase, reason=None)))

    def result(self, before: Leader) -> LeaderStep:
        if self.touched:
            self.leader = replace(self.leader, traders=tuple(self.living.values()))
        if self.leader is not before and self.leader.status is Status.SHUTDOWN and not self.living:
            self.commands.append(Drained())
        return LeaderStep(self.leader, tuple(self.commands), tuple(self.touched.values()))


def _traded(draft: _Draft, event: Traded, trade: Trade) -> None:
    leader = draft.leader
    if draft.blocked is not None or leader.status is not Status.ON:
        return
    if draft.now - trade.time <= STALE:
        if not leader.traders:
            draft.start(after=0)
        for trader in leader.traders:
            limit = rebuy_limit(trader)
            if limit is not None and trade.price < rebuy_below(limit, trader.terms.rebuy):
                started = draft.start(after=0)
                if started is not None:
                    draft.put(replace(trader, rebuy_notified=True))
                    draft.commands.append(Note("rebuy", f"{trader.id}: the price fell, {started.id} may_start"))
    sells = (each.phase.intent.price for each in draft.living.values() if isinstance(each.phase, Selling))
    draft.lowest_sell = min(sells, default=None)
    for trader in list(draft.living.values()):
        if isinstance(trader.phase, Waiting | Buying):  # the other phases do not depend on prices
            draft.tell(trader, event)


def _counted(draft: _Draft, free: Quantity) -> None:
    """Pass the free balance to each trader in turn, less what the ones before it offer now."""
    for trader in list(draft.living.values()):
        draft.tell(trader, Counted(free))
        match draft.touched.get(trader.number):
            case Trader(phase=Selling(intent=intent)):
                free = Quantity(free - intent.quantity)


def _lost(draft: _Draft, trader: Trader, quantity: Quantity) -> None:
    """A trader that loses all its coins ends; one that loses a part sells the rest at its unchanged price."""
    match trader.phase:
        case Holding() if quantity >= position(trader).quantity:
            draft.tell(trader, Released(trader.number, adopt=False))
        case Buying(bought=bought) | Holding(bought=bought) | Selling(bought=bought) as phase if bought.net > 0:
            part = bought.part(quantity)
            draft.put(replace(trader, phase=replace(phase, bought=bought.without(part))))
            # The written-off part becomes a finished trader of its own, without a successor: the trader goes on.
            loss = Finished(part, NOTHING_SOLD, NO_LEFTOVER, NO_LEFTOVER, Money(-part.cost), "written off by hand")
            draft.put(replace(draft.add(Waiting()), terms=trader.terms, phase=loss, started_at=trader.started_at))
            draft.count(loss)
            lost = f"{format_amount(part.net)} {draft.leader.info.base}"
            draft.commands.append(Note("written off", f"{trader.id}: {lost} written off by hand"))
        case _:
            pass


def _adopted(draft: _Draft, intent: OrderIntent, fills: tuple[Fill, ...]) -> None:
    """Bought coins get a new trader that sells them; sold coins are subtracted from the leftovers."""
    info = draft.leader.info
    if not fills:
        return
    if intent.side is Side.BUY:
        bought = Bought(intent.price)
        for fill in fills:
            bought = bought.with_fill(fill, info.base, info.quote)
        trader = draft.add(Holding(bought, Hold.STOPPED, "adopted", None))
        draft.tell(trader, Released(trader.number, adopt=True))
        return
    sold = Sold()
    for fill in fills:
        sold = sold.with_fill(fill, info.base, info.quote)
    gone = Quantity(-sold.quantity - sold.base_fees)
    owed = Leftover(gone, Money(sold.quote_fees - sold.received))
    draft.leader = replace(draft.leader, leftover=draft.leader.leftover + owed)
