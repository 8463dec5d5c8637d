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
4. While a guard blocks the price nothing is bought and no rebuy is spent. ``guarded`` is then a price at which
   somebody wanted to buy; trades near it that are blocked as well change nothing.
5. While ``shutdown`` nothing starts; when the last trader finishes, the symbol becomes ``off``. ``start`` ends the
   drain.

``step_leader`` is the only way to change a leader. ``band`` is the open interval of prices at which a trade changes
nothing, so that a price gate compares two integers per trade and calls ``step_leader`` only outside.
"""

from collections.abc import Collection
from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from naived.core.amount import Money, Price, Quantity, format_amount, value_up
from naived.core.market import SymbolInfo, Trade
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import Fill
from naived.core.orders.state import STALE, Ended, UnexpectedError
from naived.core.risk import NO_HALTS, Halts, Interval
from naived.core.strategy import trader as trading
from naived.core.strategy.day import counted_in_day
from naived.core.strategy.formulas import (
    NO_COINS,
    NOTHING_SOLD,
    Bought,
    Coins,
    Fees,
    Sold,
    dust_cost,
    rebuy_below,
)
from naived.core.strategy.guards import guarded_band, still_guarded, why_guarded
from naived.core.strategy.leader_events import Activated, Adopted, Halted, Informed, LeaderEvent, Lost, LotsLost
from naived.core.strategy.lots import NO_LOT, Lot, Lots, added, together, whole_orders
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.core.strategy.sizing import affordable, terms_of
from naived.core.strategy.trader import (
    BY_HAND,
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
    Traded,
    Trader,
    TraderEvent,
    Waiting,
    Woke,
    position,
    reprice_limit,
)
from naived.core.strategy.traders import chunks_taken, commitments, rebuy_limit, spent_rebuys, surplus
from naived.core.strategy.view import UNLIMITED, Funds, SymbolView

_HAND_PAUSE = 60_000  # ms before a successor buys, after a person cancelled the buy
_NEVER = 1 << 62  # above every price

Band: TypeAlias = tuple[int, int]
_LIVING = (Waiting, Buying, Holding, Selling)

EVERY: Band = (_NEVER, -1)  # no price lies inside: every trade matters
NONE: Band = (-1, _NEVER)  # every price lies inside: no trade matters


class Leader(Struct, frozen=True):
    """One symbol's traders and money; ``traders`` are the living ones, oldest first.

    ``active``: rules were read, orders compared and trades subscribed, so the desired state is in effect.
    ``day_profit`` is the part of ``profit`` that came on ``day``, in days of UTC since 1970.
    """

    info: SymbolInfo
    fees: Fees
    desired: DesiredState
    active: bool = False
    traders: tuple[Trader, ...] = ()
    next_number: int = 1
    lots: Lots = ()
    owed: Coins = NO_COINS
    cycles: int = 0
    profit: Money = Money(0)
    day: int = 0
    day_profit: Money = Money(0)
    guarded: Price | None = None
    halts: Halts = NO_HALTS

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
    held = _held(leader)
    if held is not None:  # nothing is bought inside, but a resting buy may still be repriced
        reprices = (reprice_limit(trader, leader.info.filters) for trader in traders)
        return held[0], min([held[1], *(limit + 1 for limit in reprices if limit is not None)])
    low, high = NONE
    for trader in traders:
        phase = type(trader.phase)
        if phase is Waiting:
            return EVERY
        if phase is Buying:
            reprice = reprice_limit(trader, leader.info.filters)
            if reprice is not None:
                high = min(high, reprice + 1)
    if not _has_room(leader, traders, sum(commitments(traders, leader.lots))):
        return low, high
    if not chunks_taken(traders):
        return EVERY
    spent = spent_rebuys(traders)
    for trader in traders:
        limit = rebuy_limit(trader)
        if limit is not None and trader.number not in spent:
            low = max(low, rebuy_below(limit, trader.terms.rebuy) - 1)
    return low, high


def _held(leader: Leader) -> Interval | None:
    """The prices at which guards still block what they blocked last."""
    if leader.guarded is None:
        return None
    return guarded_band(leader.settings, leader.info, leader.traders, leader.guarded)


def _has_room(leader: Leader, traders: Collection[Trader], committed: int) -> bool:
    """May one more trader start, by chunks, by orders and by money?"""
    settings = leader.settings
    most = leader.info.filters.max_orders
    return (
        settings.budget is not None
        and chunks_taken(traders) < settings.chunks
        and (not most or len(traders) < most)
        and committed < settings.budget
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
        case Traded():
            _traded(draft, event, event.trade)
        case OrderNews():
            trader = draft.living.get(event.intent.trader)
            if trader is None:
                raise UnexpectedError(f"{leader.info.symbol}-{event.intent.trader} does not live, and yet: {event}")
            draft.tell(trader, event)
        case Woke():
            draft.tell_all(event, (Holding,))
        case Directed(desired):
            draft.leader = replace(leader, desired=desired)
            draft.tell_all(event)
            _renew(draft)
        case Halted(halt, account):
            halts = Halts(leader.halts.own, halt) if account else Halts(halt, leader.halts.account)
            if halts != leader.halts:
                draft.leader = replace(leader, halts=halts)
            for trader in leader.traders:
                if type(trader.phase) is Buying:
                    draft.tell(trader, Directed(leader.desired))
        case Activated() if leader.desired.status is Status.OFF:
            pass  # a stop came first
        case Activated():
            draft.leader = replace(leader, active=True)
            draft.tell_all(Directed(leader.desired))
            _renew(draft)
        case Informed(info, fees):
            draft.leader = replace(leader, info=info, fees=fees)
            _renew(draft)
        case Released(number):
            if (trader := draft.living.get(number)) is not None:
                draft.tell(trader, event)
        case Lost(number):
            if (trader := draft.living.get(number)) is not None:
                _lost(draft, trader, event)
        case LotsLost():
            for lot in leader.lots:
                _settle(draft, Bought(lot.price, lot.quantity, lot.cost), NOTHING_SOLD, f"written off {BY_HAND}")
                draft.commands.append(Note("written off", f"{leader.info.symbol}: {_words(draft, lot)} {BY_HAND}"))
            draft.put_lots(())
        case Adopted(intent, fills):
            _adopted(draft, intent, fills)
        case Counted(free):
            _counted(draft, free)
        case _:
            assert_never(event)
    return draft.result(leader)


class _Draft(Struct):
    """The working copy of one step; ``living`` are its traders by number, oldest first."""

    leader: Leader
    now: int
    blocked: str | None
    living: dict[int, Trader]
    commands: list[Command] = []
    touched: dict[int, Trader] = {}
    money: tuple[int, int] | None = None  # the commitments of ``living``; None: they have to be summed
    funds: Funds = UNLIMITED  # what the trade came with, less what was bought on it
    price: Price = Price(0)  # of the trade; set only while one is handled
    held_back: bool = False  # did a guard keep a trader from starting?

    @property
    def commitments(self) -> tuple[int, int]:
        if self.money is None:
            self.money = commitments(self.living.values(), self.leader.lots)
        return self.money

    def view(self, *, deciding: bool) -> SymbolView:
        leader = self.leader
        info = leader.info
        room, lowest_sell, crowd, guarded = Money(0), None, None, None
        if deciding:
            settings, living = leader.settings, self.living.values()
            room = Money(max(0, (settings.budget or 0) - self.commitments[0]))
            sells = [trader.phase.intent.price for trader in living if type(trader.phase) is Selling]
            lowest_sell = min(sells, default=None)
            crowd = surplus(living, settings.chunks)
            guarded = _why_guarded(self)
        return SymbolView(
            self.now,
            info.filters,
            leader.status,
            leader.desired.keep_buys,
            leader.halts,
            info.base,
            info.quote,
            leader.lots,
            None if info.trading else info.status,
            room,
            lowest_sell,
            crowd,
            guarded,
            self.funds,
        )

    def put(self, trader: Trader) -> None:
        if self.living.get(trader.number) is trader:
            return
        self.money = None
        self.touched[trader.number] = trader
        if type(trader.phase) is Finished:
            self.living.pop(trader.number, None)
        else:
            self.living[trader.number] = trader

    def tell(self, trader: Trader, event: TraderEvent) -> None:
        deciding = type(event) is Traded and type(trader.phase) is Waiting
        after, commands = trading.step_trader(trader, event, self.view(deciding=deciding))
        self.put(after)
        for command in commands:
            match command:
                case Place():
                    if command.intent.side is Side.BUY:
                        _reserve(self, command.intent)
                    self.commands.append(command)
                case Carry(lots):
                    self.put_lots(tuple([lot for lot in self.leader.lots if lot not in lots]))
                case Leave(lot):
                    _leave(self, lot)
                case _:
                    self.commands.append(command)
        if after is not trader and type(after.phase) is Finished:
            self._ended(trader, after.phase, event)

    def put_lots(self, lots: Lots) -> None:
        self.leader = replace(self.leader, lots=lots)
        self.money = None

    def tell_all(self, event: TraderEvent, concerned: Collection[type[Phase]] = _LIVING) -> None:
        for trader in list(self.living.values()):
            if type(trader.phase) in concerned:
                self.tell(trader, event)

    def _ended(self, trader: Trader, finished: Finished, event: TraderEvent) -> None:
        """Count the cycle and start a successor, which acts on a trade later than the end of this one."""
        self.count(finished)
        if trader.sells_lots:
            return
        newest = event.news[-1] if type(event) is OrderNews else None
        if type(newest) is Ended and newest.trade_id is not None:
            self.start(behind=newest.trade_id, origin=trader.origin)
        else:
            pause = _HAND_PAUSE if finished.bought is None else 0
            self.start(after=self.now + pause, origin=trader.origin)

    def count(self, finished: Finished) -> None:
        leader = self.leader
        if finished.profit is not None:
            day, today = counted_in_day(leader.day, leader.day_profit, finished.profit, self.now)
            profit = Money(leader.profit + finished.profit)
            self.leader = replace(leader, cycles=leader.cycles + 1, profit=profit, day=day, day_profit=today)

    def start(self, *, after: int = 0, behind: int = 0, origin: int | None = None) -> Trader | None:
        """One more trader; None if there is no room for it.

        It acts on a trade later than ``after`` (exchange ms) and with an id above ``behind``.
        """
        if self.leader.status is not Status.ON or not _may_start(self):
            return None
        return self.add(Waiting(after, behind=behind), origin)

    def add(self, phase: Phase, origin: int | None = None) -> Trader:
        leader = self.leader
        trader = Trader(
            leader.info.symbol,
            leader.next_number,
            terms_of(leader.settings, leader.fees),
            phase,
            self.now,
            self.now,
            origin=origin,
        )
        self.leader = replace(leader, next_number=leader.next_number + 1)
        self.put(trader)
        return trader

    def result(self, before: Leader) -> LeaderStep:
        after = self.leader
        if after is not before and after.lots and after.status is not Status.OFF:
            _sell_lots(self)
        if self.touched:
            self.leader = replace(self.leader, traders=tuple(self.living.values()))
        if self.leader.guarded is not None and _held(self.leader) is None:
            self.leader = replace(self.leader, guarded=None)  # what blocked it is gone
        if not self.living and self.leader is not before and self.leader.status is Status.SHUTDOWN:
            self.commands.append(Drained())
        return LeaderStep(self.leader, tuple(self.commands), tuple(self.touched.values()))


def _reserve(draft: _Draft, buy: OrderIntent) -> None:
    """Leave to the other buys of this step what this one does not take of the account's funds."""
    if draft.funds is UNLIMITED:
        return
    funds, value = draft.funds, value_up(buy.price, buy.quantity)
    draft.funds = replace(
        funds,
        quote=None if funds.quote is None else Money(funds.quote - value),
        position=None if funds.position is None else Quantity(funds.position + buy.quantity),
        room=None if funds.room is None else Money(funds.room - value),
    )


