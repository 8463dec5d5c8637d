"""One trade cycle: buy low, sell higher, finish.

    Waiting ──trade──> Buying ──bought──> Selling ──sold──> Finished
       ^                 │                  │  ^
       └──nothing bought─┘          ended early └──retried── Holding

1. A trader has at most one live order. A phase holds only what is true in it.
2. What was bought is sold, or shown as held, or, if too small to sell, becomes a lot of the symbol with the price
   that the trader would ask. The price is never lowered, but by the stop-loss (``stopping.py``); the position is
   never dropped.
3. While the symbol is ``off`` nothing new is placed; what fills meanwhile is booked, and sold after the next start.
4. While it is ``shutdown`` nothing is bought: a waiting trader ends, a resting buy is cancelled unless it may rest.

``step_trader`` is the only way to change a trader; the leader calls it. A ``SymbolView`` tells what the rest of the
symbol allows; what is to be done is returned as commands.
"""

from typing import TypeAlias, assert_never

from msgspec.structs import replace

from naived.core.amount import SCALE, Money, Price, Quantity, Rate, format_amount, price_up
from naived.core.market import Filters, Trade, least_sell, most_sell
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import Refusal, Refused
from naived.core.orders.state import STALE, Ended, Executed, Fate, Placed, UnexpectedError
from naived.core.strategy.formulas import (
    NOTHING_SOLD,
    Bought,
    Sold,
    buy_price,
    buy_quantity,
    reprice_above,
)
from naived.core.strategy.lots import NO_LOT, Lot, Lots, split, together
from naived.core.strategy.settings import Status
from naived.core.strategy.sizing import asked, held, left, obstacle, offer, spending
from naived.core.strategy.standing import standing
from naived.core.strategy.stopping import at_loss, own
from naived.core.strategy.trader_state import (
    LONGEST_PAUSE,
    Buying,
    Cancel,
    Carry,
    Command,
    Count,
    Counted,
    Directed,
    Fault,
    Finished,
    Hold,
    Holding,
    Leave,
    Measure,
    Measured,
    Note,
    OrderNews,
    Phase,
    Place,
    Released,
    Reread,
    Selling,
    Stopped,
    TooFew,
    Traded,
    Trader,
    TraderEvent,
    Waiting,
    Woke,
    position,
)
from naived.core.strategy.view import SymbolView

# How long a buy waits after a refusal, by reason (ms); a reason that is not here faults the symbol.
_BUY_BACKOFF = {
    Refusal.BALANCE: 60_000,  # a person has to add money
    Refusal.FILTER: 10_000,  # the rules are being read again; doubled with each failure in a row, up to a minute
    Refusal.TOO_MANY: 10_000,  # one interval of the order limit
    Refusal.CLOCK: 1_000,
    Refusal.LIMIT: 1_000,  # another symbol took the last of the account's limit
    Refusal.MARKET_CLOSED: 10_000,  # a halt ends by itself; without a public trade there is no new attempt
}
_BY_RULES = (Refusal.FILTER, Refusal.MARKET_CLOSED)  # the rules that we know may have changed
# ms: a successor acts on a trade with a higher id than the fill that made room for it. So much later every trade is
# newer, whatever its id: an exchange that was reset begins with small ones.
_BY_ID = 10_000
_FILTER_BACKOFF_MOST = 60_000  # ms; of a buy that a filter refuses
_ENDED_BACKOFF = 10_000  # ms; after the exchange ended a buy by itself, its rules are read again
_BACKOFF_FIRST = 1_000  # ms, of a sell and of a buy that expired, doubled with each failure in a row
_BACKOFF_MOST = 300_000  # ms
_STOP_BACKOFF_MOST = 30_000  # ms; the price may fall on


TraderStep: TypeAlias = tuple[Trader, tuple[Command, ...]]


