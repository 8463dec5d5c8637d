"""Reads request parameters. Clients send numbers and booleans as JSON values or as text."""

import re
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

import msgspec

from naived.core.amount import AmountError, Money, Price, Quantity, parse_money, parse_price, parse_quantity
from naived.core.orders.intent import Side
from naived.simulator.errors import ApiError, invalid, missing
from naived.simulator.order import NewOrder, OrderType, StpMode, TimeInForce

Params: TypeAlias = Mapping[str, str]

SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
CLIENT_ID = re.compile(r"[a-zA-Z0-9-_]{1,36}")
_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
MICROSECONDS_FROM = 10**14  # a time from here on is in microseconds: in milliseconds it is the year 5138
_LEAST_STRATEGY_TYPE = 1_000_000  # smaller ones are the exchange's own
_LONGEST_ID = 36  # characters
_LONGEST_INTEGER = 18  # digits: they fit SQLite's integers
# Parameters that Binance has and the simulator has not: refused, because without them it is a different order.
_NOT_SUPPORTED = (
    "icebergQty",
    "stopPrice",
    "trailingDelta",
    "pegPriceType",
    "pegOffsetType",
    "pegOffsetValue",
)


def check_names(params: Params, known: Collection[str]) -> None:
    """Raises ApiError -1104 for a parameter that is not known."""
    read = sum(name in known for name in params)
    if read < len(params):
        text = f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{len(params)}'."
        raise ApiError(-1104, text)


def flat(values: Mapping[str, Any]) -> dict[str, str]:
    """Every value as the text that is signed, without nulls. Numbers with a point must be text already."""
    return {name: _text(value) for name, value in values.items() if value is not None}


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case _:
            return msgspec.json.encode(value).decode()


def required(params: Params, name: str) -> str:
    """Raises ApiError -1102 if it is missing or empty."""
    value = params.get(name)
    if not value:
        raise missing(name)
    return value


def integer(params: Params, name: str, *, most: int | None = None) -> int | None:
    """Raises ApiError -1100 or -1130."""
    value = params.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()) or len(value) > _LONGEST_INTEGER:
        raise illegal(name, f"^[0-9]{{1,{_LONGEST_INTEGER}}}$")
    number = int(value)
    if most is not None and not 1 <= number <= most:
        raise invalid(name)
    return number


def moment(params: Params, name: str) -> int | None:
    """A time in milliseconds, which may be sent in microseconds; raises ApiError -1100."""
    number = integer(params, name)
    return number // 1000 if number is not None and number >= MICROSECONDS_FROM else number


def order_ids(
    params: Params, by_id: str = "orderId", by_name: str = "origClientOrderId"
) -> tuple[int | None, str | None]:
    """The ids that name an order, at least one; raises ApiError -1102 or -1100."""
    order_id, original = integer(params, by_id), params.get(by_name)
    if order_id is None and original is None:
        raise ApiError(-1102, f"Param '{by_name}' or '{by_id}' must be sent, but both were empty/null!")
    return order_id, original


def flag(params: Params, name: str, default: bool) -> bool:
    """Raises ApiError -1130 if it is neither true nor false."""
    value = params.get(name)
    if value is None:
        return default
    if value not in ("true", "false"):
        raise invalid(name)
    return value == "true"


def strings(params: Params, name: str) -> list[str] | None:
    """A JSON list of strings, which may itself have been sent as text; raises ApiError -1100."""
    value = params.get(name)
    if value is None:
        return None
    try:
        return msgspec.json.decode(value, type=list[str])
    except msgspec.DecodeError as error:
        raise illegal(name, '^\\["[A-Z0-9]{1,20}"(,"[A-Z0-9]{1,20}")*\\]$') from error


def illegal(name: str, pattern: str) -> ApiError:
    return ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{pattern}'.")


def client_id(params: Params, name: str, fallback: str) -> str:
    """Raises ApiError -1100 if it is not a legal client order id."""
    value = params.get(name) or fallback
    if not CLIENT_ID.fullmatch(value):
        raise illegal(name, "^[a-zA-Z0-9-_]{1,36}$")
    return value


def decimal(params: Params, name: str, *, zero: bool = False) -> str:
    """The text of a decimal of at most 8 places, positive unless it may be ``zero``.

    Raises ApiError -1100, -1102, -1111 or -1013.
    """
    value = required(params, name)
    if not _DECIMAL.fullmatch(value):
        raise illegal(name, r"^([0-9]{1,20})(\.[0-9]{1,20})?$")
    try:
        if not parse_price(value) and not zero:
            raise ApiError(-1013, f"Invalid {name}.")
    except AmountError as error:
        raise ApiError(-1111, f"Parameter '{name}' has too much precision.") from error
    return value


def new_order(params: Params, fallback_id: str, stp_default: str) -> NewOrder:
    """The order in the parameters of order.place or order.test; raises ApiError -11xx."""
    for name in _NOT_SUPPORTED:
        if name in params:
            raise ApiError(-1106, f"Parameter '{name}' sent when not required.")
    side = word(params, "side", SIDES, -1117, "Invalid side.")
    kind = word(params, "type", {t.value: t for t in OrderType}, -1116, "Invalid orderType.")
    price, quote, time_in_force = Price(0), Money(0), TimeInForce.GTC
    if kind is OrderType.MARKET:
        _refuse(params, "price", "timeInForce")
        if "quoteOrderQty" in params:
            _refuse(params, "quantity")
            quote = parse_money(decimal(params, "quoteOrderQty"))
    else:
        _refuse(params, "quoteOrderQty")
        price = parse_price(decimal(params, "price"))
    if kind is OrderType.LIMIT:
        words = {t.value: t for t in TimeInForce}
        time_in_force = word(params, "timeInForce", words, -1115, "Invalid timeInForce.")
    elif kind is OrderType.LIMIT_MAKER:
        _refuse(params, "timeInForce")
    modes = {mode.value: mode for mode in StpMode}
    strategy_type = integer(params, "strategyType")
    if strategy_type is not None and strategy_type < _LEAST_STRATEGY_TYPE:
        raise ApiError(-1134, f"Strategy type was less than {_LEAST_STRATEGY_TYPE}.")
    return NewOrder(
        symbol=required(params, "symbol"),
        side=side,
        type=kind,
        time_in_force=time_in_force,
        price=price,
        quantity=Quantity(0) if quote else parse_quantity(decimal(params, "quantity")),
        quote_quantity=quote,
        client_order_id=client_id(params, "newClientOrderId", fallback_id),
        stp_mode=word(
            {"selfTradePreventionMode": stp_default, **params},
            "selfTradePreventionMode",
            modes,
            -1130,
            "Data sent for parameter 'selfTradePreventionMode' is not valid.",
        ),
        strategy_id=integer(params, "strategyId"),
        strategy_type=strategy_type,
    )


def _refuse(params: Params, *names: str) -> None:
    for name in names:
        if name in params:
            raise ApiError(-1106, f"Parameter '{name}' sent when not required.")


def word(params: Params, name: str, words: Mapping[str, Any], code: int, message: str) -> Any:
    """What a word means; raises ApiError -1102 if it is missing, ``code`` if it is not one of ``words``."""
    word = required(params, name)
    if word not in words:
        raise ApiError(code, message)
    return words[word]


def legal_id(number: Any) -> bool:
    """Is it a legal id of a request: null, a 64-bit integer or at most 36 characters?"""
    match number:
        case bool():
            return False
        case int():
            return -(2**63) <= number < 2**63
        case str():
            return len(number) <= _LONGEST_ID
        case _:
            return number is None
