"""The state machine of one order: placed exactly once, followed until its last fill is known. The engine steps it.

    decided ──> NOT_PLACED ──admitted──> INTENDED ──answer──> OPEN ──fill──> PARTIALLY_FILLED ──> FILLED
                   ^  │                     │  │ refused, first attempt ──> REJECTED         └──> CANCELLED
      unsent, or   │  └ too old, not        │  └ anything else ──> UNKNOWN ──found──> OPEN     └──> EXPIRED
      a sell whose │    wanted: ABANDONED   │                        │
      absence is   └────────────────────────┴────────────────────────┘ absence proven: a buy is ABANDONED
      proven                                                           contradiction, anywhere: QUARANTINED

1. An attempt is durable before its frame is sent, and sent at most once. INTENDED means that a frame may have been
   sent; after a restart it is UNKNOWN. So is a NOT_PLACED one after a failover of the database that lost commits.
2. UNKNOWN never means failed. Absence is proven only by queries that found nothing and were sent after we
   *received* a server time later than the attempt's fence (``timestamp + recv_window``) plus the grace.
3. A refusal, answered or reported, concerns its own frame only. If a later attempt is refused, the earlier ones are
   still unknown; the intent is rejected once their absence is proven too.
4. An order has ended when its final status is known *and* its fills add up to the quantity the exchange reports.
5. A fill is applied once, by its trade id. An order whose reports contradict each other or the intent is
   quarantined; so is one that existed, or whose symbol is not listed, if queries over the grace do not find it.
6. An abandoned buy is watched: if it appears late it is cancelled by its order id; if filled, it is quarantined.
"""

from collections.abc import Mapping
from enum import Enum, StrEnum, auto
from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from naived.core.amount import Quantity
from naived.core.orders.fills import merged, new_fills
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import (
    Accepted,
    Answer,
    Fill,
    OrderStatus,
    Refusal,
    Refused,
    Report,
    Unknown,
    Unsent,
)

LOOKS = 3  # queries in a row, spaced in time, that must all find nothing to prove absence
SKEW = 1_000  # ms an order may seem older than its intent: the exchange accepts a clock up to 1 s ahead
WATCHED = 24 * 60 * 60 * 1000  # ms for which an abandoned buy may still appear at the exchange
STALE = 5_000  # ms; a buy decided on an older trade is not placed any more


class UnexpectedError(Exception):
    """An event that cannot be in this state or phase: a bug, never ignored."""


class State(StrEnum):
    """An order's state as it is stored and shown."""

    INTENDED = "intended"
    UNKNOWN = "unknown"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    NOT_PLACED = "not_placed"
    ABANDONED = "abandoned"
    QUARANTINED = "quarantined"


TERMINAL = frozenset({State.FILLED, State.CANCELLED, State.EXPIRED, State.REJECTED, State.ABANDONED})
LIVE = frozenset({State.INTENDED, State.UNKNOWN, State.OPEN, State.PARTIALLY_FILLED})
_RESTING = frozenset({State.OPEN, State.PARTIALLY_FILLED})


class OrderState(Struct, frozen=True):
    """One intent and all that is known of it; a row of ``orders`` with its fills. Times are exchange ms.

    ``decided_at`` is the time of the trade (or fill) that caused the decision. ``attempt`` counts signed frames;
    0 is an intent that was never admitted. ``epoch`` is that of the process which decided, then of the one which
    made the latest attempt. ``executed`` is the sum of the applied ``fills`` (sorted by trade id), ``reported`` the
    exchange's cumulative quantity, ``final`` the exchange's final status, applied once the two are equal.
    ``cancelling``: a cancel is wanted or sent, under the id ``<client_order_id>-x``. ``amended`` is the quantity
    that a person left of it; ``adopted``: a person took it back, so the exchange's price and quantity count;
    ``by_exchange``: the exchange ended it by itself.

    In memory only: ``looks`` counts queries that found nothing, after the fence or, for an order that existed,
    since ``missed_at``; ``refused`` is the refusal of a later attempt.
    """

    intent: OrderIntent
    client_order_id: str
    stp_mode: str | None
    epoch: int
    decided_at: int
    created_at: int
    updated_at: int
    state: State = State.NOT_PLACED
    attempt: int = 0
    timestamp: int | None = None
    recv_window: int | None = None
    order_id: int | None = None
    executed: Quantity = Quantity(0)
    reported: Quantity = Quantity(0)
    final: OrderStatus | None = None
    cancelling: bool = False
    reason: str | None = None
    code: int | None = None
    fills: tuple[Fill, ...] = ()
    amended: Quantity | None = None
    adopted: bool = False
    by_exchange: bool = False
    looks: int = 0
    missed_at: int | None = None
    refused: Refused | None = None

    @property
    def since(self) -> int:
        """The earliest time (exchange ms) at which the exchange can have made it.

        Where its clock, or what we knew of it, went back since the decision, the frame has the earlier time.
        """
        return (self.created_at if self.timestamp is None else min(self.created_at, self.timestamp)) - SKEW

    @property
    def quantity(self) -> Quantity:
        """What the exchange is to execute: as intended, or what a person left of it."""
        return self.intent.quantity if self.amended is None else self.amended

    @property
    def has_ended(self) -> bool:
        """Has it, so that its trader knows all of its fills? Also one that is in quarantine since."""
        return self.final is not None and self.executed == self.reported

    @property
    def fence(self) -> int | None:
        """After this (exchange ms) the exchange refuses the latest attempt; None if there was no attempt."""
        if self.timestamp is None or self.recv_window is None:
            return None
        return self.timestamp + self.recv_window


