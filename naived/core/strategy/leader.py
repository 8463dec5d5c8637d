"""One symbol's traders and money: when a trader starts, and what follows one that finished. The engine steps it.

    no trader ──trade──> one ──falls below its rebuy──> one more, at most ``chunks``
                          │
                          └──finished──> a successor, or none: no room, not ``on``
                                         └── ``shutdown`` and none left: Drained

1. No trader starts if there would be more of them than ``chunks``, or if they would commit more than ``budget``.
2. Each trader starts one more, once, on a trade strictly below its rebuy price. If none may start then, it can
   still do so later. The new trader acts on the trade that started it.
3. A finished trader is followed by a new one with the newest settings, which acts on a later trade. A trader that
   still waits takes new settings; one that has decided keeps its own.
4. While a guard blocks the price nothing is bought and no rebuy is spent. ``guarded`` then has a price at which
   somebody wanted to buy; trades near it that are blocked as well change nothing.
5. A trade at or below a trader's stop-loss sells what it bought at a loss (``stopping.py``) and halts the symbol.
6. A trader that is refused a buy is asked again where its refusal ends (``standing.py``).
7. While ``shutdown`` nothing starts; when the last trader finishes, the symbol becomes ``off``. ``start`` ends the
   drain.

``step_leader`` is the only way to change a leader. ``band`` is the open interval of prices at which a trade changes
nothing, so that a price gate compares two integers per trade and calls ``step_leader`` only outside.
"""

from typing import TypeAlias, assert_never

from msgspec.structs import replace

from naived.core.amount import Money, Quantity, format_amount
from naived.core.market import Trade
from naived.core.orders.state import STALE, UnexpectedError
from naived.core.price_guards import Interval
from naived.core.risk import Halt, HaltedBy, Halts
from naived.core.strategy.formulas import rebuy_below
from naived.core.strategy.guards import guarded_band
from naived.core.strategy.leader_coins import adopt, lose, lose_lots, readopt, sell_lots
from naived.core.strategy.leader_draft import Draft
from naived.core.strategy.leader_events import (
    Activated,
    Adopted,
    Found,
    Halted,
    Informed,
    LeaderEvent,
    Lost,
    LotsLost,
    Readopted,
    Recalled,
)
from naived.core.strategy.leader_lost import find
from naived.core.strategy.leader_state import Drained, Guarded, Leader, LeaderStep, closed_at, has_room
from naived.core.strategy.settings import Status
from naived.core.strategy.sizing import affordable, terms_of
from naived.core.strategy.standing import stands, together
from naived.core.strategy.stopping import stop_limit, stop_price, stops_at
from naived.core.strategy.trader import cause, reprice_limit
from naived.core.strategy.trader_state import (
    Buying,
    Cancel,
    Counted,
    Directed,
    Finished,
    Holding,
    Measured,
    Note,
    OrderNews,
    Recall,
    Released,
    Selling,
    Stopped,
    Traded,
    Trader,
    Waiting,
    Woke,
)
from naived.core.strategy.traders import chunks_taken, commitments, rebuy_limit, spent_rebuys

_NEVER = 1 << 62  # above every price

Band: TypeAlias = tuple[int, int]

EVERY: Band = (_NEVER, -1)  # no price lies inside: every trade matters
NONE: Band = (-1, _NEVER)  # every price lies inside: no trade matters


