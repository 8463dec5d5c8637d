"""The simulator as a server: one port, three kinds of connection, one task per tape.

simulate
├ serve           /ws-api/v3 requests and user data · /stream, /ws market streams
├ one per tape    publishes its trades at their times
└ later           calls that a fault or ``tail`` delayed
"""

import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import trio

from naived.core.amount import Amount, Price, Quantity, Rate, parse_amount, parse_rate
from naived.simulator.api import converse, mute, refused
from naived.simulator.errors import ApiError, SimulatorError
from naived.simulator.exchange import Exchange
from naived.simulator.faults import STREAM, Switchboard
from naived.simulator.ledger import Ledger
from naived.simulator.limits import Limits
from naived.simulator.options import Options, read_options
from naived.simulator.signing import read_key
from naived.simulator.streams import NO_STREAM, Outbox, Streams, Subscriber, answer, fed, method_of, stream_error
from naived.simulator.symbols import Listing, built_in_prices, listing, load
from naived.simulator.tape import Pace, TapeTrade, read, walk
from naived.simulator.users import Users
from naived.simulator.venue import Venue
from naived.websocket import Closed, WebSocket, serve

_PER_SECOND = 5  # messages that a stream connection may send
_SEEDS = 2**64  # more than anybody has
_UIDS = 10**9  # account numbers are below this


def _default_balances() -> Mapping[str, Amount]:
    return {"USDT": parse_amount("100000")}


@dataclass(frozen=True, slots=True)
class SimulatorConfig:
    """What a simulator publishes and enforces.

    ``tapes`` are files by symbol, ``walks`` are the start prices of random walks by symbol. Without either, every
    built-in symbol has a walk, unless the program feeds the trades (``fed``). ``speed`` None is as fast as the
    readers receive. ``exchange_info`` is an exchangeInfo answer or a file of one; None is the built-in list.
    ``balances`` are used for a new ledger; ``ledger`` None is a ledger in memory.
    """

    tapes: Mapping[str, Path] = field(default_factory=dict)
    walks: Mapping[str, Price] = field(default_factory=dict)
    fed: bool = False
    seed: int = 0
    speed: Fraction | None = Fraction(1)
    loop: bool = False
    hold: bool = False
    exchange_info: Path | Mapping[str, Any] | None = None
    balances: Mapping[str, Amount] = field(default_factory=_default_balances)
    fee: Rate = parse_rate("0.001")
    ledger: Path | None = None
    no_limits: bool = False
    api_key: str | None = None
    api_secret: str | None = None
    api_public_key: str | None = None


class Simulation:
    """A running simulator, as the program around it uses it."""

    def __init__(self, venue: Venue, url: str) -> None:
        self._venue = venue
        self.url = url
        """``ws://HOST:PORT``: the WebSocket API at ``/ws-api/v3``, streams at ``/stream`` and ``/ws``."""

    def publish(self, symbol: str, price: Price, quantity: Quantity, *, buyer_is_maker: bool = False) -> None:
        """Match and publish one public trade, even while held; none of a delisted symbol. Raises ApiError -1121."""
        if symbol in self._venue.exchange.altered_rules and symbol not in self._venue.exchange.markets:
            return
        self._venue.play(symbol, price, quantity, buyer_is_maker=buyer_is_maker)

    def list(self, row: Mapping[str, Any]) -> None:
        """Add a symbol or replace its rules, from a row of an exchangeInfo answer. Raises SimulatorError."""
        self._venue.exchange.list(_listing(row))


