"""Public trades of many symbols, over as few connections as the exchange allows.

    watch, unwatch ──> wanted ──difference──> SUBSCRIBE, UNSUBSCRIBE ──acknowledged──> active

Each connection compares the symbols that are wanted with those that are active on it, and requests the difference,
one request at a time. So a new connection, a reconnect and a changed set of symbols are one case.
"""

import itertools
import math
from collections.abc import Callable, Container, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import NoReturn, Protocol

import structlog
import trio

from naived.binance.border import bounded, in_time
from naived.binance.codec import (
    Garbled,
    MarketFrame,
    MarketTrade,
    WholeTrade,
    read_market,
    read_whole_market,
    request,
)
from naived.binance.connection import Connect, Connection, keep_connected, read_frames
from naived.binance.refusals import Refusals
from naived.binance.sequence import TradeSequence
from naived.core.amount import Price, parse_price
from naived.ports import Sink
from naived.websocket import Closed, ConnectError, WebSocket

_log = structlog.get_logger(__name__)

_MAX_STREAMS = 1024  # on one connection, the most the exchange allows
_BATCH = 200  # names in one request: about 3 kB
_REQUEST_INTERVAL = 0.5  # seconds: the exchange accepts 5 frames a second from us, pings and pongs included
# Seconds without any trade, after which a connection is replaced: it may carry none any more. Twice as many if the
# one before carried none either, as then it is the market that is quiet.
_SILENCE, _LONGEST_SILENCE = 600, 3600
_REFUSED_PAUSE = 60  # seconds until what the exchange refused is asked for again
_SUBSCRIBE_TIMEOUT = 10  # seconds for the answer to a subscription


class Tape(Protocol):
    """Records trades. Every call is synchronous and fast and must not raise."""

    def trade(self, trade: WholeTrade, price: Price) -> None:
        """One public trade of a wanted symbol that is new."""

    def lost(self, symbol: str) -> None:
        """No connection carries the symbol any more: until it is subscribed again its trades are missed."""


class Streams:
    """The market streams of an exchange; ``run`` keeps them connected.

    ``jitter``: see `keep_connected`. ``refusals`` counts the frames that cannot be read, ``latest_time`` is the
    latest time of a trade that is believed: ms, and microseconds for a ``tape``, which hears more than a sink.
    """

    def __init__(
        self,
        url: str,
        connect: Connect,
        jitter: Callable[[], float],
        refusals: Refusals,
        latest_time: Callable[[], int],
        tape: "Tape | None" = None,
    ) -> None:
        self._url = url if tape is None else f"{url}?timeUnit=MICROSECOND"
        self._connect = connect
        self._jitter = jitter
        self._border = refusals, latest_time, tape
        self._sets: list[SubscriptionSet] = []
        self._set_added = trio.Event()

    async def run(self, sink: Sink | None) -> None:
        """Keep a connection up for every set of subscriptions, until cancelled; None: only the tape listens."""
        started = 0
        async with trio.open_nursery() as nursery:
            while True:
                for each in self._sets[started:]:
                    nursery.start_soon(keep_connected, "streams", partial(each.run_connection, sink), self._jitter)
                started = len(self._sets)
                await self._set_added.wait()

    def want(self, symbol: str) -> "SubscriptionSet":
        """Subscribe to the symbol's trades as soon as possible, also after every reconnect; does not wait."""
        found = next((each for each in self._sets if symbol in each.wanted), None) or self._free_set()
        found.want(symbol)
        return found

    async def watch(self, symbol: str) -> None:
        """Subscribe to a symbol's trades; returns when the exchange has confirmed it."""
        await self.want(symbol).wait_active(symbol)

    def unwatch(self, symbol: str) -> None:
        for each in self._sets:
            each.unwatch(symbol)

    def renew(self, symbol: str, reason: str) -> None:
        """Replace the connection that carries the symbol's trades; one that is being made replaces it already."""
        for each in self._sets:
            if symbol in each.wanted and each.connection is not None and each.connection.up_at is not None:
                each.connection.end(reason)

    def _free_set(self) -> "SubscriptionSet":
        for each in self._sets:
            if len(each.wanted) < _MAX_STREAMS:
                return each
        added = SubscriptionSet(self._url, self._connect, *self._border)
        self._sets.append(added)
        self._set_added.set()
        self._set_added = trio.Event()
        return added


