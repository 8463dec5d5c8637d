from pathlib import Path

import pytest

from tests.simulator_values import api, limit, running, signed

ETH = {"symbol": "ETHUSDT"}


async def test_a_fed_trade_is_matched_before_it_is_answered() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("order.place", **limit("BUY", "2600", "0.1"))
        first = await client.get("sim.trade", **ETH, price="2600", quantity="1")
        second = await client.get("sim.trade", **ETH, price="2599.999", quantity="0.00000001")
        assert second["id"] == first["id"] + 1
        [order] = (await client.get("sim.ledger"))["orders"]
        assert order["status"] == "FILLED"


async def test_the_ledger_shows_the_id_at_placement_and_the_cancels(tmp_path: Path) -> None:
    async with running(ledger=tmp_path / "ledger.db") as simulation, api(simulation) as client:
        await client.get("sim.trade", **ETH, price="2683.80", quantity="1")
        await client.get("order.place", **limit("BUY", "2600", "0.1", newClientOrderId="mine"))
        await client.get("order.cancel", **signed(**ETH, orderId=1, newClientOrderId="mine-x"))
        await client.get("order.place", **limit("BUY", "2700", "0.1", newClientOrderId="fills"))
        await client.get("sim.fault", kind="error", method="time")
        await client.fail("time")
    async with running(ledger=tmp_path / "ledger.db") as simulation, api(simulation) as client:
        ledger = await client.get("sim.ledger")
        assert [(o["clientOrderId"], o["cancelClientOrderId"], o["status"]) for o in ledger["orders"]] == [
            ("mine", "mine-x", "CANCELED"),
            ("fills", None, "FILLED"),
        ]
        assert [(fill["orderId"], fill["isBuyer"]) for fill in ledger["fills"]] == [(2, True)]
        assert ledger["balances"] == (await client.get("account.status", **signed()))["balances"]
        assert ledger["faults"] == {"error": 1}
        assert (await client.get("sim.ledger", symbol="BTCUSDT"))["orders"] == []


async def test_consumed_faults_are_counted_in_the_ledger() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.fault", kind="error", method="time", count=2)
        assert (await client.get("sim.ledger"))["faults"] == {}
        for _ in range(2):
            assert await client.fail("time") == (
                504,
                -1007,
                "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
            )
        await client.get("time")
        assert (await client.get("sim.ledger"))["faults"] == {"error": 2}


async def test_steering_weighs_nothing_and_is_not_signed() -> None:
    async with running() as simulation, api(simulation) as client:
        before = (await client.ask("time"))["rateLimits"]
        steered = await client.ask("sim.ledger")
        after = (await client.ask("time"))["rateLimits"]
        assert "rateLimits" not in steered
        assert after[0]["count"] == before[0]["count"] + 1


async def test_a_clear_disarms_and_heals() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.fault", kind="halt", symbol="ETHUSDT", seconds=3600)
        await client.get("sim.fault", kind="error", count=5)
        await client.get("sim.fault", kind="clear")
        [row] = (await client.get("exchangeInfo", **ETH))["symbols"]
        assert row["status"] == "TRADING"


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("sim.dance", {}, -1020),
        ("sim.trade", {"symbol": "NOPE", "price": "1", "quantity": "1"}, -1121),
        ("sim.trade", {"symbol": "ETHUSDT", "price": "-1", "quantity": "1"}, -1100),
        ("sim.trade", {"symbol": "ETHUSDT", "price": "1", "quantity": "0"}, -1013),
        ("sim.trade", {"symbol": "ETHUSDT", "price": "1"}, -1102),
        ("sim.ledger", {"symbol": "NOPE"}, -1121),
        ("sim.fault", {}, -1102),
        ("sim.fault", {"kind": "earthquake"}, -1130),
        ("sim.fault", {"kind": "late", "seconds": "soon"}, -1130),
        ("sim.fault", {"kind": "late", "seconds": "nan"}, -1130),
        ("sim.fault", {"kind": "late", "seconds": "inf"}, -1130),
        ("sim.fault", {"kind": "late", "probability": 1.5}, -1130),
        ("sim.fault", {"kind": "late", "count": 0}, -1130),
        ("sim.fault", {"kind": "late", "code": "none"}, -1130),
        ("sim.fault", {"kind": "late", "symbol": "NOPE"}, -1121),
    ],
)
async def test_a_steering_request_that_makes_no_sense_is_refused(
    method: str, params: dict[str, object], code: int
) -> None:
    async with running() as simulation, api(simulation) as client:
        assert (await client.fail(method, **params))[:2] == (400, code)
