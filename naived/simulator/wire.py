"""Converts orders, fills and balances to the exchange's JSON. Every amount has 8 decimals, times are ms."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, assert_never

from naived.core.amount import SCALE, Rate, format_wire, value_down
from naived.core.orders.intent import Side
from naived.core.orders.report import Fill
from naived.simulator.order import (
    Amendment,
    Balance,
    Event,
    Executed,
    Execution,
    FeeAsset,
    Order,
    OrderType,
    Position,
    Transfer,
)
from naived.simulator.step import Done

Json: TypeAlias = dict[str, Any]

_ZERO = format_wire(0)
_SIDES = {Side.BUY: "BUY", Side.SELL: "SELL"}


def placed(order: Order, fills: Sequence[Fill], shape: str) -> Json:
    """The answer to order.place as ACK, RESULT or FULL."""
    ack = {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.current_id,
        "transactTime": order.updated,
    }
    if shape == "ACK":
        return ack
    result = {**ack, **_terms(order), "workingTime": order.created, **_stp(order)}
    if order.expiry is not None:
        result["expiryReason"] = order.expiry
    if shape == "FULL":
        result["fills"] = [
            {
                "price": format_wire(fill.price),
                "qty": format_wire(fill.quantity),
                "commission": format_wire(fill.fee),
                "commissionAsset": fill.fee_asset,
                "tradeId": fill.trade_id,
            }
            for fill in fills
        ]
    return result


def cancelled(order: Order) -> Json:
    """The answer to order.cancel."""
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.current_id,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.cancel_id,
        "transactTime": order.updated,
        **_terms(order),
        **_stp(order),
    }


def amended(done: Done, original_id: str) -> Json:
    """The answer to order.amend.keepPriority."""
    order = done.order
    return {
        "transactTime": order.updated,
        "executionId": next(event.id for event in done.events if isinstance(event, Executed)),
        "amendedOrder": {
            "symbol": order.symbol,
            "orderId": order.id,
            "orderListId": -1,
            "origClientOrderId": original_id,
            "clientOrderId": order.current_id,
            "price": format_wire(order.price),
            "qty": format_wire(order.quantity),
            "executedQty": format_wire(order.executed),
            "preventedQty": format_wire(order.prevented),
            "quoteOrderQty": format_wire(order.quote_quantity),
            "cumulativeQuoteQty": format_wire(order.quote),
            "status": order.status.value,
            "timeInForce": order.time_in_force.value,
            "type": order.type.value,
            "side": _SIDES[order.side],
            "workingTime": order.created,
            **_strategy(order),
            "selfTradePreventionMode": order.stp_mode.value,
        },
    }


def amendment(known: Amendment) -> Json:
    """One row of order.amendments."""
    return {
        "symbol": known.symbol,
        "orderId": known.order_id,
        "executionId": known.id,
        "origClientOrderId": known.original_id,
        "newClientOrderId": known.new_id,
        "origQty": format_wire(known.original_quantity),
        "newQty": format_wire(known.new_quantity),
        "time": known.time,
    }


def status(order: Order) -> Json:
    """One order in order.status and the lists; the client order id of a cancelled one is its cancel's."""
    row = {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.cancel_id or order.current_id,
        **_terms(order),
        "stopPrice": _ZERO,
        "icebergQty": _ZERO,
        "time": order.created,
        "updateTime": order.updated,
        "isWorking": True,
        "workingTime": order.created,
        **_stp(order),
    }
    if order.expiry is not None:
        row["expiryReason"] = order.expiry
    return row


def _terms(order: Order) -> Json:
    return {
        "price": format_wire(order.price),
        "origQty": format_wire(order.quantity),
        "executedQty": format_wire(order.executed),
        "origQuoteOrderQty": format_wire(order.quote_quantity),
        "cummulativeQuoteQty": format_wire(order.quote),
        "status": order.status.value,
        "timeInForce": order.time_in_force.value,
        "type": order.type.value,
        "side": _SIDES[order.side],
        **_strategy(order),
    }


def _strategy(order: Order) -> Json:
    given = {"strategyId": order.strategy_id, "strategyType": order.strategy_type}
    return {name: value for name, value in given.items() if value is not None}


def _stp(order: Order) -> Json:
    mode = {"selfTradePreventionMode": order.stp_mode.value}
    return {**mode, "preventedQuantity": format_wire(order.prevented)} if order.prevented else mode


