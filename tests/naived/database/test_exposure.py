"""The account's exposure is counted in the transaction of each new buy, whichever symbol comes first."""

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st
from msgspec.structs import replace

from naived.core.amount import Money, Quantity, parse_money, value_up
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.state import OrderState, State
from naived.core.risk import Exposure, Halt, HaltedBy, OverLimit, Worth
from naived.core.strategy.formulas import Bought
from naived.core.strategy.leader_events import Halted
from naived.core.strategy.settings import DesiredState, Status
from naived.core.strategy.sizing import terms_of
from naived.core.strategy.trader_state import Buying, Trader
from naived.database import leases
from naived.database.account_rows import account
from naived.database.deployment import enter
from naived.database.engine import Role, open_engine, parse_url
from naived.database.fence import lock_account, take_turn
from naived.database.leases import Seat
from naived.database.queries import load, orders_page
from naived.database.schema import metadata
from naived.database.store import Store
from naived.nodes import Member
from naived.ports import ConflictError, Page, Unit
from tests.support.market import FEES, START, settings

SYMBOLS = ("AUSDT", "BUSDT", "CUSDT")


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = open_engine(parse_url(database_url), Role.WRITE)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def other(engine: sa.Engine) -> Iterator[sa.Engine]:
    """Another node's connection."""
    other = open_engine(engine.url, Role.WRITE)
    yield other
    other.dispose()


def a_buy(symbol: str, number: int, money: int, held: int) -> Unit:
    """A new buy for so much money, of a symbol that has ``held`` tied up already."""
    intent = OrderIntent(symbol, number, Side.BUY, 1, parse_money("1"), Quantity(money))  # type: ignore[arg-type]
    order = OrderState(intent, f"n1-{symbol}-{number}", "", 1, decided_at=START, created_at=START, updated_at=START)
    trader = Trader(
        symbol, number, terms_of(settings(), FEES), Buying(intent, Bought(intent.price), intent.price), START, START
    )
    exposed = Exposure("USDT", Money(held + value_up(intent.price, intent.quantity)))
    return Unit(symbol, traders=(replace(trader, buys=1),), orders=(order,), exposure=exposed, prices={})


buys = st.lists(st.tuples(st.sampled_from(SYMBOLS), st.integers(1, 60)), min_size=1, max_size=12)


