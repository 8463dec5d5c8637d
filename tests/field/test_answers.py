"""What `resolve`, `stop`, `wait` and `shutdown` answer about coins, and what they really end."""

import os
import pty
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.acceptance.harness import PATIENCE, SYMBOL, Daemon, Document, Exchange, environment, until
from tests.support import forks


@pytest.fixture
def daemon(exchange: Exchange, naived: Callable[..., Daemon]) -> Daemon:
    """With a short window and grace, so that an order is not unknown for long."""
    daemon = naived("--exchange-url", exchange.url, "--recv-window", "1s", "--grace", "2s")
    daemon.start()
    return daemon


def by_hand(exchange: Exchange, side: str, price: str, quantity: str, **more: object) -> Document:
    """An order that the owner of the account places."""
    now = exchange.call("time")["serverTime"]
    signed = {"apiKey": "by hand", "signature": "any", "timestamp": now}
    terms = {"symbol": SYMBOL, "side": side, "type": "LIMIT", "timeInForce": "GTC"}
    placed: Document = exchange.call("order.place", **terms, price=price, quantity=quantity, **signed, **more)
    return placed


def two_sells(daemon: Daemon, exchange: Exchange) -> None:
    """Of 0.1 at 2001.80 and of 0.1006 at 1988.79, both resting."""
    daemon.do("start", SYMBOL, "--chunks", "5", "--budget", "1000")
    exchange.trade("2000")
    daemon.reaches("buying")
    exchange.trade("1987")
    daemon.reaches("selling", "buying")
    exchange.trade("1986.5")
    daemon.reaches("selling", "selling")


def one_held(daemon: Daemon, exchange: Exchange) -> None:
    """0.5 bought for 999.9; its sell was refused for want of coins, and the owner was quicker than naived."""
    daemon.do("start", SYMBOL, "--chunks", "1", "--budget", "1000")
    exchange.trade("2000")
    daemon.reaches("buying")
    exchange.fault("balance", method="order.place")
    exchange.trade("1999")
    until(lambda: daemon.phases() == ["holding"])


def in_quarantine(daemon: Daemon, exchange: Exchange) -> Document:
    """One trader's sell is held by hand; the request of another's is lost, and its id is used by somebody else."""
    two_sells(daemon, exchange)
    exchange.fault("manual_cancel", symbol=SYMBOL)
    until(lambda: daemon.phases() == ["holding", "selling"])
    exchange.fault("request_lost", method="order.place")
    exchange.trade("1974.5")
    until(lambda: daemon.phases() == ["holding", "selling", "buying"])
    until(lambda: [each["state"] for each in daemon.orders()].count("unknown") == 1)
    lost = daemon.orders()[-1]
    by_hand(exchange, "BUY", "1900", lost["quantity"], newClientOrderId=lost["client_order_id"])
    until(lambda: daemon.symbol()["state"] == "quarantined")
    return lost


def at_terminal(daemon: Daemon, typed: str, *words: str) -> tuple[int, str]:
    """Exit code and screen of `naivectl` on a terminal where a person types this."""
    ours, theirs = pty.openpty()
    words = ("--home", str(daemon.home), *words)
    process = forks.start("naivectl", *words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment())
    os.close(theirs)
    os.write(ours, typed.encode())
    screen = b""
    deadline = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline:
            try:
                screen += os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
        return process.wait(PATIENCE), screen.decode()
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def kinds(daemon: Daemon, kind: str) -> list[str]:
    return [each["message"] for each in daemon.ask("events", symbols=[SYMBOL])["events"] if each["kind"] == kind]


# resolve


def test_an_ignored_order_took_the_coins_of_an_innocent_trader_with_it(daemon: Daemon, exchange: Exchange) -> None:
    lost = in_quarantine(daemon, exchange)
    result = daemon.do("resolve", SYMBOL, lost["client_order_id"], "--ignore").result
    spent = {"asset": "USDT", "quantity": "198.72", "cost": "198.72", "value": "198.72"}
    assert [entry["client_order_id"] for entry in result["lost"]] == [lost["client_order_id"]]
    assert result["lost"][0]["asset"] == spent["asset"]
    assert Decimal(result["lost"][0]["quantity"]) <= Decimal(200)
    assert result["message"].startswith("1 resolved; written off: what buy n1")
    assert daemon.phases()[:2] == ["holding", "selling"]
    assert Decimal(daemon.symbol()["realized_profit"]) == 0
    until(lambda: daemon.symbol()["state"] == "degraded")  # the sell that was cancelled by hand waits for a person
    assert "by hand" in daemon.symbol()["reason"]


