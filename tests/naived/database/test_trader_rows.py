from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from naived.core.amount import Money, Price
from naived.core.strategy.formulas import Bought
from naived.core.strategy.trader_state import Buying, Finished, Selling, Trader, Waiting
from naived.database.deployment import enter
from naived.database.engine import Role, open_engine, parse_url
from naived.database.queries import cycles_page, load
from naived.database.reading import UnreadableError
from naived.database.schema import metadata
from naived.database.store import Store
from naived.database.trader_rows import RowError, trader_of, trader_row
from naived.ports import CycleRow, Page, Unit
from tests.support.database import NOW, SYMBOL, buying, desired, finishes, order, phases, traders

ON_A_DATABASE = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


SUMMED = (
    *("limit_price", "bought", "cost", "base_fees", "carried_quantity", "carried_cost"),
    *("sold", "received", "quote_fees", "sold_base_fees"),
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
    live = (order(trader.phase.intent),) if isinstance(trader.phase, Buying | Selling) else ()
    store = Store(engine, enter(engine).epoch)
    assert store.apply([Unit(SYMBOL, desired(), traders=(trader,), orders=live)]) == [None]


@ON_A_DATABASE
@given(trader=traders(phases))
def test_a_living_trader_of_any_phase_is_read_as_it_was_written(engine: sa.Engine, trader: Trader) -> None:
    written(engine, trader)
    with engine.connect() as connection:
        (record,) = load(connection, None, NOW)
    assert record.traders == (trader,)


@ON_A_DATABASE
@given(trader=traders(finishes))
def test_a_finished_trader_is_a_cycle_once_it_sold_something(engine: sa.Engine, trader: Trader) -> None:
    written(engine, trader)
    phase = trader.phase
    assert isinstance(phase, Finished)
    bought = phase.bought or Bought(Price(0))
    cycle = CycleRow(
        row=1,
        symbol=trader.symbol,
        number=trader.number,
        bought=bought.quantity,
        cost=bought.cost,
        sold=phase.sold.quantity,
        received=phase.sold.received,
        profit=phase.profit or Money(0),
        buy_fees_valued=bought.fees_valued if phase.bought else None,
        sell_fees_valued=phase.sold.fees_valued,
        started_at=trader.started_at,
        finished_at=trader.since,
        fees={},
    )
    with engine.connect() as connection:
        rows = list(cycles_page(connection, Page()))
        (record,) = load(connection, None, NOW)
        row = connection.execute(sa.select(metadata.tables["traders"])).mappings().one()
    assert record.traders == ()
    assert rows == ([] if phase.profit is None else [cycle])
    told = (
        "reason",
        "quote_fees",
        "sold_base_fees",
        "dust_quantity",
        "dust_cost",
        "carried_quantity",
        "carried_cost",
        "carried_price",
        "dust_price",
    )
    assert [row[name] for name in told] == [
        phase.reason,
        phase.sold.quote_fees,
        phase.sold.base_fees,
        phase.dust.quantity,
        phase.dust.cost,
        phase.carried.quantity,
        phase.carried.cost,
        phase.carried.price,
        phase.dust.price,
    ]


def test_an_order_that_is_missing_is_named(engine: sa.Engine) -> None:
    written(engine, buying())
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM orders")
        with pytest.raises(UnreadableError, match="trader ETHUSDT-1 is buying without its order's row"):
            load(connection, None, NOW)


def test_a_phase_that_is_not_known_is_named() -> None:
    known = dict.fromkeys(
        ("buy_fee", "sell_fee", "budget", "chunks", "buy_down_interval", "profit_interval", "rebuy_interval")
    )
    with pytest.raises(RowError, match="phase 'dreaming'"):
        trader_of({**known, "reprice_interval": 0, "symbol": SYMBOL, "number": 1, "phase": "dreaming"})


@given(trader=traders(phases))
@settings(max_examples=30, deadline=None)
def test_a_value_that_the_phase_needs_and_that_was_removed_by_hand_is_named(trader: Trader) -> None:
    """Without it a sum over all symbols would fail, and naived end."""
    row = {**trader_row(trader), "intent_price": 1, "intent_quantity": 1, "intent_ioc": False}
    trader_of(row)
    needed = [name for name in (*SUMMED, "hold", "accepted", "cancelling") if row[name] is not None]
    assert bool(needed) is not isinstance(trader.phase, Waiting)
    for name in needed:
        with pytest.raises(RowError, match=f"without {name}$"):
            trader_of({**row, name: None})
