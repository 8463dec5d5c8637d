"""Coins that are missing because other symbols paid fees in them, such as BNB of BNBUSDT: a loss, no contradiction.

Asked when coins are counted: by the reconciler at a start, by the account view after a refused sell.
"""

from collections.abc import Iterator, Mapping

import structlog

from naived.core.amount import Quantity
from naived.core.engine import CoinsPaid
from naived.core.strategy.trader_state import Trader, position
from naived.ports import Journal, JournalError
from naived.runtime.symbol_task import Symbol

log = structlog.get_logger()


class FeeLosses:
    """``symbols`` are those of the supervisor."""

    def __init__(self, journal: Journal, symbols: Mapping[str, Symbol]) -> None:
        self._journal = journal
        self._symbols = symbols

    async def booked(self, symbol: Symbol, missing: Quantity) -> bool:
        """Book missing coins of the symbol's base asset, if fees of other symbols, or what it owes, explain them.

        Returns whether none are missing any more.
        """
        base = symbol.engine.leader.info.base
        names = [other.name for other in self._symbols.values() if _has(other, base)]
        before = owned(self._symbols, symbol)
        since = min((trader.started_at for _, trader in owners(self._symbols, symbol)), default=0)
        try:
            paid = await self._journal.fees_paid(base, names, since)
        except JournalError as error:
            log.warning("fees not counted", symbol=symbol.name, error=str(error))
            return False
        # Another symbol with this base asset may have booked the same coins meanwhile.
        missing = Quantity(missing - max(0, before - owned(self._symbols, symbol)))
        if missing > paid - symbol.engine.leader.owed.quantity:
            return False
        if missing > 0:
            symbol.offer(CoinsPaid(missing))
        return True


def owned(symbols: Mapping[str, Symbol], symbol: Symbol) -> Quantity:
    """What the traders of all symbols with the same base asset have of it."""
    return Quantity(sum(position(trader).quantity for _, trader in owners(symbols, symbol)))


def owners(symbols: Mapping[str, Symbol], symbol: Symbol) -> Iterator[tuple[Symbol, Trader]]:
    """The traders of all symbols with the same base asset, as far as their rows can be read.

    What others hold is not known, so that no coins are called missing for it.
    """
    for other in symbols.values():
        if other.unread is None and other.engine.leader.info.base == symbol.engine.leader.info.base:
            for trader in other.engine.leader.traders:
                yield other, trader


def _has(symbol: Symbol, asset: str) -> bool:
    """Is it base or quote, so that a fee in it is part of the symbol's own books?

    While its rules are not read, its name decides: at worst coins are called missing that were paid.
    """
    info = symbol.engine.leader.info
    return asset in (info.base, info.quote) if info.base else asset in symbol.name