def step_trader(trader: Trader, event: TraderEvent, view: SymbolView) -> TraderStep:
    """Apply one event; one that changes nothing returns the same trader. Raises UnexpectedError."""
    match event:
        case Traded():
            return _traded(trader, event.trade, view)
        case OrderNews():
            return _on_order_news(trader, event, view)
        case Woke():
            return _woke(trader, view)
        case Directed(_, cancel):
            return _directed(trader, cancel, view)
        case Released():
            return _released(trader, event, view)
        case Stopped(limit):
            return _stopped(trader, limit, view)
        case Counted(free):
            return _counted(trader, free, view)
        case Measured():
            return _measured(trader, event, view)
        case TooFew():
            return _too_few(trader, view)
        case _:
            assert_never(event)


def _enter(trader: Trader, phase: Phase, view: SymbolView) -> Trader:
    """Set the phase; ``since`` stays if the new phase is of the same kind."""
    since = trader.since if type(phase) is type(trader.phase) else max(view.now, trader.since)
    return replace(trader, phase=phase, since=since)


def _finish_empty(trader: Trader, view: SymbolView, reason: str) -> TraderStep:
    return _enter(trader, Finished(None, NOTHING_SOLD, NO_LOT, NO_LOT, None, reason), view), ()


# Waiting and Buying


def _traded(trader: Trader, trade: Trade, view: SymbolView) -> TraderStep:
    match trader.phase:
        case Waiting() as waiting:
            return _decide(trader, waiting, trade, view)
        case Buying() as buying if view.status is Status.ON:
            limit = reprice_limit(trader, view.filters)
            if limit is not None and trade.price > limit:
                return _enter(trader, replace(buying, cancelling=True), view), (
                    Cancel(buying.intent),
                    Note(
                        "repriced", f"{trader.id}: the price left its buy at {format_amount(buying.intent.price)}"
                    ),
                )
            return trader, ()
        case _:
            return trader, ()


def reprice_limit(trader: Trader, filters: Filters) -> Price | None:
    """The price above which its resting buy is cancelled; None if it has none, or what it bought is too little."""
    phase, terms = trader.phase, trader.terms
    if type(phase) is not Buying or not phase.accepted or phase.cancelling or not terms.reprice:
        return None
    bought = phase.bought
    if bought.quantity and offer(terms, bought, NO_LOT, bought.net, filters) is None:
        return None
    # A journal that an older naived wrote has no such price.
    traded = phase.decided_on or price_up(phase.intent.price * SCALE, SCALE - terms.buy_down, filters.tick_size)
    return reprice_above(traded, terms.reprice, filters)


def _decide(trader: Trader, waiting: Waiting, trade: Trade, view: SymbolView) -> TraderStep:
    if (
        view.status is not Status.ON
        or 0 <= waiting.after - trade.time <= LONGEST_PAUSE
        or (trade.id <= waiting.behind and trade.time - trader.started_at <= _BY_ID)
        or view.now - trade.time > STALE
        or view.guarded is not None  # said by the leader
    ):
        return trader, ()
    terms = trader.terms
    price = buy_price(trade.price, terms.buy_down, view.filters)
    quantity = buy_quantity(*spending(terms, view.room), price, view.filters)
    reason = view.surplus or obstacle(terms, trade.price, price, quantity, view)
    if reason is not None:
        stands = standing(terms, trade.price, view)
        commands = () if stands is None else (stands,)
        if waiting.reason is not None and cause(reason) == cause(waiting.reason):
            return trader, commands
        note = Note("waits", f"{trader.id}: {reason}")
        return replace(trader, phase=replace(waiting, reason=reason)), (*commands, note)
    intent = OrderIntent(trader.symbol, trader.number, Side.BUY, trader.buys + 1, price, quantity)
    buying = Buying(intent, Bought(price), trade.price, failures=waiting.failures)
    since = max(view.now, trader.since)
    return (
        replace(trader, phase=buying, since=since, buys=intent.seq, rebuy_notified=False),
        (Place(intent, trade.time),),
    )


def cause(reason: str) -> str:
    """The part before the colon. The numbers after it change with every trade and are no reason for a new note."""
    return reason.partition(":")[0]


