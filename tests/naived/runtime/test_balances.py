"""The newest balances, and what has left the account since, in any order in which they may be told."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest
from msgspec.structs import replace

from naived.core.amount import SCALE, Amount, Money, Price, Quantity, parse_price, parse_quantity, value_up
from naived.core.engine import Engine
from naived.core.market import SymbolInfo
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import Fill
from naived.core.orders.state import OrderState, State
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.lots import Lot
from naived.core.strategy.settings import DesiredState, Status
from naived.ports import Balance, Exchange
from naived.runtime.balances import Balances
from naived.runtime.fee_prices import FeePrices
from naived.runtime.funds import AccountFunds
from naived.runtime.price_gate import PriceGates
from naived.runtime.symbol_task import Symbol
from tests.support.market import FEES, START, info, settings

BTCUSDT = replace(info(), symbol="BTCUSDT", base="BTC")
ETHBTC = replace(info(), symbol="ETHBTC", quote="BTC")
ENDED = (State.FILLED, State.CANCELLED)


def balance(free: str, locked: str = "0") -> Balance:
    return Balance(Amount(parse_quantity(free)), Amount(parse_quantity(locked)))


def fill(order_id: int, time: int, fee: str = "0", asset: str = "USDT") -> Fill:
    price, quantity = parse_price("96000"), Quantity(SCALE)
    quote = Money(96_000 * SCALE)
    paid = Amount(parse_quantity(fee))
    return Fill("BTCUSDT", order_id, order_id, price, quantity, quote, paid, asset, True, time)


def order(side: Side, order_id: int) -> OrderState:
    intent = OrderIntent("BTCUSDT", 1, side, 1, parse_price("96000"), Quantity(SCALE))
    return OrderState(intent, f"id-{order_id}", None, 1, START, START, START, State.OPEN, order_id=order_id)


def test_what_is_known_of_a_later_time_stays() -> None:
    known = Balances()
    known.learn({"BTC": balance("1"), "ETH": balance("7")}, START + 5)
    known.learn({"BTC": balance("2")}, START + 4)
    assert known.of("BTC") == balance("1")
    known.learn({"USDT": balance("3")}, START + 4, all_assets=True)
    assert (known.of("BTC"), known.of("ETH"), known.of("USDT")) == (balance("1"), balance("7"), balance("3"))
    known.learn({"USDT": balance("4")}, START + 5, all_assets=True)
    assert (known.of("BTC"), known.of("USDT"), known.of("BNB")) == (balance("0"), balance("4"), None)


def test_what_was_executed_has_left_the_account_until_a_balance_is_told_that_is_not_older() -> None:
    known = Balances()
    known.learn({"BTC": balance("5"), "USDT": balance("500000"), "BNB": balance("1")}, START)
    fills = [fill(1, START + 2), fill(2, START + 4, "0.01", "BNB")]
    known.spend("BTC", "USDT", [order(Side.SELL, 1), order(Side.BUY, 2)], fills)
    assert (known.unseen("BTC"), known.unseen("USDT"), known.unseen("BNB")) == (
        SCALE,
        96_000 * SCALE,
        parse_quantity("0.01"),
    )
    known.learn({"BTC": balance("4"), "USDT": balance("596000")}, START + 2)
    assert (known.unseen("BTC"), known.unseen("USDT")) == (0, 96_000 * SCALE)
    known.learn({"BTC": balance("5"), "USDT": balance("404000"), "BNB": balance("0.99")}, START + 4)
    assert (known.unseen("USDT"), known.unseen("BNB")) == (0, 0)
    known.spend("BTC", "USDT", [order(Side.BUY, 3)], [fill(3, START + 3)])
    assert known.unseen("USDT") == 0


def test_a_balance_has_as_many_changes_of_its_millisecond_as_it_went_down_by() -> None:
    known = Balances()
    known.learn({"USDT": balance("500000")}, START)
    known.learn({"USDT": balance("404000")}, START + 2)  # behind the first of two fills of this moment
    known.spend("BTC", "USDT", [order(Side.BUY, 1)], [fill(1, START + 2)])
    assert known.unseen("USDT") == 0
    known.spend("BTC", "USDT", [order(Side.BUY, 2)], [fill(2, START + 2)])
    assert known.unseen("USDT") == 96_000 * SCALE
    known.learn({"USDT": balance("308000")}, START + 2)
    assert known.unseen("USDT") == 0


def test_what_a_balance_went_down_by_before_its_millisecond_is_no_change_of_it() -> None:
    known = Balances()
    known.learn({"USDT": balance("500000")}, START)
    known.learn({"USDT": balance("308000")}, START + 2)  # that of the fill of START + 1 was lost
    known.spend("BTC", "USDT", [order(Side.BUY, 2), order(Side.BUY, 3)], [fill(2, START + 2), fill(3, START + 2)])
    known.spend("BTC", "USDT", [order(Side.BUY, 1)], [fill(1, START + 1)])
    assert known.unseen("USDT") == 96_000 * SCALE


@dataclass
class Account:
    """What an exchange knows of BTC, and what naived was told of it. BTCUSDT's coins are a lot."""

    free: int = 40 * SCALE
    locked: int = 0
    held: int = 10 * SCALE
    time: int = START
    orders: dict[str, OrderState] = field(default_factory=dict)
    told: dict[str, OrderState] = field(default_factory=dict)
    lot: int = 10 * SCALE
    balances: list[tuple[int, Balance]] = field(default_factory=list)
    passes: Callable[[], bool] = lambda: True  # does a millisecond pass between two changes?

    def __post_init__(self) -> None:
        self.holder, self.spender = _symbol(BTCUSDT), _symbol(ETHBTC)
        symbols = {"BTCUSDT": self.holder, "ETHBTC": self.spender}
        self.funds = AccountFunds(symbols, FeePrices(cast(Exchange, SimpleNamespace(symbols=None)), PriceGates()))
        self.funds.balances.learn({"BTC": Balance(Amount(self.free), Amount(self.locked))}, self.time)
        self.tell()

    @property
    def belongs_to_nobody(self) -> int:
        """What of BTC really is free and not BTCUSDT's."""
        sells = [each for each in self.orders.values() if each.intent.side is Side.SELL]
        resting = sum(each.quantity - each.executed for each in sells if each.state not in ENDED)
        return self.free - (self.held - resting)

    def place(self, rules: SymbolInfo, side: Side, quantity: int) -> None:
        """Decide on an order, which the exchange has at once or a while later."""
        price = parse_price("0.03") if rules is ETHBTC else parse_price("96000")
        intent = OrderIntent(rules.symbol, 1, side, 1, price, Quantity(quantity))
        name = f"id-{len(self.told)}"
        order_id = len(self.told) + 1
        order = OrderState(intent, name, None, 1, START, START, START, State.INTENDED, order_id=order_id)
        self.told[name] = order
        self.tell()

    def arrive(self, order: OrderState) -> None:
        """The exchange has it now, or refuses it."""
        self.time += self.passes()
        cost = locks(order)
        opened = replace(order, state=State.OPEN if cost <= self.free else State.CANCELLED)
        if opened.state is State.OPEN:
            self._change(opened, free=-cost, locked=cost)
        else:
            self.orders[order.client_order_id] = opened

    def fill(self, order: OrderState, part: int) -> None:
        self.time += self.passes()
        before = locks(order)
        executed = Quantity(order.executed + part)
        whole = executed == order.quantity
        state = State.FILLED if whole else State.PARTIALLY_FILLED
        quote = value_up(order.intent.price, Quantity(part))
        trade = len(order.fills) + 1 + 100 * len(self.orders)
        done = Fill(
            order.intent.symbol,
            order.order_id or 0,
            trade,
            order.intent.price,
            Quantity(part),
            quote,
            Amount(0),
            "BNB",
            True,
            self.time,
        )
        after = replace(order, state=state, executed=executed, fills=(*order.fills, done))
        match order.intent.symbol, order.intent.side:
            case "BTCUSDT", Side.SELL:
                self.held -= part
                self._change(after, locked=-part)
            case "BTCUSDT", _:
                self.held += part
                self._change(after, free=part)
            case _:
                self._change(after, locked=locks(after) - before)

    def cancel(self, order: OrderState) -> None:
        self.time += self.passes()
        rest = locks(order)
        self._change(replace(order, state=State.CANCELLED), free=rest, locked=-rest)

    def report(self, name: str) -> None:
        """Tell naived all of an order, with fills that were not told yet."""
        before, now = self.told[name], self.orders[name]
        fresh = now.fills[len(before.fills) :]
        self.told[name] = now
        if now.intent.symbol == "BTCUSDT":
            sign = 1 if now.intent.side is Side.BUY else -1
            self.lot += sign * sum(each.quantity for each in fresh)
        rules = BTCUSDT if now.intent.symbol == "BTCUSDT" else ETHBTC
        self.funds.balances.spend(rules.base, rules.quote, [now], fresh)
        self.tell()

    def tell(self) -> None:
        """Let the symbols have what naived was told."""
        for symbol, rules in (self.holder, BTCUSDT), (self.spender, ETHBTC):
            orders = {name: each for name, each in self.told.items() if each.intent.symbol == rules.symbol}
            lots = (Lot(Quantity(self.lot), Money(0), Price(1)),) if rules is BTCUSDT else ()
            symbol.engine = Engine(replace(symbol.engine.leader, lots=lots), 1, orders=orders)
        self.funds.gathered.recount()

    def _change(self, order: OrderState, *, free: int = 0, locked: int = 0) -> None:
        self.free += free
        self.locked += locked
        assert self.free >= 0, "more than there was"
        assert self.locked >= 0
        self.orders[order.client_order_id] = order
        self.balances.append((self.time, Balance(Amount(self.free), Amount(self.locked))))


