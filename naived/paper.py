"""Paper trading: the public trades of a real exchange, and orders that our simulator fills.

When a symbol's rules are requested, the simulator lists the symbol with the real exchange's rules. From then on it
publishes the real exchange's trades, whether or not the symbol is watched, so that the resting orders of a stopped
symbol fill as they would there. Everything else is the Binance adapter, connected to the simulator.
"""

import math
import random
from collections.abc import Mapping, Sequence

import structlog
import trio

from naived.binance.connection import Connect
from naived.binance.endpoint import Endpoint, simulator
from naived.binance.exchange import BinanceExchange
from naived.binance.public import PublicCandles, symbol_rows
from naived.binance.signing import Credentials
from naived.binance.streams import Streams
from naived.core.amount import AmountError, Price, parse_quantity
from naived.core.market import SymbolInfo
from naived.core.orders.report import Report
from naived.core.recent_high import Candle
from naived.ports import Balance, RefusedError, Sink
from naived.simulator.errors import SimulatorError
from naived.simulator.server import Simulation
from naived.websocket import connect as connect_websocket

_FRESH = 60  # seconds: a start requests the same rules three times, and the exchange limits connections

log = structlog.get_logger()


class PaperExchange(BinanceExchange):
    """Implements ``Exchange`` over a running simulation; prices and rules come from ``source``."""

    def __init__(
        self,
        simulation: Simulation,
        source: Endpoint,
        credentials: Credentials,
        *,
        connect: Connect = connect_websocket,
    ) -> None:
        super().__init__(simulator(simulation.url), credentials, connect=connect)
        self._simulation = simulation
        self._source = source
        self._source_trades = Streams(
            source.stream_url, connect, random.random, self._refusals, lambda: self._clock.latest_time
        )
        self._candles = PublicCandles(source.api_url, connect)
        self._listed_at: dict[str, float] = {}  # trio's time, by symbol

    async def run(self, sink: Sink) -> None:
        """See ``Exchange``."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._source_trades.run, _TradeSink(self._simulation, sink))
            nursery.start_soon(super().run, sink)

    async def symbols(self, names: Sequence[str]) -> Mapping[str, SymbolInfo | RefusedError]:
        """See ``Exchange``."""
        oldest = trio.current_time() - _FRESH
        stale = [name for name in names if self._listed_at.get(name, -math.inf) <= oldest]
        unlisted = set(stale) - await self._list(stale)
        return await super().symbols([name for name in names if name not in unlisted])

    async def candles(self, symbol: str, span: int) -> Sequence[Candle]:
        """See ``Exchange``."""
        return await self._candles.ask(symbol, span, self.now())

    async def _list(self, names: Sequence[str]) -> set[str]:
        """List symbols in the simulator by their present rules; returns those that can be; raises ExchangeError."""
        listed: set[str] = set()
        if not names:
            return listed
        rows = await symbol_rows(self._source.api_url, names, self._connect)
        for name, row in rows.items():
            try:
                self._simulation.list(row)
            except SimulatorError as error:
                log.error("the simulator cannot trade a symbol", symbol=name, why=str(error))
                continue
            self._listed_at[name] = trio.current_time()
            self._source_trades.want(name)
            listed.add(name)
        return listed


class _TradeSink:
    """Publishes the source's trades in the simulator. The source has none of our orders, so it reports none."""

    def __init__(self, simulation: Simulation, sink: Sink) -> None:
        self._simulation = simulation
        self._sink = sink

    def trade(self, symbol: str, trade_id: int, price: Price, quantity: str, time: int) -> None:
        try:
            parsed = parse_quantity(quantity)
        except AmountError as error:
            log.warning("unreadable trade", symbol=symbol, why=str(error))
            return
        self._simulation.publish(symbol, price, parsed)

    def lost(self, symbol: str, why: str | None) -> None:
        self._sink.lost(symbol, why)

    def report(self, report: Report) -> None: ...

    def balances(self, balances: Mapping[str, Balance], time: int) -> None: ...

    def opened(self) -> None: ...

    def closed(self, reason: str) -> None: ...