def _leave(draft: _Draft, lot: Lot) -> None:
    """One more lot of the symbol; coins that it owes are taken out of it first."""
    if lot.quantity < 0:
        _owe(draft, Coins(lot.quantity, lot.cost))
        return
    if draft.leader.owed.quantity < 0:
        lot = _pay(draft, draft.leader.owed, lot)
    if lot.quantity > 0:
        draft.put_lots(added(draft.leader.lots, lot))


def _owe(draft: _Draft, coins: Coins) -> None:
    """Coins were sold that the symbol's traders did not have: its lots replace them, then those to come."""
    lots = draft.leader.lots
    draft.leader = replace(draft.leader, owed=draft.leader.owed + coins)
    draft.put_lots(())
    for lot in lots:
        _leave(draft, lot)


def _pay(draft: _Draft, owed: Coins, lot: Lot) -> Lot:
    """What is left of a lot after the coins that were sold by mistake; the difference is a profit or a loss."""
    paid = Quantity(min(lot.quantity, -owed.quantity))
    cost = dust_cost(lot.cost, paid, lot.quantity)
    received = dust_cost(Money(-owed.cost), paid, Quantity(-owed.quantity))
    draft.leader = replace(draft.leader, owed=Coins(Quantity(owed.quantity + paid), Money(owed.cost + received)))
    _settle(draft, Bought(lot.price, paid, cost), Sold(paid, received), "paid back coins that were owed")
    coins = f"{format_amount(paid)} {draft.leader.info.base}"
    draft.commands.append(Note("lot", f"{draft.leader.info.symbol}: {coins} of a lot replace coins that were owed"))
    return Lot(Quantity(lot.quantity - paid), Money(lot.cost - cost), lot.price)


