"""One symbol's traders and their orders in memory, and how news of one reaches the other.

Everything here is synchronous; what a step changes is noted in a `Draft`, which becomes one unit.
"""

from collections.abc import Callable, Iterable

from naived.core import leading, placing
from naived.core.amount import Quantity
from naived.core.leader import Adopted, Drained, Leader, LeaderEvent, Lost, OrderNews, awaits
from naived.core.order import Side
from naived.core.phase import Trader, position
from naived.core.placement import (
    LIVE,
    TERMINAL,
    WATCHED,
    Action,
    Admitted,
    CancelWanted,
    Contradicted,
    Ended,
    Executed,
    Need,
    Placed,
    Placement,
    PlacementEvent,
    Restarted,
    Send,
    State,
    need,
)
from naived.core.scene import Cancel, Count, Fault, Note, Place, Reread
from naived.runtime.work import Desk, Draft, Question

_STP = {Side.BUY: "EXPIRE_TAKER", Side.SELL: "EXPIRE_MAKER"}  # a sell survives whichever came first


class Book:
    """The leader and every order that may still matter. ``admit`` gives a timestamp to sign with, or None."""

    def __init__(self, leader: Leader, desk: Desk, admit: Callable[[Side], int | None]) -> None:
        self.leader = leader
        self.placements: dict[str, Placement] = {}
        self._keys: dict[tuple[int, Side, int], str] = {}
        self._desk = desk
        self._admit = admit

    def placement(self, number: int, side: Side, seq: int) -> Placement | None:
        """The order of one trader's decision, as long as it is kept."""
        client_order_id = self._keys.get((number, side, seq))
        return None if client_order_id is None else self.placements.get(client_order_id)

    @property
    def resting(self) -> list[Placement]:
        """Orders that the exchange has, or may have."""
        return [placement for placement in self.placements.values() if placement.state in LIVE]

    @property
    def numbered(self) -> list[Placement]:
        """Orders that rest under a number of the exchange's, by which they are asked for."""
        return [placement for placement in self.resting if placement.order_id is not None]

    @property
    def unsettled(self) -> list[Placement]:
        """Orders whose fate is open because we asked for something: unknown, in flight, being cancelled."""
        return [
            placement
            for placement in self.resting
            if placement.state in (State.UNKNOWN, State.INTENDED) or placement.cancelling
        ]

    @property
    def unread(self) -> list[Placement]:
        """Orders that executed more than we know fills of."""
        return [placement for placement in self.resting if need(placement) is Need.FILLS]

    def unbooked(self, trader: Trader) -> Quantity:
        """What the trader's live sell may have executed without our knowing the fills."""
        sell = self.placement(trader.number, Side.SELL, trader.sells)
        match sell:
            case Placement(state=State.UNKNOWN | State.INTENDED):
                return sell.intent.quantity
            case Placement(state=State.OPEN | State.PARTIALLY_FILLED, missed_at=int()):
                return Quantity(sell.intent.quantity - sell.executed)
            case Placement(state=State.OPEN | State.PARTIALLY_FILLED):
                return Quantity(sell.reported - sell.executed)
            case _:
                return Quantity(0)

    @property
    def watched(self) -> bool:
        """May the exchange have news of any order? One that was given up may still turn up."""
        return any(p.state in LIVE or p.state is State.ABANDONED for p in self.placements.values())

    @property
    def quarantined(self) -> list[Placement]:
        return [placement for placement in self.placements.values() if placement.state is State.QUARANTINED]

    def load(self, leader: Leader, placements: Iterable[Placement], draft: Draft) -> None:
        """Begin again from the journal: what may have been sent and was not answered is unknown now."""
        self.leader = leader
        self._keys.clear()
        self.placements.clear()
        for placement in placements:
            self._put(placement)
        for client_order_id in list(self.placements):
            self.move(draft, client_order_id, Restarted())

    def lead(self, draft: Draft, event: LeaderEvent) -> None:
        """Step the leader, and whatever that asks of its orders."""
        step = leading.step(self.leader, event, draft.now)
        self.leader = step.leader
        for trader in step.touched:
            draft.traders[trader.number] = trader
        for command in step.commands:
            match command:
                case Place():
                    self._place(draft, command)
                case Cancel(intent):
                    client_order_id = self._keys.get((intent.trader, intent.side, intent.seq))
                    if client_order_id is not None:
                        self.move(draft, client_order_id, CancelWanted())
                case Note(kind, message):
                    draft.note(kind, message)
                case Reread():
                    draft.questions.append(Question.RULES)
                case Count():
                    draft.questions.append(Question.COINS)
                case Drained():
                    draft.drained = True
                case Fault(reason):
                    draft.fault = reason

    def move(self, draft: Draft, client_order_id: str, event: PlacementEvent) -> None:
        """Step one order, and tell its trader; an id that is not kept (any more) is ignored."""
        placement = self.placements.get(client_order_id)
        if placement is None:
            return
        after, actions = placing.step(placement, event, draft.now)
        if after is not placement:
            self._put(after)
            draft.placements[client_order_id] = after
        for action in actions:
            self._act(draft, after, action)

    def write_off(self, draft: Draft, missing: Quantity) -> None:
        """Have coins that are not on the account forgotten, those of the oldest traders first.

        They were bought at the highest prices: whoever is left sells soonest. What rests at the exchange is there.
        """
        for trader in self.leader.traders:
            if missing <= 0:
                return
            sell = self.placement(trader.number, Side.SELL, trader.sells)
            if sell is not None and sell.state is State.NOT_PLACED:
                self.move(draft, sell.client_order_id, CancelWanted())
            lost = min(missing, self._loose(trader))
            if lost > 0:
                self.lead(draft, Lost(trader.number, lost))
                missing = Quantity(missing - lost)

    def _loose(self, trader: Trader) -> Quantity:
        """What a trader owns and no order of its own may have at the exchange."""
        sell = self.placement(trader.number, Side.SELL, trader.sells)
        offered = 0 if sell is None or sell.state not in LIVE else sell.intent.quantity - sell.executed
        return Quantity(position(trader).quantity - offered)

    def prune(self, now: int) -> None:
        """Forget orders that have ended and that no living trader refers to."""
        latest = {(trader.number, Side.BUY, trader.buys) for trader in self.leader.traders}
        latest |= {(trader.number, Side.SELL, trader.sells) for trader in self.leader.traders}
        for key, client_order_id in list(self._keys.items()):
            placement = self.placements[client_order_id]
            watched = placement.state is State.ABANDONED and now - placement.updated_at < WATCHED
            if placement.state in TERMINAL and key not in latest and not watched:
                del self._keys[key]
                del self.placements[client_order_id]

    def _place(self, draft: Draft, command: Place) -> None:
        intent = command.intent
        mode = _STP[intent.side]
        placement = Placement(
            intent,
            self._desk.new_id(),
            mode if mode in self.leader.info.stp_modes else None,
            self._desk.epoch,
            decided_at=command.decided_at,
            created_at=draft.now,
            updated_at=draft.now,
        )
        self._put(placement)
        draft.placements[placement.client_order_id] = placement
        timestamp = self._admit(intent.side)
        if timestamp is not None:
            self.move(
                draft, placement.client_order_id, Admitted(timestamp, self._desk.recv_window, self._desk.epoch)
            )

    def _put(self, placement: Placement) -> None:
        intent = placement.intent
        self.placements[placement.client_order_id] = placement
        self._keys[intent.trader, intent.side, intent.seq] = placement.client_order_id

    def _act(self, draft: Draft, placement: Placement, action: Action) -> None:
        intent = placement.intent
        match action:
            case Send():
                draft.sends.append(placement.client_order_id)
            case Placed() | Executed() | Ended():
                if isinstance(action, Executed):
                    draft.fills.append(action.fill)
                if awaits(self.leader, intent):
                    self.lead(draft, OrderNews(intent.trader, intent.side, intent.seq, action))
                elif isinstance(action, Ended):
                    self.lead(draft, Adopted(intent, placement.fills))
            case Contradicted(reason):
                draft.note("quarantined", f"{placement.client_order_id}: {reason}")
                draft.contradiction = reason
