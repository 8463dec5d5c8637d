import pytest

from naived.core.amount import parse_rate
from naived.core.orders.intent import Side
from naived.core.strategy.formulas import Fees
from naived.ports import ExchangeError, RefusedError

EPOCH = 1_700_000_000_000  # ms, the peer's clock at trio's time 0
ORDER = {
    "symbol": "ETHUSDT",
    "orderId": 7,
    "clientOrderId": "n1test-abc",
    "price": "2600.00000000",
    "origQty": "0.10000000",
    "executedQty": "0.00000000",
    "cummulativeQuoteQty": "0.00000000",
    "status": "NEW",
    "side": "BUY",
    "time": EPOCH + 1000,
    "updateTime": EPOCH + 2000,
}
TRADE = {
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
SYMBOL = {"symbol": "ETHUSDT", "status": "TRADING", "baseAsset": "ETH", "quoteAsset": "USDT", "filters": []}


def sent(peer, method):
    """The parameters of the requests, without those of every signed one."""
    signature = {"apiKey", "signature", "timestamp", "recvWindow"}
    return [
        {name: value for name, value in each["params"].items() if name not in signature}
        for each in peer.asked(method)
    ]


async def test_an_order_is_asked_for_by_either_id(autojump_clock, running, peer):
    peer.answer("order.status", ORDER)
    await running.order("ETHUSDT", order_id=7)
    found = await running.order("ETHUSDT", client_order_id="n1test-abc")
    assert (found.order_id, found.created, found.time) == (7, EPOCH + 1000, EPOCH + 2000)
    assert sent(peer, "order.status") == [
        {"symbol": "ETHUSDT", "orderId": 7},
        {"symbol": "ETHUSDT", "origClientOrderId": "n1test-abc"},
    ]


async def test_an_order_is_absent_only_if_the_exchange_says_so(autojump_clock, running, peer):
    peer.fail("order.status", -2013, "Order does not exist.")
    assert await running.order("ETHUSDT", order_id=7) is None
    peer.fail("order.status", -2026, "Order was canceled or expired with no executed qty over 90 days ago.")
    assert await running.order("ETHUSDT", order_id=7) is None
    for code in (-1003, -1000, -1021, -1121):
        peer.fail("order.status", code, "anything else")
        with pytest.raises(ExchangeError) as caught:
            await running.order("ETHUSDT", order_id=7)
        # Only what is about this symbol may count against this symbol.
        assert isinstance(caught.value, RefusedError) == (code == -1121)
    peer.answer("order.status", ORDER | {"status": "TRANSMOGRIFIED"})
    with pytest.raises(ExchangeError, match="unreadable"):
        await running.order("ETHUSDT", order_id=7)
    peer.answer("order.status", {})
    with pytest.raises(ExchangeError, match="unreadable"):
        await running.order("ETHUSDT", order_id=7)


async def test_a_question_without_an_answer_is_an_error(autojump_clock, running, peer):
    peer.ignore("order.status")
    with pytest.raises(ExchangeError, match="no answer within 10 s"):
        await running.order("ETHUSDT", order_id=7)


async def test_open_orders_of_one_symbol_or_of_all(autojump_clock, running, peer):
    peer.answer("openOrders.status", [ORDER, ORDER | {"orderId": 8}])
    assert [each.order_id for each in await running.open_orders()] == [7, 8]
    await running.open_orders("ETHUSDT")
    assert sent(peer, "openOrders.status") == [{}, {"symbol": "ETHUSDT"}]


async def test_one_question_for_all_open_orders_is_used_where_it_weighs_less_than_one_for_each(running):
    assert running.bulk_open_orders_from * 6 > 80 > (running.bulk_open_orders_from - 1) * 6


async def test_a_long_list_of_orders_is_read_to_its_end_without_repetitions(autojump_clock, running, peer):
    everything = [
        ORDER | {"orderId": number, "updateTime": EPOCH + 2000 + number // 2} for number in range(1, 2501)
    ]

    def page(request):
        since = request["params"]["startTime"]
        return {"status": 200, "result": [each for each in everything if each["updateTime"] >= since][:1000]}

    peer.script["allOrders"] = page
    found = await running.orders_since("ETHUSDT", EPOCH + 1500)
    assert [each.order_id for each in found] == list(range(1, 2501))
    assert len(peer.asked("allOrders")) == 3


async def test_a_full_page_of_one_millisecond_is_an_error(autojump_clock, running, peer):
    peer.answer("allOrders", [ORDER | {"orderId": number} for number in range(1, 1001)])
    with pytest.raises(ExchangeError, match="one millisecond"):
        await running.orders_since("ETHUSDT", EPOCH + 2000)


async def test_an_amended_order_had_other_ids_before(autojump_clock, running, peer):
    """The row is that of Binance's documentation of order.amendments."""
    row = {
        "symbol": "BTCUSDT",
        "orderId": 23,
        "executionId": 60,
        "origClientOrderId": "my_pending_order",
        "newClientOrderId": "xbxXh5SSwaHS7oUEOCI88B",
        "origQty": "7.00000000",
        "newQty": "5.00000000",
        "time": 1741924229819,
    }
    peer.answer("order.amendments", [row, row | {"origClientOrderId": "xbxXh5SSwaHS7oUEOCI88B"}])
    assert await running.earlier_ids("BTCUSDT", 23) == ["my_pending_order", "xbxXh5SSwaHS7oUEOCI88B"]
    assert sent(peer, "order.amendments") == [{"symbol": "BTCUSDT", "orderId": 23}]
    peer.answer("order.amendments", [row, {"orderId": 23}])
    with pytest.raises(RefusedError, match="an amendment cannot be read"):
        await running.earlier_ids("BTCUSDT", 23)


async def test_fills_of_an_order_are_read_page_by_page(autojump_clock, running, peer):
    def page(request):
        start = max(request["params"].get("fromId", 300), 1)  # without a beginning: the newest
        rows = [TRADE | {"id": number} for number in range(start, min(start + 1000, 1300))]
        return {"status": 200, "result": rows}

    peer.script["myTrades"] = page
    fills = await running.fills("ETHUSDT", order_id=7)
    assert [fill.trade_id for fill in fills] == list(range(1, 1300))
    assert sent(peer, "myTrades") == [
        {"symbol": "ETHUSDT", "limit": 1000, "orderId": 7},
        {"symbol": "ETHUSDT", "limit": 1000, "orderId": 7, "fromId": 0},
        {"symbol": "ETHUSDT", "limit": 1000, "orderId": 7, "fromId": 1001},
    ]


async def test_fills_since_a_time_are_read_page_by_page_oldest_first(autojump_clock, running, peer):
    everything = [TRADE | {"id": number, "time": EPOCH + 3000 + number // 3} for number in range(1, 1501)]

    def page(request):
        since = request["params"]["startTime"]
        return {"status": 200, "result": [each for each in everything if each["time"] >= since][:1000]}

    peer.script["myTrades"] = page
    fills = await running.fills("ETHUSDT", since=EPOCH + 3000)
    assert [fill.trade_id for fill in fills] == list(range(1, 1501))


async def test_both_sides_of_one_trade_may_be_ours(autojump_clock, running, peer):
    peer.answer("myTrades", [TRADE, TRADE | {"orderId": 6}])
    assert [fill.order_id for fill in await running.fills("ETHUSDT", since=0)] == [6, 7]


async def test_rules_are_asked_for_by_name_and_set_the_limits(autojump_clock, running, peer):
    limit = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 3}
    peer.answer("exchangeInfo", {"symbols": [SYMBOL], "rateLimits": [limit]})
    assert set(await running.symbols(["ETHUSDT"])) == {"ETHUSDT"}
    assert sent(peer, "exchangeInfo") == [{"symbols": ["ETHUSDT"], "showPermissionSets": False}]
    admitted = 0
    while running.admit(Side.SELL) is not None:
        admitted += 1
    assert 2 <= admitted <= 3


def lists(peer, *listed):
    """Let the exchange list these symbols. A question about all of them is an error of the test."""

    def info(request):
        names = request["params"]["symbols"]
        if len(names) != len(set(names)):
            return {"status": 400, "error": {"code": -1151, "msg": "Symbol is present multiple times in the list."}}
        if not set(names) <= set(listed):
            return {"status": 400, "error": {"code": -1121, "msg": "Invalid symbol."}}
        return {"status": 200, "result": {"symbols": [SYMBOL | {"symbol": name} for name in names]}}

    peer.script["exchangeInfo"] = info


async def test_one_unknown_name_does_not_hide_the_others(autojump_clock, running, peer):
    lists(peer, "ETHUSDT", "BTCUSDT")
    assert set(await running.symbols(["ETHUSDT", "NOSUCH", "BTCUSDT"])) == {"ETHUSDT", "BTCUSDT"}
    assert await running.symbols([]) == {}
    peer.fail("exchangeInfo", -1000, "An unknown error occurred")
    with pytest.raises(ExchangeError):
        await running.symbols(["ETHUSDT"])


async def test_the_exchange_is_never_asked_for_all_that_it_lists(autojump_clock, running, peer):
    listed = [f"S{number:03}USDT" for number in range(600)]
    lists(peer, *listed)
    found = await running.symbols([*listed[:400], "NOSUCH", *listed[400:], "NEITHER"])
    assert set(found) == set(listed)
    asked = sent(peer, "exchangeInfo")
    assert all(0 < len(each["symbols"]) <= 500 for each in asked)
    assert len(asked) <= 40


async def test_a_name_that_was_not_asked_for_is_not_held_for_unlisted(autojump_clock, running, peer):
    lists(peer, "ETHUSDT")
    unknown = [f"Q{number}" for number in range(400)]
    found = await running.symbols([*unknown, "ETHUSDT"])
    assert len(sent(peer, "exchangeInfo")) == 100
    assert 300 < len(found) < 400
    assert {type(info) for info in found.values()} == {RefusedError}


async def test_a_name_that_two_ask_for_is_asked_for_once(autojump_clock, running, peer):
    lists(peer, "ETHUSDT", "BTCUSDT")
    assert set(await running.symbols(["ETHUSDT", "BTCUSDT", "ETHUSDT"])) == {"ETHUSDT", "BTCUSDT"}


async def test_fees_and_account_are_read(autojump_clock, running, peer):
    peer.answer(
        "account.commission", {"symbol": "ETHUSDT", "standardCommission": {"maker": "0.001", "taker": "0.002"}}
    )
    assert await running.fees("ETHUSDT") == Fees(parse_rate("0.002"), parse_rate("0.002"))
    balance = {"asset": "ETH", "free": "1.00000000", "locked": "0.50000000"}
    peer.answer("account.status", {"uid": 354937868, "balances": [balance]})
    account = await running.account()
    assert account.uid == "354937868"
    assert (account.balances["ETH"].free, account.balances["ETH"].locked) == (100_000_000, 50_000_000)
    assert account.fees is None


@pytest.mark.parametrize(
    ("rates", "fees"),
    [
        ({"maker": "0.001", "taker": "0.002", "buyer": "0.0005", "seller": "0"}, ("0.0025", "0.002")),
        ({"maker": "0", "taker": "0"}, ("0", "0")),
        ({"maker": "x"}, None),
        ([], None),
        (None, None),
    ],
)
async def test_the_rates_of_the_account_never_cost_its_balances(autojump_clock, running, peer, rates, fees):
    peer.answer("account.status", {"uid": 1, "balances": [], "commissionRates": rates})
    account = await running.account()
    assert account.fees == (None if fees is None else Fees(*map(parse_rate, fees)))


async def test_the_servers_time_is_read_from_the_server(autojump_clock, running, peer):
    peer.answer("time", {"serverTime": 1_800_000_000_000})
    assert await running.server_time() == 1_800_000_000_000
    assert running.now() == 1_800_000_000_000
    peer.answer("time", {})
    with pytest.raises(ExchangeError):
        await running.server_time()


def kline(start=EPOCH, high="2600.00000000", length=1000, volume="1.00000000"):
    prices = ["2500.00000000", high, "2400.00000000", "2550.00000000", volume]
    return [start, *prices, start + length - 1, "2550.00000000", 7, "0.50000000", "1275.00000000", "0"]


@pytest.mark.parametrize(
    ("span", "interval", "length"),
    [(1_000, "1s", 1_000), (605_000, "1s", 1_000), (3_605_000, "1m", 60_000), (30 * 86_400_000, "1h", 3_600_000)],
)
async def test_candles_are_asked_for_in_the_shortest_that_one_answer_holds(
    autojump_clock, running, peer, span, interval, length
):
    peer.answer("klines", [kline(), kline(EPOCH + 1000, "2601")])
    assert [each.high for each in await running.candles("ETHUSDT", span)] == [260_000_000_000, 260_100_000_000]
    (asked,) = sent(peer, "klines")
    now = running.now()
    assert (asked["symbol"], asked["interval"], asked["limit"]) == ("ETHUSDT", interval, 1000)
    assert asked["startTime"] % length == 0
    assert now - span - length < asked["startTime"] <= now - span
    assert (now - asked["startTime"]) // length + 1 <= 1000


async def test_a_candle_without_trades_has_no_high_of_its_own(autojump_clock, running, peer):
    peer.answer("klines", [kline(), kline(EPOCH + 1000, volume="0.00000000")])
    assert [each.high for each in await running.candles("ETHUSDT", 60_000)] == [260_000_000_000, 0]


@pytest.mark.parametrize(
    "row",
    [
        None,
        [],
        {},
        kline()[:5],
        kline(high=None),
        kline(high=2600.5),
        kline(high="0.00000000"),
        kline(high="-1"),
        kline(high="1e3"),
        kline(volume="-1"),
        kline(volume=None),
        kline(volume="0", high="-1"),
        kline(start=EPOCH * 1000),
        kline(start=EPOCH, length=-1000),
    ],
)
async def test_a_candle_that_cannot_be_read_makes_the_others_worthless(autojump_clock, running, peer, row):
    peer.answer("klines", [kline(), row])
    with pytest.raises(ExchangeError):
        await running.candles("ETHUSDT", 60_000)
    peer.answer("klines", [kline()])
    assert len(await running.candles("ETHUSDT", 60_000)) == 1


REFERENCE = {"symbol": "ETHUSDT", "referencePrice": "2600.00000000", "timestamp": EPOCH}
AVERAGE = {"mins": 5, "price": "2500.00000000", "closeTime": EPOCH}


async def test_the_reference_price_of_a_symbol_that_has_one_is_its_own(autojump_clock, running, peer):
    peer.answer("referencePrice", REFERENCE)
    assert await running.reference_price("ETHUSDT") == 260_000_000_000
    assert sent(peer, "referencePrice") == [{"symbol": "ETHUSDT"}]
    assert not peer.asked("avgPrice")


@pytest.mark.parametrize("value", [None, 7, "", "0.00000000", "-1", "1e9", "NaN", "99999999999999999999999"])
async def test_without_a_reference_price_of_its_own_it_is_the_average(autojump_clock, running, peer, value):
    peer.answer("referencePrice", REFERENCE | {"referencePrice": value})
    peer.answer("avgPrice", AVERAGE)
    assert await running.reference_price("ETHUSDT") == 250_000_000_000
    assert sent(peer, "avgPrice") == [{"symbol": "ETHUSDT"}]


async def test_an_exchange_that_does_not_know_reference_prices_is_asked_for_the_average(
    autojump_clock, running, peer
):
    peer.fail("referencePrice", -2043, "This symbol doesn't have a reference price.")
    peer.answer("avgPrice", AVERAGE)
    assert await running.reference_price("ETHUSDT") == 250_000_000_000
    peer.answer("avgPrice", AVERAGE | {"price": "0.00000000"})
    assert await running.reference_price("ETHUSDT") is None
    peer.answer("avgPrice", AVERAGE | {"price": None})
    with pytest.raises(RefusedError, match="an average price"):
        await running.reference_price("ETHUSDT")
