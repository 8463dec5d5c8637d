import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
import trio

from naived.simulator.methods import METHODS
from naived.simulator.signing import payload, read_key
from naived.simulator.steering import STEERING
from naived.websocket import Closed
from tests.support.simulator import PATIENCE, Client, api, limit, running, signed

ETH = {"symbol": "ETHUSDT"}


async def placed(client: Client) -> list[str]:
    """Statuses of all orders the ledger knows."""
    return [order["status"] for order in (await client.get("sim.ledger"))["orders"]]


async def quiet(client: Client, seconds: float = 0.2) -> bool:
    """Does nothing come for a while?"""
    with trio.move_on_after(seconds):
        await client.connection.receive()
        return False
    return True


@pytest.mark.parametrize(
    ("frame", "number"),
    [
        ("", None),
        ("{", None),
        ("[1]", None),
        ("[" * 100_000, None),
        ('{"id":1}', None),
        ('{"id":1,"method":7}', None),
        ('{"id":[1],"method":"time"}', None),
        ('{"id":"' + "x" * 37 + '","method":"time"}', None),
        ('{"id":18446744073709551616,"method":"time"}', None),
        ('{"id":5,"method":"time","params":[1]}', 5),
    ],
)
async def test_garbage_is_answered_and_the_connection_goes_on(frame: str, number: int | None) -> None:
    async with running() as simulation, api(simulation) as client:
        await client.connection.send(frame)
        answer = await client.receive()
        assert (answer["id"], answer["status"], answer["error"]["code"]) == (number, 400, -1135)
        await client.get("time")


@pytest.mark.parametrize(
    "params",
    [
        {"orderId": 10**30},
        {"origClientOrderId": "' OR 1=1 --"},
        {"origClientOrderId": "\u0000"},
        {"orderId": {"a": [1]}},
        {"orderId": 1.5},
        {"symbol": ["ETHUSDT"], "orderId": 1},
    ],
)
async def test_hostile_values_are_refused_and_the_exchange_goes_on(params: dict[str, object]) -> None:
    async with running() as simulation, api(simulation) as client:
        assert (await client.fail("order.status", **signed(**{**ETH, **params})))[0] == 400
        await client.get("time")


@pytest.mark.parametrize("number", [7, "e2a85d9f-07a5-4f94-8d5f-789dc3deb097", None, -1])
async def test_an_id_is_echoed_as_it_came_and_a_version_prefix_is_fine(number: object) -> None:
    async with running() as simulation, api(simulation) as client:
        await client.connection.send(json.dumps({"id": number, "method": "v3/ping"}))
        answer = await client.receive()
        assert (answer["id"], answer["result"]) == (number, {})


async def test_an_answer_lists_the_limits_it_touched_unless_told_not_to() -> None:
    async with running() as simulation:
        async with api(simulation) as client:
            order = await client.ask("order.place", **limit("BUY", "2600", "0.1"))
            assert [row["rateLimitType"] for row in order["rateLimits"]] == ["ORDERS", "ORDERS", "REQUEST_WEIGHT"]
            assert [row["rateLimitType"] for row in (await client.ask("time"))["rateLimits"]] == ["REQUEST_WEIGHT"]
            assert "rateLimits" not in await client.ask("time", returnRateLimits="false")
        async with api(simulation, "?returnRateLimits=false") as client:
            assert "rateLimits" not in await client.ask("time")
            assert "rateLimits" in await client.ask("time", returnRateLimits=True)


async def test_a_successful_order_weighs_nothing_and_a_refused_one_does() -> None:
    async with running() as simulation, api(simulation) as client:

        async def weight() -> int:
            count: int = (await client.ask("time"))["rateLimits"][0]["count"]
            return count

        before = await weight()
        await client.get("order.place", **limit("BUY", "2600", "0.1"))
        assert await weight() == before + 1
        await client.fail("order.place", **limit("BUY", "2600.001", "0.1"))
        assert await weight() == before + 3


async def test_signatures_are_checked_where_there_is_a_key() -> None:
    key = read_key("k", "s3cret", None)
    async with running(api_key="k", api_secret="s3cret") as simulation, api(simulation) as client:
        right = {**signed(**ETH, orderId=1), "apiKey": "k"}
        text = payload({name: str(value) for name, value in right.items()})
        right["signature"] = hmac.new(b"s3cret", text, hashlib.sha256).hexdigest()
        key.check({name: str(value) for name, value in right.items()})
        assert (await client.fail("order.status", **right))[1] == -2013
        assert (await client.fail("order.status", **{**right, "orderId": 2}))[1] == -1022
        assert (await client.fail("order.status", **{**right, "apiKey": "other"}))[1] == -2015
        bare = {**signed(), "apiKey": "k"}
        text = payload({name: str(value) for name, value in bare.items()})
        bare["signature"] = hmac.new(b"s3cret", text, hashlib.sha256).hexdigest()
        assert (await client.fail("session.logon", **bare))[1] == -4056


