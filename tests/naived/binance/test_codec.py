import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from naived.binance.border import read
from naived.binance.codec import (
    AccountPosition,
    ApiAnswer,
    ExecutionReport,
    Garbled,
    MarketTrade,
    Shutdown,
    StreamTerminated,
    read_api,
    read_market,
    read_result,
    request,
)
from naived.binance.mapping import PositionRow, balance_of

DATA = Path(__file__).parents[4] / "shared" / "data"
recorded = pytest.mark.skipif(not DATA.is_dir(), reason="the recordings are not beside this checkout")

TRADE = (
    '{"stream":"ethusdt@trade","data":{"e":"trade","E":1723161255612,"s":"ETHUSDT","t":1520538925,'
    '"p":"2683.80000000","q":"0.00200000","T":1723161255611,"m":true,"M":true}}'
)


def test_a_trade_is_read():
    assert read_market(TRADE).data == MarketTrade(
        "ETHUSDT", 1520538925, "2683.80000000", "0.00200000", 1723161255611
    )


@recorded
def test_every_recorded_trade_of_production_is_read():
    with gzip.open(DATA / "raw-streams" / "ethusdt_20240808.gz", "rt") as lines:
        frames = [line.partition(" ")[2] for line in lines if '"ethusdt@trade"' in line]
    trades = [read_market(frame).data for frame in frames]
    assert len(trades) == 6106
    assert [trade.id for trade in trades] == list(range(1520538925, 1520545031))


@recorded
def test_recorded_frames_of_the_testnet_are_trades_or_not_ours():
    text = (DATA / "fixtures" / "md_stream_btcusdt_testnet_2026-09-13.jsonl").read_text()
    frames = [read_market(line) for line in text.splitlines()]
    assert [frame.data.id for frame in frames if not isinstance(frame, Garbled)] == list(range(388510, 388517))
    assert sum(isinstance(frame, Garbled) for frame in frames) == 2


@recorded
def test_a_recorded_answer_is_read():
    answer = read_api((DATA / "fixtures" / "demo_account_status_2026-09-29.json").read_text().replace('"bal"', "4"))
    assert (answer.id, answer.status, answer.rate_limits[0].count) == (4, 200, 217)


@recorded
def test_the_balances_of_a_recorded_event_are_read_row_by_row():
    event = read_api((DATA / "fixtures" / "demo_outbound_account_position_2026-09-30.json").read_text())
    assert isinstance(event, AccountPosition)
    rows = [read(row, PositionRow, lambda _why: None) for row in event.rows]
    assert len(rows) == 3
    assert all(balance.free >= 0 for _, balance in map(balance_of, rows))


@pytest.mark.parametrize(
    "text",
    [
        '{"e":"serverShutdown","E":1770123456789}',
        '{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
    ],
)
def test_a_market_server_announces_its_shutdown_bare_or_wrapped(text):
    assert read_market(text).shutdown


def test_a_trade_is_no_shutdown():
    assert not read_market(TRADE).shutdown


def test_the_api_announces_its_shutdown_without_a_subscription():
    assert read_api('{"event":{"e":"serverShutdown","E":1770123456789}}') == Shutdown()


def test_the_end_of_the_user_data_stream_is_an_event():
    text = '{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1}}'
    assert read_api(text) == StreamTerminated()


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ('{"result":null,"id":1}', None),
        ('{"code":2,"msg":"Invalid request: unknown variant","id":1}', "2 Invalid request: unknown variant"),
        (
            '{"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":1}',
            "2 Invalid request: invalid stream",
        ),
    ],
)
def test_an_answer_to_a_subscription_is_yes_or_a_refusal_in_either_form(text, refusal):
    frame = read_market(text)
    assert (frame.id, frame.refusal) == (1, refusal)


EXECUTION = (
    '{"subscriptionId":0,"event":{"e":"executionReport","E":1499405658658,"s":"ETHBTC","c":"mUvoqJxFIILMdfAW5iGSOW",'
    '"S":"BUY","o":"LIMIT","f":"GTC","q":"1.00000000","p":"0.10264410","P":"0.00000000","F":"0.00000000","g":-1,"C":"",'
    '"x":"NEW","X":"NEW","r":"NONE","i":4293153,"l":"0.00000000","z":"0.00000000","L":"0.00000000","n":"0","N":null,'
    '"T":1499405658657,"t":-1,"v":3,"I":8641984,"w":true,"m":false,"M":false,"O":1499405658657,"Z":"0.00000000",'
    '"Y":"0.00000000","Q":"0.00000000","W":1499405658657,"V":"NONE"}}'
)


def test_the_documented_execution_report_is_read():
    event = read_api(EXECUTION)
    assert isinstance(event, ExecutionReport)
    assert (event.symbol, event.order_id, event.status, event.executed) == ("ETHBTC", 4293153, "NEW", "0.00000000")


def test_an_error_answer_carries_code_limits_and_when_to_come_back():
    answer = read_api(
        '{"id":5,"status":429,"error":{"code":-1003,"msg":"Too much","data":{"serverTime":1,"retryAfter":99}},'
        '"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":50,"count":13}]}'
    )
    assert (answer.status, answer.error.code, answer.error.data.retry_after) == (429, -1003, 99)
    assert answer.rate_limits[0].count == 13


def test_an_answer_that_names_no_request_is_still_an_answer():
    text = '{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}}'
    assert read_api(text).id is None


def test_a_repeated_key_and_an_unknown_one_are_ignored():
    answer = read_api('{"id":1,"status":200,"status":200,"novelty":[1,{"deep":null}],"result":{"serverTime":7}}')
    assert isinstance(answer, ApiAnswer)
    assert read_result(answer, dict[str, int]) == {"serverTime": 7}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        "\x00",
        '{"id":1}',
        '{"id":"not-ours","status":200}',
        '{"event":{"e":"executionReport"}}',
        '{"event":null}',
        '{"status":"200","id":1}',
        '{"x":' + "[" * 100_000,
    ],
)
def test_garbage_on_the_api_is_a_value(text):
    assert isinstance(read_api(text), Garbled)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "{",
        TRADE[:-9],
        TRADE.replace("1520538925", '"1520538925"'),
        TRADE.replace('"2683.80000000"', "2683.8"),
        '{"x":' + "[" * 100_000,
    ],
)
def test_garbage_on_a_market_stream_is_a_value(text):
    assert isinstance(read_market(text), Garbled)


@given(st.text())
def test_no_text_at_all_makes_a_decoder_raise(text):
    read_api(text)
    read_market(text)


@pytest.mark.parametrize("result", [b"null", b"[" * 100_000])
def test_a_result_of_another_shape_is_an_error(result):
    with pytest.raises(ValueError, match=r"Expected|recursion"):
        read_result(ApiAnswer(200, 1, Raw(result)), dict[str, list[Any]])


def test_requests_are_written_for_both_sockets():
    assert json.loads(request(3, "time", {})) == {"id": 3, "method": "time", "params": {}}
    assert json.loads(request(4, "SUBSCRIBE", ["ethusdt@trade"]))["params"] == ["ethusdt@trade"]
