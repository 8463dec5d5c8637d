"""One trade cycle: buy low, sell higher, finish.

    Waiting ──trade──> Buying ──bought──> Selling ──sold──> Finished
       ^                 │                  │  ^
       └──nothing bought─┘          ended early └──retried── Holding

1. A trader has at most one live order. A phase holds only what is true in it.
2. What was bought is sold, or shown as held, or, if too small to sell, added to the symbol's leftovers. The price
   is never lowered, the position never dropped.
3. While the symbol is ``off`` nothing new is placed; what fills meanwhile is booked, and sold after the next start.
4. While it is ``shutdown`` nothing is bought: a waiting trader ends, a resting buy is cancelled unless it may rest.

``step_trader`` is the only way to change a trader; the leader calls it. A ``SymbolView`` tells what the rest of the
symbol allows; what is to be done is returned as commands.
"""

from enum import StrEnum
from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from naived.core.amount import Money, Price, Quantity, Rate, format_amount, value_up
from naived.core.market import Filters, Trade, refusal
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import Refusal, Refused
from naived.core.orders.state import STALE, Ended, Executed, Fate, Placed, UnexpectedError
from naived.core.strategy.formulas import (
    NO_LEFTOVER,
    NOTHING_SOLD,
    Bought,
    Fees,
    Leftover,
    Sold,
    buy_price,
    buy_quantity,
    dust_cost,
    least_budget,
    offered,
    reprice_above,
    sell_price,
    untradable,
)
from naived.core.strategy.settings import DesiredState, Status

# How long a buy waits after a refusal, by reason (ms); a reason that is not here faults the symbol.
_BUY_BACKOFF = {
    Refusal.BALANCE: 60_000,  # a person has to add money
    Refusal.FILTER: 10_000,  # the rules are being read again
    Refusal.TOO_MANY: 10_000,  # one interval of the order limit
    Refusal.CLOCK: 1_000,
    Refusal.MARKET_CLOSED: 10_000,  # a halt ends by itself; without a public trade there is no new attempt
}
_EXPIRED_BACKOFF = 1_000  # ms; a buy that self-trade prevention ended must not be repeated in a tight loop
_SELL_BACKOFF_FIRST = 1_000  # ms, doubled with each failure in a row
_SELL_BACKOFF_MOST = 300_000  # ms


class Terms(Struct, frozen=True):
    """What a trader is made with and keeps: its share of the budget, its intervals, the fees it calculates with."""

    budget: Money
    chunks: int
    buy_down: Rate
    profit: Rate
    rebuy: Rate
    reprice: Rate
    fees: Fees


class Hold(StrEnum):
    """Why bought coins are not offered for sale right now."""

    STOPPED = "stopped"
    BY_HAND = "cancelled by hand"
    EXPIRED = "expired"
    BALANCE = "balance"
    FILTER = "filter"
    REFUSED = "refused"


class Waiting(Struct, frozen=True):
    """Waiting for a trade later than ``after`` (exchange ms). ``reason``: why it did not buy on the last one."""

    after: int = 0
    reason: str | None = None


class Buying(Struct, frozen=True):
    intent: OrderIntent
    bought: Bought
    accepted: bool = False  # the exchange has the order; only then is the rebuy measured from it
    cancelling: bool = False


class Holding(Struct, frozen=True):
    """Coins without a live sell; offered again at ``retry_at`` (exchange ms) or, if None, when a person acts."""

    bought: Bought
    hold: Hold
    reason: str
    retry_at: int | None
    carried: Leftover = NO_LEFTOVER
    sold: Sold = NOTHING_SOLD
    failures: int = 0  # of the sell, in a row; they set the back-off


class Selling(Struct, frozen=True):
    bought: Bought
    intent: OrderIntent
    carried: Leftover = NO_LEFTOVER
    sold: Sold = NOTHING_SOLD
    failures: int = 0
    cancelling: bool = False


class Finished(Struct, frozen=True):
    """``profit`` is None for a trader that neither sold nor wrote off anything."""

    bought: Bought | None
    sold: Sold
    carried: Leftover
    dust: Leftover
    profit: Money | None
    reason: str | None = None


Phase: TypeAlias = Waiting | Buying | Holding | Selling | Finished