def _on_order_news(trader: Trader, event: OrderNews, view: SymbolView) -> TraderStep:
    commands: tuple[Command, ...] = ()
    for news in event.news:
        match trader.phase:
            case Buying() as buying if buying.intent == event.intent:
                trader, more = _buying(trader, buying, news, view)
            case Selling() as selling if selling.intent == event.intent:
                trader, more = _selling(trader, selling, news, view)
            case _:
                raise UnexpectedError(f"{trader.id} is {type(trader.phase).__name__}, and yet: {event}")
        commands += more
    return trader, commands


def _buying(trader: Trader, buying: Buying, news: Placed | Executed | Ended, view: SymbolView) -> TraderStep:
    match news:
        case Executed():
            bought = buying.bought.with_fill(news.fill, view.base, view.quote)
            return _enter(trader, replace(buying, bought=bought), view), ()
        case Placed():
            return _enter(trader, replace(buying, accepted=True), view), ()
        case Ended() if buying.bought.quantity:
            return _sell(trader, Holding(buying.bought, Hold.STOPPED, "stopped", None), view)
        case Ended(fate, refused):
            return _nothing_bought(trader, buying, fate, refused, view)
        case _:
            assert_never(news)


def _nothing_bought(
    trader: Trader, buying: Buying, fate: Fate, refused: Refused | None, view: SymbolView
) -> TraderStep:
    if fate is Fate.BY_HAND:
        return _finish_empty(trader, view, "buy cancelled by hand")
    if view.status is not Status.ON:
        return _finish_empty(trader, view, "nothing bought")
    if fate is Fate.BY_EXCHANGE:
        reason = "the exchange ended its buy"
        return _enter(trader, Waiting(after=view.now + _ENDED_BACKOFF, reason=reason), view), (
            Note("ended by the exchange", f"{trader.id}: {reason}"),
            Reread(),
        )
    if fate is Fate.EXPIRED:
        word = "" if refused is None else f" ({refused.message})"
        after = view.now + _doubled(_BACKOFF_FIRST, buying.failures, _BACKOFF_MOST)
        reason = f"the exchange let its buy expire{word}; it is tried again later"
        return _enter(trader, Waiting(after, reason, failures=buying.failures + 1), view), ()
    if fate is not Fate.REJECTED or refused is None:
        failures = buying.failures if fate is Fate.ABANDONED else 0
        return _enter(trader, Waiting(failures=failures), view), ()
    note = Note("refused", f"{trader.id}: buy refused: {refused.message}")
    pause = _BUY_BACKOFF.get(refused.kind)
    if pause is None:
        waiting = Waiting(reason=refused.message)
        return _enter(trader, waiting, view), (note, Fault(f"buy refused: {refused.message}"))
    failures = 0
    if refused.kind is Refusal.FILTER:
        pause, failures = _doubled(pause, buying.failures, _FILTER_BACKOFF_MOST), buying.failures + 1
    after = max(view.now + pause, refused.retry_at or 0)
    commands: tuple[Command, ...] = (note, Reread()) if refused.kind in _BY_RULES else (note,)
    return _enter(trader, Waiting(after, refused.message, failures=failures), view), commands


# Holding and Selling


