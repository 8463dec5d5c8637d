"""kill -9, suspend and start again: what was wished goes on, and no order is placed twice."""

import json
import os
import signal
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from naived.simulator.symbols import built_in
from tests.acceptance import books
from tests.acceptance.harness import SYMBOL, Daemon, Exchange, Program, brisk, plays, until
from tests.support import forks

SUSPENDED_WITHIN = 10  # seconds; a service manager waits longer before it kills


def three_wishes(daemon: Daemon, exchange: Exchange) -> None:
    """ETHUSDT trades, BTCUSDT drains with a sell to wait for, BNBUSDT is off with a sell that rests."""
    daemon.do("start", "ETHUSDT", "BTCUSDT", "BNBUSDT")
    for symbol, price, lower in (
        ("ETHUSDT", "2000", "1987"),
        ("BTCUSDT", "60000", "59600"),
        ("BNBUSDT", "900", "894"),
    ):
        exchange.trade(price, symbol)
        daemon.reaches("buying", name=symbol)
        exchange.trade(lower, symbol)
        daemon.reaches("selling", "buying", name=symbol)
    daemon.do("shutdown", "BTCUSDT")
    until(lambda: daemon.phases("BTCUSDT") == ["selling"])
    daemon.do("stop", "BNBUSDT", "--cancel", "buys")


@pytest.mark.executed
def test_after_kill_9_each_symbol_goes_on_as_it_was_wished(daemon: Daemon, exchange: Exchange) -> None:
    three_wishes(daemon, exchange)
    before = exchange.orders()
    daemon.end(signal.SIGKILL)
    exchange.trade("1986", "ETHUSDT")  # a buy fills while nobody looks
    daemon.start()
    daemon.do("wait", "ETHUSDT", "--for", "trading")
    daemon.reaches("selling", "selling", name="ETHUSDT")
    until(lambda: daemon.symbol("BTCUSDT")["state"] == "draining")
    assert len(exchange.orders()) == len(before) + 1
    exchange.trade("61000", "BTCUSDT")
    daemon.do("wait", "BTCUSDT", "--for", "drained")
    off = daemon.symbol("BNBUSDT")
    assert (off["status"], off["state"]) == ("off", "off")
    exchange.trade("880", "BNBUSDT")
    exchange.trade("1990", "ETHUSDT")
    until(lambda: daemon.symbol("ETHUSDT")["cycles"] == 1)
    for symbol in ("ETHUSDT", "BTCUSDT", "BNBUSDT"):
        until(lambda symbol=symbol: not books.differing(exchange, daemon, symbol))
    assert exchange.open("BUY", "BNBUSDT") == []
    assert len(exchange.open("SELL", "BNBUSDT")) == 1


def test_kills_in_the_middle_of_brisk_trading_lose_and_double_nothing(
    simulate: Callable[..., Exchange], naived: Callable[..., Daemon], database_url: str
) -> None:
    exchange = simulate("--random-walk", f"{SYMBOL}=2683.80", "--speed", "100")
    daemon = naived(
        "--exchange-url", exchange.url, "--database", database_url, "--recv-window", "1s", "--grace", "1s"
    )
    daemon.start()
    daemon.do("start", SYMBOL, "--profit", "0.0002", "--rebuy", "0.001")
    for count in (4, 10):
        plays(exchange, daemon, lambda count=count: len(daemon.orders()) >= count)
        brisk(exchange)
        daemon.end(signal.SIGKILL)
        daemon.start()
    exchange.call("sim.hold")
    daemon.do("wait", SYMBOL, "--for", "trading")
    books.agree(exchange, daemon, database_url, SYMBOL, Decimal(100000))