def band(leader: Leader, blocked: str | None) -> Band:
    """The open interval of prices at which a trade changes nothing; ``blocked``: why no order may be placed."""
    status = leader.status
    if blocked is not None or status is Status.OFF:
        return NONE
    low, high = NONE
    traders, stop_loss = leader.traders, leader.settings.stop_loss
    if stop_loss:
        low = stops_at(traders, stop_loss)
    if not leader.may_buy:
        return low, high
    held, standing = _held(leader), leader.standing
    if held is not None:  # nothing is bought inside, but a resting buy may still be repriced
        low, high = max(low, held[0]), held[1]
    elif standing is not None:
        low, high = max(low, standing.low), standing.high
    for trader in traders:
        phase = type(trader.phase)
        if phase is Waiting and held is None and standing is None:
            return EVERY
        if phase is Buying:
            reprice = reprice_limit(trader, leader.info.filters)
            if reprice is not None and reprice < high:
                high = reprice + 1
    committed = sum(commitments(traders, leader.lots))
    if held is not None or not has_room(leader, traders, committed):
        return low, high
    if not chunks_taken(traders):
        return EVERY
    if (leader.settings.budget or 0) - committed < leader.info.filters.min_notional:  # too little for any buy
        return low, high
    spent = spent_rebuys(traders)
    for trader in traders:
        limit = rebuy_limit(trader)
        if limit is not None and trader.number not in spent:
            low = max(low, rebuy_below(limit, trader.terms.rebuy) - 1)
    return low, high


def _held(leader: Leader) -> Interval | None:
    """The prices at which guards still block what they blocked last."""
    if leader.guarded is None:
        return None
    guarded = leader.guarded
    return guarded_band(leader.settings, leader.info, leader.traders, guarded.price, guarded.peak)


def step_leader(leader: Leader, event: LeaderEvent, now: int, blocked: str | None) -> LeaderStep:
    """Apply one event at ``now`` (exchange ms); ``blocked``: why no order may be placed.

    Raises UnexpectedError for news of an order that no trader waits for.
    """
    draft = Draft(leader, now, blocked, {trader.number: trader for trader in leader.traders})
    match event:
        case Traded():
            _traded(draft, event, event.trade)
        case OrderNews():
            trader = draft.living.get(event.intent.trader)
            if trader is None:
                raise UnexpectedError(f"{leader.info.symbol}-{event.intent.trader} does not live, and yet: {event}")
            draft.tell(trader, event)
        case Woke():
            draft.tell_all(event, (Holding,))
            _lapse(draft, now)
        case Directed(desired):
            draft.leader = replace(leader, desired=desired, barred=None)
            if not desired.settings.stop_loss:
                _forget_stops(draft)
            draft.tell_all(event)
            if desired.settings.fall_guard != leader.settings.fall_guard:
                _recall(draft)
            _renew(draft)
        case Halted(halt, account):
            _halt(draft, Halts(leader.halts.own, halt) if account else Halts(halt, leader.halts.account))
        case Activated() if leader.desired.status is Status.OFF:
            pass  # a stop came first
        case Activated():
            draft.leader = replace(leader, active=True)
            _recall(draft)
            draft.tell_all(Directed(leader.desired))
            _renew(draft)
        case Informed(info, fees):
            draft.leader = replace(leader, info=info, fees=fees, closed_at=closed_at(leader, info, now))
            _renew(draft)
        case Released(number):
            if (trader := draft.living.get(number)) is not None:
                draft.tell(trader, event)
        case Lost(number):
            if (trader := draft.living.get(number)) is not None:
                lose(draft, trader, event)
        case LotsLost():
            lose_lots(draft)
        case Readopted(intent):
            readopt(draft, intent)
        case Adopted(intent, fills):
            adopt(draft, intent, fills)
        case Found(report, unsent):
            stopped = find(draft, report, unsent)
            if stopped is not None:
                draft.commands.append(Note("stop-loss", stopped))
                _halt_by_limit(draft, stopped)
        case Counted(free):
            _counted(draft, free)
        case Measured():
            draft.tell_all(event, (Holding,))
        case Recalled():
            _lapse(draft)
        case _:
            assert_never(event)
    return _result(draft, leader)


