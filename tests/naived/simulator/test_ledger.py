import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naived.core.amount import Money, Price, Quantity, format_amount, parse_amount, parse_price, parse_quantity
from naived.core.orders.intent import Side
from naived.core.orders.report import Fill, OrderStatus
from naived.simulator.errors import SimulatorError
from naived.simulator.ledger import Change, Counters, Ledger
from naived.simulator.ledger_rows import fill_row, order_row, read_fill, read_order
from naived.simulator.order import Balance, Order, OrderType, StpMode, TimeInForce
from tests.support.simulator import NOW, exchange, new, print_trade

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
from tests.support.simulator import exchange, new
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


def test_tables_of_another_program_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "bookmarks.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    with pytest.raises(SimulatorError, match="has tables of another program, 'bookmarks' for one"):
        Ledger(path, 7, USDT)
    assert path.read_bytes() == before


def test_a_file_that_takes_no_writes_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Ledger(tmp_path / "ledger.db", 7, USDT).close()
    real = sqlite3.connect
    read_only = f"file:{tmp_path}/ledger.db?mode=ro"  # root may write to any file
    monkeypatch.setattr(sqlite3, "connect", lambda _path, **options: real(read_only, uri=True, **options))
    with pytest.raises(SimulatorError, match=r"ledger\.db: attempt to write a readonly database"):
        Ledger(tmp_path / "ledger.db", 7, USDT)


def test_a_ledger_of_the_first_version_is_read_and_goes_on(tmp_path: Path) -> None:
    first = exchange(Ledger(tmp_path / "ledger.db", 7, USDT))
    first.place(new("buy", "2600", "0.1", client_order_id="old"))
    first.ledger.close()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:  # what the second version added is taken back
        db.execute("DROP INDEX orders_by_amended_id")
        for column in ("amended_id", "amendments", "strategy_id", "strategy_type"):
            db.execute(f"ALTER TABLE orders DROP COLUMN {column}")
        db.executescript("DROP TABLE rules; DROP TABLE fees; DROP TABLE amendments; PRAGMA user_version=1;")
    for _ in range(2):
        after = exchange(Ledger(tmp_path / "ledger.db", 99, {}))
        assert after.ledger.uid == 7
        assert [order.current_id for order in after.market("ETHUSDT").open.values()] == ["old"]
        after.ledger.close()


def test_a_ledger_of_the_second_version_keeps_amendments_from_now_on(tmp_path: Path) -> None:
    second = exchange(Ledger(tmp_path / "ledger.db", 7, USDT))
    second.place(new("buy", "2600", "0.1", client_order_id="old"))
    second.ledger.close()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        db.executescript("DROP TABLE amendments; PRAGMA user_version=2;")
    after = exchange(Ledger(tmp_path / "ledger.db", 99, {}))
    after.amend("ETHUSDT", 1, parse_quantity("0.05"), "new")
    after.ledger.close()
    again = Ledger(tmp_path / "ledger.db", 99, {})
    (kept,) = again.history.amendments("ETHUSDT", 1, limit=10)
    assert (kept.original_id, kept.new_id) == ("old", "new")
    again.close()


def test_a_step_that_fails_changes_no_balance_and_no_order() -> None:
    engine = exchange(USDT="100000", ETH="1")
    print_trade(engine, "2683.80")
    engine.place(new("buy", "2600", "0.1"))
    before = engine.account.balances(), dict(engine.market("ETHUSDT").open)
    engine.ledger.close()
    for fail in (
        lambda: engine.place(new("buy", "2690", "0.2")),
        lambda: engine.cancel("ETHUSDT", 1, "x"),
        lambda: engine.amend("ETHUSDT", 1, parse_quantity("0.05"), "y"),
        lambda: print_trade(engine, "2599"),
    ):
        with pytest.raises(sqlite3.Error):
            fail()
        assert (engine.account.balances(), dict(engine.market("ETHUSDT").open)) == before


def test_history_is_oldest_first_and_the_newest_without_a_beginning() -> None:
    times = iter(range(NOW, NOW + 1000))
    engine = exchange(clock=lambda: next(times))
    for number in range(1, 6):
        engine.place(new("buy", "2600", "0.002", client_order_id=f"n{number}"))
    orders = engine.ledger.history.orders
    assert [o.id for o in orders("ETHUSDT", limit=2)] == [4, 5]
    assert [o.id for o in orders("ETHUSDT", first=2, limit=2)] == [2, 3]
    assert [o.id for o in orders("ETHUSDT", first=0, limit=2)] == [1, 2]
    third = orders("ETHUSDT", limit=9)[2].updated
    assert [o.id for o in orders("ETHUSDT", start=third, limit=2)] == [3, 4]
    assert [o.id for o in orders("ETHUSDT", end=third, limit=2)] == [2, 3]
    assert orders("BTCUSDT", limit=9) == []
    print_trade(engine, "2599")
    fills = engine.ledger.history.fills
    assert [f.order_id for f in fills("ETHUSDT", limit=2)] == [4, 5]
    assert [f.trade_id for f in fills("ETHUSDT", order_id=3, limit=9)] == [3]
    assert [f.trade_id for f in fills(None, first=4, limit=9)] == [4, 5]
    engine.ledger.close()


def test_an_id_finds_the_newest_order_it_named_or_cancelled() -> None:
    engine = exchange()
    history = engine.ledger.history
    engine.place(new("buy", "2600", "0.1", client_order_id="mine"))
    engine.cancel("ETHUSDT", 1, "mine-x")
    engine.place(new("buy", "2601", "0.1", client_order_id="mine"))
    found = [history.order_by_client_id("ETHUSDT", name) for name in ("mine", "mine-x", "nobody")]
    assert [order and order.id for order in found] == [2, 1, None]
    assert history.order_by_client_id("BTCUSDT", "mine") is None
    assert [order.id for order in history.open_orders()] == [2]
    engine.ledger.close()


amounts = st.integers(0, 10**26)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=36)
times = st.integers(0, 2**53)

orders = st.builds(
    Order,
    symbol=names,
    id=st.integers(1, 2**62),
    client_order_id=names,
    side=st.sampled_from(Side),
    type=st.sampled_from(OrderType),
    time_in_force=st.sampled_from(TimeInForce),
    price=amounts.map(Price),
    quantity=amounts.map(Quantity),
    quote_quantity=amounts.map(Money),
    stp_mode=st.sampled_from(StpMode),
    created=times,
    updated=times,
    status=st.sampled_from(OrderStatus),
    executed=amounts.map(Quantity),
    quote=amounts.map(Money),
    prevented=amounts.map(Quantity),
    cancel_id=st.none() | names,
    expiry=st.none() | names,
    amended_id=st.none() | names,
    amendments=st.integers(0, 10),
    strategy_id=st.none() | times,
    strategy_type=st.none() | times,
)
fills = st.builds(
    Fill,
    symbol=names,
    order_id=times,
    trade_id=times,
    price=amounts,
    quantity=amounts,
    quote=amounts,
    fee=amounts,
    fee_asset=names,
    maker=st.booleans(),
    time=times,
)


@given(orders)
def test_an_order_comes_back_from_its_row_unchanged(order: Order) -> None:
    assert read_order(order_row(order)) == order


@given(fills)
def test_a_fill_comes_back_from_its_row_unchanged(fill: Fill) -> None:
    assert read_fill(fill_row(fill)) == fill


@given(orders)
def test_amounts_are_text_a_person_can_read(order: Order) -> None:
    row = order_row(replace(order, price=Price(268380000000)))
    assert row[6] == "2683.8"
