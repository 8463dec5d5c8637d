from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from naived.binance.codec import RateLimit
from naived.core.amount import parse_price, parse_quantity
from naived.core.orders.intent import Side
from naived.core.orders.report import Accepted, CancelAccepted, CancelRefused, OrderStatus, Refused, Unknown, Unsent
from naived.ports import ExchangeError, OrderRequest

CID = "n1abcd-aaaaaaaaaaaaaaaaaaaaaaaaaa"
PLACED = {
    "symbol": "ETHUSDT",
    "orderId": 7,
    "clientOrderId": CID,
    "transactTime": 1_700_000_000_123,
    "price": "2683.53000000",
    "origQty": "0.07450000",
    "executedQty": "0.00000000",
    "cummulativeQuoteQty": "0.00000000",
    "status": "NEW",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "BUY",
    "fills": [],
}


def buy(now, stp_mode=None, window=5000):
    return OrderRequest(
        symbol="ETHUSDT",
        side=Side.BUY,
        price=parse_price("2683.53"),
        quantity=parse_quantity("0.0745"),
        client_order_id=CID,
        stp_mode=stp_mode,
        timestamp=now,
        recv_window=window,
    )


async def test_an_order_is_sent_exactly_as_it_was_decided(autojump_clock, running, peer):
    peer.answer("order.place", PLACED)
    now = running.admit(Side.BUY)
    answer = await running.place(buy(now, "EXPIRE_TAKER"))
    assert isinstance(answer, Accepted)
    assert (answer.report.order_id, answer.report.status) == (7, OrderStatus.NEW)
    [request] = peer.asked("order.place")
    signature = request["params"].pop("signature")
    assert len(signature) == 64
    assert request["params"] == {
        "apiKey": "the-key",
        "symbol": "ETHUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": "2683.53000000",
        "quantity": "0.07450000",
        "newClientOrderId": CID,
        "newOrderRespType": "FULL",
        "selfTradePreventionMode": "EXPIRE_TAKER",
        "timestamp": now,
        "recvWindow": 5000,
    }


async def test_without_a_mode_self_trade_prevention_is_left_to_the_exchange(autojump_clock, running, peer):
    peer.answer("order.place", PLACED)
    await running.place(buy(running.now()))
    assert "selfTradePreventionMode" not in peer.asked("order.place")[0]["params"]


async def test_without_an_answer_the_outcome_is_unknown_and_nothing_is_sent_again(autojump_clock, running, peer):
    peer.ignore("order.place")
    began = trio.current_time()
    answer = await running.place(buy(running.now()))
    assert isinstance(answer, Unknown)
    assert trio.current_time() - began == pytest.approx(15)
    assert len(peer.asked("order.place")) == 1


async def test_an_order_with_a_shorter_window_waits_a_shorter_time_for_its_answer(autojump_clock, running, peer):
    peer.ignore("order.place")
    began = trio.current_time()
    assert isinstance(await running.place(buy(running.now(), window=1000)), Unknown)
    assert trio.current_time() - began == pytest.approx(3)


async def test_an_answer_after_the_wait_is_reported(autojump_clock, running, peer, sink):
    peer.ignore("order.place")
    assert isinstance(await running.place(buy(running.now())), Unknown)
    peer.api.push({"id": peer.asked("order.place")[0]["id"], "status": 200, "result": PLACED})
    await sink.until(lambda: sink.reports)
    assert sink.reports[0].client_order_id == CID


async def test_a_disconnect_with_an_order_in_flight_leaves_it_unknown(autojump_clock, running, peer, sink):
    def hang_up(request):
        peer.api.drop()

    peer.script["order.place"] = hang_up
    answer = await running.place(buy(running.now()))
    assert isinstance(answer, Unknown)
    await sink.until(lambda: sink.said.count("opened") == 2)
    assert sink.said == ["opened", "closed: closed by the peer", "opened"]
    assert len(peer.asked("order.place")) == 1


async def test_a_5xx_is_unknown(autojump_clock, running, peer):
    peer.fail("order.place", -1007, "Timeout waiting for response from backend server.", status=504)
    assert isinstance(await running.place(buy(running.now())), Unknown)