class Admitted(Struct, frozen=True):
    """A slot of the order limit was taken: sign the next attempt with ``timestamp`` (exchange ms)."""

    client_order_id: str
    timestamp: int
    recv_window: int
    epoch: int


class Answered(Struct, frozen=True):
    client_order_id: str
    answer: Answer


class Reported(Struct, frozen=True):
    """After a person cancelled or changed the order, ``report`` may have another client order id."""

    client_order_id: str
    report: Report


class FillsFound(Struct, frozen=True):
    """All fills the exchange knows of this order."""

    client_order_id: str
    fills: tuple[Fill, ...]


class Missing(Struct, frozen=True):
    """We queried the order, and the exchange answered that it does not exist.

    ``server_time`` (exchange ms) was received before the query was sent; ``grace`` is in ms. If the order id is
    known, the time only spaces the queries, so our estimate of the exchange's clock is enough. Such an order counts
    as lost only after a search ``everywhere``: by its order id, in every list, and for its fills. Not ``listed``:
    the exchange does not know the symbol, which proves nothing of the order.
    """

    client_order_id: str
    server_time: int
    grace: int
    everywhere: bool = False
    listed: bool = True


class CancelWanted(Struct, frozen=True):
    client_order_id: str


class Restarted(Struct, frozen=True):
    """A new process read it; ``lost``: perhaps not an attempt signed by ``sent_until`` (ms, if known)."""

    client_order_id: str
    lost: bool = False
    sent_until: int | None = None
    recv_window: int | None = None


class Resolved(Struct, frozen=True):
    """A person ends a quarantine: ``adopt`` makes the order ours again, else it is written off."""

    client_order_id: str
    adopt: bool


OrderEvent: TypeAlias = Admitted | Answered | Reported | FillsFound | Missing | CancelWanted | Restarted | Resolved


class Fate(StrEnum):
    """How an order ended, for its trader."""

    FILLED = "filled"
    CANCELLED = "cancelled"
    BY_HAND = "cancelled by hand"
    BY_EXCHANGE = "ended by the exchange"
    EXPIRED = "expired"
    REJECTED = "rejected"
    ABANDONED = "abandoned"


class Send(Struct, frozen=True):
    """Sign and send this attempt, once, after it is durable."""


class Placed(Struct, frozen=True):
    """The exchange has the order."""


class Executed(Struct, frozen=True):
    fill: Fill


class Ended(Struct, frozen=True):
    """``trade_id`` is that of the newest fill; None if nothing was executed."""

    fate: Fate
    refused: Refused | None = None
    trade_id: int | None = None


class Contradicted(Struct, frozen=True):
    reason: str


Action: TypeAlias = Send | Placed | Executed | Ended | Contradicted


class Need(Enum):
    """What a order needs from the exchange before it can go on."""

    ADMIT = auto()
    ASK = auto()
    FILLS = auto()
    CANCEL = auto()


def need(order: OrderState) -> Need | None:
    """What must be done for the order now, or None. Callers check it after every step and store no list of work."""
    match order.state:
        case State.NOT_PLACED:
            return Need.ADMIT
        case State.UNKNOWN:
            return Need.ASK
        case State.OPEN | State.PARTIALLY_FILLED:
            if order.executed < order.reported:
                return Need.FILLS
            if order.cancelling:
                return Need.CANCEL
            return None if order.missed_at is None else Need.ASK
        case State.ABANDONED:
            return Need.CANCEL if order.order_id is not None and order.final is None else None
        case _:
            return None


