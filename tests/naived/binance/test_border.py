"""Every value that comes from outside is bounded where it is decoded."""

import json

import msgspec
import pytest
import trio

from naived.binance.border import message, name, read, word
from naived.binance.clock import ServerClock
from naived.binance.codec import ApiAnswer, ExecutionReport, Garbled, read_api, read_market
from naived.binance.fees import CommissionRow, fees_of
from naived.binance.mapping import OrderRow, TradeRow, fill_of, report_of
from naived.binance.refusals import Refusals
from naived.core.amount import parse_rate
from naived.core.orders.report import OrderStatus, Refusal
from naived.ports import ExchangeError, RefusedError

EPOCH = 1_700_000_000_000  # ms, the peer's clock at trio's time 0
REPORT = {
    "e": "executionReport",
    "s": "ETHUSDT",
    "c": "n1test-abc",
    "C": "",
    "S": "BUY",
    "x": "TRADE",
    "X": "PARTIALLY_FILLED",
    "i": 7,
    "q": "0.10000000",
    "p": "2680.00000000",
    "l": "0.04000000",
    "z": "0.04000000",
    "L": "2680.00000000",
    "n": "0.00004000",
    "N": "ETH",
    "t": 5,
    "m": True,
    "Y": "107.20000000",
    "Z": "107.20000000",
    "T": EPOCH,
    "O": EPOCH - 1000,
}
TRADE = {"e": "trade", "E": EPOCH, "s": "ETHUSDT", "t": 9, "p": "2680.00", "q": "0.2", "T": EPOCH, "m": True}
ORDER = {
    "symbol": "ETHUSDT",
    "orderId": 7,
    "clientOrderId": "n1test-abc",
    "price": "2600.00000000",
    "origQty": "0.10000000",
    "executedQty": "0.04000000",
    "cummulativeQuoteQty": "104.00000000",
    "status": "PARTIALLY_FILLED",
    "side": "BUY",
    "time": EPOCH + 1000,
    "updateTime": EPOCH + 2000,
}
FILL = {
    "symbol": "ETHUSDT",
    "id": 5,
    "orderId": 7,
    "price": "2600.00000000",
    "qty": "0.10000000",
    "quoteQty": "260.00000000",
    "commission": "0.00010000",
    "commissionAsset": "ETH",
    "time": EPOCH + 3000,
    "isMaker": True,
}
ABSURD_INTEGERS = [None, "7", -1, 2**63, 10**22, -(10**17), 1.5, [], {}, True]
ABSURD_TIMES = [*ABSURD_INTEGERS, 0, 1_700_000_000, 1_700_000_000_000_000, -(10**15)]
ABSURD_AMOUNTS = [
    None,
    1,
    -1,
    "-1",
    "",
    "NaN",
    "1e5",
    "0." + "1" * 30,
    str(2**63),
    str(10**22),
    "\u0000",
    "\u001b[2J",
]
ESCAPES = ["\u001b[2J\u001b[H", "\u0000", "A\nB", "\u202eETH", " ", "x" * 1000]


def pushed(peer, **changes):
    peer.api.push({"subscriptionId": 0, "event": REPORT | changes})


# Texts


@pytest.mark.parametrize("text", ["", *ESCAPES, "NaN", "-1", "0.00000000", str(2**63), str(10**22), "0.12345"])
def test_a_name_is_no_number_and_short_and_printable(text):
    with pytest.raises(ValueError, match="not a name"):
        name(text)
    with pytest.raises(ValueError, match="is not a"):
        _fee_of(text)


def _fee_of(asset):
    return fill_of(read(json.dumps(FILL | {"commissionAsset": asset}), TradeRow, lambda _: None))


@pytest.mark.parametrize("text", ["这是测试币456", "BNB", "1INCH", "1000SATS", "4", "42"])
def test_a_name_may_be_of_any_alphabet(text):
    assert name(text) == _fee_of(text).fee_asset == text


@pytest.mark.parametrize("text", ["", "7", "END OF DAY", *ESCAPES[:-1]])
def test_a_word_is_letters(text):
    assert word("END_OF_DAY") == "END_OF_DAY"
    with pytest.raises(ValueError, match="not a word"):
        word(text)


