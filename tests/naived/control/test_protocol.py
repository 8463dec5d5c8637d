import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naived.control.protocol import (
    Code,
    ControlError,
    encode_body,
    encode_error,
    encode_request,
    encode_result,
    format_time,
    parse_duration,
    parse_time,
)
from naived.core import duration as core

EXITS = {
    -32001: 4,
    -32002: 1,
    -32003: 77,
    -32004: 124,
    -32005: 5,
    -32006: 6,
    -32007: 75,
    -32008: 75,
    -32009: 8,
    -32010: 76,
    -32011: 75,
    -32012: 1,
    -32013: 75,
    -32700: 1,
    -32600: 1,
    -32601: 1,
    -32602: 2,
    -32603: 1,
}


def test_every_error_code_has_the_exit_code_of_its_page():
    assert {int(code): code.exit for code in Code} == EXITS


def test_kinds_are_words_of_their_own():
    assert len({code.kind for code in Code}) == len(Code)


def test_an_error_on_the_wire_names_kind_symbol_hint_and_whether_to_retry():
    error = ControlError(
        Code.TIMED_OUT, "still stopping", symbol="ETHUSDT", hint="wait", data={"state": "stopping"}
    )
    assert json.loads(encode_error(7, error)) == {
        "jsonrpc": "2.0",
        "id": 7,
        "error": {
            "code": -32004,
            "message": "still stopping",
            "data": {
                "kind": "timed_out",
                "symbol": "ETHUSDT",
                "hint": "wait",
                "retryable": True,
                "state": "stopping",
            },
        },
    }
    assert error.document() == {"kind": "timed_out", "message": "still stopping", "hint": "wait", "code": -32004}


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_a_frame_is_one_line_of_ascii_whatever_is_in_it(request_id, document):
    for frame in (
        encode_request(request_id, "status", document),
        encode_result(request_id, encode_body(document)),
        encode_error(None, ControlError(Code.BUSY, request_id)),
    ):
        assert frame.endswith(b"\n")
        assert frame.count(b"\n") == 1
        assert frame.isascii()
    assert json.loads(encode_result(request_id, encode_body(document)))["result"] == document


def test_what_json_has_no_word_for_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_body({"price": float("nan")})


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5d", "-5s", "5 s", "1.5s", "5ss", "\u0665s", "5sm", "1h30m", "9" * 10 + "s"]
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="must be a duration"):
        parse_duration(text)


@given(st.integers(0, 253402300799999))
def test_times_are_read_back_as_they_were_written(milliseconds):
    assert parse_time(format_time(milliseconds)) == milliseconds


def test_the_letters_of_a_time_may_be_small():
    assert parse_time("2026-11-22t07:00:05.123z") == 1795330805123


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("0001-01-01T00:00:00Z", -62135596800000), ("9999-12-31T22:59:59.999-01:00", 253402300799999)],
)
def test_the_first_and_the_last_time_of_the_calendar_are_read(text, milliseconds):
    assert parse_time(text) == milliseconds


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_time_that_is_out_of_the_calendar_in_utc_is_refused(text):
    with pytest.raises(ValueError, match="must be a time of the years 1 to 9999 in UTC"):
        parse_time(text)


def test_a_time_is_rfc_3339_in_utc_with_milliseconds():
    assert format_time(1795330805123) == "2026-11-22T07:00:05.123Z"


def test_the_protocol_is_cheap_to_import():
    heavy = "dataclasses inspect datetime decimal trio structlog typer rich msgspec asyncio"
    program = (
        f"import sys, naived.control.protocol; print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def _milliseconds(parse, factor, text):
    try:
        return round(parse(text) * factor)
    except ValueError:
        return None


@given(st.from_regex(r"[0-9]{0,10}(ms|s|m|h|d|mm|)", fullmatch=True) | st.text("0159mshd. \u0663", max_size=6))
def test_client_and_configuration_read_a_duration_alike(text):
    """Each has its own reading: the client imports nothing of the daemon but the protocol."""
    assert _milliseconds(parse_duration, 1000, text) == _milliseconds(core.parse_duration, 1, text)
