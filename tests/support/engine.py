"""For tests of the core: one symbol's engine at work on the small exchange, checked at every step."""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from msgspec.structs import replace

from naived.core.amount import SCALE, Money, Price, Quantity
from naived.core.engine import Changes, Engine, Event, Question, Unrecorded, load, step
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import Answer, OrderStatus, Refusal, Refused
from naived.core.orders.state import (
    LIVE,
    TERMINAL,
    Admitted,
    Answered,
    FillsFound,
    Missing,
    Need,
    OrderState,
    Reported,
    Resolved,
    State,
    need,
)
from naived.core.price_check import PriceCheck
from naived.core.price_guards import Peak, why_blocked
from naived.core.recent_high import RecentHigh
from naived.core.strategy.formulas import Bought, Fees
from naived.core.strategy.guards import living_buys
from naived.core.strategy.leader_events import Activated
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.core.strategy.sizing import asked
from naived.core.strategy.trader_state import (
    Buying,
    Counted,
    Directed,
    Finished,
    Holding,
    Measured,
    Selling,
    Traded,
    Trader,
    Woke,
    position,
)
from naived.core.strategy.traders import chunks_spent, commitments
from tests.support.market import FEES, START, Exchange, Order, info, settings, trade

WINDOW = 5_000
GRACE = 60_000


@dataclass(frozen=True)
class Frame:
    """One signed attempt on its way."""

    client_order_id: str
    deadline: int


