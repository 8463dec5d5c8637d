"""The engine: orders, balances and fills of one account. It uses no socket, and its clock is a parameter.

Every call that changes something is one step: it is checked, done in memory, committed to the ledger, and then
returned with its events. A refusal (ApiError) is raised before anything has changed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from naived.core.amount import Price, Quantity, Rate
from naived.core.orders.intent import Side
from naived.core.orders.report import OrderStatus
from naived.simulator.account import Account, cost
from naived.simulator.errors import ApiError, amend_rejected, rejected
from naived.simulator.ledger import Counters, Ledger
from naived.simulator.matching import Average, crosses, prevent
from naived.simulator.order import (
    Event,
    Execution,
    NewOrder,
    Order,
    OrderType,
    Prevention,
    PublicTrade,
    TimeInForce,
)
from naived.simulator.rules import affordable, altered, check, check_amendment, check_open, check_position, in_range
from naived.simulator.step import Done, Market, Step
from naived.simulator.symbols import Listing

DELISTED = "delisted"
"""The name in the ledger's rules that marks a symbol as delisted."""

_OUT_OF_RANGE = "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"  # the expiry reason

# Ids of public trades are reserved in the ledger in blocks of this size: one write for hours of tape.
_TRADE_BLOCK = 1_000_000


@dataclass(frozen=True, slots=True)
class _CheckedOrder:
    """A new order that passed the checks: does it fill at the last price, and which of our orders does it reach?

    ``price`` is None for a MARKET order before the first trade.
    """

    price: Price | None
    quantity: Quantity
    takes: bool
    meets: Sequence[Order]


