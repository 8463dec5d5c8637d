"""Whatever the exchange does wrong, a trader goes through it and comes out right, and the books agree.

One exchange and one daemon with a short fence serve all of it; each test trades a symbol of its own. A fault is
armed for that symbol, the price is moved until the trader has gone on, and the fault must have happened.
"""

import itertools
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from naived.simulator.symbols import built_in
from tests.acceptance import books
from tests.acceptance.harness import Daemon, Document, Exchange, until

_FUNDS = "1000000"  # USDT
_WINDOW = timedelta(milliseconds=500)  # an answer is awaited for three of them
_HIGH, _LOW, _TOP = "2000", "1990", "2100"  # a buy is decided at the first, filled at the second, sold at the third

Arm = dict[str, Any]
_names = (f"T{number:02}USDT" for number in itertools.count())


def _listed(path: Path) -> Path:
    """So many symbols alike, none of which has a past, with limits that so many tests in a minute do not reach."""
    info = built_in()
    (row,) = [row for row in info["symbols"] if row["symbol"] == "ETHUSDT"]
    bases = [f"T{number:02}" for number in range(100)]
    info["symbols"] = [{**row, "symbol": f"{base}USDT", "baseAsset": base} for base in bases]
    info["rateLimits"] = [{**limit, "limit": limit["limit"] * 100} for limit in info["rateLimits"]]
    path.write_text(json.dumps(info))
    return path


@pytest.fixture(scope="module")
def programs() -> Iterator[tuple[Exchange, Daemon]]:
    """The simulator and a naived that trades on it."""
    with tempfile.TemporaryDirectory(prefix="naived-") as directory, ExitStack() as stack:
        home = Path(directory)
        exchange = Exchange(
            home, "--exchange-info", str(_listed(home / "info.json")), "--balance", f"USDT={_FUNDS}"
        )
        stack.callback(exchange.end)
        exchange.start()
        daemon = Daemon(home, "--exchange-url", exchange.url, "--recv-window", "500ms", "--grace", "1s")
        stack.callback(daemon.end)
        daemon.start()
        yield exchange, daemon


@dataclass
class Desk:
    """One symbol, traded; ``funds`` is the quote money that the account had before."""

    exchange: Exchange
    daemon: Daemon
    symbol: str
    funds: Decimal
    consumed: Counter[str]

    def arm(self, *arms: Arm) -> None:
        for fault in arms:
            self.exchange.call("sim.fault", symbol=self.symbol, **fault)

    def happened(self) -> Counter[str]:
        """The faults that were consumed since the test began."""
        return Counter(self.exchange.call("sim.ledger")["faults"]) - self.consumed

    def trade(self, price: str) -> None:
        self.exchange.trade(price, self.symbol)

    def orders(self, side: str | None = None) -> list[Document]:
        """Ours in the ledger, oldest first."""
        orders = self.exchange.orders(symbol=self.symbol)
        return [each for each in orders if each["clientOrderId"].startswith("n1") and side in (None, each["side"])]

    def moves(self, price: str, *phases: str) -> None:
        """Let the price stand there until the traders do this, each order of theirs known to rest."""

        def there() -> bool:
            self.trade(price)
            return self.daemon.does(*phases, name=self.symbol)

        until(there)

    def buys(self) -> None:
        self.moves(_HIGH, "buying")

    def fills(self) -> None:
        self.moves(_LOW, "selling")

    def sells(self) -> None:
        def done() -> bool:
            self.trade(_TOP)
            return bool(self.daemon.symbol(self.symbol)["cycles"] == 1)

        until(done)

    def agree(self) -> None:
        """Every order once, and the same in the ledger, in what is shown and in the database."""
        database = f"sqlite:///{self.daemon.home}/simulator.db"
        books.agree(self.exchange, self.daemon, database, self.symbol, self.funds)
        placed = Counter(order["clientOrderId"] for order in self.orders())
        assert set(placed.values()) <= {1}


@pytest.fixture
def desk(programs: tuple[Exchange, Daemon]) -> Iterator[Desk]:
    exchange, daemon = programs
    symbol = next(_names)
    consumed = Counter(exchange.call("sim.ledger")["faults"])
    # What the last test cut may still be away: who is cut again and again waits longer each time.
    until(lambda: daemon.state == "ready")
    (result,) = daemon.ask("start", symbols=[symbol])["results"]
    assert result["error"] is None
    yield Desk(exchange, daemon, symbol, exchange.balance("USDT"), consumed)
    exchange.fault("clear")
    daemon.ask("stop", symbols=[symbol], cancel="all")


def place(kind: str, **params: Any) -> Arm:
    """A fault of the next order."""
    return {"kind": kind, "method": "order.place", **params}


UNHEARD: Arm = {"kind": "report_missing"}  # nothing but asking tells that the order exists
LAGS: Arm = {
    "kind": "not_found_lag",
    "method": "order.status",
    "seconds": 0.3,
}  # longer than the grace is a lost bet

