import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from naived.database.sqlite_file import DamagedError, FileConnection, NotOursError, SqliteFile, claim, look_at
from naived.ports import JournalError


@pytest.fixture
def connection() -> Iterator[FileConnection]:
    with closing(FileConnection(":memory:")) as connection_:
        yield connection_


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Path, SqliteFile, FileConnection]]:
    """A database with a write-ahead log, and a connection to it."""
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path, factory=FileConnection)) as opened_:
        opened_.execute("PRAGMA journal_mode = WAL")
        opened_.execute("CREATE TABLE x (y)")
        file = SqliteFile(str(path))
        file.opened(opened_)
        yield path, file, opened_


def _replace(path: Path) -> None:
    copy = path.with_suffix(".copy")
    shutil.copyfile(path, copy)
    copy.replace(path)


@pytest.mark.parametrize(
    "change",
    [
        Path.unlink,
        _replace,
        lambda path: path.rename(path.with_suffix(".away")),
        lambda path: shutil.rmtree(path.parent),
    ],
    ids=["deleted", "replaced", "moved", "deleted with its directory"],
)
def test_a_file_that_is_not_the_one_that_was_opened_is_told(
    tmp_path: Path, connection: FileConnection, change: Callable[[Path], object]
) -> None:
    path = tmp_path / "home" / "journal.db"
    path.parent.mkdir()
    path.write_bytes(b"what was opened")
    file = SqliteFile(str(path))
    file.opened(connection)
    file.check()
    change(path)
    with pytest.raises(JournalError, match=r"journal\.db was replaced, moved or deleted"):
        file.check()


def test_a_file_that_came_back_is_the_same(tmp_path: Path, connection: FileConnection) -> None:
    path = tmp_path / "journal.db"
    path.touch()
    file = SqliteFile(str(path))
    file.opened(connection)
    path.rename(tmp_path / "away.db")
    with pytest.raises(JournalError):
        file.check()
    file.opened(connection)  # no other one counts from now on
    (tmp_path / "away.db").rename(path)
    with path.open("ab") as opened:
        opened.write(b"it may grow")
        os.fsync(opened.fileno())
    file.check()


def test_what_was_never_opened_may_be_made(tmp_path: Path) -> None:
    SqliteFile(str(tmp_path / "journal.db")).check()


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_log_that_is_gone_is_told_and_one_that_came_back_is_the_same(
    opened: tuple[Path, SqliteFile, FileConnection], suffix: str
) -> None:
    path, file, _ = opened
    log = Path(f"{path}{suffix}")
    file.check()
    log.rename(path.with_suffix(".away"))
    with pytest.raises(JournalError, match=rf"journal\.db{suffix} was replaced, moved or deleted"):
        file.check()
    assert file.only_logs_are_gone
    log.touch()
    assert not file.only_logs_are_gone
    path.with_suffix(".away").replace(log)
    file.check()


def test_logs_that_sqlite_removed_itself_are_not_missed(opened: tuple[Path, SqliteFile, FileConnection]) -> None:
    path, file, connection_ = opened
    connection_.close()
    assert not Path(f"{path}-wal").exists()
    file.check()


# Whose it is


def ours(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE deployment (id)")
        database.execute("CREATE TABLE alembic_version (version_num)")


def unchanged(path: Path, error: type[Exception], match: str) -> None:
    """It is refused, and neither its bytes nor its mode change."""
    path.chmod(0o644)
    before = path.read_bytes()
    with pytest.raises(error, match=match):
        claim(path)
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_new_file_is_private(tmp_path: Path) -> None:
    claim(tmp_path / "journal.db")
    assert stat.S_IMODE((tmp_path / "journal.db").stat().st_mode) == 0o600


@pytest.mark.parametrize("fill", [ours, Path.touch])
def test_our_file_and_an_empty_one_are_made_private(tmp_path: Path, fill: Callable[[Path], None]) -> None:
    path = tmp_path / "journal.db"
    fill(path)
    path.chmod(0o644)
    claim(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", [b"caf\xe9", b"a?b%20#c", "ü".encode()])
def test_our_file_is_read_whatever_the_bytes_of_its_path(tmp_path: Path, name: bytes) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE deployment (x)")
        other.execute("CREATE TABLE alembic_version (x)")
    assert look_at(path)


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE bookmarks (url)")
    unchanged(path, NotOursError, "'bookmarks'")


def test_its_tables_in_a_log_are_seen_too(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE bookmarks (url)")
        unchanged(path, NotOursError, "'bookmarks'")


@pytest.mark.parametrize("text", ["x", "root:x:0:0:root:/root:/bin/sh\n" * 100])
def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "passwd"
    path.write_text(text)
    unchanged(path, DamagedError, "file is not a database")


@pytest.mark.parametrize("logged", [False, True])
def test_a_damaged_database_is_left_alone(tmp_path: Path, logged: bool) -> None:
    path = tmp_path / "journal.db"
    ours(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE orders (x)")
        database.executemany("INSERT INTO orders VALUES (?)", [("y" * 500,)] * 200)
        database.commit()
        if logged:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE fills (x)")
            database.commit()
        with path.open("r+b") as file:
            file.seek(5 * 4096)
            file.write(b"\xff" * 4096)
        unchanged(path, DamagedError, ".")


@pytest.mark.parametrize(("suffix", "emptied"), [("-wal", False), ("-wal", True), ("-journal", False)])
def test_commits_whose_database_is_gone_are_kept(tmp_path: Path, suffix: str, emptied: bool) -> None:
    path = tmp_path / "journal.db"
    log = Path(f"{path}{suffix}")
    log.write_bytes(b"commits")
    if emptied:
        path.touch()
    for judge in (claim, look_at):
        with pytest.raises(NotOursError, match=f"{suffix} holds commits of a database that is gone"):
            judge(path)
    assert (log.read_bytes(), path.exists()) == (b"commits", emptied)


def test_a_copy_beside_the_log_of_the_file_that_it_replaces_is_not_opened(
    tmp_path: Path, opened: tuple[Path, SqliteFile, FileConnection]
) -> None:
    path, _, connection = opened
    for table in ("alembic_version", "deployment"):
        connection.execute(f"CREATE TABLE {table} (x)")
    copy = tmp_path / "copy.db"
    connection.execute(f"VACUUM INTO '{copy}'")
    log = Path(f"{path}-wal").read_bytes()
    copy.replace(path)
    for judge in (claim, look_at):
        with pytest.raises(NotOursError, match="-wal is the log of another file: a copy was put in its place"):
            judge(path)
    assert Path(f"{path}-wal").read_bytes() == log
    Path(f"{path}-wal").unlink()
    assert look_at(path)


def test_a_log_without_commits_or_of_a_first_change_that_was_killed_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    Path(f"{path}-wal").touch()
    claim(path)
    Path(f"{path}-journal").write_bytes(b"the first change")
    claim(path)
    assert path.stat().st_size == 0


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_a_link_is_not_followed(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    target.chmod(0o644)
    path = tmp_path / "journal.db"
    Path(f"{path}{suffix}").symlink_to(target)
    with pytest.raises(NotOursError, match="is a link; name the file itself"):
        claim(path)
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("precious", 0o644)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "journal.db")
    with pytest.raises(NotOursError, match="not a regular file"):
        claim(tmp_path / "journal.db")
