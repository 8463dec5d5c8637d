"""A recorded tape and random walks, traded by the real programs; then the books are compared to the last digit."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.acceptance import books
from tests.acceptance.harness import SYMBOL, TAPE, Daemon, Exchange, plays

FUNDS = Decimal(100000)  # USDT, the simulator's default
QUICK = ("--chunks", "5", "--budget", "1000", "--buy-down", "0.0001")


@pytest.mark.skipif(not TAPE.exists(), reason="the recording of 2024-08-08 is not on this machine")
@pytest.mark.parametrize(
    ("database_url", "fee", "profit"),
    [("sqlite", "0", "0.0002"), ("postgresql", "0.0001", "0.0001")],
    indirect=["database_url"],
)
def test_a_recorded_tape_is_traded_in_cycles_and_every_digit_is_accounted_for(
    simulate: Callable[..., Exchange], naived: Callable[..., Daemon], database_url: str, fee: str, profit: str
) -> None:
    exchange = simulate("--tape", f"{SYMBOL}={TAPE}", "--speed", "50", "--fee", fee)
    daemon = naived("--exchange-url", exchange.url, "--database", database_url)
    daemon.start()
    daemon.do("start", SYMBOL, *QUICK, "--profit", profit, "--rebuy", "0.0003")
    plays(exchange, daemon, lambda: daemon.symbol()["cycles"] >= 10)
    books.agree(exchange, daemon, database_url, SYMBOL, FUNDS)


def test_a_random_walk_with_the_usual_fee_leaves_no_coin_unaccounted_for(
    simulate: Callable[..., Exchange], naived: Callable[..., Daemon], database_url: str
) -> None:
    exchange = simulate("--random-walk", f"{SYMBOL}=2683.80", "--speed", "100")
    daemon = naived("--exchange-url", exchange.url, "--database", database_url)
    daemon.start()
    daemon.do("start", SYMBOL, *QUICK, "--profit", "0.0002", "--rebuy", "0.002")
    plays(exchange, daemon, lambda: daemon.symbol()["cycles"] >= 3)
    books.agree(exchange, daemon, database_url, SYMBOL, FUNDS)


FAULTS: tuple[tuple[str, dict[str, object]], ...] = (
    ("reply_lost", {"method": "order.place"}),
    ("error_after", {"method": "order.place", "code": -1007}),
    ("disconnect", {"method": "order.place"}),
    ("not_found_lag", {"seconds": 0.5}),
    ("partial_fills", {}),
    ("report_duplicate", {}),
    ("report_reorder", {}),
    ("report_missing", {}),
    ("report_late", {"seconds": 0.3}),
)


def test_an_exchange_at_its_worst_costs_cycles_but_never_a_coin(
    simulate: Callable[..., Exchange], naived: Callable[..., Daemon], home: Path
) -> None:
    exchange = simulate("--random-walk", f"{SYMBOL}=2683.80", "--speed", "100")
    daemon = naived("--exchange-url", exchange.url, "--recv-window", "1s", "--grace", "1s")
    daemon.start()
    daemon.do("start", SYMBOL, *QUICK, "--profit", "0.0002", "--rebuy", "0.001", "--reprice", "0.002")
    for kind, more in FAULTS:
        exchange.fault(kind, count=1000, probability=0.1, **more)
    plays(exchange, daemon, lambda: sum(exchange.call("sim.ledger")["faults"].values()) >= 12)
    exchange.fault("clear")
    daemon.end()
    daemon.start()  # what no report told is asked for
    daemon.do("wait", SYMBOL, "--for", "trading")
    books.agree(exchange, daemon, f"sqlite:///{home}/simulator.db", SYMBOL, FUNDS)