class Trader(Struct, frozen=True):
    """``buys`` and ``sells`` count the intents of each side; ``since``: when the phase began (exchange ms)."""

    symbol: str
    number: int
    terms: Terms
    phase: Phase
    started_at: int
    since: int
    rebuy_notified: bool = False
    buys: int = 0
    sells: int = 0

    @property
    def id(self) -> str:
        return f"{self.symbol}-{self.number}"


def position(trader: Trader) -> Leftover:
    """The coins a trader owns right now, and what they cost."""
    match trader.phase:
        case Buying(bought=bought):
            return Leftover(bought.net, bought.cost)
        case Holding(bought, carried=carried, sold=sold) | Selling(bought, carried=carried, sold=sold):
            have = Quantity(bought.net + carried.quantity)
            rest = Quantity(have - sold.quantity - sold.base_fees)
            return Leftover(rest, dust_cost(Money(bought.cost + carried.cost), rest, have))
        case Waiting() | Finished():
            return NO_LEFTOVER
        case _:
            assert_never(trader.phase)


class SymbolView(Struct, frozen=True):
    """What a trader may know of its symbol at one moment (``now`` in exchange ms).

    A sell may include the ``leftover``. The last three are for the decision to buy, and set only for a waiting
    trader and a trade: ``room`` is the money the budget leaves for one more buy, ``lowest_sell`` the lowest price
    of a live sell, ``surplus`` why nothing may be bought though a trader waits.
    """

    now: int
    filters: Filters
    status: Status
    keep_buys: bool
    base: str
    quote: str
    leftover: Leftover
    room: Money = Money(0)
    lowest_sell: Price | None = None
    surplus: str | None = None


class Traded(Struct, frozen=True):
    """A public trade."""

    trade: Trade


class OrderNews(Struct, frozen=True):
    """What one step of an order means for its trader, in the order in which it happened."""

    intent: OrderIntent
    news: tuple[Placed | Executed | Ended, ...]


class Woke(Struct, frozen=True):
    """Time has passed; see ``Leader.wakes_at``."""


class Directed(Struct, frozen=True):
    """A person set settings and status; ``cancel``: the sides whose live orders a ``stop`` cancels."""

    desired: DesiredState
    cancel: frozenset[Side] = frozenset()


class Released(Struct, frozen=True):
    """A person ends the hold of trader ``number``: ``adopt`` sells again, otherwise its coins are written off."""

    number: int
    adopt: bool


class Counted(Struct, frozen=True):
    """How many coins are ``free`` on the account, for sells that were refused for balance."""

    free: Quantity


TraderEvent: TypeAlias = Traded | OrderNews | Woke | Directed | Released | Counted


class Place(Struct, frozen=True):
    """Make this intent durable, then send it. ``decided_at``: the time of the trade or fill behind it."""

    intent: OrderIntent
    decided_at: int


class Cancel(Struct, frozen=True):
    """Cancel this order, as soon as the exchange has it."""

    intent: OrderIntent


class Carry(Struct, frozen=True):
    """Take this much out of the symbol's leftovers: it is part of the sell now."""

    leftover: Leftover


class Leave(Struct, frozen=True):
    """Put this much into the symbol's leftovers."""

    leftover: Leftover


class Note(Struct, frozen=True):
    """One line for a person."""

    kind: str
    message: str


class Reread(Struct, frozen=True):
    """Read the exchange's rules again: a filter refused an order, so they may have changed."""


class Count(Struct, frozen=True):
    """Ask for the account's free balance: a sell was refused for balance, and the next one needs it."""


class Fault(Struct, frozen=True):
    """Stop the symbol until a person acts."""

    reason: str


Command: TypeAlias = Place | Cancel | Carry | Leave | Note | Reread | Count | Fault


TraderStep: TypeAlias = tuple[Trader, tuple[Command, ...]]


def step_trader(trader: Trader, event: TraderEvent, view: SymbolView) -> TraderStep:
    """Apply one event; one that changes nothing returns the same trader. Raises UnexpectedError."""
    match event:
        case Traded(trade):
            return _traded(trader, trade, view)
        case OrderNews():
            return _on_order_news(trader, event, view)
        case Woke():
            return _woke(trader, view)
        case Directed(_, cancel):
            return _directed(trader, cancel, view)
        case Released(_, adopt):
            return _released(trader, adopt, view)
        case Counted(free):
            return _counted(trader, free, view)
        case _:
            assert_never(event)


