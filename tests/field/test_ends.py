"""How an order may end: with less than was asked for, by the exchange itself, in a market that closed meanwhile."""

import time
from decimal import Decimal

import pytest

from tests.acceptance.harness import Daemon, Exchange, until
from tests.field.test_answers import by_hand, kinds

SYMBOL = "ETHUSDT"


def test_a_sell_of_which_self_trade_prevention_took_a_part_was_never_booked(
    daemon: Daemon, exchange: Exchange
) -> None:
    daemon.do("start", SYMBOL, "--chunks", "1", "--budget", "1000")
    exchange.trade("2000")
    until(lambda: exchange.open("BUY"))
    exchange.trade("1990")
    daemon.reaches("selling")
    [price] = exchange.open("SELL")
    sold = Decimal(exchange.orders(open_only=True)[0]["origQty"])
    exchange.trade(str(price))
    by_hand(exchange, "BUY", str(price), "0.1", selfTradePreventionMode="DECREMENT")
    exchange.trade(str(price + 1))
    exchange.trade("1995")
    exchange.fault("disconnect")  # the next query tells the end: after a reconnect, or within a minute
    until(lambda: [order["state"] for order in daemon.orders()].count("filled") == 2, 90)
    [filled] = [order for order in exchange.orders() if order["side"] == "SELL" and order["status"] == "FILLED"]
    assert Decimal(filled["executedQty"]) == sold - Decimal("0.1") == sold - Decimal(filled["preventedQuantity"])
    until(lambda: exchange.open("SELL") == [price])
    [rest] = exchange.orders(open_only=True)
    assert Decimal(rest["origQty"]) == Decimal("0.1")
    exchange.trade(str(price + 1))
    until(lambda: daemon.ask("trades", symbols=[SYMBOL])["trades"])
    assert (daemon.symbol()["state"], daemon.symbol()["held"]) == ("trading", "0")


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_after_an_order_that_the_exchange_let_expire_the_market_was_called_open_for_an_hour(
    daemon: Daemon, exchange: Exchange, side: str
) -> None:
    daemon.do("start", SYMBOL, "--chunks", "1", "--budget", "1000")
    exchange.trade("2000")
    until(lambda: exchange.open("BUY"))
    if side == "SELL":
        exchange.trade("1990")
        daemon.reaches("selling")
    exchange.call("sim.rules", symbol=SYMBOL, status="BREAK")
    exchange.call("sim.end", symbol=SYMBOL, side=side, status="EXPIRED")
    until(lambda: daemon.symbol()["reason"] == "the market is closed: BREAK")
    assert daemon.symbol()["state"] == "degraded"
    events = [event["kind"] for event in daemon.ask("events", symbols=[SYMBOL])["events"]]
    assert "ended by the exchange" in events


def test_after_an_order_that_a_closed_market_refused_it_was_called_open_for_an_hour(
    daemon: Daemon, exchange: Exchange
) -> None:
    daemon.do("start", SYMBOL, "--chunks", "1", "--budget", "1000")
    exchange.fault("halt", symbol=SYMBOL, seconds=600)
    exchange.trade("2000")
    until(lambda: daemon.symbol()["reason"] == "the market is closed: HALT")
    assert daemon.symbol()["state"] == "degraded"


@pytest.mark.parametrize("resting", [True, False])
def test_a_symbol_that_was_delisted_while_it_traded_was_said_to_be_unable_to_sell(
    daemon: Daemon, exchange: Exchange, *, resting: bool
) -> None:
    daemon.do("start", SYMBOL, "--chunks", "1", "--budget", "1000")
    exchange.trade("2000")
    until(lambda: exchange.open("BUY"))
    if not resting:
        exchange.fault("error", method="order.place", code=-1121, count=3)
    exchange.trade("1990")
    if resting:
        until(lambda: exchange.open("SELL"))
    else:
        until(lambda: len(kinds(daemon, "refused")) == 3)  # the next attempt is four seconds away
        time.sleep(1)
    exchange.call("sim.delist", symbol=SYMBOL)
    until(lambda: daemon.symbol()["state"] == "faulted")
    assert daemon.symbol()["reason"] == f"the exchange does not list {SYMBOL} (any more)"
    assert daemon.symbol()["held"] == "0.5"
    lost = daemon.do("resolve", SYMBOL, "--all", "--ignore").result["lost"]
    assert [(entry["asset"], entry["quantity"]) for entry in lost] == [("ETH", "0.5")]
