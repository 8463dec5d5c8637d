import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from naived.simulator.methods import METHODS
from naived.simulator.steering import STEERING
from tests.support.simulator import Client, api, limit, running, signed

ETH = {"symbol": "ETHUSDT"}


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with running() as simulation, api(simulation) as connected:
        await connected.get("sim.trade", **ETH, price="2683.80", quantity="1")
        yield connected


async def test_an_order_is_placed_found_listed_and_cancelled(client: Client) -> None:
    placed = await client.get("order.place", **limit("BUY", "2600", "0.1", newClientOrderId="mine"))
    assert (placed["status"], placed["clientOrderId"], placed["fills"]) == ("NEW", "mine", [])
    by_id = await client.get("order.status", **signed(**ETH, orderId=placed["orderId"]))
    by_name = await client.get("order.status", **signed(**ETH, origClientOrderId="mine"))
    listed = await client.get("openOrders.status", **signed(**ETH))
    everywhere = await client.get("openOrders.status", **signed())
    assert [by_id] == [by_name] == listed == everywhere
    gone = await client.get("order.cancel", **signed(**ETH, orderId=1, newClientOrderId="mine-x"))
    assert (gone["status"], gone["origClientOrderId"], gone["clientOrderId"]) == ("CANCELED", "mine", "mine-x")
    assert await client.get("openOrders.status", **signed(**ETH)) == []
    assert [o["status"] for o in await client.get("allOrders", **signed(**ETH))] == ["CANCELED"]


async def test_an_order_that_takes_is_answered_with_its_fills_and_listed_in_my_trades(client: Client) -> None:
    placed = await client.get("order.place", **limit("BUY", "2690", "0.1"))
    assert (placed["status"], placed["fills"][0]["price"]) == ("FILLED", "2683.80000000")
    trades = await client.get("myTrades", **signed(**ETH))
    assert [(t["orderId"], t["isBuyer"], t["isMaker"]) for t in trades] == [(1, True, False)]
    assert await client.get("myTrades", **signed(**ETH, orderId=1)) == trades
    assert await client.get("myTrades", **signed(**ETH, orderId=2)) == []
    assert await client.get("myTrades", **signed(**ETH, fromId=3)) == []
    time = trades[0]["time"]
    assert await client.get("myTrades", **signed(**ETH, startTime=time, endTime=time + 1)) == trades
    assert await client.get("myTrades", **signed(**ETH, startTime=time + 1)) == []
    account = await client.get("account.status", **signed(omitZeroBalances="true"))
    assert {b["asset"]: b["free"] for b in account["balances"]} == {"ETH": "0.09990000", "USDT": "99731.62000000"}


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [("ACK", 5), ("RESULT", 16), ("FULL", 17), (None, 17)],
    ids=["ack", "result", "full", "usual"],
)
async def test_an_answer_has_the_shape_that_was_asked_for(client: Client, wanted: str | None, keys: int) -> None:
    more = {} if wanted is None else {"newOrderRespType": wanted}
    assert len(await client.get("order.place", **limit("BUY", "2600", "0.1", **more))) == keys


async def test_a_maker_only_order_is_acknowledged_shortly(client: Client) -> None:
    terms = signed(**ETH, side="BUY", type="LIMIT_MAKER", price="2600", quantity="0.1")
    assert len(await client.get("order.place", **terms)) == 5


async def test_a_test_order_is_checked_and_not_placed(client: Client) -> None:
    assert await client.get("order.test", **limit("BUY", "2600", "0.1")) == {}
    status, code, text = await client.fail("order.test", **limit("BUY", "2600.005", "0.1"))
    assert (status, code, text) == (400, -1013, "Filter failure: PRICE_FILTER")
    assert await client.get("allOrders", **signed(**ETH)) == []


