"""What keeps a symbol from buying, on the real programs, with a kill in the middle."""

import signal
from collections.abc import Callable
from decimal import Decimal

from tests.acceptance.harness import SYMBOL, Daemon, Exchange, until

CLOSE = ("--max-deviation", "0", "--reprice", "0")  # every trade decides
SOON = ("--recv-window", "2s", "--grace", "2s")  # an order that a kill cut off is known soon
LIMITS = {"max_exposure": "450", "reserve": "99000"}


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


def test_a_halt_of_the_account_survives_kill_9_and_stops_no_sell(
    exchange: Exchange, naived: Callable[..., Daemon], database_url: str
) -> None:
    daemon = naived("--exchange-url", exchange.url, "--database", database_url, *SOON)
    daemon.start()
    daemon.do("start", SYMBOL, "BTCUSDT", *CLOSE)
    for symbol, price, lower in ((SYMBOL, "2000", "1987"), ("BTCUSDT", "60000", "59600")):
        exchange.trade(price, symbol)
        daemon.reaches("buying", name=symbol)
        exchange.trade(lower, symbol)
        daemon.reaches("selling", "buying", name=symbol)
    halted = daemon.do("halt", "--reason", "the news").result
    assert (halted["symbol"], halted["changed"]) == (None, True)
    daemon.end(signal.SIGKILL)  # its cancels may be on their way, or not sent
    daemon.start()
    daemon.do("start", SYMBOL)
    daemon.do("wait", SYMBOL, "BTCUSDT", "--for", "trading")
    for symbol in (SYMBOL, "BTCUSDT"):
        until(lambda symbol=symbol: exchange.open("BUY", symbol) == [])
        until(lambda symbol=symbol: "buying" not in daemon.phases(symbol))
        assert daemon.phases(symbol)[0] == "selling"
        assert daemon.ctl("is-trading", symbol).code == 3
    status = daemon.ask("status")["daemon"]
    assert (status["halt"]["reason"], status["halt"]["by"]) == ("the news", "person")
    exchange.trade("1900")
    exchange.trade("2100")
    until(lambda: daemon.symbol()["cycles"] == 1)
    assert exchange.open("BUY") == []
    assert daemon.do("resume").result["changed"] is True
    exchange.trade("2100")
    until(lambda: exchange.open("BUY"))
    assert daemon.ctl("is-trading", SYMBOL).code == 0


def test_a_halt_of_a_symbol_is_its_own_and_survives_kill_9(
    exchange: Exchange, naived: Callable[..., Daemon], database_url: str
) -> None:
    daemon = naived("--exchange-url", exchange.url, "--database", database_url, *SOON)
    daemon.start()
    daemon.do("halt", SYMBOL)
    daemon.end(signal.SIGKILL)
    daemon.start()
    daemon.do("start", SYMBOL, "BTCUSDT")
    exchange.trade("2000")
    exchange.trade("60000", "BTCUSDT")
    daemon.reaches("buying", name="BTCUSDT")
    assert exchange.open("BUY") == []
    assert daemon.symbol()["halt"]["by"] == "person"
    assert daemon.symbol("BTCUSDT")["halt"] is None
    assert daemon.ctl("is-trading", SYMBOL).code == 3
    assert daemon.ctl("is-trading", "BTCUSDT").code == 0
    assert daemon.do("resume", SYMBOL).result["message"] == "resumed"
    exchange.trade("2000")
    daemon.reaches("buying")


def test_the_limits_of_the_account_hold_over_all_symbols_and_through_kill_9(
    exchange: Exchange, naived: Callable[..., Daemon], database_url: str
) -> None:
    daemon = naived("--exchange-url", exchange.url, "--database", database_url, *SOON)
    daemon.start()
    set_ = daemon.do("limits", "--max-exposure", "450", "--reserve", "99000").document
    assert {name: value for name, value in set_["limits"].items() if value} == LIMITS
    daemon.do("start", SYMBOL, "BTCUSDT", *CLOSE)
    exchange.trade("2000")
    daemon.reaches("buying")
    exchange.trade("60000", "BTCUSDT")
    daemon.reaches("buying", name="BTCUSDT")
    daemon.end(signal.SIGKILL)
    daemon.start()
    assert daemon.ask("limits")["limits"] == set_["limits"]
    daemon.do("wait", SYMBOL, "BTCUSDT", "--for", "trading")
    for price in ("1987", "1900", "1800"):
        exchange.trade(price)
    until(lambda: "max-exposure" in (daemon.symbol()["reason"] or "") or daemon.phases() == ["selling"])
    assert len(exchange.orders(side="BUY")) == 2
    assert Decimal(daemon.ask("limits")["now"]["exposure"]) <= 450
    exchange.trade("2100")  # no limit holds a sell back
    until(lambda: daemon.symbol()["cycles"] == 1)
    daemon.do("limits", "--max-exposure", "none", "--reserve", "99900")
    exchange.trade("2100")
    until(lambda: "reserve" in (daemon.symbol()["reason"] or ""))
    daemon.do("limits", "--reserve", "none")
    exchange.trade("2100")
    until(lambda: exchange.open("BUY"))


