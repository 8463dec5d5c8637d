import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from naived.core.amount import format_amount, parse_amount, parse_price, parse_quantity
from naived.core.order import OrderStatus
from naived.simulator.errors import SimulatorError
from naived.simulator.ledger import Change, Counters, Ledger
from naived.simulator.order import Balance
from tests.simulator_values import exchange, new, print_trade

USDT = {"USDT": parse_amount("100000")}


def test_open_orders_rest_again_after_a_restart(tmp_path: Path) -> None:
    before = exchange(Ledger(tmp_path / "ledger.db", 7, USDT))
    before.place(new("buy", "2600", "0.1", client_order_id="rests"))
    before.place(new("buy", "2700", "0.1", client_order_id="goes"))
    before.cancel("ETHUSDT", 2, "goes-x")
    before.ledger.close()

    after = exchange(Ledger(tmp_path / "ledger.db", 99, {"USDT": parse_amount("1")}))
    assert after.ledger.uid == 7
    assert after.account.balance("USDT") == Balance(parse_amount("99740"), parse_amount("260"))
    assert list(after.market("ETHUSDT").open) == [1]
    print_trade(after, "2599")
    filled = after.ledger.history.order("ETHUSDT", 1)
    assert filled is not None
    assert filled.status is OrderStatus.FILLED
    assert after.place(new("buy", "2598", "0.1")).order.id == 3
    after.ledger.close()


def test_public_trade_ids_never_repeat_across_restarts(tmp_path: Path) -> None:
    seen = []
    for _ in range(3):
        engine = exchange(Ledger(tmp_path / "ledger.db", 7, USDT))
        seen += [engine.trade("ETHUSDT", parse_price("2600"), parse_quantity("1"))[0].id for _ in range(3)]
        engine.ledger.close()
    assert seen == sorted(set(seen))


CHILD = """
import itertools, sys
from pathlib import Path
from naived.simulator.ledger import Ledger
from tests.simulator_values import exchange, new
engine = exchange(Ledger(Path(sys.argv[1]), 7, {"USDT": 10**16}))
for number in itertools.count(1):
    engine.place(new("buy", "2600", "0.002", client_order_id=f"n{number}"))
    print(number, flush=True)
    engine.cancel("ETHUSDT", number, f"x{number}")
"""


def test_what_was_told_before_a_kill_is_there_afterwards(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(ledger)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    told = 0
    while told < 30:
        told = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read()
    child.stdout.close()
    child.wait()
    told = int(rest.split("\n")[-2]) if rest.count("\n") else told

    reopened = Ledger(ledger, 1, {})
    orders = reopened.history.orders("ETHUSDT", limit=-1)
    assert [order.id for order in orders] == list(range(1, len(orders) + 1))
    assert len(orders) >= told
    locked = sum(260 * 2 for order in orders if not order.status.ended) / 100
    assert format_amount(reopened.balances()["USDT"].locked) == f"{locked:g}"
    reopened.close()


def test_a_step_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", 7, USDT)
    engine = exchange(ledger)
    print_trade(engine, "2683.80")
    done = engine.place(new("buy", "2700", "0.1"))
    again = Change(
        "ETHUSDT", balances={"USDT": Balance(parse_amount("1"), parse_amount("0"))}, fills=list(done.fills)
    )
    with pytest.raises(sqlite3.IntegrityError):
        ledger.write(again, Counters())
    assert format_amount(ledger.balances()["USDT"].free) == "99731.62"
    ledger.close()


def test_the_ledger_survives_a_kill_but_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", 7, USDT)
    assert ledger._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert ledger._db.execute("PRAGMA synchronous").fetchone() == (1,)
    ledger.close()


def test_amounts_are_canonical_text(tmp_path: Path) -> None:
    engine = exchange(Ledger(tmp_path / "ledger.db", 7, USDT))
    engine.place(new("buy", "2600.50", "0.10"))
    with sqlite3.connect(tmp_path / "ledger.db") as db:
        assert db.execute("SELECT price, quantity, executed FROM orders").fetchall() == [("2600.5", "0.1", "0")]
    db.close()
    engine.ledger.close()


def test_a_file_that_is_no_ledger_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to look at" * 10)
    with pytest.raises(SimulatorError, match=r"notes\.txt"):
        Ledger(tmp_path / "notes.txt", 7, {})
    with sqlite3.connect(tmp_path / "future.db") as db:
        db.execute("PRAGMA user_version=9")
    db.close()
    with pytest.raises(SimulatorError, match="version 9"):
        Ledger(tmp_path / "future.db", 7, {})
    with pytest.raises(SimulatorError, match="missing"):
        Ledger(tmp_path / "missing" / "ledger.db", 7, {})
