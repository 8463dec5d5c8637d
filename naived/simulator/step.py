"""One step of the engine: its changes of orders, balances and the book, committed together."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from naived.core.amount import Amount, Money, Price, Quantity, Rate, price_down, value_down
from naived.core.orders.intent import Side
from naived.core.orders.report import Fill, OrderStatus
from naived.simulator.account import Account, fee, fee_elsewhere
from naived.simulator.candles import Candles
from naived.simulator.ledger import Change, Counters, Ledger
from naived.simulator.matching import Average, Book
from naived.simulator.order import (
    Amendment,
    BookTop,
    Event,
    Executed,
    Execution,
    FeeAsset,
    Order,
    Position,
    Prevention,
    PublicTrade,
    TimeInForce,
)
from naived.simulator.symbols import Listing

_TRADES = 2_000  # public trades of a symbol that can be asked for, in two requests: some 400 kB
_MEAN_MINUTES = 5  # of the reference price


@dataclass(slots=True)
class Market:
    """The state of one symbol.

    ``last`` is the last public price, None before the first one of this process. ``trades`` are the newest public
    trades of this process, ``mean`` their average price, each trade counted once.
    """

    listing: Listing
    counters: Counters
    average: Average
    next_trade: int
    last: Price | None = None
    book: Book = field(default_factory=Book)
    open: dict[int, Order] = field(default_factory=dict)
    by_client_id: dict[str, int] = field(default_factory=dict)
    trades: deque[PublicTrade] = field(default_factory=lambda: deque(maxlen=_TRADES))
    mean: Average = field(default_factory=lambda: Average(_MEAN_MINUTES))
    candles: Candles = field(default_factory=Candles)

    def measure(self, now: int) -> tuple[int, int] | None:
        """The price that filters compare with, as a quotient: the reference price, without one the average."""
        mean = self.mean_price(now)
        return self.average_price(now) if mean is None else (mean, 1)

    def average_price(self, now: int) -> tuple[int, int] | None:
        """The average price as a quotient, or the last price if the symbol has no averaging period."""
        if self.listing.average_minutes:
            return self.average.price(now)
        return None if self.last is None else (self.last, 1)

    def take_trade_id(self) -> int:
        """The id of the next trade. Fills and public trades are one sequence, as on the exchange."""
        number = self.next_trade
        self.next_trade += 1
        self.counters.trades = max(self.counters.trades, number)
        return number

    def record(self, trade: PublicTrade) -> None:
        """Take a public trade into the last price, the averages and the newest trades."""
        self.last = trade.price
        self.average.add(trade.time, trade.price, trade.quantity)
        self.mean.add(trade.time, trade.price, Quantity(1))
        self.trades.append(trade)
        self.candles.add(trade)

    def mean_price(self, now: int) -> Price | None:
        """The exchange's reference price: the mean of the last minutes' trade prices, rounded down."""
        mean = self.mean.price(now)
        return None if mean is None else price_down(*mean, Price(1))

    def best(self) -> BookTop:
        """The best bid and ask: the public market's, a tick around the last price, or a better order of ours."""
        if self.last is None:
            bid, ask, quantity = Price(0), Price(0), Quantity(0)
        else:
            tick, quantity = self.listing.info.filters.tick_size, self.trades[-1].quantity
            bid, ask = Price(max(self.last - tick, 0)), Price(self.last + tick)
        top = BookTop(bid, quantity if bid else Quantity(0), ask, quantity)
        ours = {side: self.open[number] for side in Side if (number := self.book.best(side)) is not None}
        if (order := ours.get(Side.BUY)) is not None and order.price > bid:
            top = replace(top, bid=order.price, bid_quantity=order.remaining)
        if (order := ours.get(Side.SELL)) is not None and (not ask or order.price < ask):
            top = replace(top, ask=order.price, ask_quantity=order.remaining)
        return top

    def keep(self, order: Order) -> None:
        """Keep an open order in the book; remove an ended one. An amended one keeps its place."""
        known = self.open.get(order.id)
        if known is not None:
            del self.by_client_id[known.current_id]
        if order.status.ended:
            if known is not None:
                self.book.remove(self.open.pop(order.id))
            return
        self.open[order.id] = order
        self.by_client_id[order.current_id] = order.id
        if known is None:
            self.book.add(order)


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
        fee_asset: FeeAsset | None,
        partly: Callable[[str], bool],
    ) -> None:
        self.now = now
        self._market = market
        self._account = account
        self._ledger = ledger
        self._fee_rate = fee_rate
        self._fee_asset = fee_asset
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
        original_id: str = "",
    ) -> Order:
        """Change an order from ``before`` to ``after`` and add the events; returns it with its new time."""
        info, counters = self._market.listing.info, self._market.counters
        after = replace(after, updated=self.now)
        self._account.move(info, before, after, fill)
        counters.executions += 1
        self._change.orders[after.id] = after
        if fill is not None:
            self._change.fills.append(fill)
        if before is not None and kind is Execution.REPLACED:
            ids, quantities = (original_id, after.current_id), (before.quantity, after.quantity)
            self._change.amendments.append(
                Amendment(info.symbol, after.id, counters.executions, *ids, *quantities, self.now)
            )
        touched = dict.fromkeys((info.base, info.quote, info.base if fill is None else fill.fee_asset))
        balances = {asset: self._account.balance(asset) for asset in touched}
        self._change.balances.update(balances)
        self._events.append(Executed(counters.executions, kind, after, self.now, fill, prevention, original_id))
        self._events.append(Position(self.now, tuple(balances.items())))
        return after

    def fill(self, order: Order, price: Price, *, maker: bool) -> Order:
        """Execute an open order at ``price``: all of it, or half if a partial fill is due."""
        counters = self._market.counters
        quantity = self._executable(order)
        quote = value_down(price, quantity)
        taken, asset = self._fee(order.side, quantity, quote)
        counters.fills += 1
        fill = Fill(
            symbol=order.symbol,
            order_id=order.id,
            trade_id=self._market.take_trade_id(),
            price=price,
            quantity=quantity,
            quote=quote,
            fee=taken,
            fee_asset=asset,
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

    def _fee(self, side: Side, quantity: Quantity, quote: Money) -> tuple[Amount, str]:
        """The commission on a fill, and its asset: the fee asset while enough is free, else what is received."""
        info, fees = self._market.listing.info, self._fee_asset
        asset, received = (info.base, quantity) if side is Side.BUY else (info.quote, quote)
        if fees is not None:
            taken = fee_elsewhere(self._fee_rate, quote, fees)
            if taken <= self._account.balance(fees.asset).free + (received if fees.asset == asset else 0):
                return taken, fees.asset
        return fee(self._fee_rate, side, quantity, quote), asset

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
