"""For tests of the core: symbols to trade, short ways to write values, and a small honest exchange."""

from collections.abc import Iterator
from dataclasses import dataclass, field

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
    parse_money,
    parse_price,
    parse_quantity,
    parse_rate,
)
from naived.core.market import Filters, SymbolInfo, Trade, refusal
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import Accepted, Answer, Fill, OrderStatus, Refusal, Refused, Report, Unknown
from naived.core.strategy.formulas import Fees
from naived.core.strategy.settings import Settings

START = 1_700_000_000_000  # ms
TENTH = parse_rate("0.001")  # a tenth of a percent, what Binance takes from everyone at first
FEES = Fees(TENTH, TENTH)
FREE = Fees(Rate(0), Rate(0))


def filters(tick: str = "0.01", step: str = "0.0001", notional: str = "5", **more: int) -> Filters:
    values: dict[str, int] = {
        "tick_size": parse_price(tick),
        "min_price": parse_price(tick),
        "max_price": parse_price("1000000"),
        "step_size": parse_quantity(step),
        "min_quantity": parse_quantity(step),
        "max_quantity": parse_quantity("9000000"),
        "min_notional": parse_money(notional),
        "max_notional": parse_money("9000000"),
    }
    return Filters(**(values | more))  # type: ignore[arg-type]


ETH = filters()
XRP = filters(tick="0.0001", step="0.1")
PEPE = filters(tick="0.00000001", step="1")


def info(rules: Filters = ETH) -> SymbolInfo:
    return SymbolInfo("ETHUSDT", "ETH", "USDT", True, "TRADING", rules)


def settings(
    chunks: int = 5,
    budget: str | None = "1000",
    buy_down: str = "0.0001",
    profit: str = "0.0002",
    rebuy: str = "0.0003",
    reprice: str = "0.01",
) -> Settings:
    return Settings(
        chunks,
        None if budget is None else parse_money(budget),
        *(parse_rate(text) for text in (buy_down, profit, rebuy, reprice)),
    )


def trade(price: str | int, time: int = START, number: int = 1) -> Trade:
    value = parse_price(price) if isinstance(price, str) else Price(price)
    return Trade(number, value, Quantity(SCALE), time)


