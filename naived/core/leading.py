"""A symbol's traders: the first, a rebuy, a successor, none while draining.

1. Living traders never exceed ``chunks``, their money never ``budget``.
2. One more trader, once per trader, when a trade prints strictly below its rebuy; a chance that cannot be taken is
   not used up. The new trader acts on the trade that triggered it.
3. A finished trader is succeeded by a fresh one with the newest settings, which acts on a later trade. One that
   still waits takes new settings; one that has decided keeps its own.
4. While ``shutdown`` nothing starts; the last one to finish makes the symbol ``off``. ``start`` takes it back.

``step`` is the only way to change a leader. ``band`` is the open interval of prices at which a trade changes
nothing, so that a feed compares two integers per trade and calls ``step`` only outside.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import assert_never

from naived.core import trader as trading
from naived.core.amount import Money, Quantity, format_amount
from naived.core.leader import (
    Adopted,
    Awoke,
    Barred,
    Command,
    Directed,
    Drained,
    Freed,
    Informed,
    Leader,
    LeaderEvent,
    Lost,
    OrderNews,
    Traded,
    commitment,
    has_room,
    rebuy_limit,
    surplus,
    terms_of,
)
from naived.core.market import Trade
from naived.core.order import Fill, Intent, Side
from naived.core.phase import (
    Bought,
    Buying,
    Finished,
    Hold,
    Holding,
    Phase,
    Selling,
    Sold,
    Trader,
    Waiting,
    position,
)
from naived.core.placement import STALE, Ended
from naived.core.scene import (
    Carry,
    Counted,
    Happened,
    Leave,
    Note,
    Priced,
    Released,
    Scene,
    TraderEvent,
    UnexpectedError,
    Wished,
    Woke,
)
from naived.core.settings import Status
from naived.core.strategy import NO_LEFTOVER, Leftover, rebuy_below

_HAND_PAUSE = 60_000  # ms before the successor of a buy that a person cancelled


@dataclass(frozen=True, slots=True)
class Step:
    """``touched`` are the traders that changed, ended ones too, in their last state."""

    leader: Leader
    commands: tuple[Command, ...] = ()
    touched: tuple[Trader, ...] = ()


@dataclass(slots=True)
class _Draft:
    """One step in the making."""

    leader: Leader
    now: int
    commands: list[Command] = field(default_factory=list)
    touched: dict[int, Trader] = field(default_factory=dict)

    def scene(self, trader: Trader) -> Scene:
        leader = self.leader
        others = [other for other in leader.traders if other.number != trader.number]
        spent = sum(commitment(other) for other in others if not isinstance(other.phase, Waiting))
        return Scene(
            now=self.now,
            filters=leader.info.filters,
            status=leader.status,
            keep_buys=leader.keep_buys,
            base=leader.info.base,
            quote=leader.info.quote,
            room=Money(max(0, (leader.settings.budget or 0) - spent)),
            lowest_sell=min(
                (other.phase.intent.price for other in others if isinstance(other.phase, Selling)), default=None
            ),
            leftover=leader.leftover,
            barred=leader.barred or surplus(leader),
        )

    def put(self, trader: Trader) -> None:
        leader = self.leader
        living = {known.number: known for known in leader.traders}
        if living.get(trader.number) is trader:
            return
        living[trader.number] = trader
        if isinstance(trader.phase, Finished):
            del living[trader.number]
        self.touched[trader.number] = trader
        self.leader = replace(leader, traders=tuple(living.values()))

    def tell(self, trader: Trader, event: TraderEvent) -> None:
        after, commands = trading.step(trader, event, self.scene(trader))
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
        if after is not trader and isinstance(after.phase, Finished):
            self._ended(after.phase, event)

    def _ended(self, finished: Finished, event: TraderEvent) -> None:
        """Count it; its successor acts on a trade later than what ended it."""
        self._count(finished)
        match event:
            case Happened(news=Ended(at=int(at))):
                self.start(after=at)
            case _:
                self.start(after=self.now + (_HAND_PAUSE if finished.bought is None else 0))

    def _count(self, finished: Finished) -> None:
        leader = self.leader
        if finished.profit is not None:
            self.leader = replace(leader, cycles=leader.cycles + 1, profit=Money(leader.profit + finished.profit))

    def lose(self, trader: Trader, part: Bought) -> None:
        """What is written off of a trader that keeps the rest ends as a cycle of its own, with no successor."""
        loss = Finished(part, Sold(), NO_LEFTOVER, NO_LEFTOVER, Money(-part.cost), "written off by hand")
        self.put(replace(self.add(Waiting()), terms=trader.terms, phase=loss, started_at=trader.started_at))
        self._count(loss)

    def start(self, after: int) -> Trader | None:
        """One more trader, if chunks and budget hold."""
        if self.leader.status is not Status.ON or not has_room(self.leader):
            return None
        return self.add(Waiting(after))

    def add(self, phase: Phase) -> Trader:
        leader = self.leader
        trader = Trader(leader.info.symbol, leader.next_number, terms_of(leader), phase, self.now, self.now)
        self.leader = replace(leader, next_number=leader.next_number + 1)
        self.put(trader)
        return trader

    def renew(self) -> None:
        """Who has not decided yet decides by the newest settings and fees."""
        terms = terms_of(self.leader)
        for trader in self.leader.traders:
            if isinstance(trader.phase, Waiting) and trader.terms != terms:
                self.put(replace(trader, terms=terms, phase=replace(trader.phase, reason=None)))

    def step(self, before: Leader) -> Step:
        if self.leader is not before and self.leader.status is Status.SHUTDOWN and not self.leader.traders:
            self.commands.append(Drained())
        return Step(self.leader, tuple(self.commands), tuple(self.touched.values()))


def step(leader: Leader, event: LeaderEvent, now: int) -> Step:
    """Apply one event at ``now`` (exchange ms). Raises UnexpectedError for news of an order nobody waits for."""
    draft = _Draft(leader, now)
    match event:
        case Traded(trade):
            _traded(draft, trade)
        case OrderNews(number, side, seq, news):
            _news(draft, number, Happened(side, seq, news))
        case Awoke():
            _tell_all(draft, leader.traders, Woke())
        case Directed(settings, status, keep_buys, cancel):
            draft.leader = replace(leader, settings=settings, status=status, keep_buys=keep_buys)
            _tell_all(draft, leader.traders, Wished(cancel))
            draft.renew()
        case Barred(reason):
            if reason != leader.barred:
                draft.leader = replace(leader, barred=reason)
        case Informed(info, fees):
            draft.leader = replace(leader, info=info, fees=fees)
            draft.renew()
        case Freed(number, adopt):
            freed = [trader for trader in leader.traders if trader.number == number]
            _tell_all(draft, freed, Released(adopt))
        case Lost(number, quantity):
            for trader in leader.traders:
                if trader.number == number:
                    _lost(draft, trader, quantity)
        case Adopted(intent, fills):
            _adopted(draft, intent, fills)
        case Counted(free):
            _counted(draft, free)
        case _:
            assert_never(event)
    return draft.step(leader)


def _tell_all(draft: _Draft, traders: Iterable[Trader], event: TraderEvent) -> None:
    for trader in traders:
        draft.tell(trader, event)


def _traded(draft: _Draft, trade: Trade) -> None:
    leader = draft.leader
    if leader.status is not Status.ON or leader.barred is not None:
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
                    draft.commands.append(Note("rebuy", f"{trader.id}: the price fell, {started.id} joins"))
    priced = Priced(trade)
    for trader in draft.leader.traders:
        if isinstance(trader.phase, Waiting | Buying):  # to the others a price means nothing
            draft.tell(trader, priced)


def _news(draft: _Draft, number: int, event: Happened) -> None:
    for trader in draft.leader.traders:
        if trader.number == number:
            break
    else:
        raise UnexpectedError(f"{draft.leader.info.symbol}-{number} does not live, and yet: {event}")
    draft.tell(trader, event)


def _counted(draft: _Draft, free: Quantity) -> None:
    """What one trader offers is not free for the next."""
    for trader in draft.leader.traders:
        draft.tell(trader, Counted(free))
        match draft.touched.get(trader.number):
            case Trader(phase=Selling(intent=intent)):
                free = Quantity(free - intent.quantity)


def _lost(draft: _Draft, trader: Trader, quantity: Quantity) -> None:
    """A trader that loses everything ends; one that loses a part sells the rest at its own price."""
    match trader.phase:
        case Holding() if quantity >= position(trader).quantity:
            draft.tell(trader, Released(adopt=False))
        case Buying(bought=bought) | Holding(bought=bought) | Selling(bought=bought) as phase if bought.net > 0:
            part = bought.part(quantity)
            draft.put(replace(trader, phase=replace(phase, bought=bought.without(part))))
            draft.lose(trader, part)
            lost = f"{format_amount(part.net)} {draft.leader.info.base}"
            draft.commands.append(Note("written off", f"{trader.id}: {lost} written off by hand"))
        case _:
            pass


def _adopted(draft: _Draft, intent: Intent, fills: tuple[Fill, ...]) -> None:
    """Coins that were bought get a trader of their own; coins that were sold are owed by the leftovers."""
    info = draft.leader.info
    if not fills:
        return
    if intent.side is Side.BUY:
        bought = Bought(intent.price)
        for fill in fills:
            bought = bought.book(fill, info.base, info.quote)
        trader = draft.add(Holding(bought, Hold.STOPPED, "adopted", None))
        draft.tell(trader, Released(adopt=True))
        return
    sold = Sold()
    for fill in fills:
        sold = sold.book(fill, info.base, info.quote)
    gone = Quantity(-sold.quantity - sold.base_fees)
    owed = Leftover(gone, Money(sold.quote_fees - sold.received))
    draft.leader = replace(draft.leader, leftover=draft.leader.leftover + owed)
