"""Paper trading: public prices of a real exchange, orders filled by our own simulator.

The simulator lists a symbol by the real exchange's rules when it is first asked for, and prints the real exchange's
trades; everything else is the one adapter, pointed at the simulator.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import trio

from naived.binance.endpoint import Endpoint, simulator
from naived.binance.exchange import BinanceExchange
from naived.binance.public import symbol_row
from naived.binance.signing import Credentials
from naived.binance.streams import Streams
from naived.core.amount import Price, parse_quantity
from naived.core.market import SymbolInfo
from naived.core.order import Report
from naived.ports import Sink
from naived.simulator.server import Simulation
from naived.websocket import connect


class PaperExchange(BinanceExchange):
    """Implements ``Exchange`` over a running simulation, with ``source`` as where prices and rules come from."""

    def __init__(self, simulation: Simulation, source: Endpoint, who: Credentials) -> None:
        super().__init__(simulator(simulation.url), who)
        self._simulation = simulation
        self._source = source
        self._prices = Streams(source.stream_url, connect)

    async def run(self, sink: Sink) -> None:
        """See ``Exchange``."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._prices.run, _Prints(self._simulation))
            nursery.start_soon(partial(super().run, sink))

    async def symbols(self, names: Sequence[str]) -> Mapping[str, SymbolInfo]:
        """See ``Exchange``."""
        listed = []
        for name in names:
            row = await symbol_row(self._source.api_url, name, connect)
            if row is not None:
                self._simulation.list(row)
                listed.append(name)
        return await super().symbols(listed)

    async def watch(self, symbol: str) -> None:
        """See ``Exchange``."""
        await self._prices.watch(symbol)
        await super().watch(symbol)

    async def unwatch(self, symbol: str) -> None:
        """See ``Exchange``."""
        self._prices.unwatch(symbol)
        await super().unwatch(symbol)


class _Prints:
    """The simulator as a sink of public trades; the source has no orders of ours."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def trade(self, symbol: str, trade_id: int, price: Price, quantity: str, time: int) -> None:
        self._simulation.publish(symbol, price, parse_quantity(quantity))

    def report(self, report: Report) -> None: ...

    def opened(self) -> None: ...

    def closed(self, reason: str) -> None: ...