@dataclass
class Workbench:
    """An engine, and what stands around it: a journal, a wire, the exchange. ``last`` is the last public price.

    ``journal`` holds all that was ever committed, every row as it was written last. ``slots``: does the order limit
    let an order out as soon as it is decided? ``written_off`` are coins that the account has and no trader counts.
    """

    engine: Engine
    exchange: Exchange
    now: int = START
    last: int = 0
    slots: bool = True
    journal: Changes = field(default_factory=Changes)
    wire: list[Frame] = field(default_factory=list)
    written_off: int = 0
    recent: RecentHigh | None = None
    ids: Iterator[str] = field(default_factory=lambda: map("n1test-{}".format, itertools.count(1)))

    # What is so

    @property
    def leader(self) -> Leader:
        return self.engine.leader

    @property
    def traders(self) -> tuple[Trader, ...]:
        return self.engine.leader.traders

    @property
    def phases(self) -> list[str]:
        return [type(trader.phase).__name__.lower() for trader in self.traders]

    @property
    def finished(self) -> list[Trader]:
        return [trader for trader in self.journal.traders.values() if isinstance(trader.phase, Finished)]

    @property
    def profits(self) -> list[Money]:
        ended = (trader.phase for trader in self.finished)
        return [phase.profit for phase in ended if isinstance(phase, Finished) and phase.profit is not None]

    def trader(self, number: int) -> Trader:
        return self.journal.traders[number]

    def order(self, number: int, side: Side, seq: int = 1) -> OrderState:
        """The order of one trader's decision, ended or not."""
        key = number, side, seq
        return next(
            o for o in self.journal.orders.values() if (o.intent.trader, o.intent.side, o.intent.seq) == key
        )

    # What happens

    def step(self, event: Event) -> Changes:
        """One event, and one more for each slot that it asks for."""
        before, kept = self.engine, (dict(self.engine.orders), dict(self.engine.keys))
        drawn = itertools.islice(self.ids, max(0, before.ids_needed - len(before.ids)))
        self.engine, changes = step(replace(before, ids=(*before.ids, *drawn)), event, self.now)
        assert (before.orders, before.keys) == kept, "an engine is frozen"
        self.journal.extend(changes)
        for order in changes.orders.values():
            known = before.orders.get(order.client_order_id)
            if known is not None:
                check_life(known, order, event)
            elif type(event) is not Unrecorded:  # that was decided before
                check_decision(self, order.intent)
        living = {trader.number: trader for trader in before.leader.traders}
        for trader in changes.traders.values():
            self.written_off += lost(living.get(trader.number, trader), trader)
            check_earned(self, trader)
        for client_order_id in changes.sends:
            self.wire.append(Frame(client_order_id, self.engine.orders[client_order_id].fence or 0))
        for client_order_id in changes.admits if self.slots else ():
            self.step(Admitted(client_order_id, self.now, WINDOW, self.engine.epoch))
        if changes.drained:
            assert not self.traders
            self.direct(Status.OFF)
        return changes

    def direct(
        self,
        status: Status,
        wanted: Settings | None = None,
        *,
        keep_buys: bool = False,
        cancel: frozenset[Side] = frozenset(),
    ) -> None:
        self.step(Directed(DesiredState(wanted or self.leader.settings, status, keep_buys), cancel))

    def trade(self, price: str | int) -> None:
        """A public trade: the exchange matches, the engine is told if it lies outside the band."""
        self.last = trade(price).price
        self.exchange.trade(self.last, self.now)
        event = Traded(trade(price, self.now, self.exchange.trades), peak=self.peak())
        low, high = self.engine.band
        if low < self.last < high:
            check_idle(self, event)
        else:
            self.step(event)

    def peak(self) -> Peak | None:
        """The highest trade of the fall guard's span, which knows all of them."""
        guard = self.leader.settings.fall_guard
        if guard is None:
            return None
        if self.recent is None or self.recent.span != guard.span:
            self.recent = RecentHigh(guard.span)
            self.recent.learn((), self.now - guard.span, self.now, PriceCheck().near)
        self.recent.trade(Price(self.last), self.now)
        return self.recent.peak(self.now)

    def market(self, *prices: str | int) -> None:
        """Public trades, a second after one another; whatever follows from one is done before the next."""
        for price in prices:
            self.now += 1_000
            self.trade(price)
            self.settle()

    def end(self, status: OrderStatus, side: Side | None = None) -> None:
        """The exchange ends the oldest order that rests."""
        self.exchange.end(self.exchange.open(side)[0], status, self.now)
        self.settle()

    def arrive(self, frame: Frame) -> Answer:
        """A frame reaches the exchange, which refuses it behind its deadline."""
        if self.now > frame.deadline:
            return Refused(Refusal.CLOCK, -1021, "Timestamp for this request is outside of the recvWindow.")
        intent = self.journal.orders[frame.client_order_id].intent
        answer = self.exchange.place(frame.client_order_id, intent, self.last, self.now)
        if isinstance(answer, Refused):  # the rules changed while it was on its way
            assert answer.kind is Refusal.FILTER, f"an honest exchange refused: {answer}"
        return answer

    def answer(self, answer: Answer) -> None:
        """The newest frame is answered so, and does not arrive."""
        self.step(Answered(self.wire.pop().client_order_id, answer))

    def hear(self) -> None:
        for report in self.exchange.reports():
            self.step(Reported(report.client_order_id, report))

    def wanting(self) -> list[OrderState]:
        """Orders that need something which may be done now."""
        may_place = self.engine.may_place
        return [
            order
            for order in self.engine.orders.values()
            if (needed := need(order)) is not None and (needed is not Need.ADMIT or may_place)
        ]

    def serve(self, order: OrderState) -> None:
        """Do what an order needs, once."""
        client_order_id = order.client_order_id
        there = self.exchange.named(client_order_id)
        match need(order), there:
            case Need.ADMIT, _:
                self.step(Admitted(client_order_id, self.now, WINDOW, self.engine.epoch))
            case Need.ASK, None:
                self.step(Missing(client_order_id, self.now, GRACE, everywhere=True))
            case Need.FILLS, Order():
                self.step(FillsFound(client_order_id, tuple(there.fills)))
            case (Need.ASK | Need.CANCEL) as needed, Order():
                if needed is Need.CANCEL:
                    self.exchange.end(there, OrderStatus.CANCELED, self.now)
                self.step(Reported(client_order_id, self.exchange.state(there)))
            case impossible:
                raise AssertionError(impossible)

    def settle(self) -> None:
        """Everything that can be done without time passing is done."""
        for _ in range(1_000):
            wakes_at = self.leader.wakes_at
            if self.wire:
                frame = self.wire.pop(0)
                self.step(Answered(frame.client_order_id, self.arrive(frame)))
            elif self.exchange.outbox:
                self.hear()
            elif waits := [order for order in self.wanting() if not self._waits_for_fence(order)]:
                self.serve(waits[0])
            elif Question.COINS in self.journal.questions:
                self.journal.questions.clear()
                self.step(Counted(Quantity(self.exchange.free_base)))
            elif Question.REFERENCE in self.journal.questions:
                self.journal.questions.clear()
                last = Price(self.last) if self.last else None
                self.step(Measured(last, last))
            elif wakes_at is not None and wakes_at <= self.now:
                self.step(Woke())
            else:
                return
        raise AssertionError("it never settles")

    def _waits_for_fence(self, order: OrderState) -> bool:
        return (
            order.state is State.UNKNOWN
            and self.exchange.named(order.client_order_id) is None
            and self.now <= (order.fence or 0) + GRACE
        )

    def reconcile(self) -> None:
        """Ask for every order that rests, as is done every minute: a report may have been lost."""
        for order in self.engine.resting:
            there = self.exchange.named(order.client_order_id)
            if there is not None and order.order_id is not None:
                self.step(Reported(order.client_order_id, self.exchange.state(there)))

    def restart(self) -> None:
        """A new process reads the journal: what was counted in memory only is gone."""
        engine = self.engine
        for client_order_id in engine.orders:
            row = self.journal.orders[client_order_id]
            self.journal.orders[client_order_id] = replace(row, looks=0, missed_at=None, refused=None)
        rows = [self.journal.orders[client_order_id] for client_order_id in engine.orders]
        leader = replace(engine.leader, active=False)
        self.engine, changes = load(leader, rows, engine.blocks, engine.epoch + 1, self.now)
        self.journal.extend(changes)
        self.step(Activated())


