"""The queries of the port ``Exchange`` about orders and their fills."""

from collections.abc import Sequence
from functools import partial

from naived.binance.mapping import AmendmentRow, OrderRow, TradeRow, fill_of, report_of
from naived.binance.prices import Prices
from naived.binance.session import RequestRefused
from naived.binance.signing import Param
from naived.core.orders.report import Fill, Report
from naived.ports import ExchangeError, RefusedError

_NO_SUCH_ORDER = (
    -2013,  # does not exist
    -2026,  # old, ended without a fill; also sent for new orders by mistake, so it means no more than -2013
)

_OPEN_ORDERS_WEIGHT = 6  # for one symbol
_ALL_OPEN_ORDERS_WEIGHT = 80  # for all symbols at once
_PAGE = 1000  # rows: the most in one answer


class OrderQueries(Prices):
    """Source of the weights: Binance's documentation, 2026-07."""

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
            answer = await self._client.ask_signed("order.status", params, 4)
        except RequestRefused as error:
            if error.code in _NO_SUCH_ORDER:
                return None
            raise
        return self._reader.one(answer, "an order", OrderRow, partial(report_of, until=self._reader.until))

    async def open_orders(self, symbol: str | None = None) -> Sequence[Report]:
        """See ``Exchange``."""
        params = {} if symbol is None else {"symbol": symbol}
        weight = _ALL_OPEN_ORDERS_WEIGHT if symbol is None else _OPEN_ORDERS_WEIGHT
        answer = await self._client.ask_signed("openOrders.status", params, weight)
        return self._reader.orders(answer, "an open order").values

    @property
    def bulk_open_orders_from(self) -> int:
        """See ``Exchange``. A request for all symbols weighs 80, for one symbol 6."""
        return _ALL_OPEN_ORDERS_WEIGHT // _OPEN_ORDERS_WEIGHT + 1

    async def orders_since(self, symbol: str, since: int) -> Sequence[Report]:
        """See ``Exchange``. A row that cannot be read is an error: what is not in the list is held for absent."""
        found: dict[int, Report] = {}
        while True:
            params: dict[str, Param] = {"symbol": symbol, "startTime": since, "limit": _PAGE}
            answer = await self._client.ask_signed("allOrders", params, 20)
            page = self._reader.orders(answer, "an order")
            if page.unreadable is not None:
                raise RefusedError(page.unreadable)
            found |= {report.order_id: report for report in page.values}
            if page.total < _PAGE:
                return list(found.values())
            since = _next_start(since, max(report.time for report in page.values))

    async def earlier_ids(self, symbol: str, order_id: int) -> Sequence[str]:
        """See ``Exchange``. The exchange allows ten amendments of an order: one page has them all."""
        answer = await self._client.ask_signed("order.amendments", {"symbol": symbol, "orderId": order_id}, 4)
        page = self._reader.rows(answer, "an amendment", AmendmentRow, lambda row: row.earlier_id)
        if page.unreadable is not None:
            raise RefusedError(page.unreadable)
        return page.values

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
            answer = await self._client.ask_signed("myTrades", params, weight)
            convert = partial(fill_of, until=self._reader.until, order_id=order_id)
            page = self._reader.rows(answer, "a fill", TradeRow, convert)
            if page.unreadable is not None and (order_id is None or not page.values):
                raise RefusedError(page.unreadable)  # what is not in the list of all fills is held for absent
            # The order id is part of the key: both orders of one trade may be ours.
            found |= {(fill.trade_id, fill.order_id): fill for fill in page.values}
            if page.total < _PAGE:
                return [found[key] for key in sorted(found)]
            if order_id is not None:
                # Without ``fromId`` the answer has the newest fills: after a full page, start again at the oldest.
                params["fromId"] = max(fill.trade_id for fill in page.values) + 1 if "fromId" in params else 0
            else:
                params["startTime"] = since = _next_start(since or 0, max(fill.time for fill in page.values))


def _next_start(start: int, last: int) -> int:
    """The start time (ms) of the page after a full one, whose last rows it repeats; raises ExchangeError."""
    if last <= start:
        raise ExchangeError(f"more than {_PAGE} rows in one millisecond")
    return last
