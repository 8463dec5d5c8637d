"""The queries of readers; ``journal.py`` calls them. Each reads one snapshot through the given connection."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set
from typing import Any, TypeVar

import sqlalchemy as sa
from msgspec import Struct

from naived.core.amount import Amount
from naived.core.orders.intent import Side
from naived.core.orders.report import Fill
from naived.core.orders.state import WATCHED, OrderState
from naived.core.risk import Exposure
from naived.core.strategy.formulas import Bought
from naived.core.strategy.lots import NO_LOT, Lot, Lots
from naived.core.strategy.settings import Status
from naived.core.strategy.trader_state import AS_FEES, Trader
from naived.database.account_rows import halts_in
from naived.database.reading import UnreadableError, converted, unreadable
from naived.database.rows import (
    desired_of,
    event_of,
    fill_of,
    lot_of,
    order_of,
    owed_of,
)
from naived.database.schema import (
    ABANDONED,
    LIVE,
    LIVING,
    control_request,
    events,
    fills,
    lots,
    orders,
    settings,
    traders,
)
from naived.database.trader_rows import begun, coins_of, trader_of
from naived.nodes import Unread
from naived.ports import CycleRow, Event, EventRow, OrderRow, OrderStory, Page, SymbolRecord

T = TypeVar("T")

_MOST_KEYS = 10_000  # in one statement: SQLite takes 32,766 of them, PostgreSQL 65,535
_MOST_NAMES = 2_500  # of symbols: a statement may name each of them four times


class Offer(Struct, frozen=True):
    """One sell: when it was decided (ms), the number of its row, and whether it was one of the stop-loss."""

    at: int
    row: int
    ioc: bool


class Life(Struct, frozen=True):
    """``trader`` as if it still waited to buy; ``ended`` (ms) is when it finished, None if it lives.

    ``bought``, ``carried`` and ``dust`` (the lot that it left) are those of now, or of its end, which ``reason``
    says. ``offers`` are its first two sells.
    """

    trader: Trader
    ended: int | None
    bought: Bought | None = None
    carried: Lot = NO_LOT
    dust: Lot = NO_LOT
    offers: tuple[Offer, ...] = ()
    reason: str | None = None


_WITH_TRADER = (orders.c.symbol == traders.c.symbol) & (orders.c.trader == traders.c.number)
_WITH_ORDER = (fills.c.symbol == orders.c.symbol) & (fills.c.order_id == orders.c.order_id)
_NAMES = sa.select(orders.c.symbol, orders.c.client_order_id)
_CYCLE = (
    traders.c.cycle.label("row"),
    *(traders.c.symbol, traders.c.number),
    *(sa.func.coalesce(traders.c[name], 0).label(name) for name in ("bought", "cost")),  # NULL: it bought nothing
    *(traders.c.sold, traders.c.received, traders.c.profit, traders.c.buy_fees_valued, traders.c.sell_fees_valued),
    *(traders.c.started_at, traders.c.since.label("finished_at")),
)


def load(connection: sa.Connection, symbol: str | None, now: int) -> list[SymbolRecord]:
    """The records of all symbols, or of one, ordered by name; ``now`` is in ms. Raises UnreadableError."""
    try:
        return _records(connection, None if symbol is None else (symbol,), now)
    except UnreadableError as error:
        if error.symbol is not None:
            raise
        for name in [symbol] if symbol is not None else connection.scalars(sa.select(settings.c.symbol)).all():
            try:
                _records(connection, (name,), now)
            except UnreadableError as its:
                raise UnreadableError(its.table, its.why, name) from its
        raise


def _records(connection: sa.Connection, symbols: Sequence[str] | None, now: int) -> list[SymbolRecord]:
    """Of these symbols, None: of all. However many there are, it is the same few statements."""
    living = _by_symbol(_living_traders(connection, symbols), lambda trader: trader.symbol)
    current = _by_symbol(_current_orders(connection, symbols, now), lambda order: order.intent.symbol)
    kept: defaultdict[str, list[Lot]] = defaultdict(list)
    for name, lot in converted(
        connection, _of(sa.select(lots), lots, symbols), lots, lambda row: (row["symbol"], lot_of(row))
    ):
        kept[name].append(lot)
    halted = halts_in(connection, symbols)

    def record(row: sa.RowMapping) -> SymbolRecord:
        return SymbolRecord(
            symbol=row["symbol"],
            desired=desired_of(row),
            next_trader=row["next_trader"],
            # Sorted here: SQLite keeps amounts as text and would put 10 before 2.
            lots=tuple(sorted(kept[row["symbol"]], key=lambda lot: lot.price)),
            owed=owed_of(row),
            traders=tuple(living[row["symbol"]]),
            orders=tuple(current[row["symbol"]]),
            cycles=row["cycles"],
            profit=row["realized_profit"],
            day=row["profit_day"],
            day_profit=row["day_profit"],
            halt=halted.get(row["symbol"]),
            exposure=Exposure(row["quote"] or "", row["exposure"]),
            closed_at=row["closed_at"] or 0,
        )

    rows = _of(sa.select(settings).order_by(settings.c.symbol), settings, symbols)
    return converted(connection, rows, settings, record)


def others(
    connection: sa.Connection, assets: Collection[str], ours: Collection[str], now: int
) -> list[SymbolRecord | Unread]:
    """See ``Cluster.others``."""
    wanted: list[str] = []
    known = sa.select(settings.c.symbol, settings.c.quote).order_by(settings.c.symbol)
    for symbol, quote in connection.execute(known):
        bases = [symbol.removesuffix(str(quote))] if quote else [symbol[:end] for end in range(1, len(symbol))]
        if symbol not in ours and any(base in assets for base in bases):
            wanted.append(symbol)
    return [record for names in _parts(wanted, _MOST_NAMES) for record in _readable(connection, names, now)]


def _readable(connection: sa.Connection, names: Sequence[str], now: int) -> list[SymbolRecord | Unread]:
    """The records of these symbols, in order. One that cannot be read is found by halves, and costs no other."""
    try:
        return [*_records(connection, names, now)]
    except UnreadableError as error:
        if len(names) > 1:
            half = len(names) // 2
            return _readable(connection, names[:half], now) + _readable(connection, names[half:], now)
        named = UnreadableError(error.table, error.why, names[0])
        return [Unread(names[0], f"the database {unreadable(named)}")]


def answered(connection: sa.Connection, request_ids: Sequence[str]) -> dict[str, str]:
    """The stored results of those control requests that have one."""
    found: dict[str, str] = {}
    rows = sa.select(control_request.c.request_id, control_request.c.result)
    for keys in _parts(request_ids, _MOST_KEYS):
        stored = connection.execute(rows.where(control_request.c.request_id.in_(keys)))
        found |= {key: result for key, result in stored}
    return found


def stories(connection: sa.Connection, symbol: str, beginning: str) -> list[OrderStory]:
    """See ``Journal.stories``."""
    column = orders.c.client_order_id
    named = (column == beginning) | column.contains(f"-{beginning}", autoescape=True)
    found = sa.select(orders.c.id).where(orders.c.symbol == symbol, named).limit(2)
    return [
        OrderStory(order, _events_of(connection, order)) for order in _orders(connection, orders.c.id.in_(found))
    ]


def _events_of(connection: sa.Connection, order: OrderState) -> tuple[Event, ...]:
    telling = (
        sa.select(events)
        .where(
            events.c.symbol == order.intent.symbol,
            events.c.message.contains(order.client_order_id, autoescape=True),
        )
        .order_by(events.c.id)
    )
    return tuple(event_of(row) for row in connection.execute(telling).mappings())


def fees_paid(connection: sa.Connection, asset: str, symbols: tuple[str, ...], since: int) -> Amount:
    """See ``Journal.fees_paid``. Only asked for when coins are missing: it reads all fills since ``since``."""
    paid = sa.select(fills.c.fee).where(
        fills.c.fee_asset == asset, fills.c.time >= since, fills.c.symbol.not_in(symbols)
    )
    table = traders.c
    had, left = (table.bought, table.carried_quantity), (table.base_fees, table.sold, table.sold_base_fees)
    written_off = sa.select(*had, *left, table.dust_quantity).where(
        table.symbol.in_(symbols), table.since >= since, table.reason == f"written off {AS_FEES}"
    )
    booked = 0
    for row in connection.execute(written_off):
        bought, carried, *gone = (amount or 0 for amount in row)
        booked += bought + carried - sum(gone)
    return Amount(sum(connection.scalars(paid)) - booked)


def known(connection: sa.Connection, wanted: Set[tuple[str, str]]) -> set[tuple[str, str]]:
    """See ``Journal.known``."""
    found: set[tuple[str, str]] = set()
    for ids in _parts([client_order_id for _, client_order_id in wanted], _MOST_KEYS):
        named = _NAMES.where(orders.c.client_order_id.in_(ids))
        found |= {(symbol, client_order_id) for symbol, client_order_id in connection.execute(named)}
    return found & wanted


def orders_page(connection: sa.Connection, page: Page) -> Iterator[OrderRow]:
    """Orders of any state, without their fills, in the order in which they were first committed."""
    listed = orders.c.id.in_(_keys(page, orders.c.id, orders.c.symbol, orders.c.created_at))
    for row in connection.execute(sa.select(orders).where(listed).order_by(orders.c.id)).mappings():
        yield OrderRow(row["id"], order_of(row, ()))


def cycles_page(connection: sa.Connection, page: Page) -> Iterator[CycleRow]:
    """Traders that finished with a profit or a loss, in the order in which they finished."""
    listed = traders.c.cycle.in_(_keys(page, traders.c.cycle, traders.c.symbol, traders.c.since))
    fees: defaultdict[int, dict[str, Amount]] = defaultdict(dict)
    paid = sa.select(traders.c.cycle, fills.c.fee_asset, fills.c.fee).select_from(
        traders.outerjoin(orders, _WITH_TRADER).outerjoin(fills, _WITH_ORDER)  # see _orders
    )
    for cycle, asset, fee in connection.execute(paid.where(listed)):
        if asset is not None:
            fees[cycle][asset] = Amount(fees[cycle].get(asset, 0) + fee)
    for row in connection.execute(sa.select(*_CYCLE).where(listed).order_by(traders.c.cycle)).mappings():
        yield CycleRow(**row, fees=fees[row["row"]])


def events_page(connection: sa.Connection, page: Page) -> Iterator[EventRow]:
    """Events; only the newest ones are kept."""
    listed = events.c.id.in_(_keys(page, events.c.id, events.c.symbol, events.c.at))
    for row in connection.execute(sa.select(events).where(listed).order_by(events.c.id)).mappings():
        yield EventRow(row["id"], event_of(row))


def lives_of(connection: sa.Connection, symbol: str) -> list[Life]:
    """All traders that the symbol ever had, oldest first."""
    offers = _first_offers(connection, symbol)
    rows = connection.execute(sa.select(traders).where(traders.c.symbol == symbol).order_by(traders.c.number))
    return [
        Life(
            begun(row),
            row["since"] if row["phase"] == "finished" else None,
            *coins_of(row),
            tuple(offers[row["number"]]),
            row["reason"],
        )
        for row in rows.mappings()
    ]


def _first_offers(connection: sa.Connection, symbol: str) -> defaultdict[int, list[Offer]]:
    """The first two sells of each trader."""
    found: defaultdict[int, list[Offer]] = defaultdict(list)
    of = (orders.c.symbol == symbol) & (orders.c.side == Side.SELL.value) & (orders.c.seq <= 2)
    columns = orders.c.trader, orders.c.created_at, orders.c.id, orders.c.ioc
    for number, at, row, ioc in connection.execute(sa.select(*columns).where(of).order_by(orders.c.id)):
        found[number].append(Offer(at, row, ioc))
    return found


def lots_of(connection: sa.Connection, symbol: str) -> Lots:
    """The symbol's lots of now, by price."""
    rows = connection.execute(_of(sa.select(lots), lots, (symbol,))).mappings()
    return tuple(sorted(map(lot_of, rows), key=lambda lot: lot.price))


