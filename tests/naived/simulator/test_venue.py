import pytest

from tests.support.simulator import Client, api, limit, running, signed

ETH = {"symbol": "ETHUSDT"}


async def trade(client: Client, price: str = "2683.80") -> None:
    await client.get("sim.trade", **ETH, price=price, quantity="1")


async def test_a_person_cancels_the_oldest_order_at_once() -> None:
    async with running() as simulation, api(simulation) as client:
        for name in ("first", "second"):
            await client.get("order.place", **limit("BUY", "2600", "0.1", newClientOrderId=name))
        await client.get("sim.fault", kind="manual_cancel", **ETH)
        orders = (await client.get("sim.ledger"))["orders"]
        assert [o["status"] for o in orders] == ["CANCELED", "NEW"]
        assert orders[0]["cancelClientOrderId"].startswith("web_")


async def test_a_cancel_by_hand_waits_for_something_to_cancel() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.fault", kind="manual_cancel")
        placed = await client.get("order.place", **limit("BUY", "2600", "0.1"))
        assert placed["status"] == "NEW"
        assert (await client.get("order.status", **signed(**ETH, orderId=1)))["status"] == "CANCELED"
        assert (await client.get("sim.ledger"))["faults"] == {"manual_cancel": 1}


async def test_a_cancel_by_hand_can_win_the_race_against_ours() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.fault", kind="manual_cancel", method="order.cancel")
        await client.get("order.place", **limit("BUY", "2600", "0.1"))
        assert (await client.fail("order.cancel", **signed(**ETH, orderId=1)))[1] == -2011


async def test_an_order_by_hand_rests_below_the_market_under_a_foreign_id() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("userDataStream.subscribe.signature", **signed())
        await client.get("sim.fault", kind="manual_order", **ETH)
        assert (await client.get("sim.ledger"))["orders"] == []
        await trade(client)
        await client.get("time")
        [order] = (await client.get("sim.ledger"))["orders"]
        assert (order["price"], order["origQty"], order["status"]) == ("2415.42000000", "0.00420000", "NEW")
        assert order["clientOrderId"].startswith("web_")
        assert (await client.event())["c"] == order["clientOrderId"]


async def test_a_halt_closes_the_market_and_passes() -> None:
    async with running(no_limits=True) as simulation, api(simulation) as client:
        await client.get("sim.fault", kind="halt", **ETH, seconds=0.2)
        assert await client.fail("order.place", **limit("BUY", "2600", "0.1")) == (400, -2010, "Market is closed.")
        while (await client.get("exchangeInfo", **ETH))["symbols"][0]["status"] == "HALT":
            pass
        assert (await client.get("order.place", **limit("BUY", "2600", "0.1")))["status"] == "NEW"


async def test_changed_filters_refuse_what_was_fine_until_they_are_asked_for_again() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.fault", kind="filters", **ETH)
        assert await client.fail("order.place", **limit("BUY", "2600.01", "0.1")) == (
            400,
            -1013,
            "Filter failure: PRICE_FILTER",
        )
        [row] = (await client.get("exchangeInfo", **ETH))["symbols"]
        assert row["filters"][0]["tickSize"] == "0.10000000"
        await client.get("sim.fault", kind="filters", **ETH)
        await client.get("sim.fault", kind="clear")
        assert (await client.get("order.place", **limit("BUY", "2600.01", "0.1")))["status"] == "NEW"


async def test_an_order_is_not_found_for_a_while_and_then_is() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.fault", kind="not_found_lag", seconds=0.3)
        await client.get("order.place", **limit("BUY", "2600", "0.1", newClientOrderId="mine"))
        assert (await client.fail("order.status", **signed(**ETH, origClientOrderId="mine")))[1] == -2013
        assert await client.get("openOrders.status", **signed(**ETH)) == []
        answer = await client.ask("order.status", **signed(**ETH, origClientOrderId="mine"))
        while answer["status"] != 200:
            answer = await client.ask("order.status", **signed(**ETH, origClientOrderId="mine"))
        assert answer["result"]["status"] == "NEW"


async def test_an_order_that_was_asked_for_can_begin_to_lag() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.fault", kind="not_found_lag", method="order.status", seconds=3600)
        await client.get("order.place", **limit("BUY", "2600", "0.1", newClientOrderId="mine"))
        assert (await client.fail("order.status", **signed(**ETH, origClientOrderId="mine")))[:2] == (400, -2013)
        assert (await client.fail("order.status", **signed(**ETH, orderId=1)))[:2] == (400, -2013)
        for each in ("openOrders.status", "allOrders"):
            assert await client.get(each, **signed(**ETH)) == []
        await trade(client, "2599")
        assert [fill["orderId"] for fill in await client.get("myTrades", **signed(**ETH))] == [1]
        [order] = (await client.get("sim.ledger"))["orders"]
        assert order["status"] == "FILLED"


async def test_a_first_fill_gives_unfilled_orders_back() -> None:
    async with running() as simulation, api(simulation) as client:
        await trade(client)

        async def counted(price: str) -> int:
            answer = await client.ask("order.place", **limit("BUY", price, "0.01"))
            count: int = answer["rateLimits"][1]["count"]  # per day: no window turns in between
            return count

        assert [await counted(price) for price in ("2600", "2601", "2602", "2603", "2604", "2605")] == [
            1,
            2,
            3,
            4,
            5,
            6,
        ]
        assert await counted("2683.80") == 6
        await trade(client, "2604.99")
        assert await counted("2400") == 2


@pytest.mark.parametrize("kind", ["halt", "filters", "manual_order", "manual_cancel"])
async def test_an_act_with_a_method_happens_right_before_it(kind: str) -> None:
    async with running() as simulation, api(simulation) as client:
        await trade(client)
        await client.get("order.place", **limit("BUY", "2600", "0.1"))
        await client.get("sim.fault", kind=kind, method="account.status")
        await client.get("order.status", **signed(**ETH, orderId=1))
        assert (await client.get("sim.ledger"))["faults"] == {}
        await client.get("account.status", **signed())
        assert (await client.get("sim.ledger"))["faults"] == {kind: 1}
