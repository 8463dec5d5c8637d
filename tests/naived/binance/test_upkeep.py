import pytest
import trio

from naived.binance import relay
from naived.core.order import OrderStatus
from naived.ports import CredentialsError, ExchangeError

SUBSCRIBE = "userDataStream.subscribe.signature"
REPORT = {
    "e": "executionReport",
    "E": 3,
    "s": "ETHUSDT",
    "c": "n1-abc",
    "C": "",
    "S": "BUY",
    "x": "NEW",
    "X": "NEW",
    "i": 7,
    "q": "0.10000000",
    "p": "2680.00000000",
    "l": "0.00000000",
    "z": "0.00000000",
    "L": "0.00000000",
    "n": "0",
    "N": None,
    "t": -1,
    "m": False,
    "Y": "0.00000000",
    "T": 2,
    "O": 1,
}


async def test_a_session_is_up_once_the_clock_is_read_and_the_user_data_stream_subscribed(
    autojump_clock, running, peer, sink
):
    assert [each["method"] for each in peer.requests] == ["time", SUBSCRIBE]
    params = peer.requests[1]["params"]
    assert set(params) == {"apiKey", "timestamp", "recvWindow", "signature"}
    assert abs(params["timestamp"] - peer.now()) < 1000
    assert sink.said == ["opened"]


async def test_execution_reports_are_handed_on_and_an_unreadable_one_does_not_stop_them(
    autojump_clock, running, peer, sink
):
    peer.api.push({"subscriptionId": 0, "event": REPORT | {"X": "TRANSMOGRIFIED"}})
    peer.api.push({"subscriptionId": 0, "event": {"e": "executionReport"}})
    peer.api.push("garbage")
    peer.api.push({"subscriptionId": 0, "event": {"e": "balanceUpdate", "E": 1}})
    peer.api.push({"subscriptionId": 0, "event": REPORT})
    await sink.until(lambda: sink.reports)
    [report] = sink.reports
    assert (report.client_order_id, report.status) == ("n1-abc", OrderStatus.NEW)
    assert running.connected


async def test_silence_ends_the_session_and_another_one_is_made(autojump_clock, running, peer, sink):
    peer.api.client.silent = True
    await sink.until(lambda: len(sink.said) == 3)
    assert sink.said[0] == sink.said[2] == "opened"
    assert "silent" in sink.said[1]


async def test_an_announced_shutdown_costs_no_moment_without_a_session(autojump_clock, running, peer, sink):
    old = peer.api
    old.push({"event": {"e": "serverShutdown", "E": 1}})
    await sink.until(lambda: sink.said.count("opened") == 2)
    assert peer.api is not old
    peer.api.push({"subscriptionId": 0, "event": REPORT})
    await sink.until(lambda: sink.reports)
    await trio.sleep(20)
    assert not old.open
    assert sink.said == ["opened", "opened"]
    assert running.connected


async def test_a_session_in_its_last_moments_still_gets_its_answers(autojump_clock, running, peer, sink):
    old = peer.api
    peer.ignore("account.status")
    results = []

    async def ask():
        try:
            results.append((await running.account()).uid)
        except ExchangeError as error:
            results.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.sleep(1)
        old.push({"event": {"e": "serverShutdown", "E": 1}})
        await sink.until(lambda: sink.said.count("opened") == 2)
        await trio.sleep(5)
        old.push(
            {"id": peer.asked("account.status")[0]["id"], "status": 200, "result": {"uid": 42, "balances": []}}
        )
    assert results == ["42"]


async def test_an_old_session_is_replaced_without_a_gap(autojump_clock, exchange, sink, nursery, monkeypatch):
    monkeypatch.setattr(relay, "_OLD_AGE", 600)
    nursery.start_soon(exchange.run, sink)
    await trio.sleep(1000)
    assert sink.said == ["opened", "opened"]
    assert exchange.connected