def workbench(wanted: Settings | None = None, fees: Fees = FEES, exchange: Exchange | None = None) -> Workbench:
    """A symbol that is on and has seen no trade yet."""
    exchange = exchange or Exchange(info(), fees.buy)
    desired = DesiredState(wanted or settings(), Status.ON)
    return Workbench(Engine(Leader(exchange.rules, fees, desired, active=True), epoch=1), exchange)


def resting(of: Workbench | None = None, price: str = "2683.80") -> Workbench:
    """The first trader's buy rests at the limit that belongs to this price."""
    of = of or workbench()
    of.market(price)
    return of


def bought(of: Workbench | None = None, price: str = "2683.80") -> Workbench:
    """The first trader has bought at its limit, and sells."""
    of = resting(of, price)
    of.market(of.exchange.open(Side.BUY)[-1].intent.price - 1)
    return of


def sold(of: Workbench) -> Workbench:
    """Every sell that rests is filled."""
    of.market(max(order.intent.price for order in of.exchange.open(Side.SELL)) + 1)
    return of


def rebought(of: Workbench | None = None) -> Workbench:
    """The first trader sells, the buy of a second one rests."""
    of = bought(of)
    of.market("2680")
    return of


# What must hold


def lost(before: Trader, after: Trader) -> int:
    """Coins that a step wrote off: a person gave them up, or other symbols paid them as fees."""
    match after.phase:
        case Finished(Bought() as bought, sold, carried, reason=str(why)) if why.startswith("written off"):
            return bought.net + carried.quantity - sold.quantity - sold.base_fees
        case _:
            return 0


def check(of: Workbench) -> None:
    """Between any two events."""
    check_money(of)
    for edge, inwards in zip(of.engine.band, (1, -1), strict=True):
        low, high = of.engine.band
        if low < edge + inwards < high:
            peak = None if of.recent is None else of.recent.peak(of.now)
            check_idle(of, Traded(trade(edge + inwards, of.now), peak=peak))
    journal, exchange = of.journal, of.exchange
    assert tuple(t for t in journal.traders.values() if not isinstance(t.phase, Finished)) == of.traders
    assert not of.engine.quarantined, "an honest exchange"
    assert len({order.client_order_id for order in exchange.orders}) == len(exchange.orders)
    live: dict[int, list[OrderIntent]] = {trader.number: [] for trader in of.traders}
    for order in of.engine.orders.values():
        assert journal.orders[order.client_order_id] == order
        if order.state not in TERMINAL:
            live[order.intent.trader].append(order.intent)
    open_orders = Counter(_owner(of, order) for order in exchange.open())
    for trader in of.traders:
        match trader.phase:
            case Buying(intent=intent) | Selling(intent=intent):
                assert live[trader.number] == [intent]
            case _:
                assert not live[trader.number]
        assert open_orders[trader.number] <= 1


def _owner(of: Workbench, order: Order) -> int:
    """The trader that an order of the exchange is now; another one decided it if its row was lost."""
    row = of.journal.orders.get(order.client_order_id)
    return order.intent.trader if row is None else row.intent.trader


