from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import sqlalchemy as sa

from naived.core.amount import parse_amount, parse_money
from naived.core.order import Side
from naived.core.phase import Bought, Selling
from naived.core.placement import WATCHED, Placement, State
from naived.core.settings import Status
from naived.database.engine import Role, open_engine, parse_url
from naived.database.queries import answered, cycles_page, events_page, load, orders_page
from naived.database.schema import metadata
from naived.database.store import Store, enter
from naived.ports import Page, SymbolRecord, Unit
from tests.database_values import (
    NOW,
    SYMBOL,
    buying,
    event,
    fill,
    finished,
    first_buy,
    intent,
    placement,
    trader,
    wish,
)


@dataclass(frozen=True)
class Database:
    engine: sa.Engine
    store: Store

    def write(self, *units: Unit) -> None:
        assert self.store.apply(units) == [None] * len(units)

    def read(self, query: Any, *arguments: Any) -> Any:
        with self.engine.connect() as connection:
            return query(connection, *arguments)

    def record(self, now: int = NOW) -> SymbolRecord:
        (record,) = self.read(load, SYMBOL, now)
        return record

    def current(self, now: int = NOW) -> list[Placement]:
        return list(self.record(now).placements)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    engine = open_engine(parse_url(database_url), Role.WRITE)
    metadata.create_all(engine)
    yield Database(engine, Store(engine, enter(engine).epoch))
    engine.dispose()


# Records


def test_an_empty_journal_has_no_symbols(database: Database) -> None:
    assert database.read(load, None, NOW) == []


def test_every_symbol_that_was_ever_configured_is_loaded_with_what_is_its_own(database: Database) -> None:
    database.write(first_buy("ETHUSDT", 3), first_buy("BTCUSDT", 8), Unit("XRPUSDT", wish(Status.OFF)))
    bitcoin, ether, ripple = database.read(load, None, NOW)
    assert (bitcoin.symbol, bitcoin.next_trader, bitcoin.traders) == ("BTCUSDT", 9, (buying(8, "BTCUSDT"),))
    assert (ether.symbol, ether.next_trader, ether.traders) == ("ETHUSDT", 4, (buying(3),))
    assert [order.intent.symbol for order in bitcoin.placements] == ["BTCUSDT"]
    assert (ripple.symbol, ripple.traders, ripple.placements) == ("XRPUSDT", (), ())
    assert database.read(load, "ETHUSDT", NOW) == [ether]
    assert database.read(load, "DOGEUSDT", NOW) == []


def test_a_living_trader_brings_its_latest_order_on_each_side(database: Database) -> None:
    first = placement(state=State.CANCELLED)
    bought = placement(intent(seq=2), state=State.FILLED, order_id=7, fills=(fill(1), fill(2)))
    expired = placement(intent(side=Side.SELL), state=State.EXPIRED)
    sell = placement(intent(side=Side.SELL, seq=2))
    selling = trader(phase=Selling(Bought(bought.intent.price), sell.intent))
    orders = (first, bought, expired, sell)
    database.write(Unit(SYMBOL, wish(), traders=(selling,), placements=orders, fills=bought.fills))
    assert database.current() == [bought, sell]
    assert database.record().traders == (selling,)


def test_a_finished_trader_brings_only_what_has_not_ended(database: Database) -> None:
    quarantined = placement(intent(side=Side.SELL), state=State.QUARANTINED)
    done = placement(state=State.FILLED)
    database.write(Unit(SYMBOL, wish(), traders=(finished(),), placements=(done, quarantined)))
    assert database.current() == [quarantined]
    assert database.record().traders == ()


@pytest.mark.parametrize(
    ("side", "age", "watched"),
    [(Side.BUY, WATCHED, True), (Side.BUY, WATCHED + 1, False), (Side.SELL, 0, False)],
)
def test_an_abandoned_buy_is_watched_for_a_day(database: Database, side: Side, age: int, watched: bool) -> None:
    abandoned = placement(intent(side=side), state=State.ABANDONED)
    database.write(Unit(SYMBOL, wish(), traders=(finished(profit=None),), placements=(abandoned,)))
    assert database.current(NOW + age) == ([abandoned] if watched else [])


def test_profits_are_summed_exactly_over_the_cycles_that_sold(database: Database) -> None:
    traders = (
        finished(1, profit="90000000000.00000001"),
        finished(2, profit="-0.1"),
        finished(3, profit="0.2"),
        finished(4, profit=None),
        trader(5),
    )
    database.write(Unit(SYMBOL, wish(), traders=traders))
    record = database.record()
    assert (record.cycles, record.profit) == (3, parse_money("90000000000.10000001"))


# Pages

