import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from naived.check.ledger import ledger
from naived.check.rows import Row, Status
from naived.core.amount import parse_amount
from naived.process.config import Config, Venue
from naived.simulator.ledger import Ledger
from tests.support.daemon import configured, ended, naived

NONE = {"USDT": parse_amount("1")}


def found(config: Config, account_uid: str | None, *, runs: bool = False) -> Row:
    [row] = ledger(config, account_uid, runs=runs)
    return row


def damaged(path: Path) -> None:
    path.write_text("not a database at all\n" * 100)


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")


def anothers(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")


@pytest.mark.parametrize("left", [None, 0, 1, 511])
async def test_the_log_of_a_ledger_that_was_cut_is_kept(tmp_path: Path, left: int | None) -> None:
    config = configured(tmp_path)
    assert config.ledger is not None
    log = cut(config.ledger, left)
    assert found(config, None).unusable
    assert await ended(config) == 78
    assert commits(log) == b"commits"


def cut(ledger: Path, left: int | None) -> Path:
    """Leave so many bytes of it, and a log; returns the log."""
    if left is not None:
        ledger.write_bytes(b"S" * left)
    log = Path(f"{ledger}-wal")
    log.write_bytes(b"commits")
    return log


def commits(log: Path) -> bytes:
    return log.read_bytes()


@pytest.mark.parametrize("exchange", ["simulator", "paper"])
@pytest.mark.parametrize("spoil", [damaged, newer, anothers, Path.mkdir])
async def test_what_a_start_refuses_is_refused(
    tmp_path: Path, spoil: Callable[[Path], None], exchange: str
) -> None:
    config = configured(tmp_path, exchange=exchange)
    assert config.ledger is not None
    spoil(config.ledger)
    assert found(config, None).unusable
    assert await ended(config) == 78


def test_the_account_of_the_journal_is_that_of_the_ledger(tmp_path: Path) -> None:
    config = configured(tmp_path)
    assert found(config, None).status is Status.SKIPPED
    assert found(config, "7").unusable
    assert config.ledger is not None
    Ledger(config.ledger, 7, NONE).close()
    assert found(config, "7").status is found(config, None).status is Status.OK
    assert found(config, "8").unusable
    assert {each.name for each in tmp_path.iterdir()} == {"simulator-ledger.db"}


def test_a_full_disk_is_no_wrong_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    row = found(configured(tmp_path), None)
    assert (row.status, row.unusable) == (Status.FAILED, False)


def test_an_empty_ledger_keeps_its_log(tmp_path: Path) -> None:
    config = configured(tmp_path)
    assert config.ledger is not None
    log = Path(f"{config.ledger}-wal")
    books = Ledger(config.ledger, 7, NONE)
    commits = log.read_bytes()
    books.close()
    config.ledger.write_bytes(b"")
    log.write_bytes(commits)
    assert found(config, "7").unusable
    assert log.read_bytes() == commits != b""


async def test_a_ledger_in_use_is_read(tmp_path: Path) -> None:
    async with naived(configured(tmp_path)) as running:
        await running.ready()
        assert found(running.config, None, runs=True).status is Status.OK


def test_where_naived_opens_none_none_is_looked_at(tmp_path: Path) -> None:
    config = configured(tmp_path)
    assert ledger(replace(config, exchange=Venue.TESTNET), None) == []
    assert ledger(replace(config, exchange_url="ws://127.0.0.1:1"), None) == []