def test_a_message_keeps_its_words_and_loses_what_moves_a_cursor_or_a_database():
    assert message("Filter failure:\u0000 \u001b[2JLOT_SIZE\n") == "Filter failure:   [2JLOT_SIZE"
    assert len(message("x" * 100_000)) == 500


def test_the_text_of_an_error_is_cleaned_where_it_is_decoded():
    answer = read_api('{"id":1,"status":400,"error":{"code":-2010,"msg":"a\\u0000b\\u001b[31m"}}')
    assert answer.error.msg == "a b [31m"


# Frames


@pytest.mark.parametrize("value", ABSURD_TIMES)
def test_a_trade_with_an_absurd_time_is_no_trade(value):
    assert isinstance(read_market(json.dumps({"data": TRADE | {"T": value}})), Garbled)


@pytest.mark.parametrize("value", ABSURD_INTEGERS)
def test_a_trade_with_an_absurd_id_is_no_trade(value):
    assert isinstance(read_market(json.dumps({"data": TRADE | {"t": value}})), Garbled)


@pytest.mark.parametrize("side", [{"rateLimits": None}, {"rateLimits": "y"}, {"rateLimits": [None, 7, {}]}])
def test_rate_limits_that_cannot_be_read_do_not_cost_the_result(side):
    answer = read_api(json.dumps({"id": 1, "status": 200, "result": {"serverTime": EPOCH}} | side))
    assert isinstance(answer, ApiAnswer)
    assert (bytes(answer.result), answer.rate_limits) == (b'{"serverTime": %d}' % EPOCH, ())


def test_one_rate_limit_that_cannot_be_read_does_not_cost_the_others():
    good = {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 9, "count": 3}
    bad = [{**good, "intervalNum": None}, {**good, "limit": 0}, {**good, "limit": -1}, {**good, "limit": "9"}]
    answer = read_api(json.dumps({"id": 1, "status": 200, "result": [], "rateLimits": [*bad, good]}))
    assert [row.count for row in answer.rate_limits] == [3]
    assert len(answer.refused) == 4


@pytest.mark.parametrize(
    "data", [None, "y", 7, [], {"serverTime": "x", "retryAfter": 10**22}, {"retryAfter": None}]
)
def test_the_data_of_an_error_does_not_cost_its_code(data):
    answer = read_api(json.dumps({"id": 1, "status": 429, "error": {"code": -1003, "msg": "m", "data": data}}))
    assert (answer.error.code, answer.error.msg) == (-1003, "m")


@pytest.mark.parametrize("error", ["y", 7, [], {}, {"code": None}, {"code": 2**31}, {"code": "x", "msg": "m"}])
def test_an_error_without_a_code_is_an_answer_without_an_error(error):
    answer = read_api(json.dumps({"id": 1, "status": 400, "error": error}))
    assert (answer.status, answer.error) == (400, None)


@pytest.mark.parametrize("status", [None, "200", -1, 0, 2**63, 10**22, 99, 600])
def test_an_answer_with_an_absurd_status_still_tells_whose_answer_it_is(status):
    garbled = read_api(json.dumps({"id": 5, "status": status, "result": {}}))
    assert isinstance(garbled, Garbled)
    assert garbled.id == 5


async def test_the_request_of_an_unreadable_answer_does_not_wait_for_its_timeout(autojump_clock, running, peer):
    peer.script["order.status"] = lambda _: {"status": "200", "result": ORDER}
    began = trio.current_time()
    with pytest.raises(ExchangeError, match="unreadable"):
        await running.order("ETHUSDT", order_id=7)
    assert trio.current_time() - began < 1


# Rows


@pytest.mark.parametrize("name", ["price", "origQty", "executedQty", "orderId", "status", "side", "clientOrderId"])
async def test_an_open_order_that_cannot_be_read_is_refused_alone(autojump_clock, running, peer, name):
    broken = {key: value for key, value in ORDER.items() if key != name}
    peer.answer("openOrders.status", [ORDER, broken, None, "x", ORDER | {"orderId": 8}])
    assert [each.order_id for each in await running.open_orders()] == [7, 8]
    assert "an open order" in running.remarks.refused