def _sell(
    trader: Trader, holding: Holding, view: SymbolView, most: Quantity | None = None, least: Price = Price(0)
) -> TraderStep:
    """Sell what is held, at most ``most`` and not below ``least``.

    Finish if that is too little; hold it while the symbol is off.
    """
    if trader.stop is not None:
        return _sell_at_loss(trader, max(trader.stop, least), holding, view, most)
    bought, carried, sold = holding.bought, holding.carried, holding.sold
    joining: Lots = ()
    if view.lots and bought.net > 0 and view.status is not Status.OFF:
        first = not (carried or sold.quantity or holding.failures)
        if first:
            joining, _ = split(view.lots, asked(trader.terms, bought, NO_LOT, view.filters))
    lots = together((carried, *joining)) if joining else carried
    owned = held(bought, lots, sold)
    order = offer(trader.terms, bought, lots, owned if most is None else min(owned, most), view.filters, least)
    if order is None:
        return _finish(trader, bought, carried, sold, view)
    if view.status is Status.OFF:
        return _hold_stopped(trader, holding, view)
    if 0 < view.filters.max_price < order[0]:
        return _hold_beyond(trader, holding, order[0], view), ()
    intent = OrderIntent(trader.symbol, trader.number, Side.SELL, trader.sells + 1, *order)
    selling = Selling(bought, intent, lots, sold, holding.failures)
    commands: tuple[Command, ...] = (Carry(joining),) if joining else ()
    return replace(_enter(trader, selling, view), sells=intent.seq), (*commands, Place(intent, view.now))


def _hold_stopped(trader: Trader, holding: Holding, view: SymbolView) -> TraderStep:
    stopped = replace(holding, hold=Hold.STOPPED, reason="stopped", retry_at=None)
    return (trader if stopped == trader.phase else _enter(trader, stopped, view)), ()


def _hold_beyond(trader: Trader, holding: Holding, price: Price, view: SymbolView) -> Trader:
    """The exchange takes no such price from anybody: it is not sent to be refused."""
    most = format_amount(view.filters.max_price)
    reason = f"it has to ask {format_amount(price)}, and the exchange takes at most {most} (PRICE_FILTER)"
    if holding.hold is Hold.FILTER and (holding.retry_at or 0) > view.now:
        return _enter(trader, _failed_again(trader, replace(holding, reason=reason), view), view)
    at, failures = view.now + _pause(trader, holding.failures), holding.failures + 1
    return _enter(trader, replace(holding, hold=Hold.FILTER, reason=reason, retry_at=at, failures=failures), view)


def _stopped(trader: Trader, limit: Price, view: SymbolView) -> TraderStep:
    """Take back the sell and sell at a loss; coins that the account lacks are counted first, as for any sell.

    The back-off begins anew: failures before that were those of another order.
    """
    stopped = replace(trader, stop=limit)
    match trader.phase:
        case Selling() as selling if trader.stop is None and not selling.cancelling:
            return _enter(stopped, replace(selling, cancelling=True, failures=0), view), (Cancel(selling.intent),)
        case Holding(hold=Hold.BALANCE) as holding if trader.stop is None:
            return _enter(stopped, replace(holding, retry_at=view.now, failures=0), view), ()
        case Holding() as holding if trader.stop is None:
            return _sell(stopped, replace(holding, failures=0), view)
        case _:
            return stopped, ()


def _sell_at_loss(
    trader: Trader, limit: Price, holding: Holding, view: SymbolView, most: Quantity | None
) -> TraderStep:
    """Sell the trader's own coins at once, at this limit or better; lots go back to the symbol."""
    bought, carried, sold = holding.bought, holding.carried, holding.sold
    commands: tuple[Command, ...] = ()
    if carried and not sold.quantity:
        holding, commands = replace(holding, carried=NO_LOT), (Leave(carried),)
        carried = NO_LOT
    have = own(bought, carried, sold)
    order = at_loss(limit, have if most is None else min(have, most), view.filters)
    if order is None:
        finished, more = _finish(trader, bought, carried, sold, view)
        return finished, (*commands, *more)
    if view.status is Status.OFF:
        held_back, more = _hold_stopped(trader, holding, view)
        return held_back, (*commands, *more)
    if 0 < view.filters.max_price < order[0]:
        return _hold_beyond(trader, holding, order[0], view), commands
    intent = OrderIntent(trader.symbol, trader.number, Side.SELL, trader.sells + 1, *order, ioc=True)
    selling = Selling(bought, intent, carried, sold, holding.failures)
    return replace(_enter(trader, selling, view), sells=intent.seq), (*commands, Place(intent, view.now))


