"""One step of the engine: its changes of orders, balances and the book, committed together."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from naived.core.amount import Money, Price, Quantity, Rate, value_down
from naived.core.orders.intent import Side
from naived.core.orders.report import Fill, OrderStatus
from naived.simulator.account import Account, fee
from naived.simulator.ledger import Change, Counters, Ledger
from naived.simulator.matching import Average, Book
from naived.simulator.order import Event, Executed, Execution, Order, Position, Prevention, TimeInForce
from naived.simulator.symbols import Listing


@dataclass(slots=True)
class Market:
    """The state of one symbol. ``last`` is the last public price, None before the first one of this process."""

    listing: Listing
    counters: Counters
    average: Average
    next_trade: int
    last: Price | None = None
    book: Book = field(default_factory=Book)
    open: dict[int, Order] = field(default_factory=dict)
    by_client_id: dict[str, int] = field(default_factory=dict)

    def reference(self, now: int) -> tuple[int, int] | None:
        """The average price as a quotient, or the last price if the symbol has no averaging period."""
        if self.listing.average_minutes:
            return self.average.price(now)
        return None if self.last is None else (self.last, 1)

    def keep(self, order: Order) -> None:
        """Keep an open order in the book; remove an ended one."""
        known = order.id in self.open
        if order.status.ended:
            if known:
                self.book.remove(self.open.pop(order.id))
                del self.by_client_id[order.client_order_id]
            return
        self.open[order.id] = order
        if not known:
            self.book.add(order)
            self.by_client_id[order.client_order_id] = order.id


@dataclass(frozen=True, slots=True)
class Done:
    """One order after a step, its fills in that step, and all events, in order."""

    order: Order
    fills: tuple[Fill, ...]
    events: tuple[Event, ...]


class Step:
    """A step in progress: balances change at once, the ledger and the book with ``commit``."""

    def __init__(
        self,
        market: Market,
        account: Account,
        ledger: Ledger,
        now: int,
        *,
        fee_rate: Rate,
        partly: Callable[[str], bool],
    ) -> None:
        self.now = now
        self._market = market
        self._account = account
        self._ledger = ledger
        self._fee_rate = fee_rate
        self._partly = partly
        self._change = Change(market.listing.info.symbol)
        self._events: list[Event] = []

    def change(
        self,
        before: Order | None,
        after: Order,
        kind: Execution,
        *,
        fill: Fill | None = None,
        prevention: Prevention | None = None,
    ) -> Order:
        """Change an order from ``before`` to ``after`` and add the events; returns it with its new time."""
        info, counters = self._market.listing.info, self._market.counters
        after = replace(after, updated=self.now)
        self._account.move(info, before, after, fill)
        counters.executions += 1
        self._change.orders[after.id] = after
        if fill is not None:
            self._change.fills.append(fill)
        balances = {asset: self._account.balance(asset) for asset in (info.base, info.quote)}
        self._change.balances.update(balances)
        self._events.append(Executed(counters.executions, kind, after, self.now, fill, prevention))
        self._events.append(Position(self.now, tuple(balances.items())))
        return after

    def fill(self, order: Order, price: Price, *, maker: bool) -> Order:
        """Execute an open order at ``price``: all of it, or half if a partial fill is due."""
        info, counters = self._market.listing.info, self._market.counters
        quantity = self._executable(order)
        quote = value_down(price, quantity)
        counters.fills += 1
        fill = Fill(
            symbol=order.symbol,
            order_id=order.id,
            trade_id=counters.fills,
            price=price,
            quantity=quantity,
            quote=quote,
            fee=fee(self._fee_rate, order.side, quantity, quote),
            fee_asset=info.base if order.side is Side.BUY else info.quote,
            maker=maker,
            time=self.now,
        )
        whole = quantity == order.remaining
        after = replace(
            order,
            executed=Quantity(order.executed + quantity),
            quote=Money(order.quote + quote),
            status=OrderStatus.FILLED if whole else OrderStatus.PARTIALLY_FILLED,
        )
        return self.change(order, after, Execution.TRADE, fill=fill)

    def _executable(self, order: Order) -> Quantity:
        step = self._market.listing.info.filters.step_size or 1
        half = order.remaining // (2 * step) * step
        return (
            Quantity(half)
            if half and order.time_in_force is not TimeInForce.FOK and self._partly(order.symbol)
            else order.remaining
        )

    def commit(self) -> tuple[Event, ...]:
        """Make the step durable, update the book, and return the events."""
        self._ledger.write(self._change, self._market.counters)
        for order in self._change.orders.values():
            self._market.keep(order)
        return tuple(self._events)

    def done(self, order: Order) -> Done:
        """Commit a step that one order caused."""
        fills = tuple(fill for fill in self._change.fills if fill.order_id == order.id)
        return Done(order, fills, self.commit())
