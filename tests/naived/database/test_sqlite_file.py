import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from naived.database.sqlite_file import SqliteFile
from naived.ports import JournalError


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
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    path = tmp_path / "home" / "journal.db"
    path.parent.mkdir()
    path.write_bytes(b"what was opened")
    file = SqliteFile(str(path))
    file.opened()
    file.check()
    change(path)
    with pytest.raises(JournalError, match=r"journal\.db was replaced, moved or deleted"):
        file.check()


def test_a_file_that_came_back_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.touch()
    file = SqliteFile(str(path))
    file.opened()
    path.rename(tmp_path / "away.db")
    with pytest.raises(JournalError):
        file.check()
    file.opened()  # no other one counts from now on
    (tmp_path / "away.db").rename(path)
    with path.open("ab") as opened:
        opened.write(b"it may grow")
        os.fsync(opened.fileno())
    file.check()


def test_what_was_never_opened_may_be_made(tmp_path: Path) -> None:
    SqliteFile(str(tmp_path / "journal.db")).check()
