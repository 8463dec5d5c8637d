"""The send queue of a connection, the subscribers of market streams, and the requests of a stream connection.

The queue is bounded: a slow reader loses its connection instead of using up memory.
"""

import itertools
from collections.abc import Callable, Container, Iterable
from math import inf
from typing import Any

import msgspec
import trio

from naived.simulator.market_wire import aggregate_trade, book_ticker, public_trade
from naived.simulator.order import BookTop, PublicTrade
from naived.simulator.params import legal_id
from naived.simulator.wire import Json, in_microseconds
from naived.websocket import Closed, WebSocket

# Frames of about 200 bytes for a trade: 2 MB, and far more than any burst of a tape.
CAPACITY = 10_000
_FEEDS = ("trade", "aggTrade", "bookTicker")
NO_STREAM = "Invalid request: invalid stream"
_MOST_STREAMS = 1024  # per connection
_DRAIN_TIMEOUT = 5.0  # seconds that a reader may delay a tape that is played as fast as readers receive
_DRAIN_POLL = 0.001  # seconds between two checks of a crowded reader


class Outbox:
    """The frames for one connection: ``send`` queues them without waiting, ``run`` sends them in order."""

    def __init__(self) -> None:
        self._put, self._get = trio.open_memory_channel[str](CAPACITY)
        self._dropped = trio.Event()
        self._paused_until = -inf  # on trio's clock

    @property
    def crowded(self) -> bool:
        """Is the queue more than half full, so that the tape has to wait for the reader?"""
        return not self._dropped.is_set() and self._put.statistics().current_buffer_used > CAPACITY // 2

    def send(self, frame: str) -> None:
        """Queue one frame; if the queue is full, the connection is dropped."""
        try:
            self._put.send_nowait(frame)
        except trio.WouldBlock:
            self.drop()

    def pause(self, seconds: float) -> None:
        """Send nothing for a while; frames are queued meanwhile."""
        self._paused_until = trio.current_time() + seconds

    def drop(self) -> None:
        """Give the connection up; what is queued is lost."""
        self._dropped.set()

    async def dropped(self) -> None:
        """Wait until the connection is given up."""
        await self._dropped.wait()

    async def run(self, connection: WebSocket) -> None:
        """Send until cancelled or the connection is closed."""
        try:
            async for frame in self._get:
                if trio.current_time() < self._paused_until:
                    await trio.sleep_until(self._paused_until)
                await connection.send(frame)
        except Closed:
            self.drop()


class Subscriber:
    """One stream connection: its streams, whether its frames are ``combined`` or raw, and its unit of time."""

    def __init__(self, outbox: Outbox, *, combined: bool, micro: bool = False) -> None:
        self.outbox = outbox
        self.combined = combined
        self.micro = micro
        self.streams: dict[str, None] = {}  # in the order of subscription