@pytest.mark.parametrize("change", [{"price": None}, {"status": "TRANSMOGRIFIED"}, {"executedQty": "9"}])
async def test_a_list_that_proves_absence_may_not_lose_a_row(autojump_clock, running, peer, change):
    peer.answer("allOrders", [ORDER, ORDER | change])
    with pytest.raises(RefusedError, match="cannot be read"):
        await running.orders_since("ETHUSDT", EPOCH)
    peer.answer("myTrades", [FILL, FILL | {"qty": None}])
    with pytest.raises(RefusedError, match="cannot be read"):
        await running.fills("ETHUSDT", since=EPOCH)


async def test_a_fill_that_cannot_be_read_is_refused_alone(autojump_clock, running, peer):
    broken = [
        FILL | change for change in ({"id": 2**63}, {"id": 0}, {"price": "0"}, {"orderId": 6}, {"commission": None})
    ]
    peer.answer("myTrades", [*broken, FILL, FILL | {"id": 6}])
    assert [fill.trade_id for fill in await running.fills("ETHUSDT", order_id=7)] == [5, 6]
    peer.answer("myTrades", broken)
    with pytest.raises(RefusedError):
        await running.fills("ETHUSDT", order_id=7)


@pytest.mark.parametrize("name", ["price", "qty", "quoteQty", "commission"])
@pytest.mark.parametrize("value", ABSURD_AMOUNTS)
def test_an_absurd_amount_makes_a_fill_unreadable(name, value):
    with pytest.raises(ValueError, match=r".+"):
        fill_of(read(json.dumps(FILL | {name: value}), TradeRow, lambda _: None))


@pytest.mark.parametrize("name", ["price", "qty", "quoteQty"])
def test_a_fill_without_a_price_a_quantity_or_their_product_is_unreadable(name):
    with pytest.raises(ValueError, match=r"bounds|is not"):
        fill_of(read(json.dumps(FILL | {name: "0.00000000"}), TradeRow, lambda _: None))


@pytest.mark.parametrize("value", [v for v in ABSURD_TIMES if v is not None])
@pytest.mark.parametrize("name", ["time", "updateTime", "transactTime"])
def test_an_absurd_time_of_an_order_is_not_taken(name, value):
    row = read(json.dumps({**ORDER, name: value}), OrderRow, lambda _: None)
    try:
        report = report_of(row, EPOCH + 60_000)
    except ValueError:
        return
    assert EPOCH <= report.created <= EPOCH + 60_000
    assert EPOCH <= report.time <= EPOCH + 60_000


def test_a_time_ahead_of_the_exchanges_clock_is_not_taken():
    row = read(json.dumps(ORDER | {"time": EPOCH + 90_000_000}), OrderRow, lambda _: None)
    with pytest.raises(ValueError, match="ahead"):
        report_of(row, EPOCH + 60_000)


@pytest.mark.parametrize(
    "change",
    [
        {"executedQty": "0.2"},
        {"executedQty": "0.0"},
        {"origQty": "0"},
        {"price": "0"},
        {"status": "FILLED"},
        {"status": "NEW"},
        {"status": "CANCELED", "executedQty": "0"},
    ],
)
def test_an_order_of_ours_whose_fields_contradict_each_other_is_unreadable(change):
    with pytest.raises(ValueError, match="agree"):
        report_of(read(json.dumps(ORDER | change), OrderRow, lambda _: None))
    if not {"status"} & change.keys():  # an order of somebody else may be of another kind
        report_of(read(json.dumps(ORDER | {"clientOrderId": "web_1"} | change), OrderRow, lambda _: None))


@pytest.mark.parametrize("symbol", [None, 7, "\u001b[2J", ""])
async def test_rules_that_cannot_be_read_are_not_rules_of_an_unlisted_symbol(autojump_clock, running, peer, symbol):
    row = {"status": "TRADING", "baseAsset": "ETH", "quoteAsset": "USDT", "filters": []}
    peer.answer(
        "exchangeInfo", {"symbols": [row | {"symbol": symbol}, row | {"symbol": "BTCUSDT", "baseAsset": "BTC"}]}
    )
    rules = await running.symbols(["ETHUSDT", "BTCUSDT"])
    assert rules["BTCUSDT"].base == "BTC"
    assert isinstance(rules["ETHUSDT"], RefusedError)


