"""One trade cycle: buy low, sell higher, finish.

    Waiting ──trade──> Buying ──bought──> Selling ──sold──> Finished
       ^                 │                  │  ^
       └──nothing bought─┘          ended early └──retried── Holding

1. A trader has at most one live order. A phase holds only what is true in it.
2. What was bought is sold, or visibly held, or too small to sell and handed to the symbol's leftovers. The price is
   never lowered, the position never dropped.
3. While the symbol is ``off`` nothing new is placed; what fills meanwhile is booked, and sold after the next start.
4. While it is ``shutdown`` nothing is bought: a waiting trader ends, a resting buy is cancelled unless it may rest.

``step`` is the only way to change a trader. It is told what the rest of the symbol allows in a ``Scene``; what it
wants done comes back as commands.
"""

from dataclasses import replace
from typing import TypeAlias, assert_never

from naived.core.amount import Money, Price, Quantity, format_amount, value_up
from naived.core.market import Filters, Trade, refusal
from naived.core.order import Intent, Refusal, Refused, Side
from naived.core.phase import Bought, Buying, Finished, Hold, Holding, Phase, Selling, Sold, Terms, Trader, Waiting
from naived.core.placement import STALE, Ended, Executed, Fate, Placed
from naived.core.scene import (
    Cancel,
    Carry,
    Command,
    Count,
    Counted,
    Fault,
    Happened,
    Leave,
    Note,
    Place,
    Priced,
    Released,
    Reread,
    Scene,
    TraderEvent,
    UnexpectedError,
    Wished,
    Woke,
)
from naived.core.settings import Status
from naived.core.strategy import (
    NO_LEFTOVER,
    Leftover,
    buy_price,
    buy_quantity,
    dust_cost,
    least_budget,
    offered,
    reprice_above,
    sell_price,
    untradable,
)

# How long a buy waits after a refusal, by reason (ms); a reason that is not here faults the symbol.
_BUY_BACKOFF = {
    Refusal.BALANCE: 60_000,  # someone has to move money
    Refusal.FILTER: 10_000,  # the rules are being read again
    Refusal.TOO_MANY: 10_000,  # one interval of the order limit
    Refusal.CLOCK: 1_000,
    Refusal.MARKET_CLOSED: 10_000,  # a halt passes; while nothing trades nothing is tried again
}
_EXPIRED_BACKOFF = 1_000  # ms; a buy that ended in self-trade prevention must not spin
_SELL_BACKOFF_FIRST = 1_000  # ms, doubled with each failure in a row
_SELL_BACKOFF_MOST = 300_000  # ms

Step: TypeAlias = tuple[Trader, tuple[Command, ...]]


def step(trader: Trader, event: TraderEvent, scene: Scene) -> Step:
    """Apply one event; an uninteresting one returns the same trader. Raises UnexpectedError."""
    match event:
        case Priced(trade):
            return _priced(trader, trade, scene)
        case Happened():
            return _happened(trader, event, scene)
        case Woke():
            return _woke(trader, scene)
        case Wished(cancel):
            return _wished(trader, cancel, scene)
        case Released(adopt):
            return _released(trader, adopt, scene)
        case Counted(free):
            return _counted(trader, free, scene)
        case _:
            assert_never(event)


def _enter(trader: Trader, phase: Phase, scene: Scene) -> Trader:
    """The phase, and since when: a change within one kind of phase does not restart the clock."""
    since = trader.since if type(phase) is type(trader.phase) else max(scene.now, trader.since)
    return replace(trader, phase=phase, since=since)


def _finish_empty(trader: Trader, scene: Scene, reason: str) -> Step:
    return _enter(trader, Finished(None, Sold(), NO_LEFTOVER, NO_LEFTOVER, None, reason), scene), ()


# Waiting and Buying


def _priced(trader: Trader, trade: Trade, scene: Scene) -> Step:
    match trader.phase:
        case Waiting() as waiting:
            return _decide(trader, waiting, trade, scene)
        case Buying(intent, _, True, False) as buying if scene.status is Status.ON:
            limit = trader.terms.reprice
            if limit and trade.price > reprice_above(intent.price, limit):
                return _enter(trader, replace(buying, cancelling=True), scene), (
                    Cancel(intent),
                    Note("repriced", f"{trader.id}: the price left its buy at {format_amount(intent.price)}"),
                )
            return trader, ()
        case _:
            return trader, ()