def _settle(draft: _Draft, bought: Bought, sold: Sold, reason: str, of: Trader | None = None) -> None:
    """Book a profit or a loss as a cycle of its own, which ended when it began and has no successor."""
    profit = Money(sold.received - bought.cost - bought.fees_valued)
    finished = Finished(bought, sold, NO_LOT, NO_LOT, profit, reason)
    trader = draft.add(Waiting())
    if of is not None:
        trader = replace(trader, terms=of.terms, started_at=of.started_at)
    draft.put(replace(trader, phase=finished))
    draft.count(finished)


def _sell_lots(draft: _Draft) -> None:
    """Give lots that make a whole order a trader of their own."""
    most = draft.leader.info.filters.max_orders
    groups, _ = whole_orders(draft.leader.lots, draft.leader.info.filters)
    for group in groups:
        if most and len(draft.living) >= most:
            break
        draft.put_lots(tuple(lot for lot in draft.leader.lots if lot not in group))
        lot = together(group)
        trader = draft.add(Holding(Bought(lot.price), Hold.STOPPED, "stopped", None, carried=lot))
        draft.tell(trader, Released(trader.number, adopt=True))


def _renew(draft: _Draft) -> None:
    """Give waiting traders the newest settings and fees."""
    terms = terms_of(draft.leader.settings, draft.leader.fees)
    for trader in list(draft.living.values()):
        if type(trader.phase) is Waiting and trader.terms != terms:
            draft.put(replace(trader, terms=terms, phase=replace(trader.phase, reason=None)))


