"""What is tied up, and what is lost at the market, when all prices fall together. Pure; ``control`` asks.

Nothing is estimated: the leaders themselves are stepped down a market that only falls, as they are set now. Every
buy fills at its limit, and nothing is sold but what a stop-loss sells, at its lowest price; others may buy for that
money. So guards, budgets and chunks bind as they do in a real fall, and the account's limits as well. What may end
first does not bind: a halt, a closed market, a pause after a refusal. Nor does a fall guard: a slow fall passes it.
"""

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush

from msgspec import Struct
from msgspec.structs import replace

from naived.core.amount import (
    SCALE,
    Amount,
    Money,
    Price,
    Quantity,
    Rate,
    amount_up,
    money_down,
    parse_rate,
    quantity_down,
    value_down,
    value_up,
)
from naived.core.losses import gained, measured, reached
from naived.core.market import Trade
from naived.core.orders.intent import OrderIntent
from naived.core.orders.report import Fill
from naived.core.orders.state import Ended, Executed, Fate, Placed
from naived.core.risk import NO_HALTS, Halt, Limits, Worth
from naived.core.strategy.formulas import buy_price, buy_quantity
from naived.core.strategy.leader import band, step_leader
from naived.core.strategy.leader_events import Halted, LeaderEvent
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.settings import Status
from naived.core.strategy.sizing import spending, terms_of
from naived.core.strategy.stopping import stops_at
from naived.core.strategy.summary import exposure, tied_up
from naived.core.strategy.trader_state import Buying, OrderNews, Selling, Traded, Trader, Waiting
from naived.core.strategy.traders import commitments
from naived.core.strategy.view import Funds

FALLS = tuple(map(parse_rate, ("0.1", "0.3", "0.5")))

_PAUSE = 60_000  # ms between two steps: nobody still waits for the end of a pause
_FAR = 100  # a refused buy is looked at again when the price fell by a hundredth, at the latest
_FINE = 1_000  # of the steps of a buy that has more than so many, not each one is looked at: there are millions
_FIRST_ID = 1 << 50  # above the ids of all trades that there were

_EXPOSURE, _RESERVE, _MONEY, _STOP = "max-exposure", "reserve", "free money", "stop-loss"


class Falling(Struct, frozen=True):
    """A symbol, the price that it falls from, and what one of its quote asset is worth in the currency."""

    leader: Leader
    price: Price
    quote_price: Price = Price(SCALE)


class Fallen(Struct, frozen=True):
    """After all prices fell by ``fall``: what is tied up, and what is lost if everything is sold then.

    Amounts are in the currency. ``stopped_by``: what kept something from being bought.
    """

    fall: Rate
    tied_up: Money
    loss: Money
    stopped_by: tuple[str, ...] = ()


class Means(Struct, frozen=True):
    """What the account has, in its currency: ``free`` money and ``worth`` are None where they are not known."""

    limits: Limits = Limits()
    currency: str = "USDT"
    worth: Worth | None = None
    free: Money | None = None