def orders_of(connection: sa.Connection, symbol: str, numbers: Collection[int], until: int) -> list[OrderState]:
    """All orders of these traders that were decided up to ``until`` (ms), with their fills, oldest first."""
    of = (orders.c.symbol == symbol) & orders.c.trader.in_(numbers) & (orders.c.created_at <= until)
    return _orders(connection, of)


def events_until(connection: sa.Connection, symbol: str, until: int) -> list[Event]:
    """The symbol's events and those that concern all symbols, up to ``until`` (ms), oldest first."""
    of = (events.c.symbol == symbol) | events.c.symbol.is_(None)
    rows = connection.execute(sa.select(events).where(of, events.c.at <= until).order_by(events.c.id)).mappings()
    return [event_of(row) for row in rows]


def asked_since(connection: sa.Connection, symbol: str, since: int) -> int | None:
    """When (ms) a start or settings were asked for last; None if not after ``since`` (ms)."""
    of = (events.c.symbol == symbol) & (events.c.kind == "desired") & (events.c.at > since)
    telling = events.c.message.in_((Status.ON.value, "settings changed"))
    asked: int | None = connection.scalar(sa.select(sa.func.max(events.c.at)).where(of, telling))
    return asked


def _keys(page: Page, key: sa.Column[Any], symbol: sa.Column[Any], time: sa.Column[Any]) -> sa.Select[tuple[int]]:
    """The keys of the rows of a page. Keys are above 0 and rise with every row."""
    found = sa.select(key.label("key")).where(key > (page.after or 0))
    if len(page.symbols) == 1:
        found = found.where(symbol == page.symbols[0])
    elif page.symbols:
        # With the index of symbols, all their keys would be sorted for each page.
        found = found.where(_not_by_index(symbol).in_(page.symbols))
    if page.since is not None:
        found = found.where(time >= page.since)
    if page.after is None and page.limit is not None:
        newest = found.order_by(key.desc()).limit(page.limit).subquery()
        return sa.select(newest.c.key).order_by(newest.c.key).limit(page.most)
    bounds = [bound for bound in (page.limit, page.most) if bound is not None]
    return found.order_by(key).limit(min(bounds, default=None))


