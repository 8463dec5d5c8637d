"""For tests of the core: one symbol at work on the small exchange, checked at every step."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from naived.core import leading, placing
from naived.core.amount import SCALE, Money, Quantity
from naived.core.leader import Awoke, Directed, Drained, Leader, LeaderEvent, OrderNews, Traded, commitment
from naived.core.order import Answer, Intent, OrderStatus, Refusal, Refused, Side
from naived.core.phase import Bought, Buying, Finished, Holding, Selling, Trader, Waiting
from naived.core.placement import (
    LIVE,
    TERMINAL,
    Admitted,
    Answered,
    CancelWanted,
    Contradicted,
    Ended,
    Executed,
    FillsFound,
    Missing,
    Need,
    Placed,
    Placement,
    PlacementEvent,
    Reported,
    Restarted,
    Send,
    State,
    need,
)
from naived.core.scene import Cancel, Count, Counted, Fault, Note, Place, Reread
from naived.core.settings import Settings, Status
from naived.core.strategy import Fees
from tests.core_market import FEES, START, Exchange, info, settings, trade

WINDOW = 5_000
GRACE = 60_000


@dataclass(frozen=True)
class Frame:
    """One signed attempt on its way."""

    client_order_id: str
    deadline: int


@dataclass
class Desk:
    """Everything that the runtime would do, by hand. ``last`` is the last public price.

    ``slots``: does the rate limit let an intent out as soon as it is decided?
    ``written_off`` are coins that the account has and that no trader counts any more.
    """

    leader: Leader
    exchange: Exchange
    now: int = START
    last: int = 0
    trades: int = 0
    placements: dict[str, Placement] = field(default_factory=dict)
    wire: list[Frame] = field(default_factory=list)
    slots: bool = True
    written_off: int = 0
    told: list[Note | Fault | Reread] = field(default_factory=list)
    counting: bool = False  # was the account asked for its coins?
    finished: list[Trader] = field(default_factory=list)

    # What happens

    def direct(self, status: Status, wanted: Settings | None = None, **more: object) -> None:
        self.lead(Directed(wanted or self.leader.settings, status, **more))  # type: ignore[arg-type]

    def trade(self, price: str | int) -> None:
        """A public trade: the exchange matches, the leader is told if it lies outside the band."""
        self.trades += 1
        event = Traded(trade(price, self.now, self.trades))
        self.last = event.trade.price
        self.exchange.trade(self.last, self.now)
        low, high = self.leader.band
        if low < self.last < high:
            step = leading.step(self.leader, event, self.now)
            assert step == leading.Step(self.leader), f"{self.last} in ({low}, {high}) changed {step}"
        else:
            self.lead(event)

    def lead(self, event: LeaderEvent) -> None:
        before = self.leader
        step = leading.step(before, event, self.now)
        self.leader = step.leader
        known = {trader.number: trader for trader in before.traders}
        for trader in step.touched:
            self.written_off += lost(known.get(trader.number, trader), trader)
            if isinstance(trader.phase, Finished):
                self.check_earned(trader)
                self.finished.append(trader)
        for command in step.commands:
            match command:
                case Place(intent, decided_at):
                    self.decide(intent, decided_at)
                case Cancel(intent):
                    self.tell(self.id_of(intent), CancelWanted())
                case Drained():
                    assert not self.leader.traders
                    self.direct(Status.OFF)
                case Count():
                    self.counting = True
                case Note() | Reread() | Fault():
                    self.told.append(command)

    def decide(self, intent: Intent, decided_at: int) -> None:
        client_order_id = self.id_of(intent)
        assert client_order_id not in self.placements, "one decision, one intent"
        if intent.side is Side.BUY:
            self.check_buy()
        else:
            self.check_price(intent)
        self.placements[client_order_id] = Placement(
            intent, client_order_id, None, 1, decided_at, self.now, self.now
        )
        if self.slots and self.leader.status is not Status.OFF:
            self.tell(client_order_id, Admitted(self.now, WINDOW, 1))

    def tell(self, client_order_id: str, event: PlacementEvent) -> None:
        before = self.placements[client_order_id]
        after, actions = placing.step(before, event, self.now)
        check_life(before, after, event)
        self.placements[client_order_id] = after
        for action in actions:
            match action:
                case Send():
                    self.wire.append(Frame(client_order_id, after.deadline or 0))
                case Placed() | Executed() | Ended():
                    intent = after.intent
                    self.lead(OrderNews(intent.trader, intent.side, intent.seq, action))
                case Contradicted(reason):
                    raise AssertionError(f"an honest exchange was quarantined: {reason}")

    # What the runtime does

    @staticmethod
    def id_of(intent: Intent) -> str:
        return f"{intent.trader}-{intent.side}-{intent.seq}"

    def wanting(self) -> list[Placement]:
        """Placements that need something which may be done now."""
        off = self.leader.status is Status.OFF
        return [
            placement
            for placement in self.placements.values()
            if (needed := need(placement)) is not None and not (needed is Need.ADMIT and off)
        ]

    def serve(self, placement: Placement) -> None:
        """Do what a placement needs, once."""
        client_order_id = placement.client_order_id
        match need(placement):
            case Need.ADMIT:
                self.tell(client_order_id, Admitted(self.now, WINDOW, 1))
            case Need.ASK:
                order = self.exchange.named(client_order_id)
                news = (
                    Missing(self.now, GRACE, everywhere=True)
                    if order is None
                    else Reported(self.exchange.state(order, self.now))
                )
                self.tell(client_order_id, news)
            case Need.FILLS:
                order = self.exchange.named(client_order_id)
                assert order is not None
                self.tell(client_order_id, FillsFound(tuple(order.fills)))
            case Need.CANCEL:
                order = self.exchange.named(client_order_id)
                assert order is not None
                self.exchange.end(order, OrderStatus.CANCELED, self.now)
                self.tell(client_order_id, Reported(self.exchange.state(order, self.now)))

    def arrive(self, frame: Frame) -> Answer:
        """A frame reaches the exchange, which refuses it behind its deadline."""
        if self.now > frame.deadline:
            return Refused(Refusal.CLOCK, -1021, "Timestamp for this request is outside of the recvWindow.")
        placement = self.placements[frame.client_order_id]
        answer = self.exchange.place(frame.client_order_id, placement.intent, self.last, self.now)
        assert not isinstance(answer, Refused), f"an honest exchange refused: {answer}"
        return answer

    def hear(self) -> None:
        for report in self.exchange.reports():
            self.tell(report.client_order_id, Reported(report))

    def settle(self) -> None:
        """Everything that can be done without time passing is done."""
        for _ in range(1_000):
            if self.wire:
                frame = self.wire.pop(0)
                self.tell(frame.client_order_id, Answered(self.arrive(frame)))
            elif self.exchange.outbox:
                self.hear()
            elif waits := [p for p in self.wanting() if not self.waits_for_fence(p)]:
                self.serve(waits[0])
            elif self.counting:
                self.counting = False
                self.lead(Counted(Quantity(self.exchange.free_base)))
            elif self.leader.wakes_at is not None and self.leader.wakes_at <= self.now:
                self.lead(Awoke())
            else:
                return
        raise AssertionError("it never settles")

    def reconcile(self) -> None:
        """Ask for every order that rests, as is done every minute: a report may have been lost."""
        for client_order_id, placement in list(self.placements.items()):
            order = self.exchange.named(client_order_id)
            if order is not None and placement.order_id is not None and placement.state in LIVE:
                self.tell(client_order_id, Reported(self.exchange.state(order, self.now)))

    def waits_for_fence(self, placement: Placement) -> bool:
        return (
            placement.state is State.UNKNOWN
            and self.exchange.named(placement.client_order_id) is None
            and self.now <= (placement.deadline or 0) + GRACE
        )

    def restart(self) -> None:
        """A new process reads the journal: what was counted in memory only is gone."""
        for client_order_id in list(self.placements):
            self.tell(client_order_id, Restarted())
            self.placements[client_order_id] = replace(self.placements[client_order_id], looks=0, refused=None)

    # What must hold

    def check_buy(self) -> None:
        """At a decision to buy: chunks and budget in force."""
        wanted = self.leader.settings
        assert self.leader.status is Status.ON
        assert len(self.leader.traders) <= wanted.chunks
        spent = sum(commitment(t) for t in self.leader.traders if not isinstance(t.phase, Waiting))
        assert wanted.budget is not None
        assert spent <= wanted.budget

    def check_price(self, intent: Intent) -> None:
        """At a decision to sell: never at a lower price than before."""
        for known in self.placements.values():
            if (known.intent.trader, known.intent.side) == (intent.trader, Side.SELL):
                assert intent.price >= known.intent.price

    def check_earned(self, trader: Trader) -> None:
        """At the end of a cycle: the profit that was asked for, after both fees; each fee may be rounded up."""
        match trader.phase:
            case Finished(Bought() as bought, _, carried, dust, int(profit), None) if not carried:
                cost = bought.cost - dust.cost
                rounding = 2 + sum(
                    len(known.fills) for known in self.placements.values() if known.intent.trader == trader.number
                )
                assert profit * SCALE >= cost * trader.terms.profit - rounding * SCALE

    def check(self) -> None:
        """Between any two events."""
        self.check_money()
        self.check_band()
        assert len({order.client_order_id for order in self.exchange.orders}) == len(self.exchange.orders)
        for trader in self.leader.traders:
            live = [
                p for p in self.placements.values() if p.intent.trader == trader.number and p.state not in TERMINAL
            ]
            assert len(live) <= 1
            match trader.phase:
                case Buying(intent=intent) | Selling(intent=intent):
                    assert [p.intent for p in live] == [intent]
                case _:
                    assert not live
            on_exchange = [o for o in self.exchange.open() if o.intent.trader == trader.number]
            assert len(on_exchange) <= 1
        assert not any(
            p.state in LIVE and all(t.number != p.intent.trader for t in self.leader.traders)
            for p in self.placements.values()
        )

    def check_band(self) -> None:
        """At the innermost prices of the band, as everywhere within it, a trade changes nothing."""
        low, high = self.leader.band
        for inside in (low + 1, high - 1):
            if low < inside < high:
                probe = Traded(trade(inside, self.now))
                assert leading.step(self.leader, probe, self.now) == leading.Step(self.leader)

    def check_money(self) -> None:
        """The sum of profits less the cost of what is held is what the known fills changed in quote."""
        base = quote = 0
        for placement in self.placements.values():
            sign = 1 if placement.intent.side is Side.BUY else -1
            for part in placement.fills:
                base += sign * part.quantity - (part.fee if part.fee_asset == "ETH" else 0)
                quote -= sign * part.quote + (part.fee if part.fee_asset == "USDT" else 0)
        coins, money = self.leader.leftover.quantity, self.leader.profit - self.leader.leftover.cost
        for trader in self.leader.traders:
            match trader.phase:
                case Buying(bought=bought):
                    coins += bought.net
                    money -= bought.cost
                case Holding(bought, carried=carried, sold=sold) | Selling(bought, carried=carried, sold=sold):
                    coins += bought.net + carried.quantity - sold.quantity - sold.base_fees
                    money += sold.received - sold.quote_fees - bought.cost - carried.cost
        assert (coins + self.written_off, money) == (base, quote)

    def check_quiet(self) -> None:
        """Once nothing is on its way: what we know is what the exchange has."""
        for placement in self.placements.values():
            order = self.exchange.named(placement.client_order_id)
            assert (order is not None) is (placement.order_id is not None)
            if order is not None:
                assert placement.fills == tuple(sorted(order.fills, key=lambda part: part.trade_id)) or (
                    set(placement.fills) == set(order.fills)
                )
                assert order.open is (placement.state in LIVE)


def lost(before: Trader, after: Trader) -> int:
    """Coins that a step wrote off: leftovers that were not there, a position that a person gave up."""
    gone = 0
    match before.phase, after.phase:
        case (Holding() | Selling() as old, Holding() | Selling() | Finished() as new):
            gone = old.carried.quantity - new.carried.quantity if old.carried else 0
    match after.phase:
        case Finished(Bought() as bought, sold, carried, reason="written off by hand"):
            gone += bought.net + carried.quantity - sold.quantity - sold.base_fees
    return gone


def check_life(before: Placement, after: Placement, event: PlacementEvent) -> None:
    """What holds for one step of any placement."""
    assert after.attempt >= before.attempt - 1
    assert after.executed >= before.executed
    assert after.reported >= before.reported
    assert len({part.trade_id for part in after.fills}) == len(after.fills)
    assert sum(part.quantity for part in after.fills) == after.executed
    if before.state in TERMINAL:
        assert after.state is before.state
    if before.state is State.UNKNOWN and after.state not in (State.UNKNOWN, State.QUARANTINED):
        match event:
            case Missing(server_time, grace):
                assert server_time > (before.deadline or 0) + grace
            case _:
                assert isinstance(event, Reported | Answered)
                assert after.order_id is not None
    if after.state in (State.FILLED, State.CANCELLED, State.EXPIRED):
        assert after.executed == after.reported


def desk(wanted: Settings | None = None, fees: Fees = FEES, exchange: Exchange | None = None) -> Desk:
    """A symbol that is on and has seen no trade yet."""
    exchange = exchange or Exchange(info(), fees.buy)
    leader = Leader(exchange.rules, fees, wanted or settings(), Status.ON)
    return Desk(leader, exchange)


def phases(of: Desk) -> list[str]:
    return [type(trader.phase).__name__.lower() for trader in of.leader.traders]


def profits(of: Desk) -> Iterator[Money]:
    for trader in of.finished:
        if isinstance(trader.phase, Finished) and trader.phase.profit is not None:
            yield trader.phase.profit
