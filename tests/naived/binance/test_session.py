from contextlib import asynccontextmanager

import pytest
import trio

from naived.binance import connection
from naived.binance.clock import ServerClock
from naived.binance.codec import ApiAnswer, ApiError, ErrorData
from naived.binance.endpoint import Endpoint
from naived.binance.exchange import BinanceExchange
from naived.binance.limits import Limits, Use
from naived.binance.refusals import Refusals
from naived.binance.session import ApiClient
from naived.binance.signing import credentials
from naived.core.orders.report import OrderStatus
from naived.ports import CredentialsError, ExchangeError
from naived.websocket import ConnectError

SUBSCRIBE = "userDataStream.subscribe.signature"
REPORT = {
    "e": "executionReport",
    "E": 3,
    "s": "ETHUSDT",
    "c": "n1test-abc",
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
    "T": 1_700_000_000_002,
    "O": 1_700_000_000_001,
}


async def test_a_session_is_up_once_the_clock_is_read_and_the_user_data_stream_subscribed(
    autojump_clock, running, peer, sink
):
    assert [each["method"] for each in peer.requests] == ["time", SUBSCRIBE]
    params = peer.requests[1]["params"]
    assert set(params) == {"apiKey", "timestamp", "recvWindow", "signature"}
    assert abs(params["timestamp"] - peer.now()) < 1000
    assert sink.said == ["opened"]


async def test_execution_reports_are_reported_and_an_unreadable_one_does_not_stop_them(
    autojump_clock, running, peer, sink
):
    peer.api.push({"subscriptionId": 0, "event": REPORT | {"X": "TRANSMOGRIFIED"}})
    peer.api.push({"subscriptionId": 0, "event": {"e": "executionReport"}})
    peer.api.push("garbage")
    peer.api.push({"subscriptionId": 0, "event": {"e": "balanceUpdate", "E": 1}})
    peer.api.push({"subscriptionId": 0, "event": REPORT})
    await sink.until(lambda: sink.reports)
    [report] = sink.reports
    assert (report.client_order_id, report.status) == ("n1test-abc", OrderStatus.NEW)
    assert running.connected


async def test_a_missing_pong_ends_the_session_and_another_one_is_made(autojump_clock, running, peer, sink):
    peer.api.client.silent = True
    await sink.until(lambda: len(sink.said) == 3)
    assert sink.said[0] == sink.said[2] == "opened"
    assert "silent" in sink.said[1]


async def test_after_an_announced_shutdown_there_is_always_a_session(autojump_clock, running, peer, sink):
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


async def test_a_session_that_is_being_replaced_still_gets_its_answers(autojump_clock, running, peer, sink):
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
    monkeypatch.setattr(connection, "_MAX_AGE", 600)
    nursery.start_soon(exchange.run, sink)
    await trio.sleep(1000)
    assert sink.said == ["opened", "opened"]
    assert exchange.connected


async def test_a_session_that_is_renewed_has_another_connection_without_a_gap(autojump_clock, running, peer, sink):
    old = peer.api
    running.renew("the user data stream said nothing of an order")
    await sink.until(lambda: len(sink.said) == 2)
    assert sink.said == ["opened", "opened"]
    assert peer.api is not old
    assert running.connected
    await trio.sleep(60)
    assert len(peer.asked(SUBSCRIBE)) == 2