# What happens to a order, in which nobody but the exchange can tell what became of it.
ON_THE_WAY: dict[str, list[Arm]] = {
    "request lost": [place("request_lost")],
    "reply lost": [place("reply_lost"), UNHEARD],
    "reply lost, not found for a while": [place("reply_lost"), UNHEARD, LAGS],
    "reply later than anybody waits": [place("reply_lost", seconds=2.5), UNHEARD],
    "-1007 after it": [place("error_after", code=-1007), UNHEARD],
    "500 before it": [place("error", code=-1001)],
    "disconnected before it": [place("disconnect")],
    "disconnected after it": [place("disconnect", seconds=0), UNHEARD],
}

# The same in other words: one leg is enough.
VARIANTS: dict[str, list[Arm]] = {
    "reply lost, reports flow": [place("reply_lost")],
    "reply late": [place("reply_lost", seconds=0.4), UNHEARD],
    "502 after it": [place("error_after", code=502), UNHEARD],
    "-1008": [place("error", code=-1008)],
}

# What costs a trader time at most.
HARMLESS: dict[str, list[Arm]] = {
    "late": [place("late", seconds=0.2)],
    "later than its window": [place("late", seconds=0.8)],
    "-1021": [place("error", code=-1021)],
    "not found for a while": [place("not_found_lag", seconds=1)],
    "the server shuts down": [place("server_shutdown", seconds=0.3)],
    "silent for a while": [place("silence", seconds=2)],
    "reports twice": [{"kind": "report_duplicate", "count": 2}],
    "reports late": [{"kind": "report_late", "count": 2, "seconds": 0.5}],
    "reports out of order": [{"kind": "report_reorder"}],
    "somebody else trades": [place("manual_order")],
}

# What makes a buy wait for longer than a test should: a sell is tried again sooner.
REFUSED: dict[str, list[Arm]] = {
    "-1003": [place("error", code=-1003, seconds=1)],
    "banned": [place("error", code=418, seconds=1.5)],
    "-1015": [place("error", code=-1015, seconds=1)],
    "no balance": [place("balance")],
    "halted": [place("halt", seconds=1)],
    "other filters": [place("filters", seconds=1.5)],
}


def each(*groups: dict[str, list[Arm]]) -> pytest.MarkDecorator:
    cases = {name: arms for group in groups for name, arms in group.items()}
    return pytest.mark.parametrize("arms", [pytest.param(arms, id=name) for name, arms in cases.items()])


def counted(arms: list[Arm]) -> Counter[str]:
    return Counter({arm["kind"]: arm.get("count", 1) for arm in arms})


@each(ON_THE_WAY, VARIANTS, HARMLESS, {"filled in many pieces": [{"kind": "partial_fills", "count": 8}]})
def test_a_buy_comes_through(desk: Desk, arms: list[Arm]) -> None:
    desk.arm(*arms)
    desk.buys()
    desk.fills()
    desk.sells()
    assert desk.happened() == counted(arms)
    desk.agree()


@each(ON_THE_WAY, REFUSED)
def test_a_sell_comes_through(desk: Desk, arms: list[Arm]) -> None:
    desk.buys()
    expected = counted(arms)
    if UNHEARD in arms:  # of the sell, not of the fill that makes it: let a first attempt be refused
        desk.arm(place("error", code=-1021))
        expected["error"] += 1
        desk.trade(_LOW)
        until(lambda: desk.daemon.phases(desk.symbol) == ["holding"])
    desk.arm(*arms)
    desk.fills()
    assert len(desk.orders("SELL")) == 1
    desk.sells()
    assert desk.happened() == expected
    desk.agree()


def test_a_sell_filled_in_many_pieces_is_one_cycle(desk: Desk) -> None:
    desk.buys()
    desk.fills()
    desk.arm({"kind": "partial_fills", "count": 8})
    desk.sells()
    assert desk.happened() == {"partial_fills": 8}
    assert len(desk.exchange.call("sim.ledger", symbol=desk.symbol)["fills"]) == 1 + 9
    desk.agree()


def test_what_is_unknown_is_shown_with_the_time_of_its_fence_until_it_is_known(desk: Desk) -> None:
    desk.arm(place("request_lost"), {"kind": "error", "method": "order.status", "code": -1008, "count": 8})
    desk.trade(_HIGH)
    lost = shown_unknown(desk)
    until(lambda: desk.daemon.phases(desk.symbol) == ["waiting"])
    assert desk.orders() == []
    desk.buys()
    states = {order["client_order_id"]: order["state"] for order in desk.daemon.orders(desk.symbol)}
    assert states.pop(lost) == "abandoned"
    assert list(states.values()) == ["open"]
    desk.fills()
    desk.sells()
    desk.agree()


def test_a_reply_that_was_lost_is_shown_as_unknown_and_makes_no_second_order(desk: Desk) -> None:
    desk.arm(place("reply_lost"), UNHEARD)
    desk.arm({"kind": "error", "method": "order.status", "code": -1008, "count": 8})
    desk.trade(_HIGH)
    lost = shown_unknown(desk)
    desk.buys()
    (placed,) = desk.orders()
    assert placed["clientOrderId"] == lost
    desk.fills()
    desk.sells()
    desk.agree()


