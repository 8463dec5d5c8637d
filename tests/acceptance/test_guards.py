"""What keeps a symbol from buying, on the real programs, with a kill in the middle."""

import signal
from decimal import Decimal

from tests.acceptance.harness import SYMBOL, Daemon, Exchange, until

CLOSE = ("--max-deviation", "0", "--reprice", "0")  # every trade decides


def test_spacing_floor_and_ceiling_bind_at_once_say_so_and_survive_kill_9(
    daemon: Daemon, exchange: Exchange
) -> None:
    daemon.do("start", SYMBOL, *CLOSE, "--ceiling", "1900")
    exchange.trade("2000")
    until(lambda: "above the ceiling 1900" in (daemon.symbol()["reason"] or ""))
    assert daemon.symbol()["state"] == "trading"
    assert daemon.symbol()["next_step"] == f"naivectl settings {SYMBOL}"
    assert exchange.orders() == []
    daemon.do("settings", SYMBOL, "--ceiling", "none", "--spacing", "2%")
    exchange.trade("2000")
    daemon.reaches("buying")
    exchange.trade("1999")
    daemon.reaches("selling")
    exchange.trade("1970")  # a rebuy would be due
    until(lambda: "too near" in (daemon.symbol()["reason"] or ""))
    assert daemon.ctl("explain", SYMBOL).document["buys"]["may"] is False
    daemon.end(signal.SIGKILL)
    daemon.start()
    daemon.do("wait", SYMBOL, "--for", "trading")
    exchange.trade("1961")
    until(lambda: "too near" in (daemon.symbol()["reason"] or ""))
    daemon.do("settings", SYMBOL, "--floor", "1955")
    exchange.trade("1950")
    until(lambda: "below the floor 1955" in (daemon.symbol()["reason"] or ""))
    exchange.trade("1956")
    daemon.reaches("selling", "buying")
    assert exchange.open("BUY") == [Decimal("1955.8")]
    refused = daemon.ctl("settings", SYMBOL, "--ceiling", "1900")
    assert (refused.code, refused.result["error"]["message"]) == (2, "floor must not be above ceiling")