def _finish(trader: Trader, bought: Bought, carried: Lot, sold: Sold, view: SymbolView) -> TraderStep:
    """What is left becomes a lot at the price that was asked."""
    dust = left(trader.terms, bought, carried, sold, view.filters)
    commands: tuple[Command, ...] = (Leave(dust),) if dust else ()
    if dust and not sold.quantity:
        finished = Finished(bought, sold, carried, dust, None, "too small to sell")
        note = Note(
            "lot",
            f"{trader.id}: {format_amount(dust.quantity)} {view.base} is too small to sell, and kept as a lot",
        )
        return _enter(trader, finished, view), (*commands, note)
    fees = sold.quote_fees + sold.fees_valued + bought.fees_valued
    profit = Money(sold.received - fees - (bought.cost + carried.cost - dust.cost))
    note = Note("finished", f"{trader.id}: profit {format_amount(profit)} {view.quote}")
    return _enter(trader, Finished(bought, sold, carried, dust, profit), view), (*commands, note)


def _selling(trader: Trader, selling: Selling, news: Placed | Executed | Ended, view: SymbolView) -> TraderStep:
    match news:
        case Executed():
            sold = selling.sold.with_fill(news.fill, view.base, view.quote)
            return _enter(trader, replace(selling, sold=sold), view), ()
        case Placed():
            return trader, ()
        case Ended(Fate.FILLED | Fate.CANCELLED):
            return _sell(trader, _hold(selling, Hold.STOPPED, "stopped", None), view)
        case Ended(Fate.ABANDONED) if selling.cancelling:
            return _sell(trader, _hold(selling, Hold.STOPPED, "stopped", None), view)
        case Ended(Fate.BY_HAND):
            holding = _hold(selling, Hold.BY_HAND, "cancelled by hand", None)
            message = (
                f"{trader.id}: its sell was cancelled by hand; "
                f"to sell again: naivectl resolve {trader.symbol} --all --adopt"
            )
            return _enter(trader, holding, view), (Note("held", message),)
        case Ended(Fate.BY_EXCHANGE):
            reason = "the exchange ended its sell"
            note = Note("ended by the exchange", f"{trader.id}: {reason}")
            return _retry_later(trader, selling, Hold.EXPIRED, reason, None, view), (note, Reread())
        case Ended(Fate.EXPIRED) if trader.stop is not None and selling.intent.price > trader.stop:
            # Asked at the stop itself it would be refused again: what the exchange takes is measured first.
            reason = f"nobody pays {format_amount(selling.intent.price)}, and the exchange may take no less"
            return _retry_later(trader, selling, Hold.FILTER, reason, None, view), ()
        case Ended(Fate.EXPIRED | Fate.ABANDONED, refused):
            reason = "the sell expired" if refused is None else f"the sell expired ({refused.message})"
            return _retry_later(trader, selling, Hold.EXPIRED, reason, None, view), ()
        case Ended(Fate.REJECTED, refused) if refused is not None:
            return _sell_refused(trader, selling, refused, view)
        case Ended():
            raise UnexpectedError(f"{trader.id}: refused without a reason")
        case _:
            assert_never(news)


def _hold(selling: Selling, hold: Hold, reason: str, retry_at: int | None, failures: int = 0) -> Holding:
    return Holding(selling.bought, hold, reason, retry_at, selling.carried, selling.sold, failures)


def _retry_later(
    trader: Trader, selling: Selling, hold: Hold, reason: str, retry_at: int | None, view: SymbolView
) -> Trader:
    at = max(view.now + _pause(trader, selling.failures), retry_at or 0)
    return _enter(trader, _hold(selling, hold, reason, at, selling.failures + 1), view)


def _pause(trader: Trader, failures: int) -> int:
    """Milliseconds until the next sell after so many failures in a row."""
    return _doubled(_BACKOFF_FIRST, failures, _BACKOFF_MOST if trader.stop is None else _STOP_BACKOFF_MOST)


def _doubled(first: int, failures: int, most: int) -> int:
    return min(first << min(failures, 16), most)


