"""What readers ask of the database; each function sees one snapshot through the connection it is given."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import sqlalchemy as sa

from naived.core.amount import Amount, Money
from naived.core.order import Fill, Side
from naived.core.phase import Trader
from naived.core.placement import WATCHED, Placement, State
from naived.database.rows import event_of, fill_of, leftover_of, placement_of, wish_of
from naived.database.schema import LIVE, control_request, events, fills, orders, settings, traders
from naived.database.trader_rows import trader_of
from naived.ports import CycleRow, EventRow, OrderRow, Page, SymbolRecord

T = TypeVar("T")

_WITH_TRADER = (orders.c.symbol == traders.c.symbol) & (orders.c.trader == traders.c.number)
_WITH_ORDER = (fills.c.symbol == orders.c.symbol) & (fills.c.order_id == orders.c.order_id)


def load(connection: sa.Connection, symbol: str | None, now: int) -> list[SymbolRecord]:
    """The records of every symbol, or of one, in the order of their names; ``now`` is in ms."""
    living = _by_symbol(_living_traders(connection, symbol), lambda trader: trader.symbol)
    current = _by_symbol(_current_placements(connection, symbol, now), lambda placement: placement.intent.symbol)
    profits = _profits(connection, symbol)
    rows = connection.execute(_of(sa.select(settings).order_by(settings.c.symbol), settings, symbol)).mappings()
    return [
        SymbolRecord(
            symbol=row["symbol"],
            wish=wish_of(row),
            next_trader=row["next_trader"],
            leftover=leftover_of(row),
            traders=tuple(living[row["symbol"]]),
            placements=tuple(current[row["symbol"]]),
            cycles=len(profits[row["symbol"]]),
            profit=Money(sum(profits[row["symbol"]])),
        )
        for row in rows
    ]


def answered(connection: sa.Connection, request_id: str) -> str | None:
    """The stored result of a control request."""
    statement = sa.select(control_request.c.result).where(control_request.c.request_id == request_id)
    result: str | None = connection.scalar(statement)
    return result


def knows(connection: sa.Connection, symbol: str, client_order_id: str) -> bool:
    """Is there such an order, in whatever state?"""
    named = (orders.c.symbol == symbol) & (orders.c.client_order_id == client_order_id)
    return connection.scalar(sa.select(orders.c.id).where(named)) is not None


def orders_page(connection: sa.Connection, page: Page) -> list[OrderRow]:
    """Orders of any state by the time of their decision's commit."""
    statement = _paged(sa.select(orders), page, orders.c.id, orders.c.symbol, orders.c.created_at)
    return [OrderRow(number, placement) for number, placement in _placements(connection, statement)]


def cycles_page(connection: sa.Connection, page: Page) -> list[CycleRow]:
    """Traders that finished with a profit or a loss, in the order in which they finished."""
    finished = sa.select(traders).where(traders.c.cycle.is_not(None))
    statement = _paged(finished, page, traders.c.cycle, traders.c.symbol, traders.c.since)
    rows = sorted(connection.execute(statement).mappings(), key=lambda row: row["cycle"])

    listed = statement.subquery()
    of_listed = (orders.c.symbol == listed.c.symbol) & (orders.c.trader == listed.c.number)
    paid = sa.select(listed.c.cycle, fills.c.fee_asset, fills.c.fee).select_from(
        listed.join(orders, of_listed).join(fills, _WITH_ORDER)
    )
    fees: defaultdict[int, dict[str, Amount]] = defaultdict(dict)
    for cycle, asset, fee in connection.execute(paid):
        fees[cycle][asset] = Amount(fees[cycle].get(asset, 0) + fee)
    return [CycleRow(row["cycle"], trader_of(row), fees[row["cycle"]]) for row in rows]


def events_page(connection: sa.Connection, page: Page) -> list[EventRow]:
    """What happened; only the newest events are kept."""
    statement = _paged(sa.select(events), page, events.c.id, events.c.symbol, events.c.at)
    rows = sorted(connection.execute(statement).mappings(), key=lambda row: row["id"])
    return [EventRow(row["id"], event_of(row)) for row in rows]