def _decide(trader: Trader, waiting: Waiting, trade: Trade, scene: Scene) -> Step:
    if scene.status is not Status.ON or trade.time <= waiting.after or scene.now - trade.time > STALE:
        return trader, ()
    terms = trader.terms
    price = buy_price(trade.price, terms.buy_down, scene.filters)
    quantity = buy_quantity(terms.budget, terms.chunks, price, scene.filters)
    bar = scene.barred or _bar(terms, trade.price, price, quantity, scene)
    if bar is not None:
        if waiting.reason is not None and _cause(bar) == _cause(waiting.reason):
            return trader, ()
        return replace(trader, phase=replace(waiting, reason=bar)), (Note("waits", f"{trader.id}: {bar}"),)
    intent = Intent(trader.symbol, trader.number, Side.BUY, trader.buys + 1, price, quantity)
    buying = replace(_enter(trader, Buying(intent, Bought(price)), scene), buys=intent.seq, rebuy_notified=False)
    return buying, (Place(intent, trade.time),)


def _cause(bar: str) -> str:
    """What a bar is about: the figures behind the colon change with every trade, and are told once."""
    return bar.partition(":")[0]


def _bar(terms: Terms, last: Price, price: Price, quantity: Quantity, scene: Scene) -> str | None:
    failed = untradable(last, terms.budget, terms.chunks, terms.buy_down, terms.profit, terms.fees, scene.filters)
    if failed:
        least = least_budget(last, terms.chunks, terms.buy_down, terms.profit, terms.fees, scene.filters)
        if least is not None and terms.budget < least:
            return f"too small to trade ({failed}): the least budget is {format_amount(least)} {scene.quote}"
        return f"the exchange would refuse it ({failed})"
    if value_up(price, quantity) > scene.room:
        return f"no room in the budget: {format_amount(scene.room)} {scene.quote} are left"
    if scene.lowest_sell is not None and price >= scene.lowest_sell:
        return f"our own sell is in the way: it rests at {format_amount(scene.lowest_sell)}"
    return None


def _happened(trader: Trader, event: Happened, scene: Scene) -> Step:
    match trader.phase, event.side:
        case Buying() as buying, Side.BUY if buying.intent.seq == event.seq:
            return _buying(trader, buying, event.news, scene)
        case Selling() as selling, Side.SELL if selling.intent.seq == event.seq:
            return _selling(trader, selling, event.news, scene)
        case _:
            raise UnexpectedError(f"{trader.id} is {type(trader.phase).__name__}, and yet: {event}")


def _buying(trader: Trader, buying: Buying, news: Placed | Executed | Ended, scene: Scene) -> Step:
    match news:
        case Placed():
            return _enter(trader, replace(buying, accepted=True), scene), ()
        case Executed(fill):
            bought = buying.bought.book(fill, scene.base, scene.quote)
            return _enter(trader, replace(buying, bought=bought), scene), ()
        case Ended() if buying.bought.quantity:
            return _sell(trader, Holding(buying.bought, Hold.STOPPED, "stopped", None), scene)
        case Ended(fate, refused):
            return _nothing_bought(trader, fate, refused, scene)
        case _:
            assert_never(news)


def _nothing_bought(trader: Trader, fate: Fate, refused: Refused | None, scene: Scene) -> Step:
    if fate is Fate.BY_HAND:
        return _finish_empty(trader, scene, "buy cancelled by hand")
    if scene.status is not Status.ON:
        return _finish_empty(trader, scene, "nothing bought")
    if fate is not Fate.REJECTED or refused is None:
        backoff = _EXPIRED_BACKOFF if fate is Fate.EXPIRED else 0
        return _enter(trader, Waiting(after=scene.now + backoff if backoff else 0), scene), ()
    note = Note("refused", f"{trader.id}: buy refused: {refused.message}")
    pause = _BUY_BACKOFF.get(refused.kind)
    if pause is None:
        waiting = Waiting(reason=refused.message)
        return _enter(trader, waiting, scene), (note, Fault(f"buy refused: {refused.message}"))
    after = max(scene.now + pause, refused.retry_at or 0)
    commands: tuple[Command, ...] = (note, Reread()) if refused.kind is Refusal.FILTER else (note,)
    return _enter(trader, Waiting(after=after, reason=refused.message), scene), commands


# Holding and Selling


