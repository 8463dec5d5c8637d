"""Public trades of many symbols, over as few connections as the exchange allows.

    watch, unwatch ──> wanted ──difference──> SUBSCRIBE, UNSUBSCRIBE ──acknowledged──> active

Each connection compares what is wanted with what is active on it and asks for the difference, one request at
a time: thus a new connection, a reconnect and a change of mind are one case.
"""

import itertools
import random
from collections.abc import Callable, Container, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import NoReturn

import structlog
import trio

from naived.binance.codec import Garbled, MarketFrame, MarketTrade, read_market, request
from naived.binance.relay import Connect, Leg, attend, relay
from naived.core.amount import AmountError, parse_price
from naived.ports import Sink
from naived.websocket import Closed, Connection

_log = structlog.get_logger(__name__)

_STREAMS = 1024  # on one connection, the most the exchange allows
_BATCH = 200  # names in one request: about 3 kB
_SPACING = 0.5  # seconds between requests: 5 incoming frames a second are allowed, pings and pongs among them
_ACKNOWLEDGED = 10  # seconds for the answer to a subscription


class Streams:
    """The market streams of an exchange; ``run`` keeps them up."""

    def __init__(self, url: str, connect: Connect, jitter: Callable[[], float] = random.random) -> None:
        self._url = url
        self._connect = connect
        self._jitter = jitter
        self._shards: list[_Shard] = []
        self._grown = trio.Event()

    async def run(self, sink: Sink) -> None:
        """Keep a relay of connections for every shard, until cancelled."""
        started = 0
        async with trio.open_nursery() as nursery:
            while True:
                for shard in self._shards[started:]:
                    nursery.start_soon(relay, "streams", partial(shard.run_leg, sink), self._jitter)
                started = len(self._shards)
                await self._grown.wait()

    def want(self, symbol: str) -> "_Shard":
        """Let the symbol's trades flow as soon as they can, also after every reconnect."""
        shard = next((each for each in self._shards if each.wants(symbol)), None) or self._free_shard()
        shard.want(symbol)
        return shard

    async def watch(self, symbol: str) -> None:
        """Want a symbol's trades, and return when they flow."""
        await self.want(symbol).flows(symbol)

    def unwatch(self, symbol: str) -> None:
        for shard in self._shards:
            shard.unwatch(symbol)

    def _free_shard(self) -> "_Shard":
        for shard in self._shards:
            if shard.size < _STREAMS:
                return shard
        shard = _Shard(self._url, self._connect)
        self._shards.append(shard)
        self._grown.set()
        self._grown = trio.Event()
        return shard


class _Line:
    """One connection, and the symbols that are active on it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.active: set[str] = set()
        self.refused: set[str] = set()
        self._numbers = itertools.count(1)
        self._asked = 0
        self._answered = trio.Event()
        self._refusal: str | None = None
        self._next_at = trio.current_time()  # when the next request may go

    def missing(self, wanted: Iterable[str]) -> list[str]:
        """What to subscribe next; after a refusal of many, one at a time."""
        most = 1 if self._refusal else _BATCH
        return list(islice((each for each in wanted if each not in self.active | self.refused), most))

    def surplus(self, wanted: Container[str]) -> list[str]:
        """What to unsubscribe next."""
        return [each for each in self.active if each not in wanted][:_BATCH]

    async def ask(self, method: str, symbols: Sequence[str]) -> str | None:
        """In its time; the exchange's refusal or None. Raises Closed, and TooSlowError without an answer."""
        await trio.sleep_until(self._next_at)
        self._next_at = trio.current_time() + _SPACING
        self._asked = next(self._numbers)
        self._answered = trio.Event()
        with trio.fail_after(_ACKNOWLEDGED):
            await self.connection.send(request(self._asked, method, [f"{each.lower()}@trade" for each in symbols]))
            await self._answered.wait()
        return self._refusal

    def take_answer(self, frame: MarketFrame) -> None:
        if frame.id == self._asked:
            self._refusal = frame.refusal
            self._answered.set()