def _symbol(rules: SymbolInfo) -> Symbol:
    leader = Leader(rules, FEES, DesiredState(settings(), Status.ON))
    return cast(Symbol, SimpleNamespace(name=rules.symbol, engine=Engine(leader, 1), unread=None))


def locks(order: OrderState) -> int:
    """BTC that the rest of an order locks at the exchange."""
    rest = Quantity(order.quantity - order.executed)
    if order.intent.symbol == "ETHBTC":
        return value_up(order.intent.price, rest)
    return rest if order.intent.side is Side.SELL else 0


@pytest.mark.parametrize("seed", range(300))
def test_no_buy_may_spend_coins_of_another_symbol_whichever_events_are_late_or_lost(seed: int) -> None:
    dice = random.Random(seed)
    account = Account(passes=lambda: dice.random() < 0.5)
    for _ in range(120):
        live = [each for each in account.orders.values() if each.state not in ENDED]
        on_the_way = [each for name, each in account.told.items() if name not in account.orders]
        untold = [name for name, each in account.orders.items() if account.told[name] != each]
        choice = dice.randrange(10)
        quote = account.funds.of(account.spender).quote
        assert quote is not None
        assert quote <= account.belongs_to_nobody, f"seed {seed}"
        if choice == 0:
            asked = sum(each.quantity - each.executed for each in account.told.values() if is_sell(each))
            if account.lot - asked > SCALE:
                account.place(BTCUSDT, Side.SELL, dice.randint(1, account.lot - asked))
        elif choice == 1 and not any(each.intent.symbol == "BTCUSDT" for each in on_the_way):
            account.place(BTCUSDT, Side.BUY, dice.randint(1, 5) * SCALE)
        elif choice == 2 and quote > SCALE:
            account.place(ETHBTC, Side.BUY, dice.randint(1, quote * SCALE // parse_price("0.03")))
        elif choice == 3 and on_the_way:
            account.arrive(dice.choice(on_the_way))
        elif choice in (4, 5) and live:
            each = dice.choice(live)
            account.fill(each, dice.randint(1, each.quantity - each.executed))
        elif choice == 6 and live:
            account.cancel(dice.choice(live))
        elif choice in (7, 8) and untold:
            account.report(dice.choice(untold))
        elif account.balances:
            time, newest = dice.choice(account.balances[-3:])
            account.funds.balances.learn({"BTC": newest}, time)


def is_sell(order: OrderState) -> bool:
    return order.intent.side is Side.SELL and order.state not in ENDED
