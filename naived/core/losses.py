"""What the account's trading has lost, and whether that reaches a limit. Pure; ``runtime/value_watch.py`` asks.

    value     realised + unrealised profit of all symbols, those that are off as well, in the account's currency
    loss      how far the value fell since 00:00 UTC
    drawdown  how far it fell since its peak

Deposits and withdrawals change none of them: money that is not traded is not counted. What is held counts at its
last confirmed price, less the fee of selling it: a strategy that never sells below its cost has no realised losses,
so only that shows what it has lost. A sell that is partly filled counts as far as it is; the profits of ``status``
have that only when all is sold.

Coins that a sell offers are in doubt above its limit. A trade there may have sold them, and only the report is
late: so they make no peak (``least_gained``). They may bring more, as of a sell that is decided above its limit: so
they make no loss either (``gained``).

A day begins with the last value known before it. If naived was down at 00:00 UTC that is the last durable one: what
was lost while nobody looked is a loss of the day on which it is seen, and is never forgotten.
"""

from msgspec.structs import replace

from naived.core.amount import SCALE, Money, Price, Rate, format_amount, money_down, money_up, parse_rate
from naived.core.risk import Halt, HaltedBy, Limits, Worth
from naived.core.strategy.day import DAY
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.summary import owned
from naived.core.strategy.trader_state import Holding, Selling, position

STALE = 60_000  # ms without a confirmed trade after which a price no longer shows what coins are worth
_USUAL_FEE = parse_rate("0.001")


def gained(leader: Leader, price: Price | None) -> Money | None:
    """A symbol's realised + unrealised profit in its quote asset; None if it holds coins and has no price."""
    held = owned(leader)
    if not held:
        return realised(leader)
    if price is None:
        return None
    worth = money_down(held.quantity * price * (SCALE - _fee(leader)), SCALE * SCALE)
    return Money(realised(leader) + worth - held.cost)


def least_gained(leader: Leader, price: Price | None) -> Money | None:
    """The same, of coins that a sell offers at most what its limit brings."""
    made = gained(leader, price)
    if made is None or price is None or not (beyond := _beyond(leader, price)):
        return made
    return Money(made - money_up(beyond * (SCALE - _fee(leader)), SCALE * SCALE))


def _beyond(leader: Leader, price: Price) -> int:
    """What this price is above the limits of sells, times their coins. A stop-loss asks for less than it gets."""
    selling = ((trader, trader.phase) for trader in leader.traders if type(trader.phase) is Selling)
    return sum(
        position(trader).quantity * (price - phase.intent.price)
        for trader, phase in selling
        if phase.intent.price < price and not phase.intent.ioc
    )


def realised(leader: Leader) -> Money:
    """What a symbol has made of coins that it sold, in its quote asset."""
    # What a sell in progress has brought becomes profit only when all of it is sold.
    sold = 0
    for trader in leader.traders:
        phase = trader.phase
        if isinstance(phase, Holding | Selling) and phase.sold.quantity:
            spent = phase.bought.cost + phase.carried.cost - position(trader).cost
            sold += phase.sold.received - phase.sold.quote_fees - spent
    return Money(leader.profit + sold)


def _fee(leader: Leader) -> Rate:
    """What selling costs; of a symbol whose fees are not read, as when it is off, what its newest trader knew."""
    if leader.info.base:
        return leader.fees.sell
    return leader.traders[-1].terms.fees.sell if leader.traders else _USUAL_FEE


def begun(value: Money, now: int, currency: str, round: int = 0) -> Worth:
    """Counted from this moment (exchange ms): nothing is lost."""
    return Worth(currency, value, now // DAY, value, value, round)


def anew(worth: Worth) -> Worth:
    """From its value of now on nothing is lost."""
    return replace(worth, start=worth.value, peak=worth.value, round=worth.round + 1)


def joined(stored: Worth, worth: Worth) -> Worth:
    """``worth``, with what another node wrote since it was read: the first start of a day and the highest peak."""
    if stored.round != worth.round or stored.currency != worth.currency:
        return stored if stored.round > worth.round else worth
    day, start = (stored.day, stored.start) if stored.day >= worth.day else (worth.day, worth.start)
    return replace(worth, day=day, start=start, peak=max(stored.peak, worth.peak))


def measured(before: Worth, value: Money, now: int) -> Worth:
    """With this value at ``now`` (exchange ms)."""
    day = max(before.day, now // DAY)
    start = before.start if day == before.day else before.value
    return replace(before, value=value, day=day, start=start, peak=max(before.peak, value))


def reached(limits: Limits, worth: Worth, now: int) -> Halt | None:
    """The halt of a limit that is reached, the one that lasts longer if both are; None if none is."""
    of, most = f"{worth.currency} of", limits.max_drawdown
    if most is not None and worth.drawdown >= most:
        lost = f"its trading lost {format_amount(worth.drawdown)} {of} at most {format_amount(most)} since its peak"
        return Halt(f"{lost} (max-drawdown); only a resume ends the halt", HaltedBy.LIMIT, now)
    most = limits.max_daily_loss
    if most is not None and worth.loss >= most:
        lost = f"its trading lost {format_amount(worth.loss)} {of} at most {format_amount(most)} since 00:00 UTC"
        words = f"{lost} (max-daily-loss); the halt ends at 00:00 UTC, or by a resume"
        return Halt(words, HaltedBy.LIMIT, now, until=(now // DAY + 1) * DAY)
    return None


def with_limit(before: Halt | None, limit: Halt) -> Halt:
    """The halt of the account once a limit is reached; ``before`` if that changes nothing.

    A halt by a person stays, and so does one that lasts as long; no buy may rest any more.
    """
    if before is None:
        return limit
    if before.by is HaltedBy.PERSON:
        return replace(before, keep_buys=False)
    return limit if before.until is not None and (limit.until is None or limit.until > before.until) else before
