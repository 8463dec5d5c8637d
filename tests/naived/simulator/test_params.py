from typing import Any

import pytest

from naived.core.amount import parse_money, parse_price, parse_quantity
from naived.core.orders.intent import Side
from naived.simulator.errors import ApiError
from naived.simulator.order import OrderType, StpMode, TimeInForce
from naived.simulator.params import client_id, flag, flat, integer, legal_id, new_order, required, strings

LIMIT = {
    "symbol": "ETHUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "price": "2683.53",
    "quantity": "0.0745",
}


def refused(params: dict[str, Any]) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        new_order(flat(params), "fallback", "EXPIRE_MAKER")
    return caught.value.code, caught.value.message


def test_values_may_be_json_or_text() -> None:
    sent = {"recvWindow": 5000, "omit": True, "no": False, "symbols": ["A", "B"], "gone": None, "text": "x"}
    assert flat(sent) == {
        "recvWindow": "5000",
        "omit": "true",
        "no": "false",
        "symbols": '["A","B"]',
        "text": "x",
    }
    assert strings({"symbols": '["ETHUSDT"]'}, "symbols") == ["ETHUSDT"]
    assert strings({}, "symbols") is None
    assert (integer({"n": "7"}, "n"), integer({}, "n")) == (7, None)
    assert (flag({"f": "true"}, "f", False), flag({}, "f", True)) == (True, True)
    assert required({"s": "x"}, "s") == "x"
    assert client_id({}, "newClientOrderId", "made-up") == "made-up"


def test_an_order_is_read_whole() -> None:
    order = new_order({**LIMIT, "newClientOrderId": "n1test-abc"}, "fallback", "EXPIRE_MAKER")
    assert (order.side, order.type, order.time_in_force) == (Side.BUY, OrderType.LIMIT, TimeInForce.GTC)
    assert (order.price, order.quantity) == (parse_price("2683.53"), parse_quantity("0.0745"))
    assert (order.client_order_id, order.stp_mode) == ("n1test-abc", StpMode.EXPIRE_MAKER)


@pytest.mark.parametrize("price", ["1000", "1000.0", "1000.000000000", 1000])
def test_a_price_may_have_any_width(price: object) -> None:
    assert new_order(flat({**LIMIT, "price": price}), "id", "NONE").price == parse_price("1000")


def test_a_market_order_says_a_quantity_or_what_to_spend() -> None:
    terms = {"symbol": "ETHUSDT", "side": "SELL", "type": "MARKET"}
    assert new_order({**terms, "quantity": "1"}, "id", "NONE").quantity == parse_quantity("1")
    assert new_order({**terms, "quoteOrderQty": "100"}, "id", "NONE").quote_quantity == parse_money("100")


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"symbol": ""}, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
        ({"price": None}, -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
        ({"quantity": None}, -1102, "Mandatory parameter 'quantity' was not sent, was empty/null, or malformed."),
        (
            {"timeInForce": None},
            -1102,
            "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed.",
        ),
        ({"price": "1.123456789"}, -1111, "Parameter 'price' has too much precision."),
        ({"price": "-1"}, -1100, None),
        ({"price": "1e3"}, -1100, None),
        ({"price": "0"}, -1013, "Invalid price."),
        ({"quantity": "0.0"}, -1013, "Invalid quantity."),
        ({"side": "buy"}, -1117, "Invalid side."),
        ({"type": "STOP_LOSS"}, -1116, "Invalid orderType."),
        ({"timeInForce": "DAY"}, -1115, "Invalid timeInForce."),
        ({"selfTradePreventionMode": "ALWAYS"}, -1130, None),
        ({"stopPrice": "1"}, -1106, "Parameter 'stopPrice' sent when not required."),
        ({"type": "LIMIT_MAKER"}, -1106, "Parameter 'timeInForce' sent when not required."),
        ({"type": "MARKET", "timeInForce": None}, -1106, "Parameter 'price' sent when not required."),
        ({"quoteOrderQty": "1"}, -1106, "Parameter 'quoteOrderQty' sent when not required."),
        ({"newClientOrderId": "x" * 37}, -1100, None),
        ({"newClientOrderId": "a.b"}, -1100, None),
    ],
)
def test_what_is_malformed_is_refused_in_binances_words(
    change: dict[str, Any], code: int, text: str | None
) -> None:
    got = refused({**LIMIT, **change})
    assert got[0] == code
    assert text in (None, got[1])


@pytest.mark.parametrize(
    ("read", "value", "code"),
    [
        (integer, "1.5", -1100),
        (integer, "9" * 19, -1100),
        (integer, "-1", -1100),
        (strings, "ETHUSDT", -1100),
        (strings, "[1]", -1100),
    ],
)
def test_a_wrong_kind_of_value_is_refused(read: Any, value: str, code: int) -> None:
    with pytest.raises(ApiError) as caught:
        read({"x": value}, "x")
    assert caught.value.code == code


def test_a_limit_is_within_its_range_and_a_flag_is_one() -> None:
    for value in ("0", "1001"):
        with pytest.raises(ApiError, match="-1130"):
            integer({"limit": value}, "limit", most=1000)
    with pytest.raises(ApiError, match="-1130"):
        flag({"f": "yes"}, "f", False)


@pytest.mark.parametrize(
    ("number", "legal"),
    [
        (None, True),
        (7, True),
        (-(2**63), True),
        (2**63, False),
        (True, False),
        ("e2a85d9f-07a5-4f94-8d5f-789dc3deb097", True),
        ("x" * 37, False),
        ([], False),
    ],
)
def test_a_request_is_called_by_a_number_a_short_text_or_null(number: object, legal: bool) -> None:
    assert legal_id(number) is legal
