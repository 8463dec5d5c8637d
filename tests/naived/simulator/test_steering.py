from pathlib import Path
from typing import Any

import pytest

from tests.support.simulator import Client, api, limit, running, signed

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
        ("sim.rules", {"symbol": "NOPE", "status": "BREAK"}, -1121),
        ("sim.rules", {"symbol": "ETHUSDT"}, -1102),
        ("sim.rules", {"symbol": "ETHUSDT", "tickSize": "tiny"}, -1130),
        ("sim.end", {"symbol": "ETHUSDT"}, -1102),
        ("sim.end", {"symbol": "ETHUSDT", "status": "FILLED"}, -1130),
        ("sim.end", {"symbol": "ETHUSDT", "status": "EXPIRED", "side": "buy"}, -1117),
        ("sim.end", {"symbol": "NOPE", "status": "EXPIRED"}, -1121),
        ("sim.balance", {"asset": "USDT"}, -1102),
        ("sim.balance", {"asset": "USDT", "free": "-1"}, -1100),
        ("sim.balance", {"free": "1"}, -1102),
        ("sim.delist", {"symbol": "NOPE"}, -1121),
        ("sim.fees", {"asset": "BNB"}, -1102),
        ("sim.fees", {"asset": "BNB", "price": "0"}, -1013),
        ("sim.fees", {"asset": "BNB", "price": "600", "discount": "1.1"}, -1130),
        ("sim.amend", {"symbol": "ETHUSDT", "quantity": "1"}, -1102),
        ("sim.amend", {"symbol": "ETHUSDT", "order_id": 7, "quantity": "1"}, -2038),
    ],
)
async def test_a_steering_request_that_makes_no_sense_is_refused(
    method: str, params: dict[str, object], code: int
) -> None:
    async with running() as simulation, api(simulation) as client:
        assert (await client.fail(method, **params))[:2] == (400, code)


async def placed(client: Client, side: str, price: str, quantity: str, name: str) -> int:
    answer = await client.get("order.place", **limit(side, price, quantity, newClientOrderId=name))
    number: int = answer["orderId"]
    return number


async def reports(client: Client) -> list[dict[str, Any]]:
    """The execution reports until now: an answer comes after the events of what was asked before."""
    await client.get("time")
    heard = [event for event in client.events if event["e"] == "executionReport"]
    client.events.clear()
    return heard


async def test_an_amended_order_has_a_new_client_order_id_in_reports_fills_and_queries() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.trade", **ETH, price="2683.80", quantity="1")
        await client.get("userDataStream.subscribe.signature", **signed())
        number = await placed(client, "BUY", "2600", "0.1", "ours")
        await reports(client)
        amended = await client.get("sim.amend", **ETH, order_id=number, quantity="0.04")
        new_id = amended["clientOrderId"]
        assert new_id != "ours"
        [told] = await reports(client)
        assert (told["x"], told["X"], told["c"], told["C"]) == ("REPLACED", "NEW", new_id, "ours")
        assert (told["q"], told["l"], told["t"], told["w"]) == ("0.04000000", "0.00000000", -1, True)
        [listed] = await client.get("openOrders.status", **signed(**ETH))
        assert (listed["clientOrderId"], listed["origQty"]) == (new_id, "0.04000000")
        account = await client.get("account.status", **signed())
        assert {row["asset"]: row["locked"] for row in account["balances"]}["USDT"] == "104.00000000"
        await client.get("sim.trade", **ETH, price="2599", quantity="1")
        [fill] = await reports(client)
        assert (fill["x"], fill["X"], fill["c"], fill["C"], fill["z"]) == (
            "TRADE",
            "FILLED",
            new_id,
            "",
            "0.04000000",
        )
        by_id = await client.get("order.status", **signed(**ETH, orderId=number))
        assert by_id == await client.get("order.status", **signed(**ETH, origClientOrderId=new_id))
        assert by_id["clientOrderId"] == new_id
        [row] = (await client.get("sim.ledger"))["orders"]
        assert (row["clientOrderId"], row["origQty"]) == ("ours", "0.04000000")


async def test_an_amended_order_is_cancelled_by_its_new_id_and_frees_the_old_one() -> None:
    async with running() as simulation, api(simulation) as client:
        number = await placed(client, "BUY", "2600", "0.1", "ours")
        amended = await client.get("sim.amend", **ETH, order_id=number, quantity="0.04")
        assert await client.fail("order.cancel", **signed(**ETH, origClientOrderId="ours")) == (
            400,
            -2011,
            "Unknown order sent.",
        )
        assert await placed(client, "BUY", "2601", "0.1", "ours") == number + 1
        gone = await client.get("order.cancel", **signed(**ETH, origClientOrderId=amended["clientOrderId"]))
        assert (gone["orderId"], gone["origClientOrderId"]) == (number, amended["clientOrderId"])