def _sell(trader: Trader, holding: Holding, scene: Scene, most: Quantity | None = None) -> Step:
    """Offer what is held, or the ``most`` that is free, unless that is too little, or the symbol is off."""
    bought, carried, sold = holding.bought, holding.carried, holding.sold
    commands: tuple[Command, ...] = ()
    first = not (carried or sold.quantity or holding.failures)
    if first and scene.leftover and scene.status is not Status.OFF:
        carried = scene.leftover
        commands = (Carry(carried),)
    held = _held(bought, carried, sold)
    offer = _offer(trader.terms, bought, held if most is None else min(held, most), scene.filters)
    if offer is None:
        finished, more = _finish(trader, bought, carried, sold, scene)
        return finished, commands + more
    if scene.status is Status.OFF:
        stopped = replace(holding, hold=Hold.STOPPED, reason="stopped", retry_at=None)
        return (trader if stopped == trader.phase else _enter(trader, stopped, scene)), ()
    intent = Intent(trader.symbol, trader.number, Side.SELL, trader.sells + 1, *offer)
    selling = Selling(bought, intent, carried, sold, holding.failures)
    return replace(_enter(trader, selling, scene), sells=intent.seq), (*commands, Place(intent, scene.now))


def _held(bought: Bought, carried: Leftover, sold: Sold) -> Quantity:
    return Quantity(bought.net + carried.quantity - sold.quantity - sold.base_fees)


def _offer(terms: Terms, bought: Bought, have: Quantity, filters: Filters) -> tuple[Price, Quantity] | None:
    """The price, and how much of ``have`` to ask it for; None where that is too little to sell."""
    if bought.net <= 0:
        return None
    price = sell_price(bought.limit, bought.cost, bought.net, terms.profit, terms.fees, filters)
    quantity = offered(have, price, filters)
    if quantity <= 0 or refusal(filters, Side.SELL, price, quantity, None) in ("LOT_SIZE", "NOTIONAL"):
        return None
    return price, quantity


def _finish(trader: Trader, bought: Bought, carried: Leftover, sold: Sold, scene: Scene) -> Step:
    have = Quantity(bought.net + carried.quantity)
    cost = Money(bought.cost + carried.cost)
    rest = _held(bought, carried, sold)
    dust = Leftover(rest, dust_cost(cost, rest, have))
    commands: tuple[Command, ...] = (Leave(dust),) if dust else ()
    if not sold.quantity:
        finished = Finished(bought, sold, carried, dust, None, "too small to sell")
        note = Note("leftover", f"{trader.id}: {format_amount(rest)} {scene.base} is too small to sell")
        return _enter(trader, finished, scene), (*commands, note)
    profit = Money(sold.received - sold.quote_fees - (cost - dust.cost))
    note = Note("finished", f"{trader.id}: profit {format_amount(profit)} {scene.quote}")
    return _enter(trader, Finished(bought, sold, carried, dust, profit), scene), (*commands, note)


def _selling(trader: Trader, selling: Selling, news: Placed | Executed | Ended, scene: Scene) -> Step:
    match news:
        case Placed():
            return trader, ()
        case Executed(fill):
            sold = selling.sold.book(fill, scene.base, scene.quote)
            return _enter(trader, replace(selling, sold=sold), scene), ()
        case Ended(Fate.ABANDONED) if selling.cancelling:
            return _sell(trader, _hold(selling, Hold.STOPPED, "stopped", None), scene)
        case Ended(Fate.FILLED | Fate.CANCELLED):
            return _sell(trader, _hold(selling, Hold.STOPPED, "stopped", None), scene)
        case Ended(Fate.BY_HAND):
            holding = _hold(selling, Hold.BY_HAND, "cancelled by hand", None)
            message = (
                f"{trader.id}: its sell was cancelled by hand; "
                f"to sell again: naivectl resolve {trader.symbol} --all --adopt"
            )
            return _enter(trader, holding, scene), (Note("held", message),)
        case Ended(Fate.EXPIRED | Fate.ABANDONED):
            return _retry_later(trader, selling, Hold.EXPIRED, "the sell expired", None, scene), ()
        case Ended(Fate.REJECTED, refused) if refused is not None:
            return _sell_refused(trader, selling, refused, scene)
        case Ended():
            raise UnexpectedError(f"{trader.id}: refused without a reason")
        case _:
            assert_never(news)


def _hold(selling: Selling, hold: Hold, reason: str, retry_at: int | None, failures: int = 0) -> Holding:
    return Holding(selling.bought, hold, reason, retry_at, selling.carried, selling.sold, failures)


