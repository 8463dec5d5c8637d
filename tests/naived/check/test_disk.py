import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from naived.check import disk as disk_module
from naived.check.disk import check_file, check_room, disk, held, sync_time
from naived.check.journal import journal
from naived.check.ledger import ledger
from naived.check.rows import Status, exit_code
from naived.process.config import ConfigError
from tests.support.daemon import configured, naived


def test_the_disk_is_measured_and_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [row.name for row in disk(tmp_path)] == ["disk space", "disk writes"]
    assert not list(tmp_path.iterdir())
    real = os.open

    def without_tmpfile(path: str, flags: int, *mode: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "not here")
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", without_tmpfile)
    assert sync_time(tmp_path) > 0
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_slow_or_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = os.statvfs(tmp_path)
    for blocks, status in ((0, Status.FAILED), (200 * 2**20 // space.f_frsize, Status.WARNED)):
        fields = [*space]
        fields[4] = blocks  # f_bavail
        full = os.statvfs_result(fields)
        monkeypatch.setattr(os, "statvfs", lambda _path, full=full: full)
        assert disk(tmp_path)[0].status is status
    monkeypatch.setattr(disk_module, "_SLOW_SYNC", 0.0)
    assert disk(tmp_path)[1].status is Status.WARNED
    assert disk(tmp_path / "absent")[1].status is Status.FAILED
    monkeypatch.undo()
    assert [row.status for row in disk(tmp_path / "absent")] == [Status.FAILED]


def test_what_is_made_with_the_home_is_not_asked_for_yet(tmp_path: Path) -> None:
    home = tmp_path / "a" / "b"
    for directory in (home, tmp_path / "a"):
        assert not check_room(directory, home)
        check_file(directory / "simulator.db", home)
    assert check_room(tmp_path, home)
    for directory in (home / "c", tmp_path / "d"):
        with pytest.raises(ConfigError, match=f"no file can be made in {directory}: No such file"):
            check_file(directory / "simulator.db", home)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_can_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "simulator.db"
    path.touch()
    check_file(path, tmp_path)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ConfigError, match=r"cannot be written to\. Mend it with: chmod 600"):
        check_file(path, tmp_path)


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_so_can_what_sqlite_left_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    path, log = tmp_path / "simulator.db", tmp_path / f"simulator.db{suffix}"
    path.touch()
    log.touch()
    check_file(path, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda each, _mode: each != log)  # root may write to any
        with pytest.raises(ConfigError, match=f"{log} cannot be written to"):
            check_file(path, tmp_path)
    log.unlink()
    log.mkdir()
    with pytest.raises(ConfigError, match=f"{log} is not a regular file"):
        check_file(path, tmp_path)


_WRITER = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("PRAGMA journal_mode = WAL")
other.execute("BEGIN IMMEDIATE")
print(flush=True)
sys.stdin.read()
"""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Another program, that has begun to write to this database."""
    command = [sys.executable, "-c", _WRITER, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        yield


async def test_a_database_and_a_ledger_that_another_program_writes_to_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(tmp_path)
    async with naived(config) as running:
        await running.ready()
    assert config.ledger is not None
    monkeypatch.setattr(disk_module, "_COMMIT", 0.0)
    for path, code in ((tmp_path / "simulator.db", 1), (config.ledger, 78)):
        with writing(path):
            rows = [*(await journal(config))[0], *ledger(config, None)]
            bad = [(row.found, row.todo) for row in rows if row.status is Status.FAILED]
            assert bad == [(f"another program holds {path} to write to it", "End its transaction, or it")]
            assert exit_code(rows) == code
            rows = [*(await journal(config, runs=True))[0], *ledger(config, None, runs=True)]
            assert exit_code(rows) == 0
        assert held(path) is None