def shown_unknown(desk: Desk) -> str:
    """Wait for the one order to be unknown to `naivectl orders`; its client order id."""

    def unknown() -> Document | None:
        (order,) = desk.daemon.do("orders", desk.symbol).document["orders"] or [{"state": "none yet"}]
        return order if order["state"] == "unknown" else None

    until(lambda: desk.daemon.orders(desk.symbol))
    order = until(unknown)
    assert order is not None
    created, fence = (datetime.fromisoformat(order[name]) for name in ("created_at", "fence_at"))
    assert _WINDOW <= fence - created < 2 * _WINDOW
    number: str = order["client_order_id"]
    return number


def test_a_fill_that_was_not_reported_is_found_when_the_session_is_renewed(desk: Desk) -> None:
    desk.buys()
    desk.arm(UNHEARD)
    desk.trade(_LOW)
    until(lambda: desk.happened() == {"report_missing": 1})
    desk.exchange.fault("server_shutdown", seconds=0.2)
    desk.fills()
    desk.sells()
    desk.agree()


@pytest.mark.parametrize("pieces", [0, 1])
def test_a_fill_may_win_against_a_cancel_that_was_sent(desk: Desk, pieces: int) -> None:
    desk.buys()
    desk.arm({"kind": "late", "method": "order.cancel", "seconds": 0.5})
    if pieces:
        desk.arm({"kind": "partial_fills", "count": pieces})
    desk.trade("2025")  # more than a hundredth above the buy: it is taken back
    until(lambda: desk.happened()["late"] == 1)
    desk.trade(_LOW)
    until(lambda: desk.daemon.phases(desk.symbol) == ["selling"])
    (buy,) = desk.orders("BUY")
    assert (buy["status"], buy["executedQty"]) == (
        ("CANCELED", "0.05000000") if pieces else ("FILLED", "0.10000000")
    )
    desk.sells()
    desk.agree()


def test_a_sell_that_meets_an_order_by_hand_is_offered_again_at_its_price(desk: Desk) -> None:
    desk.buys()
    desk.fills()
    (sell,) = desk.orders("SELL")
    terms = {name: sell[name] for name in ("symbol", "type", "timeInForce", "price")}
    by_hand = {"side": "BUY", "quantity": "0.01", "selfTradePreventionMode": "EXPIRE_BOTH"}
    now = desk.exchange.call("time")["serverTime"]
    signed = {"apiKey": "by hand", "signature": "any", "timestamp": now}
    desk.exchange.call("order.place", **terms, **by_hand, **signed, newClientOrderId="by-hand")
    until(lambda: len(desk.orders("SELL")) == 2)
    assert [(order["status"], order["price"]) for order in desk.orders("SELL")] == [
        ("EXPIRED_IN_MATCH", sell["price"]),
        ("NEW", sell["price"]),
    ]
    desk.sells()
    desk.agree()


def test_a_buy_cancelled_by_hand_ends_its_trader(desk: Desk) -> None:
    desk.buys()
    desk.arm({"kind": "manual_cancel"})
    until(lambda: desk.daemon.phases(desk.symbol) == ["waiting"])
    desk.trade(_HIGH)
    desk.agree()
    assert [order["status"] for order in desk.orders()] == ["CANCELED"]


def test_a_sell_cancelled_by_hand_is_held_until_a_person_says_so(desk: Desk) -> None:
    desk.buys()
    desk.fills()
    desk.arm({"kind": "manual_cancel"})
    until(lambda: desk.daemon.phases(desk.symbol) == ["holding"])
    desk.trade(_TOP)
    assert len(desk.orders("SELL")) == 1
    desk.daemon.do("resolve", desk.symbol, "--all", "--adopt")
    desk.sells()
    desk.agree()


def test_an_order_by_hand_is_left_alone(desk: Desk) -> None:
    desk.trade(_HIGH)
    desk.arm({"kind": "manual_order"})
    desk.buys()
    desk.fills()
    desk.sells()
    desk.agree()
    foreign = [o for o in desk.exchange.orders(symbol=desk.symbol) if o["clientOrderId"].startswith("web_")]
    assert [order["status"] for order in foreign] == ["NEW"]


def test_a_buy_waits_through_a_halt_says_why_and_goes_on_without_a_person(desk: Desk) -> None:
    desk.arm(place("halt", seconds=1))
    desk.trade(_HIGH)
    until(lambda: desk.daemon.symbol(desk.symbol)["reason"] == "the market is closed: HALT")
    assert desk.daemon.symbol(desk.symbol)["state"] == "degraded"
    desk.buys()
    desk.fills()
    desk.sells()
    desk.agree()


def test_a_buy_that_the_account_cannot_pay_for_says_so(desk: Desk) -> None:
    desk.arm(place("balance"))
    desk.trade(_HIGH)
    until(lambda: waiting_because(desk) == "Account has insufficient balance for requested action.")
    desk.agree()
    assert desk.orders() == []


def waiting_because(desk: Desk) -> str | None:
    (trader,) = desk.daemon.symbol(desk.symbol)["traders"] or [{"phase": "none yet", "reason": None}]
    reason: str | None = trader["reason"] if trader["phase"] == "waiting" else None
    return reason