@pytest.mark.parametrize(
    "change", [{"filters": None}, {"baseAsset": None}, {"status": 7}, {"quoteAsset": "\u0000"}]
)
async def test_one_symbols_rules_that_cannot_be_read_cost_no_other_symbol(autojump_clock, running, peer, change):
    row = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": []}
    peer.answer("exchangeInfo", {"symbols": [row | {"symbol": "ETHUSDT"} | change, row], "rateLimits": None})
    rules = await running.symbols(["ETHUSDT", "BTCUSDT"])
    assert rules["BTCUSDT"].base == "BTC"
    assert "ETHUSDT" in str(rules["ETHUSDT"])
    assert isinstance(rules["ETHUSDT"], RefusedError)


async def test_a_balance_that_cannot_be_read_is_not_a_balance_of_nothing(autojump_clock, running, peer):
    good = {"asset": "BTC", "free": "1", "locked": "0"}
    peer.answer("account.status", {"uid": 5, "balances": [good | {"asset": "ETH", "free": None}, good]})
    account = await running.account()
    assert set(account.balances) == {"BTC"}
    assert "a balance cannot be read" in account.unreadable


def position(**changes):
    row = {"a": "BTC", "f": "1.00000000", "l": "0.50000000"}
    return {"e": "outboundAccountPosition", "E": EPOCH + 1, "u": EPOCH, "B": [row, row | {"a": "ETH"}]} | changes


async def test_balances_are_told_with_the_time_of_the_change_and_each_is_read_by_itself(
    autojump_clock, running, peer, sink
):
    rows = position()["B"]
    peer.api.push({"subscriptionId": 0, "event": position(B=[rows[0] | {"f": "x"}, rows[1]])})
    await sink.until(lambda: sink.known)
    [(balances, time)] = sink.known
    assert (set(balances), time) == ({"ETH"}, EPOCH)
    assert (balances["ETH"].free, balances["ETH"].locked) == (100_000_000, 50_000_000)
    assert "a balance" in running.remarks.refused


@pytest.mark.parametrize("time", [*ABSURD_TIMES, EPOCH + 10 * 60_000])
async def test_balances_of_an_absurd_time_would_hide_all_later_ones_and_are_refused(
    autojump_clock, running, peer, sink, time
):
    peer.api.push({"subscriptionId": 0, "event": position(u=time)})
    peer.api.push({"subscriptionId": 0, "event": position(u=EPOCH + 3)})
    await sink.until(lambda: sink.known)
    assert [at for _, at in sink.known] == [EPOCH + 3]
    assert running.remarks.refused


@pytest.mark.parametrize(("time", "known"), [(EPOCH, EPOCH), *((each, 0) for each in ABSURD_TIMES), (EPOCH * 2, 0)])
async def test_the_time_of_an_account_never_costs_its_balances(autojump_clock, running, peer, time, known):
    peer.answer("account.status", {"uid": 5, "balances": [], "updateTime": time})
    assert (await running.account()).changed_at == known


@pytest.mark.parametrize("rate", ["1", "1.00000000", "3", "0.6"])
def test_fees_of_everything_are_refused(rate):
    part = {"maker": rate, "taker": "0", "buyer": "0", "seller": "0"}
    row = {"standardCommission": part, "taxCommission": part if rate == "0.6" else None}
    with pytest.raises(ValueError, match="100 %"):
        fees_of(msgspec.convert(row, CommissionRow))


def test_parts_of_the_fees_that_are_null_are_none():
    row = {"standardCommission": {"maker": "0.001", "taker": "0.001"}, "taxCommission": None}
    assert fees_of(msgspec.convert(row, CommissionRow)).buy == parse_rate("0.001")


# Execution reports


