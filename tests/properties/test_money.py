"""What is promised about money, on any market: any tick, step and least order, any prices, rules that change.

The second book of ``tests/support/ledger.py`` is kept from the exchange's fills, in exact fractions.
"""

from fractions import Fraction

from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st
from msgspec.structs import replace

from naived.core.amount import SCALE, Money, Price, Quantity, Rate
from naived.core.engine import Engine
from naived.core.market import Filters
from naived.core.orders.intent import Side
from naived.core.orders.report import OrderStatus
from naived.core.strategy.formulas import Fees, untradable
from naived.core.strategy.leader_events import Activated, Informed
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.core.strategy.trader_state import Waiting
from tests.support.engine import Workbench, check, check_quiet
from tests.support.ledger import Audited, tied
from tests.support.market import Exchange, info

RICH = Money(10**32)
FEE = st.sampled_from([Rate(0), Rate(75_000), Rate(100_000), Rate(1_000_000)])

quick = bounds(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
rates = st.one_of(st.integers(1, 10**6), st.integers(1, 2 * 10**7)).map(Rate)  # up to 1 %, up to 20 %


@st.composite
def prices(draw: st.DrawFn) -> int:
    """From one unit of 10^-8 up to 10^9, any number of digits."""
    return draw(st.integers(1, 999)) * 10 ** draw(st.integers(0, 14))


@st.composite
def rules(draw: st.DrawFn, price: int) -> Filters:
    """Any that a price of this size can be traded under; the tick may be as large as the price."""
    tick = 10 ** draw(st.integers(0, len(str(price)) - 1))
    step = 10 ** draw(st.integers(0, 11))
    return Filters(
        tick_size=Price(tick),
        min_price=Price(tick),
        max_price=Price(0),
        step_size=Quantity(step),
        min_quantity=Quantity(step * draw(st.sampled_from([1, 1, 5]))),
        max_quantity=Quantity(draw(st.sampled_from([0, 10**18 // step * step]))),
        min_notional=Money(draw(st.sampled_from([0, 10_000, 5 * SCALE, 10 * SCALE]))),
        max_notional=Money(0),
    )


def enough(price: int, filters: Filters) -> int:
    """Quote money that a buy and the sell of what it buys can be made with, generously."""
    coins = max(filters.min_quantity, filters.step_size, 1)
    return 3 * max(price * coins // SCALE + 1, filters.min_notional, 100)


@st.composite
def wishes(draw: st.DrawFn, price: int, filters: Filters) -> Settings:
    chunks = draw(st.integers(1, 6))
    share = enough(price, filters) * draw(st.sampled_from([1, 1, 2, 7, 1000]))
    return Settings(
        chunks,
        Money(share * chunks + draw(st.integers(0, share))),
        draw(rates | st.just(Rate(0))),
        draw(rates),
        draw(rates),
        draw(rates | st.just(Rate(0))),
    )


def begin(wanted: Settings, fee: Rate, filters: Filters, asset: str | None = None) -> Audited:
    exchange = Exchange(info(filters), fee, asset, quote=RICH)
    leader = Leader(exchange.rules, Fees(fee, fee), DesiredState(wanted, Status.ON), active=True)
    return Audited(Engine(leader, epoch=1), exchange)


def on_tick(price: int, of: Workbench) -> int:
    tick = of.exchange.rules.filters.tick_size
    return max(price // tick, 1) * tick


def balanced(of: Workbench) -> None:
    """The exchange's balances are what the symbol says it holds, sold and earned, to the last unit."""
    check(of)
    check_quiet(of)


@st.composite
def symbols(draw: st.DrawFn) -> tuple[int, Audited]:
    """A symbol that is on, and a price for it."""
    price = draw(prices())
    filters = draw(rules(price))
    price = max(price // filters.tick_size, 1) * filters.tick_size
    return price, begin(draw(wishes(price, filters)), draw(FEE), filters, draw(st.sampled_from([None, "BNB"])))


@quick
@given(start=symbols(), data=st.data())
def test_at_a_constant_price_a_trader_buys_once_and_nothing_is_cancelled(
    start: tuple[int, Audited], data: st.DataObject
) -> None:
    price, cycle = start
    cycle.market(*[price] * 6)
    if data.draw(st.booleans()):
        finer = data.draw(rules(cycle.exchange.rules.filters.tick_size))
        cycle.exchange.rules = info(finer)
        cycle.step(Informed(cycle.exchange.rules, cycle.leader.fees))
    cycle.market(*[price] * 6)
    intents = [order.intent for order in cycle.journal.orders.values()]
    assert len({(intent.trader, intent.side) for intent in intents}) == len(intents)
    assert not any(order.cancelling for order in cycle.journal.orders.values())
    balanced(cycle)


@st.composite
def moves(draw: st.DrawFn) -> list[tuple[str, int]]:
    kind = st.sampled_from(
        ["trade"] * 9
        + ["fall", "fall", "up", "up", "fewer", "part", "rules", "settings", "status", "end", "restart", "cancel"]
    )
    return draw(st.lists(st.tuples(kind, st.integers(0, 10**6)), min_size=5, max_size=50))


def disturb(of: Audited, price: int, first: int, move: tuple[str, int], data: st.DataObject) -> int:
    """One thing that happens; the price after it."""
    kind, size = move
    match kind:
        case "trade":
            moved = price * (70 + size % 61) // 100 + size % 3
            price = on_tick(min(max(moved, first // 10), first * 10), of)
            of.market(price)
        case "fall":
            lowest = min([order.intent.price for order in of.exchange.open(Side.BUY)], default=price)
            price = on_tick(max(min(price, lowest) * 9 // 10 - 1, first // 10), of)
            of.market(price)
        case "up" if of.exchange.open(Side.SELL):
            price = on_tick(max(order.intent.price for order in of.exchange.open(Side.SELL)), of) + 1
            of.market(price)
        case "fewer":
            of.direct(of.leader.desired.status, replace(of.leader.settings, chunks=1))
        case "part" if of.exchange.open():
            resting = of.exchange.open()
            order = resting[size % len(resting)]
            step = of.exchange.rules.filters.step_size
            part = order.rest * (1 + size % 9) // 10 // step * step
            if part:
                of.exchange.fill(order, part, order.intent.price, of.now)
        case "rules":
            of.exchange.rules = info(data.draw(rules(price)))
            of.step(Informed(of.exchange.rules, of.leader.fees))
        case "settings":
            of.direct(of.leader.desired.status, data.draw(wishes(first, of.exchange.rules.filters)))
        case "status":
            status = list(Status)[size % 3]
            cancel = [frozenset[Side](), frozenset({Side.BUY}), frozenset(Side)][size // 3 % 3]
            of.direct(status, cancel=cancel if status is Status.OFF else frozenset())
        case "end" if of.exchange.open():
            resting = of.exchange.open()
            ended = [OrderStatus.EXPIRED, OrderStatus.CANCELED, OrderStatus.EXPIRED_IN_MATCH][size % 3]
            of.exchange.end(resting[size % len(resting)], ended, of.now)
        case "restart":
            of.restart()
        case _:
            of.now += 70_000
    of.settle()
    return price


@quick
@given(start=symbols(), steps=moves(), data=st.data())
def test_no_coin_is_lost_or_sold_below_its_own_price_whatever_happens(
    start: tuple[int, Audited], steps: list[tuple[str, int]], data: st.DataObject
) -> None:
    first, cycle = start
    price = first
    for move in steps:
        price = disturb(cycle, price, first, move, data)
        check(cycle)
    balanced(cycle)


def joins(of: Audited, price: int) -> None:
    """While the price falls one more trader buys at each step, until chunks or budget are used up."""
    settings = of.leader.settings
    assert settings.budget is not None
    for _ in range(settings.chunks + 1):
        limits = [order.intent.price for order in of.journal.orders.values() if order.intent.side is Side.BUY]
        rebuy = max([settings.rebuy, *(trader.terms.rebuy for trader in of.traders)])
        lowest = min(price, *limits[-20:], price)
        price = on_tick(lowest * (SCALE - rebuy) // SCALE - 1, of)
        if price >= lowest:
            return  # one tick is the lowest price: it cannot fall
        before = spending(of)
        of.market(price, price)
        room = settings.budget - tied(of)
        if spending(of) >= settings.chunks:
            return
        if spending(of) == before:
            share = min(Fraction(settings.budget, settings.chunks), room)
            filters = of.exchange.rules.filters
            failed = untradable(
                Price(price), Money(int(share)), 1, settings.buy_down, settings.profit, of.leader.fees, filters
            )
            assert failed, f"{of.phases} with {room} of {settings} at {price}"
            return
    raise AssertionError(of.phases)


def spending(of: Workbench) -> int:
    """Traders that buy or have bought, and count in the chunks."""
    return sum(not (trader.sells_lots or isinstance(trader.phase, Waiting)) for trader in of.traders)


@quick
@given(start=symbols(), steps=moves(), data=st.data())
def test_a_symbol_with_room_and_free_chunks_always_joins_a_falling_price(
    start: tuple[int, Audited], steps: list[tuple[str, int]], data: st.DataObject
) -> None:
    first, cycle = start
    price = first
    crowd = [("fall", 0)] * 4 + [("up", 0), ("fewer", 0)] if data.draw(st.booleans()) else []
    for move in (*steps, *crowd):
        price = disturb(cycle, price, first, move, data)
    fine = replace(cycle.exchange.rules.filters, tick_size=Price(max(price // 10**6, 1)))
    cycle.exchange.rules = info(fine)
    cycle.step(Informed(cycle.exchange.rules, cycle.leader.fees))
    cycle.direct(Status.ON)
    cycle.step(Activated())
    cycle.now += 70_000
    cycle.settle()
    joins(cycle, price)
    balanced(cycle)