def _living_traders(connection: sa.Connection, symbols: Sequence[str] | None) -> list[Trader]:
    side = sa.case((traders.c.phase == "buying", Side.BUY.value), else_=Side.SELL.value)
    intent = _WITH_TRADER & (orders.c.seq == traders.c.seq) & (orders.c.side == side)
    statement = (
        sa.select(
            traders,
            orders.c.price.label("intent_price"),
            orders.c.quantity.label("intent_quantity"),
            orders.c.ioc.label("intent_ioc"),
        )
        .select_from(traders.outerjoin(orders, intent))
        .where(LIVING)
        .order_by(traders.c.symbol, traders.c.number)
    )
    return converted(connection, _of(statement, traders, symbols), traders, trader_of)


def _current_orders(connection: sa.Connection, symbols: Sequence[str] | None, now: int) -> list[OrderState]:
    """The orders of a ``SymbolRecord``. Each part has its own index, so that the many ended orders are not read."""
    open_ = sa.select(orders.c.id).where(LIVE)
    # ``now`` is this machine's clock, which may be ahead; which of them are over the engine says by the exchange's.
    newest = connection.scalar(sa.select(sa.func.max(orders.c.updated_at)).where(ABANDONED))
    watched = sa.select(orders.c.id).where(
        ABANDONED, orders.c.side == Side.BUY.value, orders.c.updated_at >= min(now, newest or now) - WATCHED
    )
    if symbols is not None:
        open_, watched = (part.where(_not_by_index(orders.c.symbol).in_(symbols)) for part in (open_, watched))
    latest = (_of(_latest_orders(side), traders, symbols) for side in Side)
    return _orders(connection, orders.c.id.in_(sa.union_all(open_, watched, *latest)))


