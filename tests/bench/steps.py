"""One step of the engine and the band that follows it, by kind of event, on a stream with hundreds of fills.

Beside the median of a kind stands the least time of one such step that is repeated: it needs no quiet machine, and
leaves out what the processor has to fetch anew for a step that comes once.
"""

import itertools
import time
import timeit
from collections import defaultdict
from collections.abc import Iterator
from statistics import median

from msgspec.structs import replace

from naived.core import engine as core
from naived.core.amount import Amount, Money, Price, Quantity, parse_price
from naived.core.engine import Changes, Engine, Event
from naived.core.market import Trade
from naived.core.orders.intent import Side
from naived.core.orders.report import Accepted, Fill, OrderStatus, Report
from naived.core.orders.state import Admitted, Answered, OrderState, Reported
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.settings import DesiredState, Status
from naived.core.strategy.trader_state import Directed, Traded, Woke
from tests.bench.worlds import sellers, settings

_CYCLES = 12
_PARTS = 20  # fills of one order
_REPEATED, _TIMES = 4, 1_500  # so short that one of them is not interrupted
_FIRST = parse_price("2683.80")


class _Stream:
    """A symbol that trades cycle after cycle: each order is answered, filled in parts, and succeeded."""

    def __init__(self) -> None:
        plain = sellers(living=0)
        self.engine = Engine(Leader(plain.info, plain.fees, DesiredState(settings(), Status.ON), active=True), 1)
        self.times: dict[str, list[float]] = defaultdict(list)
        self.steps: dict[str, list[tuple[Engine, Event, int]]] = defaultdict(list)
        self._ids = map("n1test-{:026}".format, itertools.count(1))
        self._now = 1_000
        self._trades = 10**9  # above the ids of all fills: a successor acts on a later trade only

    def step(self, kind: str, event: Event) -> list[str]:
        """One event and its admissions, timed together; the client order ids that are to be sent."""
        engine = self.engine
        drawn = itertools.islice(self._ids, max(0, engine.ids_needed - len(engine.ids)))
        engine = replace(engine, ids=(*engine.ids, *drawn))
        self._now += 1
        began = time.perf_counter()
        self.engine, changes = _step(engine, event, self._now)
        self.times[kind].append(time.perf_counter() - began)
        self.steps[kind].append((engine, event, self._now))
        return changes.sends

    def trade(self, kind: str, price: int) -> list[str]:
        self._trades += 1
        return self.step(kind, Traded(Trade(self._trades, Price(price), Quantity(10**8), self._now)))

    def fill(self, client_order_id: str) -> list[str]:
        """The exchange takes the order, then fills it in parts; what its last fill has sent."""
        order = self.engine.orders[client_order_id]
        side = order.intent.side
        number = int(client_order_id.rpartition("-")[2])
        accepted = Accepted(_report(order, number, OrderStatus.NEW, ()))
        self.step("an order is accepted", Answered(client_order_id, accepted))
        part = order.intent.quantity // _PARTS
        sends: list[str] = []
        for index in range(1, _PARTS + 1):
            last = index == _PARTS
            quantity = order.intent.quantity - part * (_PARTS - 1) if last else part
            fill = _fill(order, number, number * 1_000 + index, quantity)
            status = OrderStatus.FILLED if last else OrderStatus.PARTIALLY_FILLED
            done = order.intent.quantity if last else part * index
            kind = f"the last fill of a {side}" if last else f"a fill of a {side}"
            sends += self.step(kind, Reported(client_order_id, _report(order, number, status, (fill,), done)))
        return sends

    def live(self) -> None:
        """Cycles on top of traders that have bought, and wait to sell."""
        price = int(_FIRST)
        for _ in range(3):
            (buy,) = self.trade("a trade decides a buy", price)
            self.fill(buy)
            price = price * 99 // 100
        for _ in range(_CYCLES):
            sends = self.trade("a trade decides a buy", price)
            (sell,) = self.fill(sends[0])
            self.trade("a trade outside the band changes nothing", price * 2)
            self.step("time passes", Woke())
            self.step("a person sets the same again", Directed(self.engine.leader.desired))
            self.fill(sell)


def _step(engine: Engine, event: Event, now: int) -> tuple[Engine, Changes]:
    after, changes = core.step(engine, event, now)
    for client_order_id in changes.admits:
        after, more = core.step(after, Admitted(client_order_id, now, 5_000, 1), now)
        changes.extend(more)
    if after is not engine:
        after.band  # noqa: B018 - what the price gate is set to
    return after, changes


def _least(engine: Engine, event: Event, now: int) -> float:
    runs = timeit.repeat(lambda: _step(engine, event, now), number=_REPEATED, repeat=_TIMES)
    return min(runs) / _REPEATED


def _report(order: OrderState, number: int, status: OrderStatus, fills: tuple[Fill, ...], done: int = 0) -> Report:
    intent = order.intent
    return Report(
        intent.symbol,
        number,
        order.client_order_id,
        intent.side,
        intent.price,
        intent.quantity,
        status,
        Quantity(done),
        order.created_at,
        order.created_at,
        fills,
    )


def _fill(order: OrderState, number: int, trade_id: int, quantity: int) -> Fill:
    intent = order.intent
    quote = Money(intent.price * quantity // 10**8)
    buys = intent.side is Side.BUY
    fee = Amount((quantity if buys else quote) // 1_000)
    asset = "ETH" if buys else "USDT"
    return Fill(
        intent.symbol, number, trade_id, intent.price, Quantity(quantity), quote, fee, asset, True, order.created_at
    )


def measure() -> Iterator[str]:
    runs = []
    for _ in range(5):
        stream = _Stream()
        stream.live()
        runs.append(stream.times)
    for kind in runs[0]:
        times = [each for times in runs for each in times[kind]]
        same = stream.steps[kind]
        least = _least(*same[len(same) // 2])
        yield f"{median(times) * 1e6:8.1f} us  {kind} ({len(times)}); repeated {least * 1e6:.1f} us"
