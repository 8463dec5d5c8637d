import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naived.control.methods import METHODS
from naived.control.protocol import Code, ControlError, encode_request
from naived.control.requests import Request, decode_request, is_symbol


def decoded(method, **params):
    _, request = decode_request(encode_request(1, method, params)[:-1], METHODS)
    return request


def refused(line):
    request_id, error = decode_request(line, METHODS)
    assert isinstance(error, ControlError)
    return request_id, error.code


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"limit": 5}, {"limit": 5, "since": None, "after": None, "symbols": ()}),
        ({"since": "1970-01-01T00:00:01.5Z"}, {"limit": None, "since": 1500, "after": None, "symbols": ()}),
        ({"since": "1970-01-01T01:00:00+01:00"}, {"limit": None, "since": 0, "after": None, "symbols": ()}),
        (
            {"symbols": ["b", "a", "B"], "after": 0},
            {"limit": None, "since": None, "after": 0, "symbols": ("B", "A")},
        ),
    ],
)
def test_parameters_are_parsed_and_completed(params, expected):
    assert decoded("orders", **params) == Request(1, "orders", expected)


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [("500ms", 0.5), ("5s", 5.0), ("2m", 120.0), ("1h", 3600.0), ("0s", 0.0), ("none", None)],
)
def test_timeouts_are_durations_or_none(timeout, seconds):
    assert decoded("stop", all=True, timeout=timeout).params["timeout"] == seconds


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("start", {}),
        ("start", {"symbols": []}),
        ("start", {"symbols": ["A"], "all": True}),
        ("start", {"symbols": "A"}),
        ("start", {"symbols": [1]}),
        ("start", {"symbols": ["A"], "budgte": "5"}),
        ("start", {"symbols": ["A"], "budget": 5}),
        ("start", {"symbols": ["A"], "budget": 5.5}),
        ("start", {"symbols": ["A"], "budget": ""}),
        ("start", {"symbols": ["A"], "budget": "9" * 65}),
        ("start", {"symbols": ["A"], "request_id": "a\x00b"}),
        ("resolve", {"symbols": ["A"], "client_order_id": "\x1b[2J", "action": "adopt"}),
        ("status", {"symbols": ["A"] * 2_001}),
        ("start", {"symbols": ["A"], "chunks": "5"}),
        ("start", {"symbols": ["A"], "chunks": True}),
        ("start", {"symbols": ["A"], "chunks": 0}),
        ("start", {"symbols": ["A"], "wait": 1}),
        ("start", {"symbols": ["A"], "timeout": "5"}),
        ("start", {"symbols": ["A"], "timeout": "-5s"}),
        ("start", {"symbols": ["A"], "timeout": "1.5s"}),
        ("stop", {"symbols": ["A"], "cancel": "some"}),
        ("stop", {"symbols": ["A"], "cancel": ["all"]}),
        ("shutdown", {"all": False}),
        ("settings", {"budget": "5"}),
        ("settings", {"symbols": ["A"], "all": True}),
        ("orders", {"limit": 0}),
        ("orders", {"since": "2026-11-22T07:00:00"}),
        ("orders", {"since": "yesterday"}),
        ("orders", {"after": 2**53}),
        ("events", {"after_seq": 5}),
        ("events", {"follow": True, "since": "2026-11-22T07:00:00Z"}),
        ("wait", {"symbols": ["A"]}),
        ("wait", {"for": "off"}),
        ("wait", {"symbols": ["A"], "for": "on"}),
        ("resolve", {"symbols": ["A"], "action": "adopt"}),
        ("resolve", {"symbols": ["A"], "all": True}),
        ("resolve", {"symbols": ["A", "B"], "all": True, "action": "adopt"}),
        ("resolve", {"symbols": ["A"], "all": True, "client_order_id": "n1", "action": "adopt"}),
        ("status", {"all": True}),
    ],
)
def test_wrong_parameters_are_refused(method, params):
    error = decoded(method, **params)
    assert isinstance(error, ControlError)
    assert error.code is Code.INVALID_PARAMS


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("settings", {}),
        ("settings", {"symbols": ["A"]}),
        ("settings", {"all": True, "budget": "5"}),
        ("resolve", {"symbols": ["A"], "all": True, "action": "ignore"}),
        ("resolve", {"symbols": ["A"], "client_order_id": "n1", "action": "adopt"}),
        ("events", {"follow": True, "after_seq": 5}),
        ("wait", {"all": True, "for": "drained"}),
    ],
)
def test_right_combinations_are_taken(method, params):
    assert isinstance(decoded(method, **params), Request)


