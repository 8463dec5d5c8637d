"""Symbols of other nodes, as far as they concern coins: those that have a base asset in common with ours, and those
whose base asset one of ours pays with.

Each is a `Symbol` that nobody steps, made from the shared journal, so that whoever counts the coins of an account
counts theirs as well. They are read every few seconds, and again before coins are counted.
"""

from collections.abc import Callable, Mapping

import structlog
import trio
from msgspec.structs import replace

from naived.core.market import SymbolInfo
from naived.nodes import Cluster
from naived.ports import ExchangeError, JournalError, SymbolRecord
from naived.runtime.price_gate import PriceGate
from naived.runtime.symbol_task import Context, Symbol

_EVERY = 5.0  # seconds between two readings

log = structlog.get_logger()


class Elsewhere:
    """``ours`` are the symbols of this node; ``symbols`` are those of others.

    ``recount`` is called when these were read.
    """

    def __init__(
        self,
        cluster: Cluster,
        ours: Mapping[str, Symbol],
        make: Callable[[SymbolRecord], Symbol],
        recount: Callable[[], None] = lambda: None,
    ) -> None:
        self.symbols: dict[str, Symbol] = {}
        self._cluster = cluster
        self._ours = ours
        self._make = make
        self._recount = recount

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                await self.read()
            except ExchangeError as error:
                log.warning("symbols of other nodes not read", error=str(error))
            await trio.sleep(_EVERY)

    async def read(self) -> None:
        """Read them now; raises ExchangeError, as whoever counts coins has to ask again."""
        infos = [symbol.engine.leader.info for symbol in self._ours.values()]
        assets = {asset for info in infos for asset in (info.base, info.quote) if asset}
        try:
            records = await self._cluster.others(assets, self._ours.keys()) if assets else ()
        except JournalError as error:
            raise ExchangeError(f"the symbols of other nodes were not read: {error}") from error
        self.symbols.clear()
        self.symbols.update({record.symbol: self._make(record) for record in records})
        self._recount()


def shadow(record: SymbolRecord, context: Context) -> Symbol:
    """A symbol of another node: it has what the journal has, and nothing can be done with it."""
    symbol = Symbol(record, context, PriceGate())
    symbol.gone = True
    symbol.queue.drop()
    leader, quote = symbol.engine.leader, record.exposure.quote
    if quote:
        rules = leader.info.filters
        info = SymbolInfo(record.symbol, record.symbol.removesuffix(quote), quote, False, "ELSEWHERE", rules)
        symbol.engine = replace(symbol.engine, leader=replace(leader, info=info))
    return symbol
