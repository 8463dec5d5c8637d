import time

from tests.support.simulator import api, limit, running, signed

ETH = {"symbol": "ETHUSDT"}
DAY = 86_400_000


async def test_an_order_that_ended_without_a_fill_is_archived_after_ninety_days() -> None:
    begun = time.time_ns() // 1_000_000
    now = [begun]
    async with running(clock=lambda: now[0], no_limits=True) as simulation, api(simulation) as client:
        await client.get("sim.trade", **ETH, price="2683.80", quantity="1")
        await client.get("order.place", **limit("BUY", "2600", "0.1"))
        await client.get("order.cancel", **signed(**ETH, orderId=1))
        await client.get("order.place", **limit("BUY", "2690", "0.1"))
        await client.get("order.place", **limit("BUY", "2600", "0.1"))
        for days, archived in ((90, False), (91, True)):
            now[0] = begun + days * DAY
            at = signed(**ETH, timestamp=now[0])
            if archived:
                assert await client.fail("order.status", **at, orderId=1) == (
                    400,
                    -2026,
                    "Order was canceled or expired with no executed qty over 90 days ago and has been archived.",
                )
            else:
                assert (await client.get("order.status", **at, orderId=1))["status"] == "CANCELED"
            listed = [row["orderId"] for row in await client.get("allOrders", **at)]
            assert listed == ([2, 3] if archived else [1, 2, 3])
            for number, status in ((2, "FILLED"), (3, "NEW")):
                assert (await client.get("order.status", **at, orderId=number))["status"] == status
        assert len((await client.get("sim.ledger"))["orders"]) == 3
