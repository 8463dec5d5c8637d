"""The life of one intent: placed exactly once, and followed until its last fill is known.

    decided ──> NOT_PLACED ──admitted──> INTENDED ──answer──> OPEN ──fill──> PARTIALLY_FILLED ──> FILLED
                   ^  │                     │  │ definite no, first attempt ──> REJECTED     └──> CANCELLED
      unsent, or   │  └ too old, not        │  └ anything else ──> UNKNOWN ──found──> OPEN     └──> EXPIRED
      a sell whose │    wanted: ABANDONED   │                        │
      absence is   └────────────────────────┴────────────────────────┘ absent: a buy is ABANDONED
      proven                                                           contradiction, anywhere: QUARANTINED

1. An attempt is durable before its frame is sent, and sent at most once; INTENDED means that a frame may be on
   the wire, and after a restart it is UNKNOWN.
2. UNKNOWN never means failed. Only looks that found nothing after a *received* server time later than the
   attempt's deadline (``timestamp + recv_window``) plus the grace prove an absence.
3. A definite no speaks for its own frame only: on a later attempt it leaves the earlier ones unknown, and rejects
   the intent once their absence is proven too.
4. An order has ended when its final status is known *and* its fills add up to what the exchange says it executed.
5. A fill is applied once, by its trade id. What contradicts what we know is kept, and quarantined; so is an order
   that was there and that spaced looks over more than the grace do not find.
6. An abandoned buy is watched: if it appears late it is cancelled by its order id; filled, it is quarantined.
"""

from dataclasses import replace
from typing import TypeAlias, assert_never

from naived.core.amount import Quantity
from naived.core.order import (
    Accepted,
    Answer,
    Fill,
    OrderStatus,
    Refusal,
    Refused,
    Report,
    Side,
    Unknown,
    Unsent,
)
from naived.core.placement import (
    STALE,
    TERMINAL,
    Action,
    Admitted,
    Answered,
    CancelWanted,
    Contradicted,
    Ended,
    Executed,
    Fate,
    FillsFound,
    Missing,
    Placed,
    Placement,
    PlacementEvent,
    Reported,
    Resolved,
    Restarted,
    Send,
    State,
)

LOOKS = 3  # spaced looks after the fence that must all find nothing
SKEW = 1_000  # ms an order may seem older than its intent: the exchange accepts a clock up to 1 s ahead

_FINAL_STATE = {
    OrderStatus.FILLED: State.FILLED,
    OrderStatus.CANCELED: State.CANCELLED,
    OrderStatus.EXPIRED: State.EXPIRED,
    OrderStatus.EXPIRED_IN_MATCH: State.EXPIRED,
    OrderStatus.REJECTED: State.REJECTED,
}

Step: TypeAlias = tuple[Placement, tuple[Action, ...]]


def step(placement: Placement, event: PlacementEvent, now: int) -> Step:
    """Apply one event at ``now`` (exchange ms); an event that changes nothing returns the same placement."""
    after, actions = _step(placement, event)
    if after is not placement:
        after = replace(after, updated_at=max(now, placement.updated_at))
    return after, actions


def _step(placement: Placement, event: PlacementEvent) -> Step:
    match event:
        case Admitted():
            return _admitted(placement, event)
        case Answered(answer):
            return _answered(placement, answer)
        case Reported(report):
            return _reported(placement, report)
        case FillsFound(fills):
            return _executed(placement, fills, placement.reported, placement.final, exhaustive=True)
        case Missing():
            return _missing(placement, event)
        case CancelWanted():
            if placement.state is State.NOT_PLACED:
                return _abandon(placement, "cancelled before it was sent")
            if placement.state in TERMINAL or placement.cancelling:
                return placement, ()
            return replace(placement, cancelling=True), ()
        case Restarted():
            if placement.state is State.INTENDED:
                return replace(placement, state=State.UNKNOWN, reason="restarted before an answer"), ()
            return placement, ()
        case Resolved(adopt):
            return _resolved(placement, adopt)
        case _:
            assert_never(event)