@pytest.mark.parametrize(
    ("method", "params", "code", "text"),
    [
        ("order.status", {**ETH, "orderId": 9}, -2013, "Order does not exist."),
        ("order.status", ETH, -1102, None),
        ("order.status", {**ETH, "orderId": 1, "origClientOrderId": "other"}, -2039, None),
        ("order.status", {"symbol": "NOPE", "orderId": 1}, -1121, "Invalid symbol."),
        ("order.cancel", {**ETH, "orderId": 9}, -2011, "Unknown order sent."),
        ("order.cancel", {**ETH, "origClientOrderId": "nobody"}, -2011, "Unknown order sent."),
        ("order.cancel", {**ETH, "orderId": 1, "origClientOrderId": "other"}, -2011, "Unknown order sent."),
        (
            "order.cancel",
            {**ETH, "orderId": 1, "cancelRestrictions": "ONLY_PARTIALLY_FILLED"},
            -2011,
            "Order was not canceled due to cancel restrictions.",
        ),
        ("order.cancel", {**ETH, "orderId": 1, "cancelRestrictions": "NEVER"}, -1145, None),
        ("openOrders.cancelAll", {"symbol": "BTCUSDT"}, -2011, "Unknown order sent."),
        ("allOrders", {}, -1102, None),
        ("allOrders", {**ETH, "limit": 1001}, -1130, None),
        ("allOrders", {**ETH, "startTime": 1, "endTime": 86_400_002}, -1127, None),
        ("myTrades", {**ETH, "startTime": 1, "orderId": 1}, -1128, None),
        ("account.commission", {"symbol": "NOPE"}, -1121, None),
        ("exchangeInfo", {"symbol": "ETHUSDT", "symbols": '["ETHUSDT"]'}, -1128, None),
        ("exchangeInfo", {"symbols": ["ETHUSDT", "NOPE"]}, -1121, None),
        ("userDataStream.subscribe", {}, -2015, None),
        ("userDataStream.unsubscribe", {"subscriptionId": 5}, -2036, None),
        ("order.place", {"newOrderRespType": "SHORT"}, -1130, None),
        ("sing", {}, -1020, None),
    ],
)
async def test_what_cannot_be_answered_is_refused_by_code(
    client: Client, method: str, params: dict[str, Any], code: int, text: str | None
) -> None:
    await client.get("order.place", **limit("BUY", "2600", "0.1", newClientOrderId="mine"))
    if method == "order.place":
        params = limit("BUY", "2601", "0.1", **params)
        for name in signed():
            del params[name]
    asked = signed(**params) if METHODS.get(method) is None or METHODS[method].signed else params
    status, got, words = await client.fail(method, **asked)
    assert (status, got) == (400, code)
    assert text in (None, words)


async def test_a_cancel_may_be_asked_for_new_orders_only(client: Client) -> None:
    await client.get("order.place", **limit("BUY", "2600", "0.1"))
    gone = await client.get("order.cancel", **signed(**ETH, orderId=1, cancelRestrictions="ONLY_NEW"))
    assert gone["status"] == "CANCELED"


async def test_all_open_orders_of_a_symbol_go_at_once(client: Client) -> None:
    for price in ("2600", "2601"):
        await client.get("order.place", **limit("BUY", price, "0.1"))
    gone = await client.get("openOrders.cancelAll", **signed(**ETH))
    assert [row["orderId"] for row in gone] == [1, 2]
    assert await client.get("openOrders.status", **signed()) == []


async def test_history_is_paged_by_id(client: Client) -> None:
    for number in range(5):
        await client.get("order.place", **limit("BUY", f"260{number}", "0.1"))
    assert [o["orderId"] for o in await client.get("allOrders", **signed(**ETH, limit=2))] == [4, 5]
    page = await client.get("allOrders", **signed(**ETH, orderId=2, limit=2))
    assert [o["orderId"] for o in page] == [2, 3]