@pytest.mark.parametrize(
    ("quantity", "code", "text"),
    [
        ("0.1", -2038, "The requested action would change no state; rejecting."),
        ("0.2", -2038, "Order amend (quantity increase) is not supported."),
        ("0.00005", -1013, "Filter failure: LOT_SIZE"),
        ("0.0001", -1013, "Filter failure: NOTIONAL"),
    ],
)
async def test_an_order_is_only_amended_to_a_smaller_quantity_that_the_rules_allow(
    quantity: str, code: int, text: str
) -> None:
    async with running() as simulation, api(simulation) as client:
        number = await placed(client, "BUY", "2600", "0.1", "ours")
        assert await client.fail("sim.amend", **ETH, order_id=number, quantity=quantity) == (400, code, text)
        [row] = await client.get("openOrders.status", **signed())
        assert (row["clientOrderId"], row["origQty"]) == ("ours", "0.10000000")


async def test_a_partly_filled_order_keeps_something_to_trade() -> None:
    async with running() as simulation, api(simulation) as client:
        number = await placed(client, "BUY", "2600", "0.1", "ours")
        await client.get("sim.fault", kind="partial_fills")
        await client.get("sim.trade", **ETH, price="2599", quantity="1")
        assert (await client.fail("sim.amend", **ETH, order_id=number, quantity="0.05"))[1] == -2038
        amended = await client.get("sim.amend", **ETH, order_id=number, quantity="0.06")
        assert (amended["status"], amended["executedQty"]) == ("PARTIALLY_FILLED", "0.05000000")
        account = await client.get("account.status", **signed())
        assert {row["asset"]: row["locked"] for row in account["balances"]}["USDT"] == "26.00000000"


async def test_a_manual_amendment_waits_for_an_order_and_halves_it() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.fault", kind="manual_amend")
        assert (await client.get("sim.ledger"))["faults"] == {}
        await placed(client, "BUY", "2600", "0.1", "ours")
        [row] = await client.get("openOrders.status", **signed())
        assert row["origQty"] == "0.05000000"
        assert (await client.get("sim.ledger"))["faults"] == {"manual_amend": 1}


async def test_an_amendment_survives_a_restart(tmp_path: Path) -> None:
    async with running(ledger=tmp_path / "ledger.db") as simulation, api(simulation) as client:
        number = await placed(client, "BUY", "2600", "0.1", "ours")
        amended = await client.get("sim.amend", **ETH, order_id=number, quantity="0.04")
    async with running(ledger=tmp_path / "ledger.db") as simulation, api(simulation) as client:
        assert await client.get("openOrders.status", **signed()) == [amended]
        gone = await client.get("order.cancel", **signed(**ETH, origClientOrderId=amended["clientOrderId"]))
        assert gone["status"] == "CANCELED"


@pytest.mark.parametrize(
    ("status", "execution", "reason"),
    [
        ("CANCELED", "CANCELED", None),
        ("EXPIRED", "EXPIRED", "EXCHANGE_CANCELED"),
        ("EXPIRED_IN_MATCH", "TRADE_PREVENTION", None),
    ],
)
async def test_the_exchange_ends_orders_by_itself(status: str, execution: str, reason: str | None) -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.balance", asset="ETH", free="1")
        await client.get("userDataStream.subscribe.signature", **signed())
        await placed(client, "BUY", "2600", "0.1", "bid")
        await placed(client, "SELL", "2700", "0.1", "offer")
        await reports(client)
        [ended] = await client.get("sim.end", **ETH, side="BUY", status=status)
        assert (ended["status"], ended.get("expiryReason")) == (status, reason)
        [told] = await reports(client)
        assert (told["x"], told["X"], told["w"], told.get("eR")) == (execution, status, False, reason)
        if status == "CANCELED":
            assert told["c"] not in ("", "bid")
            assert told["C"] == "bid"
        else:
            assert (told["c"], told["C"]) == ("bid", "")
        account = await client.get("account.status", **signed())
        assert {row["asset"]: row["locked"] for row in account["balances"]}["USDT"] == "0.00000000"
        assert [row["side"] for row in await client.get("openOrders.status", **signed())] == ["SELL"]
        assert len(await client.get("sim.end", **ETH, status=status)) == 1
        assert await client.get("sim.end", **ETH, status=status) == []