def _latest_orders(side: Side) -> sa.Select[Any]:
    """The id of the latest order on one side of each living trader; NULL where it has none."""
    latest = (
        sa.select(orders.c.id)
        .where(_WITH_TRADER, orders.c.side == side.value)
        .order_by(orders.c.seq.desc())
        .limit(1)
        .correlate(traders)
    )
    return sa.select(latest.scalar_subquery()).select_from(traders).where(LIVING)


def _orders(connection: sa.Connection, wanted: sa.ColumnElement[bool]) -> list[OrderState]:
    """The ``wanted`` rows of ``orders``, each with its fills, ordered by id."""
    filled: defaultdict[tuple[str, int], list[Fill]] = defaultdict(list)
    # An outer join, because SQLite keeps its order; without statistics it would start an inner one with all fills.
    with_fills = sa.select(fills).select_from(orders.outerjoin(fills, _WITH_ORDER)).where(wanted)
    in_order = with_fills.order_by(orders.c.id, fills.c.id)
    for fill in converted(connection, in_order, fills, lambda row: fill_of(row) if row["id"] is not None else None):
        if fill is not None:
            filled[fill.symbol, fill.order_id].append(fill)
    rows = sa.select(orders).where(wanted).order_by(orders.c.id)
    return converted(
        connection, rows, orders, lambda row: order_of(row, tuple(filled[row["symbol"], row["order_id"]]))
    )


def _not_by_index(symbol: sa.Column[Any]) -> sa.ColumnElement[str]:
    """The symbol as an expression that no index has. Without statistics, SQLite would use an index of symbols."""
    return symbol + ""


def _of(statement: sa.Select[Any], table: sa.Table, symbols: Sequence[str] | None) -> sa.Select[Any]:
    """What it selects of these symbols, None: of all. For many of them, their rows are not looked up one by one."""
    if symbols is None:
        return statement
    if len(symbols) == 1:
        return statement.where(table.c.symbol == symbols[0])
    return statement.where(_not_by_index(table.c.symbol).in_(symbols))


def _parts(keys: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    """They are too many for one statement."""
    return (keys[begin : begin + most] for begin in range(0, len(keys), most))


def _by_symbol(values: Iterable[T], symbol: Callable[[T], str]) -> defaultdict[str, list[T]]:
    grouped: defaultdict[str, list[T]] = defaultdict(list)
    for value in values:
        grouped[symbol(value)].append(value)
    return grouped
