"""The worst case against the leaders themselves, stepped down the same fall tick by tick; accounts from seeds."""

from collections.abc import Sequence
from random import Random

import pytest
from msgspec.structs import replace

from naived.core.amount import (
    SCALE,
    Amount,
    Money,
    Price,
    Quantity,
    amount_up,
    money_down,
    parse_rate,
    value_down,
    value_up,
)
from naived.core.losses import begun, gained, measured, reached
from naived.core.market import Filters, SymbolInfo, Trade
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import Fill
from naived.core.orders.state import Ended, Executed, Fate, Placed
from naived.core.risk import NO_HALTS, Limits
from naived.core.strategy.formulas import Fees
from naived.core.strategy.leader import step_leader
from naived.core.strategy.leader_events import Halted, LeaderEvent
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.core.strategy.summary import awaits, exposure, owned
from naived.core.strategy.trader_state import Buying, Cancel, Directed, OrderNews, Place, Selling, Traded
from naived.core.strategy.view import UNLIMITED, Funds
from naived.core.worst_case import FALLS, Falling, Means, WorstCase
from tests.support.market import START

SEEDS, BLOCK = 400, 40  # about five seconds
NEAR = SCALE // 1000  # of the currency: what roundings differ by
ABOVE = SCALE // 10  # of the currency: what one tick makes, where it is open which of two symbols trades first
PAST = 40 * 3_600_000  # ms


class Purse:
    """The free money of an account."""

    def __init__(self, free: int) -> None:
        self.free = free


class Market:
    """One symbol's leader at an exchange that does at once what it is told, and fills each buy at its limit."""

    def __init__(self, leader: Leader, start: Price, quote_price: Price, purse: Purse, now: int = START) -> None:
        self.leader, self.start, self.quote_price, self.purse, self.now = leader, start, quote_price, purse, now
        self.number = 1 << 50

    def step(self, event: LeaderEvent) -> None:
        events = [event]
        while events:
            event = events.pop(0)
            if type(event) is OrderNews and not awaits(self.leader, event.intent):
                continue
            step = step_leader(self.leader, event, self.now, None)
            self.leader = step.leader
            for command in step.commands:
                if type(command) is Place and (command.intent.ioc or command.intent.side is Side.BUY):
                    events.append(self._sold(command.intent) if command.intent.ioc else self._taken(command.intent))
                elif type(command) is Cancel:
                    events.append(self._cancelled(command.intent))

    def trade(self, price: Price, funds: Funds) -> None:
        """Buys that the price reaches are filled, also those that are decided on this trade."""
        self._fill(price)
        self.now += 60_000
        self.number += 1
        self.step(Traded(Trade(self.number, price, Quantity(SCALE), self.now), funds))
        self._fill(price)

    def sell(self, price: Price) -> None:
        """Sells that the price reaches are filled."""
        for trader in self.leader.traders:
            if type(trader.phase) is Selling and trader.phase.intent.price <= price:
                self.step(self._sold(trader.phase.intent))

    def value(self, money: int) -> int:
        return money * self.quote_price // SCALE

    def gained(self, left: int) -> int:
        coins = owned(self.leader).quantity * self.start * left * (SCALE - self.leader.fees.sell) // SCALE**3
        return self.value((gained(self.leader, Price(0)) or 0) + coins)

    def _fill(self, price: Price) -> None:
        for trader in self.leader.traders:
            if type(phase := trader.phase) is Buying and phase.intent.price >= price:
                rest = Quantity(phase.intent.quantity - phase.bought.quantity)
                fee = amount_up(rest * self.leader.fees.buy, SCALE)
                self.step(self._filled(phase.intent, rest, value_up(phase.intent.price, rest), fee))

    def _taken(self, intent: OrderIntent) -> OrderNews:
        self._pay(-value_up(intent.price, intent.quantity))
        return OrderNews(intent, (Placed(),))

    def _cancelled(self, intent: OrderIntent) -> OrderNews:
        if intent.side is Side.BUY:
            self._pay(value_up(intent.price, intent.quantity))
        return OrderNews(intent, (Ended(Fate.CANCELLED),))

    def _sold(self, intent: OrderIntent) -> OrderNews:
        money = value_down(intent.price, intent.quantity)
        fee = amount_up(money * self.leader.fees.sell, SCALE)
        self._pay(money - fee)
        return self._filled(intent, intent.quantity, money, fee)

    def _filled(self, intent: OrderIntent, quantity: Quantity, money: Money, fee: Amount) -> OrderNews:
        self.number += 1
        info, buy = self.leader.info, intent.side is Side.BUY
        asset = info.base if buy else info.quote
        fill = Fill(info.symbol, 0, self.number, intent.price, quantity, money, fee, asset, buy, self.now)
        return OrderNews(intent, (Placed(), Executed(fill), Ended(Fate.FILLED, None, self.number)))

    def _pay(self, money: int) -> None:
        if self.leader.info.quote == "USDT":
            self.purse.free += money