@pytest.mark.parametrize(
    "change",
    [
        *({name: value} for name in ("l", "L", "Y", "n") for value in ABSURD_AMOUNTS),
        *({name: "0.00000000"} for name in ("l", "L", "Y")),
        *({"t": value} for value in (0, *ABSURD_INTEGERS)),
        *({"T": value} for value in ABSURD_TIMES),
        *({"N": value} for value in (None, 7, *ESCAPES)),
        {"l": "0.05000000", "Y": "134.00000000"},
        {"T": EPOCH + 90_000_000},
    ],
)
async def test_a_report_without_a_usable_fill_still_tells_status_and_quantity(
    autojump_clock, running, peer, sink, change
):
    pushed(peer, **change)
    await sink.until(lambda: sink.reports)
    [report] = sink.reports
    assert (report.status, report.executed, report.fills) == (OrderStatus.PARTIALLY_FILLED, 4_000_000, ())
    assert report.time <= running.latest() + 60_000
    assert "the fill of an execution report" in running.remarks.refused


@pytest.mark.parametrize(
    "change",
    [
        *({name: value} for name in ("q", "p", "z") for value in ABSURD_AMOUNTS),
        *({"i": value} for value in (0, *ABSURD_INTEGERS)),
        *({"O": value} for value in ABSURD_TIMES),
        *({"s": value} for value in (None, 7, *ESCAPES)),
        *({"X": value} for value in (None, 7, "", "\u001b[2J", "NEW")),
        *({"S": value} for value in (None, 7, "", "SHORT")),
        *({name: "0.00000000"} for name in ("q", "p", "z")),
        {"c": None},
        {"c": 7},
    ],
)
async def test_a_report_whose_order_cannot_be_read_is_refused_alone(autojump_clock, running, peer, sink, change):
    pushed(peer, **change)
    pushed(peer, i=8)
    await sink.until(lambda: sink.reports)
    assert [report.order_id for report in sink.reports] == [8]
    assert "an execution report" in running.remarks.refused
    assert running.connected


async def test_a_fill_that_cost_nothing_is_asked_for_where_fills_cost_something(
    autojump_clock, running, peer, sink
):
    pushed(peer, n="0", N=None)
    await sink.until(lambda: len(sink.reports) == 1)
    assert sink.reports[0].fills
    peer.answer("account.commission", {"standardCommission": {"maker": "0.001", "taker": "0.001"}})
    await running.fees("ETHUSDT")
    pushed(peer, n="0", N=None)
    await sink.until(lambda: len(sink.reports) == 2)
    assert sink.reports[1].fills == ()


@pytest.mark.parametrize(
    ("rates", "fill"),
    [
        ({"maker": "0", "taker": "0.001"}, {}),  # its makers pay nothing
        (
            {"maker": "0.001", "taker": "0.001"},
            {"S": "BUY", "l": "0.00000999", "Y": "0.02677320"},
        ),  # less than 10^-8
    ],
)
async def test_a_fill_that_cost_nothing_is_believed_where_that_may_be(
    autojump_clock, running, peer, sink, rates, fill
):
    peer.answer("account.commission", {"standardCommission": rates})
    await running.fees("ETHUSDT")
    pushed(peer, n="0", N="BNB", **fill)
    await sink.until(lambda: sink.reports)
    assert sink.reports[0].fills


@pytest.mark.parametrize(
    "change",
    [
        {"X": "REJECTED", "x": "REJECTED", "i": -1, "O": -1, "t": -1},
        {"t": -1, "k": "SOR"},  # filled by smart order routing
        {"q": "0", "Q": "100"},  # of an amount of quote
        {"n": "0.00000000", "N": "ETH"},
        {"S": "BORROW"},
    ],
)
async def test_what_only_a_persons_own_orders_have_is_no_fault(autojump_clock, running, peer, sink, change):
    peer.answer("account.commission", {"standardCommission": {"maker": "0.001", "taker": "0.001"}})
    await running.fees("ETHUSDT")
    pushed(peer, **({"c": "web_77", "i": 8} | change))
    pushed(peer)
    await sink.until(lambda: any(report.order_id == 7 for report in sink.reports))
    assert running.remarks.refused is None