_FINAL_STATE = {
    OrderStatus.FILLED: State.FILLED,
    OrderStatus.CANCELED: State.CANCELLED,
    OrderStatus.EXPIRED: State.EXPIRED,
    OrderStatus.EXPIRED_IN_MATCH: State.EXPIRED,
    OrderStatus.REJECTED: State.REJECTED,
}

# Which state may follow which. What the exchange has told of an order may have ended it at once.
_AT_THE_EXCHANGE = frozenset({State.OPEN, State.PARTIALLY_FILLED, *_FINAL_STATE.values()})
NEXT: Mapping[State, frozenset[State]] = {
    State.NOT_PLACED: _AT_THE_EXCHANGE | {State.INTENDED, State.UNKNOWN, State.ABANDONED, State.QUARANTINED},
    State.INTENDED: _AT_THE_EXCHANGE | {State.NOT_PLACED, State.UNKNOWN, State.ABANDONED, State.QUARANTINED},
    State.UNKNOWN: _AT_THE_EXCHANGE | {State.NOT_PLACED, State.ABANDONED, State.QUARANTINED},
    State.OPEN: _AT_THE_EXCHANGE - {State.OPEN} | {State.QUARANTINED},
    State.PARTIALLY_FILLED: frozenset(_FINAL_STATE.values()) | {State.QUARANTINED},
    **dict.fromkeys(TERMINAL, frozenset({State.QUARANTINED})),
    # Only a person ends a quarantine: adopted, or written off.
    State.QUARANTINED: frozenset(
        {State.UNKNOWN, State.OPEN, State.PARTIALLY_FILLED, State.CANCELLED, State.ABANDONED}
    ),
}

OrderStep: TypeAlias = tuple[OrderState, tuple[Action, ...]]


def step_order(order: OrderState, event: OrderEvent, now: int) -> OrderStep:
    """Apply one event at ``now`` (exchange ms); an event that changes nothing returns the same order.

    Raises UnexpectedError for a state that must not follow.
    """
    after, actions = _step(order, event)
    if after is not order:
        if after.state is not order.state and after.state not in NEXT[order.state]:
            raise UnexpectedError(f"{order.client_order_id}: {order.state} must not become {after.state}")
        after = replace(after, updated_at=max(now, order.updated_at))
    return after, actions


def _step(order: OrderState, event: OrderEvent) -> OrderStep:
    match event:
        case Reported():
            return _reported(order, event.report)
        case Answered():
            return _answered(order, event.answer)
        case Admitted():
            return _admitted(order, event)
        case FillsFound(_, fills):
            return _executed(order, fills, order.reported, order.final, exhaustive=True)
        case Missing():
            return _missing(order, event)
        case CancelWanted():
            if order.state is State.NOT_PLACED:
                return _abandon(order, "cancelled before it was sent")
            if order.state in TERMINAL or order.cancelling:
                return order, ()
            return replace(order, cancelling=True), ()
        case Restarted():
            return _restarted(order, event), ()
        case Resolved(_, adopt):
            return _resolved(order, adopt)
        case _:
            assert_never(event)


def _restarted(order: OrderState, event: Restarted) -> OrderState:
    if event.lost and order.order_id is None and order.state not in (*TERMINAL, State.QUARANTINED):
        order = replace(order, state=State.INTENDED, timestamp=event.sent_until, recv_window=event.recv_window)
    unknown = replace(order, state=State.UNKNOWN, reason="restarted before an answer")
    return unknown if order.state is State.INTENDED else order


def _admitted(order: OrderState, event: Admitted) -> OrderStep:
    if order.state is not State.NOT_PLACED:
        return order, ()
    if order.intent.side is Side.BUY and event.timestamp - order.decided_at > STALE:
        return _abandon(order, "its trade was too old to act on")
    intended = replace(
        order,
        state=State.INTENDED,
        attempt=order.attempt + 1,
        epoch=event.epoch,
        timestamp=event.timestamp,
        recv_window=event.recv_window,
        reason=None,
        code=None,
        looks=0,
        refused=None,
    )
    return intended, (Send(),)


def _answered(order: OrderState, answer: Answer) -> OrderStep:
    match answer:
        case Accepted():
            return _reported(order, answer.report)
        case Refused() if order.state is State.INTENDED:
            return _reject(order, answer) if order.attempt == 1 else (_in_doubt(order, answer), ())
        case Unsent() if order.state is State.INTENDED and order.cancelling:
            return _abandon(order, "cancelled before it was sent")
        case Unsent(reason) if order.state is State.INTENDED:
            return replace(order, state=State.NOT_PLACED, attempt=order.attempt - 1, reason=reason), ()
        case Unknown() if order.state is State.INTENDED:
            return _in_doubt(order, answer), ()
        case Refused() | Unsent() | Unknown():
            return order, ()  # the user stream was faster: the order is already known
        case _:
            assert_never(answer)


