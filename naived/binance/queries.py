"""What only asks: every question of the port, as Binance's methods answer it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import structlog

from naived.binance.answers import OK, described
from naived.binance.codec import ApiAnswer, Garbled, read_result
from naived.binance.limits import Use
from naived.binance.link import Link
from naived.binance.results import account_of, fees_of, fill_of, report_of, symbol_of
from naived.binance.rows import AccountRow, CommissionRow, ExchangeInfo, OrderRow, TickerPrice, TradeRow
from naived.binance.signing import Param
from naived.core.amount import Price, parse_price
from naived.core.market import SymbolInfo
from naived.core.order import Fill, Report
from naived.core.strategy import Fees
from naived.ports import AccountInfo, ExchangeError, RefusedError

Row = TypeVar("Row")
Value = TypeVar("Value")

_log = structlog.get_logger(__name__)

_ILLEGAL_CHARACTERS = -1100
_INVALID_SYMBOL = -1121
_NO_SUCH_ORDER = -2013
_ARCHIVED = -2026  # ended without a fill and old; was said of new orders by mistake: no evidence but of absence
_BAD_REQUEST = 400
_REQUEST_ISSUES = -1100  # this code and those below are about the request; above are server, network, weight, clock
_KEYS = frozenset({-2014, -2015})

_PAGE = 1000  # rows, the most that a method gives at once
_NAMES = 500  # symbols in one exchangeInfo: its answer is then about 1 MB


class _Refused(RefusedError):
    def __init__(self, why: str, code: int) -> None:
        super().__init__(why)
        self.code = code


def _failed(method: str, answer: ApiAnswer) -> ExchangeError:
    code = answer.error.code if answer.error else None
    why = f"{method}: {described(answer)}"
    if answer.status != _BAD_REQUEST or code is None or code > _REQUEST_ISSUES or code in _KEYS:
        return ExchangeError(why)
    return _Refused(why, code)


class Queries:
    """The part of an ``Exchange`` that changes nothing. Weights are Binance's, of 2026-07."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def server_time(self) -> int:
        """See ``Exchange``."""
        await self._link.slot(Use.QUERY, 1)
        return await self._link.read_time()

    async def order(
        self, symbol: str, *, order_id: int | None = None, client_order_id: str | None = None
    ) -> Report | None:
        """See ``Exchange``."""
        params: dict[str, Param] = {"symbol": symbol}
        if order_id is not None:
            params["orderId"] = order_id
        if client_order_id is not None:
            params["origClientOrderId"] = client_order_id
        try:
            answer = await self._signed("order.status", params, 4)
        except _Refused as error:
            if error.code in (_NO_SUCH_ORDER, _ARCHIVED):
                return None
            raise
        return _read(answer, OrderRow, report_of)

    async def open_orders(self, symbol: str | None = None) -> Sequence[Report]:
        """See ``Exchange``."""
        if symbol is None:
            answer = await self._signed("openOrders.status", {}, 80)
        else:
            answer = await self._signed("openOrders.status", {"symbol": symbol}, 6)
        return list(_readable(_checked(answer, tuple[OrderRow, ...]), report_of))

    async def orders_since(self, symbol: str, since: int) -> Sequence[Report]:
        """See ``Exchange``."""
        found: dict[int, Report] = {}
        while True:
            params: dict[str, Param] = {"symbol": symbol, "startTime": since, "limit": _PAGE}
            page = _read_all(await self._signed("allOrders", params, 20), tuple[OrderRow, ...], report_of)
            found |= {report.order_id: report for report in page}
            if len(page) < _PAGE:
                return list(found.values())
            since = _next_start(since, max(report.time for report in page))

    async def fills(self, symbol: str, *, order_id: int | None = None, since: int | None = None) -> Sequence[Fill]:
        """See ``Exchange``."""
        params: dict[str, Param] = {"symbol": symbol, "limit": _PAGE}
        if order_id is not None:
            params["orderId"] = order_id
        if since is not None:
            params["startTime"] = since
        weight = 20 if order_id is None else 5
        found: dict[tuple[int, int], Fill] = {}
        while True:
            page = _read_all(await self._signed("myTrades", params, weight), tuple[TradeRow, ...], fill_of)
            # The order id is part of the key: both sides of one trade may be ours.
            found |= {(fill.trade_id, fill.order_id): fill for fill in page}
            if len(page) < _PAGE:
                return [found[key] for key in sorted(found)]
            if order_id is not None:
                # Without a beginning it is the newest that are given: a full page may not be the first.
                params["fromId"] = max(fill.trade_id for fill in page) + 1 if "fromId" in params else 0
            else:
                params["startTime"] = since = _next_start(since or 0, max(fill.time for fill in page))

    async def symbols(self, names: Sequence[str]) -> Mapping[str, SymbolInfo]:
        """See ``Exchange``."""
        found: dict[str, SymbolInfo] = {}
        for start in range(0, len(names), _NAMES):
            found |= await self._symbols(names[start : start + _NAMES])
        return found

    async def _symbols(self, names: Sequence[str]) -> Mapping[str, SymbolInfo]:
        params = {"symbols": list(names), "showPermissionSets": False}
        answer = await self._link.ask("exchangeInfo", params, 20)
        if answer.status != OK:
            error = _failed("exchangeInfo", answer)
            if not (isinstance(error, _Refused) and error.code in (_INVALID_SYMBOL, _ILLEGAL_CHARACTERS)):
                raise error
            if len(names) == 1:
                return {}
            # One unknown name spoils the answer for all, and which one is not said: halve until it is alone.
            middle = len(names) // 2
            return {**await self._symbols(names[:middle]), **await self._symbols(names[middle:])}
        info = _checked(answer, ExchangeInfo)
        self._link.limits.learn(info.rate_limits, self._link.clock.now())
        return {each.symbol: each for each in _readable(info.symbols, symbol_of)}

    async def fees(self, symbol: str) -> Fees:
        """See ``Exchange``."""
        answer = await self._signed("account.commission", {"symbol": symbol}, 20)
        return _read(answer, CommissionRow, fees_of)

    async def last_price(self, symbol: str) -> Price | None:
        """See ``Exchange``."""
        answer = await self._link.ask("ticker.price", {"symbol": symbol}, 2)
        if answer.status != OK:
            raise _failed("ticker.price", answer)
        return _read(answer, TickerPrice, lambda row: parse_price(row.price)) or None

    async def account(self) -> AccountInfo:
        """See ``Exchange``."""
        answer = await self._signed("account.status", {"omitZeroBalances": True}, 20)
        return _read(answer, AccountRow, account_of)

    async def _signed(self, method: str, params: Mapping[str, Param], weight: int) -> ApiAnswer:
        answer = await self._link.ask_signed(method, params, weight)
        if answer.status != OK:
            raise _failed(method, answer)
        return answer