def _admitted(placement: Placement, event: Admitted) -> Step:
    if placement.state is not State.NOT_PLACED:
        return placement, ()
    if placement.intent.side is Side.BUY and event.timestamp - placement.decided_at > STALE:
        return _abandon(placement, "its trade was too old to act on")
    intended = replace(
        placement,
        state=State.INTENDED,
        attempt=placement.attempt + 1,
        epoch=event.epoch,
        timestamp=event.timestamp,
        recv_window=event.recv_window,
        reason=None,
        code=None,
        looks=0,
        refused=None,
    )
    return intended, (Send(),)


def _answered(placement: Placement, answer: Answer) -> Step:
    match answer:
        case Accepted(report):
            return _reported(placement, report)
        case Refused() if placement.state is State.INTENDED:
            if placement.attempt > 1:
                reason = f"refused: {answer.message}"
                unknown = replace(placement, state=State.UNKNOWN, reason=reason, code=answer.code, refused=answer)
                return unknown, ()
            return _reject(placement, answer)
        case Unsent() if placement.state is State.INTENDED and placement.cancelling:
            return _abandon(placement, "cancelled before it was sent")
        case Unsent(reason) if placement.state is State.INTENDED:
            return replace(placement, state=State.NOT_PLACED, attempt=placement.attempt - 1, reason=reason), ()
        case Unknown(reason, code) if placement.state is State.INTENDED:
            return replace(placement, state=State.UNKNOWN, reason=reason, code=code), ()
        case Refused() | Unsent() | Unknown():
            return placement, ()  # the user stream was quicker: the order is already known
        case _:
            assert_never(answer)


def _reported(placement: Placement, report: Report) -> Step:
    problem = _mismatch(placement, report)
    if problem:
        return _quarantine(placement, problem)
    reported = max(placement.reported, report.executed)
    if placement.state in TERMINAL:
        return _late(placement, report, reported)
    known = placement if placement.missed_at is None else replace(placement, looks=0, missed_at=None)
    actions: tuple[Action, ...] = ()
    if placement.order_id is None:
        known = replace(
            placement,
            order_id=report.order_id,
            state=State.OPEN,
            reason=None,
            code=None,
            looks=0,
            refused=None,
        )
        actions = (Placed(),)
    final = placement.final or (report.status if report.status.ended else None)
    after, more = _executed(known, report.fills, reported, final)
    return after, actions + more


def _mismatch(placement: Placement, report: Report) -> str | None:
    intent = placement.intent
    if placement.order_id is not None and report.order_id != placement.order_id:
        return f"two orders under one id: {placement.order_id} and {report.order_id}"
    if placement.state in (State.REJECTED, State.QUARANTINED) and placement.order_id is None:
        return f"refused, and yet order {report.order_id} exists"
    if (report.symbol, report.side, report.price, report.quantity) != (
        intent.symbol,
        intent.side,
        intent.price,
        intent.quantity,
    ):
        return f"order {report.order_id} is not what was intended"
    if placement.order_id is None and report.created < placement.created_at - SKEW:
        return f"order {report.order_id} is older than its intent"
    return None


def _late(placement: Placement, report: Report, reported: Quantity) -> Step:
    if placement.state is State.ABANDONED:
        if reported > 0:
            return _quarantine(
                replace(placement, order_id=report.order_id, reported=reported),
                f"abandoned, and yet order {report.order_id} was filled",
            )
        final = placement.final or (report.status if report.status.ended else None)
        if placement.order_id is not None and final is placement.final:
            return placement, ()
        return replace(placement, order_id=report.order_id, final=final), ()
    if reported > placement.reported:
        return _quarantine(placement, f"order {report.order_id} executed more after its end")
    return placement, ()


