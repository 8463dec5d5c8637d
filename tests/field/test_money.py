"""Money on the real programs: what was bought is never sold below its own price, and nothing is forgotten.

The books must balance after each: profits, what is held, the lots, and the exchange's ledger.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest

from naived.control.protocol import format_time
from naived.simulator.symbols import built_in
from tests.acceptance import books
from tests.acceptance.harness import SYMBOL, Daemon, Document, Exchange, Finished, until

FUNDS = "100000000"  # USDT
AT_ANY_PRICE = ("--max-deviation", "0")  # trades far from the one before decide at once


class World:
    """A held exchange without fees, and a daemon on it."""

    def __init__(self, home: Path, *, at_any_distance: bool = True) -> None:
        self.home = home
        rules = built_in()
        for row in rules["symbols"] if at_any_distance else ():
            row["filters"] = [each for each in row["filters"] if each["filterType"] != "PERCENT_PRICE_BY_SIDE"]
        (home / "rules.json").write_text(json.dumps(rules))
        options = ("--exchange-info", str(home / "rules.json"), "--balance", f"USDT={FUNDS}")
        self.exchange = Exchange(home, "--fee", "0", *options)
        self.daemon = Daemon(home)

    def begin(self) -> None:
        self.exchange.start()
        self.daemon = Daemon(self.home, "--exchange-url", self.exchange.url)
        self.daemon.start()

    def end(self) -> None:
        self.daemon.end()
        self.exchange.end()

    def do(self, verb: str, *options: str, symbol: str = SYMBOL) -> Finished:
        return self.daemon.do(verb, symbol, *options)

    def again(self, **rules: str) -> None:
        """Stop with everything cancelled, let the exchange change its rules, start."""
        self.do("stop", "--cancel", "all")
        self.exchange.call("sim.rules", symbol=SYMBOL, **rules)
        self.do("start")

    def trade(self, *prices: str, symbol: str = SYMBOL) -> None:
        """Public trades; each is heard, and what follows from it is known everywhere, before the next."""
        for price in prices:
            now = format_time(self.exchange.call("time")["serverTime"])
            self.exchange.trade(price, symbol)
            until(lambda now=now: self._heard(symbol, now))  # type: ignore[misc]
            until(lambda: self._agreed(symbol))

    def buy(self, price: str) -> None:
        """The only trader buys at this price, and sells."""
        self.trade(price)
        self.reaches("buying")
        self.trade(str(Decimal(price) - 1))
        self.reaches("selling")

    def sell(self, price: str) -> None:
        """What is offered is sold in a drain, so that no successor buys before the next trade; then start again."""
        cycles = self.row["cycles"]
        self.do("shutdown")
        self.trade(price)
        until(lambda: self.row["state"] == "off" and self.row["cycles"] > cycles)
        self.do("start")

    def _heard(self, symbol: str, now: str) -> bool:
        row = self.daemon.symbol(symbol)
        return row["state"] == "off" or (row["last_trade_at"] or "") >= now

    def _agreed(self, symbol: str) -> bool:
        return not self.daemon.unsettled(symbol) and not books.differing(self.exchange, self.daemon, symbol)

    def reaches(self, *phases: str, symbol: str = SYMBOL) -> None:
        self.daemon.reaches(*phases, name=symbol)

    @property
    def row(self) -> Document:
        """The symbol's entry of ``status``."""
        return self.daemon.symbol()

    @property
    def lots(self) -> list[tuple[str, str, str]]:
        """Quantity, cost and own price of each."""
        return [(lot["quantity"], lot["cost"], lot["price"]) for lot in self.daemon.symbol()["leftover"]]

    @property
    def sold(self) -> list[tuple[str, str]]:
        """Price and executed quantity of each sell that executed, oldest first."""
        return [
            (f"{Decimal(order['price']).normalize():f}", f"{Decimal(order['executedQty']).normalize():f}")
            for order in self.exchange.orders(side="SELL", symbol=SYMBOL)
            if Decimal(order["executedQty"])
        ]

    def balanced(self, symbol: str = SYMBOL) -> Document:
        """The books agree; the symbol's row. Prints the last price once more, on which a waiting trader buys."""
        books.agree(self.exchange, self.daemon, f"sqlite:///{self.home}/simulator.db", symbol, Decimal(FUNDS))
        return self.daemon.symbol(symbol)


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """In a directory of its own, not pytest's: the path of a socket has at most 107 bytes.

    Without the filter on the distance to the average, as prices halve within a second; ``near``: with it.
    """
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="naived-"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        made = World(home, at_any_distance=getattr(request, "param", None) != "near")
        stack.callback(made.end)
        made.begin()
        yield made


