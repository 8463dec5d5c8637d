"""Limits of losses on the real programs: what was lost is what was said, killed in the middle."""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

from tests.acceptance.harness import Daemon, Exchange, until

PRICES = {"ETHUSDT": 2000, "BTCUSDT": 60000, "SOLUSDT": 150, "BNBUSDT": 600, "LTCUSDT": 80}
CLOSE = ("--max-deviation", "0", "--reprice", "0")  # every trade decides
MANY = 60  # trades that lift the reference price, the mean of all trades, to where a buy near them may stand
SOON = ("--recv-window", "2s", "--grace", "2s")  # an order that a kill cut off is known soon


def at(price: int, left: Decimal) -> str:
    return f"{(price * left).quantize(Decimal('0.01')):f}"


def fall(exchange: Exchange, to: Decimal) -> None:
    """Each symbol trades at this part of its first price."""
    for symbol, price in PRICES.items():
        exchange.trade(at(price, to), symbol)


def halt(daemon: Daemon) -> dict[str, str]:
    return daemon.ask("status")["daemon"]["halt"] or {}


def unrealized(daemon: Daemon) -> Decimal:
    return sum((Decimal(row["unrealized_profit"]) for row in daemon.ask("status")["symbols"]), Decimal(0))


def test_five_symbols_that_fall_by_half_lose_what_was_said_before_through_kill_9(
    exchange: Exchange, naived: Callable[..., Daemon], database_url: str
) -> None:
    daemon = naived("--exchange-url", exchange.url, "--database", database_url, *SOON)
    daemon.start()
    daemon.do("limits", "--max-exposure", "2000", "--max-daily-loss", "120")
    for symbol, price in PRICES.items():
        exchange.trade(at(price, Decimal(1)), symbol)
    daemon.do("start", *PRICES, *CLOSE, "--budget", "1000", "--rebuy", "2%")
    fall(exchange, Decimal(1))
    for symbol in PRICES:
        daemon.reaches("buying", name=symbol)
    told = daemon.do("limits").document["worst"]["falls"]
    assert "max-daily-loss" in told[2]["stopped_by"]
    left = Decimal(1)
    while left > Decimal("0.92"):
        left -= Decimal("0.005")
        fall(exchange, left)
    daemon.end(signal.SIGKILL)
    daemon.start()
    daemon.do("wait", *PRICES, "--for", "trading")
    while left > Decimal("0.5"):
        left = max(Decimal("0.5"), left - Decimal("0.02"))
        fall(exchange, left)
        if left == Decimal("0.80"):
            until(lambda: halt(daemon))
            daemon.end(signal.SIGKILL)
            daemon.start()
            daemon.do("wait", *PRICES, "--for", "trading")
    until(lambda: halt(daemon).get("by") == "limit")
    assert "(max-daily-loss)" in halt(daemon)["reason"]
    until(lambda: exchange.open("BUY") == [])
    for symbol in PRICES:
        until(lambda symbol=symbol: "buying" not in daemon.phases(symbol))
    now = daemon.ask("limits")["now"]
    assert Decimal(now["exposure"]) <= 2000
    lost = -unrealized(daemon)
    assert lost <= Decimal(told[2]["loss"]) * Decimal("1.05"), "what was lost is what was said"
    assert abs(Decimal(now["loss_today"]) - lost) < 1
    bought = sum(len(exchange.orders(symbol=symbol, side="BUY")) for symbol in PRICES)
    fall(exchange, Decimal("0.5"))
    for symbol in PRICES:  # a sell that the kill cut off is placed before the price rises past what it may ask
        until(lambda symbol=symbol: not daemon.unsettled(symbol))
    for _ in range(MANY):
        fall(exchange, Decimal("1.2"))  # no halt holds a sell back
    until(lambda: all(set(daemon.phases(symbol)) <= {"waiting"} for symbol in PRICES))
    assert sum(len(exchange.orders(symbol=symbol, side="BUY")) for symbol in PRICES) == bought
    assert "is the new start of the day and the new peak" in daemon.do("resume").result["message"]
    assert halt(daemon) == {}

    def bought_again() -> bool:
        fall(exchange, Decimal("1.2"))
        return bool(exchange.open("BUY"))

    until(bought_again)


def test_a_loss_of_the_symbols_of_one_node_halts_the_account_on_all_nodes(
    exchange: Exchange, home: Path, programs: ExitStack, postgres_url: str
) -> None:
    shared = ("--exchange-url", exchange.url, "--database", postgres_url, "--recv-window", "1s", "--lease", "6s")
    for name in ("alpha", "beta"):
        (home / name).mkdir(mode=0o700)
    first, second = (Daemon(home / name, *shared, "--node", name) for name in ("alpha", "beta"))
    programs.callback(first.end)
    programs.callback(second.end)
    first.start()
    first.do("limits", "--max-drawdown", "20")
    first.do("start", "ETHUSDT", *CLOSE, "--rebuy", "30%")
    exchange.trade("2000")
    first.reaches("buying")
    exchange.trade("1999")
    first.reaches("selling")
    second.start()
    second.do("start", "BTCUSDT", *CLOSE)
    exchange.trade("60000", "BTCUSDT")
    second.reaches("buying", name="BTCUSDT")
    exchange.trade("1790")
    until(lambda: halt(first).get("by") == "limit")
    until(lambda: halt(second).get("by") == "limit")
    until(lambda: exchange.open("BUY", "BTCUSDT") == [])
    exchange.trade("60000", "BTCUSDT")
    assert second.do("resume").result["changed"] is True
    until(lambda: halt(first) == {})
    exchange.trade("60000", "BTCUSDT")
    until(lambda: exchange.open("BUY", "BTCUSDT"))
    assert Decimal(second.ask("limits")["now"]["drawdown"]) < 1