@pytest.mark.parametrize(
    "symbol",
    [
        "",
        "A B",
        "A" * 33,
        "\x1b[2J",
        "ETH\u202eUSDT",
        "A\x9b",
        "A\n",
        "A\u00a0",
        "\u200b",
        "ETHU\u017fDT",
        "\uff21",
    ],
)
def test_what_cannot_be_a_symbol_is_told_from_one_and_spoils_no_request(symbol):
    assert not is_symbol(symbol)
    assert decoded("status", symbols=["ETHUSDT", symbol]).params == {"symbols": ("ETHUSDT", symbol)}
    assert decoded("start", symbols=["ETHUSDT", symbol], all=True).code is Code.INVALID_PARAMS


@pytest.mark.parametrize("symbol", ["ETHUSDT", "1000SATSUSDT", "\u5e01\u5b89\u4eba\u751fUSDT", "A" * 32])
def test_what_may_be_a_symbol(symbol):
    assert is_symbol(symbol)


def test_only_a_to_z_have_an_upper_case():
    assert decoded("status", symbols=["ethusdt", "b\u0131fi", "\u5e01usdt"]).params == {
        "symbols": ("ETHUSDT", "B\u0131FI", "\u5e01USDT")
    }


def test_a_message_about_an_outside_text_cannot_move_a_cursor():
    for request in (decoded("start", **{"\x1b[2J": 1}), decoded("\x1b[2J")):
        assert isinstance(request, ControlError)
        assert request.message.isprintable()


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"status","method":"stop"}',
        b'{"jsonrpc":"2.0","id":1,"method":"orders","params":{"limit":NaN}}',
        b'{"jsonrpc":"2.0","id":1,"method":"orders","params":{"limit":-Infinity}}',
        b'{"jsonrpc":"2.0","id":%s,"method":"status"}' % (b"9" * 5000),
        rb'{"jsonrpc":"2.0","id":"\ud800","method":"status"}',
        b'{"jsonrpc":"2.0","id":1,"method":"status"} {}',
        b'{"jsonrpc":"2.0","id":1,"method":"sta\xfftus"}',
        b'{"jsonrpc":"2.0","id":1,"params":' + b"[" * 50_000,
    ],
)
def test_what_is_not_strict_json_is_a_parse_error(line):
    assert refused(line) == (None, Code.PARSE_ERROR)


@pytest.mark.parametrize("request_id", [None, True, 1.5, 2**53, -(2**53), [], {}, "x" * 65])
def test_an_id_is_a_whole_number_or_a_short_text(request_id):
    line = json.dumps({"jsonrpc": "2.0", "id": request_id, "method": "status"}).encode()
    assert refused(line) == (None, Code.INVALID_REQUEST)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"jsonrpc": "1.0", "method": "status"}, Code.INVALID_REQUEST),
        ({"method": "status"}, Code.INVALID_REQUEST),
        ({"jsonrpc": "2.0", "method": "status", "extra": 1}, Code.INVALID_REQUEST),
        ({"jsonrpc": "2.0", "method": 1}, Code.INVALID_REQUEST),
        ({"jsonrpc": "2.0"}, Code.INVALID_REQUEST),
        ({"jsonrpc": "2.0", "method": "reboot"}, Code.METHOD_NOT_FOUND),
        ({"jsonrpc": "2.0", "method": "status", "params": []}, Code.INVALID_PARAMS),
        ({"jsonrpc": "2.0", "method": "status", "params": None}, Code.INVALID_PARAMS),
    ],
)
def test_an_envelope_that_is_not_a_request_is_refused_under_its_id(frame, code):
    assert refused(json.dumps({"id": "mine", **frame}).encode()) == ("mine", code)


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused_and_never_raise(line):
    _, request = decode_request(line, METHODS)
    assert isinstance(request, Request | ControlError)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    method=st.sampled_from(sorted(METHODS)),
    names=st.lists(
        st.sampled_from(sorted({name for method in METHODS.values() for name in method.params})), max_size=4
    ),
    values=st.lists(_JSON, min_size=4, max_size=4),
)
def test_any_values_of_known_parameters_are_taken_or_refused_and_never_raise(method, names, values):
    frame = {"jsonrpc": "2.0", "id": 1, "method": method, "params": dict(zip(names, values, strict=False))}
    _, request = decode_request(json.dumps(frame).encode(), METHODS)
    assert isinstance(request, Request | ControlError)