def test_all_that_was_ignored_was_written_off_without_a_word(daemon: Daemon, exchange: Exchange) -> None:
    in_quarantine(daemon, exchange)
    result = daemon.do("resolve", SYMBOL, "--all", "--ignore").result
    assert result["message"].startswith("2 resolved; written off: ")
    held = result["lost"][1]
    assert (held["trader"], held["asset"], held["quantity"], held["cost"]) == (
        f"{SYMBOL}-1",
        "ETH",
        "0.1",
        "199.98",
    )
    assert Decimal(held["value"]) == Decimal("197.45")
    assert "0.1 ETH (cost 199.98 USDT, worth 197.45 USDT now) of ETHUSDT-1" in result["message"]
    assert (result["state"], result["error"]) == ("trading", None)
    assert Decimal(daemon.symbol()["realized_profit"]) == Decimal("-199.98")
    assert kinds(daemon, "written off") == [f"{SYMBOL}-1: 0.1 ETH that cost 199.98 USDT written off by hand"]
    time.sleep(1)
    assert daemon.symbol()["state"] == "trading"


def test_a_quarantine_that_nobody_can_ignore_took_the_coins_of_a_held_trader(
    daemon: Daemon, exchange: Exchange
) -> None:
    two_sells(daemon, exchange)
    exchange.fault("manual_cancel", symbol=SYMBOL)
    until(lambda: daemon.phases() == ["holding", "selling"])
    daemon.do("stop", SYMBOL)
    tag = daemon.orders()[0]["client_order_id"].partition("-")[0]
    strange = by_hand(exchange, "BUY", "1900", "0.1", newClientOrderId=f"{tag}-{'a' * 26}")
    assert daemon.ctl("start", SYMBOL).code == 8
    refused = daemon.ctl("resolve", SYMBOL, "--all", "--ignore")
    assert refused.code == 8
    assert (refused.result["changed"], refused.result["lost"]) == (False, [])
    assert refused.result["message"].startswith("nothing changed; still quarantined: ETHUSDT order")
    assert daemon.phases() == ["holding", "selling"]
    held = daemon.symbol()["traders"][0]["sell"]["client_order_id"]
    ignored = daemon.do("resolve", SYMBOL, held, "--ignore").result
    assert ignored["lost"][0]["quantity"] == "0.1"
    assert "; still quarantined: ETHUSDT order" in ignored["message"]
    exchange.call("sim.end", symbol=SYMBOL, side="BUY", status="CANCELED")
    assert strange["clientOrderId"] not in {order["clientOrderId"] for order in exchange.orders(open_only=True)}
    assert daemon.do("start", SYMBOL).result["state"] == "trading"


def test_a_person_at_a_terminal_was_not_asked_before_coins_were_written_off(
    daemon: Daemon, exchange: Exchange
) -> None:
    two_sells(daemon, exchange)
    exchange.fault("manual_cancel", symbol=SYMBOL)
    until(lambda: daemon.phases() == ["holding", "selling"])
    words = ("resolve", SYMBOL, "--all", "--ignore")
    code, screen = at_terminal(daemon, "n\n", *words)
    assert code == 1
    said = "this writes off 0.1 ETH (cost 199.98 USDT, worth 198.65 USDT now) of ETHUSDT-1"
    assert said in " ".join(screen.split())  # wrapped at words
    assert "nothing changed" in screen
    assert daemon.phases() == ["holding", "selling"]
    code, screen = at_terminal(daemon, f"{SYMBOL}\n", *words)
    assert (code, "1 resolved; written off: 0.1 ETH" in screen) == (0, True)
    assert "holding" not in daemon.phases()
    code, screen = at_terminal(daemon, "", *words, "--yes")
    assert (code, screen.strip()) == (0, f"{SYMBOL}: nothing to resolve")