async def test_the_list_of_symbols_can_be_narrowed(client: Client) -> None:
    everything = await client.get("exchangeInfo")
    assert len(everything["symbols"]) >= 20
    assert {row["rateLimitType"] for row in everything["rateLimits"]} >= {"ORDERS", "REQUEST_WEIGHT"}
    for params in ({"symbols": ["ETHUSDT", "BTCUSDT"]}, {"symbols": '["ETHUSDT","BTCUSDT"]'}):
        some = await client.get("exchangeInfo", **params, showPermissionSets=False)
        assert [row["symbol"] for row in some["symbols"]] == ["ETHUSDT", "BTCUSDT"]
        assert "permissionSets" not in some["symbols"][0]
    assert (await client.get("exchangeInfo", symbolStatus="HALT"))["symbols"] == []
    assert [row["symbol"] for row in (await client.get("exchangeInfo", **ETH))["symbols"]] == ["ETHUSDT"]


async def test_prices_and_time_are_told_to_anyone(client: Client) -> None:
    await client.get("sim.trade", **ETH, price="2687.80", quantity="3")
    assert await client.get("ping") == {}
    assert await client.get("ticker.price", **ETH) == {"symbol": "ETHUSDT", "price": "2687.80000000"}
    assert await client.get("ticker.price", symbol="BTCUSDT") == {"symbol": "BTCUSDT", "price": "0.00000000"}
    average = await client.get("avgPrice", **ETH)
    assert (average["mins"], average["price"]) == (5, "2686.80000000")
    assert (await client.get("avgPrice", symbol="BTCUSDT"))["price"] == "0.00000000"
    assert (await client.get("time"))["serverTime"] >= average["closeTime"]


async def test_rates_are_those_of_the_configuration(client: Client) -> None:
    rates = await client.get("account.commission", **signed(**ETH))
    assert rates["standardCommission"]["taker"] == "0.00100000"


async def test_a_session_needs_a_logon_to_subscribe_and_a_logout_ends_its_subscription(client: Client) -> None:
    before = await client.get("session.status")
    assert (before["apiKey"], before["authorizedSince"], before["userDataStream"]) == (None, None, False)
    session = await client.get("session.logon", **signed())
    assert session["apiKey"] == "any"
    assert session["authorizedSince"] >= session["connectedSince"]
    assert await client.get("userDataStream.subscribe") == {"subscriptionId": 0}
    assert await client.get("session.subscriptions") == [{"subscriptionId": 0}]
    status, code, _ = await client.fail("userDataStream.subscribe.signature", **signed())
    assert (status, code) == (400, -2035)
    after = await client.get("session.logout")
    assert (after["apiKey"], after["userDataStream"]) == (None, False)
    assert await client.get("userDataStream.subscribe.signature", **signed()) == {"subscriptionId": 1}
    assert await client.get("userDataStream.unsubscribe", subscriptionId=1) == {}
    assert await client.get("session.subscriptions") == []


async def test_every_signed_method_insists_on_a_timestamp(client: Client) -> None:
    for name, method in METHODS.items():
        if method.signed:
            status, code, _ = await client.fail(name, apiKey="any", signature="any")
            assert (name, status, code) == (name, 400, -1102)


DOCUMENT = Path(__file__).parents[3] / "docs" / "SIMULATOR.md"


def _documented(heading: str) -> str:
    return DOCUMENT.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_the_document_names_every_method_and_no_other() -> None:
    table, _, refused = _documented("Methods").partition("Not supported")
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == METHODS.keys()
    assert not METHODS.keys() & set(re.findall(r"`([^`]+)`", refused))


def test_the_document_names_every_hand_with_its_parameters() -> None:
    hands = _documented("Steering").partition("| what ends")[0]
    rows = [line.split("|")[1:3] for line in hands.splitlines() if line.startswith("| `sim.")]
    documented = {name: params for names, params in rows for name in re.findall(r"`(sim\.[a-z]+)`", names)}
    assert documented.keys() == STEERING.keys()
    for name, hand in STEERING.items():
        if name != "sim.fault":
            assert sorted(re.findall(r"\b[a-zA-Z_]+\b", documented[name].replace("any of", ""))) == sorted(
                hand.takes.split()
            )
