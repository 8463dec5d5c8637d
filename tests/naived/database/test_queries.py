from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from naived.core.amount import Money, Quantity, parse_amount, parse_money, parse_price, parse_quantity
from naived.core.orders.intent import Side
from naived.core.orders.state import WATCHED, OrderState, State
from naived.core.strategy.formulas import Bought, Sold
from naived.core.strategy.lots import NO_LOT, Lot
from naived.core.strategy.settings import Status
from naived.core.strategy.trader_state import AS_FEES, Finished, Selling
from naived.database import queries
from naived.database.deployment import enter
from naived.database.engine import Role, open_engine, parse_url
from naived.database.queries import (
    Life,
    Offer,
    answered,
    asked_since,
    cycles_page,
    events_page,
    fees_paid,
    known,
    lives_of,
    load,
    lots_of,
    orders_page,
    others,
)
from naived.database.schema import metadata
from naived.database.store import Store
from naived.nodes import Unread
from naived.ports import ConflictError, Event, Page, SymbolRecord, Unit
from tests.support.database import (
    NOW,
    SYMBOL,
    buying,
    desired,
    event,
    fill,
    finished,
    first_buy,
    intent,
    order,
    trader,
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

    def page(self, query: Any, page: Page) -> list[Any]:
        return self.read(lambda connection: list(query(connection, page)))

    def count(self, query: Any, *arguments: Any) -> tuple[Any, int]:
        """What it finds, and with how many statements."""
        ran: list[str] = []

        def listen(*told: Any) -> None:
            ran.append(told[2])

        sa.event.listen(self.engine, "before_cursor_execute", listen)
        try:
            return self.read(query, *arguments), len(ran)
        finally:
            sa.event.remove(self.engine, "before_cursor_execute", listen)

    def record(self, now: int = NOW) -> SymbolRecord:
        (record,) = self.read(load, SYMBOL, now)
        return record

    def current(self, now: int = NOW) -> list[OrderState]:
        return list(self.record(now).orders)


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
    database.write(first_buy("ETHUSDT", 3), first_buy("BTCUSDT", 8), Unit("XRPUSDT", desired(Status.OFF)))
    bitcoin, ether, ripple = database.read(load, None, NOW)
    assert (bitcoin.symbol, bitcoin.next_trader, bitcoin.traders) == ("BTCUSDT", 9, (buying(8, "BTCUSDT"),))
    assert (ether.symbol, ether.next_trader, ether.traders) == ("ETHUSDT", 4, (buying(3),))
    assert [order.intent.symbol for order in bitcoin.orders] == ["BTCUSDT"]
    assert (ripple.symbol, ripple.traders, ripple.orders) == ("XRPUSDT", (), ())
    assert database.read(load, "ETHUSDT", NOW) == [ether]
    assert database.read(load, "DOGEUSDT", NOW) == []


def test_many_symbols_of_other_nodes_are_read_with_as_many_statements_as_two(database: Database) -> None:
    names = [f"A{number:02}USDT" for number in range(30)]
    lot = Lot(parse_quantity("0.01"), parse_money("20"), parse_price("2100"))
    for name in (*names, "BTCUSDT"):
        ended = order(intent(7, symbol=name), state=State.CANCELLED)
        database.write(
            replace(first_buy(name, 8), lots=(lot,)),
            Unit(name, traders=(finished(7, symbol=name, profit=None),), orders=(ended,)),
        )
    known = {record.symbol: record for record in database.read(load, None, NOW)}

    def of(count: int) -> tuple[Any, int]:
        assets = {name.removesuffix("USDT") for name in names[:count]}
        return database.count(others, assets, {names[0]}, NOW)

    (few, statements), (many, same) = of(3), of(30)
    assert few == [known[name] for name in names[1:3]]
    assert many == [known[name] for name in names[1:]]
    assert same == statements
    assert of(1)[0] == []


def test_which_orders_are_known_is_asked_of_many_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, ended = order(), order(intent(7, symbol="BTCUSDT"), state=State.CANCELLED)
    gone = Unit("BTCUSDT", desired(), traders=(finished(7, symbol="BTCUSDT", profit=None),), orders=(ended,))
    database.write(first_buy(), gone)
    ours = {(SYMBOL, live.client_order_id), ("BTCUSDT", ended.client_order_id)}
    strange = {(SYMBOL, "n1-strange"), (SYMBOL, ended.client_order_id)}
    assert database.read(known, ours | strange) == ours
    assert database.read(known, frozenset()) == set()
    monkeypatch.setattr(queries, "_MOST_KEYS", 1)
    assert database.read(known, ours | strange) == ours


def test_a_living_trader_brings_its_latest_order_on_each_side(database: Database) -> None:
    first = order(state=State.CANCELLED)
    bought = order(intent(seq=2), state=State.FILLED, order_id=7, fills=(fill(1), fill(2)))
    expired = order(intent(side=Side.SELL), state=State.EXPIRED)
    sell = order(intent(side=Side.SELL, seq=2))
    selling = trader(phase=Selling(Bought(bought.intent.price), sell.intent))
    orders = (first, bought, expired, sell)
    database.write(Unit(SYMBOL, desired(), traders=(selling,), orders=orders, fills=bought.fills))
    assert database.current() == [bought, sell]
    assert database.record().traders == (selling,)


def test_a_finished_trader_brings_only_what_has_not_ended(database: Database) -> None:
    quarantined = order(intent(side=Side.SELL), state=State.QUARANTINED)
    done = order(state=State.FILLED)
    database.write(Unit(SYMBOL, desired(), traders=(finished(),), orders=(done, quarantined)))
    assert database.current() == [quarantined]
    assert database.record().traders == ()


@pytest.mark.parametrize("ahead", [-WATCHED, 0, 365 * WATCHED])  # of this machine's clock
@pytest.mark.parametrize(
    ("side", "age", "watched"),
    [(Side.BUY, WATCHED, True), (Side.BUY, WATCHED + 1, False), (Side.SELL, 0, False)],
)
def test_an_abandoned_buy_is_watched_for_a_day(
    database: Database, side: Side, age: int, watched: bool, ahead: int
) -> None:
    abandoned = order(intent(side=side), state=State.ABANDONED, updated_at=NOW - age)
    newest = order(intent(seq=2), state=State.ABANDONED, updated_at=NOW)
    database.write(Unit(SYMBOL, desired(), traders=(finished(profit=None),), orders=(abandoned, newest)))
    watched = watched or (side is Side.BUY and ahead < 0)
    assert database.current(NOW + ahead) == ([abandoned, newest] if watched else [newest])


def test_profits_are_summed_exactly_over_the_cycles_that_sold(database: Database) -> None:
    traders = (
        finished(1, profit="90000000000.00000001"),
        finished(2, profit="-0.1"),
        finished(3, profit="0.2"),
        finished(4, profit=None),
        trader(5),
    )
    database.write(Unit(SYMBOL, desired(), traders=traders))
    record = database.record()
    assert (record.cycles, record.profit) == (3, parse_money("90000000000.10000001"))


def test_a_cycle_that_is_written_again_counts_once_with_its_last_profit(database: Database) -> None:
    database.write(Unit(SYMBOL, desired(), traders=(finished(1, profit="0.5"), finished(2, profit="0.25"))))
    database.write(Unit(SYMBOL, traders=(finished(1, profit="0.5"), finished(2, profit="-0.25"))))
    record = database.record()
    assert (record.cycles, record.profit) == (2, parse_money("0.25"))


DAY = 86_400_000  # ms


def test_the_profit_of_a_day_begins_anew_at_midnight_and_an_earlier_day_changes_nothing(database: Database) -> None:
    midnight = NOW // DAY * DAY
    database.write(Unit(SYMBOL, desired(), traders=(finished(1, profit="0.5", since=midnight - 1),)))
    assert (database.record().day, database.record().day_profit) == (midnight // DAY - 1, parse_money("0.5"))
    later = (finished(2, profit="0.25", since=midnight), finished(3, profit="-0.05", since=midnight + DAY - 1))
    database.write(Unit(SYMBOL, traders=later))
    database.write(Unit(SYMBOL, traders=(finished(4, profit="7", since=midnight - 2),)))
    record = database.record()
    assert (record.day, record.day_profit) == (midnight // DAY, parse_money("0.2"))
    assert (record.cycles, record.profit) == (4, parse_money("7.7"))


def test_the_profit_of_a_unit_that_is_refused_is_not_counted(database: Database) -> None:
    database.write(first_buy())
    taken = order(intent(seq=2), client_order_id=order().client_order_id)
    (refusal,) = database.store.apply([Unit(SYMBOL, traders=(finished(1),), orders=(taken,))])
    assert isinstance(refusal, ConflictError)
    record = database.record()
    assert (record.cycles, record.profit) == (0, 0)


def test_loading_costs_the_same_however_long_the_history_is(sqlite_url: str) -> None:
    engine = open_engine(parse_url(sqlite_url), Role.WRITE)
    metadata.create_all(engine)
    store = Store(engine, enter(engine).epoch)

    def cost(symbol: str | None) -> int:
        with engine.connect() as connection:
            (record,) = load(connection, symbol, NOW)  # what is cached the first time
            assert (len(record.traders), len(record.orders)) == (1, 3)
            with steps(connection) as counted:
                load(connection, symbol, NOW)
        return counted.thousands

    selling = trader(1_000, Selling(Bought(intent().price), intent(1_000, Side.SELL)))
    current = (order(intent(1_000), state=State.FILLED), order(intent(1_000, Side.SELL)))
    abandoned = order(intent(1), state=State.ABANDONED)
    history(store, 1, 2)
    unit = Unit(SYMBOL, desired(), traders=(selling,), orders=(*current, abandoned))
    assert store.apply([unit]) == [None]
    before = {symbol: cost(symbol) for symbol in (None, SYMBOL)}
    history(store, 2, 400)
    assert [cost(symbol) <= few + 1 for symbol, few in before.items()] == [True, True]
    engine.dispose()


def history(store: Store, first: int, end: int) -> None:
    """Finished cycles by their numbers: two orders and two fills each, and an order that was abandoned long ago."""
    units = []
    for number in range(first, end):
        lapsed = order(intent(number), state=State.ABANDONED, updated_at=NOW - WATCHED - 1)
        legs = [
            order(intent(number, side, 2), state=State.FILLED, order_id=2 * number + (side is Side.SELL))
            for side in Side
        ]
        paid = tuple(fill(1, leg.order_id or 0) for leg in legs)
        unit = Unit(SYMBOL, desired(), traders=(finished(number),), orders=(lapsed, *legs), fills=paid)
        units.append(unit)
    assert store.apply(units) == [None] * len(units)


@dataclass
class Steps:
    thousands: int = 0


@contextmanager
def steps(connection: sa.Connection) -> Iterator[Steps]:
    """What SQLite has to do in the block, in thousands of the instructions of its virtual machine."""
    counted = Steps()

    def count() -> int:
        counted.thousands += 1
        return 0

    driver: Any = connection.connection.dbapi_connection
    driver.set_progress_handler(count, 1_000)
    try:
        yield counted
    finally:
        driver.set_progress_handler(None, 0)


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
    (Page(most=2), [0, 1]),
    (Page(limit=4, most=2), [1, 2]),
    (Page(limit=2, most=9), [3, 4]),
    (Page(after=1, limit=3, most=2), [2, 3]),
    (Page(symbols=("ETHUSDT",), limit=2, most=1), [2]),
]


def listed(database: Database, query: Any, number: Any) -> list[tuple[Page, list[int]]]:
    """What each page of the table above gives; its ``after`` becomes the row a reader would name."""
    rows = database.page(query, Page())
    found = []
    for page, _ in PAGES:
        turned = page if page.after is None else replace(page, after=rows[page.after].row)
        found.append((page, [number(row) for row in database.page(query, turned)]))
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
        made = replace(unit.orders[0], created_at=NOW + number)
        database.write(replace(unit, orders=(made,)))
    # An order that changes later stays where it is.
    database.write(Unit(SYMBOL, orders=(order(intent(0), state=State.OPEN, order_id=7),)))
    assert listed(database, orders_page, lambda row: row.order.intent.trader) == PAGES


def test_cycles_are_paged_in_the_order_they_finished(database: Database) -> None:
    for number in reversed(range(5)):
        database.write(Unit(symbol_of(number), desired(), traders=(trader(number, symbol=symbol_of(number)),)))
    for number in range(5):
        done = finished(number, symbol=symbol_of(number), since=NOW + number)
        database.write(Unit(done.symbol, traders=(done,)))
    # Written again, a cycle keeps its place; one that sold nothing has none.
    database.write(Unit(SYMBOL, traders=(finished(0), finished(9, profit=None))))
    assert listed(database, cycles_page, lambda row: row.number) == PAGES


def test_the_fees_of_a_cycle_are_summed_by_asset_over_all_its_orders(database: Database) -> None:
    buys = (fill(1, 7), fill(2, 7))
    sells = (
        fill(3, 8, fee=parse_amount("0.1"), fee_asset="USDT"),
        fill(4, 9, fee=parse_amount("0.2"), fee_asset="USDT"),
        fill(5, 9, fee=parse_amount("0.001"), fee_asset="BNB"),
    )
    bought = order(state=State.FILLED, order_id=7, fills=buys)
    expired = order(intent(side=Side.SELL), state=State.EXPIRED, order_id=8)
    sold = order(intent(side=Side.SELL, seq=2), state=State.FILLED, order_id=9)
    elsewhere = order(intent(2), state=State.FILLED, order_id=10)
    database.write(
        Unit(
            SYMBOL,
            desired(),
            traders=(finished(1), finished(2)),
            orders=(bought, expired, sold, elsewhere),
            fills=(*buys, *sells, fill(6, 10, fee=parse_amount("7"))),
        )
    )
    first, second = database.page(cycles_page, Page())
    assert first.fees == {
        "ETH": parse_amount("0.000149"),
        "USDT": parse_amount("0.3"),
        "BNB": parse_amount("0.001"),
    }
    assert second.fees == {"ETH": parse_amount("7")}


def test_the_orders_of_a_page_come_without_their_fills(database: Database) -> None:
    first = order(intent(1), state=State.FILLED, order_id=7)
    second = order(intent(2), state=State.FILLED, order_id=8)
    unit = Unit(SYMBOL, desired(), traders=(finished(1), finished(2)), orders=(first, second))
    database.write(replace(unit, fills=(fill(1, 7), fill(1, 8))))
    assert [row.order for row in database.page(orders_page, Page())] == [first, second]


def test_the_current_orders_come_with_their_own_fills(database: Database) -> None:
    for number, order_id in ((1, 7), (2, 8)):
        paid = (fill(2, order_id), fill(1, order_id))
        sell = order(intent(number, Side.SELL), state=State.OPEN, order_id=order_id, fills=paid)
        selling = trader(number, Selling(Bought(intent().price), sell.intent))
        database.write(Unit(SYMBOL, desired(), traders=(selling,), orders=(sell,), fills=paid))
    assert [[fill.order_id for fill in sell.fills] for sell in database.current()] == [[7, 7], [8, 8]]
    assert [fill.trade_id for fill in database.current()[0].fills] == [2, 1]


def test_a_page_costs_what_is_on_it(sqlite_url: str) -> None:
    engine = open_engine(parse_url(sqlite_url), Role.WRITE)
    metadata.create_all(engine)
    store = Store(engine, enter(engine).epoch)

    def cost(query: Any, page: Page) -> int:
        with engine.connect() as connection, steps(connection) as counted:
            assert len(list(query(connection, page))) == page.limit
        return counted.thousands

    asked = [
        (query, Page(symbols, after=after, limit=50))
        for query in (orders_page, cycles_page)
        for symbols in ((), (SYMBOL,), (SYMBOL, "BTCUSDT"))
        for after in (3, None)
    ]
    history(store, 1, 60)
    before = [cost(*each) for each in asked]
    history(store, 60, 600)
    dear = [each for each, few in zip(asked, before, strict=True) if cost(*each) > few + 2]
    assert dear == []
    engine.dispose()


def test_a_control_request_is_remembered_by_its_id(database: Database) -> None:
    database.write(Unit(SYMBOL, request=("c0ffee", '{"v":1}')))
    assert database.read(answered, ["c0ffee", "decaf"]) == {"c0ffee": '{"v":1}'}


def test_fees_in_an_asset_are_those_of_other_symbols_less_what_was_booked(
    database: Database,
) -> None:
    for name, fee, asset, time in (
        ("ETHUSDT", "0.01", "BNB", NOW),
        ("BTCUSDT", "0.002", "BNB", NOW + 1),
        ("SOLUSDT", "5", "BNB", NOW - 1),
        ("XRPUSDT", "7", "ETH", NOW),
        ("BNBUSDT", "3", "BNB", NOW),
    ):
        paid = fill(fee=parse_amount(fee), fee_asset=asset, time=time, symbol=name)
        bought = order(intent(symbol=name), order_id=7, state=State.OPEN)
        database.write(Unit(name, desired(), traders=(buying(symbol=name),), orders=(bought,), fills=(paid,)))
    assert database.read(fees_paid, "BNB", ("BNBUSDT", "BNBETH"), NOW) == parse_amount("0.012")
    price, spent, why = parse_price("600"), parse_money("6"), f"written off {AS_FEES}"
    whole = Bought(price, parse_quantity("0.001"), spent)
    partly = Bought(price, parse_quantity("0.01"), spent, parse_quantity("0.00001"))
    sold = Sold(parse_quantity("0.00789"), spent, Money(0), parse_quantity("0.0001"))
    lot = Lot(parse_quantity("0.003"), spent, price)
    for number, lost in enumerate(
        (
            Finished(whole, Sold(), NO_LOT, NO_LOT, Money(-spent), why),  # 0.001
            Finished(partly, sold, NO_LOT, NO_LOT, Money(0), why),  # 0.002
            Finished(Bought(price), Sold(), lot, NO_LOT, Money(-spent), why),  # 0.003
            Finished(whole, Sold(), NO_LOT, NO_LOT, Money(-spent), "written off by hand"),
        ),
        2,
    ):
        database.write(Unit("BNBUSDT", traders=(replace(finished(number, symbol="BNBUSDT"), phase=lost),)))
    assert database.read(fees_paid, "BNB", ("BNBUSDT", "BNBETH"), NOW) == parse_amount("0.006")


# The past


def test_a_life_tells_what_a_trader_bought_carried_and_left_and_its_first_two_sells(database: Database) -> None:
    ended, lives = finished(1), buying(2)
    sells = [
        order(intent(1, Side.SELL, seq), created_at=NOW + seq, order_id=10 + seq, state=State.CANCELLED)
        for seq in (1, 2, 3)
    ]
    database.write(Unit(SYMBOL, desired(), traders=(ended, lives), orders=(*sells, order(intent(2)))))
    first, second = database.read(lives_of, SYMBOL)
    assert (first.trader.number, first.ended) == (1, ended.since)
    assert (first.bought, first.carried, first.dust) == (ended.phase.bought, NO_LOT, ended.phase.dust)
    assert first.offers == (Offer(NOW + 1, 1, ioc=False), Offer(NOW + 2, 2, ioc=False))
    assert second == Life(second.trader, None, lives.phase.bought)
    assert database.read(lives_of, "BTCUSDT") == []


def test_lots_are_read_by_their_prices(database: Database) -> None:
    lots = tuple(Lot(Quantity(1), Money(2), parse_price(price)) for price in ("900", "1000"))
    database.write(Unit(SYMBOL, desired(), lots=lots))
    assert database.read(lots_of, SYMBOL) == lots


def test_only_a_start_or_settings_of_the_symbol_can_have_changed_its_settings(database: Database) -> None:
    said = [Event(NOW, SYMBOL, "desired", "on"), Event(NOW + 5, SYMBOL, "desired", "off")]
    database.write(Unit(SYMBOL, desired(), events=tuple(said)))
    database.write(Unit("BTCUSDT", desired(), events=(Event(NOW + 9, "BTCUSDT", "desired", "on"),)))
    assert [database.read(asked_since, SYMBOL, since) for since in (NOW - 1, NOW)] == [NOW, None]
    database.write(Unit(SYMBOL, events=(Event(NOW + 7, SYMBOL, "desired", "settings changed"),)))
    assert database.read(asked_since, SYMBOL, NOW) == NOW + 7


def test_of_symbols_of_other_nodes_those_that_cannot_be_read_cost_no_other(sqlite_url: str) -> None:
    engine = open_engine(parse_url(sqlite_url), Role.WRITE)
    metadata.create_all(engine)
    store = Store(engine, enter(engine).epoch)
    names = [f"ETH{number:02}" for number in range(20)]
    store.apply([Unit(name, desired=desired(Status.ON)) for name in names])
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE settings SET chunks = 'many' WHERE symbol IN ('ETH03', 'ETH17')")
        connection.exec_driver_sql("UPDATE settings SET budget = 'much' WHERE symbol = 'ETH09'")
        found = others(connection, {"ETH"}, {"ETH05"}, NOW)
    assert [each.symbol for each in found] == [name for name in names if name != "ETH05"]
    unread = {each.symbol: each.why for each in found if isinstance(each, Unread)}
    assert unread.keys() == {"ETH03", "ETH09", "ETH17"}
    assert (
        "the database holds what this version cannot read: table settings, symbol ETH17: chunks is 'many'"
        in (unread["ETH17"])
    )
    assert "table settings, symbol ETH09: 'much' is not a plain decimal" in unread["ETH09"]
    engine.dispose()