async def test_the_end_of_the_user_data_stream_is_the_end_of_the_session(autojump_clock, running, peer, sink):
    peer.api.push({"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}})
    await sink.until(lambda: len(sink.said) == 3)
    assert sink.said == ["opened", "closed: the user data stream was terminated", "opened"]


async def test_a_refused_key_is_said_once_and_tried_every_minute(autojump_clock, exchange, peer, sink, nursery):
    peer.fail(SUBSCRIBE, -2015, "Invalid API-key, IP, or permissions for action.", status=401)
    nursery.start_soon(exchange.run, sink)
    await sink.until(lambda: sink.said)
    assert "-2015" in sink.said[0]
    with pytest.raises(CredentialsError):
        await exchange.account()
    await trio.sleep(200)
    assert len(sink.said) == 1
    assert 3 <= len(peer.asked(SUBSCRIBE)) <= 4
    peer.answer(SUBSCRIBE, {"subscriptionId": 0})
    await sink.until(lambda: exchange.connected)


async def test_a_key_revoked_in_mid_session_ends_it_and_leaves_everything_in_flight_unanswered(
    autojump_clock, running, peer, sink
):
    peer.ignore("account.status")
    peer.fail(SUBSCRIBE, -2015, "Invalid API-key", status=401)
    async with trio.open_nursery() as nursery:

        async def ask():
            with pytest.raises(ExchangeError, match="refuses our key"):
                await running.account()

        nursery.start_soon(ask)
        await trio.sleep(1)
        peer.api.push({"id": None, "status": 401, "error": {"code": -2015, "msg": "Invalid API-key"}})
    assert not running.connected
    assert "refuses our key" in sink.said[1]
    with pytest.raises(CredentialsError):
        await running.account()


async def test_an_unnamed_answer_about_something_else_ends_nothing(autojump_clock, running, peer, sink):
    peer.api.push({"id": None, "status": 400, "error": {"code": -1135, "msg": "Invalid JSON"}})
    await trio.sleep(5)
    assert sink.said == ["opened"]


async def test_without_an_exchange_it_says_so_once_and_goes_on_trying(
    autojump_clock, exchange, peer, sink, nursery
):
    peer.refuses_connections = True
    nursery.start_soon(exchange.run, sink)
    await trio.sleep(300)
    assert sink.said == ["closed: connection refused"]
    assert 18 <= len(peer.attempts) <= 26  # at 1, 3, 7, 15 s, then every 15 s
    peer.refuses_connections = False
    await sink.until(lambda: exchange.connected)


async def test_an_exchange_that_does_not_answer_is_no_session(autojump_clock, exchange, peer, sink, nursery):
    peer.ignore(SUBSCRIBE)
    nursery.start_soon(exchange.run, sink)
    await sink.until(lambda: sink.said)
    assert "no answer within 10 s" in sink.said[0]
    assert not exchange.connected


async def test_during_a_ban_no_connection_is_attempted(autojump_clock, running, peer, sink):
    peer.fail("account.status", -1003, "banned", status=418, data={"retryAfter": peer.now() + 600_000})
    with pytest.raises(ExchangeError):
        await running.account()
    attempts = len(peer.attempts)
    peer.api.drop()
    await trio.sleep(590)
    assert len(peer.attempts) == attempts
    await sink.until(lambda: sink.said[-1] == "opened" and len(sink.said) > 1)


async def test_a_ban_counts_also_when_nobody_waits_for_its_answer_any_more(autojump_clock, running, peer):
    # Found by a simulated seed: the answer came after its request was given up, and more requests followed.
    peer.ignore("account.status")
    with pytest.raises(ExchangeError):
        await running.account()
    late = {"code": -1003, "msg": "banned", "data": {"retryAfter": peer.now() + 60_000}}
    peer.api.push({"id": peer.asked("account.status")[0]["id"], "status": 418, "error": late})
    await trio.sleep(1)
    peer.answer("account.status", {"uid": 42, "balances": []})
    began = trio.current_time()
    assert (await running.account()).uid == "42"
    assert trio.current_time() - began > 58


async def test_the_clock_is_read_again_and_again(autojump_clock, running, peer):
    before = len(peer.asked("time"))
    await trio.sleep(3600)
    assert 150 <= len(peer.asked("time")) - before <= 180
    peer.ignore("time")
    await trio.sleep(100)
    assert running.connected


async def test_a_connection_that_answers_pings_alone_is_replaced_without_a_gap(autojump_clock, running, peer, sink):
    old, answer = peer.api, peer.script["time"]
    peer.script["time"] = lambda request: None if peer.api is old else answer(request)
    await sink.until(lambda: sink.said.count("opened") == 2)
    await trio.sleep(20)
    assert not old.open
    assert sink.said == ["opened", "opened"]
    assert running.connected