def test_the_fall_guard_knows_after_kill_9_what_the_price_was(
    exchange: Exchange, naived: Callable[..., Daemon], database_url: str
) -> None:
    daemon = naived("--exchange-url", exchange.url, "--database", database_url, *SOON)
    daemon.start()
    daemon.do("start", SYMBOL, *CLOSE, "--fall-guard", "5%/1h")

    def buying() -> bool:  # the first trade may come before the prices are known
        exchange.trade("2000")
        return daemon.does("buying")

    until(buying)
    exchange.trade("1999")
    daemon.reaches("selling")
    exchange.trade("1890")  # a rebuy would be due
    until(lambda: "fell too far within 1h" in (daemon.symbol()["reason"] or ""))
    assert daemon.symbol()["next_step"] == f"naivectl settings {SYMBOL}"
    assert daemon.ctl("explain", SYMBOL).document["buys"]["may"] is False
    daemon.end(signal.SIGKILL)
    daemon.start()
    daemon.do("wait", SYMBOL, "--for", "trading")

    def told() -> bool:  # as well
        exchange.trade("1885")
        return "from 2000 to 1885" in (daemon.symbol()["reason"] or "")

    until(told)
    assert exchange.open("BUY") == []
    daemon.do("settings", SYMBOL, "--fall-guard", "none")
    exchange.trade("1885")
    daemon.reaches("selling", "buying")


def test_the_stop_loss_sells_once_halts_and_survives_kill_9(
    exchange: Exchange, naived: Callable[..., Daemon], database_url: str
) -> None:
    daemon = naived("--exchange-url", exchange.url, "--database", database_url, *SOON)
    daemon.start()
    daemon.do("start", SYMBOL, *CLOSE, "--rebuy", "20%", "--stop-loss", "5%")
    exchange.trade("2000")
    daemon.reaches("buying")
    exchange.trade("1999")
    daemon.reaches("selling")
    exchange.trade("1850")
    daemon.end(signal.SIGKILL)  # its cancel and its sell may be decided, on their way, or answered
    daemon.start()
    daemon.do("wait", SYMBOL, "--for", "trading")
    exchange.trade("1850")
    until(lambda: daemon.phases() == [])
    halt = daemon.symbol()["halt"]
    assert halt["by"] == "limit"
    assert "stop-loss" in halt["reason"]
    assert daemon.ctl("is-trading", SYMBOL).code == 3
    sells = [order for order in exchange.orders() if order["side"] == "SELL"]
    assert [order["status"] for order in sells].count("FILLED") == 1
    assert {order["timeInForce"] for order in sells if order["status"] == "FILLED"} == {"IOC"}
    assert Decimal(daemon.symbol()["realized_profit"]) < 0
    exchange.trade("1500")
    daemon.do("resume", SYMBOL)
    exchange.trade("1500")
    daemon.reaches("buying")


def test_a_stop_loss_that_would_sell_at_once_says_what(daemon: Daemon, exchange: Exchange) -> None:
    daemon.do("start", SYMBOL, *CLOSE, "--rebuy", "20%")
    exchange.trade("2000")
    daemon.reaches("buying")
    exchange.trade("1999")
    daemon.reaches("selling")
    exchange.trade("1800")
    until(lambda: daemon.symbol()["last_price"] == "1800")
    planned = daemon.ask("settings", symbols=[SYMBOL], stop_loss="5%", dry_run=True)["results"][0]
    assert (planned["changed"], planned["sells"]["asset"]) == (False, "ETH")
    assert "would be sold at a loss" in planned["message"]
    assert daemon.ask("settings", symbols=[SYMBOL])["results"][0]["settings"]["stop_loss"] == "0"
    assert daemon.do("settings", SYMBOL, "--stop-loss", "5%").result["sells"] == planned["sells"]