def _enter(trader: Trader, phase: Phase, view: SymbolView) -> Trader:
    """Set the phase; ``since`` stays if the new phase is of the same kind."""
    since = trader.since if type(phase) is type(trader.phase) else max(view.now, trader.since)
    return replace(trader, phase=phase, since=since)


def _finish_empty(trader: Trader, view: SymbolView, reason: str) -> TraderStep:
    return _enter(trader, Finished(None, NOTHING_SOLD, NO_LEFTOVER, NO_LEFTOVER, None, reason), view), ()


# Waiting and Buying


def _traded(trader: Trader, trade: Trade, view: SymbolView) -> TraderStep:
    match trader.phase:
        case Waiting() as waiting:
            return _decide(trader, waiting, trade, view)
        case Buying(intent, _, True, False) as buying if view.status is Status.ON:
            limit = trader.terms.reprice
            if limit and trade.price > reprice_above(intent.price, limit):
                return _enter(trader, replace(buying, cancelling=True), view), (
                    Cancel(intent),
                    Note("repriced", f"{trader.id}: the price left its buy at {format_amount(intent.price)}"),
                )
            return trader, ()
        case _:
            return trader, ()


def _decide(trader: Trader, waiting: Waiting, trade: Trade, view: SymbolView) -> TraderStep:
    if view.status is not Status.ON or trade.time <= waiting.after or view.now - trade.time > STALE:
        return trader, ()
    terms = trader.terms
    price = buy_price(trade.price, terms.buy_down, view.filters)
    quantity = buy_quantity(terms.budget, terms.chunks, price, view.filters)
    reason = view.surplus or _obstacle(terms, trade.price, price, quantity, view)
    if reason is not None:
        if waiting.reason is not None and _cause(reason) == _cause(waiting.reason):
            return trader, ()
        return replace(trader, phase=replace(waiting, reason=reason)), (Note("waits", f"{trader.id}: {reason}"),)
    intent = OrderIntent(trader.symbol, trader.number, Side.BUY, trader.buys + 1, price, quantity)
    buying = replace(_enter(trader, Buying(intent, Bought(price)), view), buys=intent.seq, rebuy_notified=False)
    return buying, (Place(intent, trade.time),)


def _cause(reason: str) -> str:
    """The part before the colon. The numbers after it change with every trade and are no reason for a new note."""
    return reason.partition(":")[0]


def _obstacle(terms: Terms, last: Price, price: Price, quantity: Quantity, view: SymbolView) -> str | None:
    """Why this buy would be refused, or must not be placed; None if it may be."""
    failed = untradable(last, terms.budget, terms.chunks, terms.buy_down, terms.profit, terms.fees, view.filters)
    if failed:
        least = least_budget(last, terms.chunks, terms.buy_down, terms.profit, terms.fees, view.filters)
        if least is not None and terms.budget < least:
            return f"too small to trade ({failed}): the least budget is {format_amount(least)} {view.quote}"
        return f"the exchange would refuse it ({failed})"
    if value_up(price, quantity) > view.room:
        return f"no room in the budget: {format_amount(view.room)} {view.quote} are left"
    if view.lowest_sell is not None and price >= view.lowest_sell:
        return f"our own sell is in the way: it rests at {format_amount(view.lowest_sell)}"
    return None


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
        case Placed():
            return _enter(trader, replace(buying, accepted=True), view), ()
        case Executed(fill):
            bought = buying.bought.with_fill(fill, view.base, view.quote)
            return _enter(trader, replace(buying, bought=bought), view), ()
        case Ended() if buying.bought.quantity:
            return _sell(trader, Holding(buying.bought, Hold.STOPPED, "stopped", None), view)
        case Ended(fate, refused):
            return _nothing_bought(trader, fate, refused, view)
        case _:
            assert_never(news)


def _nothing_bought(trader: Trader, fate: Fate, refused: Refused | None, view: SymbolView) -> TraderStep:
    if fate is Fate.BY_HAND:
        return _finish_empty(trader, view, "buy cancelled by hand")
    if view.status is not Status.ON:
        return _finish_empty(trader, view, "nothing bought")
    if fate is not Fate.REJECTED or refused is None:
        backoff = _EXPIRED_BACKOFF if fate is Fate.EXPIRED else 0
        return _enter(trader, Waiting(after=view.now + backoff if backoff else 0), view), ()
    note = Note("refused", f"{trader.id}: buy refused: {refused.message}")
    pause = _BUY_BACKOFF.get(refused.kind)
    if pause is None:
        waiting = Waiting(reason=refused.message)
        return _enter(trader, waiting, view), (note, Fault(f"buy refused: {refused.message}"))
    after = max(view.now + pause, refused.retry_at or 0)
    commands: tuple[Command, ...] = (note, Reread()) if refused.kind is Refusal.FILTER else (note,)
    return _enter(trader, Waiting(after=after, reason=refused.message), view), commands