def _counted(trader: Trader, free: Quantity, view: SymbolView) -> TraderStep:
    """Sell no more than is free. If coins are missing for a sell, hold everything and count again later.

    If none are missing and they are too few to sell, the rules have changed since the refusal: they become a lot.
    """
    match trader.phase:
        case Holding(bought, Hold.BALANCE, carried=carried, sold=sold) as holding:
            owned = held(bought, carried, sold)
            if free >= owned or _sellable(trader, bought, carried, free, view.filters):
                return _sell(trader, holding, view, most=free)
            reason = f"of {format_amount(owned)} {view.base} only {format_amount(free)} are free"
            return _enter(trader, replace(holding, reason=reason), view), ()
        case _:
            return trader, ()


def _measured(trader: Trader, event: Measured, view: SymbolView) -> TraderStep:
    """Sell what a filter refused, at the lowest price that the exchange takes if the trader asks less.

    What the exchange takes only at a price that nobody pays now is held until the market has come back.
    """
    least = least_sell(view.filters, event.reference)
    match trader.phase:
        case Holding(bought, Hold.FILTER, carried=carried) as holding:
            price = asked(trader.terms, bought, carried, view.filters)
            reason = _why_out_of_range(price, event, view, trader.terms.profit)
            if reason is not None and trader.stop is None and view.status is not Status.OFF:
                return _enter(trader, _failed_again(trader, replace(holding, reason=reason), view), view), ()
            after, commands = _sell(trader, holding, view, least=least)
        case _:
            return trader, ()
    match after.phase:
        case Selling(intent=intent) if intent.price == least:
            note = Note("raised", f"{trader.id}: its sell asks {format_amount(least)}: the exchange takes no less")
            return after, (note, *commands)
        case _:
            return after, commands


def _why_out_of_range(price: Price, event: Measured, view: SymbolView, profit: Rate) -> str | None:
    """Why a sell that asks ``price`` waits; None if the exchange takes it, or takes a price near the last one.

    Raised far above the market it would rest there for good, long after the exchange measures as ever again.
    """
    least, most = least_sell(view.filters, event.reference), most_sell(view.filters, event.reference)
    if most is not None and price > most:
        bound = f"at most {format_amount(most)} now"
    elif event.last is not None and price < least and least * SCALE > event.last * (SCALE + profit):
        bound = f"no less than {format_amount(least)} now, which nobody pays at {format_amount(event.last)}"
    else:
        return None
    return f"it asks {format_amount(price)}, and the exchange takes {bound} (PERCENT_PRICE_BY_SIDE)"


def _failed_again(trader: Trader, holding: Holding, view: SymbolView) -> Holding:
    """Count at most one failure a pause: each held trader asks, and all of them are told each answer.

    A trader that has just woken has its whole pause ahead. After its failure is counted the pause is twice as long,
    so what is ahead is no more than half of it.
    """
    ahead = (holding.retry_at or 0) - view.now
    return replace(holding, failures=holding.failures + (ahead * 2 > _pause(trader, holding.failures)))


def _sellable(trader: Trader, bought: Bought, carried: Lot, free: Quantity, filters: Filters) -> bool:
    """Are ``free`` coins enough to sell at the price that the trader asks?"""
    if trader.stop is not None:
        return at_loss(trader.stop, min(free, bought.net), filters) is not None
    return offer(trader.terms, bought, carried, free, filters) is not None


def _sell_refused(trader: Trader, selling: Selling, refused: Refused, view: SymbolView) -> TraderStep:
    note = Note("refused", f"{trader.id}: sell refused: {refused.message}")
    match refused.kind:
        case Refusal.BALANCE if selling.carried and selling.bought.net > 0 and not selling.sold.quantity:
            # The lots may be what is missing: its own coins are offered without them.
            alone = _hold(replace(selling, carried=NO_LOT), Hold.BALANCE, refused.message, None, failures=1)
            again, commands = _sell(trader, alone, view)
            return again, (note, Leave(selling.carried), *commands)
        case Refusal.BALANCE:
            hold, commands = Hold.BALANCE, (note,)
        case Refusal.FILTER:
            return _retry_later(trader, selling, Hold.FILTER, refused.message, None, view), (note, Reread())
        case Refusal.MARKET_CLOSED | Refusal.MALFORMED:  # the symbol may not be listed any more
            hold, commands = Hold.REFUSED, (note, Reread())
        case _:
            hold, commands = Hold.REFUSED, (note,)
    return _retry_later(trader, selling, hold, refused.message, refused.retry_at, view), commands


