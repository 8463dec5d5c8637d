from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.simulator import Client, api, limit, running, signed

ETH = {"symbol": "ETHUSDT"}


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with running() as simulation, api(simulation) as connected:
        await connected.get("sim.trade", **ETH, price="2683.80", quantity="1")
        await connected.get("order.place", **limit("BUY", "2600", "0.1", newClientOrderId="old"))
        yield connected


def replacing(mode: str = "STOP_ON_FAILURE", price: str = "2601", **more: Any) -> dict[str, Any]:
    return limit("BUY", price, "0.1", cancelReplaceMode=mode, newClientOrderId="new", **more)


async def test_an_order_is_replaced_by_another(client: Client) -> None:
    asked = replacing(cancelOrigClientOrderId="old", cancelNewClientOrderId="old-x")
    done = await client.get("order.cancelReplace", **asked)
    assert (done["cancelResult"], done["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert (done["cancelResponse"]["clientOrderId"], done["cancelResponse"]["status"]) == ("old-x", "CANCELED")
    assert (done["newOrderResponse"]["orderId"], done["newOrderResponse"]["status"]) == (2, "NEW")
    assert [row["clientOrderId"] for row in await client.get("openOrders.status", **signed())] == ["new"]


@pytest.mark.parametrize(
    ("mode", "more", "status", "code", "results", "left"),
    [
        ("STOP_ON_FAILURE", {"cancelOrderId": 9}, 400, -2022, ("FAILURE", "NOT_ATTEMPTED"), ["old"]),
        ("ALLOW_FAILURE", {"cancelOrderId": 9}, 409, -2021, ("FAILURE", "SUCCESS"), ["old", "new"]),
        ("STOP_ON_FAILURE", {"cancelOrderId": 1, "quantity": "99"}, 409, -2021, ("SUCCESS", "FAILURE"), []),
        ("ALLOW_FAILURE", {"cancelOrderId": 9, "quantity": "99"}, 400, -2022, ("FAILURE", "FAILURE"), ["old"]),
    ],
)
async def test_half_a_replacement_says_which_half(
    client: Client,
    mode: str,
    more: dict[str, Any],
    status: int,
    code: int,
    results: tuple[str, str],
    left: list[str],
) -> None:
    answer = await client.ask("order.cancelReplace", **{**replacing(mode), **more})
    error = answer["error"]
    assert (answer["status"], error["code"]) == (status, code)
    assert (error["data"]["cancelResult"], error["data"]["newOrderResult"]) == results
    if results[0] == "FAILURE":
        assert error["data"]["cancelResponse"] == {"code": -2011, "msg": "Unknown order sent."}
    assert [row["clientOrderId"] for row in await client.get("openOrders.status", **signed())] == left


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"price": "2601.001"}, -1013),
        ({"quantity": None}, -1102),
        ({"cancelReplaceMode": "MAYBE"}, -1130),
        ({"cancelReplaceMode": None}, -1102),
        ({"cancelOrderId": None}, -1102),
        ({"cancelRestrictions": "NEVER"}, -1145),
        ({"orderRateLimitExceededMode": "PERHAPS"}, -1130),
        ({"orderId": 1}, -1104),
    ],
)
async def test_a_replacement_that_makes_no_sense_cancels_nothing(
    client: Client, changes: dict[str, Any], code: int
) -> None:
    asked = {**replacing(cancelOrderId=1), **changes}
    assert (await client.fail("order.cancelReplace", **asked))[1] == code
    assert len(await client.get("openOrders.status", **signed())) == 1