@pytest.mark.parametrize(
    ("left", "lost", "cost"), [("0", "0.5", "999.9"), ("0.2", "0.3", "599.94"), ("0.5", None, None)]
)
def test_a_hold_for_coins_that_the_owner_sold_could_not_be_ended(
    daemon: Daemon, exchange: Exchange, left: str, lost: str | None, cost: str | None
) -> None:
    one_held(daemon, exchange)
    exchange.call("sim.balance", asset="ETH", free=left)
    daemon.do("shutdown", SYMBOL)
    result = daemon.do("resolve", SYMBOL, "--all", "--ignore").result
    assert [(entry["asset"], entry["quantity"], entry["cost"]) for entry in result["lost"]] == (
        [("ETH", lost, cost)] if lost else []
    )
    if Decimal(left):
        until(lambda: daemon.phases() == ["selling"])
        assert exchange.open("SELL") == [Decimal("2001.8")]
        exchange.trade("2002")
    drained = daemon.do("shutdown", SYMBOL, "--wait", "--timeout", "20s").result
    assert drained["message"] == "drained: off"
    until(
        lambda: daemon.symbol()["state"] == "off"
    )  # where the first shutdown drained it, it may still be stopping
    assert daemon.symbol()["held"] == "0"
    assert exchange.balance("ETH") == 0


def test_coins_that_an_order_of_the_owner_locks_held_a_sell_for_ever(daemon: Daemon, exchange: Exchange) -> None:
    one_held(daemon, exchange)
    by_hand(exchange, "SELL", "2050", "0.5")
    until(lambda: "only 0 are free" in (daemon.symbol()["reason"] or ""))
    result = daemon.do("resolve", SYMBOL, "--all", "--ignore").result
    assert [entry["quantity"] for entry in result["lost"]] == ["0.5"]
    assert "holding" not in daemon.phases()


def test_a_hold_was_kept_though_the_coins_are_back(daemon: Daemon, exchange: Exchange) -> None:
    one_held(daemon, exchange)
    exchange.call("sim.balance", asset="ETH", free="0")
    until(lambda: "only 0 are free" in (daemon.symbol()["reason"] or ""))
    exchange.call("sim.balance", asset="ETH", free="0.5")
    result = daemon.do("resolve", SYMBOL, "--all", "--adopt").result
    assert (result["message"], result["lost"]) == ("1 resolved", [])
    daemon.reaches("selling")


def test_coins_that_were_put_back_were_counted_only_after_a_stop(daemon: Daemon, exchange: Exchange) -> None:
    two_sells(daemon, exchange)
    daemon.do("stop", SYMBOL, "--cancel", "all")
    exchange.call("sim.balance", asset="ETH", free="0.15")
    quarantined = daemon.ctl("start", SYMBOL)
    assert (quarantined.code, "has 0.15" in quarantined.result["message"]) == (8, True)
    assert "transfer the coins back to the account" in quarantined.result["error"]["hint"]
    assert daemon.ctl("wait", SYMBOL, "--for", "trading").code == 8
    exchange.call("sim.balance", asset="ETH", free="0.18")
    assert "has 0.18" in daemon.ctl("start", SYMBOL).result["message"]
    exchange.call("sim.balance", asset="ETH", free="0.2006")
    assert daemon.do("start", SYMBOL).result["state"] == "trading"
    daemon.reaches("selling", "selling")
    exchange.trade("2002")
    until(lambda: daemon.symbol()["cycles"] == 2)


# stop, wait, shutdown


def test_a_stop_left_coins_unsold_and_said_nothing_remained(daemon: Daemon, exchange: Exchange) -> None:
    two_sells(daemon, exchange)
    dry: Document = daemon.ask("stop", symbols=[SYMBOL], cancel="all", dry_run=True)["results"][0]
    assert (dry["unsold"]["quantity"], dry["changed"], dry["status"]) == ("0.2006", False, "on")
    assert len(exchange.orders(open_only=True)) == 2
    stopped = daemon.do("stop", SYMBOL, "--cancel", "all").result
    assert stopped["unsold"] == {"asset": "ETH", "quantity": "0.2006", "cost": "399.85208", "value": "398.4919"}
    assert "0.2006 ETH (cost 399.85208 USDT, worth 398.4919 USDT now) stay unsold" in stopped["message"]
    assert f"`naivectl start {SYMBOL}` or `naivectl shutdown {SYMBOL}` sells them" in stopped["message"]
    began = time.monotonic()
    waited = daemon.ctl("wait", SYMBOL, "--for", "drained")
    assert waited.code == 1
    assert time.monotonic() - began < 10
    assert (
        f"0.2006 ETH (cost 399.85208 USDT, worth 398.4919 USDT now) stay unsold: `naivectl start {SYMBOL}`"
        in (waited.result["message"])
    )
    assert daemon.do("wait", SYMBOL, "--for", "off").result["state"] == "off"
    daemon.do("shutdown", SYMBOL)
    until(lambda: len(exchange.open("SELL")) == 2)
    exchange.trade("2002")
    assert daemon.do("wait", SYMBOL, "--for", "drained").result["message"] == "drained"