def _traded(draft: _Draft, event: Traded, trade: Trade) -> None:
    leader = draft.leader
    if draft.blocked is not None or leader.status is not Status.ON:
        return
    draft.funds, draft.price = event.funds, trade.price
    if draft.now - trade.time <= STALE:
        if all(trader.sells_lots for trader in leader.traders) and _may_start(draft):
            draft.held_back = _why_guarded(draft) is not None
            if not draft.held_back:
                draft.start()
        _rebuy(draft, trade)
    draft.tell_all(event, (Waiting, Buying))
    _remember_guard(draft)


def _may_start(draft: _Draft) -> bool:
    """Is there room for one more trader?"""
    return _has_room(draft.leader, draft.living.values(), sum(draft.commitments))


def _why_guarded(draft: _Draft) -> str | None:
    """Why a guard blocks a buy on this trade; the buys of this step count too."""
    return why_guarded(draft.leader.settings, draft.leader.info, draft.living.values(), draft.price)


def _remember_guard(draft: _Draft) -> None:
    """Keep the price at which a guard holds somebody back, and say so when that begins."""
    leader, living, price = draft.leader, draft.living.values(), draft.price
    if still_guarded(leader.settings, leader.info, living, leader.guarded, price):
        return
    why = None
    if draft.held_back or any(type(trader.phase) is Waiting for trader in living):
        why = _why_guarded(draft)
    if why is not None:
        draft.commands.append(Note("waits", f"{leader.info.symbol}: {why}"))
    if why is not None or leader.guarded is not None:
        draft.leader = replace(leader, guarded=None if why is None else price)


