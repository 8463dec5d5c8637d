"""Symbols of other nodes, as far as they concern coins: those that have a base asset in common with ours, and those
whose base asset one of ours pays with.

Each is a `Symbol` that nobody steps, made from the shared journal, so that whoever counts the coins of an account
counts theirs as well. They are read every few seconds, and again before coins are counted: once for all that count
at the same time, and never by a reading that began before they asked. Between two readings a symbol that this node
gave away stays as it was, and what a report tells of another node's buy counts as its coins. A symbol of which a
row cannot be read stays, as ``unread``: it keeps others from spending what it may hold, and from nothing else.
"""

from collections.abc import Callable, Mapping, Sequence

import structlog
import trio
from msgspec.structs import replace

from naived.core.amount import Quantity
from naived.core.market import SymbolInfo
from naived.core.orders.intent import Side
from naived.core.orders.report import Report
from naived.nodes import Cluster, Unread
from naived.ports import ExchangeError, JournalError, SymbolRecord
from naived.runtime.batcher import Batcher
from naived.runtime.price_gate import PriceGate
from naived.runtime.symbol_task import Context, Symbol, blank

_EVERY = 5.0  # seconds between two readings
_AT_ONCE = 20  # symbols that are made before others have a turn: some ms

log = structlog.get_logger()


class Elsewhere:
    """``ours`` are the symbols of this node; ``symbols`` are those of others.

    ``recount`` is called when these were read. ``named``: all symbols that were ours or of which a report told.
    """

    def __init__(
        self,
        cluster: Cluster,
        ours: Mapping[str, Symbol],
        make: Callable[[SymbolRecord], Symbol],
        recount: Callable[[], None] = lambda: None,
    ) -> None:
        self.symbols: dict[str, Symbol] = {}
        self.named: set[str] = set()
        self._cluster = cluster
        self._ours = ours
        self._make = make
        self._recount = recount
        self._heard: dict[tuple[str, str], tuple[int, Quantity]] = {}  # by symbol and order: number, coins
        self._reports = 0
        self._made: dict[str, tuple[SymbolRecord, Symbol]] = {}  # from what each was made
        self._reading = Batcher[None, bool](lambda _: self._read())

    def keep(self, symbol: Symbol) -> None:
        """It was ours until now: it counts as it is until it is read."""
        self.named.add(symbol.name)
        self.symbols[symbol.name] = symbol
        self._recount()

    def heard(self, report: Report) -> None:
        """Take in what became of another node's order. Its row was written before it: the next reading finds it."""
        self.named.add(report.symbol)
        if report.side is Side.BUY:
            self._reports += 1
            coins = report.executed if report.status.ended else report.quantity
            self._heard[report.symbol, report.client_order_id] = self._reports, coins

    def coming(self, asset: str) -> Quantity:
        """Coins of this asset that other nodes' buys, reported since the last reading, may have brought.

        The base asset is known by the symbol's name alone: at worst a buy waits for the next reading.
        """
        heard = self._heard.items()
        return Quantity(sum(quantity for (name, _), (_, quantity) in heard if name.startswith(asset)))

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
        await self._reading.ask(None)

    async def _read(self) -> bool:
        infos = [symbol.engine.leader.info for symbol in self._ours.values()]
        assets = {asset for info in infos for asset in (info.base, info.quote) if asset}
        ours, reports = set(self._ours), self._reports
        try:
            records = await self._cluster.others(assets, ours) if assets else ()
        except JournalError as error:
            raise ExchangeError(f"the symbols of other nodes were not read: {error}") from error
        made = await self._shadows(records)
        given = {name: self.symbols[name] for name in ours - self._ours.keys() if name in self.symbols}
        self.symbols.clear()
        self.symbols.update(given | made)
        self._heard = {key: each for key, each in self._heard.items() if each[0] > reports}
        self._recount()
        return True

    async def _shadows(self, records: Sequence[SymbolRecord | Unread]) -> dict[str, Symbol]:
        """A symbol for each. Nobody steps it, so that it serves for as long as its rows are the same."""
        made: dict[str, tuple[SymbolRecord, Symbol]] = {}
        fresh = 0
        for record in records:
            kept = self._made.get(record.symbol)
            if isinstance(record, Unread):
                kept = kept or (blank(record.symbol), self._make(blank(record.symbol)))
                if kept[1].unread is None:
                    log.warning("a symbol of another node cannot be read", symbol=record.symbol, error=record.why)
                kept[1].unread = record.why
            elif kept is None or kept[1].unread is not None or kept[0] != record:
                kept = record, self._make(record)
                fresh += 1
                if fresh % _AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()
            made[record.symbol] = kept
        self._made = made
        return {name: symbol for name, (_, symbol) in made.items()}


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