def _checked(answer: ApiAnswer, shape: type[Row]) -> Row:
    result = read_result(answer, shape)
    if isinstance(result, Garbled):
        raise RefusedError(f"unreadable answer: {result.why}")
    return result


def _converted(row: Row, convert: Callable[[Row], Value]) -> Value:
    try:
        return convert(row)
    except ValueError as error:
        raise RefusedError(f"unreadable answer: {error}") from error


def _read(answer: ApiAnswer, shape: type[Row], convert: Callable[[Row], Value]) -> Value:
    return _converted(_checked(answer, shape), convert)


def _read_all(answer: ApiAnswer, shape: type[tuple[Row, ...]], convert: Callable[[Row], Value]) -> list[Value]:
    return [_converted(row, convert) for row in _checked(answer, shape)]


def _readable(rows: Iterable[Row], convert: Callable[[Row], Value]) -> Iterator[Value]:
    """What is said of many at once: a row that cannot be read costs the others nothing."""
    for row in rows:
        try:
            yield convert(row)
        except ValueError as error:
            _log.error("unreadable row", row=str(row), why=str(error))


def _next_start(start: int, last: int) -> int:
    """Where the page behind a full one begins; its first rows repeat the last ones."""
    if last <= start:
        raise ExchangeError(f"more than {_PAGE} rows in one millisecond")
    return last