# The timer, and what a person asks for


def _woke(trader: Trader, view: SymbolView) -> TraderStep:
    match trader.phase:
        case Holding(retry_at=int(at)) if not 0 < at - view.now <= LONGEST_PAUSE:
            # What cannot be offered now keeps its end, and would be woken at once if that stayed behind the clock.
            holding = replace(trader.phase, retry_at=min(at, view.now))
            question = _question(holding.hold, view.filters)
            if question is None or view.status is Status.OFF:
                return _sell(trader, holding, view)
            again = view.now + _pause(trader, holding.failures)
            failures = holding.failures + (holding.hold is Hold.BALANCE)  # one that asks each time may never sell
            return _enter(trader, replace(holding, retry_at=again, failures=failures), view), (question,)
        case _:
            return trader, ()


def _question(hold: Hold, filters: Filters) -> Command | None:
    """What has to be known before a sell that was refused for this is tried again."""
    if hold is Hold.BALANCE:
        return Count()
    return Measure() if hold is Hold.FILTER and filters.ask_down is not None else None


def _directed(trader: Trader, cancel: frozenset[Side], view: SymbolView) -> TraderStep:
    match trader.phase:
        case Waiting() if view.status is not Status.ON:
            return _finish_empty(trader, view, "ended before it bought")
        case Buying() as buying if not buying.cancelling and _unwanted(buying, cancel, view):
            return _enter(trader, replace(buying, cancelling=True), view), (Cancel(buying.intent),)
        case Selling() as selling if not selling.cancelling and Side.SELL in cancel:
            return _enter(trader, replace(selling, cancelling=True), view), (Cancel(selling.intent),)
        case Holding(hold=Hold.STOPPED) as holding:
            return _sell(trader, holding, view)
        case _:
            return trader, ()


def _unwanted(buying: Buying, cancel: frozenset[Side], view: SymbolView) -> bool:
    """Must this buy be cancelled? A drain or a halt may let one rest, but only if the exchange already has it."""
    drained = view.status is Status.SHUTDOWN and not (view.keep_buys and buying.accepted)
    return Side.BUY in cancel or drained or view.halts.ends_buy(buying.accepted)


def _released(trader: Trader, event: Released, view: SymbolView) -> TraderStep:
    match trader.phase:
        case Holding() as holding if event.adopt:
            return _sell(trader, replace(holding, hold=Hold.STOPPED, reason="stopped", retry_at=None), view)
        case Holding(bought, carried=carried, sold=sold):
            fees = sold.quote_fees + sold.fees_valued + bought.fees_valued
            profit = Money(sold.received - fees - bought.cost - carried.cost)
            finished = Finished(bought, sold, carried, NO_LOT, profit, f"written off {event.why}")
            coins = position(trader)
            amount = (
                f"{format_amount(coins.quantity)} {view.base} that cost {format_amount(coins.cost)} {view.quote}"
            )
            note = Note("written off", f"{trader.id}: {amount} written off {event.why}")
            return _enter(trader, finished, view), (note,)
        case _:
            return trader, ()


def _too_few(trader: Trader, view: SymbolView) -> TraderStep:
    match trader.phase:
        case Holding(bought, carried=carried, sold=sold):
            return _finish(trader, bought, carried, sold, view)
        case Selling(bought, intent, carried, sold):
            finished, commands = _finish(trader, bought, carried, sold, view)
            return finished, (Cancel(intent), *commands)
        case _:
            return trader, ()
