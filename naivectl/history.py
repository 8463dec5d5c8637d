"""`orders`, `trades` and `events` as a person reads them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from naivectl import cells
from naivectl.cells import NONE, Line, Piece, field
from naivectl.client import Document
from naivectl.grid import grid
from naivectl.header import command, of_day
from naivectl.paint import Medium, state_style
from naivectl.rates import budget_places

Facts = Mapping[str, Document]  # the entries of `status` by symbol: ticks, assets and budgets

_ORDERS = ("AGE", "TRADER", "SIDE", "PRICE", "QUANTITY", "DONE", "STATE", "ID")
_TRADES = ("ENDED", "TRADER", "BOUGHT", "SOLD", "TOOK", "PROFIT", "FEES")
_STATES = {"partially_filled": "part filled", "not_placed": "not placed"}
_SIDES = {"buy": "buy", "sell": "good"}
_AGE = 3  # columns


# Orders


def order_lines(medium: Medium, orders: Sequence[Document], facts: Facts, now: float, room: int) -> list[Line]:
    """One line an order, and one more for one that was refused, or of which it is asked whether it is there."""
    places = {name: cells.decimals(field(entry, "tick")) for name, entry in facts.items()}
    rows = [_order_row(medium, order, places, now) for order in orders]
    titles = _ORDERS
    drawn = grid(titles, rows, ("AGE", "PRICE", "QUANTITY", "DONE"), room)
    if any(cells.length(line[:-1]) > room for line in drawn):  # a quantity that leaves no room goes before the id
        at = titles.index("QUANTITY")
        rows = [[*row[:at], *row[at + 1 :]] for row in rows]
        drawn = grid([*titles[:at], *titles[at + 1 :]], rows, ("AGE", "PRICE", "DONE"), room)
    lines = [drawn[0]]
    for order, line in zip(orders, drawn[1:], strict=True):
        lines.append(line)
        if order.get("state") == "unknown":
            asked = f"    asked since {cells.clock(order.get('created_at'))}"
            fence = order.get("fence_at")
            after = f"; after {cells.clock(fence)} it cannot be placed any more" if fence else ""
            lines.append([Piece(asked + after, "attention")])
        elif order.get("state") == "rejected" and order.get("reason"):
            text = f"never placed: {medium.clean(order['reason'])}"
            lines += [[Piece(f"    {part}", "past")] for part in cells.wrap(text, room - 4)]
    return lines


def _order_row(medium: Medium, order: Document, places: Mapping[str, int | None], now: float) -> list[Piece]:
    side, state = medium.clean(order.get("side")), medium.clean(order.get("state"))
    created = cells.moment(order.get("created_at"))
    price = field(order, "price")
    return [
        Piece(cells.age(None if created is None else now - created, whole=True).rjust(_AGE)),
        Piece(medium.clean(order.get("trader"))),
        Piece(side, _SIDES.get(side, "")),
        Piece(cells.fixed(price, places.get(str(order.get("symbol"))))),
        Piece(cells.plain(order.get("quantity"))),
        Piece(executed(order)),
        Piece(_STATES.get(state, state), state_style(state)),
        Piece(medium.clean(cells.short_id(order.get("client_order_id"))), "past"),
    ]


def executed(order: Document | None) -> str:
    """How much of it is executed, ``?`` for one of which that is being asked."""
    if not order:
        return NONE
    if order.get("state") == "unknown":
        return "?"
    quantity, done = field(order, "quantity"), field(order, "executed")
    return f"{int(done * 100 / quantity)}%" if quantity and done is not None else NONE


# Trades


class _Sum(NamedTuple):
    cycles: int = 0
    profit: Decimal = Decimal(0)
    fees: Decimal | None = Decimal(0)


def trade_lines(medium: Medium, trades: Sequence[Document], facts: Facts, now: float, room: int) -> list[Line]:
    """One line a finished cycle, and one total a quote."""
    ticks = {name: cells.decimals(field(entry, "tick")) for name, entry in facts.items()}
    places = budget_places(facts)
    rows, sums = [], dict[str, _Sum]()
    for trade in trades:
        quote = _quote(trade, facts)
        before, profit, fees = sums.get(quote, _Sum()), field(trade, "profit"), _fees(trade, quote)
        all_fees = None if fees is None or before.fees is None else before.fees + fees
        sums[quote] = _Sum(before.cycles + 1, before.profit + (profit or 0), all_fees)
        rows.append(_trade_row(medium, trade, ticks.get(str(trade.get("symbol"))), places.get(quote, 2), fees, now))
    for quote, total in sums.items():
        decimals = places.get(quote, 2)
        label = Piece(f"total {medium.clean(quote)}" if quote else "total", "heading")
        cycles = f"{total.cycles} cycle{'s' if total.cycles > 1 else ''}"
        profit_piece = Piece(cells.gain(total.profit, decimals), cells.gain_style(total.profit))
        fees_piece = Piece(cells.fixed(total.fees, decimals))
        rows.append([Piece(""), label, Piece(cycles), Piece(""), Piece(""), profit_piece, fees_piece])
    return grid(_TRADES, rows, ("ENDED", *_TRADES[2:]), room)


def _trade_row(
    medium: Medium, trade: Document, tick: int | None, places: int, fees: Decimal | None, now: float
) -> list[Piece]:
    began, ended = cells.moment(trade.get("started_at")), cells.moment(trade.get("finished_at"))
    took = None if began is None or ended is None else ended - began
    profit = field(trade, "profit")
    return [
        Piece(cells.age(None if ended is None else now - ended, whole=True)),
        Piece(medium.clean(trade.get("trader"))),
        Piece(cells.fixed(field(trade, "buy_price"), tick)),
        Piece(cells.fixed(field(trade, "sell_price"), tick)),
        Piece(cells.age(took, whole=True)),
        Piece(cells.gain(profit, places), cells.gain_style(profit)),
        Piece(cells.fixed(fees, places)),
    ]


def _quote(trade: Document, facts: Facts) -> str:
    """The asset of its profit; of a symbol that `status` has no more, the fee asset that its name ends with."""
    symbol, fees = str(trade.get("symbol")), trade.get("fees")
    known = facts.get(symbol, {}).get("quote")
    if known:
        return str(known)
    return next((asset for asset in (fees if isinstance(fees, dict) else {}) if symbol.endswith(asset)), "")


def _fees(trade: Document, quote: str) -> Decimal | None:
    """All fees in the quote; None if the value of one is not known."""
    fees, symbol = trade.get("fees"), str(trade.get("symbol"))
    base, price = symbol.removesuffix(quote), field(trade, "buy_price")
    total = field(trade, "fees_valued") or Decimal(0)
    for asset, text in (fees if isinstance(fees, dict) else {}).items():
        amount = cells.number(text)
        if amount is None:
            return None
        if asset == quote:
            total += amount
        elif asset == base and price is not None:
            total += amount * price
        elif trade.get("fees_valued") is None:
            return None
    return total


# Events


_KIND = 9  # columns at least: `finished` has 8


class EventColumns:
    """The widths of events that are printed one after another; they only grow."""

    def __init__(self, medium: Medium, room: int, *, symbols: bool) -> None:
        self._medium, self._room, self._symbols = medium, room, symbols
        self._symbol, self._kind = 0, _KIND
        self.day = ""

    def widen(self, events: Iterable[Document]) -> None:
        for event in events:
            self._symbol = max(self._symbol, cells.width(self._name(event)))
            self._kind = max(self._kind, cells.width(self._medium.clean(event.get("kind"))))

    def _name(self, event: Document) -> str:
        return cells.middle_cut(self._medium.clean(event.get("symbol")))

    def lines(self, event: Document) -> Iterator[Line]:
        """The date if a new day begins, and the event with its message wrapped under itself."""
        self.widen([event])
        at, kind = self._medium.clean(event.get("at")), self._medium.clean(event.get("kind"))
        day = at[:10]
        if day != self.day:
            self.day = day
            yield [Piece(f"-- {day} UTC", "past")]
        front: Line = [Piece(cells.clock(event.get("at")), "past"), Piece("  ")]
        if self._symbols:
            front.append(Piece(cells.left(self._name(event), self._symbol) + "  "))
        front.append(Piece(cells.left(kind, self._kind), _KINDS.get(kind, "")))
        front.append(Piece("  "))
        begin = cells.length(front)
        message = cells.with_short_ids(self._medium.clean(event.get("message")))
        first, *rest = cells.wrap(message, max(20, self._room - begin))
        yield [*front, Piece(first)]
        for line in rest:
            yield [Piece(" " * begin + line)]
        if event.get("next_step"):
            _, step = command(self._medium.clean(event["next_step"]))
            yield [Piece(" " * begin + "-> "), step]


_KINDS = {
    **dict.fromkeys(("finished",), "good"),
    **dict.fromkeys(("quarantined", "faulted", "rejected", "crashed"), "wrong"),
    **dict.fromkeys(("unknown", "degraded", "halted"), "attention"),
}


def event_lines(
    medium: Medium, events: Sequence[Document], room: int, now: float | None = None, *, symbols: bool = False
) -> Iterator[Line]:
    """The events in this order; those of one symbol stand 2 columns in, and need no date if they are of ``now``."""
    indent = [] if symbols else [Piece("  ")]
    columns = EventColumns(medium, room - (0 if symbols else 2), symbols=symbols)
    columns.widen(events)
    if now is not None:
        columns.day = day_of(now)
    for event in events:
        for line in columns.lines(event):
            yield [*indent, *line]


def day_of(now: float) -> str:
    return of_day(now, "%Y-%m-%d")