def _reported(order: OrderState, report: Report) -> OrderStep:
    if report.refusal is not None:
        return _told_refused(order, report.refusal)
    if order.final is None and order.state is State.CANCELLED:
        return order, ()  # a person wrote it off: what becomes of it at the exchange concerns us no more
    problem = _mismatch(order, report)
    if problem:
        if order.state is State.REJECTED and order.order_id is None and report.symbol == order.intent.symbol:
            order = replace(order, order_id=report.order_id)
        return _quarantine(order, problem)
    reported = max(order.reported, report.executed)
    if order.state in TERMINAL:
        return _reported_after_end(order, report, reported)
    known = order
    actions: tuple[Action, ...] = ()
    if order.order_id is None:
        known = replace(
            order,
            order_id=report.order_id,
            state=State.OPEN,
            reason=None,
            code=None,
            looks=0,
            missed_at=None,
            refused=None,
        )
        actions = (Placed(),)
    elif order.missed_at is not None:
        known = replace(order, looks=0, missed_at=None)
    if report.quantity < order.quantity:
        known = replace(known, amended=report.quantity)
    final = order.final
    if final is None and report.status.ended:
        final = report.status
        if report.by_exchange or report.by_us or report.expiry:
            wanted, reason = known.cancelling or report.by_us, report.expiry or known.reason
            known = replace(known, by_exchange=report.by_exchange, cancelling=wanted, reason=reason)
    after, more = _executed(known, report.fills, reported, final)
    return after, actions + more


def _told_refused(order: OrderState, refusal: Refused | Unknown) -> OrderStep:
    """A frame created no order. Rule 3: what is known of another one, or was answered, stays as it is."""
    if order.order_id is not None or order.state not in (State.INTENDED, State.UNKNOWN):
        return order, ()
    if isinstance(refusal, Refused) and order.attempt == 1:
        return _reject(order, refusal)
    return _in_doubt(order, refusal), ()


def _in_doubt(order: OrderState, why: Refused | Unknown) -> OrderState:
    """Nobody knows whether it exists; after a refusal of the latest frame because of the earlier ones."""
    if isinstance(why, Unknown):
        return replace(order, state=State.UNKNOWN, reason=why.reason, code=why.code)
    return replace(order, state=State.UNKNOWN, reason=f"refused: {why.message}", code=why.code, refused=why)


def _mismatch(order: OrderState, report: Report) -> str | None:
    intent = order.intent
    if order.order_id is not None and report.order_id != order.order_id:
        return f"two orders under one id: {order.order_id} and {report.order_id}"
    if order.order_id is None and order.state in (State.REJECTED, State.QUARANTINED):
        return f"refused, and yet order {report.order_id} exists"
    if report.symbol != intent.symbol or report.side is not intent.side:
        return f"order {report.order_id} is not what was intended"
    same = report.price == intent.price and (report.quantity == intent.quantity or _is_amended(order, report))
    if not same and not order.adopted:
        return f"order {report.order_id} is not what was intended"
    if order.order_id is None and report.created < order.since:
        return f"order {report.order_id} is older than its intent"
    return None


def _is_amended(order: OrderState, report: Report) -> bool:
    """May a person have left less of the order? The exchange amends nothing else.

    Of an order that we did not know yet either the amendment is told, or the answer to a query shows another client
    order id than was asked for.
    """
    told = report.amended or report.client_order_id != order.client_order_id or order.order_id is not None
    return told and report.executed <= report.quantity < order.intent.quantity


def _reported_after_end(order: OrderState, report: Report, reported: Quantity) -> OrderStep:
    if order.state is State.ABANDONED:
        if reported > 0:
            return _quarantine(
                replace(order, order_id=report.order_id, reported=reported),
                f"abandoned, and yet order {report.order_id} was filled",
            )
        final = order.final or (report.status if report.status.ended else None)
        if order.order_id is not None and final is order.final:
            return order, ()
        return replace(order, order_id=report.order_id, final=final), ()
    if reported > order.reported:
        return _quarantine(order, f"order {report.order_id} executed more after its end")
    return order, ()


