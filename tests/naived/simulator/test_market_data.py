import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from naived.websocket import Closed, connect
from tests.support.simulator import Client, api, limit, running, signed

ETH = {"symbol": "ETHUSDT"}
BOTH = ["ETHUSDT", "BTCUSDT"]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with running() as simulation, api(simulation) as connected:
        for price in ("2683.80", "2684.00", "2685.00"):
            await connected.get("sim.trade", **ETH, price=price, quantity="0.5")
        yield connected


async def test_published_trades_can_be_asked_for_again(client: Client) -> None:
    recent = await client.get("trades.recent", **ETH)
    assert [row["price"] for row in recent] == ["2683.80000000", "2684.00000000", "2685.00000000"]
    assert recent[0].keys() == {"id", "price", "qty", "quoteQty", "time", "isBuyerMaker", "isBestMatch"}
    assert recent[0]["quoteQty"] == "1341.90000000"
    assert await client.get("trades.recent", **ETH, limit=2) == recent[1:]
    assert await client.get("trades.historical", **ETH) == recent
    assert await client.get("trades.historical", **ETH, fromId=recent[1]["id"], limit=1) == [recent[1]]
    assert await client.get("trades.historical", **ETH, fromId=recent[2]["id"] + 1) == []
    assert await client.get("trades.recent", symbol="BTCUSDT") == []
    assert await client.fail("trades.recent", **ETH, limit=1001) == (
        400,
        -1130,
        "Data sent for parameter 'limit' is not valid.",
    )


async def test_aggregates_can_be_asked_for_by_id_and_by_time(client: Client) -> None:
    rows = await client.get("trades.aggregate", **ETH)
    assert rows[0].keys() == {"a", "p", "q", "f", "l", "T", "m", "M"}
    assert await client.get("trades.aggregate", **ETH, fromId=rows[2]["a"]) == [rows[2]]
    time = rows[-1]["T"]
    assert await client.get("trades.aggregate", **ETH, startTime=rows[0]["T"], endTime=time) == rows
    assert await client.get("trades.aggregate", **ETH, startTime=(time + 1) * 1000) == []
    assert await client.get("trades.aggregate", **ETH, endTime=time, limit=1) == [rows[-1]]
    assert (await client.fail("trades.aggregate", **ETH, startTime=1, fromId=1))[1] == -1128


async def test_prices_of_one_some_and_all_symbols(client: Client) -> None:
    price = {"symbol": "ETHUSDT", "price": "2685.00000000"}
    assert await client.get("ticker.price", **ETH) == price
    some = await client.get("ticker.price", symbols=["BTCUSDT", "ETHUSDT"])
    assert some == [{"symbol": "BTCUSDT", "price": "0.00000000"}, price]
    assert price in await client.get("ticker.price")
    assert (await client.fail("ticker.price", symbols=[]))[1] == -1102
    assert (await client.fail("ticker.book", symbols=["NOPE"]))[1] == -1121


@pytest.mark.parametrize("method", ["ticker.price", "ticker.book"])
async def test_a_status_leaves_those_that_have_it_and_a_single_symbol_must_have_it(
    client: Client, method: str
) -> None:
    await client.get("sim.rules", symbol="BTCUSDT", status="HALT")
    [halted] = await client.get(method, symbolStatus="HALT")
    assert halted["symbol"] == "BTCUSDT"
    assert [row["symbol"] for row in await client.get(method, symbolStatus="TRADING", symbols=BOTH)] == ["ETHUSDT"]
    assert (await client.get(method, **ETH, symbolStatus="TRADING"))["symbol"] == "ETHUSDT"
    _, code, text = await client.fail(method, **ETH, symbolStatus="HALT")
    assert (code, text) == (-1220, "The symbol's status does not match the requested symbolStatus.")


@pytest.mark.parametrize("method", ["exchangeInfo", "executionRules"])
async def test_a_status_and_names_do_not_go_together(client: Client, method: str) -> None:
    assert [] in (await client.get(method, symbolStatus="HALT")).values()
    assert (await client.fail(method, **ETH, symbolStatus="TRADING"))[1] == -1128
    assert (await client.fail(method, symbols=BOTH, symbolStatus="TRADING"))[1] == -1128


@pytest.mark.parametrize("method", ["exchangeInfo", "executionRules", "ticker.price", "ticker.book"])
async def test_a_symbol_is_asked_for_once(client: Client, method: str) -> None:
    _, code, text = await client.fail(method, symbols=[*BOTH, "ETHUSDT"])
    assert (code, text) == (-1151, "Symbol is present multiple times in the list.")


@pytest.mark.parametrize(
    ("params", "weight"),
    [(ETH, 2), ({"symbols": BOTH}, 4), ({"symbols": ["NOPE"] * 30}, 40), ({}, 40)],
)
async def test_the_rules_of_some_symbols_weigh_less_than_those_of_all(
    client: Client, params: dict[str, Any], weight: int
) -> None:
    async def used() -> int:
        [row] = (await client.ask("ping"))["rateLimits"]
        count: int = row["count"]
        return count

    before = await used()
    await client.ask("executionRules", **params)
    assert await used() == before + 1 + weight


async def test_the_best_bid_and_ask_stand_around_the_last_price_and_show_better_orders(client: Client) -> None:
    assert await client.get("ticker.book", **ETH) == {
        "symbol": "ETHUSDT",
        "bidPrice": "2684.99000000",
        "bidQty": "0.50000000",
        "askPrice": "2685.01000000",
        "askQty": "0.50000000",
    }
    await client.get("order.place", **limit("BUY", "2684.5", "0.1"))
    await client.get("sim.trade", **ETH, price="2684.5", quantity="2")
    top = await client.get("ticker.book", **ETH)
    assert (top["bidPrice"], top["bidQty"]) == ("2684.50000000", "0.10000000")
    assert (top["askPrice"], top["askQty"]) == ("2684.51000000", "2.00000000")
    unknown = await client.get("ticker.book", symbol="BTCUSDT")
    assert {unknown[name] for name in ("bidPrice", "bidQty", "askPrice", "askQty")} == {"0.00000000"}


