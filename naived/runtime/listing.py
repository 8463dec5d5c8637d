"""A cache of the exchange's data about symbols, for questions of control clients.

A script that asks in a loop, or for many names that do not exist, must not use up the request weight that queries
of unknown orders need.
"""

from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

import structlog
import trio

from naived.core.amount import Price
from naived.core.market import SymbolInfo
from naived.core.strategy.formulas import Fees
from naived.ports import AccountInfo, ExchangeError, Queries, RefusedError, UnreadableError
from naived.runtime.account_view import at_least
from naived.runtime.batcher import Batcher

log = structlog.get_logger(__name__)
T = TypeVar("T")

_FRESH = 60.0  # seconds; symbols that trade do not use this cache
_MOST_FEES = 5  # symbols asked for their own, per minute: a sixtieth of Binance's weight
_MOST_UNKNOWN = 60  # names not listed, per minute: a fifth of Binance's weight


class UnknownNamesError(Exception):
    """Too many names were not listed in the last minute: no further name is requested."""


class _Cache(Generic[T]):
    """Answers by name, the oldest first, dropped after ``_FRESH``."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[float, T]] = OrderedDict()

    async def get_or_ask(self, name: str, ask: Callable[[], Awaitable[T]]) -> T:
        """The cached answer, or that of ``ask``, which is then cached."""
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

    def __init__(self, exchange: Queries) -> None:
        self._infos: _Cache[SymbolInfo | None] = _Cache()
        self._fees: _Cache[Fees] = _Cache()
        self._own_fees = exchange.fees
        self._fees_asked: deque[float] = deque(maxlen=_MOST_FEES)
        self._together: Batcher[str, Mapping[str, SymbolInfo | RefusedError]] = Batcher(
            lambda names: exchange.symbols(names)
        )
        self._prices = Batcher(exchange.last_prices)
        self._listed: set[str] = set()
        self._unknown: deque[float] = deque(maxlen=_MOST_UNKNOWN)
        self._account = Batcher[str, AccountInfo](lambda _: exchange.account())

    async def info(self, name: str) -> SymbolInfo | None:
        """The rules of a symbol, None if it is not listed; raises UnknownNamesError, but not if it ever was."""
        return await self._infos.get_or_ask(name, lambda: self._ask(name))

    async def _ask(self, name: str) -> SymbolInfo | None:
        many = len(self._unknown) == _MOST_UNKNOWN and self._unknown[0] + _FRESH > trio.current_time()
        if many and name not in self._listed:
            raise UnknownNamesError(f"{_MOST_UNKNOWN} names in a minute were not listed")
        found = (await self._together.ask(name)).get(name)
        if isinstance(found, RefusedError):
            raise found
        if found is None:
            self._unknown.append(trio.current_time())
        else:
            self._listed.add(name)
        return found

    async def fees(self, name: str) -> Fees:
        """The commission rates of a symbol; of many in a minute, or if it is not told, those of the account."""
        return await self._fees.get_or_ask(name, lambda: self._ask_fees(name))

    async def _ask_fees(self, name: str) -> Fees:
        now = trio.current_time()
        if len(self._fees_asked) < _MOST_FEES or self._fees_asked[0] + _FRESH <= now:
            self._fees_asked.append(now)
            try:
                return await self._own_fees(name)
            except UnreadableError:
                raise  # with such fees nothing is bought
            except ExchangeError as error:
                log.warning("fees not read", symbol=name, error=str(error))
        return await self._fees.get_or_ask("", self._ask_account)

    async def _ask_account(self) -> Fees:
        return at_least((await self._account.ask("")).fees)

    async def last_price(self, name: str) -> Price | None:
        """The price of the last public trade, if there was any."""
        return (await self._prices.ask(name)).get(name)