@pytest.mark.parametrize(
    ("symbol", "options", "price", "limit", "dip"),
    [
        ("SHIBUSDT", (), "0.00000052", "0.00000051", "0.00000050"),
        (SYMBOL, ("--buy-down", "2%"), "2000.00", "1960", "1959.99"),
    ],
)
def test_at_a_constant_price_a_buy_was_cancelled_and_placed_anew_at_every_second_trade(
    world: World, symbol: str, options: tuple[str, ...], price: str, limit: str, dip: str
) -> None:
    world.do("start", *options, symbol=symbol)
    world.trade(price, symbol=symbol)
    world.reaches("buying", symbol=symbol)
    world.trade(*[price] * 15, symbol=symbol)
    for _ in range(84):
        world.exchange.trade(price, symbol)
    world.trade(price, symbol=symbol)
    (buy,) = world.exchange.orders(symbol=symbol)
    assert (Decimal(buy["price"]), buy["status"]) == (Decimal(limit), "NEW")
    world.trade(dip, symbol=symbol)
    until(lambda: world.daemon.phases(symbol)[0] == "selling")
    assert not world.exchange.orders(symbol=symbol, status="CANCELED")
    world.balanced(symbol)


def test_a_position_that_new_rules_made_too_small_was_sold_far_below_its_cost(world: World) -> None:
    world.do("start", "--chunks", "1", "--budget", "20", *AT_ANY_PRICE)
    world.buy("2000")
    world.again(minNotional="30")
    until(lambda: world.lots == [("0.01", "19.998", "2001.8")])
    world.trade("1200")
    row = world.balanced()
    assert (row["held"], row["held_cost"], row["tied_up"]) == ("0.01", "19.998", "0")
    (lot,) = row["leftover"]
    assert lot["reason"].startswith("too small to sell (NOTIONAL): an order is worth at least 30")
    assert [trader["phase"] for trader in row["traders"]] == ["waiting"]
    assert "the least budget is" in row["traders"][0]["reason"]
    assert world.sold == []
    world.again(minNotional="5")
    until(lambda: world.exchange.open("SELL") == [Decimal("2001.8")])
    world.trade("1200", "2001")
    assert world.lots == []
    world.trade("2002")
    until(lambda: world.row["cycles"] == 1)
    assert world.sold == [("2001.8", "0.01")]
    assert world.balanced()["realized_profit"] == "0.02"


def test_a_new_position_took_a_lot_along_below_the_lots_own_price(world: World) -> None:
    """With room for another buy far lower: the lot stays, and goes with the first sell that is high enough."""
    world.do("start", "--chunks", "1", "--budget", "20", *AT_ANY_PRICE)
    world.buy("2000")
    world.again(minNotional="30")
    until(lambda: len(world.lots) == 1)
    world.do("settings", "--budget", "70")
    world.buy("1200")
    assert world.lots == [("0.01", "19.998", "2001.8")]
    world.sell("1205")
    assert world.row["held"] == "0.01"
    world.buy("2100")
    assert world.lots == []
    world.trade("2110")
    until(lambda: world.row["cycles"] == 2)
    assert [price for price, _ in world.sold] == ["1201.08", "2101.89"]
    assert world.balanced()["held"] == "0"


