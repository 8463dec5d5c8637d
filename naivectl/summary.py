"""One symbol of `status` as a row of the list: its mark, its place among the problems, and its cells.

All but the age of the price is made when the symbol changes, not when it is drawn.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from naivectl import cells
from naivectl.cells import NONE, field
from naivectl.client import Document
from naivectl.paint import Medium

# The places in the list: problems are always first, what is off is last.
WRONG, DEGRADED, HALTED, WAITING, WORKS, OFF = range(6)

_LETTERS = "!?WBHS."
_PHASES = {"waiting": "W", "buying": "B", "holding": "H", "selling": "S"}
_MOST_TRADERS = 12  # that are drawn one by one
_WRONG = ("quarantined", "faulted")


class Context(NamedTuple):
    """What a row depends on besides its symbol. ``places`` are the decimals of the money of each quote."""

    medium: Medium
    places: Mapping[str, int]
    halted: bool


class Orders(NamedTuple):
    """The buy and the sell that are nearest to the price."""

    buy: Decimal | None
    sell: Decimal | None
    waits: bool


class Summary:
    """``cells`` are the texts by column; ``document`` is the daemon's entry, whole and not cleaned."""

    def __init__(self, document: Document, context: Context, before: "Summary | None" = None) -> None:
        clean = context.medium.clean
        self.context = context
        self.document = document
        self.symbol: str = document["symbol"]
        self.name = clean(self.symbol)
        self.quote = "" if document.get("quote") is None else clean(document["quote"])
        self.base = "" if document.get("base") is None else clean(document["base"])
        self.state = shown_state(document, halted=context.halted)
        self.reason = "" if not document.get("reason") else clean(document["reason"])
        self.next_step = "" if not document.get("next_step") else clean(document["next_step"])
        halt = document.get("halt")
        self.halt: Document | None = halt if isinstance(halt, dict) else None
        self.says = bool(self.reason or self.next_step or self.halt)
        self.place = _place(self)
        self.mark = "!" if self.place <= DEGRADED else "~" if self.place <= WAITING else " "
        self.places = context.places.get(self.quote, 2)
        self.last = field(document, "last_price")
        self.tick = cells.decimals(field(document, "tick"))
        self.traded_at = cells.moment(document.get("last_trade_at"))
        self.direction = _direction(self.last, before)
        if before is not None and _only_its_price_changed(self, before):
            self.orders: Orders = before.orders
            self.sums: dict[str, Decimal | None] = {
                **before.sums,
                "UNREALISED": field(document, SUMS["UNREALISED"]),
            }
            self.cells: dict[str, str] = {**before.cells, **self._prices()}
        else:
            traders = document.get("traders") or ()
            self.orders = _nearest(traders)
            self.sums = {name: field(document, key) for name, key in SUMS.items()}
            self.cells = {**self._fixed(traders), **self._prices()}
        self.nearest = min(self.gap(self.orders.buy), self.gap(self.orders.sell))

    def _prices(self) -> dict[str, str]:
        """The cells that every trade changes."""
        buy = cells.distance(self.orders.buy, self.last, falls=True)
        sell = cells.distance(self.orders.sell, self.last, falls=False)
        return {
            "PRICE": cells.fixed(self.last, self.tick) + f" {self.context.medium.arrows}"[self.direction],
            "NEXT": self._nearer(buy, sell),
            "NEXT BUY": buy if buy != NONE or not self.orders.waits else "wait",
            "NEXT SELL": sell,
            "UNREALISED": cells.gain(self.sums["UNREALISED"], self.places),
        }

    def _fixed(self, traders: Any) -> dict[str, str]:
        document, sums, places, clean = self.document, self.sums, self.places, self.context.medium.clean
        status = str(document["status"])
        held = field(document, "held")
        return {
            "SYMBOL": cells.middle_cut(self.name),
            "STATE": clean(self.state),
            "TRADERS": trader_letters(
                traders, document.get("chunks") if status == "on" else None, troubled=self.place <= DEGRADED
            ),
            "PROFIT": cells.gain(sums["PROFIT"], places),
            "TODAY": cells.gain(sums["TODAY"], places),
            "HELD COST": cells.fixed(sums["HELD COST"], places),
            "TIED UP": cells.fixed(sums["TIED UP"], places),
            "CYCLES": cells.fixed(sums["CYCLES"], 0),
            "HELD": NONE if held is None else f"{cells.fixed(held, None)} {self.base}".rstrip(),
            "BUDGET": cells.fixed(sums["BUDGET"], places),
            "STATUS": clean(status),
            "NODE": clean(document.get("node")),
        }

    def _nearer(self, buy: str, sell: str) -> str:
        if buy == NONE and sell == NONE:
            return "wait" if self.orders.waits else NONE
        if sell == NONE or (buy != NONE and self.gap(self.orders.buy) <= self.gap(self.orders.sell)):
            return f"B {buy}"
        return f"S {sell}"

    def gap(self, price: Decimal | None) -> Decimal:
        """How far the price is from this one, as a part of it; infinite without one."""
        return abs(price - self.last) / self.last if price and self.last else _INFINITE