@pytest.mark.parametrize(
    ("change", "by_exchange", "by_us"),
    [
        ({"c": "n1test-abc", "C": ""}, True, False),
        ({"c": "n1test-abc-x", "C": "n1test-abc"}, False, True),
        ({"c": "web_77", "C": "n1test-abc"}, False, False),
        ({"c": "n1kUBxfnY0fqEogcln5Abc", "C": ""}, False, False),
        ({"c": "n1test-abc", "C": "", "eR": "EXCHANGE_CANCELED", "X": "EXPIRED"}, True, False),
        ({"c": "n1test-abc", "C": "", "X": "EXPIRED"}, False, False),
    ],
)
async def test_an_order_that_ended_under_its_own_id_was_ended_by_the_exchange(
    autojump_clock, running, peer, sink, change, by_exchange, by_us
):
    pushed(peer, **({"x": "CANCELED", "X": "CANCELED", "t": -1} | change))
    await sink.until(lambda: sink.reports)
    assert (sink.reports[0].by_exchange, sink.reports[0].by_us) == (by_exchange, by_us)


async def test_why_an_order_expired_is_read_whatever_the_exchange_calls_it(autojump_clock, running, peer, sink):
    for number, reason in enumerate(
        ("EXECUTION_RULE_PRICE_RANGE_EXCEEDED", "A NEW\x1b[2J REASON", "", "NONE"), start=1
    ):
        pushed(peer, x="EXPIRED", X="EXPIRED", t=-1, eR=reason)
        await sink.until(lambda number=number: len(sink.reports) == number)
    told = [each.expiry for each in sink.reports]
    assert told == ["EXECUTION_RULE_PRICE_RANGE_EXCEEDED", "A NEW [2J REASON", "", ""]
    row = ORDER | {"status": "EXPIRED", "expiryReason": "INSUFFICIENT_LIQUIDITY"}
    assert report_of(read(json.dumps(row), OrderRow, lambda _: None)).expiry == "INSUFFICIENT_LIQUIDITY"


@pytest.mark.parametrize(
    ("reason", "refusal"),
    [
        ("INSUFFICIENT_BALANCES", Refusal.BALANCE),
        ("MARKET_CLOSED", Refusal.MARKET_CLOSED),
        (5, Refusal.OTHER),
    ],
)
async def test_the_report_of_a_rejected_order_says_why(autojump_clock, running, peer, sink, reason, refusal):
    pushed(peer, x="REJECTED", X="REJECTED", r=reason, t=-1, z="0", Z="0")
    pushed(peer, r="NONE")
    await sink.until(lambda: len(sink.reports) == 2)
    assert sink.reports[0].refusal.kind is refusal
    assert sink.reports[1].refusal is None


@pytest.mark.parametrize(
    ("prevented", "told"),
    [
        ({"A": "0.06"}, [OrderStatus.FILLED]),
        ({}, [OrderStatus.PARTIALLY_FILLED]),  # a query tells the rest
        ({"A": 7}, [OrderStatus.PARTIALLY_FILLED]),
        ({"A": "0.05"}, []),
        ({"A": "much"}, []),
    ],
)
async def test_a_report_of_an_order_that_is_filled_with_less_for_self_trade_prevention(
    autojump_clock, running, peer, sink, prevented, told
):
    pushed(peer, X="FILLED", **prevented)
    pushed(peer, i=8)
    await sink.until(lambda: sink.reports and sink.reports[-1].order_id == 8)
    assert [(report.status, report.executed) for report in sink.reports[:-1]] == [
        (status, 4_000_000) for status in told
    ]
    assert all(report.fills for report in sink.reports)


@pytest.mark.parametrize("prevented", [None, "0.05", 7])
def test_a_query_that_does_not_tell_why_an_order_is_filled_with_less_is_refused(prevented):
    row = ORDER | {"status": "FILLED", "preventedQuantity": "0.06"}
    assert report_of(read(json.dumps(row), OrderRow, lambda _: None)).status is OrderStatus.FILLED
    row["preventedQuantity"] = prevented
    with pytest.raises(ValueError, match="does not agree"):
        report_of(read(json.dumps(row), OrderRow, lambda _: None))


