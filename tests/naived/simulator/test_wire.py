import pytest

from naived.core.amount import parse_amount, parse_rate
from naived.core.orders.report import OrderStatus
from naived.simulator import wire
from naived.simulator.order import Balance, Executed, OrderType, StpMode
from naived.simulator.step import Done
from tests.support.simulator import NOW, exchange, new, print_trade


def taken() -> Done:
    engine = exchange()
    print_trade(engine, "2683.80")
    done = engine.place(new("buy", "2700", "0.1", client_order_id="mine"))
    engine.ledger.close()
    return done


def cancelled() -> Done:
    engine = exchange()
    engine.place(new("buy", "2600", "0.1", client_order_id="mine"))
    done = engine.cancel("ETHUSDT", 1, "mine-x")
    engine.ledger.close()
    return done


def reports(done: Done) -> list[wire.Json]:
    return [wire.event(event) for event in done.events if isinstance(event, Executed)]


# What the documentation's samples have, in its order.
REPORT = "e E s c S o f q p P F g C x X r i l z L n N T t I w m M O Z Y Q W V".split()  # noqa: SIM905
RESULT = {
    "symbol",
    "orderId",
    "orderListId",
    "clientOrderId",
    "transactTime",
    "price",
    "origQty",
    "executedQty",
    "origQuoteOrderQty",
    "cummulativeQuoteQty",
    "status",
    "timeInForce",
    "type",
    "side",
    "workingTime",
    "selfTradePreventionMode",
}
STATUS = RESULT - {"transactTime"} | {"stopPrice", "icebergQty", "time", "updateTime", "isWorking"}


def test_an_answer_is_as_long_as_was_asked_for() -> None:
    done = taken()
    ack = wire.placed(done.order, done.fills, "ACK")
    assert list(ack) == ["symbol", "orderId", "orderListId", "clientOrderId", "transactTime"]
    assert wire.placed(done.order, done.fills, "RESULT").keys() == RESULT
    full = wire.placed(done.order, done.fills, "FULL")
    assert full.keys() == RESULT | {"fills"}
    assert full["fills"] == [
        {
            "price": "2683.80000000",
            "qty": "0.10000000",
            "commission": "0.00010000",
            "commissionAsset": "ETH",
            "tradeId": 2,
        }
    ]
    assert (full["status"], full["cummulativeQuoteQty"], full["side"]) == ("FILLED", "268.38000000", "BUY")


def test_an_order_is_shown_under_the_cancels_id_after_a_cancel() -> None:
    order = cancelled().order
    assert wire.status(order)["clientOrderId"] == "mine-x"
    answer = wire.cancelled(order)
    assert answer.keys() == RESULT - {"workingTime"} | {"origClientOrderId"}
    assert (answer["origClientOrderId"], answer["clientOrderId"]) == ("mine", "mine-x")
    assert wire.status(taken().order).keys() == STATUS


def test_reports_have_every_documented_key_in_order() -> None:
    placed, traded = reports(taken())
    assert list(placed) == list(traded) == REPORT
    assert (placed["x"], placed["X"], placed["t"], placed["n"], placed["N"]) == ("NEW", "NEW", -1, "0", None)
    assert (traded["x"], traded["X"], traded["t"], traded["n"], traded["N"]) == (
        "TRADE",
        "FILLED",
        2,
        "0.00010000",
        "ETH",
    )
    assert (traded["l"], traded["z"], traded["L"], traded["Y"], traded["Z"], traded["m"], traded["w"]) == (
        "0.10000000",
        "0.10000000",
        "2683.80000000",
        "268.38000000",
        "268.38000000",
        False,
        False,
    )


def test_a_report_of_a_cancel_names_the_cancel_first_and_the_order_second() -> None:
    [report] = reports(cancelled())
    assert (report["x"], report["X"], report["c"], report["C"]) == ("CANCELED", "CANCELED", "mine-x", "mine")


def test_a_prevented_match_is_told_with_its_counterpart() -> None:
    engine = exchange(USDT="1000", ETH="1")
    engine.place(new("sell", "2690", "0.1"))
    done = engine.place(new("buy", "2690", "0.2", stp_mode=StpMode.DECREMENT))
    _, taker, maker = reports(done)
    assert (taker["x"], taker["X"], taker["i"], taker["U"], taker["A"], taker["B"]) == (
        "TRADE_PREVENTION",
        "NEW",
        2,
        1,
        "0.10000000",
        "0.10000000",
    )
    assert (maker["X"], maker["i"], maker["U"], maker["pL"], maker["pY"]) == (
        "EXPIRED_IN_MATCH",
        1,
        2,
        "2690.00000000",
        "269.00000000",
    )
    assert taker["v"] == maker["v"]
    assert wire.status(done.order)["preventedQuantity"] == "0.10000000"
    engine.ledger.close()


@pytest.mark.parametrize("shape", ["RESULT", "FULL"])
def test_an_expired_order_says_why(shape: str) -> None:
    engine = exchange()
    done = engine.place(new("buy", "0", "1", type=OrderType.MARKET))
    assert wire.placed(done.order, (), shape)["expiryReason"] == "INSUFFICIENT_LIQUIDITY"
    assert reports(done)[-1]["eR"] == "INSUFFICIENT_LIQUIDITY"
    assert wire.status(done.order)["expiryReason"] == "INSUFFICIENT_LIQUIDITY"
    assert done.order.status is OrderStatus.EXPIRED
    engine.ledger.close()


def test_a_fill_is_a_row_of_my_trades() -> None:
    done = taken()
    assert wire.trade(done.fills[0], done.order.side) == {
        "symbol": "ETHUSDT",
        "id": 2,
        "orderId": 1,
        "orderListId": -1,
        "price": "2683.80000000",
        "qty": "0.10000000",
        "quoteQty": "268.38000000",
        "commission": "0.00010000",
        "commissionAsset": "ETH",
        "time": NOW,
        "isBuyer": True,
        "isMaker": False,
        "isBestMatch": True,
    }


def test_an_account_shows_rates_and_balances() -> None:
    balances = {
        "USDT": Balance(parse_amount("1.5"), parse_amount("2")),
        "ETH": Balance(parse_amount("0"), parse_amount("0")),
    }
    shown = wire.account(balances, parse_rate("0.001"), 7, NOW, omit_zero=False)
    assert (shown["makerCommission"], shown["commissionRates"]["taker"], shown["uid"]) == (10, "0.00100000", 7)
    assert [row["asset"] for row in shown["balances"]] == ["ETH", "USDT"]
    only = wire.account(balances, parse_rate("0.001"), 7, NOW, omit_zero=True)["balances"]
    assert only == [{"asset": "USDT", "free": "1.50000000", "locked": "2.00000000"}]


def test_commission_is_the_standard_rate_alone() -> None:
    rates = wire.commission("ETHUSDT", parse_rate("0.00075"), None)
    assert rates["discount"]["enabledForAccount"] is False
    assert rates["standardCommission"] == {
        "maker": "0.00075000",
        "taker": "0.00075000",
        "buyer": "0.00000000",
        "seller": "0.00000000",
    }
    assert set(rates["taxCommission"].values()) == set(rates["specialCommission"].values()) == {"0.00000000"}
