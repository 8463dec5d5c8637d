"""For tests of the core: one symbol at work on the small exchange, checked at every step."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from naived.core import leading, placing
from naived.core.amount import Money, Price
from naived.core.leader import Awoke, Directed, Drained, Leader, LeaderEvent, OrderNews, Traded, commitment
from naived.core.order import Answer, Intent, OrderStatus, Refused, Side, Unknown
from naived.core.phase import Buying, Finished, Holding, Selling, Trader, Waiting
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
from naived.core.scene import Cancel, Fault, Note, Place, Reread
from naived.core.settings import Settings, Status
from naived.core.strategy import Fees
from tests.core_market import FEES, START, Exchange, info, settings, trade

WINDOW = 5_000
GRACE = 60_000
NO_FILTERS_BROKEN = "a filter refused an order of ours"


@dataclass
class Desk:
    """Everything that the runtime would do, by hand. ``last`` is the last public price."""

    leader: Leader
    exchange: Exchange
    now: int = START
    last: int = 0
    trades: int = 0
    placements: dict[str, Placement] = field(default_factory=dict)
    wire: list[str] = field(default_factory=list)
    told: list[Note | Fault | Reread] = field(default_factory=list)
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
        self.finished += [trader for trader in step.touched if isinstance(trader.phase, Finished)]
        for command in step.commands:
            match command:
                case Place(intent, decided_at):
                    self.decide(intent, decided_at)
                case Cancel(intent):
                    self.tell(self.id_of(intent), CancelWanted())
                case Drained():
                    assert not self.leader.traders
                    self.direct(Status.OFF)
                case Note() | Reread() | Fault():
                    self.told.append(command)

    def decide(self, intent: Intent, decided_at: int) -> None:
        client_order_id = self.id_of(intent)
        assert client_order_id not in self.placements, "one decision, one intent"
        if intent.side is Side.BUY:
            self.check_buy()
        self.placements[client_order_id] = Placement(
            intent, client_order_id, None, 1, decided_at, self.now, self.now
        )

    def tell(self, client_order_id: str, event: PlacementEvent) -> None:
        before = self.placements[client_order_id]
        after, actions = placing.step(before, event, self.now)
        check_life(before, after, event)
        self.placements[client_order_id] = after
        for action in actions:
            match action:
                case Send():
                    self.wire.append(client_order_id)
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
                self.tell(client_order_id, Admitted(self.now, WINDOW))
            case Need.ASK:
                order = self.exchange.named(client_order_id)
                news = Missing(self.now, GRACE) if order is None else Reported(self.exchange.state(order, self.now))
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

    def send(self, client_order_id: str) -> Answer | None:
        """Put one attempt on the wire; the exchange refuses it behind its deadline."""
        placement = self.placements[client_order_id]
        deadline = placement.deadline
        assert deadline is not None
        if self.now > deadline:
            return None
        self.check_sell(placement)
        answer = self.exchange.place(client_order_id, placement.intent, self.last, self.now)
        assert not isinstance(answer, Refused) or "Filter" not in answer.message, NO_FILTERS_BROKEN
        return answer

    def answer(self, client_order_id: str) -> None:
        self.tell(client_order_id, Answered(self.send(client_order_id) or Unknown("too late")))

    def hear(self) -> None:
        for report in self.exchange.reports():
            self.tell(report.client_order_id, Reported(report))

    def settle(self) -> None:
        """Everything that can be done without time passing is done."""
        for _ in range(1_000):
            if self.wire:
                self.answer(self.wire.pop(0))
            elif self.exchange.outbox:
                self.hear()
            elif waits := [p for p in self.wanting() if not self.waits_for_fence(p)]:
                self.serve(waits[0])
            elif self.leader.wakes_at is not None and self.leader.wakes_at <= self.now:
                self.lead(Awoke())
            else:
                return
        raise AssertionError("it never settles")

    def waits_for_fence(self, placement: Placement) -> bool:
        return (
            placement.state is State.UNKNOWN
            and self.exchange.named(placement.client_order_id) is None
            and self.now <= (placement.deadline or 0) + GRACE
        )

    def restart(self) -> None:
        """A new process: the wire is gone, what may have been sent is unknown."""
        self.wire.clear()
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

    def check_sell(self, placement: Placement) -> None:
        """At the exchange: never more for sale than was bought, whatever else the account has."""
        if placement.intent.side is Side.SELL:
            resting = sum(order.rest for order in self.exchange.open(Side.SELL))
            bought = self.exchange.base
            assert resting + placement.intent.quantity <= bought, "sells what it did not buy"

    def check(self) -> None:
        """Between any two events."""
        self.check_money()
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
        assert (coins, money) == (base, quote)

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
                assert isinstance(event, Reported)
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


def price(text: str) -> Price:
    return trade(text).price