async def test_a_deposit_and_a_withdrawal_are_told_with_their_change(tmp_path: Path) -> None:
    async with running(ledger=tmp_path / "ledger.db") as simulation, api(simulation) as client:
        await client.get("userDataStream.subscribe.signature", **signed())
        await placed(client, "BUY", "2600", "0.1", "ours")
        for free, change in (("100", "-99640.00000000"), ("250.5", "150.50000000"), ("0", "-250.50000000")):
            client.events.clear()
            await client.get("sim.balance", asset="USDT", free=free)
            await client.get("time")
            told, position = client.events[-2:]
            assert (told["e"], told["a"], told["d"]) == ("balanceUpdate", "USDT", change)
            assert position["B"] == [{"a": "USDT", "f": f"{float(free):.8f}", "l": "260.00000000"}]
        client.events.clear()
        await client.get("sim.balance", asset="USDT", free="0.00")
        await client.get("time")
        assert client.events == []
    async with running(ledger=tmp_path / "ledger.db") as simulation, api(simulation) as client:
        row = (await client.get("sim.ledger"))["balances"][-1]
        assert row == {"asset": "USDT", "free": "0.00000000", "locked": "260.00000000"}


async def test_new_rules_bind_at_once_and_after_a_restart(tmp_path: Path) -> None:
    async with running(ledger=tmp_path / "ledger.db") as simulation, api(simulation) as client:
        await client.get("sim.trade", **ETH, price="2683.80", quantity="1")
        await placed(client, "BUY", "2600.05", "0.1", "rests")
        await client.get("sim.rules", **ETH, tickSize="0.1", maxPosition="0.3")
        await client.get("sim.rules", **ETH, minNotional="30")
        assert (await client.fail("order.place", **limit("BUY", "2600.06", "0.1")))[1] == -1013
        assert (await client.fail("order.place", **limit("BUY", "2600", "0.01")))[1] == -1013
    async with running(ledger=tmp_path / "ledger.db") as simulation, api(simulation) as client:
        [row] = (await client.get("exchangeInfo", **ETH))["symbols"]
        assert row["filters"][0]["tickSize"] == "0.10000000"
        assert await client.fail("order.place", **limit("BUY", "2600", "0.2001")) == (
            400,
            -2010,
            "Filter failure: MAX_POSITION",
        )
        await client.get("sim.trade", **ETH, price="2600", quantity="1")
        [old] = (await client.get("sim.ledger"))["orders"]
        assert old["status"] == "FILLED"
        assert (await client.fail("order.place", **limit("BUY", "2500", "0.2002")))[1] == -2010
        await client.get("order.place", **limit("BUY", "2500", "0.2"))


async def test_a_closed_market_matches_nothing_takes_no_order_and_goes_on_when_it_opens() -> None:
    async with running() as simulation, api(simulation) as client:
        number = await placed(client, "BUY", "2600", "0.1", "rests")
        for status in ("HALT", "BREAK", "END_OF_DAY"):
            await client.get("sim.rules", **ETH, status=status)
            assert await client.fail("order.place", **limit("BUY", "2500", "0.1")) == (
                400,
                -2010,
                "Market is closed.",
            )
            assert (await client.fail("order.cancel", **signed(**ETH, orderId=number)))[1] == -2011
            assert (await client.fail("sim.amend", **ETH, order_id=number, quantity="0.05"))[1] == -2038
            await client.get("sim.trade", **ETH, price="2599", quantity="1")
            assert len(await client.get("openOrders.status", **signed())) == 1
        await client.get("sim.rules", **ETH, status="TRADING")
        await client.get("sim.trade", **ETH, price="2599", quantity="1")
        assert await client.get("openOrders.status", **signed()) == []


async def test_a_market_may_allow_cancels_only() -> None:
    async with running() as simulation, api(simulation) as client:
        number = await placed(client, "BUY", "2600", "0.1", "rests")
        await client.get("sim.rules", **ETH, status="CANCEL_ONLY")
        assert (await client.fail("order.place", **limit("BUY", "2500", "0.1")))[1] == -2010
        assert (await client.get("order.cancel", **signed(**ETH, orderId=number)))["status"] == "CANCELED"


async def test_a_halt_ends_at_the_rules_that_are_then_in_force() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.rules", **ETH, status="TRADING")
        await client.get("sim.fault", kind="halt", symbol="ETHUSDT", seconds=3600)
        assert (await client.get("exchangeInfo", **ETH))["symbols"][0]["status"] == "HALT"
        await client.get("sim.rules", **ETH, tickSize="0.5")
        await client.get("sim.fault", kind="clear")
        [row] = (await client.get("exchangeInfo", **ETH))["symbols"]
        assert (row["status"], row["filters"][0]["tickSize"]) == ("TRADING", "0.50000000")


