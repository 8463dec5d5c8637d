"""What the exchange says of symbols, remembered for a while.

Whoever asks often, a loop in a script or a list of names that do not exist, must not use up the request weight
with which unknown orders are looked for.
"""

from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import trio

from naived.core.amount import Price
from naived.core.market import SymbolInfo
from naived.core.strategy.formulas import Fees
from naived.ports import Exchange

T = TypeVar("T")

_FRESH = 60.0  # seconds; what trades is told apart from this when its rules change
_MOST_UNKNOWN = 60  # names a minute that turn out not to be listed: a fifth of Binance's weight
_AT_ONCE = 8  # questions: of a long list of unknown names no more are asked than may turn out so


class UnknownNamesError(Exception):
    """So many names were not listed lately that another one is not asked for."""


class _Memory(Generic[T]):
    """Answers by name, the oldest first, forgotten when they are stale."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[float, T]] = OrderedDict()

    async def recall(self, name: str, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer, asked for only if it is not known."""
        now = trio.current_time()
        while self._known and next(iter(self._known.values()))[0] + _FRESH <= now:
            self._known.popitem(last=False)
        if name not in self._known:
            answer = await ask()
            self._known[name] = trio.current_time(), answer
            self._known.move_to_end(name)
        return self._known[name][1]


class Listing:
    """Symbols of one exchange. Raises ExchangeError as the exchange does."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._infos: _Memory[SymbolInfo | None] = _Memory()
        self._fees: _Memory[Fees] = _Memory()
        self._listed: set[str] = set()
        self._unknown: deque[float] = deque(maxlen=_MOST_UNKNOWN)
        self._turns = trio.CapacityLimiter(_AT_ONCE)

    async def info(self, name: str) -> SymbolInfo | None:
        """The rules of a symbol, None if it is not listed; raises UnknownNamesError unless it ever was."""
        return await self._infos.recall(name, lambda: self._ask(name))

    async def _ask(self, name: str) -> SymbolInfo | None:
        async with self._turns:
            many = len(self._unknown) == _MOST_UNKNOWN and self._unknown[0] + _FRESH > trio.current_time()
            if many and name not in self._listed:
                raise UnknownNamesError(f"{_MOST_UNKNOWN} names in a minute were not listed")
            found = (await self._exchange.symbols([name])).get(name)
            if found is None:
                self._unknown.append(trio.current_time())
            else:
                self._listed.add(name)
            return found

    async def fees(self, name: str) -> Fees:
        """What trading a listed symbol costs."""
        return await self._fees.recall(name, lambda: self._exchange.fees(name))

    async def last_price(self, name: str) -> Price | None:
        """The price of the last public trade, if there was any."""
        return await self._exchange.last_price(name)
