"""What trading a symbol costs, and when that is asked for.

The exchange tells fees for one symbol at a time, at a fifth of a percent of a minute's request weight: 500 symbols
that begin together would wait for minutes. Traders remember the fees that they reckon with. So a symbol that has
traders goes on by what they remember, and is asked for today's at leisure; one that has none waits for them.
"""

import structlog
import trio

from naived.core.strategy import Fees
from naived.ports import Exchange, ExchangeError
from naived.runtime.symbol import Symbol

_LEISURE = 1.0  # seconds between two questions: a fifth of the request weight, so that orders and cancels have room

log = structlog.get_logger()


class FeeReader:
    """``of`` answers at once where it can; ``run`` asks for what ``of`` did not."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._due: dict[str, Symbol] = {}
        self._wanted = trio.Event()

    async def of(self, symbol: Symbol) -> Fees:
        """The fees to trade this symbol by; raises ExchangeError."""
        leader = symbol.book.leader
        if not leader.traders:
            return await self._exchange.fees(symbol.name)
        self._due[symbol.name] = symbol
        self._wanted.set()
        return leader.fees if symbol.informed else leader.traders[-1].terms.fees

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted = trio.Event()
            while self._due:
                await trio.sleep(_LEISURE)
                name = next(iter(self._due))
                await self._read(self._due.pop(name))

    async def _read(self, symbol: Symbol) -> None:
        with symbol.contained():
            try:
                symbol.inform(symbol.book.leader.info, await self._exchange.fees(symbol.name))
            except ExchangeError as error:
                log.warning("fees not read", symbol=symbol.name, error=str(error))
                self._due.setdefault(symbol.name, symbol)