class _Shard:
    """The symbols of one connection, and of its successor while both are up."""

    def __init__(self, url: str, connect: Connect) -> None:
        self._url = url
        self._connect = connect
        self._wanted: dict[str, trio.Event] = {}  # the event: its trades flow
        self._changed = trio.Event()
        self._lines: list[_Line] = []
        self._last: dict[str, int] = {}  # trade id by symbol: two connections tell each trade twice
        self._garbled = 0

    @property
    def size(self) -> int:
        return len(self._wanted)

    def wants(self, symbol: str) -> bool:
        return symbol in self._wanted

    def want(self, symbol: str) -> None:
        if symbol not in self._wanted:
            self._wanted[symbol] = trio.Event()
            self._change()

    async def flows(self, symbol: str) -> None:
        await self._wanted[symbol].wait()

    def unwatch(self, symbol: str) -> None:
        if self._wanted.pop(symbol, None) is not None:
            self._change()

    async def run_leg(self, sink: Sink, leg: Leg) -> None:
        """One connection's life, for a relay."""
        async with self._connect(self._url) as connection, trio.open_nursery() as nursery:
            line = _Line(connection)
            nursery.start_soon(self._attend, line, sink, leg, nursery.cancel_scope)
            nursery.start_soon(_leave_when_relieved, leg, nursery.cancel_scope)
            try:
                await self._follow(line, leg)
            except Closed as error:
                leg.end(str(error))
            except trio.TooSlowError:
                leg.end("a subscription was not answered")
            nursery.cancel_scope.cancel()

    async def _follow(self, line: _Line, leg: Leg) -> NoReturn:
        """Bring what is active to what is wanted, again after every change."""
        while True:
            self._tell_watchers()
            missing = line.missing(self._wanted)
            if leg.up_at is None and not missing:
                leg.take_over()
            if missing:
                refusal = await line.ask("SUBSCRIBE", missing)
                if refusal is None:
                    line.active.update(missing)
                elif len(missing) == 1:
                    _log.error("the exchange refuses a stream", symbol=missing[0], why=refusal)
                    line.refused.update(missing)
            elif surplus := line.surplus(self._wanted):
                await line.ask("UNSUBSCRIBE", surplus)
                line.active.difference_update(surplus)
            else:
                await self._changed.wait()

    async def _attend(self, line: _Line, sink: Sink, leg: Leg, scope: trio.CancelScope) -> None:
        if not self._lines:
            self._last.clear()  # trade ids start anew when a test exchange was reset
        self._lines.append(line)
        try:
            end = await attend(line.connection, partial(self._take, sink, line, leg))
        finally:
            self._lines.remove(line)
            self._tell_watchers()
        leg.end(str(end))
        scope.cancel()

    def _take(self, sink: Sink, line: _Line, leg: Leg, text: str) -> None:
        frame = read_market(text)
        if isinstance(frame, Garbled):
            self._complain(frame.why)
            return
        trade = frame.data
        if type(trade) is MarketTrade:
            if trade.id <= self._last.get(trade.symbol, -1):
                return
            self._last[trade.symbol] = trade.id
            try:
                price = parse_price(trade.price)
            except AmountError as error:
                self._complain(str(error))
                return
            sink.trade(trade.symbol, trade.id, price, trade.quantity, trade.time)
        elif frame.shutdown:
            leg.end("the server shuts down")
        elif frame.id is not None:
            line.take_answer(frame)

    def _complain(self, why: str) -> None:
        self._garbled += 1
        if self._garbled == 1:
            _log.warning("unreadable frame of a market stream, further ones are only counted", why=why)

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _tell_watchers(self) -> None:
        """A symbol flows while it is active on some line."""
        for symbol, flows in self._wanted.items():
            if any(symbol in line.active for line in self._lines):
                flows.set()
            elif flows.is_set():
                self._wanted[symbol] = trio.Event()


async def _leave_when_relieved(leg: Leg, scope: trio.CancelScope) -> None:
    await leg.serve()
    scope.cancel()