async def test_a_delisted_symbol_is_out_of_every_answer_for_good(tmp_path: Path) -> None:
    unknown = (400, -1121, "Invalid symbol.")
    async with running(ledger=tmp_path / "ledger.db") as simulation, api(simulation) as client:
        await client.get("userDataStream.subscribe.signature", **signed())
        await placed(client, "BUY", "2600", "0.1", "ours")
        await reports(client)
        await client.get("sim.delist", **ETH)
        [told] = await reports(client)
        assert (told["x"], told["X"], told["eR"]) == ("EXPIRED", "EXPIRED", "EXCHANGE_CANCELED")
    async with running(ledger=tmp_path / "ledger.db") as simulation, api(simulation) as client:
        symbols = {row["symbol"] for row in (await client.get("exchangeInfo"))["symbols"]}
        assert "ETHUSDT" not in symbols
        assert "BTCUSDT" in symbols
        for name, params in (
            ("exchangeInfo", ETH),
            ("order.status", signed(**ETH, orderId=1)),
            ("order.cancel", signed(**ETH, orderId=1)),
            ("openOrders.status", signed(**ETH)),
            ("allOrders", signed(**ETH)),
            ("myTrades", signed(**ETH)),
            ("order.place", limit("BUY", "2600", "0.1")),
            ("ticker.price", ETH),
            ("sim.trade", {**ETH, "price": "2600", "quantity": "1"}),
            ("sim.delist", ETH),
        ):
            assert await client.fail(name, **params) == unknown, name
        assert await client.get("openOrders.status", **signed()) == []
        [row] = (await client.get("sim.ledger", **ETH))["orders"]
        assert row["status"] == "EXPIRED"


async def test_fees_are_taken_in_a_third_asset_while_it_lasts(tmp_path: Path) -> None:
    async with running(ledger=tmp_path / "ledger.db", balances={}) as simulation, api(simulation) as client:
        await client.get("sim.balance", asset="USDT", free="10000")
        await client.get("sim.balance", asset="BNB", free="0.0003")
        await client.get("sim.trade", **ETH, price="2000", quantity="1")
        await client.get("sim.fees", asset="BNB", price="500", discount="0.25")
    async with running(ledger=tmp_path / "ledger.db") as simulation, api(simulation) as client:
        await client.get("sim.trade", **ETH, price="2000", quantity="1")
        await client.get("userDataStream.subscribe.signature", **signed())
        rates = await client.get("account.commission", **signed(**ETH))
        assert rates["discount"] == {
            "enabledForAccount": True,
            "enabledForSymbol": True,
            "discountAsset": "BNB",
            "discount": "0.25000000",
        }
        # 0.1 ETH at 2000 is 200 USDT: 0.2 USDT of fee, less a quarter, at 500 USDT a BNB
        bought = await client.get("order.place", **limit("BUY", "2000", "0.1"))
        assert [(f["commission"], f["commissionAsset"]) for f in bought["fills"]] == [("0.00030000", "BNB")]
        fill = (await reports(client))[-1]
        assert (fill["n"], fill["N"]) == ("0.00030000", "BNB")
        account = await client.get("account.status", **signed(omitZeroBalances=True))
        assert {row["asset"]: row["free"] for row in account["balances"]} == {
            "ETH": "0.10000000",
            "USDT": "9800.00000000",
        }
        sold = await client.get("order.place", **limit("SELL", "2000", "0.1"))
        assert [(f["commission"], f["commissionAsset"]) for f in sold["fills"]] == [("0.20000000", "USDT")]
        await client.get("sim.balance", asset="BNB", free="1")
        sold = await client.get("order.place", **limit("BUY", "2000", "0.1"))
        assert [f["commissionAsset"] for f in sold["fills"]] == ["BNB"]
        await client.get("sim.fees", asset=None)
        sold = await client.get("order.place", **limit("SELL", "2000", "0.1"))
        assert [f["commissionAsset"] for f in sold["fills"]] == ["USDT"]
        assert [row["commissionAsset"] for row in (await client.get("sim.ledger"))["fills"]] == [
            "BNB",
            "USDT",
            "BNB",
            "USDT",
        ]


async def test_the_fee_asset_pays_for_its_own_trades_from_what_is_bought() -> None:
    async with running() as simulation, api(simulation) as client:
        bnb = {"symbol": "BNBUSDT", "type": "LIMIT", "timeInForce": "GTC", "price": "900", "quantity": "1"}
        await client.get("sim.trade", symbol="BNBUSDT", price="900", quantity="1")
        await client.get("sim.fees", asset="BNB", price="900")
        bought = await client.get("order.place", **signed(**bnb, side="BUY"))
        assert [(f["commission"], f["commissionAsset"]) for f in bought["fills"]] == [("0.00075000", "BNB")]
        account = await client.get("account.status", **signed())
        assert {row["asset"]: row["free"] for row in account["balances"]}["BNB"] == "0.99925000"