@pytest.mark.parametrize(
    ("kind", "status", "of", "amended"),
    [
        ("REPLACED", "NEW", "n1test-abc", True),
        ("\x1b[2J", "NEW", "n1test-abc", True),  # by a simulated seed: the only report of it that came
        ("NEW", "NEW", "", False),
        ("CANCELED", "CANCELED", "n1test-abc", False),
    ],
)
async def test_the_report_of_an_amendment_says_so(autojump_clock, running, peer, sink, kind, status, of, amended):
    pushed(peer, x=kind, X=status, t=-1, c="web_77" if of else "n1test-abc", C=of, z="0", Z="0")
    await sink.until(lambda: sink.reports)
    assert (sink.reports[0].client_order_id, sink.reports[0].amended) == ("n1test-abc", amended)


@pytest.mark.parametrize(
    ("client_order_id", "by_exchange", "by_us"),
    [("n1test-abc", True, False), ("n1test-abc-x", False, True), ("web_77", False, False)],
)
def test_a_query_shows_by_the_id_whether_a_request_cancelled_the_order(client_order_id, by_exchange, by_us):
    row = ORDER | {"status": "CANCELED", "clientOrderId": client_order_id}
    report = report_of(read(json.dumps(row), OrderRow, lambda _: None))
    assert (report.by_exchange, report.by_us) == (by_exchange, by_us)


# The clock


def a_clock():
    now = [0.0]
    return now, ServerClock(monotonic=lambda: now[0], wall=lambda: EPOCH / 1000 + now[0])


def test_one_absurd_reading_changes_nothing_and_two_that_agree_are_believed():
    now, clock = a_clock()
    assert clock.received(EPOCH, 0.0)
    now[0] = 10.0
    assert not clock.received(EPOCH + 9_000_000, 10.0)
    assert clock.now() == EPOCH + 10_000
    assert clock.received(EPOCH + 10_000, 10.0)
    now[0] = 20.0
    assert not clock.received(EPOCH + 3_600_000, 20.0)
    assert clock.received(EPOCH + 3_600_010, 20.0)
    assert clock.now() == EPOCH + 3_600_010


def test_a_machine_whose_clock_is_wrong_by_years_needs_two_readings():
    _, clock = a_clock()
    assert not clock.received(EPOCH + 10**11, 0.0)
    assert clock.received(EPOCH + 10**11 + 5, 0.0)
    assert clock.now() == EPOCH + 10**11 + 5


@pytest.mark.parametrize("time", [-(10**15), 0, 2**63, 10**22, None, "x", EPOCH * 1000, EPOCH + 10**11])
async def test_an_absurd_time_of_the_server_does_not_stop_anything(autojump_clock, running, peer, time):
    true = peer.script["time"]
    peer.answer("time", {"serverTime": time})

    def once(request):
        peer.script["time"] = true
        return {"status": 200, "result": {"serverTime": time}}

    peer.script["time"] = once
    try:
        told = await running.server_time()
    except ExchangeError:
        told = await running.server_time()
    assert abs(told - peer.now()) < 10
    assert abs(running.now() - peer.now()) < 10
    assert running.remarks.limited is None
    assert "time of the server" in running.remarks.refused


# What is told


def test_a_refusal_is_counted_logged_once_and_told_for_an_hour(capsys):
    now = [EPOCH]
    refusals = Refusals(lambda: now[0])
    assert refusals.recent is None
    for number in range(1000):
        refusals.add("a public trade", f"\u001b[2Jtrade {number}")
    refusals.add("a fill", "no price")
    assert capsys.readouterr().out.count("refused at the border") == 2
    assert refusals.recent == "1001 unreadable values refused, the latest in a fill: no price"
    now[0] += 3_700_000
    assert refusals.recent is None


def test_a_report_keeps_what_it_can():
    report = read_api(json.dumps({"event": REPORT | {"x": None, "C": 7, "Z": None, "eR": {}}}))
    assert isinstance(report, ExecutionReport)
    assert (report.kind, report.cancelled_id, report.total) == ("", None, "")