def _retry_later(
    trader: Trader, selling: Selling, hold: Hold, reason: str, retry_at: int | None, scene: Scene
) -> Trader:
    at = max(scene.now + _pause(selling.failures), retry_at or 0)
    return _enter(trader, _hold(selling, hold, reason, at, selling.failures + 1), scene)


def _pause(failures: int) -> int:
    """Milliseconds until the next sell after so many failures in a row."""
    return min(_SELL_BACKOFF_FIRST << min(failures, 16), _SELL_BACKOFF_MOST)


def _counted(trader: Trader, free: Quantity, scene: Scene) -> Step:
    """Never offer more than is free; what is missing stays visibly held, and is counted again."""
    match trader.phase:
        case Holding(bought, Hold.BALANCE, carried=carried, sold=sold) as holding:
            held = _held(bought, carried, sold)
            if _offer(trader.terms, bought, min(free, held), scene.filters) is not None:
                return _sell(trader, holding, scene, most=free)
            reason = f"of {format_amount(held)} {scene.base} only {format_amount(free)} are free"
            return _enter(trader, replace(holding, reason=reason), scene), ()
        case _:
            return trader, ()


def _sell_refused(trader: Trader, selling: Selling, refused: Refused, scene: Scene) -> Step:
    note = Note("refused", f"{trader.id}: sell refused: {refused.message}")
    match refused.kind:
        case Refusal.BALANCE if selling.carried.quantity > 0:
            lost = selling.carried
            holding = _hold(
                replace(selling, carried=Leftover(Quantity(0), lost.cost)), Hold.BALANCE, refused.message, None
            )
            message = (
                f"{trader.id}: {format_amount(lost.quantity)} {scene.base} of leftovers are not there: written off"
            )
            again, commands = _sell(trader, replace(holding, failures=1), scene)
            return again, (note, Note("written off", message), *commands)
        case Refusal.BALANCE:
            hold, commands = Hold.BALANCE, (note,)
        case Refusal.FILTER:
            return _retry_later(trader, selling, Hold.FILTER, refused.message, None, scene), (note, Reread())
        case _:
            hold, commands = Hold.REFUSED, (note,)
    return _retry_later(trader, selling, hold, refused.message, refused.retry_at, scene), commands


# Time and wishes


def _woke(trader: Trader, scene: Scene) -> Step:
    match trader.phase:
        case Holding(retry_at=int(at)) as holding if at <= scene.now:
            if holding.hold is not Hold.BALANCE or scene.status is Status.OFF:
                return _sell(trader, holding, scene)
            again = scene.now + _pause(holding.failures)
            counting = replace(holding, retry_at=again, failures=holding.failures + 1)
            return _enter(trader, counting, scene), (Count(),)
        case _:
            return trader, ()


def _wished(trader: Trader, cancel: frozenset[Side], scene: Scene) -> Step:
    match trader.phase:
        case Waiting() if scene.status is not Status.ON:
            return _finish_empty(trader, scene, "ended before it bought")
        case Buying(intent, cancelling=False) as buying if _unwanted(buying, cancel, scene):
            return _enter(trader, replace(buying, cancelling=True), scene), (Cancel(intent),)
        case Selling(intent=intent, cancelling=False) as selling if Side.SELL in cancel:
            return _enter(trader, replace(selling, cancelling=True), scene), (Cancel(intent),)
        case Holding(hold=Hold.STOPPED) as holding:
            return _sell(trader, holding, scene)
        case _:
            return trader, ()


def _unwanted(buying: Buying, cancel: frozenset[Side], scene: Scene) -> bool:
    """A drain may let a buy rest; one that the exchange does not have yet must not arrive any more."""
    kept = scene.keep_buys and buying.accepted
    return Side.BUY in cancel or (scene.status is Status.SHUTDOWN and not kept)


def _released(trader: Trader, adopt: bool, scene: Scene) -> Step:
    match trader.phase:
        case Holding() as holding if adopt:
            return _sell(trader, replace(holding, hold=Hold.STOPPED, reason="stopped", retry_at=None), scene)
        case Holding(bought, carried=carried, sold=sold):
            profit = Money(sold.received - sold.quote_fees - bought.cost - carried.cost)
            finished = Finished(bought, sold, carried, NO_LEFTOVER, profit, "written off by hand")
            return _enter(trader, finished, scene), (Note("written off", f"{trader.id}: written off by hand"),)
        case _:
            return trader, ()