def _paged(
    statement: sa.Select[Any],
    page: Page,
    key: sa.Column[Any],
    symbol: sa.Column[Any],
    time: sa.Column[Any],
) -> sa.Select[Any]:
    """The rows of a page, in no promised order; ``key`` grows with every row."""
    if page.symbols:
        statement = statement.where(symbol.in_(page.symbols))
    if page.since is not None:
        statement = statement.where(time >= page.since)
    if page.after is not None:
        return statement.where(key > page.after).order_by(key).limit(page.limit)
    return statement.order_by(key.desc()).limit(page.limit)


def _living_traders(connection: sa.Connection, symbol: str | None) -> list[Trader]:
    side = sa.case((traders.c.phase == "buying", Side.BUY.value), else_=Side.SELL.value)
    intent = _WITH_TRADER & (orders.c.seq == traders.c.seq) & (orders.c.side == side)
    statement = (
        sa.select(traders, orders.c.price.label("intent_price"), orders.c.quantity.label("intent_quantity"))
        .select_from(traders.outerjoin(orders, intent))
        .where(traders.c.phase != "finished")
        .order_by(traders.c.symbol, traders.c.number)
    )
    return [trader_of(row) for row in connection.execute(_of(statement, traders, symbol)).mappings()]


def _current_placements(connection: sa.Connection, symbol: str | None, now: int) -> list[Placement]:
    others = orders.alias()
    same = (
        (others.c.symbol == orders.c.symbol)
        & (others.c.trader == orders.c.trader)
        & (others.c.side == orders.c.side)
    )
    latest = sa.select(sa.func.max(others.c.seq)).where(same).scalar_subquery()
    watched = (
        (orders.c.state == State.ABANDONED.value)
        & (orders.c.side == Side.BUY.value)
        & (orders.c.updated_at >= now - WATCHED)
    )
    statement = (
        sa.select(orders)
        .join(traders, _WITH_TRADER)
        .where(sa.or_((traders.c.phase != "finished") & (orders.c.seq == latest), LIVE, watched))
    )
    return [placement for _, placement in _placements(connection, _of(statement, orders, symbol))]


def _placements(connection: sa.Connection, statement: sa.Select[Any]) -> list[tuple[int, Placement]]:
    """The rows of a selection from ``orders``, each with its fills, in the order of their ids."""
    rows = sorted(connection.execute(statement).mappings(), key=lambda row: row["id"])
    wanted = statement.subquery()
    of_wanted = (fills.c.symbol == wanted.c.symbol) & (fills.c.order_id == wanted.c.order_id)
    filled: defaultdict[tuple[str, int], list[Fill]] = defaultdict(list)
    with_fills = sa.select(fills).join(wanted, of_wanted).order_by(fills.c.id)
    for row in connection.execute(with_fills).mappings():
        filled[row["symbol"], row["order_id"]].append(fill_of(row))
    return [(row["id"], placement_of(row, tuple(filled[row["symbol"], row["order_id"]]))) for row in rows]


def _profits(connection: sa.Connection, symbol: str | None) -> defaultdict[str, list[int]]:
    """The profit of each finished cycle: summed here, because SQLite would sum decimals as floats."""
    statement = sa.select(traders.c.symbol, traders.c.profit).where(traders.c.cycle.is_not(None))
    profits: defaultdict[str, list[int]] = defaultdict(list)
    for name, profit in connection.execute(_of(statement, traders, symbol)):
        profits[name].append(profit or 0)
    return profits


def _of(statement: sa.Select[Any], table: sa.Table, symbol: str | None) -> sa.Select[Any]:
    return statement if symbol is None else statement.where(table.c.symbol == symbol)


def _by_symbol(values: Iterable[T], symbol: Callable[[T], str]) -> defaultdict[str, list[T]]:
    grouped: defaultdict[str, list[T]] = defaultdict(list)
    for value in values:
        grouped[symbol(value)].append(value)
    return grouped