def _executed(
    order: OrderState,
    fills: tuple[Fill, ...],
    reported: Quantity,
    final: OrderStatus | None,
    *,
    exhaustive: bool = False,
) -> OrderStep:
    """Apply the fills that are new; end the order if its final status and all its fills are known.

    ``exhaustive``: ``fills`` are all fills of the order, and may be newer than the last report. The fills of a
    report are never more than its cumulative quantity.
    """
    if order.state not in _RESTING:
        return order, ()
    fresh = new_fills(order.fills, fills)
    if isinstance(fresh, str):
        return _quarantine(order, fresh)
    executed = Quantity(order.executed + sum([fill.quantity for fill in fresh]))
    if exhaustive and final is None:
        reported = max(reported, executed)
    if executed > reported or reported > order.intent.quantity:
        return _quarantine(order, "more was executed than the exchange or the intent says")
    if not fresh and reported == order.reported and final is order.final:
        return order, ()
    state = State.PARTIALLY_FILLED if executed else State.OPEN
    actions: tuple[Action, ...] = tuple(map(Executed, fresh))
    known = merged(order.fills, fresh)
    if final is not None and executed == reported:
        state = _FINAL_STATE[final]
        newest = known[-1].trade_id if known else None
        actions += (Ended(_fate(final, order), _refusal(final, order), newest),)
    after = replace(order, state=state, executed=executed, reported=reported, final=final, fills=known)
    return after, actions


def _fate(final: OrderStatus, order: OrderState) -> Fate:
    match final:
        case OrderStatus.FILLED:
            return Fate.FILLED
        case OrderStatus.REJECTED:
            return Fate.REJECTED
        case OrderStatus.CANCELED if order.cancelling:
            return Fate.CANCELLED
        case _ if order.by_exchange:
            return Fate.BY_EXCHANGE
        case OrderStatus.CANCELED:
            return Fate.BY_HAND
        case _:
            return Fate.EXPIRED


def _refusal(final: OrderStatus, order: OrderState) -> Refused | None:
    why = "rejected by the matching engine" if final is OrderStatus.REJECTED else order.reason
    return None if why is None else Refused(Refusal.OTHER, 0, why)


def _missing(order: OrderState, event: Missing) -> OrderStep:
    if order.order_id is not None or not event.listed:
        return _missing_known(order, event)
    fence = order.fence
    if order.state is not State.UNKNOWN or fence is None or event.server_time <= fence + event.grace:
        return order, ()
    looks = 1 if order.missed_at is not None else order.looks + 1  # while it was not listed nothing was proven
    if looks < LOOKS:
        return replace(order, looks=looks, missed_at=None), ()
    absent = "the exchange does not have it"
    if order.reason is not None:
        absent += f" ({order.reason})"
    if order.intent.side is Side.BUY or order.cancelling:
        return _abandon(order, absent)
    if order.refused is not None:
        return _reject(order, order.refused)
    return replace(order, state=State.NOT_PLACED, looks=0, reason=absent), ()


def _missing_known(order: OrderState, event: Missing) -> OrderStep:
    """What the exchange had is not found. It may lag, so the queries must span more than the grace."""
    if order.state in (State.INTENDED, State.QUARANTINED) or order.state in TERMINAL - {State.ABANDONED}:
        return order, ()
    if order.missed_at is None:
        return replace(order, looks=1, missed_at=event.server_time), ()
    looks = order.looks + 1
    if looks < LOOKS or event.server_time - order.missed_at <= event.grace or not event.everywhere:
        return replace(order, looks=looks), ()
    lost = f"know order {order.order_id}" if event.listed else f"list {order.intent.symbol}"
    return _quarantine(order, f"the exchange does not {lost} any more")


def _reject(order: OrderState, refused: Refused) -> OrderStep:
    rejected = replace(order, state=State.REJECTED, reason=refused.message, code=refused.code)
    return rejected, (Ended(Fate.REJECTED, refused),)


def _abandon(order: OrderState, reason: str) -> OrderStep:
    return replace(order, state=State.ABANDONED, reason=reason), (Ended(Fate.ABANDONED),)


def _quarantine(order: OrderState, reason: str) -> OrderStep:
    if order.state is State.QUARANTINED:
        return order, ()
    return replace(order, state=State.QUARANTINED, reason=reason), (Contradicted(reason),)


def _resolved(order: OrderState, adopt: bool) -> OrderStep:
    if order.state is not State.QUARANTINED:
        return order, ()
    if adopt:
        state = State.OPEN if order.order_id is not None else State.UNKNOWN
        if order.order_id is not None and order.executed:
            state = State.PARTIALLY_FILLED
        return replace(order, state=state, final=None, reason=None, looks=0, missed_at=None, adopted=True), ()
    state = State.ABANDONED if order.order_id is None else State.CANCELLED
    ignored = replace(order, state=state, final=None, reason="written off by hand")
    return ignored, () if order.has_ended else (Ended(Fate.BY_HAND),)