def test_coins_below_a_new_step_were_in_no_view_and_sold_at_half_their_cost(world: World) -> None:
    world.exchange.call("sim.rules", symbol=SYMBOL, stepSize="0.01", minQty="0.01")
    world.do("start", "--chunks", "1", "--budget", "3205", *AT_ANY_PRICE)
    world.buy("2000")
    assert world.row["held"] == "1.6"
    world.again(stepSize="1", minQty="1")
    world.reaches("selling")
    world.sell("2002")
    until(lambda: world.lots == [("0.6", "1199.88", "2001.8")])
    assert world.sold == [("2001.8", "1")]
    row = world.row
    assert (row["held"], row["held_cost"], row["realized_profit"]) == ("0.6", "1199.88", "2")
    world.buy("1000")  # with the rest of the budget
    world.sell("1005")
    assert world.sold[1:] == [("1000.9", "2")]
    assert world.row["held"] == "0.6"
    world.again(stepSize="0.01", minQty="0.01")
    until(lambda: Decimal("2001.8") in world.exchange.open("SELL"))
    world.trade("2001.81")
    until(lambda: world.row["cycles"] == 3)
    assert world.sold[2:] == [("2001.8", "0.6")]
    assert world.balanced()["held"] == "0"


@pytest.mark.parametrize("ended", ["stop", "shutdown", "exchange"])
def test_a_half_filled_buy_too_small_to_sell_was_cancelled_and_its_coins_sold_a_third_lower(
    world: World, ended: str
) -> None:
    world.exchange.call("sim.rules", symbol=SYMBOL, minNotional="10")
    world.do("start", "--chunks", "1", "--budget", "18", *AT_ANY_PRICE)
    world.trade("2000")
    world.reaches("buying")
    world.exchange.fault("partial_fills", symbol=SYMBOL)
    world.exchange.trade("1999.79")
    until(lambda: Decimal(world.row["held"]) > 0)
    part = Decimal(world.row["held"])
    assert part * 2000 < 10
    world.trade("2100", "2200")
    assert [order["status"] for order in world.exchange.orders()] == ["PARTIALLY_FILLED"]
    world.reaches("buying")
    match ended:
        case "stop":
            world.do("stop", "--cancel", "buys")
            world.do("start")
        case "shutdown":
            assert world.do("shutdown", "--wait").result["state"] == "off"
            world.do("start")
        case _:
            world.exchange.call("sim.end", symbol=SYMBOL, side="BUY", status="EXPIRED")
    cost = f"{(part * Decimal('1999.8')).normalize():f}"
    until(lambda: world.lots == [(f"{part.normalize():f}", cost, "2001.8")])
    world.trade("1400")
    row = world.balanced()
    assert (row["held"], row["held_cost"]) == (f"{part.normalize():f}", cost)
    world.do("settings", "--budget", "40")
    world.buy("1400")
    world.sell("1405")
    assert world.row["held"] == f"{part.normalize():f}"
    world.buy("2100")
    world.trade("2110")
    until(lambda: world.row["cycles"] == 2)
    assert world.balanced()["held"] == "0"
    assert [price for price, _ in world.sold] == ["1401.26", "2101.89"]


def _line_ends_by_stop(world: World) -> None:
    world.do("stop", "--cancel", "buys")
    world.do("start")


def _line_ends_by_shutdown(world: World) -> None:
    world.do("shutdown")
    until(lambda: world.daemon.phases() == ["selling"])
    world.do("start")


def _line_ends_by_chunks(world: World) -> None:
    world.do("settings", "--chunks", "1")
    world.trade("1979", "1985")
    until(lambda: world.row["cycles"] == 1)
    world.do("settings", "--chunks", "5")


def _line_ends_by_stop_and_kill(world: World) -> None:
    world.do("stop", "--cancel", "buys")
    _kill(world)
    world.do("start")


def _line_ends_by_chunks_and_kill(world: World) -> None:
    _line_ends_by_chunks(world)
    _kill(world)
    world.do("wait", "--for", "trading")


def _kill(world: World) -> None:
    world.daemon.end()
    world.daemon.start()