def test_coins_of_a_stopped_symbol_were_named_without_their_asset_after_a_restart(
    daemon: Daemon, exchange: Exchange
) -> None:
    two_sells(daemon, exchange)
    daemon.do("stop", SYMBOL, "--cancel", "all")
    daemon.suspend()
    daemon.start()
    waited = daemon.ctl("wait", SYMBOL, "--for", "drained")
    assert (waited.code, "0.2006 ETH (cost 399.85208 USDT) stay unsold" in waited.result["message"]) == (1, True)
    again = daemon.do("stop", SYMBOL, "--cancel", "all").result
    assert again["unsold"] == {"asset": "ETH", "quantity": "0.2006", "cost": "399.85208", "value": None}


def test_a_person_at_a_terminal_was_not_asked_before_sells_were_cancelled(
    daemon: Daemon, exchange: Exchange
) -> None:
    two_sells(daemon, exchange)
    code, screen = at_terminal(daemon, "\n", "stop", SYMBOL, "--cancel", "all")
    assert (code, "0.2006 ETH (cost 399.85208 USDT" in screen, "to go on" in screen) == (1, True, True)
    assert daemon.symbol()["status"] == "on"
    code, screen = at_terminal(daemon, "", "stop", SYMBOL, "--cancel", "buys")
    assert (code, "to go on" in screen) == (0, False)
    code, screen = at_terminal(daemon, "", "stop", SYMBOL, "--cancel", "all", "--yes")
    assert (code, "to go on" in screen, "stay unsold" in screen) == (0, False, True)


def test_a_drain_left_a_lot_without_naming_it(daemon: Daemon, exchange: Exchange) -> None:
    two_sells(daemon, exchange)
    daemon.do("stop", SYMBOL, "--cancel", "all")
    exchange.call("sim.rules", symbol=SYMBOL, minNotional="1000")
    daemon.do("start", SYMBOL, "--budget", "6000")
    until(lambda: daemon.symbol()["leftover"])
    daemon.do("shutdown", SYMBOL)
    drained = daemon.do("shutdown", SYMBOL, "--wait", "--timeout", "20s").result
    assert drained["message"].startswith("drained: off; 0.2006 ETH (cost 399.85208 USDT")
    assert "too small to sell" in drained["message"]
    waited = daemon.do("wait", SYMBOL, "--for", "drained").result
    assert waited["message"].startswith("drained; 0.2006 ETH (cost 399.85208 USDT")
    exchange.call("sim.rules", symbol=SYMBOL, minNotional="5")
    daemon.suspend()
    daemon.start()
    assert daemon.ctl("wait", SYMBOL, "--for", "drained").code == 1
    daemon.do("shutdown", SYMBOL)
    until(lambda: exchange.open("SELL"))
    exchange.trade("2005")
    assert daemon.do("wait", SYMBOL, "--for", "drained").result["message"] == "drained"
    assert exchange.balance("ETH") == 0


def test_a_wait_for_off_hung_on_a_symbol_that_a_person_has_to_look_at(daemon: Daemon, exchange: Exchange) -> None:
    in_quarantine(daemon, exchange)
    stopped = daemon.do("stop", SYMBOL).result
    assert "1 order in quarantine is not touched" in stopped["message"]
    assert daemon.do("wait", SYMBOL, "--for", "off").code == 0
    for goal, code in (("trading", 8), ("drained", 8)):
        waited: Any = daemon.ctl("wait", SYMBOL, "--for", goal)
        assert (waited.code, waited.result["error"]["kind"]) == (code, "quarantined")