def _rebuy(draft: _Draft, trade: Trade) -> None:
    """Start a trader for each whose rebuy the price has reached, if the money is enough for it at this price."""
    leader = draft.leader
    spent: set[int] | None = None  # computed only when a rebuy is reached
    for trader in leader.traders:
        limit = rebuy_limit(trader)
        if limit is None or trade.price >= rebuy_below(limit, trader.terms.rebuy):
            continue
        if spent is None:
            spent = spent_rebuys(leader.traders)
        if trader.number in spent:
            continue
        room = Money((leader.settings.budget or 0) - sum(draft.commitments))
        if not affordable(terms_of(leader.settings, leader.fees), trade.price, room, leader.info.filters):
            continue
        if not _may_start(draft):
            return
        if _why_guarded(draft) is not None:
            draft.held_back = True
            continue
        started = draft.start(origin=trader.number)
        if started is not None:
            draft.commands.append(Note("rebuy", f"{trader.id}: the price fell, {started.id} joins"))


def _counted(draft: _Draft, free: Quantity) -> None:
    """Pass the free balance to each trader in turn, less what the ones before it offer now or left as a lot."""
    for trader in list(draft.living.values()):
        draft.tell(trader, Counted(free))
        match draft.touched.get(trader.number):
            case Trader(phase=Selling(intent=intent)):
                free = Quantity(free - intent.quantity)
            case Trader(phase=Finished(dust=lot)):
                free = Quantity(free - lot.quantity)


def _lost(draft: _Draft, trader: Trader, event: Lost) -> None:
    """A trader that loses all its coins ends; one that loses a part sells the rest at its unchanged price.

    Coins of its own are lost first, then those of the lots that it carries.
    """
    phase, quantity = trader.phase, event.quantity
    parts: list[Bought] = []
    if isinstance(phase, Holding) and quantity >= position(trader).quantity:
        draft.tell(trader, Released(trader.number, adopt=False, why=event.why))
        return
    if isinstance(phase, Buying | Holding | Selling) and phase.bought.net > 0:
        own = phase.bought.part(quantity)
        parts.append(own)
        phase = replace(phase, bought=phase.bought.without(own))
        quantity = Quantity(quantity - own.net)
    if isinstance(phase, Holding | Selling) and phase.carried.quantity > 0 and quantity > 0:
        lots, lost = phase.carried, Quantity(min(quantity, phase.carried.quantity))
        part = Bought(lots.price, lost, dust_cost(lots.cost, lost, lots.quantity))
        parts.append(part)
        rest = Lot(Quantity(lots.quantity - lost), Money(lots.cost - part.cost), lots.price)
        phase = replace(phase, carried=rest)
    if not parts:
        return
    draft.put(replace(trader, phase=phase))
    for part in parts:
        _settle(draft, part, NOTHING_SOLD, f"written off {event.why}", of=trader)
    gone = Coins(Quantity(sum(part.net for part in parts)), Money(sum(part.cost for part in parts)))
    draft.commands.append(Note("written off", f"{trader.id}: {_words(draft, gone)} {event.why}"))


def _words(draft: _Draft, lost: Coins | Lot) -> str:
    info = draft.leader.info
    coins = f"{format_amount(lost.quantity)} {info.base}"
    return f"{coins} that cost {format_amount(lost.cost)} {info.quote} written off"


def _adopted(draft: _Draft, intent: OrderIntent, fills: tuple[Fill, ...]) -> None:
    """A new trader sells bought coins; coins that were sold are taken from the lots, or owed by those to come."""
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
    _owe(draft, Coins(gone, Money(sold.quote_fees - sold.received)))
