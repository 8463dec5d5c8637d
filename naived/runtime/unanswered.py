"""Decides whether the exchange does not answer about one symbol, or does not answer at all.

The reconciler asks about one symbol after the other. If a question fails, only its symbol is blocked. If nothing
was answered for some seconds, or the last question failed, the account is asked for: if that fails too, the
exchange is away.
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio

from naived.ports import Exchange, ExchangeError, RefusedError

_LATELY = 5.0  # seconds: many failures within them cost one question of the account


class Unanswered:
    """Of one comparison: ``reasons`` why a symbol's orders were not read, by symbol.

    ``passing``: some were not answered, as opposed to refused, and may be answered soon.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.reasons: dict[str, str] = {}
        self.passing = False
        self._exchange = exchange
        self._answered_at = -math.inf  # trio's time of the latest answer
        self._doubtful = False  # a question was not answered, and none since

    @asynccontextmanager
    async def about(self, symbol: str) -> AsyncIterator[None]:
        """Ask about this symbol; raises ExchangeError if the account is not answered for either."""
        try:
            yield
        except RefusedError as error:
            self.reasons[symbol] = str(error)
            self._answered()
        except ExchangeError as error:
            self.reasons[symbol] = str(error)
            self.passing = self._doubtful = True
            if trio.current_time() >= self._answered_at + _LATELY:
                await self.confirm()
        else:
            self._answered()

    async def confirm(self) -> None:
        """If the latest question was not answered, ask one of the account; raises ExchangeError."""
        if self._doubtful:
            with suppress(RefusedError):  # that is an answer
                await self._exchange.account()
            self._answered()

    def _answered(self) -> None:
        self._answered_at = trio.current_time()
        self._doubtful = False