class _Symbol:
    """``fixed`` is its gain without what the coins are worth, ``full`` what they are worth at the first price.

    ``taken`` is what its orders took of the free money, ``exposed`` what it ties up, ``next`` where it is looked at
    next. ``price`` is where it was looked at last.
    """

    def __init__(self, falling: Falling, means: Means, now: int) -> None:
        leader = falling.leader
        desired = replace(leader.desired, settings=replace(leader.settings, fall_guard=None))
        # Without a stop-loss ``band`` tells where something is bought, and nothing else.
        self._buying = replace(desired, settings=replace(desired.settings, stop_loss=Rate(0)))
        self.leader = replace(
            leader,
            info=replace(leader.info, trading=True),
            desired=desired,
            active=leader.desired.status is not Status.OFF and bool(leader.info.base),
            traders=tuple(map(_ready, leader.traders)),
            halts=NO_HALTS,
            barred=None,
            guarded=None,
            standing=None,
        )
        self.start = self.price = falling.price
        self.next: Price | None = falling.price
        self.quote_price = falling.quote_price
        self._in_currency = leader.info.quote == means.currency
        self._now = now
        self._id = _FIRST_ID
        self.fixed = self.full = self.exposed = self.taken = 0
        self._count()

    @property
    def sums(self) -> tuple[int, ...]:
        return self.fixed, self.full, self.exposed, self.taken

    def left(self, price: int) -> int:
        """The part of its first price that this one is."""
        part: int = price * SCALE // self.start
        return part

    def ask_again(self, left: int) -> None:
        """Look at it at once, where this part of its price is left, if a trader waits: there is more money."""
        if any(type(trader.phase) is Waiting for trader in self.leader.traders):
            self._look_at([((left + 1) * self.start - 1) // SCALE])

    def halt(self, halt: Halt) -> None:
        """What rests is taken back."""
        self._step(Halted(halt, account=True))
        self._settle()
        self._look_at([_stops_at(self.leader)])

    def fall(self, price: Price, funds: Funds) -> str | None:
        """Fill the buys that it reaches, then trade at it; returns why nothing is bought, if that is so."""
        self.price = price
        for trader in self.leader.traders:
            if type(trader.phase) is Buying and trader.phase.intent.price >= price:
                self._fill(trader.phase)
        before = self.leader.traders
        self._now += _PAUSE
        self._id += 1
        self._step(Traded(Trade(self._id, price, Quantity(SCALE), self._now), funds))
        self._settle()
        buys = [trader.phase.intent.price for trader in self.leader.traders if type(trader.phase) is Buying]
        buying = band(replace(self.leader, desired=self._buying), None)[0]
        if buying >= price and self.leader.traders == before:
            buying = _next_chance(self.leader, price, funds)
        self._look_at([buying, _stops_at(self.leader), *buys])
        if self.leader.halts.own is not None:
            return _STOP
        waiting = [each.phase for each in self.leader.traders if type(each.phase) is Waiting]
        return next((phase.reason for phase in waiting if phase.reason is not None), None)

    def _look_at(self, prices: Sequence[int]) -> None:
        """At the highest of these, which is no higher than the price and one that a trade can have."""
        tick = self.leader.info.filters.tick_size
        found = min(self.price, max(prices) // tick * tick)
        self.next = Price(found) if found > 0 else None

    def _settle(self) -> None:
        """What is cancelled ends, and what the stop-loss sells is sold."""
        while phases := [phase for trader in self.leader.traders if (phase := _unsettled(trader)) is not None]:
            phase = phases[0]
            if phase.intent.ioc and not phase.cancelling:
                self._sell(phase.intent)
            else:
                self._step(OrderNews(phase.intent, (Ended(Fate.CANCELLED),)))
        self._count()

    def _sell(self, intent: OrderIntent) -> None:
        money, fees = value_down(intent.price, intent.quantity), self.leader.fees
        fee = amount_up(money * fees.sell, SCALE)
        self._id += 1
        fill = Fill(
            *(intent.symbol, 0, self._id, intent.price, intent.quantity, money, fee),
            *(self.leader.info.quote, False, self._now),
        )
        self._step(OrderNews(intent, (Placed(), Executed(fill), Ended(Fate.FILLED, None, self._id))))

    def _fill(self, buying: Buying) -> None:
        intent, leader = buying.intent, self.leader
        rest = Quantity(intent.quantity - buying.bought.quantity)
        fee = Amount(amount_up(rest * leader.fees.buy, SCALE))
        money = value_up(intent.price, rest)
        self._id += 1
        fill = Fill(intent.symbol, 0, self._id, intent.price, rest, money, fee, leader.info.base, True, self._now)
        placed = () if buying.accepted else (Placed(),)
        self._step(OrderNews(intent, (*placed, Executed(fill), Ended(Fate.FILLED, None, self._id))))

    def _step(self, event: LeaderEvent) -> None:
        self.leader = step_leader(self.leader, event, self._now, None).leader

    def _count(self) -> None:
        leader = self.leader
        fixed = gained(leader, Price(0)) or Money(0)
        full = (gained(leader, self.start) or Money(0)) - fixed
        amounts = fixed, full, exposure(leader).money
        self.fixed, self.full, self.exposed = (money_down(each * self.quote_price, SCALE) for each in amounts)
        self.taken = tied_up(leader) - fixed if self._in_currency else 0


def _ready(trader: Trader) -> Trader:
    """If it waits for a time, that comes before the price falls."""
    return replace(trader, phase=Waiting()) if type(trader.phase) is Waiting else trader


def _unsettled(trader: Trader) -> Buying | Selling | None:
    """The order of this trader, if it is cancelled or sells at a loss."""
    phase = trader.phase
    if type(phase) is Buying:
        return phase if phase.cancelling else None
    return phase if type(phase) is Selling and (phase.cancelling or phase.intent.ioc) else None


def _stops_at(leader: Leader) -> int:
    """Where the stop-loss acts next. What it did not sell lacks its coins, and no lower price brings them."""
    if leader.status is Status.OFF or not leader.settings.stop_loss:
        return -1
    return stops_at([trader for trader in leader.traders if trader.stop is None], leader.settings.stop_loss)


def _next_chance(leader: Leader, price: Price, funds: Funds) -> int:
    """The highest price below this one at which a buy that is refused at this one may pass.

    As the price falls a buy costs less, until it is of one step more. Rounding to ticks may let it pass as well.
    """
    terms, filters = terms_of(leader.settings, leader.fees), leader.info.filters
    tick, limit = filters.tick_size, buy_price(price, terms.buy_down, filters)
    spent, shares = commitments(leader.traders, leader.lots)
    found = price - max(1, price // _FAR)
    for committed in (spent, spent + shares):  # of the others: for a trader that waits, and for one that would join
        budget, chunks = spending(terms, Money(max(0, terms.budget - committed)))
        quantity = buy_quantity(budget, chunks, limit, filters)
        more = max(filters.step_size, quantity_down(quantity, _FINE, filters.step_size))
        chances = [budget * SCALE // (chunks * (quantity + more))]
        if quantity > 0:
            chances += [money * SCALE // quantity for money in (funds.room, funds.quote) if money is not None]
        for chance in chances:
            if chance < limit:
                found = max(found, ((chance // tick + 1) * tick * SCALE - 1) // (SCALE - terms.buy_down))
    return found


class WorstCase:
    """``advance`` until it is True, then ``fallen`` has one entry for each of FALLS. ``now`` is exchange ms."""

    def __init__(self, symbols: Iterable[Falling], means: Means, now: int) -> None:
        self.fallen: list[Fallen] = []
        self._symbols = [_Symbol(each, means, now) for each in symbols]
        self._means = means
        self._now = now
        self._halted = False
        self._stopped_by: list[str] = []
        self._sums = _summed(self._symbols)
        self._value = self._gain(SCALE)
        self._taken = self._sums[3]
        self._profit = sum(money_down(each.leader.profit * each.quote_price, SCALE) for each in self._symbols)
        self._due: list[tuple[int, int]] = []
        self._wait()

    def advance(self, most: int = 1 << 30) -> bool:
        """Let prices fall on, for at most so many trades; was that all?"""
        for _ in range(most):
            if len(self.fallen) == len(FALLS):
                return True
            fall = FALLS[len(self.fallen)]
            left = SCALE - fall
            if self._due and -self._due[0][0] >= left:
                self._trade()
            else:
                self._look(left)
                self.fallen.append(self._fallen(fall, left))
        return len(self.fallen) == len(FALLS)

    def _fallen(self, fall: Rate, left: int) -> Fallen:
        fixed, full, exposed, _ = self._sums
        loss = max(0, self._profit - fixed - money_down(full * left, SCALE))
        return Fallen(fall, Money(exposed), Money(loss), tuple(self._stopped_by))

    def _look(self, left: int) -> bool:
        """Halt if a loss reaches its limit where this part of the prices is left; was that so?"""
        worth, limits = self._means.worth, self._means.limits
        if self._halted or worth is None or not limits.of_losses:
            return False
        worth = measured(worth, Money(worth.value + self._gain(left) - self._value), self._now)
        halt = reached(limits, worth, self._now)
        if halt is None:
            return False
        self._halted = True
        for symbol in self._symbols:
            symbol.halt(halt)
        self._sums = _summed(self._symbols)
        self._wait()
        self._stop("max-drawdown" if halt.until is None else "max-daily-loss")
        return True

    def _trade(self) -> None:
        """The next one that matters; the loss is looked at on the one before, and behind what this one buys."""
        at, number = heappop(self._due)
        symbol = self._symbols[number]
        price, before = symbol.next, symbol.sums
        if price is None or self._look(min(SCALE, symbol.left(price + symbol.leader.info.filters.tick_size))):
            return
        why = symbol.fall(price, self._funds(symbol))
        changes = zip(self._sums, symbol.sums, before, strict=True)
        self._sums = tuple(total + new - old for total, new, old in changes)
        if why is not None:
            self._stop(*(name for name in (_EXPOSURE, _RESERVE, _STOP) if name in why))
            if why.startswith("not enough"):
                self._stop(_MONEY)
        if symbol.next is not None:
            heappush(self._due, (-symbol.left(symbol.next), number))
        if symbol.exposed < before[2] or symbol.taken < before[3]:
            for each in self._symbols:
                each.ask_again(-at)
            self._wait()
        if symbol.next != price:
            self._look(-at)

    def _wait(self) -> None:
        """For the next price of each symbol."""
        nexts = ((symbol, symbol.next) for symbol in self._symbols)
        self._due = [(-each.left(at), number) for number, (each, at) in enumerate(nexts) if at is not None]
        heapify(self._due)

    def _funds(self, symbol: _Symbol) -> Funds:
        limits, free = self._means.limits, self._means.free
        room = quote = None
        if limits.max_exposure is not None:
            room = money_down((limits.max_exposure - self._sums[2]) * SCALE, symbol.quote_price)
        reserved = limits.reserve or Money(0)
        if free is not None and symbol.leader.info.quote == self._means.currency:
            quote = Money(free + self._taken - self._sums[3] - reserved)
        return Funds(quote, None, room, _EXPOSURE, reserved)

    def _gain(self, left: int) -> int:
        fixed, full, _, _ = self._sums
        return fixed + money_down(full * left, SCALE)

    def _stop(self, *names: str) -> None:
        self._stopped_by += [name for name in names if name not in self._stopped_by]


def _summed(symbols: Sequence[_Symbol]) -> tuple[int, ...]:
    """What their amounts add up to."""
    return tuple(map(sum, zip((0, 0, 0, 0), *(each.sums for each in symbols), strict=True)))
