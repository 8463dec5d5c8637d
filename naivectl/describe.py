"""The screen of one symbol: what is next, its money, and its traders as a ladder around the price.

What stands above the price is sold when the price rises, what stands below is bought when it falls.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from naivectl import cells
from naivectl.board import Board
from naivectl.cells import NONE, Line, Piece, field
from naivectl.client import Document
from naivectl.columns import direction_style
from naivectl.grid import grid, parts
from naivectl.header import Moment, alerts, first_line
from naivectl.history import event_lines, executed
from naivectl.listing import reason_of
from naivectl.paint import state_style
from naivectl.rates import settings_parts
from naivectl.summary import Summary

_LABEL = 12  # columns of a label with its indent
_LADDER = ("TRADER", "PHASE", "PRICE", "AWAY", "QUANTITY", "DONE", "SINCE", "")
_NUMBERS = ("PRICE", "AWAY", "QUANTITY", "DONE", "SINCE")
_PHASE_STYLES = {"buying": "buy", "holding": "hold", "selling": "good"}


def symbol_screen(
    board: Board,
    row: Summary,
    moment: Moment,
    room: int,
    *,
    settings: Document | None = None,
    events: Sequence[Document] = (),
    ids: bool = False,
) -> list[Line]:
    """All lines of one symbol; its events are oldest first. ``ids``: below the ladder also the whole order ids."""
    lines = [first_line(_title(board, row, moment), moment, room), *alerts(board, moment, room)]
    why = reason_of(board, row, moment.now, room)
    if why:
        lines += why
    lines += _facts(row, settings, room)
    ladder = _ladder(board, row, moment, room)
    if ladder:
        lines += [[], *ladder]
    if ids and (whole := list(_whole_ids(board, row))):
        lines += [[], *whole]
    if events:
        mine = [{**event, "message": _without_symbol(row, event.get("message"))} for event in reversed(events)]
        lines += [[], *event_lines(board.medium, mine, room, now=moment.now)]
    return lines


def _title(board: Board, row: Summary, moment: Moment) -> list[Line]:
    clean = board.medium.clean
    state = [Piece(f"{clean(row.document['status'])}, "), Piece(clean(row.state), state_style(row.state))]
    price = list(cells.price_pieces(cells.fixed(row.last, row.tick), ""))
    arrow = Piece(row.cells["PRICE"][-1:], direction_style(row.direction))
    age = None if row.traded_at is None else moment.now - row.traded_at
    return [[Piece(row.name, "heading")], state, [*price, arrow, Piece(f" {cells.age(age)}", "past")]]


def _without_symbol(row: Summary, message: object) -> str:
    return str(message).replace(f"{row.symbol}-", "")


# What is known of it in words


def _facts(row: Summary, settings: Document | None, room: int) -> list[Line]:
    document, places = row.document, row.places
    unit = f" {row.base}".rstrip()
    cost = f"{cells.fixed(row.sums['HELD COST'], places)} {row.quote}".rstrip()
    money = [
        f"held {cells.plain(document.get('held'))}{unit}, cost {cost}",
        f"tied up {cells.fixed(row.sums['TIED UP'], places)}",
        f"unrealised {cells.gain(row.sums['UNREALISED'], places)}",
    ]
    profit = [
        *([f"today {cells.gain(row.sums['TODAY'], places)}"] if row.sums["TODAY"] is not None else []),
        f"in all {cells.gain(row.sums['PROFIT'], places)}",
        f"cycles {cells.fixed(row.sums['CYCLES'], 0)}",
    ]
    told = settings if settings is not None else {name: document.get(name) for name in ("budget", "chunks")}
    inner = room - _LABEL
    return [
        *_labelled("next", [line for part in _next(row) for line in cells.wrap(part, inner)]),
        *_labelled("money", parts(money, inner)),
        *_labelled("lots", [line for lot in _lots(row) for line in cells.wrap(lot, inner)]),
        *_labelled("profit", parts(profit, inner, "   ")),
        *_labelled("settings", settings_parts(row.context.medium, told, inner)),
    ]


def _labelled(label: str, lines: Sequence[str]) -> Iterator[Line]:
    for number, line in enumerate(lines):
        name = label if not number else ""
        yield [Piece(f"  {name}".ljust(_LABEL), "past"), Piece(line)]


def _next(row: Summary) -> list[str]:
    """The sell that comes when the price rises, and the buy when it falls."""
    found = []
    for side, price in (("sell", row.orders.sell), ("buy", row.orders.buy)):
        trader = _nearest(row, side, price)
        if trader is not None:
            found.append(_would(row, trader, side, price))
    if len(found) == 2:
        found = [f"{found[0]};", found[1].replace("the price falls", "it falls")]
    if found:
        return found
    return ["buys at the next trade" if row.orders.waits else "nothing"]


def _nearest(row: Summary, side: str, price: Decimal | None) -> Document | None:
    for trader in row.document.get("traders") or ():
        phase = trader["phase"]
        if price is not None and (phase == "buying") == (side == "buy") and phase != "waiting":
            order = trader.get(side)
            if order and cells.number(order["price"]) == price:
                return dict(trader)
    return None


def _would(row: Summary, trader: Document, side: str, price: Decimal | None) -> str:
    away = cells.distance(price, row.last, falls=side == "buy")
    quantity = f"{cells.plain(trader[side]['quantity'])} {row.base}".rstrip()
    what = f"{_number(row, trader)} {side}s {quantity} at {cells.fixed(price, row.tick)}"
    if trader["phase"] == "holding":
        what = f"{_number(row, trader)} holds {quantity}, to sell at {cells.fixed(price, row.tick)}"
    if away == NONE:
        return what
    moves = "falls" if side == "buy" else "rises"
    return f"{what} now" if away == "now" else f"{what} when the price {moves} by {away.lstrip('+-')}"


def _lots(row: Summary) -> Iterator[str]:
    leftover = row.document.get("leftover")
    clean = row.context.medium.clean
    for lot in leftover if isinstance(leftover, list) else ():
        if isinstance(lot, dict):
            quantity = f"{cells.plain(lot.get('quantity'))} {row.base}".rstrip()
            price = cells.fixed(field(lot, "price"), row.tick)
            yield f"{quantity} at {price}: {clean(lot.get('reason'))}"


# The ladder


def _number(row: Summary, trader: Document) -> str:
    """A trader's name without its symbol."""
    return row.context.medium.clean(str(trader["id"]).removeprefix(f"{row.symbol}-"))


