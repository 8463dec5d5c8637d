"""What is tied up, and what is lost at the market, when all prices fall together. Pure; ``control`` asks.

Nothing is estimated: the leaders themselves are stepped down a market that only falls, as they are set now. Every
buy fills at its limit, and nothing is sold but what a stop-loss sells, at its lowest price. So guards, budgets and
chunks bind as they do in a real fall. The account's limits bind as well; a halt that there is now does not, as it
may end first, nor does a fall guard: a slow fall passes it.
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
    value_down,
    value_up,
)
from naived.core.losses import gained, measured, reached
from naived.core.market import Trade
from naived.core.orders.intent import OrderIntent
from naived.core.orders.report import Fill
from naived.core.orders.state import Ended, Executed, Fate, Placed
from naived.core.risk import NO_HALTS, Halt, Limits, Worth
from naived.core.strategy.leader import band, step_leader
from naived.core.strategy.leader_events import Halted, LeaderEvent
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.settings import Status
from naived.core.strategy.stopping import stops_at
from naived.core.strategy.summary import exposure
from naived.core.strategy.trader_state import Buying, OrderNews, Selling, Traded, Waiting
from naived.core.strategy.view import Funds

FALLS = tuple(map(parse_rate, ("0.1", "0.3", "0.5")))

_PAUSE = 60_000  # ms between two steps: nobody still waits for the end of a pause
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
    """``fixed`` is its gain without what the coins are worth, ``full`` what they are worth at the first price."""

    def __init__(self, falling: Falling, means: Means, now: int) -> None:
        leader = falling.leader
        active = leader.desired.status is not Status.OFF and bool(leader.info.base)
        desired = replace(leader.desired, settings=replace(leader.settings, fall_guard=None))
        self.leader = replace(leader, desired=desired, active=active, halts=NO_HALTS, guarded=None)
        self.start = self.price = falling.price
        self.quote_price = falling.quote_price
        self.in_currency = leader.info.quote == means.currency
        self._now = now
        self._id = _FIRST_ID
        self._done = False  # it waits for what no fall brings
        self.fixed = self.full = self.exposed = 0
        self._count()

    @property
    def next_price(self) -> Price | None:
        """Where it buys or stops its loss, or a buy of it fills, as the price falls on."""
        leader, prices = self.leader, list[int]()
        if leader.halts.why is None:
            prices = [phase.intent.price for trader in leader.traders if type(phase := trader.phase) is Buying]
        tick, stop_loss = leader.info.filters.tick_size, leader.settings.stop_loss
        if not self._done:
            prices.append(band(leader, None)[0] // tick * tick)
        elif stop_loss and leader.active:
            prices.append(stops_at(leader.traders, stop_loss) // tick * tick)
        found = min(max(prices, default=0), self.price)
        return Price(found) if found > 0 else None

    def halt(self, halt: Halt) -> None:
        """What rests is taken back."""
        self._step(Halted(halt, account=True))
        for trader in self.leader.traders:
            if type(trader.phase) is Buying:
                self._step(OrderNews(trader.phase.intent, (Ended(Fate.CANCELLED),)))
        self._done = False
        self._count()

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
        self._stop_losses()
        bought = any(type(each.phase) is Buying and each not in before for each in self.leader.traders)
        self._done = not bought and band(self.leader, None)[0] >= price
        self._count()
        if self.leader.halts.own is not None:
            return _STOP
        waiting = [each.phase for each in self.leader.traders if type(each.phase) is Waiting]
        return next((phase.reason for phase in waiting if phase.reason is not None), None)

    def _stop_losses(self) -> None:
        """Cancel the sells of traders that sell at a loss now, and fill those at a loss."""
        for _ in range(2):
            for trader in self.leader.traders:
                phase = trader.phase
                if trader.stop is None or type(phase) is not Selling:
                    continue
                intent = phase.intent
                if intent.ioc:
                    self._sell(intent)
                else:
                    self._step(OrderNews(intent, (Ended(Fate.CANCELLED),)))

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
        self.fixed, self.full = self._valued(fixed), self._valued(full)
        self.exposed = self._valued(exposure(leader).money)

    def _valued(self, money: int) -> int:
        return money_down(money * self.quote_price, SCALE)


class WorstCase:
    """``advance`` until it is True, then ``fallen`` has one entry for each of FALLS. ``now`` is exchange ms."""

    def __init__(self, symbols: Iterable[Falling], means: Means, now: int) -> None:
        self.fallen: list[Fallen] = []
        self._symbols = [_Symbol(each, means, now) for each in symbols]
        self._means = means
        self._now = now
        self._halted = False
        self._stopped_by: list[str] = []
        self._spent = 0  # of the free money
        self._sums = _summed(self._symbols)
        self._value = self._gain(SCALE)
        self._profit = sum(money_down(each.leader.profit * each.quote_price, SCALE) for each in self._symbols)
        self._due: list[tuple[int, int]] = []
        for number in range(len(self._symbols)):
            self._wait(number)
        heapify(self._due)

    def advance(self, most: int = 1 << 30) -> bool:
        """Let prices fall on, for at most so many trades; was that all?"""
        for _ in range(most):
            if len(self.fallen) == len(FALLS):
                return True
            fall = FALLS[len(self.fallen)]
            left = SCALE - fall
            if not self._due or -self._due[0][0] < left:
                self._look(left)
                self.fallen.append(self._fallen(fall, left))
                continue
            self._look(-self._due[0][0])
            if self._due and -self._due[0][0] >= left:
                self._trade(heappop(self._due)[1])
        return len(self.fallen) == len(FALLS)

    def _fallen(self, fall: Rate, left: int) -> Fallen:
        fixed, full, exposed = self._sums
        loss = max(0, self._profit - fixed - money_down(full * left, SCALE))
        return Fallen(fall, Money(exposed), Money(loss), tuple(self._stopped_by))

    def _look(self, left: int) -> None:
        """Halt if a loss reaches its limit where this part of the prices is left."""
        worth, limits = self._means.worth, self._means.limits
        if self._halted or worth is None or not limits.of_losses:
            return
        worth = measured(worth, Money(worth.value + self._gain(left) - self._value), self._now)
        if (halt := reached(limits, worth, self._now)) is not None:
            self._halted = True
            for symbol in self._symbols:
                symbol.halt(halt)
            self._sums = _summed(self._symbols)
            self._due = []
            for number in range(len(self._symbols)):
                self._wait(number)
            self._stop("max-drawdown" if halt.until is None else "max-daily-loss")

    def _trade(self, number: int) -> None:
        symbol = self._symbols[number]
        price = symbol.next_price
        if price is None:
            return
        before = symbol.fixed, symbol.full, symbol.exposed
        why = symbol.fall(price, self._funds(symbol))
        after = symbol.fixed, symbol.full, symbol.exposed
        self._sums = tuple(total + new - old for total, new, old in zip(self._sums, after, before, strict=True))
        if symbol.in_currency:
            self._spent += max(0, symbol.exposed - before[2])
        if why is not None:
            self._stop(*(name for name in (_EXPOSURE, _RESERVE, _STOP) if name in why))
            if why.startswith("not enough"):
                self._stop(_MONEY)
        self._wait(number)

    def _wait(self, number: int) -> None:
        symbol = self._symbols[number]
        price = symbol.next_price
        if price is not None:
            heappush(self._due, (-(price * SCALE // symbol.start), number))

    def _funds(self, symbol: _Symbol) -> Funds:
        limits, free = self._means.limits, self._means.free
        room = quote = None
        if limits.max_exposure is not None:
            room = money_down((limits.max_exposure - self._sums[2]) * SCALE, symbol.quote_price)
        reserved = limits.reserve or Money(0)
        if symbol.in_currency and free is not None:
            quote = Money(free - self._spent - reserved)
        return Funds(quote, None, room, _EXPOSURE, reserved)

    def _gain(self, left: int) -> int:
        fixed, full, _ = self._sums
        return fixed + money_down(full * left, SCALE)

    def _stop(self, *names: str) -> None:
        self._stopped_by += [name for name in names if name not in self._stopped_by]


def _summed(symbols: Sequence[_Symbol]) -> tuple[int, ...]:
    """What their gains and exposures add up to."""
    rows = [(each.fixed, each.full, each.exposed) for each in symbols]
    return tuple(map(sum, zip(*rows, strict=True))) if rows else (0, 0, 0)