async def test_an_order_is_amended_and_keeps_its_id_if_asked(client: Client) -> None:
    asked = signed(**ETH, origClientOrderId="old", newQty="0.06")
    done = await client.get("order.amend.keepPriority", **asked)
    order = done["amendedOrder"]
    assert (order["orderId"], order["origClientOrderId"], order["qty"]) == (1, "old", "0.06000000")
    new_id = order["clientOrderId"]
    assert new_id != "old"
    assert done["executionId"] == 2
    kept = signed(**ETH, orderId=1, newQty="0.05", newClientOrderId=new_id)
    assert (await client.get("order.amend.keepPriority", **kept))["amendedOrder"]["clientOrderId"] == new_id
    await client.get("order.place", **limit("BUY", "2599", "0.1", newClientOrderId="other"))
    taken = signed(**ETH, orderId=1, newQty="0.04", newClientOrderId="other")
    assert (await client.fail("order.amend.keepPriority", **taken))[1] == -2038
    assert (await client.fail("order.amend.keepPriority", **{**kept, "orderId": 9}))[1] == -2038
    assert (await client.fail("order.amend.keepPriority", **signed(**ETH, newQty="0.01")))[1] == -1102


async def test_the_amendments_of_an_order_tell_the_ids_that_it_had(client: Client) -> None:
    for quantity in ("0.06", "0.05"):
        await client.get("order.amend.keepPriority", **signed(**ETH, orderId=1, newQty=quantity))
    first, second = await client.get("order.amendments", **signed(**ETH, orderId=1))
    assert (first["origClientOrderId"], first["origQty"], first["newQty"]) == ("old", "0.10000000", "0.06000000")
    assert (second["origClientOrderId"], second["newQty"]) == (first["newClientOrderId"], "0.05000000")
    later = signed(**ETH, orderId=1, fromExecutionId=second["executionId"])
    assert await client.get("order.amendments", **later) == [second]
    assert await client.get("order.amendments", **signed(**ETH, orderId=1, limit=1)) == [first]
    assert await client.get("order.amendments", **signed(**ETH, orderId=9)) == []
    assert (await client.fail("order.amendments", **signed(**ETH)))[1] == -1102
    assert (await client.fail("order.status", **signed(**ETH, origClientOrderId="old")))[1] == -2013
    new_id = second["newClientOrderId"]
    assert (await client.get("order.status", **signed(**ETH, origClientOrderId=new_id)))["orderId"] == 1


async def test_an_amended_order_keeps_its_place_in_the_queue(client: Client) -> None:
    await client.get("order.place", **limit("BUY", "2600", "0.1"))
    await client.get("order.amend.keepPriority", **signed(**ETH, orderId=1, newQty="0.05"))
    await client.get("userDataStream.subscribe.signature", **signed())
    await client.get("sim.trade", **ETH, price="2599", quantity="1")
    filled = [event["i"] for event in client.events if event["e"] == "executionReport"]
    assert filled == [1, 2]


async def test_a_strategy_is_echoed_wherever_the_order_is_shown(client: Client) -> None:
    await client.get("userDataStream.subscribe.signature", **signed())
    asked = limit("BUY", "2590", "0.1", strategyId=42, strategyType=1_000_000)
    shown = [await client.get("order.place", **asked)]
    shown.append(await client.get("order.status", **signed(**ETH, orderId=2)))
    shown.append(await client.get("order.cancel", **signed(**ETH, orderId=2)))
    assert {(row["strategyId"], row["strategyType"]) for row in shown} == {(42, 1_000_000)}
    reports = [event for event in client.events if event["e"] == "executionReport"]
    assert {(event["j"], event["J"]) for event in reports} == {(42, 1_000_000)}
    small = limit("BUY", "2590", "0.1", strategyType=999_999)
    assert (await client.fail("order.place", **small))[1] == -1134


async def test_a_test_order_tells_its_commission_if_asked(client: Client) -> None:
    asked = limit("BUY", "2590", "0.1", computeCommissionRates=True)
    rates = await client.get("order.test", **asked)
    assert rates["standardCommissionForOrder"] == {"maker": "0.00100000", "taker": "0.00100000"}
    assert await client.get("order.test", **{**asked, "computeCommissionRates": False}) == {}


async def test_the_unfilled_orders_of_the_account_can_be_asked_for(client: Client) -> None:
    rows = await client.get("account.rateLimits.orders", **signed())
    assert {row["rateLimitType"] for row in rows} == {"ORDERS"}
    assert [(row["interval"], row["limit"]) for row in rows] == [("SECOND", 50), ("DAY", 160_000)]
    assert rows[1]["count"] == 1