PAGES = [
    (Page(), [0, 1, 2, 3, 4]),
    (Page(limit=2), [3, 4]),
    (Page(limit=9), [0, 1, 2, 3, 4]),
    (Page(after=1), [2, 3, 4]),
    (Page(after=1, limit=2), [2, 3]),
    (Page(after=4, limit=2), []),
    (Page(since=NOW + 2), [2, 3, 4]),
    (Page(since=NOW + 2, limit=1), [4]),
    (Page(since=NOW + 2, after=2, limit=1), [3]),
    (Page(symbols=("ETHUSDT",)), [0, 2, 4]),
    (Page(symbols=("ETHUSDT", "BTCUSDT"), limit=3), [2, 3, 4]),
    (Page(symbols=("XRPUSDT",)), []),
]


def listed(database: Database, query: Any, number: Any) -> list[tuple[Page, list[int]]]:
    """What each page of the table above gives; its ``after`` becomes the row a reader would name."""
    rows = database.read(query, Page())
    found = []
    for page, _ in PAGES:
        turned = page if page.after is None else replace(page, after=rows[page.after].row)
        found.append((page, [number(row) for row in database.read(query, turned)]))
    return found


def symbol_of(number: int) -> str:
    return "BTCUSDT" if number % 2 else "ETHUSDT"


def test_events_are_paged_oldest_first(database: Database) -> None:
    for number in range(5):
        database.write(Unit(SYMBOL, events=(event(str(number), symbol_of(number), NOW + number),)))
    assert listed(database, events_page, lambda row: int(row.event.message)) == PAGES


def test_orders_are_paged_oldest_first(database: Database) -> None:
    for number in range(5):
        unit = first_buy(symbol_of(number), number)
        made = replace(unit.placements[0], created_at=NOW + number)
        database.write(replace(unit, placements=(made,)))
    # An order that changes later stays where it is.
    database.write(Unit(SYMBOL, placements=(placement(intent(0), state=State.OPEN, order_id=7),)))
    assert listed(database, orders_page, lambda row: row.placement.intent.trader) == PAGES


def test_cycles_are_paged_in_the_order_they_finished(database: Database) -> None:
    for number in reversed(range(5)):
        database.write(Unit(symbol_of(number), wish(), traders=(trader(number, symbol=symbol_of(number)),)))
    for number in range(5):
        done = finished(number, symbol=symbol_of(number), since=NOW + number)
        database.write(Unit(done.symbol, traders=(done,)))
    # Written again, a cycle keeps its place; one that sold nothing has none.
    database.write(Unit(SYMBOL, traders=(finished(0), finished(9, profit=None))))
    assert listed(database, cycles_page, lambda row: row.trader.number) == PAGES


def test_the_fees_of_a_cycle_are_summed_by_asset_over_all_its_orders(database: Database) -> None:
    buys = (fill(1, 7), fill(2, 7))
    sells = (
        fill(3, 8, fee=parse_amount("0.1"), fee_asset="USDT"),
        fill(4, 9, fee=parse_amount("0.2"), fee_asset="USDT"),
        fill(5, 9, fee=parse_amount("0.001"), fee_asset="BNB"),
    )
    bought = placement(state=State.FILLED, order_id=7, fills=buys)
    expired = placement(intent(side=Side.SELL), state=State.EXPIRED, order_id=8)
    sold = placement(intent(side=Side.SELL, seq=2), state=State.FILLED, order_id=9)
    elsewhere = placement(intent(2), state=State.FILLED, order_id=10)
    database.write(
        Unit(
            SYMBOL,
            wish(),
            traders=(finished(1), finished(2)),
            placements=(bought, expired, sold, elsewhere),
            fills=(*buys, *sells, fill(6, 10, fee=parse_amount("7"))),
        )
    )
    first, second = database.read(cycles_page, Page())
    assert first.fees == {
        "ETH": parse_amount("0.000149"),
        "USDT": parse_amount("0.3"),
        "BNB": parse_amount("0.001"),
    }
    assert second.fees == {"ETH": parse_amount("7")}


def test_the_orders_of_a_page_come_with_their_own_fills(database: Database) -> None:
    first = placement(intent(1), state=State.FILLED, order_id=7, fills=(fill(2, 7), fill(1, 7)))
    second = placement(intent(2), state=State.FILLED, order_id=8, fills=(fill(1, 8),))
    unit = Unit(SYMBOL, wish(), traders=(finished(1), finished(2)), placements=(first, second))
    database.write(replace(unit, fills=(*first.fills, *second.fills)))
    assert [row.placement for row in database.read(orders_page, Page())] == [first, second]
    assert [row.placement for row in database.read(orders_page, Page(limit=1))] == [second]


def test_a_control_request_is_remembered_by_its_id(database: Database) -> None:
    database.write(Unit(SYMBOL, request=("c0ffee", '{"v":1}')))
    assert database.read(answered, "c0ffee") == '{"v":1}'
    assert database.read(answered, "decaf") is None