class _StreamSocket:
    """One socket, and the symbols that are active on it."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.active: set[str] = set()
        self.refused: set[str] = set()
        self.trades = 0  # that came over it
        self._request_ids = itertools.count(1)
        self._request = 0  # the id of the latest request
        self._answered = trio.Event()
        self._refusal: str | None = None
        self._next_at = trio.current_time()  # when the next request may be sent

    def missing(self, wanted: Iterable[str]) -> list[str]:
        """The symbols to subscribe next: only one after a refusal, to find which symbol is refused."""
        most = 1 if self._refusal else _BATCH
        new = (each for each in wanted if each not in self.active and each not in self.refused)
        return list(islice(new, most))

    def surplus(self, wanted: Container[str]) -> list[str]:
        """The symbols to unsubscribe next."""
        return [each for each in self.active if each not in wanted][:_BATCH]

    async def ask(self, method: str, symbols: Sequence[str]) -> str | None:
        """Send a request when the rate limit allows; returns the exchange's refusal or None.

        Raises Closed, and TooSlowError if no answer comes.
        """
        await trio.sleep_until(self._next_at)
        self._next_at = trio.current_time() + _REQUEST_INTERVAL
        self._request = next(self._request_ids)
        self._answered = trio.Event()
        with trio.fail_after(_SUBSCRIBE_TIMEOUT):
            await self.socket.send(request(self._request, method, [f"{each.lower()}@trade" for each in symbols]))
            await self._answered.wait()
        return self._refusal

    def take_answer(self, frame: MarketFrame) -> None:
        if frame.id == self._request:
            self._refusal = frame.refusal
            self._answered.set()


class SubscriptionSet:
    """The symbols of one connection, and of the next one while both are up."""

    def __init__(
        self,
        url: str,
        connect: Connect,
        refusals: Refusals,
        latest_time: Callable[[], int],
        tape: Tape | None,
    ) -> None:
        self.wanted: dict[str, trio.Event] = {}  # the event: the symbol is active on some socket
        self.connection: Connection | None = None  # the newest
        self._url = url
        self._connect = connect
        self._changed = trio.Event()
        self._sockets: list[_StreamSocket] = []
        self._refusals = refusals
        self._latest_time = latest_time
        self._tape = tape
        self._read_frame = read_market if tape is None else read_whole_market
        self._silence = _SILENCE
        self._sequences: dict[str, TradeSequence] = {}  # while two sockets are up, each trade comes twice

    def want(self, symbol: str) -> None:
        if symbol not in self.wanted:
            self.wanted[symbol] = trio.Event()
            self._notify_changed()

    async def wait_active(self, symbol: str) -> None:
        await self.wanted[symbol].wait()

    def unwatch(self, symbol: str) -> None:
        if self.wanted.pop(symbol, None) is not None:
            for stream in self._sockets:
                stream.refused.discard(symbol)
            self._notify_changed()

    async def run_connection(self, sink: Sink | None, connection: Connection) -> None:
        """Run one connection until it ends; ``keep_connected`` calls this."""
        self.connection = connection
        try:
            async with self._connect(self._url) as socket, trio.open_nursery() as nursery:
                stream = _StreamSocket(socket)
                nursery.start_soon(self._read, stream, sink, connection, nursery.cancel_scope)
                nursery.start_soon(_cancel_when_replaced, connection, nursery.cancel_scope)
                nursery.start_soon(self._end_when_silent, stream, connection)
                try:
                    await self._subscribe(stream, sink, connection)
                except Closed as error:
                    connection.end(str(error))
                except trio.TooSlowError:
                    connection.end("a subscription was not answered")
                nursery.cancel_scope.cancel()
        except ConnectError as error:
            connection.fail(error)
        finally:
            for symbol, active in self.wanted.items():
                if sink is not None and not active.is_set() and connection is self.connection:
                    sink.lost(symbol, connection.reason)

    async def _subscribe(self, stream: _StreamSocket, sink: Sink | None, connection: Connection) -> NoReturn:
        """Subscribe what is wanted and unsubscribe the rest, again after every change."""
        while True:
            self._update_events(sink)
            missing = stream.missing(self.wanted)
            if connection.up_at is None and not missing:
                connection.mark_up()
            if missing:
                refusal = await stream.ask("SUBSCRIBE", missing)
                if refusal is None:
                    stream.active.update(missing)
                elif len(missing) == 1:
                    _log.error("the exchange refuses a stream", symbol=missing[0], why=refusal)
                    stream.refused.update(missing)
                    if sink is not None:
                        sink.lost(missing[0], f"the exchange refuses its stream: {refusal}")
            elif surplus := stream.surplus(self.wanted):
                await stream.ask("UNSUBSCRIBE", surplus)
                stream.active.difference_update(surplus)
            else:
                with trio.move_on_after(_REFUSED_PAUSE if stream.refused else math.inf) as scope:
                    await self._changed.wait()
                if scope.cancelled_caught:
                    stream.refused.clear()

    async def _read(
        self, stream: _StreamSocket, sink: Sink | None, connection: Connection, scope: trio.CancelScope
    ) -> None:
        if not self._sockets:
            self._sequences.clear()  # trade ids start again at 1 after a test exchange was reset
        self._sockets.append(stream)
        try:
            end = await read_frames(stream.socket, partial(self._take, sink, stream, connection))
        finally:
            self._sockets.remove(stream)
            self._update_events(sink)
        connection.end(str(end))
        scope.cancel()

    async def _end_when_silent(self, stream: _StreamSocket, connection: Connection) -> None:
        """Ask for the next connection when this one carries nothing, though its server answers our pings.

        In a market without trades that is needless, and costs nothing: the next one is up before this one closes.
        """
        known = -1
        while not stream.active or stream.trades != known:
            if stream.trades:
                self._silence = _SILENCE
            known = stream.trades
            await trio.sleep(self._silence)
        connection.end(f"no trade for {self._silence} s")
        self._silence = min(self._silence * 2, _LONGEST_SILENCE)

    def _take(self, sink: Sink | None, stream: _StreamSocket, connection: Connection, text: str) -> None:
        frame = self._read_frame(text)
        if isinstance(frame, Garbled):
            self._refusals.add(frame.kind, frame.why)
            return
        trade = frame.data
        if isinstance(trade, MarketTrade):
            stream.trades += 1
            try:
                self._take_trade(sink, trade)
            except ValueError as error:
                self._refusals.add("a public trade", str(error))
        elif frame.shutdown:
            connection.end("the server shuts down")
        elif frame.id is not None:
            stream.take_answer(frame)

    def _take_trade(self, sink: Sink | None, trade: MarketTrade) -> None:
        """Pass a trade on if it is new; raises ValueError if it is not believed."""
        symbol = trade.symbol
        if symbol not in self.wanted:
            return
        price = bounded(parse_price, trade.price, 1)
        time = in_time(trade.time, self._latest_time())
        sequence = self._sequences.get(symbol)
        if sequence is None:
            sequence = self._sequences[symbol] = TradeSequence()
        new = sequence.take(trade.id, time)
        if new is None:
            raise ValueError(f"id {trade.id} of {symbol} does not follow the ids before it")
        if not new:
            return
        if sink is not None:
            sink.trade(symbol, trade.id, price, trade.quantity, time)
        if self._tape is not None and isinstance(trade, WholeTrade):
            self._tape.trade(trade, price)

    def _notify_changed(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _update_events(self, sink: Sink | None) -> None:
        """Set the event of each wanted symbol that is active; replace it if the symbol no longer is.

        The sink is told at both ends: whatever it asked elsewhere in between ended before the trades began.
        """
        for symbol, active in self.wanted.items():
            if any(symbol in stream.active for stream in self._sockets):
                if sink is not None and not active.is_set():
                    sink.lost(symbol, None)
                active.set()
            elif active.is_set():
                self.wanted[symbol] = trio.Event()
                if sink is not None:
                    sink.lost(symbol, "the connection was lost")
                if self._tape is not None:
                    self._tape.lost(symbol)


async def _cancel_when_replaced(connection: Connection, scope: trio.CancelScope) -> None:
    await connection.wait_replaced()
    scope.cancel()
