"""A symbol's traders: the first, a rebuy, a successor, none while draining.

1. Living traders never exceed ``chunks``, their money never ``budget``.
2. One more trader, once per trader, when a trade prints strictly below its rebuy; a chance that cannot be taken is
   not used up. The new trader acts on the trade that triggered it.
3. A finished trader is succeeded by a fresh one with the newest settings, which acts on a later trade.
4. While ``shutdown`` nothing starts; the last one to finish makes the symbol ``off``. ``start`` takes it back.

``step`` is the only way to change a leader. ``band`` is the open interval of prices at which a trade changes
nothing, so that a feed compares two integers per trade and calls ``step`` only outside.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeAlias, assert_never

from naived.core import trader as trading
from naived.core.amount import Money, Price, Quantity, money_down, value_up
from naived.core.market import SymbolInfo, Trade
from naived.core.order import Side
from naived.core.phase import Buying, Finished, Holding, Selling, Terms, Trader, Waiting
from naived.core.placement import STALE, Ended, Executed, Placed
from naived.core.scene import (
    Cancel,
    Carry,
    Fault,
    Happened,
    Leave,
    Note,
    Place,
    Priced,
    Released,
    Reread,
    Scene,
    TraderEvent,
    UnexpectedError,
    Wished,
    Woke,
)
from naived.core.settings import Settings, Status
from naived.core.strategy import NO_LEFTOVER, Fees, Leftover, rebuy_below, reprice_above

_HAND_PAUSE = 60_000  # ms before the successor of a buy that a person cancelled
_NEVER = 1 << 62  # above every price

Band: TypeAlias = tuple[int, int]
EVERY: Band = (_NEVER, -1)  # no price lies inside: every trade matters
NONE: Band = (-1, _NEVER)  # every price lies inside: no trade matters


@dataclass(frozen=True, slots=True)
class Leader:
    """One symbol. ``traders`` are the living ones, oldest first; ``barred`` says why nothing may be bought now."""

    info: SymbolInfo
    fees: Fees
    settings: Settings
    status: Status = Status.OFF
    keep_buys: bool = False
    traders: tuple[Trader, ...] = ()
    next_number: int = 1
    leftover: Leftover = NO_LEFTOVER
    barred: str | None = None
    cycles: int = 0
    profit: Money = Money(0)

    @property
    def committed(self) -> Money:
        """What the living traders have spent or may still spend, each waiting one with its whole share."""
        return Money(sum(_commitment(trader) for trader in self.traders))

    @property
    def wakes_at(self) -> int | None:
        """When (exchange ms) ``Awoke`` would change something."""
        times = [
            trader.phase.retry_at
            for trader in self.traders
            if isinstance(trader.phase, Holding) and trader.phase.retry_at is not None
        ]
        return min(times, default=None)

    @property
    def band(self) -> Band:
        """The open interval (low, high) of prices at which a trade changes nothing."""
        if self.status is not Status.ON or self.barred is not None:
            return NONE
        room = _has_room(self)
        if (not self.traders and room) or any(isinstance(trader.phase, Waiting) for trader in self.traders):
            return EVERY
        low, high = NONE
        for trader in self.traders:
            limit = _rebuy_limit(trader)
            if room and limit is not None:
                low = max(low, rebuy_below(limit, trader.terms.rebuy) - 1)
            match trader.phase:
                case Buying(intent, _, True, False) if trader.terms.reprice:
                    high = min(high, reprice_above(intent.price, trader.terms.reprice) + 1)
        return low, high


def _commitment(trader: Trader) -> int:
    match trader.phase:
        case Waiting():
            return money_down(trader.terms.budget, trader.terms.chunks)
        case Buying(intent, bought):
            return bought.cost + value_up(intent.price, Quantity(intent.quantity - bought.quantity))
        case Holding(bought) | Selling(bought):
            return bought.cost
        case Finished():
            return 0
        case _:
            assert_never(trader.phase)


def _rebuy_limit(trader: Trader) -> Price | None:
    """The buy's limit that this trader's rebuy is measured from; None if it has none, or used it up."""
    if trader.rebuy_notified:
        return None
    match trader.phase:
        case Buying(intent, _, True):
            return intent.price
        case Holding(bought) | Selling(bought):
            return bought.limit
        case _:
            return None


def _has_room(leader: Leader) -> bool:
    """May one more trader start, by chunks, by orders and by money?"""
    settings, living = leader.settings, len(leader.traders)
    most = leader.info.filters.max_orders
    return (
        settings.budget is not None
        and living < settings.chunks
        and (not most or living < most)
        and leader.committed + settings.allocation <= settings.budget
    )


@dataclass(frozen=True, slots=True)
class Traded:
    trade: Trade


@dataclass(frozen=True, slots=True)
class OrderNews:
    """News of one order of one trader."""

    number: int
    side: Side
    seq: int
    news: Placed | Executed | Ended


@dataclass(frozen=True, slots=True)
class Awoke:
    """Time has passed; see ``wakes_at``."""


@dataclass(frozen=True, slots=True)
class Directed:
    """The wish of a person: settings, status, what a ``stop`` takes back, what a drain lets rest."""

    settings: Settings
    status: Status
    keep_buys: bool = False
    cancel: frozenset[Side] = frozenset()


@dataclass(frozen=True, slots=True)
class Barred:
    """Buying is barred for a reason, or (None) allowed again."""

    reason: str | None


@dataclass(frozen=True, slots=True)
class Informed:
    """The exchange's rules and fees, read again."""

    info: SymbolInfo
    fees: Fees


