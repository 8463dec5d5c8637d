"""A bounded part of the audit, and whether it can fail; the whole is ``python -m tests.audit --kills 2000``.

Its programs are forked, which is a fifth of the work; the whole starts them for real.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from naived.simulator.ledger import Ledger
from tests.audit.checkpoint import judge
from tests.audit.figures import DUPLICATES, LOST, ORPHANS, Figures, table
from tests.audit.job import SYMBOLS, Plan, live
from tests.audit.person import Quiet
from tests.audit.storage import Storage
from tests.support import forks

_FORKED = 0.4  # seconds a start takes when it is forked, a migration included
JOURNAL, LEDGER = "journal.db", "exchange.db"

# What is done to which file, by hand, and the number of the invariant that must be found broken by it.
_COLUMNS = (
    "symbol, id, client_order_id, side, type, time_in_force, price, quantity, quote_quantity, stp_mode, created,"
    " updated, status, executed, quote, prevented, cancel_id, expiry"
)
TAMPERED = (
    (JOURNAL, "DELETE FROM fills WHERE id = (SELECT max(id) FROM fills)", LOST),
    (JOURNAL, "UPDATE fills SET quantity = '1' WHERE id = (SELECT max(id) FROM fills)", LOST),
    (JOURNAL, "DELETE FROM orders WHERE order_id IS NOT NULL", ORPHANS),
    (JOURNAL, "DELETE FROM orders WHERE order_id IS NOT NULL", 0),  # fills without their orders: foreign_key_check
    (JOURNAL, "UPDATE orders SET state = 'abandoned' WHERE state = 'filled'", DUPLICATES),
    (JOURNAL, "UPDATE OR IGNORE orders SET state = 'unknown' WHERE state = 'filled'", 21),
    (JOURNAL, "UPDATE orders SET order_id = 1000000 WHERE id = (SELECT max(id) FROM orders WHERE order_id)", 13),
    (JOURNAL, "UPDATE traders SET dust_quantity = '1' WHERE phase = 'finished'", 4),
    (LEDGER, "UPDATE balances SET free = '1' WHERE asset = 'USDT'", 8),
    (LEDGER, "UPDATE fills SET fee = '1'", 8),
    (LEDGER, "UPDATE orders SET status = 'NEW' WHERE status = 'FILLED'", ORPHANS),
    (
        LEDGER,
        f"INSERT INTO orders ({_COLUMNS}) SELECT {_COLUMNS.replace(' id,', ' id + 1000000,')} FROM orders LIMIT 1",
        DUPLICATES,
    ),
    (
        LEDGER,
        "UPDATE orders SET cancel_id = client_order_id || '-x', client_order_id = 'web_1' WHERE id = 1",
        ORPHANS,
    ),
)


@pytest.fixture
def homes() -> Iterator[list[Path]]:
    """Those that are to be removed."""
    kept: list[Path] = []
    yield kept
    for home in kept:
        shutil.rmtree(home)


def _start() -> float:
    return _FORKED if forks.wanted else Plan.start


def blamed(home: Path, quiets: list[Quiet]) -> set[int]:
    """The numbers of the invariants that are broken in this home."""
    figures = Figures(0, "sqlite")
    with closing(Ledger(home / LEDGER, 0, {})) as ledger:
        judge(ledger, Storage(f"sqlite:///{home / JOURNAL}"), quiets, figures)
    return {number for number, _ in figures.violations}


def test_killed_over_and_over_it_keeps_its_promises_and_whatever_is_tampered_with_is_found(
    homes: list[Path], tmp_path: Path
) -> None:
    figures = live(Plan(3, "sqlite", kills=18, every=18, run=1.0, pause=1.0, start=_start()), keep=True)
    assert figures.home is not None
    homes.append(figures.home)
    assert figures.violations == [], table([figures], 1)
    assert (figures.kills.total() >= 18, figures.orders > 0, figures.cycles > 0) == (True, True, True)

    for number, (file, statement, invariant) in enumerate(TAMPERED):
        copy = tmp_path / str(number)
        copy.mkdir()
        for name in (JOURNAL, LEDGER):
            with (
                closing(sqlite3.connect(figures.home / name)) as there,
                closing(sqlite3.connect(copy / name)) as here,
            ):
                there.backup(here)
        assert blamed(copy, []) == set()
        with closing(sqlite3.connect(copy / file, isolation_level=None)) as connection:
            assert connection.execute(statement).rowcount > 0, f"nothing to tamper with: {statement}"
        assert invariant in blamed(copy, []), statement

    assert blamed(figures.home, [Quiet(symbol, buys_alone=False, since=0) for symbol in SYMBOLS]) == {10}
    assert blamed(figures.home, [Quiet(symbol, buys_alone=True, since=0) for symbol in SYMBOLS]) == {12}


def test_with_its_database_server_killed_too_it_keeps_its_promises(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--no-postgres"):
        pytest.skip("--no-postgres")

    figures = live(Plan(4, "postgresql", kills=12, every=12, pause=1.0, start=_start()))

    assert figures.violations == [], table([figures], 1)
    assert figures.orders > 0
    assert any(kind.startswith("postmaster") for kind in figures.kills)