def check_idle(of: Workbench, event: Traded) -> None:
    """A trade within the band changes nothing."""
    after, changes = step(of.engine, event, of.now)
    assert after is of.engine, f"{event} in {of.engine.band} changed {changes}"
    assert changes == Changes()


def check_decision(of: Workbench, intent: OrderIntent) -> None:
    """A buy keeps to chunks and budget in force; only the stop-loss sells below what a sell must bring."""
    if intent.side is Side.BUY:
        wanted = of.leader.settings
        assert of.leader.status is Status.ON
        assert of.engine.blocked is None
        assert of.leader.halts.why is None
        assert chunks_spent(of.traders) <= wanted.chunks
        assert wanted.budget is not None
        assert commitments(of.traders, of.leader.lots)[0] <= wanted.budget
        others = living_buys(trader for trader in of.traders if trader.number != intent.trader)
        assert why_blocked(wanted.guards, intent.price, others, "USDT") is None
    else:
        trader = next(trader for trader in of.traders if trader.number == intent.trader)
        assert isinstance(trader.phase, Selling)
        if intent.ioc:
            assert trader.stop is not None
            assert of.leader.settings.stop_loss
            return
        exact = replace(of.leader.info.filters, tick_size=Price(1))
        assert intent.price >= asked(trader.terms, trader.phase.bought, trader.phase.carried, exact)


def check_life(before: OrderState, after: OrderState, event: Event) -> None:
    """What holds for one step of any order."""
    assert after.attempt >= before.attempt - 1
    assert after.executed >= before.executed
    assert after.reported >= before.reported
    assert len({part.trade_id for part in after.fills}) == len(after.fills)
    assert sum(part.quantity for part in after.fills) == after.executed
    if before.state in TERMINAL:
        assert after.state in (before.state, State.QUARANTINED)
    if before.state is State.UNKNOWN and after.state not in (State.UNKNOWN, State.QUARANTINED):
        match event:
            case Missing(_, server_time, grace):
                assert server_time > (before.fence or 0) + grace
            case _:
                assert isinstance(event, Reported | Answered)
                assert after.order_id is not None
    if after.state in (State.FILLED, State.CANCELLED, State.EXPIRED) and not isinstance(event, Resolved):
        assert after.executed == after.reported


def check_earned(of: Workbench, trader: Trader) -> None:
    """At the end of a cycle: the profit that was asked for, after both fees; each fee may be rounded up."""
    match trader.phase:
        case Finished(Bought() as bought, _, carried, dust, int(profit), None) if not (carried or trader.stop):
            orders = [order for order in of.journal.orders.values() if order.intent.trader == trader.number]
            if any(order.intent.ioc and order.executed for order in orders):
                return  # the stop-loss was taken away while its sell was on its way
            rounding = 2 + sum(len(order.fills) for order in orders)
            assert profit * SCALE >= (bought.cost - dust.cost) * trader.terms.profit - rounding * SCALE


def check_money(of: Workbench) -> None:
    """The sum of profits less the cost of what is held is what the known fills changed in quote."""
    base = quote = parts = 0
    for order in of.journal.orders.values():
        sign = 1 if order.intent.side is Side.BUY else -1
        parts += len(order.fills)
        for part in order.fills:
            base += sign * part.quantity - (part.fee if part.fee_asset == "ETH" else 0)
            quote -= sign * part.quote + (part.fee if part.fee_asset == "USDT" else 0)
    assert len(of.journal.fills) == parts, "each fill is a row once"
    leader = of.leader
    coins = leader.owed.quantity + sum(lot.quantity for lot in leader.lots)
    money = leader.profit - leader.owed.cost - sum(lot.cost for lot in leader.lots)
    for trader in of.traders:
        coins += position(trader).quantity
        match trader.phase:
            case Buying(bought=bought):
                money -= bought.cost
            case Holding(bought, carried=carried, sold=sold) | Selling(bought, carried=carried, sold=sold):
                money += sold.received - sold.quote_fees - bought.cost - carried.cost
    assert (coins + of.written_off, money) == (base, quote)


def check_quiet(of: Workbench) -> None:
    """Once nothing is on its way: what we know is what the exchange has."""
    for order in of.journal.orders.values():
        there = of.exchange.named(order.client_order_id)
        assert (there is not None) is (order.order_id is not None)
        if there is not None:
            assert set(order.fills) == set(there.fills)
            assert there.open is (order.state in LIVE)