async def test_an_order_admitted_before_we_were_told_to_wait_is_not_sent(autojump_clock, running, peer):
    """Seed 61567: the ban came while the intent was being committed."""
    peer.answer("order.place", PLACED)
    admitted = running.admit(Side.SELL)
    now = running.now()
    peer.fail(
        "account.status", -1003, "Way too many.", status=429, data={"serverTime": now, "retryAfter": now + 900}
    )
    with pytest.raises(ExchangeError):
        await running.account()
    assert await running.place(buy(admitted)) == Unsent("the exchange told us to wait")
    assert peer.asked("order.place") == []
    await running.admission(Side.SELL)
    assert isinstance(await running.place(buy(running.admit(Side.SELL))), Accepted)


async def test_an_order_whose_window_is_nearly_over_is_not_sent(autojump_clock, running, peer):
    peer.answer("order.place", PLACED)
    now = running.now()
    assert await running.place(buy(now - 4001)) == Unsent("too late to send")
    assert await running.place(buy(now - 820, window=1000)) == Unsent("too late to send")
    assert peer.asked("order.place") == []
    assert isinstance(await running.place(buy(now - 3900)), Accepted)


async def test_without_a_session_nothing_is_sent_or_asked(autojump_clock, exchange):
    assert not exchange.connected
    assert isinstance(await exchange.place(buy(exchange.now())), Unsent)
    assert isinstance(await exchange.cancel("ETHUSDT", 7, "x"), Unsent)
    assert exchange.admit(Side.SELL) is None
    with pytest.raises(ExchangeError, match="not connected yet"):
        await exchange.account()


async def test_an_order_accepted_after_its_caller_was_cancelled_is_reported(autojump_clock, running, peer, sink):
    peer.ignore("order.place")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(running.place, buy(running.now()))
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    peer.api.push({"id": peer.asked("order.place")[0]["id"], "status": 200, "result": PLACED})
    await sink.until(lambda: sink.reports)


async def test_a_cancel_has_the_order_id_and_a_client_id_of_its_own(autojump_clock, running, peer):
    cancelled = PLACED | {"status": "CANCELED", "origClientOrderId": CID, "clientOrderId": f"{CID}-x"}
    peer.answer("order.cancel", cancelled)
    answer = await running.cancel("ETHUSDT", 7, f"{CID}-x")
    assert isinstance(answer, CancelAccepted)
    assert answer.report.client_order_id == CID
    params = peer.asked("order.cancel")[0]["params"]
    assert (params["symbol"], params["orderId"], params["newClientOrderId"]) == ("ETHUSDT", 7, f"{CID}-x")
    assert "origClientOrderId" not in params
    peer.fail("order.cancel", -2011, "Unknown order sent.")
    assert await running.cancel("ETHUSDT", 7, f"{CID}-x") == CancelRefused(-2011, "Unknown order sent.")
    peer.ignore("order.cancel")
    assert isinstance(await running.cancel("ETHUSDT", 7, f"{CID}-x"), Unknown)


async def test_a_cancel_that_is_not_ours_to_send_any_more_is_not_sent(autojump_clock, running, peer):
    assert isinstance(await running.cancel("ETHUSDT", 7, f"{CID}-x", lambda: False), Unsent)
    assert peer.asked("order.cancel") == []


async def test_a_cancel_is_signed_with_the_moment_at_which_it_was_ours_to_send(mock_clock, running, peer):
    def paused() -> bool:
        mock_clock.jump(30)
        return True

    peer.ignore("order.cancel")
    before = running.now()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(running.cancel, "ETHUSDT", 7, f"{CID}-x", paused)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert peer.asked("order.cancel")[0]["params"]["timestamp"] - before < 1_000


async def test_admission_signs_with_the_exchanges_clock(autojump_clock, running, peer):
    assert running.admit(Side.BUY) == running.now()
    assert abs(running.now() - peer.now()) <= 1


async def slot(exchange, side):
    """Wait until there is one."""
    while not await exchange.admission(side):
        pass