async def test_the_end_of_the_user_data_stream_is_the_end_of_the_session(autojump_clock, running, peer, sink):
    peer.api.push({"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}})
    await sink.until(lambda: len(sink.said) == 3)
    assert sink.said == ["opened", "closed: the user data stream was terminated", "opened"]


async def test_a_refused_key_is_reported_once_and_tried_every_minute(autojump_clock, exchange, peer, sink, nursery):
    peer.fail(SUBSCRIBE, -2015, "Invalid API-key, IP, or permissions for action.", status=401)
    nursery.start_soon(exchange.run, sink)
    await sink.until(lambda: sink.said)
    assert "-2015" in sink.said[0]
    assert sink.said[0].endswith("To see what is wrong with the key: naived check")
    with pytest.raises(CredentialsError):
        await exchange.account()
    await trio.sleep(200)
    assert len(sink.said) == 1
    assert 3 <= len(peer.asked(SUBSCRIBE)) <= 4
    peer.answer(SUBSCRIBE, {"subscriptionId": 0})
    await sink.until(lambda: exchange.connected)


async def test_a_revoked_key_ends_the_session_and_leaves_requests_in_flight_unanswered(
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


async def test_a_key_revoked_before_the_session_is_up_is_reported_once_as_refused(
    autojump_clock, exchange, peer, sink, nursery
):
    peer.ignore(SUBSCRIBE)
    nursery.start_soon(exchange.run, sink)
    await trio.sleep(1)
    peer.api.push({"id": None, "status": 401, "error": {"code": -2015, "msg": "Invalid API-key"}})
    await trio.sleep(1)
    [said] = sink.said
    assert "refuses our key" in said
    with pytest.raises(CredentialsError):
        await exchange.account()


async def test_another_answer_to_no_request_does_not_end_the_session(autojump_clock, running, peer, sink):
    peer.api.push({"id": None, "status": 400, "error": {"code": -1135, "msg": "Invalid JSON"}})
    await trio.sleep(5)
    assert sink.said == ["opened"]


async def test_an_exchange_that_is_not_there_is_reported_once_and_tried_again(
    autojump_clock, exchange, peer, sink, nursery
):
    peer.refuses_connections = True
    nursery.start_soon(exchange.run, sink)
    await trio.sleep(300)
    assert sink.said == ["closed: connection refused"]
    assert 18 <= len(peer.attempts) <= 26  # at 1, 3, 7, 15 s, then every 15 s
    peer.refuses_connections = False
    await sink.until(lambda: exchange.connected)


async def test_an_exchange_that_bans_us_at_the_door_is_not_asked_again_before_its_time(
    autojump_clock, exchange, peer, sink, nursery
):
    peer.refuses_connections = True
    peer.refusal = ConnectError("no WebSocket", 418, 720)
    nursery.start_soon(exchange.run, sink)
    await trio.sleep(1500)
    assert sink.said == ["closed: no WebSocket: it has banned this address for a while"]
    assert peer.attempts == pytest.approx([0, 720, 1440], abs=1)
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


async def test_a_ban_holds_though_nobody_waits_for_its_answer_any_more(autojump_clock, running, peer):
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


@pytest.mark.parametrize("before", ["time", SUBSCRIBE])
async def test_a_connection_that_opens_when_we_are_told_to_wait_sends_nothing_more(
    autojump_clock, peer, sink, nursery, before
):
    # Found by a simulated seed: the connection before it was told so while this one was being made.
    @asynccontextmanager
    async def connect(url):
        async with peer.connect(url) as socket:
            if before == "time":
                exchange._limits.halt(30_000)
            yield socket

    def read(request):
        exchange._limits.halt(30_000)
        return {"status": 200, "result": {"serverTime": peer.now()}}

    clock = ServerClock(wall=lambda: peer.now() / 1000)
    where = Endpoint("memory://api", "memory://streams")
    exchange = BinanceExchange(where, credentials("k", "s"), connect=connect, clock=clock)
    if before == SUBSCRIBE:
        peer.script["time"] = read
    nursery.start_soon(exchange.run, sink)
    await trio.sleep(29)
    assert peer.asked(before) == []
    assert sink.said == ["closed: the exchange told us to wait"]


async def test_the_clock_is_read_every_20_s(autojump_clock, running, peer):
    before = len(peer.asked("time"))
    await trio.sleep(3600)
    assert 150 <= len(peer.asked("time")) - before <= 180
    peer.ignore("time")
    await trio.sleep(100)
    assert running.connected


async def test_a_connection_that_answers_nothing_but_pings_is_replaced_without_a_gap(
    autojump_clock, running, peer, sink
):
    old, answer = peer.api, peer.script["time"]
    peer.script["time"] = lambda request: None if peer.api is old else answer(request)
    await sink.until(lambda: sink.said.count("opened") == 2)
    await trio.sleep(20)
    assert not old.open
    assert sink.said == ["opened", "opened"]
    assert running.connected


class Api:
    """Stands for an ``ApiConnection`` that is up."""

    closed = False


@pytest.fixture
async def client():
    clock = ServerClock()
    return ApiClient(
        credentials("the-key", "the-secret"), clock, Limits(clock.now, clock.monotonic), Refusals(clock.now)
    )


async def test_the_loss_of_an_older_connection_is_no_news(client):
    old, new = Api(), Api()
    client.adopt(old)
    client.adopt(new)
    assert not client.drop(old, "replaced", refused=False)
    assert client.connected


async def test_a_failed_attempt_is_no_news_while_a_connection_is_up(client):
    client.adopt(Api())
    assert not client.drop(None, "cannot connect", refused=False)
    assert client.connected


async def test_a_loss_is_news_once_and_requests_fail_with_its_reason(client):
    api = Api()
    client.adopt(api)
    assert client.drop(api, "reset", refused=False)
    assert not client.drop(None, "reset", refused=False)
    assert client.drop(None, "bad key", refused=True)
    with pytest.raises(CredentialsError, match="bad key"):
        await client.ask_signed("account.status", {}, 20)


async def test_nothing_is_sent_over_a_closed_connection_whose_loss_was_not_reported_yet(client):
    api = Api()
    client.adopt(api)
    api.closed = True
    assert not client.connected
    with pytest.raises(ExchangeError):
        await client.send("order.place", {}, 15)


@pytest.mark.parametrize("reported", [True, False])
async def test_after_a_loss_the_next_connection_is_waited_for(autojump_clock, client, reported):
    """Found by simulation: a caller that waited to place an order ran in a loop until the loss was reported."""
    lost = Api()
    client.adopt(lost)
    await client.wait_connected()
    lost.closed = True
    if reported:
        client.drop(lost, "reset", refused=False)
    with trio.move_on_after(5) as scope:
        await client.wait_connected()
    assert scope.cancelled_caught
    client.drop(lost, "reset", refused=False)
    client.adopt(Api())
    with trio.fail_after(5):
        await client.wait_connected()


async def test_a_ban_from_before_the_first_reading_of_the_clock_is_measured_by_the_exchanges_clock(
    autojump_clock, peer, sink, nursery
):
    """Found by simulation: after a 429 to the first request, a machine with a late clock paused for an hour."""
    late = ServerClock(wall=lambda: peer.now() / 1000 - 3600)
    exchange = BinanceExchange(
        Endpoint("memory://api", "memory://streams"), credentials("k", "s"), connect=peer.connect, clock=late
    )
    answer = peer.script["time"]
    busy = {"serverTime": peer.now(), "retryAfter": peer.now() + 1000}
    peer.fail("time", -1003, "Too much request weight used.", status=429, data=busy)
    nursery.start_soon(exchange.run, sink)
    await sink.until(lambda: sink.said)
    peer.script["time"] = answer
    await sink.until(lambda: exchange.connected)
    assert trio.current_time() < 5


async def test_a_ban_stops_other_requests_before_the_caller_that_was_told_of_it_wakes(autojump_clock, client):
    # Found by a simulated seed: both woke at the same moment, and the other one asked first.
    there = 1_700_000_000_000
    client.clock.received(there, trio.current_time())
    busy = ErrorData(there, there + 60_000)
    client.learn(ApiAnswer(429, 1, error=ApiError(-1015, "Too many new orders.", busy)), trio.current_time())
    await client.limits.wait(Use.QUERY, 1)
    assert trio.current_time() == pytest.approx(60)
