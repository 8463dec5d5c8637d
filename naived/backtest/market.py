"""The exchange of a backtest: one symbol's resting orders, matched, charged and checked as the simulator does it.

1. A resting order fills whole, at its own price, as maker, when a trade prints strictly through it; an order that
   crosses fills whole at the last price, as taker; an IOC order that does not cross expires. The fee is taken of
   what is received, rounded up. In a replay the journal says what was paid (``instead``).
2. Fills and public trades are one sequence of ids: a trade has the id of the last fill that it causes, so that a
   successor acts on the same trade as it would in the daemon.
3. An order of ours never trades with another one: a buy ends, a sell makes the buys that it reaches end.

It has no clock and no tape: the caller says what time it is, and what the reference price may be.
"""

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from naived.core.amount import SCALE, Money, Price, Quantity, Rate, amount_up, value_down, value_up
from naived.core.market import SymbolInfo, refusal
from naived.core.orders.intent import Side
from naived.core.orders.report import Accepted, Answer, Fill, OrderStatus, Refusal, Refused, Report
from naived.core.orders.state import OrderState

Reports = list[tuple[str, Report]]
"""Reports of orders, each with the client order id of its order, in the order in which they happened."""


class Resting(Struct, frozen=True):
    """One open order of ours. They are sorted so that the best one is last, and at one price the oldest."""

    rank: tuple[int, int]
    order: OrderState
    number: int
    created: int


def _as_it_is(_: OrderState, fill: Fill) -> Sequence[Fill]:
    return (fill,)