_INFINITE = Decimal("Infinity")

SUMS = {
    "PROFIT": "realized_profit",
    "TODAY": "profit_today",
    "UNREALISED": "unrealized_profit",
    "HELD COST": "held_cost",
    "TIED UP": "tied_up",
    "CYCLES": "cycles",
    "BUDGET": "budget",
}


_PRICES = ("last_price", "last_trade_at", "unrealized_profit")


def _only_its_price_changed(row: Summary, before: Summary) -> bool:
    if before.context is not row.context:
        return False
    document = row.document
    return document == {**before.document, **{name: document.get(name) for name in _PRICES}}


def shown_state(document: Document, *, halted: bool) -> str:
    """The state; what trades under a halt is ``halted``."""
    state = str(document["state"])
    return "halted" if state == "trading" and (halted or document.get("halt")) else state


def _place(row: Summary) -> int:
    if row.state in _WRONG:
        return WRONG
    if row.state == "degraded":
        return DEGRADED
    if row.state == "halted":
        return HALTED
    if row.state == "off":
        return OFF
    return WAITING if row.reason else WORKS


def _direction(last: Decimal | None, before: "Summary | None") -> int:
    """1 if the price rose since it was another one, -1 if it fell, 0 if that is not known."""
    if before is None or last is None or before.last is None:
        return 0
    return before.direction if last == before.last else 1 if last > before.last else -1


def _nearest(traders: Any) -> Orders:
    buys: list[Decimal] = []
    sells: list[Decimal] = []
    waits = False
    for trader in traders:
        phase = trader["phase"]
        order = trader.get("buy" if phase == "buying" else "sell")
        price = cells.number(order["price"]) if order else None
        if phase == "waiting":
            waits = True
        elif price is not None:
            (buys if phase == "buying" else sells).append(price)
    return Orders(max(buys, default=None), min(sells, default=None), waits)


def trader_letter(trader: Document, *, troubled: bool) -> str:
    """``troubled``: its symbol cannot do its work, so that what is held with a reason waits for a person."""
    phase = trader["phase"]
    states = [(trader.get(side) or {}).get("state") for side in ("buy", "sell")]
    if "quarantined" in states or (phase == "holding" and trader.get("reason") and troubled):
        return "!"
    return "?" if "unknown" in states else _PHASES.get(str(phase), "?")


def trader_letters(traders: Any, chunks: object, *, troubled: bool) -> str:
    """A character a trader and a free chunk, or their numbers if they are many; no chunks: none is free."""
    found = [trader_letter(trader, troubled=troubled) for trader in traders]
    free = max(0, chunks - len(found)) if isinstance(chunks, int) else 0
    if len(found) + free <= _MOST_TRADERS:
        return "".join(sorted(found, key=_LETTERS.index)) + "." * free
    counted = " ".join(f"{found.count(letter)}{letter}" for letter in _LETTERS if letter in found)
    if counted and len(counted) <= _MOST_TRADERS:
        return counted
    return f"{len(found)}/{chunks if isinstance(chunks, int) else NONE}"
