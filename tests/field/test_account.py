"""What the account has and pays: coins with one owner, fees in a third asset, the largest position."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from tests.acceptance.harness import Daemon, Exchange, until

Simulate = Callable[..., Exchange]
Naived = Callable[..., Daemon]


def test_coins_that_one_symbol_holds_are_not_spent_by_another(simulate: Simulate, naived: Naived) -> None:
    exchange = simulate("--fee", "0")
    daemon = naived("--exchange-url", exchange.url)
    daemon.start()
    daemon.do("start", "BTCUSDT", "--budget", "1000", "--chunks", "1")
    exchange.trade("96000", "BTCUSDT")
    until(lambda: exchange.open("BUY", "BTCUSDT"))
    exchange.trade("95000", "BTCUSDT")
    daemon.reaches("selling", name="BTCUSDT")
    daemon.do("stop", "BTCUSDT", "--cancel", "all")
    held = exchange.balance("BTC")
    assert held > 0

    daemon.do("start", "ETHBTC", "--budget", "0.005", "--chunks", "1")
    exchange.trade("0.02795", "ETHBTC")
    until(lambda: daemon.symbol("ETHBTC")["reason"])
    assert "BTC that no other symbol holds" in daemon.symbol("ETHBTC")["reason"]
    assert exchange.orders(symbol="ETHBTC") == []

    exchange.call("sim.balance", asset="BTC", free=str(held + Decimal("0.01")))
    until(lambda: (exchange.trade("0.02795", "ETHBTC"), exchange.open("BUY", "ETHBTC"))[1])
    assert daemon.symbol("ETHBTC")["reason"] is None


def test_after_a_kill_the_coins_of_a_stopped_symbol_are_still_its_own(simulate: Simulate, naived: Naived) -> None:
    exchange = simulate("--fee", "0")
    daemon = naived("--exchange-url", exchange.url)
    daemon.start()
    daemon.do("start", "BTCUSDT", "--budget", "1000", "--chunks", "1")
    exchange.trade("96000", "BTCUSDT")
    until(lambda: exchange.open("BUY", "BTCUSDT"))
    exchange.trade("95000", "BTCUSDT")
    daemon.reaches("selling", name="BTCUSDT")
    daemon.do("stop", "BTCUSDT", "--cancel", "all")
    daemon.end()
    daemon.start()
    daemon.do("start", "ETHBTC", "--budget", "0.005", "--chunks", "1")
    exchange.trade("0.02795", "ETHBTC")
    until(lambda: daemon.symbol("ETHBTC")["reason"])
    assert exchange.orders(symbol="ETHBTC") == []


@pytest.mark.parametrize("down", [False, True])
def test_the_profit_is_what_is_left_after_fees_in_a_third_asset(
    simulate: Simulate, naived: Naived, down: bool
) -> None:
    exchange = simulate("--balance", "USDT=1000", "--balance", "BNB=10")
    exchange.call("sim.fees", asset="BNB", price="900", discount="0")
    exchange.trade("900", "BNBUSDT")
    daemon = naived("--exchange-url", exchange.url)
    daemon.start()
    daemon.do("start", "ETHUSDT", "--budget", "1000", "--profit", "0.0002")
    exchange.trade("2683.80")
    until(lambda: exchange.open("BUY"))
    if down:
        daemon.end()
    exchange.trade("2683")
    if down:
        daemon.start()
    until(lambda: exchange.open("SELL"))
    exchange.trade("2690")
    until(lambda: daemon.ask("trades", symbols=["ETHUSDT"])["trades"])
    (cycle,) = daemon.ask("trades", symbols=["ETHUSDT"])["trades"]
    assert cycle["fees"].keys() == {"BNB"}
    paid = Decimal(cycle["fees"]["BNB"]) * 900
    assert abs(Decimal(cycle["fees_valued"]) - paid) < Decimal("0.0000001")
    quote = exchange.balance("USDT") - 1000
    assert Decimal(cycle["profit"]) + Decimal(cycle["fees_valued"]) == quote
    assert Decimal(cycle["profit"]) < quote / 2


def test_the_largest_position_is_reckoned_with_before_a_buy(simulate: Simulate, naived: Naived) -> None:
    exchange = simulate("--fee", "0", "--balance", "USDT=100000", "--balance", "ETH=0.1")
    exchange.call("sim.rules", symbol="ETHUSDT", maxPosition="0.15")
    daemon = naived("--exchange-url", exchange.url)
    daemon.start()
    daemon.do("start", "ETHUSDT", "--budget", "200", "--chunks", "1")
    exchange.trade("2683.80")
    until(lambda: daemon.symbol()["reason"])
    assert "MAX_POSITION" in daemon.symbol()["reason"]
    assert exchange.orders() == []

    exchange.call("sim.balance", asset="ETH", free="0")
    until(lambda: (exchange.trade("2683.80"), exchange.open("BUY"))[1])
    assert daemon.symbol()["reason"] is None


def test_coins_that_other_symbols_paid_as_fees_blocked_their_symbol(simulate: Simulate, naived: Naived) -> None:
    exchange = simulate("--balance", "USDT=100000", "--balance", "BNB=0")
    exchange.trade("900", "BNBUSDT")
    daemon = naived("--exchange-url", exchange.url)
    daemon.start()
    daemon.do("start", "BNBUSDT", "--budget", "1000", "--chunks", "1")
    exchange.trade("900", "BNBUSDT")
    until(lambda: exchange.open("BUY", "BNBUSDT"))
    exchange.trade("899", "BNBUSDT")
    daemon.reaches("selling", name="BNBUSDT")
    daemon.do("stop", "BNBUSDT", "--cancel", "all")
    held = Decimal(daemon.symbol("BNBUSDT")["held"])

    exchange.call("sim.fees", asset="BNB", price="900", discount="0")
    daemon.do("start", "ETHUSDT", "--budget", "1000", "--chunks", "1", "--profit", "0.0002")
    exchange.trade("2683.80")
    until(lambda: exchange.open("BUY"))
    exchange.trade("2683")
    until(lambda: exchange.open("SELL"))
    paid = held - exchange.balance("BNB")
    assert paid > 0

    assert daemon.do("start", "BNBUSDT").result["state"] == "trading"
    until(lambda: exchange.open("SELL", "BNBUSDT"))
    row = daemon.symbol("BNBUSDT")
    assert Decimal(row["held"]) == exchange.balance("BNB")
    assert Decimal(row["realized_profit"]) < 0
    (event,) = [
        event["message"]
        for event in daemon.ask("events", symbols=["BNBUSDT"])["events"]
        if event["kind"] == "written off"
    ]
    assert f"{paid.normalize():f} BNB that cost" in event
    assert event.endswith("written off as fees that other symbols paid")

    exchange.trade("990", "BNBUSDT")
    exchange.trade("990", "BNBUSDT")
    exchange.trade("990", "BNBUSDT")
    until(lambda: Decimal(daemon.symbol("BNBUSDT")["held"]) < held / 100)
    assert daemon.symbol("BNBUSDT")["state"] == "trading"
