import pytest
import trio

from naived.core.amount import parse_price, parse_quantity
from naived.core.order import (
    Accepted,
    OrderStatus,
    Side,
    Unknown,
)
from naived.ports import OrderRequest

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


async def test_without_an_answer_the_fate_is_unknown_and_nothing_is_sent_again(autojump_clock, running, peer):
    peer.ignore("order.place")
    began = trio.current_time()
    answer = await running.place(buy(running.now()))
    assert isinstance(answer, Unknown)
    assert trio.current_time() - began == pytest.approx(15)
    assert len(peer.asked("order.place")) == 1
