"""The lots of a symbol at a moment of the past, worked out from all traders that it ever had.

Every change of the lots is in a trader's row: the lot that it left, the lots that joined its first sell, the lots
that it was made of, the lots that were written off. These changes are made once more, in their order, up to now:
there the lots must be those that the journal has. Whatever does not fit is a doubt, and is told.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from naived.core.amount import Money, Price, Quantity, format_amount
from naived.core.market import Filters
from naived.core.strategy.lots import NO_LOT, Lot, Lots, added, split, together
from naived.core.strategy.sizing import asked
from naived.core.strategy.trader_state import PAID_BACK
from naived.database.history import History
from naived.database.queries import Life

# What happens first of what the journal has in one millisecond.
_LEFT, _MADE, _WRITTEN_OFF, _JOINED, _RETURNED = range(5)


@dataclass(frozen=True, slots=True)
class PastLots:
    """``carried``: the lots that traders sell along, by their numbers. ``doubt``: why it may not be exact."""

    lots: Lots = ()
    carried: Mapping[int, Lot] = field(default_factory=dict)
    doubt: str | None = None


@dataclass(frozen=True, slots=True)
class _Change:
    """``order`` and ``row`` say which of two changes in one millisecond came first."""

    at: int
    order: int
    row: int
    make: Callable[[], None]


def lots_at(history: History, at: int, filters: Filters) -> PastLots:
    """What changed before ``at`` (exchange ms) counts."""
    ledger = _Ledger(filters)
    changes = sorted(_changes(history, ledger), key=lambda each: (each.at, each.order, each.row))
    past: PastLots | None = None
    for change in changes:
        if past is None and change.at >= at:
            past = PastLots(ledger.lots, dict(ledger.carried))
        ledger.now = change.at
        change.make()
    past = past or PastLots(ledger.lots, dict(ledger.carried))
    doubt = next(iter(ledger.doubts), None) or _owed(history, at)
    if doubt is None and ledger.lots != history.lots:
        doubt = f"they add up to {_words(ledger.lots)} until now, and the journal has {_words(history.lots)}"
    return PastLots(past.lots, past.carried, doubt)


def _owed(history: History, at: int) -> str | None:
    if history.owed:
        return "it owes coins that were sold"
    paid = (life for life in history.everyone if life.reason == PAID_BACK and (life.ended or 0) >= at)
    return "it owed coins that were sold" if next(paid, None) is not None else None


def _words(lots: Lots) -> str:
    return f"{format_amount(together(lots).quantity)} in {len(lots)}"


def _changes(history: History, ledger: "_Ledger") -> Iterator[_Change]:
    """All changes of the symbol's lots, trader by trader."""
    for life in history.everyone:
        trader, bought = life.trader, life.bought
        own = bought is not None and bought.net > 0
        if life.ended == trader.started_at and own and not (trader.buys or trader.sells or life.dust):
            yield _Change(life.ended, _WRITTEN_OFF, trader.number, partial(ledger.write_off, life))
            continue
        if own and life.offers and not life.offers[0].ioc:
            first = life.offers[0]
            yield _Change(first.at, _JOINED, first.row, partial(ledger.join, life))
            yield from _returned(life, ledger)
        elif not own and life.carried:
            ledger.made.append(life)
            yield _Change(trader.started_at, _MADE, trader.number, partial(ledger.make, life))
        if life.ended is not None:
            at_once = bool(life.offers) and life.offers[0].at == life.ended
            order = _RETURNED if at_once else _LEFT
            yield _Change(life.ended, order, trader.number, partial(ledger.leave, life))


def _returned(life: Life, ledger: "_Ledger") -> Iterator[_Change]:
    """The lots came back that joined its first sell, if it did not carry them to its end: by its next decision."""
    until = life.offers[1].at if len(life.offers) > 1 else life.ended
    if life.carried == NO_LOT and until is not None:
        order = _RETURNED if until == life.offers[0].at else _LEFT
        yield _Change(until, order, life.trader.number, partial(ledger.give_back, life))


@dataclass(slots=True)
class _Ledger:
    """The lots at ``now`` (ms). ``made``: the traders of lots alone, which are not made yet."""

    filters: Filters
    now: int = 0
    lots: Lots = ()
    carried: dict[int, Lot] = field(default_factory=dict)
    made: list[Life] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def leave(self, life: Life) -> None:
        """It finished: what was too little to sell is a lot."""
        self.carried.pop(life.trader.number, None)
        if life.dust.quantity > 0:  # below 0 it is owed; what pays for it is written off
            self._add(life.dust)

    def join(self, life: Life) -> None:
        """Its first sell takes along the lots that may be sold at its price."""
        assert life.bought is not None
        price = asked(life.trader.terms, life.bought, NO_LOT, self.filters)
        joining, rest = split(self.lots, price)
        if life.carried != NO_LOT and together(joining) != life.carried:
            joining, rest = split(self.lots, life.carried.price)
            if together(joining) != life.carried:
                self._doubt(f"{life.trader.id} sold other lots along than it can have had")
        self.lots = rest
        if joining:
            self.carried[life.trader.number] = life.carried or together(joining)

    def give_back(self, life: Life) -> None:
        """Its sell was refused, or it sells at a loss: the lots are the symbol's again."""
        lot = self.carried.pop(life.trader.number, NO_LOT)
        if lot:
            self._add(lot)

    def make(self, life: Life) -> None:
        """It is made of lots that are a whole order together."""
        if life in self.made and not self._take(life):
            self._doubt(f"{life.trader.id} sold lots that it cannot have had")

    def write_off(self, life: Life) -> None:
        """A lot, or a part of it, was written off or has paid back what was owed."""
        assert life.bought is not None
        gone = Lot(life.bought.quantity, life.bought.cost, life.bought.limit)
        rest = [_without(lot, gone) if lot.price == gone.price else lot for lot in self.lots]
        if rest == list(self.lots) or any(lot.quantity < 0 or lot.cost < 0 for lot in rest):
            self._doubt(f"{life.trader.id} stands for a lot that it cannot have had")
            return
        self.lots = tuple(lot for lot in rest if lot.quantity)

    def _add(self, lot: Lot) -> None:
        """One more lot; it may make others a whole order at once."""
        self.lots = added(self.lots, lot)
        for life in [each for each in self.made if each.trader.started_at == self.now]:
            self._take(life)

    def _take(self, life: Life) -> bool:
        """Take out of the lots those next to each other that a trader was made of."""
        last = next((at for at, lot in enumerate(self.lots, 1) if lot.price == life.carried.price), 0)
        for first in range(last):
            if together(self.lots[first:last]) == life.carried:
                self.lots = self.lots[:first] + self.lots[last:]
                self.carried[life.trader.number] = life.carried
                self.made.remove(life)
                return True
        return False

    def _doubt(self, what: str) -> None:
        self.doubts.append(what)


def _without(lot: Lot, gone: Lot) -> Lot:
    return Lot(Quantity(lot.quantity - gone.quantity), Money(lot.cost - gone.cost), Price(lot.price))