async def test_buys_wait_for_a_slot_while_sells_still_get_one(autojump_clock, running):
    while running.admit(Side.BUY) is not None:
        pass
    assert running.admit(Side.SELL) is not None
    with trio.fail_after(11):
        await slot(running, Side.BUY)
    assert running.admit(Side.BUY) is not None


async def test_sells_get_the_slots_of_a_new_window_before_buys(autojump_clock, running):
    while running.admit(Side.SELL) is not None:
        pass
    admitted = []

    async def wait(side):
        await slot(running, side)
        admitted.append(side)

    async with trio.open_nursery() as nursery:
        for side in (Side.BUY, Side.SELL, Side.BUY, Side.SELL):
            nursery.start_soon(wait, side)
    assert admitted == [Side.SELL, Side.SELL, Side.BUY, Side.BUY]


async def test_slots_that_become_free_are_taken_before_their_window_ends_and_by_sells_first(
    autojump_clock, running
):
    running._limits.learn([RateLimit("ORDERS", "SECOND", 10, 1000), RateLimit("ORDERS", "DAY", 1, 20)])
    running.sharers = 10  # nodes: two orders of each
    admitted = []

    async def wait(side):
        while True:
            if await running.admission(side) and running.admit(side) is not None:
                admitted.append((side, trio.current_time()))
                return

    for _ in range(2):
        assert running.admit(Side.SELL) is not None
    async with trio.open_nursery() as nursery:
        for side in (Side.BUY, Side.BUY, Side.SELL, Side.SELL):
            nursery.start_soon(wait, side)
        await trio.sleep(100)
        assert not admitted
        running.sharers, left = 4, trio.current_time()  # three more: a share for buys of two more
        await trio.sleep(2)
        assert [side for side, _ in admitted] == [Side.SELL, Side.SELL]
        running.sharers = 1
    assert [side for side, _ in admitted[2:]] == [Side.BUY, Side.BUY]
    assert admitted[1][1] - left <= 1
    assert admitted[-1][1] - left <= 2 + 1.2


async def test_admission_without_a_session_waits_for_one(autojump_clock, exchange, sink, nursery):
    with trio.move_on_after(100) as scope:
        await exchange.admission(Side.SELL)
    assert scope.cancelled_caught
    nursery.start_soon(exchange.run, sink)
    with trio.fail_after(100):
        await exchange.admission(Side.SELL)
    assert exchange.admit(Side.SELL) is not None


async def test_the_counts_of_an_answer_are_respected(autojump_clock, running, peer):
    full = RateLimit("ORDERS", "SECOND", 10, 50, 50)
    row = {
        "rateLimitType": full.rate_limit_type,
        "interval": full.interval,
        "intervalNum": full.interval_num,
        "limit": full.limit,
        "count": full.count,
    }
    peer.answer("account.rateLimits.orders", [row])
    peer.answer("order.place", PLACED, rateLimits=[row])
    await running.place(buy(running.now()))
    assert running.admit(Side.SELL) is not None, "a count at its limit was believed before it was confirmed"
    await trio.sleep(1)
    assert running.admit(Side.SELL) is None
    assert (
        running.remarks.limited == "the account's limit of 50 orders in 10 s is used up until 2023-11-14T22:13:30Z"
    )


async def test_what_keeps_only_buys_from_being_sent_is_told_apart(autojump_clock, running):
    while running.admit(Side.BUY) is not None:
        pass
    buys = (
        "the part for buys of the account's limit, 40 of 50 orders in 10 s, is used up until 2023-11-14T22:13:30Z"
    )
    assert (running.remarks.limited, running.remarks.buys_limited) == (None, buys)


@pytest.mark.parametrize("count", [51, 100, 500])
@pytest.mark.parametrize("confirmed", [7, 51])
async def test_a_count_above_its_own_limit_is_one_at_it(autojump_clock, running, peer, count, confirmed):
    day = {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 50}
    peer.answer("account.rateLimits.orders", [day | {"count": confirmed}])
    peer.answer("order.place", PLACED, rateLimits=[day | {"count": count}])
    await running.place(buy(running.now()))
    await trio.sleep(5)
    assert (running.admit(Side.SELL) is None) == (confirmed > 50)
    assert (running.remarks.limited is None) == (confirmed <= 50)
    assert running.remarks.refused is None


