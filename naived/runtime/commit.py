"""Commits of a symbol: rows to write together, what to do once they are durable, and the queue they wait in."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import trio
from msgspec.structs import replace

from naived.core.engine import Engine, Event, Question
from naived.core.orders.intent import Side
from naived.core.orders.report import Refusal, Refused
from naived.core.orders.state import TERMINAL, Answered, CancelWanted, OrderState, State
from naived.core.risk import OverLimit
from naived.ports import JournalError, Unit

K = TypeVar("K")
V = TypeVar("V")

_MOST_ROWS = 500  # fills and events of one commit: more than a burst of one symbol makes
_MOST_PENDING = 10_000  # commits; with more, restarting the symbol from the journal is cheaper


@dataclass(slots=True)
class Commit:
    """One unit, and what to do once it is durable. ``done`` is set when it was written, failed or was dropped.

    ``sends`` and ``touched`` are client order ids.
    """

    unit: Unit
    sends: tuple[str, ...]
    touched: tuple[str, ...]
    questions: tuple[Question, ...]
    done: trio.Event = field(default_factory=trio.Event)
    committed: bool = False

    def absorb(self, later: "Commit") -> bool:
        """Merge the next commit into this one, which still waits; False if each needs its own transaction.

        So a burst of fills is one commit. Of each trader and order the newest row is kept.
        """
        first, second = self.unit, later.unit
        if not (self._plain and later._plain) or len(first.fills) + len(first.events) > _MOST_ROWS:
            return False
        # A new buy may be left out with the row of its trader; what that trader was before is written by itself.
        buying = {order.intent.trader for order in second.orders if is_new_buy(order)}
        if any(trader.number in buying for trader in first.traders):
            return False
        traders = _newest((trader.number, trader) for trader in first.traders + second.traders)
        orders = _newest((order.client_order_id, order) for order in first.orders + second.orders)
        self.unit = replace(
            second,
            next_trader=first.next_trader if second.next_trader is None else second.next_trader,
            lots=first.lots if second.lots is None else second.lots,
            owed=first.owed if second.owed is None else second.owed,
            closed_at=first.closed_at if second.closed_at is None else second.closed_at,
            exposure=first.exposure if second.exposure is None else second.exposure,
            traders=tuple(traders),
            orders=tuple(orders),
            fills=first.fills + second.fills,
            events=first.events + second.events,
        )
        self.sends += later.sends
        self.touched += later.touched
        self.questions = (*self.questions, *(q for q in later.questions if q not in self.questions))
        return True

    @property
    def _plain(self) -> bool:
        unit = self.unit
        return unit.desired is None and unit.request is None and unit.halt is None

    def answer(self, request: tuple[str, str]) -> None:
        """Store the answer to a request with it, in the same transaction; it must not have begun."""
        self.unit = replace(self.unit, request=request)

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


class CommitQueue:
    """The commits of one symbol that have not begun, in order."""

    def __init__(self) -> None:
        self._pending: deque[Commit] = deque()
        self._changed = trio.Event()

    def __bool__(self) -> bool:
        return bool(self._pending)

    def append(self, commit: Commit) -> Commit:
        """Queue it; returns the commit that it became part of. Raises OverflowError if too many wait."""
        if self._pending and self._pending[-1].absorb(commit):
            return self._pending[-1]
        if len(self._pending) >= _MOST_PENDING:
            raise OverflowError(f"{_MOST_PENDING} commits of {commit.unit.symbol} wait for the journal")
        self._pending.append(commit)
        self.notify()
        return commit

    def pop(self) -> Commit:
        return self._pending.popleft()

    def drop(self) -> None:
        """Drop all of them; whoever waits in ``durable`` gets a JournalError."""
        while self._pending:
            self._pending.popleft().done.set()

    def notify(self) -> None:
        """End the current ``wait``, or the next one at once."""
        self._changed.set()

    async def wait(self, seconds: float) -> None:
        """Until ``notify`` was called since the last ``wait``, at most ``seconds``."""
        with trio.move_on_after(seconds):
            await self._changed.wait()
        self._changed = trio.Event()


def refusals(engine: Engine, over: OverLimit | None) -> list[Event]:
    """What new buys are told that were left out of a commit: their traders wait with the reason."""
    events: list[Event] = []
    if over is None:
        return events
    for client_order_id in over.client_order_ids:
        order = engine.orders.get(client_order_id)
        if order is not None and order.state is State.INTENDED:
            events.append(Answered(client_order_id, Refused(Refusal.LIMIT, 0, over.reason)))
        elif order is not None:
            events.append(CancelWanted(client_order_id))
    return events


def is_new_buy(order: OrderState) -> bool:
    """May its commit leave it out, because of a halt or a limit? The exchange does not have it yet."""
    return order.intent.side is Side.BUY and order.order_id is None and order.state not in TERMINAL