def test_a_symbol_the_exchange_no_longer_lists_is_faulted_and_hurts_nobody(
    daemon: Daemon, exchange: Exchange, home: Path
) -> None:
    daemon.do("start", "ETHUSDT", "BTCUSDT")
    exchange.trade("2000")
    daemon.reaches("buying")
    daemon.suspend()
    exchange.end()
    listed = built_in()
    listed["symbols"] = [row for row in listed["symbols"] if row["symbol"] != "BTCUSDT"]
    (home / "info.json").write_text(json.dumps(listed))
    exchange.start("--exchange-info", str(home / "info.json"))
    daemon.start()
    until(lambda: daemon.symbol("BTCUSDT")["state"] == "faulted")
    gone = daemon.symbol("BTCUSDT")
    assert gone["status"] == "on"
    assert "does not list BTCUSDT" in gone["reason"]
    daemon.do("wait", SYMBOL, "--for", "trading")
    exchange.trade("1999")
    daemon.reaches("selling")
    refused = daemon.ctl("start", "BTCUSDT")
    assert refused.code == 1
    assert "does not list" in refused.result["error"]["message"]
    assert daemon.do("stop", "BTCUSDT").result["state"] == "off"


def test_a_suspend_leaves_orders_and_wishes_as_they_are(daemon: Daemon, exchange: Exchange) -> None:
    daemon.do("start", SYMBOL)
    exchange.trade("2000")
    daemon.reaches("buying")
    began = time.monotonic()
    assert daemon.suspend() == 0
    assert time.monotonic() - began < SUSPENDED_WITHIN
    assert exchange.open("BUY") == [Decimal("1999.8")]
    daemon.start()
    daemon.do("wait", SYMBOL, "--for", "trading")
    assert daemon.phases() == ["buying"]
    assert len(exchange.orders()) == 1


@pytest.mark.executed
def test_a_second_signal_ends_it_at_once_and_nothing_is_lost(
    naived: Callable[..., Daemon], exchange: Exchange
) -> None:
    daemon = naived("--exchange-url", exchange.url)
    daemon.start()
    daemon.do("start", SYMBOL)
    exchange.fault("silence", method="order.place", seconds=30)
    exchange.trade("2000")
    until(lambda: exchange.open("BUY"))
    os.kill(daemon.pid, signal.SIGTERM)  # it waits for the answer in flight
    until(lambda: "suspending" in daemon.log)
    assert daemon.suspend() == 1
    exchange.end()
    exchange.start()
    daemon.start(forked=forks.beside)
    daemon.reaches("buying")
    assert exchange.open("BUY") == [Decimal("1999.8")]


def placed(daemon: Daemon) -> dict[str, int]:
    """The exchange's numbers of its orders."""
    return {each["client_order_id"]: each["order_id"] for each in daemon.orders() if each["order_id"] is not None}


@pytest.mark.executed
def test_without_any_option_naived_trades_on_a_simulator_of_its_own_that_outlives_it(
    naived: Callable[..., Daemon],
) -> None:
    daemon = naived()
    daemon.start()
    daemon.do("start", SYMBOL, "BTCUSDT")
    until(lambda: daemon.phases() and daemon.phases("BTCUSDT"))
    before = until(lambda: placed(daemon))
    daemon.end(signal.SIGKILL)
    daemon.start(forked=forks.beside)
    daemon.do("wait", SYMBOL, "BTCUSDT", "--for", "trading")
    assert before.items() <= placed(daemon).items()


@pytest.mark.executed
def test_a_log_that_cannot_be_written_ends_nothing(daemon: Daemon, exchange: Exchange) -> None:
    daemon.suspend()
    daemon.launch(log=Path("/dev/full"))
    until(lambda: daemon.state == "ready")
    daemon.do("start", SYMBOL)
    exchange.trade("2000")
    daemon.reaches("buying")
    assert daemon.suspend() == 0


@pytest.mark.executed
def test_a_second_daemon_on_one_home_is_turned_away(daemon: Daemon, home: Path) -> None:
    second = Program(home / "second.log", "run", "--home", str(home))
    assert second.ended() == 69
    assert f"another naived (pid {daemon.pid})" in second.log.read_text()
    assert daemon.state == "ready"