async def test_the_time_is_checked_again_right_before_the_engine() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.fault", kind="late", method="order.place", seconds=0.3)
        status, code, text = await client.fail("order.place", **limit("BUY", "2600", "0.1", recvWindow=200))
        assert (status, code) == (400, -1021)
        assert text == "Timestamp for this request is outside of the recvWindow."
        assert await placed(client) == []


async def test_a_late_request_lets_others_pass() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.fault", kind="late", method="order.place", seconds=0.2)
        late = await client.send("order.place", **limit("BUY", "2600", "0.1"))
        await client.get("time")
        assert await placed(client) == []
        assert (await client.answer(late))["result"]["status"] == "NEW"


@pytest.mark.parametrize(("kind", "expected"), [("reply_lost", ["NEW"]), ("request_lost", [])])
async def test_what_is_lost_is_lost_on_the_way_there_or_back(kind: str, expected: list[str]) -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.fault", kind=kind, method="order.place")
        lost = await client.send("order.place", **limit("BUY", "2600", "0.1"))
        answer = await client.next_answer("time")
        assert answer["id"] != lost
        assert await placed(client) == expected


@pytest.mark.parametrize(
    ("kind", "code", "status", "expected"),
    [
        ("error", -1007, 504, []),
        ("error", -1008, 503, []),
        ("error", -1000, 500, []),
        ("error", -1015, 429, []),
        ("error", -2010, 400, []),
        ("error", -4242, 400, []),
        ("error_after", -1007, 504, ["NEW"]),
        ("error_after", -1001, 500, ["NEW"]),
    ],
)
async def test_an_error_comes_instead_of_the_deed_or_after_it(
    kind: str, code: int, status: int, expected: list[str]
) -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.fault", kind=kind, code=code)
        answer = await client.ask("order.place", **limit("BUY", "2600", "0.1"))
        assert (answer["status"], answer["error"]["code"]) == (status, code)
        assert ("data" in answer["error"]) is (status == 429)
        assert await placed(client) == expected


@pytest.mark.parametrize(("kind", "expected"), [("error", []), ("error_after", ["NEW"])])
async def test_a_gateway_can_fail_before_the_deed_or_after_it(kind: str, expected: list[str]) -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.fault", kind=kind, code=502)
        assert (await client.fail("order.place", **limit("BUY", "2600", "0.1")))[:2] == (502, -1000)
        assert await placed(client) == expected


async def test_a_revoked_key_is_told_without_an_id() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.fault", kind="error", code=-2015)
        await client.send("order.place", **limit("BUY", "2600", "0.1"))
        answer = await client.receive()
        assert (answer["id"], answer["status"], answer["error"]["code"]) == (None, 401, -2015)


async def test_an_empty_account_refuses_the_next_order_only() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.fault", kind="balance")
        assert await client.fail("order.place", **limit("BUY", "2600", "0.1")) == (
            400,
            -2010,
            "Account has insufficient balance for requested action.",
        )
        await client.get("order.place", **limit("BUY", "2600", "0.1"))


async def test_a_disconnect_comes_before_the_deed() -> None:
    async with running() as simulation:
        async with api(simulation) as client:
            await client.get("sim.fault", kind="disconnect", method="order.place")
            await client.send("order.place", **limit("BUY", "2600", "0.1"))
            with trio.fail_after(PATIENCE), pytest.raises(Closed):
                await client.connection.receive()
        async with api(simulation) as client:
            assert await placed(client) == []


async def test_a_silent_connection_answers_no_ping_and_goes_on_afterwards() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.fault", kind="silence", method="order.place", seconds=1)
        silent = await client.send("order.place", **limit("BUY", "2600", "0.1"))
        async with api(simulation) as other:
            while await placed(other) != ["NEW"]:
                pass
        with trio.move_on_after(0.2) as scope:
            await client.connection.ping()
        assert scope.cancelled_caught
        assert (await client.answer(silent))["result"]["status"] == "NEW"
        with trio.fail_after(PATIENCE):
            await client.connection.ping()