def fill(
    price: str,
    quantity: str,
    fee: str = "0",
    asset: str = "ETH",
    *,
    number: int = 1,
    order_id: int = 1,
    time: int = START,
) -> Fill:
    """One execution; its quote amount is exact or the test is wrong."""
    at, amount = parse_price(price), parse_quantity(quantity)
    assert at * amount % SCALE == 0
    quote = Money(at * amount // SCALE)
    return Fill("ETHUSDT", order_id, number, at, amount, quote, Amount(parse_quantity(fee)), asset, True, time)


@dataclass
class Order:
    """One order as the exchange has it.

    ``listed_as``: its id for queries once a person cancelled it. ``earlier_ids``: those before it was amended.
    """

    id: int
    client_order_id: str
    intent: OrderIntent
    created: int
    status: OrderStatus = OrderStatus.NEW
    executed: int = 0
    fills: list[Fill] = field(default_factory=list)
    changed: int = 0
    listed_as: str = ""
    earlier_ids: tuple[str, ...] = ()

    @property
    def open(self) -> bool:
        return not self.status.ended

    @property
    def rest(self) -> int:
        return self.intent.quantity - self.executed


@dataclass
class Exchange:
    """Orders, fills and two balances of one account; every change goes to ``outbox`` as an execution report.

    Like Binance it takes an id again once the order that had it is not open any more. ``fee_asset`` None: a fee is
    taken of what is received.
    """

    rules: SymbolInfo
    fee: Rate = TENTH
    fee_asset: str | None = None
    quote: int = parse_money("100000")
    base: int = 0
    orders: list[Order] = field(default_factory=list)
    outbox: list[Report] = field(default_factory=list)
    trades: int = 0

    def place(self, client_order_id: str, intent: OrderIntent, last: int, now: int) -> Answer:
        if any(order.open and order.client_order_id == client_order_id for order in self.orders):
            return Unknown("duplicate order sent", -2010)
        reference = Price(last) if last else None
        failed = refusal(self.rules.filters, intent.side, intent.price, intent.quantity, reference)
        if failed:
            return Refused(Refusal.FILTER, -1013, f"Filter failure: {failed}")
        if not self._covers(intent):
            return Refused(Refusal.BALANCE, -2010, "Account has insufficient balance for requested action.")
        order = Order(len(self.orders) + 1, client_order_id, intent, now)
        self.orders.append(order)
        self._report(order)
        if intent.price >= last if intent.side is Side.BUY else intent.price <= last:
            self.fill(order, order.rest, last, now)
        elif intent.ioc:
            self.end(order, OrderStatus.EXPIRED, now)
        return Accepted(self.state(order))

    def _covers(self, intent: OrderIntent) -> bool:
        if intent.side is Side.BUY:
            locked = sum(order.rest * order.intent.price for order in self.open(Side.BUY))
            return locked + intent.price * intent.quantity <= self.quote * SCALE
        return intent.quantity <= self.free_base

    @property
    def locked_base(self) -> int:
        return sum(order.rest for order in self.open(Side.SELL))

    @property
    def free_base(self) -> int:
        return self.base - self.locked_base

    def open(self, side: Side | None = None) -> list[Order]:
        return [order for order in self.orders if order.open and side in (None, order.intent.side)]

    def trade(self, price: int, now: int) -> None:
        """What rests on the far side of this price is filled, whole, at its own price, by this trade."""
        self.trades += 1
        for order in self.open():
            limit = order.intent.price
            if price < limit if order.intent.side is Side.BUY else price > limit:
                self._fill(order, order.rest, limit, now)

    def fill(self, order: Order, quantity: int, price: int, now: int) -> None:
        """A trade of its own."""
        self.trades += 1
        self._fill(order, quantity, price, now)

    def _fill(self, order: Order, quantity: int, price: int, now: int) -> None:
        quote = money_down(price * quantity, SCALE)
        buys = order.intent.side is Side.BUY
        fee = amount_up((quantity if buys else quote) * self.fee, SCALE)
        asset = self.fee_asset or (self.rules.base if buys else self.rules.quote)
        order.executed += quantity
        order.fills.append(
            Fill(
                self.rules.symbol,
                order.id,
                self.trades,
                Price(price),
                Quantity(quantity),
                quote,
                fee,
                asset,
                True,
                now,
            )
        )
        sign = 1 if buys else -1
        self.base += sign * quantity - (fee if asset == self.rules.base else 0)
        self.quote -= sign * quote + (fee if asset == self.rules.quote else 0)
        order.changed = now
        order.status = OrderStatus.PARTIALLY_FILLED if order.rest else OrderStatus.FILLED
        self._report(order, order.fills[-1])

    def end(self, order: Order, status: OrderStatus, now: int) -> None:
        if order.open:
            order.status, order.changed = status, now
            self._report(order)

    def state(self, order: Order) -> Report:
        """What a query says of an order: no fills come along."""
        intent = order.intent
        return Report(
            self.rules.symbol,
            order.id,
            order.listed_as or order.client_order_id,
            intent.side,
            intent.price,
            intent.quantity,
            order.status,
            Quantity(order.executed),
            order.created,
            order.changed or order.created,
            ioc=intent.ioc,
        )

    def named(self, client_order_id: str) -> Order | None:
        return next((order for order in reversed(self.orders) if order.client_order_id == client_order_id), None)

    def reports(self) -> Iterator[Report]:
        """Every report that was not taken yet, oldest first."""
        while self.outbox:
            yield self.outbox.pop(0)

    def _report(self, order: Order, *fills: Fill) -> None:
        self.outbox.append(replace(self.state(order), client_order_id=order.client_order_id, fills=fills))