class Streams:
    """All stream connections, by stream."""

    def __init__(self) -> None:
        self._by_stream: dict[str, dict[Subscriber, None]] = {}
        self._quotes = itertools.count(1)

    def subscribe(self, subscriber: Subscriber, names: Iterable[str]) -> bool:
        """Add streams; subscribing twice is allowed. False, and nothing is added, if they would be too many."""
        new = dict.fromkeys(names)
        if len(subscriber.streams | new) > _MOST_STREAMS:
            return False
        for name in new:
            subscriber.streams[name] = None
            self._by_stream.setdefault(name, {})[subscriber] = None
        return True

    def unsubscribe(self, subscriber: Subscriber, names: Iterable[str]) -> None:
        """Remove streams; unknown names are ignored."""
        for name in names:
            if name in subscriber.streams:
                del subscriber.streams[name]
                listeners = self._by_stream[name]
                del listeners[subscriber]
                if not listeners:
                    del self._by_stream[name]

    def forget(self, symbol: str) -> None:
        """End every subscription to a symbol: it was delisted."""
        for name in [name for name in self._by_stream if name.partition("@")[0] == symbol.lower()]:
            for subscriber in list(self._by_stream.get(name, ())):
                self.unsubscribe(subscriber, [name])

    def publish(self, trade: PublicTrade) -> None:
        """Send one trade to its subscribers."""
        symbol = trade.symbol.lower()
        self._send(f"{symbol}@trade", lambda: public_trade(trade))
        self._send(f"{symbol}@aggTrade", lambda: aggregate_trade(trade))

    def quoted(self, symbol: str) -> bool:
        """Does anybody listen to the best bid and ask of a symbol?"""
        return f"{symbol.lower()}@bookTicker" in self._by_stream

    def publish_quote(self, symbol: str, top: BookTop) -> None:
        """Send the best bid and ask of a symbol to its subscribers."""
        number = next(self._quotes)
        self._send(f"{symbol.lower()}@bookTicker", lambda: book_ticker(symbol, number, top))

    def _send(self, name: str, event: Callable[[], Json]) -> None:
        """Send one event to the subscribers of a stream; it is encoded once for each kind of them."""
        frames: dict[tuple[bool, bool], str] = {}
        for subscriber in self._by_stream.get(name, ()):
            kind = subscriber.combined, subscriber.micro
            frame = frames.get(kind)
            if frame is None:
                told = in_microseconds(event()) if subscriber.micro else event()
                raw = msgspec.json.encode(told).decode()
                frame = frames[kind] = f'{{"stream":"{name}","data":{raw}}}' if subscriber.combined else raw
            subscriber.outbox.send(frame)

    async def drain(self) -> None:
        """Wait until no reader is crowded; one that still is after the timeout is dropped."""
        deadline = trio.current_time() + _DRAIN_TIMEOUT
        while crowded := [s for listeners in self._by_stream.values() for s in listeners if s.outbox.crowded]:
            if trio.current_time() > deadline:
                for subscriber in crowded:
                    subscriber.outbox.drop()
                return
            await trio.sleep(_DRAIN_POLL)


def fed(name: str, symbols: Container[str]) -> bool:
    """Is it a stream that is published: one of our kinds, of a listed symbol in lower case?"""
    symbol, _, kind = name.partition("@")
    return kind in _FEEDS and symbol == symbol.lower() and symbol.upper() in symbols


def answer(streams: Streams, subscriber: Subscriber, text: str, symbols: Container[str]) -> str:
    """Run one request of a stream connection; returns the answer's frame. ``symbols`` are those listed."""
    try:
        request = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        return stream_error(3, f"Invalid JSON: {error}", None)
    if not isinstance(request, dict) or "method" not in request:
        return stream_error(2, "Invalid request: missing field `method`", None)
    number, params = request.get("id"), request.get("params", [])
    if not legal_id(number):
        return stream_error(2, "Invalid request: request ID must be an unsigned integer", None)
    if not isinstance(params, list):
        return stream_error(2, "Invalid request: params must be a list", number)
    match request["method"], params:
        case "SUBSCRIBE" | "UNSUBSCRIBE" as method, names:
            if not names or not all(isinstance(name, str) and "@" in name for name in names):
                return stream_error(2, NO_STREAM, number)
            if method == "UNSUBSCRIBE":
                streams.unsubscribe(subscriber, names)
            elif not all(fed(name, symbols) for name in names):
                return stream_error(2, NO_STREAM, number)
            elif not streams.subscribe(subscriber, names):
                return stream_error(2, f"Invalid request: more than {_MOST_STREAMS} streams", number)
            return _result(None, number)
        case "LIST_SUBSCRIPTIONS", _:
            return _result(list(subscriber.streams), number)
        case "SET_PROPERTY", ["combined", bool(wanted)]:
            subscriber.combined = wanted
            return _result(None, number)
        case "SET_PROPERTY", ["combined", _]:
            return stream_error(1, "Invalid value type: expected Boolean", number)
        case "GET_PROPERTY", ["combined"]:
            return _result(subscriber.combined, number)
        case "SET_PROPERTY" | "GET_PROPERTY", _:
            return stream_error(0, "Unknown property", number)
        case unknown, _:
            return stream_error(2, f"Invalid request: unknown variant `{unknown}`", number)


def method_of(text: str) -> str | None:
    """The method of a request of a stream connection; None if it cannot be read."""
    try:
        request = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    method = request.get("method") if isinstance(request, dict) else None
    return method if isinstance(method, str) else None


def _result(result: Any, number: Any) -> str:
    return msgspec.json.encode({"result": result, "id": number}).decode()


def stream_error(code: int, message: str, number: Any) -> str:
    """The frame of an error on a stream connection."""
    return msgspec.json.encode({"code": code, "msg": message, "id": number}).decode()