async def test_the_best_bid_and_ask_are_streamed_as_they_change() -> None:
    async with running() as simulation, api(simulation) as client:
        async with connect(f"{simulation.url}/ws/ethusdt@bookTicker") as stream:
            await stream.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
            assert json.loads(await stream.receive())["result"] == ["ethusdt@bookTicker"]
            await client.get("sim.trade", **ETH, price="2685", quantity="1")
            await client.get("sim.trade", **ETH, price="2685", quantity="1")
            await client.get("sim.trade", **ETH, price="2684", quantity="1")
            first, second = [json.loads(await stream.receive()) for _ in range(2)]
        assert (first["b"], first["a"]) == ("2684.99000000", "2685.01000000")
        assert (second["b"], second["a"]) == ("2683.99000000", "2684.01000000")
        assert second["u"] > first["u"]


async def test_the_reference_price_is_the_mean_of_the_trades(client: Client) -> None:
    answer = await client.get("referencePrice", **ETH)
    assert (answer["symbol"], answer["referencePrice"]) == ("ETHUSDT", "2684.26666666")
    assert (await client.get("referencePrice", symbol="BTCUSDT"))["referencePrice"] is None
    [row] = (await client.get("executionRules", **ETH))["symbolRules"]
    assert row["rules"] == [
        {
            "ruleType": "PRICE_RANGE",
            "bidLimitMultUp": "2.00000000",
            "bidLimitMultDown": "0.50000000",
            "askLimitMultUp": "2.00000000",
            "askLimitMultDown": "0.50000000",
        }
    ]


async def test_the_price_that_is_told_is_the_one_that_filters_compare_with() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.trade", **ETH, price="1000", quantity="99")
        await client.get("sim.trade", **ETH, price="3000", quantity="1")
        assert (await client.get("referencePrice", **ETH))["referencePrice"] == "2000.00000000"
        assert (await client.get("avgPrice", **ETH))["price"] == "1020.00000000"
        _, code, message = await client.fail("order.test", **limit("BUY", "2400.01", "0.1"))
        assert (code, message) == (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE")
        assert await client.get("order.test", **limit("BUY", "2400", "0.1")) == {}


async def test_a_taker_far_from_the_reference_price_expires() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.balance", asset="ETH", free="5")
        await client.get("userDataStream.subscribe.signature", **signed())
        for price in ("2000", "2000", "2000", "2000", "20000"):
            await client.get("sim.trade", **ETH, price=price, quantity="0.0001")
        terms = signed(**ETH, side="SELL", type="MARKET", quantity="0.1")
        answer = await client.get("order.place", **terms)
        reason = "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"
        assert (answer["status"], answer["expiryReason"], answer["fills"]) == ("EXPIRED", reason, [])
        reports = [event for event in client.events if event["e"] == "executionReport"]
        assert [(event["x"], event["X"], event.get("eR")) for event in reports] == [
            ("NEW", "NEW", None),
            ("EXPIRED", "EXPIRED", reason),
        ]
        for _ in range(5):
            await client.get("sim.trade", **ETH, price="2000", quantity="1")
        assert (await client.get("order.place", **terms))["status"] == "FILLED"


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/ws-api/v3?timeUnit=NANOSECOND", -1194),
        ("/ws-api/v3?responseFormat=sbe&sbeSchemaId=3&sbeSchemaVersion=0", -1155),
        ("/stream?streams=ethusdt@trade&timeUnit=second", -1194),
        ("/stream?streams=ethusdt@trade/ethusdt@kline_1m", 2),
        ("/ws/ethusdt@depth@100ms", 2),
        ("/ws/nope@trade", 2),
    ],
)
async def test_a_connection_that_asks_for_what_is_not_done_is_told_and_closed(target: str, code: int) -> None:
    async with running() as simulation, connect(f"{simulation.url}{target}") as connection:
        frame = json.loads(await connection.receive())
        assert (frame.get("error") or frame)["code"] == code
        with pytest.raises(Closed):
            await connection.receive()


async def test_times_are_microseconds_where_the_connection_asks_for_them() -> None:
    async with running() as simulation, api(simulation, "?timeUnit=MICROSECOND") as client:
        now = signed()["timestamp"]
        assert 0 <= (await client.get("time"))["serverTime"] // 1000 - now < 60_000
        await client.get("userDataStream.subscribe.signature", **signed(timestamp=now * 1000))
        placed = await client.get("order.place", **{**limit("BUY", "2600", "0.1"), "timestamp": now * 1000})
        status = await client.get("order.status", **signed(**ETH, orderId=1))
        report, position = client.events
        in_micro = [placed["transactTime"], placed["workingTime"], status["time"], status["updateTime"]]
        in_micro += [report["E"], report["T"], report["O"], report["W"], position["E"], position["u"]]
        assert all(now * 1000 <= time < (now + 60_000) * 1000 for time in in_micro)
        assert report["i"] == status["orderId"] == 1
        start = await client.get("allOrders", **signed(**ETH, startTime=status["time"]))
        assert start == [status]
        assert await client.get("allOrders", **signed(**ETH, startTime=status["time"] + 60_000_000)) == []
        refused = await client.ask("sim.fault", kind="error", method="time", code=-1003)
        assert refused["status"] == 200
        data = (await client.ask("time"))["error"]["data"]
        assert data["retryAfter"] >= data["serverTime"] >= now * 1000
