"""A symbol under any sequence of events: trades, faults of the wire, restarts and wishes, in any order.

The exchange is honest and the wire is not: frames, answers and reports are late, lost, doubled and out of order.
"""

from hypothesis import HealthCheck
from hypothesis import settings as bounds
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from naived.core.amount import SCALE, Quantity, Rate, parse_price, parse_rate
from naived.core.engine import Blocked, BlockedBy, CoinsWrittenOff, Deactivated
from naived.core.market import Filters
from naived.core.orders.intent import Side
from naived.core.orders.report import Answer, OrderStatus, Refusal, Refused, Report, Unknown, Unsent
from naived.core.orders.state import LOOKS, Answered, Missing, OrderState, Reported, State
from naived.core.price_guards import parse_fall_guard
from naived.core.risk import Halt, HaltedBy
from naived.core.strategy.leader_events import Activated, Halted, Informed, Lost
from naived.core.strategy.lots import together
from naived.core.strategy.settings import Settings, Status
from naived.core.strategy.trader_state import Holding, Released, Selling, Woke, position
from tests.support.engine import GRACE, WINDOW, Workbench, check, check_quiet, workbench
from tests.support.ledger import Audited
from tests.support.market import FEES, FREE, START, TENTH, Exchange, filters, info, settings

WISHES = (
    settings(chunks=3, budget="300", profit="0.0005", rebuy="0.001", reprice="0.002"),
    settings(chunks=1, budget="60", rebuy="0.001"),
    settings(chunks=5, budget="1000", rebuy="0.0005", reprice="0"),
    settings(chunks=2, budget="11", buy_down="0.001", rebuy="0.002"),
    replace(settings(chunks=4, budget="900", rebuy="0.0005"), spacing=parse_rate("0.002")),
    replace(
        settings(chunks=4, budget="900", buy_down="0", rebuy="0.001"),
        spacing=parse_rate("0.0005"),
        floor=parse_price("2670"),
        ceiling=parse_price("2690"),
    ),
    replace(settings(chunks=4, budget="900", rebuy="0.0005"), fall_guard=parse_fall_guard("0.3%/5s")),
    replace(settings(chunks=3, budget="600", buy_down="0", rebuy="0.001"), stop_loss=parse_rate("0.004")),
    replace(
        settings(chunks=2, budget="300", rebuy="0.001"),
        fall_guard=parse_fall_guard("0.5%/30s"),
        stop_loss=parse_rate("0.002"),
        stop_slippage=parse_rate("0"),
    ),
)
HALT = Halt("because", HaltedBy.PERSON, START)
RULES = (
    *(filters(), filters()),
    filters(step="0.01"),
    filters(tick="1", step="0.001"),
    filters(notional="30"),
    filters(step="1"),
)
picks = st.integers(0, 10**6)


def unknown(of: Workbench) -> list[OrderState]:
    return [order for order in of.engine.orders.values() if order.state is State.UNKNOWN]


