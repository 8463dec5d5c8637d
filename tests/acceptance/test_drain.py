"""How a symbol grows, drains and ends, with a price that is steered trade by trade."""

from decimal import Decimal

from tests.acceptance.harness import SYMBOL, Daemon, Exchange, until

# Without fees: a buy at 0.01 % below the trade, its sell 0.1 % above the buy, one more trader 0.6 % below it.
FALL = ("2000", "1987", "1974", "1961", "1948")
BUYS = [Decimal(price) for price in ("1999.8", "1986.8", "1973.8", "1960.8", "1947.8")]


def grown(daemon: Daemon, exchange: Exchange) -> None:
    """Five traders that have bought and offer what they bought."""
    daemon.do("start", SYMBOL)
    for count, price in enumerate(FALL, start=1):
        exchange.trade(price)
        daemon.reaches(*["selling"] * (count - 1), "buying")
    exchange.trade("1940")
    daemon.reaches(*["selling"] * 5)


def test_traders_join_one_by_one_as_the_price_falls_and_never_more_than_chunks(
    daemon: Daemon, exchange: Exchange
) -> None:
    grown(daemon, exchange)
    assert [Decimal(order["price"]) for order in exchange.orders(side="BUY")] == BUYS
    exchange.trade("1900")
    until(lambda: daemon.symbol()["last_price"] == "1900")
    assert daemon.phases() == ["selling"] * 5
    assert len(exchange.orders()) == 10


def test_a_drain_buys_nothing_more_and_ends_when_the_last_trader_has_sold(
    daemon: Daemon, exchange: Exchange
) -> None:
    grown(daemon, exchange)
    draining = daemon.do("shutdown", SYMBOL).result
    assert (draining["status"], draining["state"], draining["changed"]) == ("shutdown", "draining", True)
    for left, price in ((3, "1965"), (1, "1990"), (0, "2010")):
        exchange.trade(price)
        until(lambda left=left: len(daemon.phases()) == left)
    daemon.do("wait", SYMBOL, "--for", "drained")
    ended = daemon.symbol()
    assert (ended["status"], ended["state"], ended["cycles"]) == ("off", "off", 5)
    assert len(exchange.orders(side="BUY")) == 5
    assert exchange.orders(open_only=True) == []


def test_a_drain_that_keeps_buys_lets_them_fill_and_their_cycles_finish(daemon: Daemon, exchange: Exchange) -> None:
    daemon.do("start", SYMBOL)
    exchange.trade("2000")
    daemon.reaches("buying")
    exchange.trade("1987")
    daemon.reaches("selling", "buying")
    daemon.do("shutdown", SYMBOL, "--keep-buys")
    assert exchange.open("BUY") == [Decimal("1986.8")]
    exchange.trade("1986")
    daemon.reaches("selling", "selling")
    exchange.trade("1995")
    daemon.reaches("selling")
    exchange.trade("2005")
    daemon.do("wait", SYMBOL, "--for", "drained")
    assert daemon.symbol()["cycles"] == 2
    assert [order["status"] for order in exchange.orders(side="BUY")] == ["FILLED", "FILLED"]


def test_a_drain_cancels_a_resting_buy_and_a_start_takes_the_drain_back(daemon: Daemon, exchange: Exchange) -> None:
    daemon.do("start", SYMBOL)
    exchange.trade("2000")
    daemon.reaches("buying")
    exchange.trade("1987")
    daemon.reaches("selling", "buying")
    daemon.do("shutdown", SYMBOL)
    until(lambda: daemon.phases() == ["selling"])
    assert exchange.open("BUY") == []
    taken_back = daemon.do("start", SYMBOL).result
    assert (taken_back["status"], taken_back["state"], taken_back["changed"]) == ("on", "trading", True)
    exchange.trade("2005")
    until(lambda: daemon.symbol()["cycles"] == 1)
    exchange.trade("2005")
    daemon.reaches("buying")


def test_a_buy_that_the_price_ran_away_from_is_placed_anew_and_never_beside_itself(
    daemon: Daemon, exchange: Exchange
) -> None:
    daemon.do("start", SYMBOL, "--reprice", "0.01")
    exchange.trade("2000")
    daemon.reaches("buying")
    exchange.trade("2020")  # the bound: 1 % above the trade that the buy was decided on
    until(lambda: daemon.symbol()["last_price"] == "2020")
    assert exchange.open("BUY") == [Decimal("1999.8")]
    exchange.trade("2020.01")
    until(lambda: exchange.open("BUY") == [])
    daemon.reaches("waiting")
    exchange.trade("2020")
    daemon.reaches("buying")
    left, anew = exchange.orders(side="BUY")
    assert (left["status"], anew["status"], Decimal(anew["price"])) == ("CANCELED", "NEW", Decimal("2019.79"))
    assert left["updateTime"] <= anew["time"]
    assert [order["trader"] for order in daemon.orders()] == ["ETHUSDT-1", "ETHUSDT-1"]


def test_a_partly_filled_buy_that_is_cancelled_is_sold(daemon: Daemon, exchange: Exchange) -> None:
    exchange.fault("partial_fills")
    daemon.do("start", SYMBOL)
    exchange.trade("2000")
    daemon.reaches("buying")
    exchange.trade("1999")
    until(lambda: daemon.symbol()["traders"][0]["buy"]["state"] == "partially_filled")
    daemon.do("shutdown", SYMBOL)
    daemon.reaches("selling")
    (buy,) = exchange.orders(side="BUY")
    (sell,) = exchange.orders(side="SELL")
    assert (buy["status"], Decimal(buy["executedQty"])) == ("CANCELED", Decimal("0.05"))
    assert (sell["status"], Decimal(sell["origQty"])) == ("NEW", Decimal("0.05"))
    exchange.trade("2010")
    daemon.do("wait", SYMBOL, "--for", "drained")
    assert exchange.balance("ETH") == 0