def trade(fill: Fill, side: Side) -> Json:
    """One row of myTrades."""
    return {
        "symbol": fill.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": -1,
        "price": format_wire(fill.price),
        "qty": format_wire(fill.quantity),
        "quoteQty": format_wire(fill.quote),
        "commission": format_wire(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.time,
        "isBuyer": side is Side.BUY,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


def account(balances: Mapping[str, Balance], fee: Rate, uid: int, time: int, *, omit_zero: bool) -> Json:
    """The answer to account.status."""
    hundredths_of_percent = fee * 10_000 // SCALE
    return {
        "makerCommission": hundredths_of_percent,
        "takerCommission": hundredths_of_percent,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": _rates(fee),
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": time,
        "accountType": "SPOT",
        "balances": balance_rows(balances, omit_zero=omit_zero),
        "permissions": ["SPOT"],
        "uid": uid,
    }


def balance_rows(balances: Mapping[str, Balance], *, omit_zero: bool) -> list[Json]:
    """The balances of account.status, by asset."""
    return [
        {"asset": asset, "free": format_wire(balance.free), "locked": format_wire(balance.locked)}
        for asset, balance in sorted(balances.items())
        if not omit_zero or balance.free or balance.locked
    ]


def commission(symbol: str, fee: Rate, fee_asset: FeeAsset | None) -> Json:
    """The answer to account.commission: standard rates only, and the asset that gives a discount, if any."""
    return {
        "symbol": symbol,
        "standardCommission": _rates(fee),
        "specialCommission": _rates(Rate(0)),
        "taxCommission": _rates(Rate(0)),
        "discount": _discount(fee_asset),
    }


def order_commission(fee: Rate, fee_asset: FeeAsset | None) -> Json:
    """The answer to order.test with computeCommissionRates."""
    rates = {"maker": format_wire(fee), "taker": format_wire(fee)}
    none = {"maker": _ZERO, "taker": _ZERO}
    return {
        "standardCommissionForOrder": rates,
        "specialCommissionForOrder": none,
        "taxCommissionForOrder": none,
        "discount": _discount(fee_asset),
    }


def _discount(fee_asset: FeeAsset | None) -> Json:
    return {
        "enabledForAccount": fee_asset is not None,
        "enabledForSymbol": fee_asset is not None,
        "discountAsset": fee_asset.asset if fee_asset else "BNB",
        "discount": format_wire(fee_asset.discount) if fee_asset else "0.25000000",
    }


def _rates(fee: Rate) -> Json:
    return {"maker": format_wire(fee), "taker": format_wire(fee), "buyer": _ZERO, "seller": _ZERO}


def event(happened: Event) -> Json:
    """One event of the user data stream."""
    match happened:
        case Executed():
            return _report(happened)
        case Position():
            return {
                "e": "outboundAccountPosition",
                "E": happened.time,
                "u": happened.time,
                "B": [
                    {"a": asset, "f": format_wire(balance.free), "l": format_wire(balance.locked)}
                    for asset, balance in happened.balances
                ],
            }
        case Transfer():
            change = "-" * (happened.change < 0) + format_wire(abs(happened.change))
            return {
                "e": "balanceUpdate",
                "E": happened.time,
                "a": happened.asset,
                "d": change,
                "T": happened.time,
            }
        case _:
            assert_never(happened)


def _report(happened: Executed) -> Json:
    order, fill, prevention = happened.order, happened.fill, happened.prevention
    cancelled = happened.kind is Execution.CANCELED
    report = {
        "e": "executionReport",
        "E": happened.time,
        "s": order.symbol,
        "c": order.cancel_id if cancelled else order.current_id,
        "S": _SIDES[order.side],
        "o": order.type.value,
        "f": order.time_in_force.value,
        "q": format_wire(order.quantity),
        "p": format_wire(order.price),
        "P": _ZERO,
        "F": _ZERO,
        "g": -1,
        "C": order.current_id if cancelled else happened.original_id,
        "x": happened.kind.value,
        "X": order.status.value,
        "r": "NONE",
        "i": order.id,
        "l": format_wire(fill.quantity if fill else 0),
        "z": format_wire(order.executed),
        "L": format_wire(fill.price if fill else 0),
        "n": format_wire(fill.fee) if fill else "0",
        "N": fill.fee_asset if fill else None,
        "T": happened.time,
        "t": fill.trade_id if fill else -1,
        "I": happened.id,
        "w": not order.status.ended and order.type is not OrderType.MARKET,
        "m": fill.maker if fill else False,
        "M": False,
        "O": order.created,
        "Z": format_wire(order.quote),
        "Y": format_wire(fill.quote if fill else 0),
        "Q": format_wire(order.quote_quantity),
        "W": order.created,
        "V": order.stp_mode.value,
    }
    optional = {"eR": order.expiry, "j": order.strategy_id, "J": order.strategy_type}
    report |= {name: value for name, value in optional.items() if value is not None}
    if prevention is not None:
        report |= {
            "v": prevention.id,
            "A": format_wire(order.prevented),
            "B": format_wire(prevention.quantity),
            "u": 1,
            "U": prevention.counter_order_id,
            "Cs": order.symbol,
            "pl": format_wire(prevention.quantity),
            "pL": format_wire(prevention.price),
            "pY": format_wire(value_down(prevention.price, prevention.quantity)),
        }
    return report


_TIMES = frozenset(
    (
        *("serverTime", "time", "updateTime", "workingTime", "transactTime", "closeTime", "timestamp"),
        *("authorizedSince", "connectedSince", "retryAfter", "E", "T", "O", "W"),
    )
)


def in_microseconds(value: Any) -> Any:
    """The same answer or event with its times in microseconds."""
    match value:
        case dict():
            # In this event alone ``u`` is a time.
            times = _TIMES | {"u"} if value.get("e") == "outboundAccountPosition" else _TIMES
            return {
                name: part * 1000 if name in times and isinstance(part, int) else in_microseconds(part)
                for name, part in value.items()
            }
        case list() | tuple():
            return [in_microseconds(part) for part in value]
        case _:
            return value