@dataclass(slots=True)
class Market:
    """``names`` has the older names of filters that the symbol has in place of the present ones.

    ``cash`` and ``coins`` are what fills changed of the quote and the base asset, fees included; ``tied_up`` is the
    quote money of resting buys. ``fees`` is the sum of all fees in quote, those of the base asset at the fill's
    price, times ``SCALE``. ``below`` and ``above``: a trade strictly beyond one of them fills an order. ``shift``:
    how far ids are ahead of the number of public trades. ``instead``: the fills of an order in place of the one
    that executes all that is left of it; they add up to it.
    """

    info: SymbolInfo
    fee: Rate
    names: Mapping[str, str]
    last: Price | None = None
    shift: int = 0
    cash: Money = Money(0)
    coins: Quantity = Quantity(0)
    tied_up: Money = Money(0)
    fees: int = 0
    below: int = -1
    above: int = 1 << 62
    instead: Callable[[OrderState, Fill], Sequence[Fill]] = _as_it_is
    _buys: list[Resting] = field(default_factory=list)
    _sells: list[Resting] = field(default_factory=list)
    _orders: int = 0
    _next_id: int = 1

    def trade(self, number: int, price: Price, now: int) -> Reports:
        """The ``number``-th public trade sets the last price; returns the orders that it goes through, filled."""
        self.last = price
        self._next_id = number + self.shift
        reports: Reports = []
        if self.below <= price <= self.above:
            return reports
        while self._buys and price < self._buys[-1].order.intent.price:
            reports.append(self._filled(self._buys.pop(), now))
        while self._sells and price > self._sells[-1].order.intent.price:
            reports.append(self._filled(self._sells.pop(), now))
        self.shift = self._next_id - 1 - number  # the public trade has the id of the last fill
        self._bound()
        return reports

    def place(self, order: OrderState, trades: int, now: int, failed: str | None) -> tuple[Answer, Reports]:
        """One new order and its answer, and what it made of other orders of ours.

        ``trades`` is the number of the last public trade, ``failed`` the filter that refuses the order.
        """
        intent, reports = order.intent, list[tuple[str, Report]]()
        if failed is not None:
            return Refused(Refusal.FILTER, -1013, f"Filter failure: {self.names.get(failed, failed)}"), []
        if not self.info.trading:
            return Refused(Refusal.MARKET_CLOSED, -2010, "Market is closed."), []
        rules = self.info.filters
        if rules.max_orders and len(self._buys) + len(self._sells) >= rules.max_orders:
            return Refused(Refusal.TOO_MANY, -2010, "Filter failure: MAX_NUM_ORDERS"), []
        if intent.side is Side.BUY and rules.max_position:
            bids = sum(each.order.intent.quantity for each in self._buys)
            if self.coins + bids + intent.quantity > rules.max_position:
                return Refused(Refusal.FILTER, -2010, "Filter failure: MAX_POSITION"), []
        self._orders += 1
        number = self._orders
        if intent.side is Side.BUY and self._sells and intent.price >= self._sells[-1].order.intent.price:
            ended = _report(order, number, OrderStatus.EXPIRED_IN_MATCH, Quantity(0), now, now)
            return Accepted(ended), []
        if intent.side is Side.SELL:
            while self._buys and intent.price <= self._buys[-1].order.intent.price:
                reports.append(self._ended(self._buys.pop(), OrderStatus.EXPIRED_IN_MATCH, now))
        if self.last is not None and _crosses(intent.side, intent.price, self.last):
            self._next_id = trades + self.shift + 1
            fills = self._fills(order, number, self.last, maker=False, now=now)
            self.shift = self._next_id - 1 - trades
            done = _report(order, number, OrderStatus.FILLED, intent.quantity, now, now, fills)
            self._bound()
            return Accepted(done), reports
        if intent.ioc:
            self._bound()
            return Accepted(_report(order, number, OrderStatus.EXPIRED, Quantity(0), now, now)), reports
        self._rest(order, number, now)
        self._bound()
        return Accepted(_report(order, number, OrderStatus.NEW, Quantity(0), now, now)), reports

    def rest(self, order: OrderState) -> None:
        """Let an order rest that was placed before the tape begins; what it executed then is not filled again."""
        number = order.order_id or 0
        self._orders = max(self._orders, number)
        self.shift = max([self.shift, *(fill.trade_id for fill in order.fills)])  # its next fill is a new one
        self._rest(order, number, order.created_at)
        self._bound()

    def cancel(self, client_order_id: str, now: int) -> Reports:
        """Cancel an open order; one that is not open (any more) gives no report."""
        for side in (self._buys, self._sells):
            for index, each in enumerate(side):
                if each.order.client_order_id == client_order_id:
                    del side[index]
                    report = self._ended(each, OrderStatus.CANCELED, now)
                    self._bound()
                    return [report]
        return []

    def expire(self, order: OrderState, now: int) -> Answer:
        """A taker whose price is too far from the reference price: it expires."""
        self._orders += 1
        return Accepted(_report(order, self._orders, OrderStatus.EXPIRED, Quantity(0), now, now))

    def crosses(self, order: OrderState) -> bool:
        """Would this order be a taker now?"""
        return self.last is not None and _crosses(order.intent.side, order.intent.price, self.last)

    def _rest(self, order: OrderState, number: int, now: int) -> None:
        intent = order.intent
        if intent.side is Side.BUY:
            insort(self._buys, Resting((intent.price, -number), order, number, now), key=_rank)
            self.tied_up = Money(self.tied_up + value_up(intent.price, _open(order)))
        else:
            insort(self._sells, Resting((-intent.price, -number), order, number, now), key=_rank)

    def _filled(self, resting: Resting, now: int) -> tuple[str, Report]:
        order, number = resting.order, resting.number
        intent = order.intent
        if intent.side is Side.BUY:
            self.tied_up = Money(self.tied_up - value_up(intent.price, _open(order)))
        fills = self._fills(order, number, intent.price, maker=True, now=now)
        report = _report(order, number, OrderStatus.FILLED, order.quantity, resting.created, now, fills)
        return order.client_order_id, report

    def _ended(self, resting: Resting, status: OrderStatus, now: int) -> tuple[str, Report]:
        order, intent = resting.order, resting.order.intent
        if intent.side is Side.BUY:
            self.tied_up = Money(self.tied_up - value_up(intent.price, _open(order)))
        report = _report(order, resting.number, status, order.executed, resting.created, now)
        return order.client_order_id, report

    def _fills(self, order: OrderState, number: int, price: Price, *, maker: bool, now: int) -> tuple[Fill, ...]:
        intent, info = order.intent, self.info
        quantity = _open(order)
        quote = value_down(price, quantity)
        if intent.side is Side.BUY:
            fee, asset = amount_up(quantity * self.fee, SCALE), info.base
        else:
            fee, asset = amount_up(quote * self.fee, SCALE), info.quote
        whole = Fill(intent.symbol, number, self._next_id, price, quantity, quote, fee, asset, maker, now)
        fills = tuple(
            replace(fill, order_id=number, trade_id=trade_id, time=now)
            for trade_id, fill in enumerate(self.instead(order, whole), self._next_id)
        )
        self._next_id += len(fills)
        for fill in fills:
            self._book(intent.side, fill)
        return fills

    def _book(self, side: Side, fill: Fill) -> None:
        sign = 1 if side is Side.BUY else -1
        self.cash = Money(self.cash - sign * fill.quote)
        self.coins = Quantity(self.coins + sign * fill.quantity)
        if fill.fee_asset == self.info.base:
            self.coins = Quantity(self.coins - fill.fee)
            self.fees += fill.fee * fill.price
        elif fill.fee_asset == self.info.quote:
            self.cash = Money(self.cash - fill.fee)
            self.fees += fill.fee * SCALE

    def _bound(self) -> None:
        self.below = self._buys[-1].order.intent.price if self._buys else -1
        self.above = self._sells[-1].order.intent.price if self._sells else 1 << 62


def _open(order: OrderState) -> Quantity:
    """What is left to execute: less than intended of an order that rested when the tape began."""
    return Quantity(order.quantity - order.executed)


def failed_filter(info: SymbolInfo, order: OrderState, reference: Price | None) -> str | None:
    """The filter that refuses an order at this reference price, or None."""
    intent = order.intent
    return refusal(info.filters, intent.side, intent.price, intent.quantity, reference)


def _rank(resting: Resting) -> tuple[int, int]:
    return resting.rank


def _crosses(side: Side, limit: Price, price: Price) -> bool:
    return limit >= price if side is Side.BUY else limit <= price


def _report(
    order: OrderState,
    number: int,
    status: OrderStatus,
    executed: Quantity,
    created: int,
    now: int,
    fills: tuple[Fill, ...] = (),
) -> Report:
    intent = order.intent
    return Report(
        intent.symbol,
        number,
        order.client_order_id,
        intent.side,
        intent.price,
        intent.quantity,
        status,
        executed,
        created,
        now,
        fills,
        ioc=intent.ioc,
    )
