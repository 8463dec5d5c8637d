from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from naived.core.phase import Buying, Selling, Trader
from naived.database.engine import Role, open_engine, parse_url
from naived.database.queries import cycles_page, load
from naived.database.schema import metadata
from naived.database.store import Store, enter
from naived.database.trader_rows import RowError, trader_of
from naived.ports import Page, Unit
from tests.database_values import NOW, SYMBOL, buying, finishes, phases, placement, traders, wish

ON_A_DATABASE = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = open_engine(parse_url(database_url), Role.WRITE)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


def written(engine: sa.Engine, trader: Trader) -> None:
    with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(sa.delete(table))
    live = (placement(trader.phase.intent),) if isinstance(trader.phase, Buying | Selling) else ()
    store = Store(engine, enter(engine).epoch)
    assert store.apply([Unit(SYMBOL, wish(), traders=(trader,), placements=live)]) == [None]


@ON_A_DATABASE
@given(trader=traders(phases))
def test_a_living_trader_of_any_phase_is_read_as_it_was_written(engine: sa.Engine, trader: Trader) -> None:
    written(engine, trader)
    with engine.connect() as connection:
        (record,) = load(connection, None, NOW)
    assert record.traders == (trader,)


@ON_A_DATABASE
@given(trader=traders(finishes))
def test_a_finished_trader_is_read_as_it_was_written_once_it_sold_something(
    engine: sa.Engine, trader: Trader
) -> None:
    written(engine, trader)
    with engine.connect() as connection:
        rows = cycles_page(connection, Page())
        (record,) = load(connection, None, NOW)
    assert record.traders == ()
    assert [row.trader for row in rows] == ([] if trader.phase.profit is None else [trader])


def test_an_order_that_is_missing_is_named(engine: sa.Engine) -> None:
    written(engine, buying())
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM orders")
        with pytest.raises(RowError, match="trader ETHUSDT-1 is buying without its order's row"):
            load(connection, None, NOW)


def test_a_phase_that_is_not_known_is_named() -> None:
    known = dict.fromkeys(
        ("buy_fee", "sell_fee", "budget", "chunks", "buy_down_interval", "profit_interval", "rebuy_interval")
    )
    with pytest.raises(RowError, match="phase 'dreaming'"):
        trader_of({**known, "reprice_interval": 0, "symbol": SYMBOL, "number": 1, "phase": "dreaming"})