def stepped(fallings: Sequence[Falling], means: Means) -> list[tuple[int, int]]:
    """What is tied up and lost after each fall, when each tick of each symbol is traded at."""
    purse = Purse(means.free or 0)
    markets = [
        Market(
            replace(each.leader, active=each.leader.desired.status is not Status.OFF, halts=NO_HALTS),
            *(each.price, each.quote_price, purse),
        )
        for each in fallings
    ]
    trades = []
    for number, market in enumerate(markets):
        tick, price = market.leader.info.filters.tick_size, int(market.start)
        while price > max(0, market.start // 2 - tick):
            trades.append((-(price * SCALE // market.start), number, Price(price)))
            price = (price - 1) // tick * tick
    first, profit = _gained(markets, SCALE), sum(each.value(each.leader.profit) for each in markets)
    found = list[tuple[int, int]]()
    halted, falls = False, [SCALE - fall for fall in FALLS]
    for left, number, price in sorted(trades):
        while falls and -left < falls[0]:
            found.append((_exposed(markets), max(0, profit - _gained(markets, falls.pop(0)))))
        market = markets[number]
        market.trade(price, _funds(means, market, markets))
        if not halted and means.worth is not None and means.limits.of_losses:
            worth = Money(means.worth.value + _gained(markets, -left) - first)
            halt = reached(means.limits, measured(means.worth, worth, START), START)
            if halt is not None:
                halted = True
                for each in markets:
                    each.step(Halted(halt, account=True))
    return found + [(_exposed(markets), max(0, profit - _gained(markets, left))) for left in falls]


def _gained(markets: Sequence[Market], left: int) -> int:
    return sum(each.gained(left) for each in markets)


def _exposed(markets: Sequence[Market]) -> int:
    return sum(each.value(exposure(each.leader).money) for each in markets)


def _funds(means: Means, market: Market, markets: Sequence[Market]) -> Funds:
    limits, room, quote = means.limits, None, None
    reserved = limits.reserve or Money(0)
    if limits.max_exposure is not None:
        room = money_down((limits.max_exposure - _exposed(markets)) * SCALE, market.quote_price)
    if means.free is not None and market.leader.info.quote == "USDT":
        quote = Money(market.purse.free - reserved)
    return Funds(quote, None, room, "max-exposure", reserved)


def account(seed: int) -> tuple[list[Falling], Means]:
    """One to three symbols, most of them with steps so coarse that roundings decide, and limits."""
    random = Random(seed)
    fallings = [_symbol(random, number) for number in range(random.choice([1, 1, 2, 3]))]
    total = sum(each.leader.settings.budget * each.quote_price // SCALE for each in fallings)  # type: ignore[operator]

    def part(least: int, most: int) -> Money:
        return Money(total * random.randint(least, most) // 100)

    limits = Limits(
        part(5, 100) if random.random() < 0.25 else None,
        Money(random.choice([10, 100, 200]) * SCALE) if random.random() < 0.2 else None,
        part(1, 40) if random.random() < 0.15 else None,
        part(1, 40) if random.random() < 0.15 else None,
    )
    free = part(10, 150) if limits.reserve is not None or random.random() < 0.4 else None
    value = sum((gained(each.leader, each.price) or 0) * each.quote_price // SCALE for each in fallings)
    return fallings, Means(limits, "USDT", begun(Money(value), START, "USDT"), free)


def _symbol(random: Random, number: int) -> Falling:
    quote_price = Price(random.choice([50_000, 3]) * SCALE if random.random() < 0.15 else SCALE)
    quote = "USDT" if quote_price == SCALE else "BTC"
    tick = random.choice([1, 10, 100, 10**4, 10**6]) * 100
    price = random.randint(120, 400) * tick + random.choice([0, 0, tick // 3])
    share = random.choice([20, 50, 100, 200, 333]) * SCALE * SCALE // quote_price
    step = max(1, share * SCALE // price // random.choice([1, 2, 3, 5, 10, 40, 2000, 100_000]))
    rules = Filters(
        tick_size=Price(tick),
        min_price=Price(tick),
        max_price=Price(0),
        step_size=Quantity(step),
        min_quantity=Quantity(step * random.choice([1, 1, 2])),
        max_quantity=Quantity(0) if random.random() < 0.8 else Quantity(10**20),
        min_notional=Money(random.choice([0, share // 10, share * 9 // 10, share])),
        max_notional=Money(0),
        max_orders=random.choice([0, 0, 0, 2]),
    )
    fee, chunks = parse_rate(random.choice(["0", "0.001", "0.01"])), random.randint(1, 5)
    of = Settings(
        *(chunks, Money(share * chunks)),
        *(parse_rate(random.choice(["0", "0.0001", "0.01", "0.1"])), parse_rate(random.choice(["0.001", "0.01"]))),
        parse_rate(random.choice(["0.001", "0.006", "0.05", "0.2"])),
        parse_rate(random.choice(["0", "0.01"])),
        spacing=parse_rate(random.choice(["0", "0", "0.03", "0.1"])),
        floor=Price(price * random.randint(50, 69) // 100) if random.random() < 0.15 else None,
        ceiling=Price(price * random.randint(70, 110) // 100) if random.random() < 0.15 else None,
    )
    if random.random() < 0.4:
        stop_loss, slippage = random.choice(["0.02", "0.05", "0.2"]), random.choice(["0", "0.005", "0.05"])
        of = replace(of, stop_loss=parse_rate(stop_loss), stop_slippage=parse_rate(slippage))
    info = SymbolInfo(f"C{number}{quote}", f"C{number}", quote, True, "TRADING", rules)
    leader = Leader(info, Fees(fee, fee), DesiredState(of, Status.ON))
    if random.random() < 0.4:
        leader, price = _walked(random, leader, price)
    if random.random() < 0.1:
        off = replace(leader.desired, status=Status.OFF)
        leader = replace(leader, desired=off, active=False)
    elif random.random() < 0.05:
        drains = replace(leader.desired, status=Status.SHUTDOWN, keep_buys=True)
        leader = step_leader(leader, Directed(drains), START, None).leader
    return Falling(leader, Price(price), quote_price)


def _walked(random: Random, leader: Leader, price: int) -> tuple[Leader, int]:
    """After some trades, so that it has coins, resting buys and refusals."""
    tick = leader.info.filters.tick_size
    market = Market(replace(leader, active=True), Price(price), Price(SCALE), Purse(0), START - PAST)
    for _ in range(random.randint(1, 60)):
        price = max(tick, price // tick * tick + random.randint(-6, 5) * tick)
        market.sell(Price(price))
        market.trade(Price(price), UNLIMITED)
    return market.leader, price


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_what_is_told_is_what_the_leaders_do_in_a_fall_that_leaves_no_tick_out(first: int) -> None:
    for seed in range(first, first + BLOCK):
        fallings, means = account(seed)
        case = WorstCase(fallings, means, START)
        assert any(case.advance(100) for _ in range(100)), f"seed {seed} does not end"
        # A loss is looked at between the ticks of one symbol, not of all: a halt may be told later than it comes.
        most = ABOVE if not means.limits.of_losses else Money(1 << 62)
        for told, (tied_up, loss) in zip(case.fallen, stepped(fallings, means), strict=True):
            assert -NEAR <= told.tied_up - tied_up <= most, f"seed {seed}, {told}: {tied_up} are tied up"
            assert -NEAR <= told.loss - loss <= most, f"seed {seed}, {told}: {loss} are lost"