@pytest.mark.parametrize(
    "ends",
    [
        _line_ends_by_stop,
        _line_ends_by_shutdown,
        _line_ends_by_chunks,
        _line_ends_by_stop_and_kill,
        _line_ends_by_chunks_and_kill,
    ],
)
def test_a_rebuy_whose_trader_ended_was_spent_for_ever(world: World, ends: Callable[[World], None]) -> None:
    world.do("start", *AT_ANY_PRICE)
    world.buy("2000")
    world.trade("1980")
    world.reaches("selling", "buying")
    ends(world)
    until(lambda: world.daemon.phases() == ["selling"])
    world.trade("1400")
    world.reaches("selling", "buying")
    assert world.exchange.open("BUY") == [Decimal("1399.86")]
    world.balanced()


def test_a_rebuy_comes_only_once_while_the_trader_it_started_lives_also_after_a_kill(world: World) -> None:
    world.do("start")
    world.buy("2000")
    world.trade("1987.5")
    world.reaches("selling", "buying")
    _kill(world)
    world.do("wait", "--for", "trading")
    world.trade("1987.4", "1987.4")
    world.reaches("selling", "buying")
    world.balanced()


@pytest.mark.parametrize(
    ("symbol", "chunks", "budget", "price"),
    [("BTCUSDT", 2, "20000000", "96000"), ("SHIBUSDT", 1, "1000000", "0.00001020")],
)
def test_a_budget_too_large_to_trade_was_called_too_small(
    world: World, symbol: str, chunks: int, budget: str, price: str
) -> None:
    if symbol == "SHIBUSDT":
        world.exchange.call("sim.rules", symbol=symbol, maxQty="1000000000")
    world.exchange.trade(price, symbol)
    refused = world.daemon.ctl("start", symbol, "--chunks", str(chunks), "--budget", budget)
    assert refused.code == 1
    message = f"{refused.result['error']['message']} {refused.result['error']['hint']}"
    assert "too large" in message
    assert "too small" not in message
    largest = Decimal(re.findall(r"([\d.]+) USDT", message)[-1])
    above = world.daemon.ctl("start", symbol, "--chunks", str(chunks), "--budget", f"{largest * Decimal('1.01'):f}")
    assert above.code == 1
    world.do("start", "--chunks", str(chunks), "--budget", f"{largest:f}", symbol=symbol)
    world.trade(price, symbol=symbol)
    world.reaches("buying", symbol=symbol)
    world.trade(f"{Decimal(price) * Decimal('0.995'):.8f}", symbol=symbol)
    until(lambda: world.daemon.phases(symbol)[0] == "selling")
    world.balanced(symbol)


@pytest.mark.parametrize("world", ["near"], indirect=True)
def test_a_sell_was_raised_far_above_the_market_by_prints_that_nobody_trades_at(world: World) -> None:
    world.do("start", *AT_ANY_PRICE, "--reprice", "0")
    world.buy("2000")
    world.do("stop", "--cancel", "all")
    for _ in range(40):
        world.exchange.trade("9000")
    world.exchange.trade("1999")
    world.do("start")
    until(lambda: world.daemon.symbol()["reason"] and "nobody pays at 1999" in world.daemon.symbol()["reason"])
    assert world.daemon.symbol()["state"] == "degraded"
    world.exchange.trade("9000")  # somebody pays it after all
    until(lambda: world.sold)


@pytest.mark.parametrize("world", ["near"], indirect=True)
def test_coins_that_rose_by_a_third_while_nothing_was_offered_could_not_be_sold(world: World) -> None:
    world.do("start", *AT_ANY_PRICE, "--reprice", "0")
    world.buy("2000")
    world.do("stop", "--cancel", "all")
    for _ in range(40):  # the exchange compares with their mean
        world.exchange.trade("2700")
    world.do("start")
    until(lambda: world.sold)
    (sell,) = world.exchange.orders(side="SELL", symbol=SYMBOL, status="FILLED")
    least = f"{Decimal(sell['price']).normalize():f}"
    assert Decimal("2001.8") < Decimal(least) <= 2160
    assert Decimal(sell["cummulativeQuoteQty"]) == Decimal(sell["executedQty"]) * 2700
    events = [event["message"] for event in world.daemon.ask("events", symbols=[SYMBOL])["events"]]
    assert f"ETHUSDT-1: its sell asks {least}: the exchange takes no less" in events
    world.trade("2700")
    world.balanced()