async def simulate(
    config: SimulatorConfig,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    listen: Callable[..., Awaitable[None]] = serve,
    engine: Callable[..., Exchange] = Exchange,
    tail: Callable[[str], float] = lambda method: 0.0,
    task_status: trio.TaskStatus[Simulation] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a simulator until cancelled; ``started`` gives the Simulation. Raises SimulatorError.

    ``clock`` is the exchange's time in ms; ``listen`` accepts connections, ``engine`` makes the matching engine.
    ``tail``: see ``Venue``.
    """
    listings, limit_rows = load(config.exchange_info)
    key = read_key(config.api_key, config.api_secret, config.api_public_key)
    tapes = _tapes(config, listings)
    with closing(Ledger(config.ledger, 1 + secrets.randbelow(_UIDS), config.balances)) as ledger:
        # After a restart the ids that it makes are other ones than before: every id in use came with a report.
        reports = sum(counters.executions for counters in ledger.counters().values())
        random = Random(config.seed + reports * _SEEDS)
        async with trio.open_nursery() as nursery:

            def later(seconds: float, call: Callable[[], None]) -> None:
                nursery.start_soon(_call_after, seconds, call)

            faults = Switchboard(random, ledger.consumed)
            venue = Venue(
                exchange=engine(
                    listings,
                    ledger,
                    config.fee,
                    clock=clock,
                    partly=lambda symbol: faults.take(("partial_fills",), symbol=symbol) is not None,
                ),
                limit_rows=limit_rows,
                limits=Limits(limit_rows, enforced=not config.no_limits),
                key=key,
                faults=faults,
                users=Users(faults, later),
                streams=Streams(),
                pace=Pace(config.speed, held=config.hold),
                random=random,
                clock=clock,
                later=later,
                tail=tail,
            )
            connected = partial(_connected, venue, not config.no_limits)
            bound = await nursery.start(listen, connected, host, port)
            for symbol, tape in tapes.items():
                nursery.start_soon(venue.pace.run, tape, partial(_publish, venue, symbol), venue.streams.drain)
            name = f"[{host}]" if ":" in host else host  # the form of an IPv6 address in a URL
            task_status.started(Simulation(venue, f"ws://{name}:{bound}"))


def _tapes(config: SimulatorConfig, listings: Mapping[str, Listing]) -> dict[str, Iterator[TapeTrade]]:
    walks = config.walks
    if not (config.tapes or walks or config.fed):
        walks = {symbol: price for symbol, price in built_in_prices().items() if symbol in listings}
    for symbol in (*config.tapes, *walks):
        if symbol not in listings:
            raise SimulatorError(f"{symbol} is not a symbol of this exchange")
    if twice := config.tapes.keys() & walks.keys():
        raise SimulatorError(f"{min(twice)} has both a tape and a random walk")
    for path in config.tapes.values():
        with closing(read(path)) as tape:
            next(tape)
    tapes = {symbol: read(path, loop=config.loop) for symbol, path in config.tapes.items()}
    filters = {symbol: listings[symbol].info.filters for symbol in walks}
    return tapes | {symbol: walk(symbol, price, filters[symbol], config.seed) for symbol, price in walks.items()}


def _publish(venue: Venue, symbol: str, trade: TapeTrade) -> None:
    """Publish a trade of a tape; a market that is closed or delisted has none."""
    market = venue.exchange.markets.get(symbol)
    if market is None or not market.listing.info.trading:
        return
    venue.play(symbol, trade.price, trade.quantity, buyer_is_maker=trade.buyer_is_maker)


def _listing(row: Mapping[str, Any]) -> Listing:
    try:
        return listing(row)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise SimulatorError(f"not a symbol of an exchangeInfo answer: {error!r}") from error


async def _call_after(seconds: float, call: Callable[[], None]) -> None:
    await trio.sleep(seconds)
    call()


async def _connected(venue: Venue, limited: bool, connection: WebSocket) -> None:
    """Serve one connection, of the kind that its path names, until it ends."""
    path = connection.target.partition("?")[0]
    api = path.rstrip("/") == "/ws-api/v3"
    if not (api or path.strip("/").split("/")[0] in ("ws", "stream")):
        return
    outbox = Outbox()
    try:
        options = await _options(venue, connection, api=api)
        if options is None:
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outbox.run, connection)
            nursery.start_soon(_end_when_dropped, outbox, nursery.cancel_scope)
            if api:
                await _as_api(venue, connection, outbox, options)
            else:
                await _as_stream(venue, connection, outbox, options, limited=limited)
            nursery.cancel_scope.cancel()
    except* Closed:
        pass


async def _options(venue: Venue, connection: WebSocket, *, api: bool) -> Options | None:
    """What the connection asks for; None if this exchange does not do it, and then the error was sent."""
    try:
        options = read_options(connection.target)
    except ApiError as error:
        await connection.send(refused(error) if api else stream_error(error.code, error.message, None))
        return None
    if not api and not all(fed(name, venue.exchange.markets) for name in options.streams):
        await connection.send(stream_error(2, NO_STREAM, None))
        return None
    return options


async def _end_when_dropped(outbox: Outbox, scope: trio.CancelScope) -> None:
    await outbox.dropped()
    scope.cancel()


async def _as_api(venue: Venue, connection: WebSocket, outbox: Outbox, options: Options) -> None:
    venue.shutdown_frames[outbox] = lambda: _shutdown(venue, '{{"event":{}}}', options)
    try:
        await converse(venue, connection, outbox, options)
    finally:
        del venue.shutdown_frames[outbox]


async def _as_stream(
    venue: Venue, connection: WebSocket, outbox: Outbox, options: Options, *, limited: bool
) -> None:
    subscriber = Subscriber(outbox, combined=options.combined, micro=options.micro)
    wrap = '{{"stream":"!serverShutdown","data":{}}}'
    venue.shutdown_frames[outbox] = lambda: _shutdown(venue, wrap if subscriber.combined else "{}", options)
    second, received = 0, 0
    try:
        if not venue.limits.connect(venue.clock()):
            return
        if not venue.streams.subscribe(subscriber, options.streams):
            return
        async with trio.open_nursery() as nursery:
            while True:
                text = await connection.receive()
                now = venue.clock() // 1000
                second, received = (second, received + 1) if now == second else (now, 1)
                fault = venue.faults.take(STREAM, method=method_of(text), named=True)
                kind = fault.kind if fault else None
                if kind == "disconnect" or (limited and received > _PER_SECOND):
                    nursery.cancel_scope.cancel()
                    return
                if kind == "silence":
                    await nursery.start(mute, connection, outbox, fault)
                if kind == "request_lost":
                    continue
                reply = answer(venue.streams, subscriber, text, venue.exchange.markets)
                if kind != "reply_lost":
                    outbox.send(reply)
    finally:
        venue.streams.unsubscribe(subscriber, list(subscriber.streams))
        del venue.shutdown_frames[outbox]


def _shutdown(venue: Venue, wrap: str, options: Options) -> str:
    event = {"e": "serverShutdown", "E": venue.clock() * (1000 if options.micro else 1)}
    return wrap.format(msgspec.json.encode(event).decode())