def _renew(draft: Draft) -> None:
    """Give waiting traders the newest settings and fees, and the others the fee of their next sell.

    Who has decided on a sell asks for no less by a later one, so a fee that fell is only for those that still buy.
    """
    terms = terms_of(draft.leader.settings, draft.leader.fees)
    for trader in list(draft.living.values()):
        known, now = trader.terms.fees, terms.fees.sell
        if type(trader.phase) is Waiting:
            if trader.terms != terms:
                draft.put(replace(trader, terms=terms, phase=replace(trader.phase, reason=None)))
        elif known.sell < now or (known.sell > now and type(trader.phase) is Buying):
            # Else a sell that is decided from now on would not bring what its coins have cost.
            draft.put(replace(trader, terms=replace(trader.terms, fees=replace(known, sell=now))))


def _recall(draft: Draft) -> None:
    """Ask for the prices of the fall guard's span, and judge by none that were known for another one."""
    if draft.leader.settings.fall_guard is not None:
        draft.commands.append(Recall())
    _lapse(draft)


def _traded(draft: Draft, event: Traded, trade: Trade) -> None:
    leader = draft.leader
    if draft.blocked is not None or leader.status is Status.OFF:
        return
    if leader.settings.stop_loss and draft.now - trade.time <= STALE:
        _stop(draft, trade)
    if not draft.leader.may_buy:
        return
    draft.funds, draft.price, draft.peak = event.funds, trade.price, event.peak
    if draft.now - trade.time <= STALE:
        if all(trader.sells_lots for trader in leader.traders) and draft.may_start():
            draft.held_back = draft.why_guarded() is not None
            if not draft.held_back:
                draft.start()
        _rebuy(draft, trade)
    if not draft.touched and not draft.held_back and stands(leader.standing, trade.price, event.funds):
        draft.tell_all(event, (Buying,))
        return
    draft.tell_all(event, (Waiting, Buying))
    _remember_guard(draft)
    _remember_refusals(draft)


def _stop(draft: Draft, trade: Trade) -> None:
    """Sell at a loss what reached the stop-loss, and halt the symbol; lower the limit that a trade fell below."""
    leader, settings, info = draft.leader, draft.leader.settings, draft.leader.info
    limit = stop_limit(trade.price, settings, info.filters)
    for trader in leader.traders:
        price = stop_price(trader, settings.stop_loss)
        if price is not None and trade.price <= price:
            reason = (
                f"the stop-loss of {trader.id}: a trade at {format_amount(trade.price)}, "
                f"its stop is at {format_amount(price)} (stop-loss {format_amount(settings.stop_loss)})"
            )
            draft.commands.append(Note("stop-loss", f"{reason}; what it bought is sold at a loss"))
            _halt_by_limit(draft, reason)
        elif trader.stop is None or trade.price >= trader.stop:
            continue
        draft.tell(trader, Stopped(limit))


def _stopped_by(before: Halt | None, reason: str, now: int) -> Halt:
    """The halt of a stop-loss: the first one stays, and what a person halted for is not lost."""
    if before is not None and before.by is HaltedBy.LIMIT:
        return before
    if before is not None:
        reason = f"{reason}; it was halted by hand before: {before.reason}"
    return Halt(reason, HaltedBy.LIMIT, now)


def _halt_by_limit(draft: Draft, reason: str) -> None:
    halts = draft.leader.halts
    _halt(draft, Halts(_stopped_by(halts.own, reason, draft.now), halts.account))


def _halt(draft: Draft, halts: Halts) -> None:
    """Take this for what halts the symbol, and take resting buys back."""
    if halts != draft.leader.halts:
        draft.leader = replace(draft.leader, halts=halts)
    for trader in list(draft.living.values()):
        if type(trader.phase) is Buying:
            draft.tell(trader, Directed(draft.leader.desired))


def _forget_stops(draft: Draft) -> None:
    """Without a stop-loss nothing is sold at a loss any more, not by an order that was not sent yet either."""
    for trader in draft.leader.traders:
        match trader:
            case Trader(stop=None):
                pass
            case Trader(phase=Selling(intent=intent, cancelling=False) as selling) if intent.ioc:
                draft.put(replace(trader, stop=None, phase=replace(selling, cancelling=True)))
                draft.commands.append(Cancel(intent))
            case _:
                draft.put(replace(trader, stop=None))