# Holding and Selling


def _sell(trader: Trader, holding: Holding, view: SymbolView, most: Quantity | None = None) -> TraderStep:
    """Sell what is held, at most ``most``. Finish if that is too little; hold it while the symbol is off."""
    bought, carried, sold = holding.bought, holding.carried, holding.sold
    commands: tuple[Command, ...] = ()
    first = not (carried or sold.quantity or holding.failures)
    if first and view.leftover and view.status is not Status.OFF:
        carried = view.leftover
        commands = (Carry(carried),)
    held = _held(bought, carried, sold)
    offer = _offer(trader.terms, bought, held if most is None else min(held, most), view.filters)
    if offer is None:
        finished, more = _finish(trader, bought, carried, sold, view)
        return finished, commands + more
    if view.status is Status.OFF:
        stopped = replace(holding, hold=Hold.STOPPED, reason="stopped", retry_at=None)
        return (trader if stopped == trader.phase else _enter(trader, stopped, view)), ()
    intent = OrderIntent(trader.symbol, trader.number, Side.SELL, trader.sells + 1, *offer)
    selling = Selling(bought, intent, carried, sold, holding.failures)
    return replace(_enter(trader, selling, view), sells=intent.seq), (*commands, Place(intent, view.now))


def _held(bought: Bought, carried: Leftover, sold: Sold) -> Quantity:
    return Quantity(bought.net + carried.quantity - sold.quantity - sold.base_fees)


def _offer(terms: Terms, bought: Bought, have: Quantity, filters: Filters) -> tuple[Price, Quantity] | None:
    """The price and quantity of a sell of at most ``have``; None if that is too little to sell."""
    if bought.net <= 0:
        return None
    price = sell_price(bought.limit, bought.cost, bought.net, terms.profit, terms.fees, filters)
    quantity = offered(have, price, filters)
    if quantity <= 0 or refusal(filters, Side.SELL, price, quantity, None) in ("LOT_SIZE", "NOTIONAL"):
        return None
    return price, quantity


def _finish(trader: Trader, bought: Bought, carried: Leftover, sold: Sold, view: SymbolView) -> TraderStep:
    have = Quantity(bought.net + carried.quantity)
    cost = Money(bought.cost + carried.cost)
    rest = _held(bought, carried, sold)
    dust = Leftover(rest, dust_cost(cost, rest, have))
    commands: tuple[Command, ...] = (Leave(dust),) if dust else ()
    if not sold.quantity:
        finished = Finished(bought, sold, carried, dust, None, "too small to sell")
        note = Note("leftover", f"{trader.id}: {format_amount(rest)} {view.base} is too small to sell")
        return _enter(trader, finished, view), (*commands, note)
    profit = Money(sold.received - sold.quote_fees - (cost - dust.cost))
    note = Note("finished", f"{trader.id}: profit {format_amount(profit)} {view.quote}")
    return _enter(trader, Finished(bought, sold, carried, dust, profit), view), (*commands, note)


def _selling(trader: Trader, selling: Selling, news: Placed | Executed | Ended, view: SymbolView) -> TraderStep:
    match news:
        case Placed():
            return trader, ()
        case Executed(fill):
            sold = selling.sold.with_fill(fill, view.base, view.quote)
            return _enter(trader, replace(selling, sold=sold), view), ()
        case Ended(Fate.ABANDONED) if selling.cancelling:
            return _sell(trader, _hold(selling, Hold.STOPPED, "stopped", None), view)
        case Ended(Fate.FILLED | Fate.CANCELLED):
            return _sell(trader, _hold(selling, Hold.STOPPED, "stopped", None), view)
        case Ended(Fate.BY_HAND):
            holding = _hold(selling, Hold.BY_HAND, "cancelled by hand", None)
            message = (
                f"{trader.id}: its sell was cancelled by hand; "
                f"to sell again: naivectl resolve {trader.symbol} --all --adopt"
            )
            return _enter(trader, holding, view), (Note("held", message),)
        case Ended(Fate.EXPIRED | Fate.ABANDONED):
            return _retry_later(trader, selling, Hold.EXPIRED, "the sell expired", None, view), ()
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
    at = max(view.now + _pause(selling.failures), retry_at or 0)
    return _enter(trader, _hold(selling, hold, reason, at, selling.failures + 1), view)


