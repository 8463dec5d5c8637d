"""What the exchange sends is bounded at the border: one absurd value costs its own row, and no restart."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.acceptance.harness import SYMBOL, Daemon, Document, Exchange, until
from tests.field.wiretap import Frame, Wiretap

SECOND = "BTCUSDT"
YEAR_3000 = 32_503_680_000_000  # ms
SETTINGS = ("--chunks", "1", "--budget", "1000", "--buy-down", "0.001", "--profit", "0.001", "--reprice", "0")


@pytest.fixture
def tap(exchange: Exchange, programs: ExitStack) -> Iterator[Wiretap]:
    tap = Wiretap(exchange.url)
    programs.callback(tap.end)
    tap.start()
    return tap


@pytest.fixture
def tapped(tap: Wiretap, naived: Callable[..., Daemon]) -> Daemon:
    """A naived behind the wiretap, for the test to start."""
    return naived("--exchange-url", tap.url)


class Once:
    """A ``change`` of the first frame that is ``wanted``; ``made`` says that it was."""

    def __init__(
        self, wanted: Callable[[Frame, str | None], object], change: Callable[[Frame], Frame | str | None]
    ) -> None:
        self.made = False
        self._wanted = wanted
        self._change = change

    def __call__(self, frame: Frame, method: str | None) -> Frame | str | None:
        if self.made or not self._wanted(frame, method):
            return None
        self.made = True
        return self._change(frame)


def answering(name: str) -> Callable[[Frame, str | None], object]:
    return lambda frame, method: method == name


def trade_report(symbol: str = SYMBOL) -> Callable[[Frame, str | None], object]:
    """A report of a fill of this symbol."""
    return lambda frame, _: (event := frame.get("event")) and event.get("x") == "TRADE" and event["s"] == symbol


def edited(**changes: object) -> Callable[[Frame], Frame]:
    """Another event, with these fields."""
    return lambda frame: {**frame, "event": {**frame["event"], **changes}}


def now() -> int:
    return int(time.time() * 1000)


def daemon_of(naived: Daemon) -> Document:
    document: Document = naived.ask("status")["daemon"]
    return document


def buys_and_sells(exchange: Exchange, daemon: Daemon, symbol: str = SYMBOL) -> None:
    """One whole cycle: bought at 1998, sold higher."""
    cycles = daemon.symbol(symbol)["cycles"]
    exchange.trade("2000", symbol)
    until(lambda: exchange.open("BUY", symbol), 10)
    exchange.trade("1990", symbol)
    until(lambda: exchange.open("SELL", symbol), 10)
    exchange.trade("2100", symbol)
    until(lambda: daemon.symbol(symbol)["cycles"] == cycles + 1, 10)


def fills_agree(exchange: Exchange, daemon: Daemon) -> None:
    """What is executed by the journal, which is a moment behind `status`, is what the ledger has, to the digit."""
    there = {order["clientOrderId"]: Decimal(order["executedQty"]) for order in exchange.orders(symbol=SYMBOL)}
    until(lambda: there == {row["client_order_id"]: Decimal(row["executed"]) for row in daemon.orders()}, 10)


# Bans, counts, clocks


def test_a_wait_until_the_year_3000_is_believed_for_a_minute_and_told(
    exchange: Exchange, tap: Wiretap, tapped: Daemon
) -> None:
    tapped.start()
    tapped.do("start", SYMBOL, *SETTINGS)
    data = {"serverTime": now(), "retryAfter": YEAR_3000}
    error = {"code": -1003, "msg": "Too much request weight used", "data": data}
    tap.change = Once(
        answering("order.place"), lambda frame: {"id": frame["id"], "status": 429, "error": error, "rateLimits": []}
    )
    exchange.trade("2000")
    until(lambda: daemon_of(tapped)["exchange_state"] == "limited", 10)
    told = daemon_of(tapped)
    assert told["reason"] == tapped.symbol()["reason"]
    assert "told us to send nothing until" in told["reason"]
    end = told["reason"].rpartition("until ")[2]
    assert abs(_seconds_until(end)) <= 61
    assert tapped.ctl("status").code == 0


def _seconds_until(moment: str) -> float:
    return (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()


@pytest.mark.parametrize("absurd", [-(10**15), 10**22, YEAR_3000])
def test_an_absurd_time_of_the_server_does_not_keep_naived_from_asking_again(
    exchange: Exchange, tap: Wiretap, tapped: Daemon, absurd: object
) -> None:
    tap.change = change_once = Once(answering("time"), lambda frame: {**frame, "result": {"serverTime": absurd}})
    tapped.start()
    assert change_once.made
    tapped.do("start", SYMBOL, *SETTINGS)
    buys_and_sells(exchange, tapped)
    assert "time of the server" in daemon_of(tapped)["reason"]


@pytest.mark.parametrize("count", [10**12, "many"])
def test_a_count_of_orders_above_its_own_limit_forbids_no_order(
    exchange: Exchange, tap: Wiretap, tapped: Daemon, count: object
) -> None:
    def full(frame: Frame, method: str | None) -> Frame | None:
        rows = frame.get("rateLimits") or []
        return {**frame, "rateLimits": [{**row, "count": count} for row in rows]} if rows else None

    tap.change = full
    tapped.start()
    tapped.do("start", SYMBOL, *SETTINGS)
    buys_and_sells(exchange, tapped)
    assert daemon_of(tapped)["exchange_state"] == "up"


def test_a_count_at_its_limit_is_confirmed_before_it_is_believed(
    exchange: Exchange, tap: Wiretap, tapped: Daemon
) -> None:
    asked = []

    def at_its_limit(frame: Frame, method: str | None) -> Frame | None:
        if method == "account.rateLimits.orders":
            asked.append(method)
            return None
        rows = [{**row, "count": row["limit"]} for row in frame.get("rateLimits") or [] if "ORDERS" in str(row)]
        return {**frame, "rateLimits": rows} if rows else None

    tap.change = at_its_limit
    tapped.start()
    tapped.do("start", SYMBOL, *SETTINGS)
    buys_and_sells(exchange, tapped)
    assert asked


# Reports


@pytest.mark.parametrize("change", [{"T": -(10**17)}, {"t": 2**63}, {"O": 1_700_000_000_000_000}])
def test_an_absurd_number_in_a_report_costs_no_other_symbol_and_its_own_is_healed(
    exchange: Exchange, tap: Wiretap, tapped: Daemon, change: dict[str, int]
) -> None:
    others = ("BNBUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "AVAXUSDT", "LTCUSDT", "LINKUSDT")
    tapped.start()
    tapped.do("start", SYMBOL, *others, *SETTINGS)
    tap.change = change_once = Once(trade_report(), edited(**change))
    for symbol in (SYMBOL, *others):
        exchange.trade("2000", symbol)
    until(lambda: all(exchange.open("BUY", symbol) for symbol in (SYMBOL, *others)), 20)
    for symbol in (SYMBOL, *others):
        exchange.trade("1990", symbol)
    until(lambda: all(exchange.open("SELL", symbol) for symbol in others), 20)
    assert change_once.made
    assert all(tapped.symbol(symbol)["state"] == "trading" for symbol in others)
    assert "execution report" in daemon_of(tapped)["reason"]
    if "O" not in change:  # its order can be read, so the fill is asked for at once, not in the next minute
        until(lambda: exchange.open("SELL"), 20)
        fills_agree(exchange, tapped)
    assert "crashed" not in tapped.log


@pytest.mark.parametrize("change", [{"l": "0.00000000"}, {"L": "0.00000000", "Y": "0"}, {"t": -1}])
def test_a_report_without_a_usable_fill_tells_the_quantity_and_the_fill_is_asked_for(
    exchange: Exchange, tap: Wiretap, tapped: Daemon, change: dict[str, object]
) -> None:
    tapped.start()
    tapped.do("start", SYMBOL, *SETTINGS)
    tap.change = change_once = Once(trade_report(), edited(**change))
    buys_and_sells(exchange, tapped)
    assert change_once.made
    (cycle,) = until(lambda: tapped.do("trades", SYMBOL).document["trades"])
    assert Decimal(cycle["buy_price"]) == 1998
    assert tapped.symbol()["state"] == "trading"
    fills_agree(exchange, tapped)


# Public trades


def trade(**changes: object) -> Frame:
    plain = {"e": "trade", "E": now(), "s": SYMBOL, "t": 10**6, "p": "2000.00", "q": "1", "T": now(), "m": True}
    return {"stream": f"{SYMBOL.lower()}@trade", "data": plain | changes}


@pytest.mark.parametrize("absurd", [10**22, 1_700_000_000_000_000])
def test_a_trade_with_an_absurd_time_is_refused_and_status_answers(
    exchange: Exchange, tap: Wiretap, tapped: Daemon, absurd: object
) -> None:
    tapped.start()
    tapped.do("start", SYMBOL, SECOND, *SETTINGS)
    tap.push(trade(T=absurd, p="7.00"))
    until(lambda: "market stream" in (daemon_of(tapped)["reason"] or ""), 10)
    assert tapped.ctl("status").code == 0
    assert tapped.symbol()["last_price"] is None
    buys_and_sells(exchange, tapped)


def test_one_absurd_trade_id_does_not_hide_the_trades_behind_it(
    exchange: Exchange, tap: Wiretap, tapped: Daemon
) -> None:
    tapped.start()
    tapped.do("start", SYMBOL, *SETTINGS)
    exchange.trade("1999")
    until(lambda: tapped.symbol()["last_price"] == "1999", 10)
    tap.push(trade(t=2**62, p="7.00"))
    until(lambda: "does not follow" in (daemon_of(tapped)["reason"] or ""), 10)
    exchange.trade("1998")
    until(lambda: tapped.symbol()["last_price"] == "1998", 10)
    buys_and_sells(exchange, tapped)


def test_a_first_trade_with_an_absurd_id_is_overcome_by_the_trades_behind_it(
    exchange: Exchange, tap: Wiretap, tapped: Daemon
) -> None:
    tapped.start()
    tapped.do("start", SYMBOL, *SETTINGS)
    tap.push(trade(t=2**62, p="1999.00"))
    until(lambda: tapped.symbol()["last_price"] == "1999", 10)
    for price in ("1998", "1997"):
        exchange.trade(price)
    until(lambda: tapped.symbol()["last_price"] == "1997", 10)


# The user data stream


def test_a_user_data_stream_that_ends_is_opened_again_and_no_fill_is_missed(
    exchange: Exchange, tap: Wiretap, tapped: Daemon
) -> None:
    ends: list[Frame] = []

    def listen(frame: Frame, method: str | None) -> None:
        if frame.get("event", {}).get("e") == "eventStreamTerminated":
            ends.append(frame)

    tap.change = listen
    tapped.start()
    tapped.do("start", SYMBOL, *SETTINGS)
    exchange.trade("2000")
    until(lambda: exchange.open("BUY"), 10)
    tap.ask("userDataStream.unsubscribe")
    exchange.trade("1990")
    until(lambda: exchange.open("SELL"), 10)
    assert [end["subscriptionId"] for end in ends] == [0]
    assert "the user data stream was terminated" in tapped.log
    exchange.trade("2100")
    until(lambda: tapped.symbol()["cycles"] == 1, 10)
    buys_and_sells(exchange, tapped)
    fills_agree(exchange, tapped)
    assert daemon_of(tapped)["exchange_state"] == "up"


# Rows and side fields


def test_one_row_or_side_field_that_cannot_be_read_costs_no_answer(
    exchange: Exchange, tap: Wiretap, tapped: Daemon
) -> None:
    def broken(frame: Frame, method: str | None) -> Frame | None:
        if method is None or "result" not in frame:
            return None
        frame = {**frame, "rateLimits": None}
        if method == "openOrders.status":
            frame["result"] = [{"symbol": SYMBOL, "orderId": 1}, *frame["result"]]
        if method == "exchangeInfo":
            frame["result"]["rateLimits"] = [{"rateLimitType": "ORDERS", "interval": "DAY", "limit": 1}]
            for row in frame["result"]["symbols"]:
                row["filters"] = [{**each, "maxNumOrders": "200"} for each in row["filters"]] + [
                    None,
                    {"filterType": "NEW"},
                ]
        return frame

    tap.change = broken
    tapped.start()
    tapped.do("start", SYMBOL, *SETTINGS)
    buys_and_sells(exchange, tapped)
    tapped.do("start", SECOND, *SETTINGS)
    assert tapped.symbol()["state"] == tapped.symbol(SECOND)["state"] == "trading"
    assert daemon_of(tapped)["reason"]


def test_a_name_that_is_not_listed_costs_the_others_nothing_and_fetches_no_list_of_all_symbols(
    exchange: Exchange, tap: Wiretap, tapped: Daemon
) -> None:
    told: list[int] = []

    def count(frame: Frame, method: str | None) -> None:
        if method == "exchangeInfo" and "result" in frame:
            told.append(len(frame["result"]["symbols"]))

    tap.change = count
    tapped.start()
    some = tapped.ctl("start", SYMBOL, "ETHUSTD", SECOND, "NOPEUSDT", *SETTINGS)
    assert some.code == 5
    kinds = [entry["error"] and entry["error"]["kind"] for entry in some.document["results"]]
    assert kinds == [None, "unknown_symbol", None, "unknown_symbol"]
    assert told
    assert max(told) <= 2
    buys_and_sells(exchange, tapped)


def test_the_rules_of_one_symbol_that_cannot_be_read_cost_no_other_symbol(
    exchange: Exchange, tap: Wiretap, tapped: Daemon
) -> None:
    def broken(frame: Frame, method: str | None) -> Frame | None:
        if method != "exchangeInfo" or "result" not in frame:
            return None
        for row in frame["result"]["symbols"]:
            if row["symbol"] == SECOND:
                row["filters"] = None
        return frame

    tap.change = broken
    tapped.start()
    both = tapped.ctl("start", SYMBOL, SECOND, *SETTINGS)
    assert both.code == 5
    assert [entry["error"] is None for entry in both.document["results"]] == [True, False]
    assert "cannot be read" in both.document["results"][1]["error"]["message"]
    buys_and_sells(exchange, tapped)
    tap.change = lambda frame, method: None
    tapped.do("start", SECOND, *SETTINGS)


@pytest.mark.parametrize("rate", ["1.00000000", "NaN"])
def test_fees_that_leave_nothing_are_refused_before_anything_is_bought(
    exchange: Exchange, tap: Wiretap, tapped: Daemon, rate: str
) -> None:
    def dear(frame: Frame, method: str | None) -> Frame | None:
        if method != "account.commission" or "result" not in frame:
            return None
        part = {"maker": rate, "taker": rate, "buyer": "0", "seller": "0"}
        return {**frame, "result": {**frame["result"], "standardCommission": part}}

    tap.change = dear
    tapped.start()
    refused = tapped.ctl("start", SYMBOL, *SETTINGS, "--timeout", "3s")
    assert refused.code != 0
    exchange.trade("2000")
    assert not exchange.orders()
    assert "fees" in (daemon_of(tapped)["reason"] or "")
    assert tapped.program is not None
    assert tapped.program.code is None


@pytest.mark.parametrize("name", ["tickSize", "stepSize"])
def test_a_tick_or_step_of_zero_means_that_there_is_none(exchange: Exchange, tapped: Daemon, name: str) -> None:
    exchange.call("sim.rules", symbol=SYMBOL, **{name: "0.00000000"})
    tapped.start()
    tapped.do("start", SYMBOL, *SETTINGS)
    buys_and_sells(exchange, tapped)
    assert "crashed" not in tapped.log


@pytest.mark.parametrize("bad", ["20", "200000"])
@pytest.mark.parametrize("first", [True, False])
def test_a_trade_at_a_hundredth_or_a_hundred_times_of_the_price_kept_a_chunk(
    exchange: Exchange, daemon: Daemon, bad: str, first: bool
) -> None:
    exchange.trade("2000")
    daemon.do("start", SYMBOL, "--chunks", "3")
    if not first:
        exchange.trade("2000.5")
        until(lambda: daemon.phases() == ["buying"])
    for _ in range(2):  # a third one would confirm the price
        exchange.trade(bad)
    until(lambda: "max-deviation" in (daemon.symbol()["reason"] or ""))
    assert daemon.symbol()["state"] == "trading"
    exchange.trade("2001")
    until(lambda: "max-deviation" not in (daemon.symbol()["reason"] or ""), 5)
    until(daemon.orders)
    bought = [order["price"] for order in daemon.orders() if order["side"] == "buy"]
    assert bought == (["2000.79"] if first else ["2000.29"])
