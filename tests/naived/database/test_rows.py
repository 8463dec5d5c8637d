from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from naived.core.amount import SCALE, Money, Price, Quantity, Rate
from naived.core.orders.state import OrderState
from naived.core.strategy.formulas import Coins
from naived.core.strategy.lots import Lot
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.database.deployment import enter
from naived.database.engine import Role, open_engine, parse_url
from naived.database.queries import events_page, load, orders_page
from naived.database.schema import metadata
from naived.database.store import Store
from naived.ports import Event, Page, Unit
from tests.support.database import (
    NOW,
    SYMBOL,
    amounts,
    desired,
    lots,
    orders,
    owed,
    row_numbers,
    texts,
    times,
    trader,
)

ON_A_DATABASE = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

above_zero = st.integers(1, 10**8 - 1).map(Rate)
from_zero = st.integers(0, 10**8 - 1).map(Rate)
wishes = st.builds(
    DesiredState,
    settings=st.builds(
        Settings,
        chunks=st.integers(1, 1000),
        budget=st.none() | amounts.map(lambda amount: Money(amount + 1)),
        buy_down=from_zero,
        profit=above_zero,
        rebuy=above_zero,
        reprice=from_zero,
    ),
    status=st.sampled_from(Status),
    keep_buys=st.booleans(),
)

NOTHING_OWED = Coins(Quantity(0), Money(0))


def lot_at(price: int) -> Lot:
    return Lot(Quantity(1), Money(1), Price(price * SCALE))


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = open_engine(parse_url(database_url), Role.WRITE)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


def write(engine: sa.Engine, unit: Unit) -> None:
    with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(sa.delete(table))
    assert Store(engine, enter(engine).epoch).apply([unit]) == [None]


@ON_A_DATABASE
@given(order=orders)
def test_an_order_is_read_with_its_fills_as_it_was_written(engine: sa.Engine, order: OrderState) -> None:
    write(engine, Unit(SYMBOL, desired(), traders=(trader(),), orders=(order,), fills=order.fills))
    with engine.connect() as connection:
        (listed,) = orders_page(connection, Page())
        (record,) = load(connection, SYMBOL, NOW)
    assert listed.order == replace(order, fills=())
    assert record.orders == (order,)


@ON_A_DATABASE
@given(
    wanted=wishes,
    next_trader=row_numbers,
    kept=st.lists(lots, max_size=3, unique_by=lambda lot: lot.price),
    coins=owed,
)
@example(wanted=desired(), next_trader=1, kept=[lot_at(2), lot_at(10)], coins=NOTHING_OWED)
def test_a_symbols_settings_are_read_as_they_were_written(
    engine: sa.Engine, wanted: DesiredState, next_trader: int, kept: list[Lot], coins: Coins
) -> None:
    ordered = tuple(sorted(kept, key=lambda lot: lot.price))
    write(engine, Unit(SYMBOL, wanted, None, next_trader, ordered, coins))
    with engine.connect() as connection:
        (record,) = load(connection, SYMBOL, NOW)
    assert (record.desired, record.next_trader, record.lots, record.owed) == (wanted, next_trader, ordered, coins)


@ON_A_DATABASE
@given(event=st.builds(Event, times, st.none() | texts, texts, texts))
def test_an_event_is_read_as_it_was_written(engine: sa.Engine, event: Event) -> None:
    write(engine, Unit(SYMBOL, events=(event,)))
    with engine.connect() as connection:
        (row,) = events_page(connection, Page())
    assert row.event == event
