"""For tests of the runtime: an honest exchange in memory behind ``ports.Exchange``, on trio's clock.

It matches, books and reports as the small exchange of `support.market` does, one for each symbol. What is dishonest
is asked for: a lost frame or answer, a slow one, a refusal, an order that queries do not find, reports that wait.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import trio
import trio.lowlevel
from msgspec.structs import replace

from naived.core.amount import Amount, Price, Quantity, parse_price, value_up
from naived.core.market import Filters, SymbolInfo
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import (
    Answer,
    CancelAccepted,
    CancelAnswer,
    CancelRefused,
    Fill,
    OrderStatus,
    Refusal,
    Refused,
    Report,
    Unknown,
    Unsent,
)
from naived.core.recent_high import Candle
from naived.core.strategy.formulas import Fees
from naived.ports import AccountInfo, Balance, ExchangeError, OrderRequest, RefusedError, Remarks, Sink
from tests.support.market import ETH, START, TENTH, Exchange, Order

T = TypeVar("T")

LATENCY = 0.01  # seconds, each way
ANSWER_WITHIN = 15.0  # seconds after which an answer is not awaited any more
EVERYWHERE = frozenset({"order", "open_orders", "orders_since", "fills"})
_STP = ("OF BUYS", "OF SELLS")


def listed(name: str, rules: Filters = ETH, *, trading: bool = True) -> SymbolInfo:
    """A symbol against USDT."""
    status = "TRADING" if trading else "BREAK"
    return SymbolInfo(name, name.removesuffix("USDT"), "USDT", trading, status, rules, *_STP)


@dataclass
class Faults:
    """What goes wrong next; a count is used up, a switch stays."""

    lost_requests: int = 0
    lost_replies: int = 0
    refusals: list[Refused | Unknown] = field(default_factory=list)
    lies: list[Refused] = field(default_factory=list)  # answers to frames that are taken all the same
    delay: float = 0.0  # seconds a frame is on its way to the exchange
    slow_reply: float = 0.0  # seconds an answer is on its way back
    hidden: frozenset[str] = frozenset()  # questions whose answers do not have what is there
    held: bool = False  # reports wait for `ExchangeDouble.release`
    failing: set[str] = field(default_factory=set)  # questions that are not answered
    silent: set[tuple[str, str | None]] = field(default_factory=set)  # the same of these symbols alone
    refused: set[tuple[str, str]] = field(
        default_factory=set
    )  # questions and symbols that it is an error to ask for


class ExchangeDouble:
    """Several markets of one account. ``wire`` has every frame that was sent, whether it arrived or not."""

    bulk_open_orders_from = 14

    def __init__(self, *names: str, uid: str = "uid-1") -> None:
        self.uid = uid
        self.markets = {name: Exchange(listed(name)) for name in names}
        self.last: dict[str, int] = {}
        self.references: dict[str, Price] = {}
        self.candles_by: dict[str, list[Candle]] = {}  # one for each trade
        self.faults = Faults()
        self.wire: list[OrderRequest] = []
        self.asked: list[str] = []
        self.watched: set[str] = set()
        self.renewed: list[str] = []
        self.subscribing = LATENCY  # seconds until a symbol's trades flow
        self.on_place: Callable[[OrderRequest], None] = lambda request: None
        self.throttled_until = 0  # ms
        self.gone: str | None = None
        self.remarked = Remarks()
        self._sink: Sink | None = None
        self._session = 0
        self._up = trio.Event()
        self._held: list[Report] = []

    # What tests do to it

    def trade(self, price: str, symbol: str = "ETHUSDT", *, age: int = 0) -> None:
        """A public trade: matched, reported, then published to whoever watches, ``age`` ms later."""
        value = parse_price(price)
        self.last[symbol] = value
        self.candles_by.setdefault(symbol, []).append(Candle(self.now() - age, self.now() - age, value))
        self.markets[symbol].trade(value, self.now())
        self.flush()
        if self._sink is not None and symbol in self.watched:
            self._sink.trade(symbol, self.markets[symbol].trades, value, "1", self.now() - age)

    def flush(self) -> None:
        """Tell what happened to orders since."""
        for market in self.markets.values():
            self._held += market.reports()
        if not self.faults.held:
            self.release()

    def release(self) -> None:
        """Deliver the reports that waited."""
        held, self._held = self._held, []
        for report in held:
            self.tell(report)

    def tell(self, report: Report) -> None:
        if self._sink is not None and self.connected:
            self._sink.report(report)

    def forget_reports(self) -> None:
        """The reports that wait never come."""
        self._held = []

    def go_away(self, reason: str = "connection lost") -> None:
        self._session += 1
        self.gone = reason
        self._up = trio.Event()
        if self._sink is not None:
            self._sink.closed(reason)

    def come_back(self) -> None:
        self._session += 1
        self.gone = None
        self._open()

    def orders(self, symbol: str = "ETHUSDT", side: Side | None = None) -> list[Order]:
        """Every order that ever was, oldest first."""
        return [order for order in self.markets[symbol].orders if side in (None, order.intent.side)]

    def open(self, symbol: str = "ETHUSDT", side: Side | None = None) -> list[Order]:
        return self.markets[symbol].open(side)

    def cancel_by_hand(self, order: Order) -> None:
        order.listed_as = f"web_{order.id}"
        self.markets[order.intent.symbol].end(order, OrderStatus.CANCELED, self.now())
        self.flush()

    def amend_by_hand(self, order: Order, quantity: Quantity) -> None:
        """Leave less of it, under another id."""
        order.earlier_ids += (order.client_order_id,)
        order.client_order_id = f"web_{order.id}"
        order.intent = replace(order.intent, quantity=quantity)

    def fill(self, order: Order, quantity: int) -> None:
        """Execute a part at the order's own price."""
        self.markets[order.intent.symbol].fill(order, quantity, order.intent.price, self.now())
        self.flush()

    def plant(self, client_order_id: str, intent: OrderIntent) -> Order:
        """An order that somebody else placed on the same account."""
        market = self.markets[intent.symbol]
        market.place(client_order_id, intent, self.last.get(intent.symbol, 0) or intent.price + 1, self.now())
        self.flush()
        return market.orders[-1]

    def relist(self, name: str, *, trading: bool) -> None:
        market = self.markets[name]
        market.rules = replace(market.rules, trading=trading, status="TRADING" if trading else "BREAK")

    # ports.Exchange

    async def run(self, sink: Sink) -> None:
        self._sink = sink
        if self.gone is None:
            self._open()
        else:
            sink.closed(self.gone)
        try:
            await trio.sleep_forever()
        finally:
            self._sink = None
            self._up = trio.Event()
            self.watched.clear()

    def _open(self) -> None:
        self._up.set()
        if self._sink is not None:
            self._sink.opened()

    def renew(self, reason: str, symbol: str | None = None) -> None:
        self.renewed.append(reason)

    @property
    def connected(self) -> bool:
        return self._up.is_set()

    @property
    def remarks(self) -> Remarks:
        return self.remarked

    def now(self) -> int:
        return START + int(trio.current_time() * 1000)

    def latest(self) -> int:
        return self.now()

    async def server_time(self) -> int:
        await self._ask("server_time")
        return self.now()

    def admit(self, side: Side) -> int | None:
        return self.now() if self.connected and self.now() >= self.throttled_until else None

    async def admission(self, side: Side) -> bool:
        await self._up.wait()
        await trio.sleep(min(1000, max(0, self.throttled_until - self.now())) / 1000)
        return self.now() >= self.throttled_until

    async def place(self, request: OrderRequest) -> Answer:
        if not self.connected:
            return Unsent("not connected")
        session = self._session
        faults = self.faults
        self.wire.append(request)
        self.on_place(request)
        with trio.move_on_after(ANSWER_WITHIN):
            await trio.sleep(LATENCY + faults.delay)
            if session != self._session:
                return Unknown("the connection broke")
            if faults.lost_requests:
                faults.lost_requests -= 1
                await trio.sleep_forever()
            answer = self._accept(request)
            self.flush()
            if faults.lost_replies:
                faults.lost_replies -= 1
                await trio.sleep_forever()
            await trio.sleep(LATENCY + faults.slow_reply)
            return answer if session == self._session else Unknown("the connection broke")
        return Unknown("not answered in time")

    def _accept(self, request: OrderRequest) -> Answer:
        if self.faults.refusals:
            return self.faults.refusals.pop(0)
        if self.now() > request.timestamp + request.recv_window:
            return Refused(Refusal.CLOCK, -1021, "Timestamp for this request is outside of the recvWindow.")
        intent = OrderIntent(request.symbol, 0, request.side, 0, Price(request.price), Quantity(request.quantity))
        last = self.last.get(request.symbol, request.price + 1 if request.side is Side.BUY else request.price - 1)
        answer = self.markets[request.symbol].place(request.client_order_id, intent, last, self.now())
        return self.faults.lies.pop(0) if self.faults.lies else answer

    async def cancel(
        self, symbol: str, order_id: int, cancel_id: str, wanted: Callable[[], bool] = lambda: True
    ) -> CancelAnswer:
        try:
            await self._ask("cancel", symbol)
        except ExchangeError as error:
            return Unsent(str(error))
        if not wanted():
            return Unsent("not wanted")
        order = self.markets[symbol].orders[order_id - 1]
        if not order.open:
            return CancelRefused(-2011, "Unknown order sent.")
        self.markets[symbol].end(order, OrderStatus.CANCELED, self.now())
        self.flush()
        await trio.sleep(LATENCY)
        return CancelAccepted(self.markets[symbol].state(order))

    async def order(
        self, symbol: str, *, order_id: int | None = None, client_order_id: str | None = None
    ) -> Report | None:
        await self._ask("order", symbol)
        market = self.markets[symbol]
        if "order" in self.faults.hidden:
            return None
        found = market.orders[order_id - 1] if order_id is not None else market.named(client_order_id or "")
        return None if found is None else await self._arrived(market.state(found))

    async def open_orders(self, symbol: str | None = None) -> Sequence[Report]:
        await self._ask("open_orders", symbol)
        if "open_orders" in self.faults.hidden:
            return []
        markets = self.markets.values() if symbol is None else [self.markets[symbol]]
        return await self._arrived([m.state(order) for m in markets for order in m.open()])

    async def orders_since(self, symbol: str, since: int) -> Sequence[Report]:
        await self._ask("orders_since", symbol)
        if "orders_since" in self.faults.hidden:
            return []
        market = self.markets[symbol]
        found = [market.state(order) for order in market.orders if order.created >= since]
        return await self._arrived(found)

    async def earlier_ids(self, symbol: str, order_id: int) -> Sequence[str]:
        await self._ask("earlier_ids", symbol)
        return await self._arrived(self.markets[symbol].orders[order_id - 1].earlier_ids)

    async def fills(self, symbol: str, *, order_id: int | None = None, since: int | None = None) -> Sequence[Fill]:
        await self._ask("fills", symbol)
        if "fills" in self.faults.hidden:
            return []
        parts = [part for order in self.markets[symbol].orders for part in order.fills]
        return await self._arrived(
            [p for p in parts if order_id in (None, p.order_id) and (since is None or p.time >= since)]
        )

    async def symbols(self, names: Sequence[str]) -> Mapping[str, SymbolInfo | RefusedError]:
        await self._ask("symbols")
        return await self._arrived({name: self.markets[name].rules for name in names if name in self.markets})

    async def fees(self, symbol: str) -> Fees:
        await self._ask("fees", symbol)
        return Fees(TENTH, TENTH)

    async def last_prices(self, names: Sequence[str]) -> Mapping[str, Price]:
        await self._ask("last_prices")
        return {name: Price(self.last[name]) for name in names if name in self.last}

    async def reference_price(self, symbol: str) -> Price | None:
        await self._ask("reference_price", symbol)
        return await self._arrived(self.references.get(symbol))

    async def candles(self, symbol: str, span: int) -> Sequence[Candle]:
        await self._ask("candles", symbol)
        began = self.now() - span
        return await self._arrived([each for each in self.candles_by.get(symbol, ()) if each.end >= began])

    async def account(self) -> AccountInfo:
        await self._ask("account")
        balances = {
            market.rules.base: Balance(Amount(market.free_base), Amount(market.locked_base))
            for market in self.markets.values()
        }
        spent = sum(Exchange(market.rules).quote - market.quote for market in self.markets.values())
        buys = [order for market in self.markets.values() for order in market.open(Side.BUY)]
        locked = sum(value_up(order.intent.price, Quantity(order.rest)) for order in buys)
        whole = next(iter(self.markets.values()))
        free = Exchange(whole.rules).quote - spent - locked
        balances["USDT"] = Balance(Amount(free), Amount(locked))
        return await self._arrived(AccountInfo(self.uid, balances, changed_at=self.now()))

    async def watch(self, symbol: str) -> None:
        await trio.sleep(self.subscribing)
        if symbol not in self.watched and self._sink is not None:
            self._sink.lost(symbol, None)
        self.watched.add(symbol)

    async def unwatch(self, symbol: str) -> None:
        await trio.lowlevel.checkpoint()
        self.watched.discard(symbol)

    async def _ask(self, question: str, symbol: str | None = None) -> None:
        """The way there; raises ExchangeError without a session."""
        self.asked.append(question)
        session = self._session
        await trio.sleep(LATENCY)
        if not self.connected or session != self._session:
            raise ExchangeError(self.gone or "not connected")
        if question in self.faults.failing or (question, symbol) in self.faults.silent:
            raise ExchangeError(f"{question}: not answered")
        if symbol is not None and (symbol not in self.markets or (question, symbol) in self.faults.refused):
            raise RefusedError(f"{question}: -1121 Invalid symbol.")

    async def _arrived(self, answer: T) -> T:
        """The way back of what was read at the exchange before it."""
        await trio.sleep(LATENCY)
        return answer
