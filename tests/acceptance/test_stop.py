"""`stop`: at once, with whatever rests named; and the orders whose fate is not known yet."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from tests.acceptance import books
from tests.acceptance.harness import SYMBOL, Daemon, Exchange, until


def one_of_each(daemon: Daemon, exchange: Exchange) -> None:
    """A sell at 2001.80 and a buy at 1986.80, both resting."""
    daemon.do("start", SYMBOL)
    exchange.trade("2000")
    daemon.reaches("buying")
    exchange.trade("1987")
    daemon.reaches("selling", "buying")


@pytest.mark.parametrize(
    ("cancel", "left", "remains", "cycles", "sells"),
    [
        ("none", {"sell": "2001.8", "buy": "1986.8"}, "1 sell and 1 buy remain open", 2, ["FILLED", "FILLED"]),
        ("buys", {"sell": "2001.8"}, "1 sell remains open", 1, ["FILLED"]),
        ("all", {}, "nothing remains open", 1, ["CANCELED", "FILLED"]),
    ],
)
def test_a_stop_cancels_what_it_was_told_to_and_the_next_start_sells_what_is_held(
    daemon: Daemon,
    exchange: Exchange,
    cancel: str,
    left: dict[str, str],
    remains: str,
    cycles: int,
    sells: list[str],
) -> None:
    one_of_each(daemon, exchange)
    stopped = daemon.do("stop", SYMBOL, "--cancel", cancel).result
    assert (stopped["status"], stopped["state"]) == ("off", "off")
    assert remains in stopped["message"]
    assert {order["side"]: order["price"] for order in stopped["open_orders"]} == left
    assert {side: exchange.open(side.upper()) for side in left} == {
        side: [Decimal(price)] for side, price in left.items()
    }
    assert len(exchange.orders(open_only=True)) == len(left)
    exchange.trade("1950")
    until(lambda: not books.differing(exchange, daemon, SYMBOL))
    daemon.do("start", SYMBOL)
    until(lambda: len(exchange.orders(side="SELL")) == len(sells))
    exchange.trade("2010")
    until(lambda: daemon.symbol()["cycles"] == cycles)
    until(lambda: not books.differing(exchange, daemon, SYMBOL))
    assert [order["status"] for order in exchange.orders(side="SELL")] == sells
    assert exchange.balance("ETH") == 0


def test_what_fills_while_off_is_booked_and_the_next_start_goes_on_from_there(
    daemon: Daemon, exchange: Exchange
) -> None:
    one_of_each(daemon, exchange)
    daemon.do("stop", SYMBOL)
    exchange.trade("1980")
    until(lambda: daemon.phases() == ["selling", "holding"])
    exchange.trade("2005")
    until(lambda: daemon.symbol()["cycles"] == 1)
    assert daemon.phases() == ["holding"]
    assert exchange.orders(open_only=True) == []
    daemon.do("start", SYMBOL)
    until(lambda: daemon.symbol()["cycles"] == 2)
    assert exchange.balance("ETH") == 0


def test_a_shutdown_of_a_stopped_symbol_drains_the_traders_that_the_stop_left_behind(
    daemon: Daemon, exchange: Exchange
) -> None:
    one_of_each(daemon, exchange)
    daemon.do("stop", SYMBOL)
    draining = daemon.do("shutdown", SYMBOL).result
    assert (draining["status"], draining["changed"]) == ("shutdown", True)
    until(lambda: daemon.phases() == ["selling"])
    assert exchange.open("BUY") == []
    waiting = daemon.ctl("shutdown", SYMBOL, "--wait", "--timeout", "300ms")
    assert waiting.code == 124
    exchange.trade("2005")
    drained = daemon.do("shutdown", SYMBOL, "--wait").result
    assert drained["status"] == "off"
    until(
        lambda: daemon.symbol()["state"] == "off"
    )  # where the first shutdown drained it, it may still be stopping
    assert daemon.symbol()["cycles"] == 1


@pytest.mark.parametrize("fault", ["request_lost", "disconnect"])
def test_a_lost_request_is_unknown_until_its_fence_then_abandoned_and_bought_anew(
    exchange: Exchange, naived: Callable[..., Daemon], fault: str
) -> None:
    daemon = naived("--exchange-url", exchange.url, "--recv-window", "1s", "--grace", "2s")
    daemon.start()
    daemon.do("start", SYMBOL)
    exchange.fault(fault, method="order.place")
    exchange.trade("2000")
    until(lambda: [order["state"] for order in daemon.orders()] == ["unknown"])
    (lost,) = daemon.orders()
    assert lost["fence_at"] is not None
    assert lost["order_id"] is None
    stopping = daemon.ctl("stop", SYMBOL, "--timeout", "100ms")
    assert stopping.code == 124
    assert f"{lost['client_order_id']} (fence {lost['fence_at']})" in stopping.result["error"]["message"]
    assert stopping.result["state"] == "stopping"
    daemon.do("start", SYMBOL)
    until(lambda: daemon.orders()[0]["state"] == "abandoned")
    exchange.trade("2000")
    daemon.reaches("buying")
    (only,) = exchange.orders()
    assert only["clientOrderId"] == daemon.orders()[1]["client_order_id"]


def test_a_lost_reply_never_makes_a_second_order(daemon: Daemon, exchange: Exchange) -> None:
    daemon.do("start", SYMBOL)
    exchange.fault("reply_lost", method="order.place")
    exchange.trade("2000")
    daemon.reaches("buying")  # the user data stream knows of it
    exchange.trade("1999")
    daemon.reaches("selling")
    assert [order["side"] for order in exchange.orders()] == ["BUY", "SELL"]


def test_a_lost_reply_without_a_report_is_found_by_asking(daemon: Daemon, exchange: Exchange) -> None:
    daemon.do("start", SYMBOL)
    exchange.fault("error_after", method="order.place", code=-1007)
    exchange.fault("report_missing")
    exchange.trade("2000")
    daemon.reaches("buying")
    exchange.trade("1999")
    daemon.reaches("selling")
    assert [order["side"] for order in exchange.orders()] == ["BUY", "SELL"]


def test_a_sell_whose_request_was_lost_is_tried_again_under_its_own_id(
    exchange: Exchange, naived: Callable[..., Daemon]
) -> None:
    daemon = naived("--exchange-url", exchange.url, "--recv-window", "1s", "--grace", "1s")
    daemon.start()
    daemon.do("start", SYMBOL)
    exchange.trade("2000")
    daemon.reaches("buying")
    exchange.fault("disconnect", method="order.place")
    exchange.trade("1999")
    until(lambda: [order["state"] for order in daemon.orders()] == ["filled", "unknown"])
    lost = daemon.orders()[1]["client_order_id"]
    daemon.reaches("selling")
    (sell,) = exchange.orders(side="SELL")
    assert sell["clientOrderId"] == lost


def test_a_sell_that_a_person_cancelled_is_held_until_it_is_resolved(daemon: Daemon, exchange: Exchange) -> None:
    daemon.do("start", SYMBOL, "--chunks", "1")
    exchange.trade("2000")
    daemon.reaches("buying")
    exchange.trade("1999")
    daemon.reaches("selling")
    exchange.fault("manual_cancel", symbol=SYMBOL)
    daemon.reaches("holding")
    held = daemon.symbol()["traders"][0]
    assert held["reason"] == "cancelled by hand"
    assert daemon.do("resolve", SYMBOL, held["sell"]["client_order_id"], "--adopt").result["changed"] is True
    daemon.reaches("selling")
    exchange.trade("2005")
    until(lambda: daemon.symbol()["cycles"] == 1)