async def test_reports_reach_every_connection_that_subscribed() -> None:
    async with running() as simulation, api(simulation) as first, api(simulation) as second:
        for client in (first, second):
            await client.get("userDataStream.subscribe.signature", **signed())
        await first.get("order.place", **limit("BUY", "2600", "0.1"))
        for client in (first, second):
            assert [(await client.event())["e"] for _ in range(2)] == ["executionReport", "outboundAccountPosition"]
        await first.get("userDataStream.unsubscribe")
        assert (await first.event())["e"] == "eventStreamTerminated"
        await first.get("order.place", **limit("BUY", "2601", "0.1"))
        assert (await second.event())["i"] == 2
        assert await quiet(first)


@pytest.mark.parametrize("options", ["", "?timeUnit=MICROSECOND"])
@pytest.mark.parametrize("end", ["userDataStream.unsubscribe", "session.logout"])
async def test_a_subscription_that_ends_while_its_connection_lives_is_told_so(end: str, options: str) -> None:
    async with running() as simulation, api(simulation, options) as client, api(simulation) as other:
        await other.get("userDataStream.subscribe.signature", **signed())
        await client.get("session.logon", **signed())
        await client.get("userDataStream.subscribe")
        before = (await client.get("time"))["serverTime"]
        number = await client.send(end)
        told = await client.receive()
        assert (told["subscriptionId"], told["event"]["e"]) == (0, "eventStreamTerminated")
        assert told.keys() == {"subscriptionId", "event"}
        assert (await client.answer(number))["status"] == 200
        assert before <= told["event"]["E"] <= (await client.get("time"))["serverTime"]
        assert await quiet(other)


async def test_a_logout_leaves_a_subscription_that_has_a_signature_of_its_own() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("session.logon", **signed())
        await client.get("userDataStream.subscribe.signature", **signed())
        await client.get("session.logout")
        assert await client.get("session.subscriptions") == [{"subscriptionId": 0}]
        assert client.events == []


async def test_a_lost_connection_takes_its_late_requests_along() -> None:
    async with running() as simulation:
        async with api(simulation) as client:
            await client.get("sim.fault", kind="late", method="order.place", seconds=30)
            await client.send("order.place", **limit("BUY", "2600", "0.1"))
            await client.get("time")
        async with api(simulation) as client:
            assert await placed(client) == []


async def test_a_reply_can_be_late_instead_of_lost() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.fault", kind="reply_lost", method="order.place", seconds=0.3)
        late = await client.send("order.place", **limit("BUY", "2600", "0.1"))
        assert (await client.next_answer("time"))["id"] != late
        assert await placed(client) == ["NEW"]
        assert (await client.answer(late))["result"]["orderId"] == 1


async def test_a_disconnect_with_seconds_comes_after_the_deed_and_takes_the_reply_along() -> None:
    async with running() as simulation:
        async with api(simulation) as client:
            await client.get("sim.fault", kind="disconnect", method="order.place", seconds=0.1)
            await client.send("order.place", **limit("BUY", "2600", "0.1"))
            with trio.fail_after(PATIENCE), pytest.raises(Closed):
                await client.connection.receive()
        async with api(simulation) as client:
            assert await placed(client) == ["NEW"]


async def test_a_ban_refuses_everything_until_it_ends() -> None:
    async with running(no_limits=True) as simulation, api(simulation) as client:
        await client.get("sim.fault", kind="error", method="order.place", code=418, seconds=0.3)
        assert (await client.fail("order.place", **limit("BUY", "2600", "0.1")))[:2] == (418, -1003)
        answer = await client.ask("time")
        assert answer["status"] == 418
        assert 0 < answer["error"]["data"]["retryAfter"] - answer["error"]["data"]["serverTime"] <= 300
        while (await client.ask("time"))["status"] == 418:
            pass
        await client.get("order.place", **limit("BUY", "2600", "0.1"))


async def test_a_report_comes_before_the_reply_and_can_come_after_it() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("userDataStream.subscribe.signature", **signed())
        await client.send("order.place", **limit("BUY", "2600", "0.1"))
        frames = [await client.receive() for _ in range(3)]
        assert [frame["event"]["e"] if "event" in frame else "reply" for frame in frames] == [
            "executionReport",
            "outboundAccountPosition",
            "reply",
        ]
        await client.get("sim.fault", kind="report_late", seconds=0.1)
        await client.send("order.place", **limit("BUY", "2601", "0.1"))
        frames = [await client.receive() for _ in range(3)]
        assert [frame["event"]["e"] if "event" in frame else "reply" for frame in frames] == [
            "outboundAccountPosition",
            "reply",
            "executionReport",
        ]