def _executed(
    placement: Placement,
    fills: tuple[Fill, ...],
    reported: Quantity,
    final: OrderStatus | None,
    *,
    exhaustive: bool = False,
) -> Step:
    """Apply the fills that are new; then see whether the order has ended.

    ``exhaustive`` fills may be newer than the last report; a report's own fills are within its cumulative quantity.
    """
    if placement.state not in (State.OPEN, State.PARTIALLY_FILLED):
        return placement, ()
    known = {fill.trade_id: fill for fill in placement.fills}
    fresh = []
    for fill in fills:
        before = known.get(fill.trade_id)
        if before is None:
            known[fill.trade_id] = fill
            fresh.append(fill)
        elif (before.price, before.quantity, before.fee, before.fee_asset) != (
            fill.price,
            fill.quantity,
            fill.fee,
            fill.fee_asset,
        ):
            return _quarantine(placement, f"fill {fill.trade_id} changed its content")
    executed = Quantity(placement.executed + sum(fill.quantity for fill in fresh))
    if exhaustive and final is None:
        reported = max(reported, executed)
    if executed > reported or reported > placement.intent.quantity:
        return _quarantine(placement, "more was executed than the exchange or the intent says")
    if not fresh and reported == placement.reported and final is placement.final:
        return placement, ()
    state = State.PARTIALLY_FILLED if executed else State.OPEN
    actions: tuple[Action, ...] = tuple(Executed(fill) for fill in fresh)
    if final is not None and executed == reported:
        state = _FINAL_STATE[final]
        at = max((fill.time for fill in known.values()), default=None)
        actions += (Ended(_fate(final, placement.cancelling), _rejection(final), at),)
    after = replace(
        placement,
        state=state,
        executed=executed,
        reported=reported,
        final=final,
        fills=placement.fills + tuple(fresh),
    )
    return after, actions


def _fate(final: OrderStatus, cancelling: bool) -> Fate:
    match final:
        case OrderStatus.FILLED:
            return Fate.FILLED
        case OrderStatus.CANCELED:
            return Fate.CANCELLED if cancelling else Fate.BY_HAND
        case OrderStatus.REJECTED:
            return Fate.REJECTED
        case _:
            return Fate.EXPIRED


def _rejection(final: OrderStatus) -> Refused | None:
    if final is OrderStatus.REJECTED:
        return Refused(Refusal.OTHER, 0, "rejected by the matching engine")
    return None


def _missing(placement: Placement, event: Missing) -> Step:
    if placement.order_id is not None:
        return _vanishing(placement, event)
    deadline = placement.deadline
    if placement.state is not State.UNKNOWN or deadline is None or event.server_time <= deadline + event.grace:
        return placement, ()
    if placement.looks + 1 < LOOKS:
        return replace(placement, looks=placement.looks + 1), ()
    if placement.intent.side is Side.BUY or placement.cancelling:
        return _abandon(placement, "the exchange does not have it")
    if placement.refused is not None:
        return _reject(placement, placement.refused)
    return replace(placement, state=State.NOT_PLACED, looks=0, reason="the exchange does not have it"), ()


def _vanishing(placement: Placement, event: Missing) -> Step:
    """The exchange had it and does not find it: it may lag, so only looks spread over more than the grace count."""
    if placement.state is State.QUARANTINED or placement.state in TERMINAL - {State.ABANDONED}:
        return placement, ()
    if placement.missed_at is None:
        return replace(placement, looks=1, missed_at=event.server_time), ()
    looks = placement.looks + 1
    if looks < LOOKS or event.server_time - placement.missed_at <= event.grace or not event.everywhere:
        return replace(placement, looks=looks), ()
    return _quarantine(placement, f"the exchange does not know order {placement.order_id} any more")


def _reject(placement: Placement, refused: Refused) -> Step:
    rejected = replace(placement, state=State.REJECTED, reason=refused.message, code=refused.code)
    return rejected, (Ended(Fate.REJECTED, refused),)


def _abandon(placement: Placement, reason: str) -> Step:
    return replace(placement, state=State.ABANDONED, reason=reason), (Ended(Fate.ABANDONED),)


def _quarantine(placement: Placement, reason: str) -> Step:
    if placement.state is State.QUARANTINED:
        return placement, ()
    return replace(placement, state=State.QUARANTINED, reason=reason), (Contradicted(reason),)


def _resolved(placement: Placement, adopt: bool) -> Step:
    if placement.state is not State.QUARANTINED:
        return placement, ()
    if adopt:
        state = State.OPEN if placement.order_id is not None else State.UNKNOWN
        if placement.order_id is not None and placement.executed:
            state = State.PARTIALLY_FILLED
        return replace(placement, state=state, final=None, reason=None, looks=0, missed_at=None), ()
    state = State.ABANDONED if placement.order_id is None else State.CANCELLED
    return replace(placement, state=state, reason="written off by hand"), (Ended(Fate.BY_HAND),)
