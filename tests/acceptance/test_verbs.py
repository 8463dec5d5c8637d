"""What `naivectl` promises to scripts: exit codes, documents, and that asking twice does it once."""

from pathlib import Path
from typing import Any

from tests.acceptance.harness import SYMBOL, Daemon, Exchange, until

DAEMON = {
    "version": str,
    "pid": int,
    "started_at": str,
    "exchange": str,
    "exchange_url": str,
    "database": str,
    "state": str,
    "reason": str | None,
    "exchange_state": str,
}
STATUS = {
    "symbol": str,
    "status": str,
    "state": str,
    "reason": str | None,
    "chunks": int,
    "budget": str,
    "last_price": str,
    "last_trade_at": str,
    "cycles": int,
    "realized_profit": str,
    "unrealized_profit": str,
    "traders": list,
}
TRADER = {
    "id": str,
    "phase": str,
    "reason": str | None,
    "since": str,
    "rebuy_notified": bool,
    "buy": dict | None,
    "sell": dict | None,
}
LEG = {"client_order_id": str, "order_id": int, "price": str, "quantity": str, "executed": str, "state": str}
ORDER = {
    "symbol": str,
    "trader": str,
    "side": str,
    **LEG,
    "fence_at": str,
    "created_at": str,
    "updated_at": str,
}
TRADE = {
    "symbol": str,
    "trader": str,
    "bought": str,
    "buy_price": str,
    "sold": str,
    "sell_price": str,
    "fees": dict,
    "profit": str,
    "started_at": str,
    "finished_at": str,
}
RESULT = {
    "symbol": str,
    "status": str,
    "state": str,
    "changed": bool,
    "open_orders": list,
    "message": str,
    "error": dict | None,
}


def is_shaped(document: dict[str, Any], shape: dict[str, Any]) -> bool:
    """Has every promised key its promised type? More keys are allowed: documents may grow."""
    return all(name in document and isinstance(document[name], kind) for name, kind in shape.items())


def test_documents_have_the_keys_and_types_of_the_contract(daemon: Daemon, exchange: Exchange) -> None:
    started = daemon.do("start", "ethusdt")
    assert is_shaped(started.result, RESULT)
    exchange.trade("2000")
    daemon.reaches("buying")
    exchange.trade("1987")
    daemon.reaches("selling", "buying")
    status = daemon.do("status").document
    assert status["v"] == 1
    assert is_shaped(status["daemon"], DAEMON)
    (symbol,) = status["symbols"]
    assert is_shaped(symbol, STATUS)
    assert all(is_shaped(trader, TRADER) for trader in symbol["traders"])
    assert is_shaped(symbol["traders"][0]["buy"], LEG)
    assert is_shaped(symbol["traders"][0]["sell"], LEG)
    assert symbol["traders"][1]["sell"] is None
    exchange.trade("2010")
    until(lambda: daemon.symbol()["cycles"] == 1)
    orders = daemon.do("orders", "ethusdt").document
    assert orders["v"] == 1
    assert len(orders["orders"]) == 3
    assert all(is_shaped(order, ORDER) for order in orders["orders"])
    trades = daemon.do("trades").document
    assert trades["v"] == 1
    assert all(is_shaped(trade, TRADE) for trade in trades["trades"])
    assert [(trade["bought"], trade["sell_price"]) for trade in trades["trades"]] == [("0.1", "2001.8")]
    events = daemon.do("events", "--limit", "1").document
    assert [set(event) for event in events["events"]] == [{"at", "symbol", "kind", "message"}]
    assert daemon.do("ping").document["pid"] == daemon.pid
    version = daemon.do("version").document
    assert version["client"] == version["daemon"] == status["daemon"]["version"]
    stopped = daemon.do("stop", SYMBOL).result
    assert is_shaped(stopped, RESULT)
    assert all(is_shaped(order, ORDER) for order in stopped["open_orders"])


def test_what_is_already_so_is_a_success_that_changed_nothing(daemon: Daemon) -> None:
    assert daemon.do("stop", SYMBOL).result["changed"] is False
    assert daemon.do("shutdown", SYMBOL).result["changed"] is False
    for verb, changed in (("start", True), ("start", False), ("stop", True), ("stop", False)):
        assert daemon.do(verb, SYMBOL).result["changed"] is changed, verb
    assert daemon.do("shutdown", SYMBOL).result["changed"] is False
    assert daemon.do("start", SYMBOL, "--chunks", "3").result["changed"] is True
    assert daemon.do("start", SYMBOL, "--chunks", "3").result["changed"] is False
    assert daemon.do("start", SYMBOL, "--chunks", "4").result["changed"] is True
    assert daemon.do("settings", SYMBOL, "--budget", "500").result["changed"] is True
    assert daemon.do("settings", SYMBOL, "--budget", "500").result["changed"] is False
    shown = daemon.do("settings", SYMBOL).result["settings"]
    assert (shown["chunks"], shown["budget"]) == (4, "500")
    assert daemon.do("resolve", SYMBOL, "--all", "--ignore").result["changed"] is False


def test_one_unknown_symbol_of_several_fails_alone(daemon: Daemon) -> None:
    mixed = daemon.ctl("start", "ethusdt", "NOSUCHUSDT", "BtcUsdt")
    assert mixed.code == 5
    results = {result["symbol"]: result for result in mixed.document["results"]}
    assert results["ETHUSDT"]["state"] == results["BTCUSDT"]["state"] == "trading"
    assert results["NOSUCHUSDT"]["error"]["kind"] == "unknown_symbol"
    assert daemon.ctl("start", "NOSUCHUSDT").code == 4
    assert daemon.ctl("stop", "NOSUCHUSDT", "ALSONOTUSDT").code == 4
    assert daemon.ctl("orders", "NOSUCHUSDT").code == 4
    assert daemon.ctl("is-trading", "NOSUCHUSDT").code == 3
    (stranger,) = daemon.do("status", "NOSUCHUSDT").document["symbols"]
    assert stranger["state"] == "off"
    assert [symbol["symbol"] for symbol in daemon.do("status").document["symbols"]] == ["BTCUSDT", "ETHUSDT"]


def test_is_trading_and_wait_say_by_their_code_what_is_so(daemon: Daemon) -> None:
    daemon.do("settings", SYMBOL, "--chunks", "2")
    silent = daemon.ctl("is-trading", SYMBOL)
    assert (silent.code, silent.out) == (3, "")
    late = daemon.ctl("wait", SYMBOL, "--for", "trading", "--timeout", "200ms")
    assert late.code == 124
    assert daemon.ctl("wait", SYMBOL, "--for", "off").code == 0
    daemon.do("start", "--all")
    assert daemon.ctl("is-trading", "ethusdt").code == 0
    assert daemon.ctl("wait", SYMBOL, "--for", "trading").code == 0
    assert daemon.ctl("start").code == 2


def test_what_is_too_small_to_trade_is_said_at_once_with_the_least_budget(
    daemon: Daemon, exchange: Exchange
) -> None:
    exchange.trade("2683.80")
    refused = daemon.ctl("start", SYMBOL, "--budget", "20")
    assert refused.code == 1
    error = refused.result["error"]
    assert "too small" in error["message"]
    least = error["hint"].split()[-2]
    assert daemon.ctl("start", SYMBOL, "--budget", least).code == 0


def test_without_a_daemon_the_next_step_is_named(home: Path) -> None:
    nobody = Daemon(home).ctl("start", SYMBOL)
    assert nobody.code == 7
    error = nobody.document["error"]
    assert "not running" in error["message"]
    assert error["hint"] == "Start it with: naived"
