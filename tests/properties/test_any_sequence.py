"""A symbol under any sequence of events: trades, faults of the wire, restarts and wishes, in any order.

The exchange is honest and the wire is not: frames, answers and reports are late, lost, doubled and out of order.
"""

from hypothesis import HealthCheck
from hypothesis import settings as bounds
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from naived.core.amount import SCALE, Quantity, Rate
from naived.core.leader import Awoke, Barred, Freed, Informed, Lost
from naived.core.order import Answer, OrderStatus, Refusal, Refused, Report, Side, Unknown, Unsent
from naived.core.phase import Holding, Selling, position
from naived.core.placement import Answered, Missing, Reported, State
from naived.core.settings import Status
from tests.core_desk import GRACE, WINDOW, Desk, desk
from tests.core_market import FEES, FREE, TENTH, Exchange, info, parse_price, settings

WISHES = (
    settings(chunks=3, budget="300", profit="0.0005", rebuy="0.001", reprice="0.002"),
    settings(chunks=1, budget="60", rebuy="0.001"),
    settings(chunks=5, budget="1000", rebuy="0.0005", reprice="0"),
    settings(chunks=2, budget="11", buy_down="0.001", rebuy="0.002"),
)
picks = st.integers(0, 10**6)


class AnySequence(RuleBasedStateMachine):
    desk: Desk
    answers: list[tuple[str, Answer]]
    reports: list[Report]

    @initialize(
        fee=st.sampled_from([(TENTH, None), (TENTH, "BNB"), (Rate(0), None)]), wanted=st.sampled_from(WISHES)
    )
    def begin(self, fee: tuple[Rate, str | None], wanted: object) -> None:
        rate, asset = fee
        self.desk = desk(wanted, FEES if rate else FREE, Exchange(info(), rate, asset))  # type: ignore[arg-type]
        self.desk.last = parse_price("2683.80")
        self.answers = []
        self.reports = []

    # The market

    @rule(
        move=st.integers(-40, 40),
        pause=st.sampled_from([1, 200, 3_000]),
        smooth=st.sampled_from([True, True, False]),
    )
    def trade(self, move: int, pause: int, smooth: bool) -> None:
        """A trade after which all goes well, or whatever comes next."""
        self.desk.now += pause
        self.desk.trade(self.desk.last * (10_000 + move) // 10_000 // 10**6 * 10**6)
        if smooth:
            self.desk.settle()

    @rule(moves=st.lists(st.integers(-40, 40), min_size=3, max_size=12))
    def trades(self, moves: list[int]) -> None:
        for move in moves:
            self.trade(move, 200, True)

    @rule(pause=st.sampled_from([500, 4_000, 30_000, 70_000]))
    def wait(self, pause: int) -> None:
        self.desk.now += pause
        self.desk.lead(Awoke())

    @precondition(lambda self: self.desk.exchange.open())
    @rule(pick=picks, share=st.integers(1, 9))
    def fill_in_part(self, pick: int, share: int) -> None:
        orders = self.desk.exchange.open()
        order = orders[pick % len(orders)]
        step = info().filters.step_size
        part = order.rest * share // 10 // step * step
        if part:
            self.desk.exchange.fill(order, part, order.intent.price, self.desk.now)

    @precondition(lambda self: self.desk.exchange.open())
    @rule(
        pick=picks,
        status=st.sampled_from([OrderStatus.EXPIRED, OrderStatus.EXPIRED_IN_MATCH, OrderStatus.CANCELED]),
    )
    def end_at_the_exchange(self, pick: int, status: OrderStatus) -> None:
        orders = self.desk.exchange.open()
        self.desk.exchange.end(orders[pick % len(orders)], status, self.desk.now)

    # The wire

    @precondition(lambda self: self.desk.wire)
    @rule(pick=picks, answered=st.sampled_from(["now", "late", "never", "timeout first"]))
    def arrive(self, pick: int, answered: str) -> None:
        frame = self.desk.wire.pop(pick % len(self.desk.wire))
        answer = self.desk.arrive(frame)
        match answered:
            case "now":
                self.desk.tell(frame.client_order_id, Answered(answer))
            case "never":
                self.desk.tell(frame.client_order_id, Answered(Unknown("connection lost")))
            case "timeout first":
                self.desk.tell(frame.client_order_id, Answered(Unknown("timeout")))
                self.answers.append((frame.client_order_id, answer))
            case _:
                self.answers.append((frame.client_order_id, answer))

    @precondition(lambda self: self.answers)
    @rule(pick=picks)
    def answer_late(self, pick: int) -> None:
        client_order_id, answer = self.answers.pop(pick % len(self.answers))
        self.desk.tell(client_order_id, Answered(answer))

    @precondition(lambda self: self.desk.wire)
    @rule(pick=picks)
    def lose_a_frame(self, pick: int) -> None:
        frame = self.desk.wire.pop(pick % len(self.desk.wire))
        self.desk.tell(frame.client_order_id, Answered(Unknown("connection lost")))

    @precondition(lambda self: self.desk.wire)
    @rule(pick=picks)
    def never_send(self, pick: int) -> None:
        frame = self.desk.wire.pop(pick % len(self.desk.wire))
        self.desk.tell(frame.client_order_id, Answered(Unsent("connection closed")))

    @precondition(lambda self: self.desk.wire)
    @rule(pick=picks, kind=st.sampled_from(list(Refusal)))
    def refuse(self, pick: int, kind: Refusal) -> None:
        frame = self.desk.wire.pop(pick % len(self.desk.wire))
        self.desk.tell(frame.client_order_id, Answered(Refused(kind, -1, f"no: {kind}")))

    @precondition(lambda self: self.desk.exchange.outbox)
    @rule(pick=picks, keep=st.booleans(), heard=st.booleans())
    def report(self, pick: int, keep: bool, heard: bool) -> None:
        """In any order, once or again and again, or never."""
        outbox = self.desk.exchange.outbox
        report = outbox[pick % len(outbox)]
        if not keep:
            outbox.remove(report)
        if heard:
            self.desk.tell(report.client_order_id, Reported(report))

    @precondition(lambda self: self.desk.wanting())
    @rule(pick=picks)
    def serve(self, pick: int) -> None:
        wanting = self.desk.wanting()
        self.desk.serve(wanting[pick % len(wanting)])

    @precondition(lambda self: any(p.state is State.UNKNOWN for p in self.desk.placements.values()))
    @rule(pick=picks)
    def look_in_vain(self, pick: int) -> None:
        """What exists may not be found for a while, but never behind the fence."""
        unknown = [p for p in self.desk.placements.values() if p.state is State.UNKNOWN]
        placement = unknown[pick % len(unknown)]
        time = min(self.desk.now, (placement.deadline or 0) + GRACE)
        self.desk.tell(placement.client_order_id, Missing(time, GRACE))

    # Wishes

    @rule(
        status=st.sampled_from(list(Status)),
        wanted=st.sampled_from([None, None, *WISHES]),
        keep=st.booleans(),
        cancel=st.sampled_from([frozenset(), frozenset({Side.BUY}), frozenset(Side)]),
    )
    def wish(self, status: Status, wanted: object, keep: bool, cancel: frozenset[Side]) -> None:
        cancel = cancel if status is Status.OFF else frozenset()
        self.desk.direct(status, wanted, keep_buys=keep and status is Status.SHUTDOWN, cancel=cancel)  # type: ignore[arg-type]

    @rule()
    def start(self) -> None:
        self.desk.direct(Status.ON)

    @rule(slots=st.booleans())
    def limit(self, slots: bool) -> None:
        self.desk.slots = slots

    @rule(reason=st.sampled_from([None, None, "away"]))
    def bar(self, reason: str | None) -> None:
        self.desk.lead(Barred(reason))

    @precondition(lambda self: any(isinstance(t.phase, Holding) for t in self.desk.leader.traders))
    @rule(pick=picks, adopt=st.sampled_from([True, True, False]))
    def free(self, pick: int, adopt: bool) -> None:
        held = [t.number for t in self.desk.leader.traders if isinstance(t.phase, Holding)]
        self.desk.lead(Freed(held[pick % len(held)], adopt))

    @precondition(lambda self: self.desk.leader.traders)
    @rule(pick=picks, share=st.integers(1, 10))
    def write_off(self, pick: int, share: int) -> None:
        """A part of what a trader has, or all of it, but for what its sell offers: that is at the exchange."""
        trader = self.desk.leader.traders[pick % len(self.desk.leader.traders)]
        loose = position(trader).quantity
        if isinstance(trader.phase, Selling):
            sell = self.desk.placements[self.desk.id_of(trader.phase.intent)]
            loose = Quantity(loose - sell.intent.quantity + sell.executed)
        if loose * share >= 10:
            self.desk.lead(Lost(trader.number, Quantity(loose * share // 10)))

    @rule()
    def reconcile(self) -> None:
        self.desk.reconcile()

    @rule()
    def inform(self) -> None:
        self.desk.lead(Informed(self.desk.exchange.rules, self.desk.leader.fees))

    @rule()
    def restart(self) -> None:
        self.answers.clear()
        self.desk.restart()

    # What must hold

    @invariant()
    def everything_holds(self) -> None:
        if hasattr(self, "desk"):
            self.desk.check()

    def teardown(self) -> None:
        """Once the wire is well, a drain ends by itself and the books agree with the exchange."""
        if not hasattr(self, "desk"):
            return
        at_work = self.desk
        at_work.lead(Barred(None))
        at_work.direct(Status.SHUTDOWN)
        for frame in at_work.wire:
            at_work.tell(frame.client_order_id, Answered(Unknown("connection lost")))
        at_work.wire.clear()
        for _ in range(20):
            for trader in at_work.leader.traders:
                if isinstance(trader.phase, Holding):
                    at_work.lead(Freed(trader.number, adopt=True))
            at_work.settle()
            at_work.reconcile()
            at_work.settle()
            if not at_work.leader.traders:
                break
            sells = [t.phase.intent.price for t in at_work.leader.traders if isinstance(t.phase, Selling)]
            at_work.now += WINDOW + GRACE + 1
            at_work.trade(max(sells, default=at_work.last) + SCALE)
        assert at_work.leader.status is Status.OFF
        assert at_work.leader.traders == ()
        at_work.settle()
        at_work.check()
        at_work.check_quiet()
        exchange, leader = at_work.exchange, at_work.leader
        assert exchange.open() == []
        assert exchange.base == leader.leftover.quantity + at_work.written_off
        assert exchange.quote - Exchange(info()).quote == leader.profit - leader.leftover.cost


AnySequence.TestCase.settings = bounds(
    max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)
test_any_sequence_of_events_leaves_nothing_lost_doubled_or_stuck = AnySequence.TestCase
