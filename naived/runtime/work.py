"""What a step of a symbol leaves to do: rows to commit together, and what follows once they are durable."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol, TypeVar

import trio

from naived.core.leader import Leader
from naived.core.order import Fill
from naived.core.phase import Trader
from naived.core.placement import Placement
from naived.ports import Event, Exchange, Journal, JournalError, Unit, Wish

if TYPE_CHECKING:
    from naived.runtime.symbol import Symbol


K = TypeVar("K")
V = TypeVar("V")

_MOST_ROWS = 500  # fills and events of one commit: more than a burst of one symbol makes


class FaultError(Exception):
    """Nothing but a person can mend this symbol; trying again would only repeat it."""


class Question(Enum):
    """What a symbol may have to know anew from the exchange."""

    RULES = auto()  # filters and fees
    COINS = auto()  # what is free of its base asset


class Errands(Protocol):
    """What a symbol asks of the account session; each call is synchronous and returns at once."""

    def send(self, symbol: "Symbol", client_order_id: str) -> None:
        """Place this durable intent, once."""

    def attend(self, symbol: "Symbol", client_order_id: str) -> None:
        """See to it that what this placement needs is done, until it needs nothing."""

    def inquire(self, symbol: "Symbol", question: Question) -> None:
        """Ask, and tell the symbol what was answered; it asks again where that matters."""

    def stir(self, symbol: "Symbol") -> None:
        """There is work, and perhaps no task of the symbol that would do it."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What every symbol works with. ``publish`` tells followers of an event that is durable."""

    exchange: Exchange
    journal: Journal
    errands: Errands
    publish: Callable[[Event], None]
    new_id: Callable[[], str]
    epoch: int
    recv_window: int


@dataclass(slots=True)
class Work:
    """One unit, and what to do after its commit. ``done`` is set when it is known whether it is durable.

    ``fault``: why nothing goes on behind it.
    """

    unit: Unit
    sends: tuple[str, ...]
    touched: tuple[str, ...]
    questions: tuple[Question, ...]
    fault: str | None = None
    done: trio.Event = field(default_factory=trio.Event)
    committed: bool = False

    def absorb(self, later: "Work") -> bool:
        """Take the next unit into this one, which still waits; False where each needs a transaction of its own.

        A burst of fills is one commit then, not one each. The newest row of every trader and order counts.
        """
        first, second = self.unit, later.unit
        if not (self._plain and later._plain) or len(first.fills) + len(first.events) > _MOST_ROWS:
            return False
        traders = _newest((trader.number, trader) for trader in first.traders + second.traders)
        orders = _newest((order.client_order_id, order) for order in first.placements + second.placements)
        self.unit = replace(
            second,
            next_trader=first.next_trader if second.next_trader is None else second.next_trader,
            leftover=first.leftover if second.leftover is None else second.leftover,
            traders=tuple(traders),
            placements=tuple(orders),
            fills=first.fills + second.fills,
            events=first.events + second.events,
        )
        self.sends += later.sends
        self.touched += later.touched
        self.questions = (*self.questions, *(q for q in later.questions if q not in self.questions))
        return True

    @property
    def _plain(self) -> bool:
        return self.unit.wish is None and self.unit.request is None and self.fault is None

    async def durable(self) -> None:
        """Wait for the commit; raises JournalError if it failed, or may have."""
        await self.done.wait()
        if not self.committed:
            raise JournalError("it may or may not have been written: look at it again")


def _newest(rows: Iterable[tuple[K, V]]) -> Iterable[V]:
    """The last row of each key, in the order of the last rows."""
    kept: dict[K, V] = {}
    for key, row in rows:
        kept.pop(key, None)
        kept[key] = row
    return kept.values()


@dataclass(slots=True)
class Draft:
    """One unit in the making; ``before`` is the leader as the journal knows it."""

    symbol: str
    now: int
    before: Leader
    wish: Wish | None = None
    request: tuple[str, str] | None = None
    traders: dict[int, Trader] = field(default_factory=dict)
    placements: dict[str, Placement] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    sends: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    drained: bool = False
    fault: str | None = None
    contradiction: str | None = None

    def note(self, kind: str, message: str) -> None:
        self.events.append(Event(self.now, self.symbol, kind, message))

    def work(self, leader: Leader) -> Work | None:
        """The work of this step, or None if there is nothing to write and nothing to do."""
        unit = Unit(
            symbol=self.symbol,
            wish=self.wish,
            next_trader=leader.next_number if leader.next_number != self.before.next_number else None,
            leftover=leader.leftover if leader.leftover != self.before.leftover else None,
            traders=tuple(self.traders.values()),
            placements=tuple(self.placements.values()),
            fills=tuple(self.fills),
            events=tuple(self.events),
            request=self.request,
        )
        if unit == Unit(self.symbol) and not self.questions and self.fault is None:
            return None
        return Work(unit, tuple(self.sends), tuple(self.placements), tuple(self.questions), self.fault)
