"""The methods of the WebSocket API: what each takes and weighs, and what runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from naived.simulator import market_data, queries, sessions, trading
from naived.simulator.params import Params, check_names, strings
from naived.simulator.users import Session
from naived.simulator.venue import Venue

_EVERY = frozenset(("returnRateLimits",))
_SIGNED = frozenset(("apiKey", "signature", "timestamp", "recvWindow"))
_ORDER = (
    "symbol side type timeInForce price quantity quoteOrderQty newClientOrderId newOrderRespType strategyId "
    "strategyType selfTradePreventionMode stopPrice trailingDelta icebergQty pegPriceType pegOffsetType "
    "pegOffsetValue"
)  # of these, ``params.new_order`` refuses by name what would make it another order
_IDS = "symbol orderId origClientOrderId"
_SPAN = "startTime endTime limit"


@dataclass(frozen=True, slots=True)
class Method:
    """``free``: has no weight if it succeeds; ``orders``: its answer lists the order limits too.

    ``takes`` names its parameters, apart from those that every method or every signed one has.
    """

    run: Callable[[Venue, Session, Params], Any]
    weight: Callable[[Params], int]
    takes: str = ""
    signed: bool = False
    free: bool = False
    orders: bool = False

    def check_names(self, params: Params) -> None:
        """Raises ApiError -1104 for a parameter that it does not know."""
        check_names(params, _EVERY.union(self.takes.split(), _SIGNED if self.signed else ()))


def _costs(weight: int) -> Callable[[Params], int]:
    return lambda params: weight


def _by_symbol(one: int, many: int) -> Callable[[Params], int]:
    return lambda params: one if "symbol" in params else many


def _by_symbols(params: Params) -> int:
    names = strings(params, "symbols")
    return _by_symbol(2, 40)(params) if names is None else min(2 * len(names), 40)


METHODS = {
    "ping": Method(market_data.ping, _costs(1)),
    "time": Method(market_data.time, _costs(1)),
    "exchangeInfo": Method(
        market_data.exchange_info, _costs(20), "symbol symbols symbolStatus showPermissionSets permissions"
    ),
    "ticker.price": Method(market_data.ticker_price, _by_symbol(2, 4), "symbol symbols symbolStatus"),
    "ticker.book": Method(market_data.ticker_book, _by_symbol(2, 4), "symbol symbols symbolStatus"),
    "avgPrice": Method(market_data.average_price, _costs(2), "symbol"),
    "referencePrice": Method(market_data.reference_price, _costs(2), "symbol"),
    "executionRules": Method(market_data.execution_rules, _by_symbols, "symbol symbols symbolStatus"),
    "trades.recent": Method(market_data.recent_trades, _costs(25), "symbol limit"),
    "trades.historical": Method(market_data.historical_trades, _costs(25), "symbol fromId limit"),
    "trades.aggregate": Method(market_data.aggregate_trades, _costs(4), f"symbol fromId {_SPAN}"),
    "klines": Method(market_data.klines, _costs(2), f"symbol interval timeZone {_SPAN}"),
    "order.place": Method(trading.place, _costs(1), _ORDER, signed=True, free=True, orders=True),
    "order.test": Method(
        trading.test,
        lambda params: 20 if params.get("computeCommissionRates") == "true" else 1,
        f"{_ORDER} computeCommissionRates",
        signed=True,
    ),
    "order.cancel": Method(
        trading.cancel, _costs(1), f"{_IDS} newClientOrderId cancelRestrictions", signed=True, free=True
    ),
    "order.cancelReplace": Method(
        trading.cancel_replace,
        _costs(1),
        f"{_ORDER} cancelReplaceMode cancelOrderId cancelOrigClientOrderId cancelNewClientOrderId "
        "cancelRestrictions orderRateLimitExceededMode",
        signed=True,
        free=True,
        orders=True,
    ),
    "order.amend.keepPriority": Method(
        trading.amend, _costs(4), f"{_IDS} newClientOrderId newQty", signed=True, free=True
    ),
    "openOrders.cancelAll": Method(trading.cancel_all, _costs(1), "symbol", signed=True, free=True),
    "order.status": Method(queries.order_status, _costs(4), _IDS, signed=True),
    "openOrders.status": Method(queries.open_orders, _by_symbol(6, 80), "symbol", signed=True),
    "allOrders": Method(queries.all_orders, _costs(20), f"symbol orderId {_SPAN}", signed=True),
    "myTrades": Method(
        queries.my_trades,
        lambda params: 5 if "orderId" in params else 20,
        f"symbol orderId fromId {_SPAN}",
        signed=True,
    ),
    "order.amendments": Method(
        queries.order_amendments, _costs(4), "symbol orderId fromExecutionId limit", signed=True
    ),
    "account.status": Method(queries.account_status, _costs(20), "omitZeroBalances", signed=True),
    "account.commission": Method(queries.account_commission, _costs(20), "symbol", signed=True),
    "account.rateLimits.orders": Method(queries.order_limits, _costs(40), signed=True),
    "session.logon": Method(sessions.logon, _costs(2), signed=True),
    "session.status": Method(sessions.status, _costs(2)),
    "session.logout": Method(sessions.logout, _costs(2)),
    "userDataStream.subscribe": Method(sessions.subscribe, _costs(2)),
    "userDataStream.subscribe.signature": Method(sessions.subscribe_signed, _costs(2), signed=True),
    "userDataStream.unsubscribe": Method(sessions.unsubscribe, _costs(2), "subscriptionId"),
    "session.subscriptions": Method(sessions.subscriptions, _costs(2)),
}