@pytest.mark.parametrize(
    ("pieces", "cancelled", "status", "executed"),
    [
        (0, (400, -2011), "FILLED", "0.10000000"),
        (1, (200, None), "CANCELED", "0.05000000"),
    ],
)
async def test_a_fill_can_come_between_a_cancel_and_its_arrival(
    pieces: int, cancelled: tuple[int, int | None], status: str, executed: str
) -> None:
    async with running() as simulation, api(simulation) as client, api(simulation) as hand:
        await client.get("order.place", **limit("BUY", "2600", "0.1"))
        await hand.get("sim.fault", kind="late", method="order.cancel", seconds=0.3)
        if pieces:
            await hand.get("sim.fault", kind="partial_fills", count=pieces)
        number = await client.send("order.cancel", **signed(**ETH, orderId=1))
        while (await hand.get("sim.ledger"))["faults"] != {"late": 1}:
            pass
        await hand.get("sim.trade", **ETH, price="2599", quantity="1")
        answer = await client.answer(number)
        assert (answer["status"], answer.get("error", {}).get("code")) == cancelled
        [order] = (await hand.get("sim.ledger"))["orders"]
        assert (order["status"], order["executedQty"]) == (status, executed)


async def test_an_order_by_hand_that_meets_ours_ends_it_in_match() -> None:
    async with running(balances={"USDT": 10**13, "ETH": 10**8}) as simulation, api(simulation) as client:
        await client.get("sim.trade", **ETH, price="2600", quantity="1")
        await client.get("userDataStream.subscribe.signature", **signed())
        await client.get("order.place", **limit("SELL", "2610", "0.1", newClientOrderId="ours"))
        client.events.clear()
        by_hand = limit("BUY", "2610", "0.1", selfTradePreventionMode="EXPIRE_BOTH")
        assert (await client.get("order.place", **by_hand))["status"] == "EXPIRED_IN_MATCH"
        reports = [each for each in client.events if each["e"] == "executionReport"]
        [ours] = [report for report in reports if report["c"] == "ours"]
        assert (ours["x"], ours["X"], ours["z"]) == ("TRADE_PREVENTION", "EXPIRED_IN_MATCH", "0.00000000")


async def test_a_parameter_that_the_method_does_not_know_is_refused() -> None:
    async with running() as simulation, api(simulation) as client:
        asked = limit("BUY", "2600", "0.1", newClientOrderID="typo")
        assert await client.fail("order.place", **asked) == (
            400,
            -1104,
            "Not all sent parameters were read; read '9' parameter(s) but was sent '10'.",
        )
        assert (await client.fail("time", symbol="ETHUSDT"))[1] == -1104
        assert (await client.fail("sim.trade", symbol="ETHUSDT", price="1", qty="1"))[1] == -1104
        assert await placed(client) == []
        assert await client.get("time", returnRateLimits=True)


async def test_an_exception_ends_one_request_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> Any:
        raise ZeroDivisionError("integer modulo by zero")

    for name in ("time", "order.status"):
        monkeypatch.setitem(METHODS, name, replace(METHODS[name], run=broken))
    async with running() as simulation, api(simulation) as client, api(simulation) as other:
        unknown = (500, -1000, "An unknown error occurred while processing the request.")
        assert await client.fail("time") == unknown
        assert await client.fail("order.status", **signed(**ETH, orderId=1)) == unknown
        await client.get("order.place", **limit("BUY", "2600", "0.1"))
        assert await other.get("ping") == {}
    assert "integer modulo by zero" in "".join(capsys.readouterr())


_ODD = ["", "0", "-1", "1e9", "nan", "9" * 40, "\x00", "\u2028", "[]", "{}", True, 10**30, [1], {"a": 1}]


async def test_no_value_of_any_parameter_ends_a_request_with_an_exception() -> None:
    async with running(no_limits=True) as simulation, api(simulation) as client:
        await client.get("sim.trade", symbol="ETHUSDT", price="2683.80", quantity="1")
        hands = {name: hand for name, hand in STEERING.items() if name not in ("sim.delist", "sim.fault")}
        for name, takes in (*((n, m.takes) for n, m in METHODS.items()), *((n, h.takes) for n, h in hands.items())):
            usual: dict[str, Any] = limit("BUY", "2600", "0.1", orderId=1, cancelOrderId=1, newQty="0.01", limit=5)
            usual |= {"cancelReplaceMode": "ALLOW_FAILURE", "asset": "BNB", "free": "5", "order_id": 1}
            usual["status"] = "EXPIRED"
            known = set(takes.split())
            if not name.startswith("sim.") and METHODS[name].signed:
                known |= set(signed())
            base = {key: value for key, value in usual.items() if key in known}
            for parameter in sorted(known):
                for odd in _ODD:
                    answer = await client.ask(name, **{**base, parameter: odd})
                    assert answer["status"] in (200, 400, 409, 429), (name, parameter, odd, answer)