@dataclass(frozen=True, slots=True)
class Freed:
    """A person ends the hold of one trader."""

    number: int
    adopt: bool


LeaderEvent: TypeAlias = Traded | OrderNews | Awoke | Directed | Barred | Informed | Freed


@dataclass(frozen=True, slots=True)
class Drained:
    """The last trader of a drain has ended: make the status ``off``, unless it is not ``shutdown`` any more."""


Command: TypeAlias = Place | Cancel | Note | Reread | Fault | Drained


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
        spent = sum(_commitment(other) for other in others if not isinstance(other.phase, Waiting))
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
            barred=leader.barred,
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

    def tell(self, trader: Trader, event: TraderEvent) -> Trader:
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
            self._ended(after.phase)
        return after

    def _ended(self, finished: Finished) -> None:
        if finished.profit is not None:
            self.leader = replace(
                self.leader,
                cycles=self.leader.cycles + 1,
                profit=Money(self.leader.profit + finished.profit),
            )

    def start(self, after: int) -> Trader | None:
        """One more trader, if chunks and budget hold."""
        leader = self.leader
        if leader.status is not Status.ON or not _has_room(leader) or leader.settings.budget is None:
            return None
        settings = leader.settings
        terms = Terms(
            leader.settings.budget,
            settings.chunks,
            settings.buy_down,
            settings.profit,
            settings.rebuy,
            settings.reprice,
            leader.fees,
        )
        trader = Trader(
            leader.info.symbol, leader.next_number, terms, Waiting(after), started_at=self.now, since=self.now
        )
        self.leader = replace(leader, next_number=leader.next_number + 1)
        self.put(trader)
        return trader

    def drained(self) -> None:
        if self.leader.status is Status.SHUTDOWN and not self.leader.traders:
            self.commands.append(Drained())

    def step(self) -> Step:
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
            draft.drained()
        case Barred(reason):
            if reason != leader.barred:
                draft.leader = replace(leader, barred=reason)
        case Informed(info, fees):
            draft.leader = replace(leader, info=info, fees=fees)
        case Freed(number, adopt):
            freed = [trader for trader in leader.traders if trader.number == number]
            _tell_all(draft, freed, Released(adopt))
            draft.drained()
        case _:
            assert_never(event)
    return draft.step()


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
            limit = _rebuy_limit(trader)
            if limit is not None and trade.price < rebuy_below(limit, trader.terms.rebuy):
                started = draft.start(after=0)
                if started is not None:
                    draft.put(replace(trader, rebuy_notified=True))
                    draft.commands.append(Note("rebuy", f"{trader.id}: the price fell, {started.id} joins"))
    for trader in draft.leader.traders:
        draft.tell(trader, Priced(trade))


def _news(draft: _Draft, number: int, event: Happened) -> None:
    for trader in draft.leader.traders:
        if trader.number == number:
            break
    else:
        raise UnexpectedError(f"{draft.leader.info.symbol}-{number} does not live, and yet: {event}")
    after = draft.tell(trader, event)
    if isinstance(after.phase, Finished):
        _succeed(draft, after.phase, event)
        draft.drained()


def _succeed(draft: _Draft, finished: Finished, event: Happened) -> None:
    """The successor acts on a trade later than what ended its predecessor."""
    if finished.bought is None:
        draft.start(after=draft.now + _HAND_PAUSE)
    elif isinstance(event.news, Ended) and event.news.at is not None:
        draft.start(after=event.news.at)
