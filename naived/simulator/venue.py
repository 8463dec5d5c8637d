"""One exchange: the engine and all else that the request methods use."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import structlog

from naived.core.amount import Price, Quantity
from naived.simulator.exchange import Exchange
from naived.simulator.faults import Fault, Switchboard
from naived.simulator.limits import Limits
from naived.simulator.order import BookTop, Event, Executed
from naived.simulator.owner import amend_oldest, cancel_oldest, place_one
from naived.simulator.rules import coarser, halted
from naived.simulator.signing import Key
from naived.simulator.step import Done, Market
from naived.simulator.streams import Outbox, Streams
from naived.simulator.symbols import Listing
from naived.simulator.tape import Pace
from naived.simulator.users import Later, Users

_log = structlog.get_logger(__name__)
_ID_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_LENGTH = 22  # characters, as long as the exchange's own
_OUTAGE = 30.0  # seconds that a halt or a change of filters lasts, if the fault has none
_NOTICE = 10.0  # seconds between serverShutdown and the end of the connections
_LAG = 5.0  # seconds that an order is not found, if the fault has none
_COMPLAINTS = 60_000  # ms between two of trades that cannot be written
_MAKER_RETURN, _TAKER_RETURN = 5, 1  # unfilled orders that a first fill gives back; source: Binance's example


@dataclass(slots=True)
class Venue:
    """``clock`` is server time in ms; ``shutdown_frames`` are the open connections, each with its shutdown frame.

    ``tail`` gives the seconds that a request of a method waits for the engine after both time checks. ``outages``
    has the listings to restore, ``unseen`` until when (ms) an order is hidden, by symbol and id. ``quotes`` are the
    best bids and asks that were published last; before ``complaint`` (ms) a lost trade is not logged again.
    """

    exchange: Exchange
    limit_rows: Sequence[Mapping[str, Any]]
    limits: Limits
    key: Key
    faults: Switchboard
    users: Users
    streams: Streams
    pace: Pace
    random: Random
    clock: Callable[[], int]
    later: Later
    tail: Callable[[str], float]
    shutdown_frames: dict[Outbox, Callable[[], str]] = field(default_factory=dict)
    outages: dict[str, Listing] = field(default_factory=dict)
    unseen: dict[tuple[str, int], int] = field(default_factory=dict)
    quotes: dict[str, BookTop] = field(default_factory=dict)
    complaint: int = 0

    def new_id(self) -> str:
        """A client order id for an order without one."""
        return "".join(self.random.choices(_ID_LETTERS, k=_ID_LENGTH))

    def tell(self, events: Sequence[Event]) -> None:
        """Publish the events of a step; a first fill lowers the count of unfilled orders."""
        for event in events:
            if isinstance(event, Executed) and event.fill and event.order.executed == event.fill.quantity:
                self.limits.count_order(-_MAKER_RETURN if event.fill.maker else -_TAKER_RETURN, self.clock())
        self.users.publish(events)
        for symbol in {event.order.symbol for event in events if isinstance(event, Executed)}:
            self._quote(symbol)

    def _quote(self, symbol: str) -> None:
        """Publish the best bid and ask of a symbol if somebody listens and they changed."""
        market = self.exchange.markets.get(symbol)
        if market is None or not self.streams.quoted(symbol):
            return
        top = market.best()
        if self.quotes.get(symbol) != top:
            self.quotes[symbol] = top
            self.streams.publish_quote(symbol, top)

    def trade(self, symbol: str, price: Price, quantity: Quantity, *, buyer_is_maker: bool = False) -> int:
        """Match and publish one public trade; returns its id. Raises ApiError -1121, sqlite3.Error."""
        trade, events = self.exchange.trade(symbol, price, quantity, buyer_is_maker=buyer_is_maker)
        self.tell(events)
        self.streams.publish(trade)
        self._quote(symbol)
        return trade.id

    def play(self, symbol: str, price: Price, quantity: Quantity, *, buyer_is_maker: bool = False) -> None:
        """A `trade` of a tape; one that a full disk does not take does not happen. Raises ApiError -1121."""
        try:
            self.trade(symbol, price, quantity, buyer_is_maker=buyer_is_maker)
        except sqlite3.OperationalError as error:
            if self.clock() >= self.complaint:
                self.complaint = self.clock() + _COMPLAINTS
                _log.error(
                    "the ledger cannot be written: nothing is filled until its disk has room", error=str(error)
                )

    def hide(self, symbol: str, order_id: int, seconds: float | None) -> None:
        """Hide an order from queries for a while."""
        self.unseen[symbol, order_id] = self.clock() + int(1000 * (_LAG if seconds is None else seconds))

    def hidden(self, symbol: str, order_id: int) -> bool:
        until = self.unseen.get((symbol, order_id))
        if until is None:
            return False
        if self.clock() < until:
            return True
        del self.unseen[symbol, order_id]
        return False

    def act(self, fault: Fault) -> bool:
        """Run an armed action of the exchange or of the account's owner; False if it is not possible yet."""
        markets = [m for s, m in self.exchange.markets.items() if fault.symbol in (None, s)]
        done: Done | None
        match fault.kind:
            case "manual_cancel":
                done = cancel_oldest(self.exchange, markets, self.new_id)
            case "manual_order":
                done = place_one(self.exchange, markets, self.new_id)
            case "manual_amend":
                done = amend_oldest(self.exchange, markets, self.new_id)
            case "halt" | "filters":
                return self._relist(markets, fault)
            case "server_shutdown":
                self._shut_down(_NOTICE if fault.seconds is None else fault.seconds)
                return True
            case _:
                raise AssertionError(fault.kind)
        if done is None:
            return False
        self.tell(done.events)
        return True

    def _relist(self, markets: Sequence[Market], fault: Fault) -> bool:
        for market in markets:
            info = market.listing.info
            self.outages.setdefault(info.symbol, market.listing)
            market.listing = halted(market.listing) if fault.kind == "halt" else coarser(market.listing)
        symbols = [market.listing.info.symbol for market in markets]
        self.later(_OUTAGE if fault.seconds is None else fault.seconds, lambda: self.restore(symbols))
        return True

    def restore(self, symbols: Iterable[str]) -> None:
        """End the halts and changes of filters of these symbols."""
        for symbol in symbols:
            if symbol in self.outages:
                self.exchange.list(self.outages.pop(symbol))

    def _shut_down(self, seconds: float) -> None:
        going = list(self.shutdown_frames)
        for outbox in going:
            outbox.send(self.shutdown_frames[outbox]())

        def close() -> None:
            for outbox in going:
                outbox.drop()

        self.later(seconds, close)