def _pause(failures: int) -> int:
    """Milliseconds until the next sell after so many failures in a row."""
    return min(_SELL_BACKOFF_FIRST << min(failures, 16), _SELL_BACKOFF_MOST)


def _counted(trader: Trader, free: Quantity, view: SymbolView) -> TraderStep:
    """Sell no more than is free. If that is too little to sell, hold everything and count again later."""
    match trader.phase:
        case Holding(bought, Hold.BALANCE, carried=carried, sold=sold) as holding:
            held = _held(bought, carried, sold)
            if _offer(trader.terms, bought, min(free, held), view.filters) is not None:
                return _sell(trader, holding, view, most=free)
            reason = f"of {format_amount(held)} {view.base} only {format_amount(free)} are free"
            return _enter(trader, replace(holding, reason=reason), view), ()
        case _:
            return trader, ()


def _sell_refused(trader: Trader, selling: Selling, refused: Refused, view: SymbolView) -> TraderStep:
    note = Note("refused", f"{trader.id}: sell refused: {refused.message}")
    match refused.kind:
        case Refusal.BALANCE if selling.carried.quantity > 0:
            lost = selling.carried
            holding = _hold(
                replace(selling, carried=Leftover(Quantity(0), lost.cost)), Hold.BALANCE, refused.message, None
            )
            message = (
                f"{trader.id}: {format_amount(lost.quantity)} {view.base} of leftovers are not there: written off"
            )
            again, commands = _sell(trader, replace(holding, failures=1), view)
            return again, (note, Note("written off", message), *commands)
        case Refusal.BALANCE:
            hold, commands = Hold.BALANCE, (note,)
        case Refusal.FILTER:
            return _retry_later(trader, selling, Hold.FILTER, refused.message, None, view), (note, Reread())
        case _:
            hold, commands = Hold.REFUSED, (note,)
    return _retry_later(trader, selling, hold, refused.message, refused.retry_at, view), commands


# The timer, and what a person asks for


def _woke(trader: Trader, view: SymbolView) -> TraderStep:
    match trader.phase:
        case Holding(retry_at=int(at)) as holding if at <= view.now:
            if holding.hold is not Hold.BALANCE or view.status is Status.OFF:
                return _sell(trader, holding, view)
            again = view.now + _pause(holding.failures)
            counting = replace(holding, retry_at=again, failures=holding.failures + 1)
            return _enter(trader, counting, view), (Count(),)
        case _:
            return trader, ()


def _directed(trader: Trader, cancel: frozenset[Side], view: SymbolView) -> TraderStep:
    match trader.phase:
        case Waiting() if view.status is not Status.ON:
            return _finish_empty(trader, view, "ended before it bought")
        case Buying(intent, cancelling=False) as buying if _unwanted(buying, cancel, view):
            return _enter(trader, replace(buying, cancelling=True), view), (Cancel(intent),)
        case Selling(intent=intent, cancelling=False) as selling if Side.SELL in cancel:
            return _enter(trader, replace(selling, cancelling=True), view), (Cancel(intent),)
        case Holding(hold=Hold.STOPPED) as holding:
            return _sell(trader, holding, view)
        case _:
            return trader, ()


def _unwanted(buying: Buying, cancel: frozenset[Side], view: SymbolView) -> bool:
    """Must this buy be cancelled? A drain may let one rest, but only if the exchange already has it."""
    kept = view.keep_buys and buying.accepted
    return Side.BUY in cancel or (view.status is Status.SHUTDOWN and not kept)


def _released(trader: Trader, adopt: bool, view: SymbolView) -> TraderStep:
    match trader.phase:
        case Holding() as holding if adopt:
            return _sell(trader, replace(holding, hold=Hold.STOPPED, reason="stopped", retry_at=None), view)
        case Holding(bought, carried=carried, sold=sold):
            profit = Money(sold.received - sold.quote_fees - bought.cost - carried.cost)
            finished = Finished(bought, sold, carried, NO_LEFTOVER, profit, "written off by hand")
            return _enter(trader, finished, view), (Note("written off", f"{trader.id}: written off by hand"),)
        case _:
            return trader, ()