class Exchange:
    """One account on one exchange. ``partly(symbol)``: is the next fill to be a partial one?

    ``altered_rules`` and ``fee_asset`` are what ``interventions`` changed of rules and fees.
    """

    def __init__(
        self,
        listings: Mapping[str, Listing],
        ledger: Ledger,
        fee_rate: Rate,
        *,
        clock: Callable[[], int],
        partly: Callable[[str], bool] = lambda symbol: False,
    ) -> None:
        self.ledger = ledger
        self.fee_rate = fee_rate
        self.fee_asset = ledger.alterations.fee_asset()
        self.account = Account(ledger.balances())
        self.markets: dict[str, Market] = {}
        self._clock = clock
        self._partly = partly
        self._counters = ledger.counters()
        self.altered_rules = ledger.alterations.rules()
        self._resting = ledger.history.open_orders()
        for listing in listings.values():
            self.list(listing)

    def list(self, listing: Listing) -> None:
        """Add a symbol, or replace its rules; its open orders stay.

        What ``altered_rules`` has of its rules stays so. A symbol that was delisted is not listed again.
        """
        symbol = listing.info.symbol
        rules = self.altered_rules.get(symbol, {})
        if DELISTED in rules:
            return
        listing = altered(listing, rules) if rules else listing
        if symbol in self.markets:
            self.markets[symbol].listing = listing
            return
        counters = self._counters.get(symbol, Counters())
        market = Market(
            listing, counters, Average(listing.average_minutes), next_trade=max(counters.trades, counters.fills) + 1
        )
        self.markets[symbol] = market
        for order in self._resting:
            if order.symbol == symbol:
                market.keep(order)

    def market(self, symbol: str) -> Market:
        """Raises ApiError -1121."""
        try:
            return self.markets[symbol]
        except KeyError:
            raise ApiError(-1121, "Invalid symbol.") from None

    def check(self, new: NewOrder) -> None:
        """Raises ApiError for what the API refuses before an order reaches the engine."""
        market = self.market(new.symbol)
        check(market.listing, new, market.measure(self._clock()))

    def place(self, new: NewOrder) -> Done:
        """Accept one order, match it, and let the rest of it rest if its type allows; raises ApiError."""
        self.check(new)
        market = self.market(new.symbol)
        admitted = self._admit(market, new)
        with self.step(market) as step:
            market.counters.orders += 1
            order = Order(
                symbol=new.symbol,
                id=market.counters.orders,
                client_order_id=new.client_order_id,
                side=new.side,
                type=new.type,
                time_in_force=new.time_in_force,
                price=new.price,
                quantity=admitted.quantity,
                quote_quantity=new.quote_quantity,
                stp_mode=new.stp_mode,
                created=step.now,
                updated=step.now,
                strategy_id=new.strategy_id,
                strategy_type=new.strategy_type,
            )
            order = step.change(None, order, Execution.NEW)
            order = _prevent(step, market, order, admitted.meets)
            if admitted.takes and market.last is not None and not order.status.ended:
                if in_range(market.last, market.mean_price(step.now)):
                    order = step.fill(order, market.last, maker=False)
                else:
                    order = step.change(order, _expired(order, _OUT_OF_RANGE), Execution.EXPIRED)
            if not order.status.ended and not _may_rest(order):
                order = step.change(order, _expired(order), Execution.EXPIRED)
            return step.done(order)

    def cancel(self, symbol: str, order_id: int, cancel_id: str) -> Done:
        """Cancel an open order; ``cancel_id`` replaces its client order id. Raises ApiError -2011."""
        market = self.market(symbol)
        order = market.open.get(order_id)
        if order is None:
            raise ApiError(-2011, "Unknown order sent.")
        if market.listing.info.status not in ("TRADING", "CANCEL_ONLY"):
            raise ApiError(-2011, "Market is closed.")
        with self.step(market) as step:
            after = replace(order, status=OrderStatus.CANCELED, cancel_id=cancel_id)
            return step.done(step.change(order, after, Execution.CANCELED))

    def amend(self, symbol: str, order_id: int, quantity: Quantity, new_id: str) -> Done:
        """Lower the quantity of an open order, which keeps its place; ``new_id`` becomes its client order id.

        Raises ApiError -2038, or -1013 if the rules refuse the new quantity.
        """
        market = self.market(symbol)
        order = market.open.get(order_id)
        if order is None:
            raise amend_rejected("Unknown order sent.")
        check_amendment(market.listing, order, quantity)
        if market.by_client_id.get(new_id, order_id) != order_id:
            raise amend_rejected("Duplicate order sent.")
        with self.step(market) as step:
            after = replace(order, quantity=quantity, amended_id=new_id, amendments=order.amendments + 1)
            return step.done(step.change(order, after, Execution.REPLACED, original_id=order.current_id))

    def trade(
        self, symbol: str, price: Price, quantity: Quantity, *, buyer_is_maker: bool = False
    ) -> tuple[PublicTrade, tuple[Event, ...]]:
        """Process one public trade: it sets the last price, and in an open market fills what it trades through.

        Raises sqlite3.Error where the ledger cannot be written: the trade did not happen.
        """
        market = self.market(symbol)
        now = self._clock()
        reached = market.book.through(price) if market.listing.info.trading else ()
        # The public trade has the id of the last fill that it causes.
        number = market.next_trade + max(len(reached) - 1, 0)
        if number > market.counters.trades:
            reserved = replace(market.counters, trades=number + _TRADE_BLOCK)
            self.ledger.count(symbol, reserved)
            market.counters = reserved
        trade = PublicTrade(symbol, number, price, quantity, now, buyer_is_maker)
        events: tuple[Event, ...] = ()
        if reached:
            with self.step(market) as step:
                for order_id in reached:
                    order = market.open[order_id]
                    step.fill(order, order.price, maker=True)
                events = step.commit()
        else:
            market.take_trade_id()
        market.record(trade)
        return trade, events

    def find(self, symbol: str, order_id: int | None, client_order_id: str | None) -> Order | None:
        """One order, open or ended; raises ApiError -2039 when both ids are given and do not belong together."""
        self.market(symbol)
        if order_id is None:
            return self.ledger.history.order_by_client_id(symbol, client_order_id or "")
        order = self.ledger.history.order(symbol, order_id)
        known = order and (None, order.client_order_id, order.amended_id, order.cancel_id)
        if known and client_order_id not in known:
            raise ApiError(-2039, "Client order ID is not correct for this order ID.")
        return order

    def _admit(self, market: Market, new: NewOrder) -> _CheckedOrder:
        """The checks of the engine; raises ApiError -2010."""
        listing = market.listing
        check_open(listing, len(market.open))
        if new.client_order_id in market.by_client_id:
            raise rejected("Duplicate order sent.")
        price = market.last if new.type is OrderType.MARKET else new.price
        if price is None:
            return _CheckedOrder(None, new.quantity, takes=False, meets=())
        quantity = affordable(listing, new.quote_quantity, price) if new.quote_quantity else new.quantity
        takes = market.last is not None and crosses(new.side, price, market.last)
        meets = [market.open[order_id] for order_id in market.book.meeting(new.side, price)]
        if new.type is OrderType.LIMIT_MAKER and (takes or meets):
            raise rejected("Order would immediately match and take.")
        spent = listing.info.quote if new.side is Side.BUY else listing.info.base
        self.account.require(spent, cost(new.side, price, quantity))
        if new.side is Side.BUY:
            held = self.account.balance(listing.info.base)
            bids = sum(order.remaining for order in market.open.values() if order.side is Side.BUY)
            check_position(listing, held.free + held.locked + bids + quantity)
        return _CheckedOrder(price, quantity, takes, meets)

    @contextmanager
    def step(self, market: Market) -> Iterator[Step]:
        """One step of the engine; if it fails, balances, counters and ids are as before."""
        balances, counters, number = self.account.balances(), replace(market.counters), market.next_trade
        try:
            yield Step(
                market,
                self.account,
                self.ledger,
                self._clock(),
                fee_rate=self.fee_rate,
                fee_asset=self.fee_asset,
                partly=self._partly,
            )
        except BaseException:
            self.account.restore(balances)
            market.counters, market.next_trade = counters, number
            raise


def _prevent(step: Step, market: Market, taker: Order, makers: Sequence[Order]) -> Order:
    for prevented, maker in zip(prevent(taker, makers), makers, strict=False):
        market.counters.preventions += 1
        number = market.counters.preventions
        if prevented.taker is not taker:
            seen = Prevention(number, maker.id, maker.price, prevented.quantity)
            taker = step.change(taker, prevented.taker, Execution.TRADE_PREVENTION, prevention=seen)
        if prevented.maker is not maker:
            seen = Prevention(number, taker.id, maker.price, prevented.quantity)
            step.change(maker, prevented.maker, Execution.TRADE_PREVENTION, prevention=seen)
    return taker


def _may_rest(order: Order) -> bool:
    return order.type is not OrderType.MARKET and order.time_in_force is TimeInForce.GTC


def _expired(order: Order, reason: str | None = None) -> Order:
    """An order that may not rest, expired with its remaining quantity."""
    match order.type, order.time_in_force:
        case _ if reason is not None:
            pass
        case OrderType.MARKET, _:
            reason = "INSUFFICIENT_LIQUIDITY"
        case _, TimeInForce.FOK:
            reason = "UNFILLED_FOK_ORDER_EXPIRED"
        case _:
            reason = "UNFILLED_IOC_QUANTITY_EXPIRED"
    return replace(order, status=OrderStatus.EXPIRED, expiry=reason)