def _ladder(board: Board, row: Summary, moment: Moment, room: int) -> list[Line]:
    rungs = _rungs(row)
    found = [_rung(row, price, trader, moment, room) for price, trader in rungs]
    middle = sum(price is not None and row.last is not None and price >= row.last for price, _ in rungs)
    lines: list[Line] = []
    if found:
        if row.last is not None:
            found.insert(middle, (_last_price(row, moment), []))
        heading, *drawn = grid(_LADDER, [cells_ for cells_, _ in found], _NUMBERS, room - 2)
        if row.last is not None:
            drawn[middle] = _named(row, drawn[middle])
        lines.append([Piece("  "), *heading])
        for line, (_, under) in zip(drawn, found, strict=True):
            lines += [[Piece("  "), *line], *under]
    chunks = row.document.get("chunks")
    if row.document["status"] == "on" and isinstance(chunks, int) and chunks > len(rungs):
        free = chunks - len(rungs)
        lines.append([Piece(f"  {free} free chunk{'s' if free > 1 else ''}", "past")])
    return lines


def _rungs(row: Summary) -> list[tuple[Decimal | None, Document]]:
    """The traders with their prices, the highest first; without a price last."""
    traders = row.document.get("traders") or ()
    return sorted(((_price(trader), trader) for trader in traders), key=lambda rung: -(rung[0] or Decimal(0)))


def _price(trader: Document) -> Decimal | None:
    order = _order(trader)
    return cells.number(order["price"]) if order else None


def _order(trader: Document) -> Document | None:
    phase = trader["phase"]
    order: Document | None = trader.get("buy" if phase == "buying" else "sell")
    return None if phase == "waiting" else order


def _rung(
    row: Summary, price: Decimal | None, trader: Document, moment: Moment, room: int
) -> tuple[list[Piece], list[Line]]:
    """One trader, and under it what does not fit beside it."""
    clean = row.context.medium.clean
    phase, order = clean(trader["phase"]), _order(trader)
    since = cells.moment(trader.get("since"))
    away = cells.distance(price, row.last, falls=phase == "buying")
    note = _note(trader)
    told = clean(note) if note else ""
    beside = told if len(told) <= room - 60 else ""
    under: list[Line] = (
        [[Piece(f"    {line}")] for line in cells.wrap(told, room - 4)] if told and not beside else []
    )
    cells_ = [
        Piece(_number(row, trader)),
        Piece(phase, _PHASE_STYLES.get(phase, "")),
        Piece(cells.fixed(price, row.tick)),
        Piece(away),
        Piece(cells.plain(order["quantity"]) if order else NONE),
        Piece(executed(order)),
        Piece(cells.age(None if since is None else moment.now - since, whole=True)),
        Piece(beside),
    ]
    return cells_, under


def _note(trader: Document) -> object:
    states = {str((trader.get(side) or {}).get("state")) for side in ("buy", "sell")}
    if trader.get("reason"):
        return trader["reason"]
    if "quarantined" in states:
        return "quarantined"
    if "unknown" in states:
        return "its fate is asked"
    return "for the next trade" if trader["phase"] == "waiting" else None


def _last_price(row: Summary, moment: Moment) -> list[Piece]:
    age = None if row.traded_at is None else moment.now - row.traded_at
    cells_ = dict.fromkeys(_LADDER, Piece(""))
    cells_["PRICE"] = Piece(cells.fixed(row.last, row.tick))
    cells_["SINCE"] = Piece(cells.age(age, whole=True))
    return list(cells_.values())


def _named(row: Summary, line: Line) -> Line:
    """The line of the last price, with its name behind the price; the columns there are empty."""
    text = "".join(piece.text for piece in line)
    price = cells.fixed(row.last, row.tick)
    end = text.index(price) + len(price)
    name = " last price"
    arrow = Piece(row.cells["PRICE"][-1:], direction_style(row.direction))
    return [Piece(text[:end]), arrow, Piece(name, "past"), Piece(text[end + len(name) + 1 :])]


def _whole_ids(board: Board, row: Summary) -> Iterator[Line]:
    orders = [(_number(row, trader), trader, order) for _, trader in _rungs(row) if (order := _order(trader))]
    widest = max((cells.width(name) for name, _, _ in orders), default=0)
    clean = board.medium.clean
    for name, trader, order in orders:
        side = "buy" if trader["phase"] == "buying" else "sell"
        at = f"  order {clean(order['order_id'])}" if order.get("order_id") is not None else ""
        identity = f"{cells.left(name, widest)}  {clean(order.get('client_order_id'))}{at}"
        yield [Piece(f"  {side:4} {identity}")]