def _remember_guard(draft: Draft) -> None:
    """Keep the price at which a guard holds somebody back, and say so when that begins."""
    leader, price = draft.leader, draft.price
    band = _held(leader)
    if band is not None and band[0] < price < band[1]:
        return
    why = None
    if draft.held_back or any(type(trader.phase) is Waiting for trader in draft.living.values()):
        why = draft.why_guarded()
    if why is not None:
        if leader.told != cause(why):
            draft.commands.append(Note("waits", f"{leader.info.symbol}: {why}"))
        if draft.peak is not None and draft.peak.price is None:
            draft.commands.append(Recall())
        draft.leader = replace(leader, guarded=Guarded(price, draft.peak), told=cause(why))
    elif leader.guarded is not None:
        draft.leader = replace(leader, guarded=None)


def _remember_refusals(draft: Draft) -> None:
    """Keep how long the refusals stand, if every trader that waits was refused."""
    waiting = sum(type(trader.phase) is Waiting for trader in draft.living.values())
    standing = together(draft.standings) if 0 < waiting == len(draft.standings) else None
    if standing != draft.leader.standing:
        draft.leader = replace(draft.leader, standing=standing)


def _lapse(draft: Draft, now: int | None = None) -> None:
    """Let the next trade be looked at again if its fall guard's highest trade has left the span; None: at once."""
    guarded = draft.leader.guarded
    if guarded is not None and guarded.peak is not None and (now is None or guarded.peak.until <= now):
        draft.leader = replace(draft.leader, guarded=None)


def _rebuy(draft: Draft, trade: Trade) -> None:
    """Start a trader for each whose rebuy the price has reached, if the money is enough for it at this price."""
    leader = draft.leader
    spent: set[int] | None = None  # computed only when a rebuy is reached
    for trader in leader.traders:
        limit = rebuy_limit(trader)
        if limit is None or trade.price >= rebuy_below(limit, trader.terms.rebuy):
            continue
        if spent is None:
            spent = spent_rebuys(leader.traders)
        if trader.number in spent:
            continue
        room = Money((leader.settings.budget or 0) - sum(draft.commitments))
        if not affordable(terms_of(leader.settings, leader.fees), trade.price, room, leader.info.filters):
            continue
        if not draft.may_start():
            return
        if draft.why_guarded() is not None:
            draft.held_back = True
            continue
        started = draft.start(origin=trader.number)
        if started is not None:
            draft.commands.append(Note("rebuy", f"{trader.id}: the price fell, {started.id} joins"))


def _counted(draft: Draft, free: Quantity) -> None:
    """Pass the free balance to each trader in turn, less what the ones before it offer now or left as a lot."""
    for trader in list(draft.living.values()):
        draft.tell(trader, Counted(free))
        match draft.touched.get(trader.number):
            case Trader(phase=Selling(intent=intent)):
                free = Quantity(free - intent.quantity)
            case Trader(phase=Finished(dust=lot)):
                free = Quantity(free - lot.quantity)


def _result(draft: Draft, before: Leader) -> LeaderStep:
    after = draft.leader
    if after is not before and after.lots and after.status is not Status.OFF:
        sell_lots(draft)
    if draft.touched:
        draft.leader = replace(draft.leader, traders=tuple(draft.living.values()))
    if draft.leader.guarded is not None and _held(draft.leader) is None:
        draft.leader = replace(draft.leader, guarded=None)  # what blocked it is gone
    if draft.leader.standing is not None and draft.leader is not before and not draft.standings:
        draft.leader = replace(draft.leader, standing=None)  # what was refused may pass now
    if not draft.living and draft.leader is not before and draft.leader.status is Status.SHUTDOWN:
        draft.commands.append(Drained())
    return LeaderStep(draft.leader, tuple(draft.commands), tuple(draft.touched.values()))