class AnySequence(RuleBasedStateMachine):
    bench: Workbench
    answers: list[tuple[str, Answer]]
    reports: list[Report]

    @initialize(
        fee=st.sampled_from([(TENTH, None), (TENTH, "BNB"), (Rate(0), None)]), wanted=st.sampled_from(WISHES)
    )
    def begin(self, fee: tuple[Rate, str | None], wanted: Settings) -> None:
        rate, asset = fee
        plain = workbench(wanted, FEES if rate else FREE, Exchange(info(), rate, asset))
        self.bench = Audited(plain.engine, plain.exchange)
        self.bench.last = parse_price("2683.80")
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
        self.bench.now += pause
        self.bench.trade(self.bench.last * (10_000 + move) // 10_000 // 10**6 * 10**6)
        if smooth:
            self.bench.settle()

    @rule(moves=st.lists(st.integers(-40, 40), min_size=3, max_size=12))
    def trades(self, moves: list[int]) -> None:
        for move in moves:
            self.trade(move, 200, True)

    @rule(pause=st.sampled_from([500, 4_000, 30_000, 70_000]))
    def wait(self, pause: int) -> None:
        self.bench.now += pause
        self.bench.step(Woke())

    @precondition(lambda self: self.bench.exchange.open())
    @rule(pick=picks, share=st.integers(1, 9))
    def fill_in_part(self, pick: int, share: int) -> None:
        orders = self.bench.exchange.open()
        order = orders[pick % len(orders)]
        step = self.bench.exchange.rules.filters.step_size
        part = order.rest * share // 10 // step * step
        if part:
            self.bench.exchange.fill(order, part, order.intent.price, self.bench.now)

    @precondition(lambda self: self.bench.exchange.open())
    @rule(
        pick=picks,
        status=st.sampled_from([OrderStatus.EXPIRED, OrderStatus.EXPIRED_IN_MATCH, OrderStatus.CANCELED]),
    )
    def end_at_the_exchange(self, pick: int, status: OrderStatus) -> None:
        orders = self.bench.exchange.open()
        self.bench.exchange.end(orders[pick % len(orders)], status, self.bench.now)

    # The wire

    @precondition(lambda self: self.bench.wire)
    @rule(pick=picks, answered=st.sampled_from(["now", "late", "never", "timeout first"]))
    def arrive(self, pick: int, answered: str) -> None:
        frame = self.bench.wire.pop(pick % len(self.bench.wire))
        answer = self.bench.arrive(frame)
        match answered:
            case "now":
                self.bench.step(Answered(frame.client_order_id, answer))
            case "never":
                self.bench.step(Answered(frame.client_order_id, Unknown("connection lost")))
            case "timeout first":
                self.bench.step(Answered(frame.client_order_id, Unknown("timeout")))
                self.answers.append((frame.client_order_id, answer))
            case _:
                self.answers.append((frame.client_order_id, answer))

    @precondition(lambda self: self.answers)
    @rule(pick=picks)
    def answer_late(self, pick: int) -> None:
        client_order_id, answer = self.answers.pop(pick % len(self.answers))
        self.bench.step(Answered(client_order_id, answer))

    @precondition(lambda self: self.bench.wire)
    @rule(pick=picks)
    def lose_a_frame(self, pick: int) -> None:
        frame = self.bench.wire.pop(pick % len(self.bench.wire))
        self.bench.step(Answered(frame.client_order_id, Unknown("connection lost")))

    @precondition(lambda self: self.bench.wire)
    @rule(pick=picks)
    def never_send(self, pick: int) -> None:
        frame = self.bench.wire.pop(pick % len(self.bench.wire))
        self.bench.step(Answered(frame.client_order_id, Unsent("connection closed")))

    @precondition(lambda self: self.bench.wire)
    @rule(pick=picks, kind=st.sampled_from(list(Refusal)))
    def refuse(self, pick: int, kind: Refusal) -> None:
        frame = self.bench.wire.pop(pick % len(self.bench.wire))
        self.bench.step(Answered(frame.client_order_id, Refused(kind, -1, f"no: {kind}")))

    @precondition(lambda self: self.bench.exchange.outbox)
    @rule(pick=picks, keep=st.booleans(), heard=st.booleans())
    def report(self, pick: int, keep: bool, heard: bool) -> None:
        """In any order, once or again and again, or never."""
        outbox = self.bench.exchange.outbox
        report = outbox[pick % len(outbox)]
        if not keep:
            outbox.remove(report)
        if heard:
            self.bench.step(Reported(report.client_order_id, report))

    @precondition(lambda self: self.bench.wanting())
    @rule(pick=picks)
    def serve(self, pick: int) -> None:
        wanting = self.bench.wanting()
        self.bench.serve(wanting[pick % len(wanting)])

    @precondition(lambda self: unknown(self.bench))
    @rule(pick=picks, looks=st.integers(1, LOOKS))
    def look_in_vain(self, pick: int, looks: int) -> None:
        """What exists may not be found for a while, but never behind the fence."""
        orders = unknown(self.bench)
        order = orders[pick % len(orders)]
        time = min(self.bench.now, (order.fence or 0) + GRACE)
        for _ in range(looks):
            self.bench.step(Missing(order.client_order_id, time, GRACE))

    # Wishes

    @rule(
        status=st.sampled_from(list(Status)),
        wanted=st.sampled_from([None, None, *WISHES]),
        keep=st.booleans(),
        cancel=st.sampled_from([frozenset(), frozenset({Side.BUY}), frozenset(Side)]),
    )
    def wish(self, status: Status, wanted: Settings | None, keep: bool, cancel: frozenset[Side]) -> None:
        cancel = cancel if status is Status.OFF else frozenset()
        self.bench.direct(status, wanted, keep_buys=keep and status is Status.SHUTDOWN, cancel=cancel)

    @rule()
    def start(self) -> None:
        self.bench.direct(Status.ON)
        self.bench.step(Activated())

    @rule(slots=st.booleans())
    def limit(self, slots: bool) -> None:
        self.bench.slots = slots

    @rule(reason=st.sampled_from([None, None, "away"]))
    def block(self, reason: str | None) -> None:
        self.bench.step(Blocked(BlockedBy.EXCHANGE, reason))

    @rule(halted=st.sampled_from([None, None, HALT, replace(HALT, keep_buys=True)]), account=st.booleans())
    def halt(self, halted: Halt | None, account: bool) -> None:
        self.bench.step(Halted(halted, account))

    @rule(active=st.sampled_from([True, True, False]))
    def activate(self, active: bool) -> None:
        self.bench.step(Activated() if active else Deactivated())

    @precondition(lambda self: any(isinstance(t.phase, Holding) for t in self.bench.traders))
    @rule(pick=picks, adopt=st.sampled_from([True, True, False]))
    def free(self, pick: int, adopt: bool) -> None:
        held = [t.number for t in self.bench.traders if isinstance(t.phase, Holding)]
        self.bench.step(Released(held[pick % len(held)], adopt))

    @precondition(lambda self: self.bench.traders)
    @rule(pick=picks, share=st.integers(1, 10))
    def write_off(self, pick: int, share: int) -> None:
        """A part of what a trader has, or all of it, but for what its sell offers: that is at the exchange."""
        trader = self.bench.traders[pick % len(self.bench.traders)]
        loose = position(trader).quantity
        if isinstance(trader.phase, Selling):
            sell = self.bench.order(trader.number, Side.SELL, trader.sells)
            loose = Quantity(loose - sell.intent.quantity + sell.executed)
        if loose * share >= 10:
            self.bench.step(Lost(trader.number, Quantity(loose * share // 10)))

    @precondition(lambda self: self.bench.traders)
    @rule(share=st.integers(1, 10))
    def miss_coins(self, share: int) -> None:
        """Some of all coins are said to be missing; what rests at the exchange is there."""
        self.bench.step(Blocked(BlockedBy.COINS, "coins are missing"))
        held = sum(position(trader).quantity for trader in self.bench.traders)
        self.bench.step(CoinsWrittenOff(Quantity(held * share // 10), "written off"))

    @rule()
    def reconcile(self) -> None:
        self.bench.reconcile()

    @rule(rules=st.sampled_from(RULES), heard=st.booleans())
    def change_rules(self, rules: Filters, heard: bool) -> None:
        """The exchange changes what an order may be, also under what rests; it tells us, or not yet."""
        self.bench.exchange.rules = info(rules)
        if heard:
            self.inform()

    @rule()
    def inform(self) -> None:
        self.bench.step(Informed(self.bench.exchange.rules, self.bench.leader.fees))

    @rule(arrived=st.booleans())
    def restart(self, arrived: bool) -> None:
        """Whether or not what was on its way arrives, a new process hears no answer to it."""
        for frame in self.bench.wire if arrived else ():
            self.bench.arrive(frame)
        self.bench.wire.clear()
        self.answers.clear()
        self.bench.restart()

    # What must hold

    @invariant()
    def everything_holds(self) -> None:
        if hasattr(self, "bench"):
            check(self.bench)

    def teardown(self) -> None:
        """Once the wire is well, a drain ends by itself and the books agree with the exchange."""
        if not hasattr(self, "bench"):
            return
        at_work = self.bench
        self.change_rules(filters(), heard=True)
        at_work.step(Blocked(BlockedBy.EXCHANGE, None))
        at_work.step(Halted(HALT))  # which holds no drain back
        at_work.direct(Status.SHUTDOWN)
        at_work.step(Activated())
        unanswered = [*(frame.client_order_id for frame in at_work.wire), *(name for name, _ in self.answers)]
        for client_order_id in unanswered:
            at_work.step(Answered(client_order_id, Unknown("connection lost")))
        at_work.wire.clear()
        for _ in range(20):
            for trader in at_work.traders:
                if isinstance(trader.phase, Holding):
                    at_work.step(Released(trader.number, adopt=True))
            at_work.settle()
            at_work.reconcile()
            at_work.settle()
            if not at_work.traders:
                break
            sells = [t.phase.intent.price for t in at_work.traders if isinstance(t.phase, Selling)]
            at_work.now += WINDOW + GRACE + 1
            at_work.trade(max(sells, default=at_work.last) + SCALE)
        assert at_work.leader.status is Status.OFF
        assert at_work.traders == ()
        at_work.settle()
        check(at_work)
        check_quiet(at_work)
        exchange, leader = at_work.exchange, at_work.leader
        assert exchange.open() == []
        lots = together(leader.lots)
        assert exchange.base == leader.owed.quantity + lots.quantity + at_work.written_off
        assert exchange.quote - Exchange(info()).quote == leader.profit - leader.owed.cost - lots.cost


AnySequence.TestCase.settings = bounds(
    max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)
test_any_sequence_of_events_leaves_nothing_lost_doubled_or_stuck = AnySequence.TestCase