async def test_a_weight_above_its_limit_holds_queries_back_until_its_window_ends(autojump_clock, running, peer):
    used = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 1200, "count": 2411}
    peer.answer("order.place", PLACED, rateLimits=[used])
    await running.place(buy(running.now()))
    began = peer.now()
    peer.answer("order.status", PLACED | {"time": began, "updateTime": began})
    await running.order("ETHUSDT", order_id=7)
    assert peer.now() // 60_000 == began // 60_000 + 1
    assert running.remarks.refused is None


@pytest.mark.parametrize("count", [501, 10**12, 2**63, -1, "50", None])
async def test_a_count_that_is_none_is_not_believed(autojump_clock, running, peer, count):
    row = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50, "count": count}
    peer.answer("order.place", PLACED, rateLimits=[row])
    await running.place(buy(running.now()))
    assert running.admit(Side.SELL) is not None
    assert running.remarks.limited is None
    assert not peer.asked("account.rateLimits.orders")
    assert (running.remarks.refused is None) == (count is None)


async def test_a_count_that_the_account_does_not_confirm_forbids_nothing(autojump_clock, running, peer):
    day = {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 160_000, "count": 160_000}
    peer.answer("account.rateLimits.orders", [day | {"count": 7}])
    peer.answer("order.place", PLACED, rateLimits=[day])
    await running.place(buy(running.now()))
    await trio.sleep(5)
    assert len(peer.asked("account.rateLimits.orders")) == 1
    assert running.admit(Side.SELL) is not None


async def test_too_many_requests_stop_everything_until_the_exchange_allows(autojump_clock, running, peer):
    until = peer.now() + 40_000
    peer.fail("order.place", -1003, "Too much request weight used", status=429, data={"retryAfter": until})
    answer = await running.place(buy(running.now()))
    assert isinstance(answer, Refused)
    assert answer.retry_at == until
    assert running.admit(Side.SELL) is None
    before = len(peer.requests)
    peer.answer("order.status", PLACED | {"time": 1, "updateTime": 2})
    await running.order("ETHUSDT", order_id=7)
    assert peer.now() >= until
    assert len(peer.requests) > before


async def test_during_a_ban_of_days_requests_fail_at_once(autojump_clock, running, peer):
    peer.fail("order.place", -1003, "IP banned", status=418, data={"retryAfter": peer.now() + 3 * 86_400_000})
    await running.place(buy(running.now()))
    with pytest.raises(ExchangeError, match="rate limit exceeded"):
        await running.order("ETHUSDT", order_id=7)
    assert isinstance(await running.cancel("ETHUSDT", 7, "x"), Unsent)
    assert peer.asked("order.status") == peer.asked("order.cancel") == []


async def test_a_watched_symbol_is_watched_until_unwatched(autojump_clock, running, peer, sink):
    await running.watch("ETHUSDT")
    peer.streams.push(
        '{"stream":"ethusdt@trade","data":{"e":"trade","E":2,"s":"ETHUSDT","t":5,"p":"2683.80","q":"0.002","T":1700000000000}}'
    )
    await sink.until(lambda: sink.trades)
    assert sink.trades == [("ETHUSDT", 5, parse_price("2683.8"), "0.002", 1_700_000_000_000)]
    await running.unwatch("ETHUSDT")
    await running.unwatch("NEVERWATCHED")
    await wait_all_tasks_blocked()
    await trio.sleep(1)
    assert [each["params"] for each in peer.asked("UNSUBSCRIBE")] == [["ethusdt@trade"]]


async def test_everything_ends_when_run_is_cancelled(autojump_clock, exchange, sink, peer):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(exchange.run, sink))
        await sink.until(lambda: exchange.connected)
        nursery.cancel_scope.cancel()
    assert not exchange.connected
    assert not any(socket.open for socket in peer.sockets)