@bounds(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(buys=buys, limit=st.integers(1, 200), groups=st.lists(st.integers(1, 5), min_size=12, max_size=12))
def test_no_order_of_commits_brings_the_exposure_above_its_limit(
    engine: sa.Engine, buys: list[tuple[str, int]], limit: int, groups: list[int]
) -> None:
    with engine.begin() as connection:  # what the example before left
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    store, one = Store(engine, enter(engine).epoch), parse_money("1")
    store.apply([Unit("", limits={"max_exposure": Money(limit * one)})])
    store.apply([Unit(symbol, desired=DesiredState(settings(), Status.ON)) for symbol in SYMBOLS])
    held = dict.fromkeys(SYMBOLS, 0)
    waiting = list(enumerate(buys, 1))
    for size in groups:
        group, waiting = waiting[:size], waiting[size:]
        if not group:
            break
        units, ahead = [], dict(held)
        for number, (symbol, money) in group:
            units.append(a_buy(symbol, number, money * one, ahead[symbol]))
            ahead[symbol] += money * one  # memory is ahead of the journal
        for outcome, (_, (symbol, money)) in zip(store.apply(units), group, strict=True):
            if isinstance(outcome, OverLimit):
                assert outcome.client_order_ids
                assert "max-exposure" in outcome.reason
            else:
                held[symbol] += money * one
        with engine.connect() as connection:
            stored = [row.order for row in orders_page(connection, Page())]
        placed = sum(value_up(order.intent.price, order.intent.quantity) for order in stored)
        assert placed == sum(held.values()) <= limit * one
        for symbol in SYMBOLS:  # what was left out is told to the engine, which writes what is really so
            store.apply([Unit(symbol, exposure=Exposure("USDT", Money(held[symbol])))])


def test_a_refused_buy_leaves_no_order_and_no_trader_and_the_same_one_is_refused_again(engine: sa.Engine) -> None:
    store = Store(engine, enter(engine).epoch)
    store.apply([Unit("", limits={"max_exposure": parse_money("10")})])
    store.apply([Unit("AUSDT", desired=DesiredState(settings(), Status.ON))])
    unit = a_buy("AUSDT", 1, parse_money("11"), 0)
    for _ in range(2):
        (outcome,) = store.apply([unit])
        assert isinstance(outcome, OverLimit)
    (ended,) = unit.orders
    refused = replace(ended, state=State.REJECTED)
    waiting = replace(unit.traders[0], phase=replace(unit.traders[0].phase, cancelling=True))
    after = Unit("AUSDT", traders=(waiting,), orders=(refused,), exposure=Exposure("USDT"), prices={})
    assert store.apply([after]) == [None]
    with engine.connect() as connection:
        (record,) = load(connection, None, START)
    assert record.exposure == Exposure("USDT")


def test_a_buy_that_the_exchange_has_is_written_whatever_the_limit_says(engine: sa.Engine) -> None:
    """A failover may have lost its row; a new buy in the same commit is left out alone."""
    store = Store(engine, enter(engine).epoch)
    store.apply([Unit("", limits={"max_exposure": parse_money("10")})])
    store.apply([Unit("AUSDT", desired=DesiredState(settings(), Status.ON))])
    new = a_buy("AUSDT", 2, parse_money("1"), parse_money("11"))
    found = a_buy("AUSDT", 1, parse_money("11"), 0)
    (order,) = found.orders
    both = replace(
        new,
        traders=found.traders + new.traders,
        orders=(replace(order, state=State.OPEN, attempt=1, order_id=7), *new.orders),
    )
    (outcome,) = store.apply([both])
    assert isinstance(outcome, OverLimit)
    assert outcome.client_order_ids == (new.orders[0].client_order_id,)
    with engine.connect() as connection:
        (record,) = load(connection, None, START)
    assert [trader.number for trader in record.traders] == [1]
    assert [each.order_id for each in record.orders] == [7]
    assert record.exposure == Exposure("USDT", parse_money("11"))


def test_without_a_limit_nothing_is_counted(engine: sa.Engine) -> None:
    store = Store(engine, enter(engine).epoch)
    store.apply([Unit("AUSDT", desired=DesiredState(settings(), Status.ON))])
    assert store.apply([a_buy("AUSDT", 1, parse_money("11"), 0)]) == [None]


def halted(halt: Halt | None) -> Unit:
    return Unit("", halt=Halted(halt, account=True))


HALT = Halt("news", HaltedBy.PERSON, START)


def begun(engine: sa.Engine) -> Store:
    metadata.create_all(engine)
    store = Store(engine, enter(engine).epoch)
    store.apply([Unit("AUSDT", desired=DesiredState(settings(), Status.ON))])
    return store


def to_send(unit: Unit) -> Unit:
    (order,) = unit.orders
    return replace(unit, orders=(replace(order, state=State.INTENDED, attempt=1),), prices=None)


def states(engine: sa.Engine) -> list[State]:
    with engine.connect() as connection:
        return [row.order.state for row in orders_page(connection, Page())]


def test_no_buy_is_to_be_sent_behind_a_halt_of_the_account_until_it_has_ended(engine: sa.Engine) -> None:
    store = begun(engine)
    unit = to_send(a_buy("AUSDT", 1, parse_money("5"), 0))
    _, over = store.apply([halted(HALT), unit])
    assert isinstance(over, OverLimit)
    assert over.reason == "the account is halted by hand: news"
    assert states(engine) == []
    assert store.apply([halted(None), unit]) == [None, None]
    assert states(engine) == [State.INTENDED]


def test_an_exposure_that_cannot_be_read_keeps_others_from_buying_alone_and_is_named(sqlite_url: str) -> None:
    engine = open_engine(parse_url(sqlite_url), Role.WRITE)
    store = begun(engine)
    store.apply([Unit(name, desired=DesiredState(settings(), Status.ON)) for name in SYMBOLS[1:]])
    store.apply([Unit("", limits={"max_exposure": parse_money("100")})])
    buy, after = a_buy("AUSDT", 1, parse_money("5"), 0), Unit("AUSDT", next_trader=9)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE settings SET exposure = 'much' WHERE symbol = 'BUSDT'")
    over, written = store.apply([replace(buy, next_trader=2), after])
    assert isinstance(over, OverLimit)
    assert "table settings, symbol BUSDT: 'much' is not a plain decimal. Was it changed by hand" in over.reason
    assert written is None
    assert states(engine) == []
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE settings SET exposure = '0' WHERE symbol = 'BUSDT'")
        connection.exec_driver_sql("UPDATE limits SET max_exposure = 'much'")
    (over,) = store.apply([buy])
    assert isinstance(over, OverLimit)
    assert "table limits: 'much'" in over.reason
    store.apply([Unit("", limits={"max_exposure": parse_money("100")})])
    assert store.apply([buy]) == [None]
    engine.dispose()


def test_a_halt_that_cannot_be_read_halts_and_is_named(sqlite_url: str) -> None:
    engine = open_engine(parse_url(sqlite_url), Role.WRITE)
    store = begun(engine)
    store.apply([halted(HALT)])
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE halts SET since = 'then'")
    buy = to_send(a_buy("AUSDT", 1, parse_money("5"), 0))
    (over,) = store.apply([buy])
    assert isinstance(over, OverLimit)
    assert "table halts: Invalid isoformat string: 'then'. Was it changed by hand" in over.reason
    assert states(engine) == []
    assert store.apply([halted(None), buy]) == [None, None]
    engine.dispose()


def test_a_buy_that_waited_for_the_order_limit_is_not_sent_in_a_halt_one_in_flight_is_followed(
    engine: sa.Engine,
) -> None:
    store = begun(engine)
    waiting = replace(a_buy("AUSDT", 1, parse_money("5"), 0), prices=None)
    in_flight = replace(to_send(a_buy("AUSDT", 2, parse_money("5"), parse_money("5"))))
    assert store.apply([waiting, in_flight, halted(HALT)]) == [None, None, None]
    (order,) = in_flight.orders
    cancelling = replace(in_flight, orders=(replace(order, state=State.INTENDED, cancelling=True),))
    admitted = replace(to_send(waiting), exposure=None)
    over, followed = store.apply([admitted, cancelling])
    assert isinstance(over, OverLimit)
    assert followed is None
    assert states(engine) == [State.NOT_PLACED, State.INTENDED]
    with engine.connect() as connection:
        (record,) = load(connection, None, START)
    assert record.exposure.money == parse_money("10"), "the order that is not sent still counts until it ends"


OF_DAY = Halt("lost", HaltedBy.LIMIT, START, until=START + 1)
OF_DRAWDOWN = Halt("lost", HaltedBy.LIMIT, START)
WORTH = Worth("USDT", Money(0), 0, Money(0), Money(0))


@pytest.mark.parametrize(
    ("before", "halt", "taken"),
    [
        (None, OF_DAY, True),
        (OF_DAY, None, True),
        (OF_DAY, OF_DRAWDOWN, True),
        (OF_DRAWDOWN, None, False),
        (OF_DRAWDOWN, OF_DAY, False),
        (OF_DRAWDOWN, OF_DRAWDOWN, True),
        (HALT, None, False),
        (HALT, OF_DRAWDOWN, False),
        (HALT, replace(HALT, keep_buys=True), True),
        (None, HALT, False),
    ],
)
def test_a_watch_that_has_not_read_a_halt_takes_none_back_that_a_person_ends(
    engine: sa.Engine, before: Halt | None, halt: Halt | None, taken: bool
) -> None:
    store = begun(engine)
    store.apply([replace(halted(before), worth=WORTH)])
    (outcome,) = store.apply([replace(halted(halt), worth=WORTH)])
    assert isinstance(outcome, ConflictError) is not taken
    with engine.connect() as connection:
        assert account(connection).halt == (halt if taken else before)


def shared(engine: sa.Engine) -> Seat:
    """A node that has the lease of AUSDT."""
    metadata.create_all(engine)
    member = Member("alpha", "", 30_000)
    seat = Seat(member, enter(engine, None, member, shared=True).epoch, lambda: START)
    with engine.begin() as connection:
        leases.renew(seat, connection)
        assert leases.claim(seat, connection, 1, ("AUSDT",))
    return seat


Work = Callable[[sa.Connection], object]


def at_once(engine: sa.Engine, work: Work) -> None:
    """Raises OperationalError if it has to wait for a lock."""
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")
        work(connection)


@pytest.mark.parametrize("change", [lambda unit: unit, to_send])
def test_while_a_new_buy_is_written_no_halt_and_no_limit_of_the_account_is(
    engine: sa.Engine, other: sa.Engine, change: Callable[[Unit], Unit]
) -> None:
    """Also while one is that waits for its slot of the order limit: once written it is not counted again."""
    if engine.dialect.name != "postgresql":
        return  # one transaction writes at a time anyway
    seat, unit = shared(engine), change(a_buy("AUSDT", 1, parse_money("100"), 0))
    with engine.begin() as buying:
        assert take_turn(buying, {"ours": seat.epoch, "last": 0, "group": 1}, seat.member.name, [unit])
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            at_once(other, lock_account)
    turn = {"ours": seat.epoch, "last": 1, "group": 2}
    with other.begin() as limiting:
        lock_account(limiting)
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            at_once(engine, lambda buying: take_turn(buying, turn, seat.member.name, [unit]))


def test_a_sell_that_waits_for_its_slot_waits_for_no_limit_of_the_account(
    engine: sa.Engine, other: sa.Engine
) -> None:
    if engine.dialect.name != "postgresql":
        return
    seat, unit = shared(engine), a_buy("AUSDT", 1, parse_money("100"), 0)
    (order,) = unit.orders
    sell = replace(unit, orders=(replace(order, intent=replace(order.intent, side=Side.SELL)),))
    turn = {"ours": seat.epoch, "last": 0, "group": 1}
    with other.begin() as limiting:
        lock_account(limiting)
        at_once(engine, lambda selling: take_turn(selling, turn, seat.member.name, [sell]))
