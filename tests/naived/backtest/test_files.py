import os
import stat
from pathlib import Path
from typing import TextIO

import pytest

from naived.backtest.files import STDOUT, check, write
from naived.process.streams import OutputError


def filled(file: TextIO) -> None:
    file.write("new\n")


def breaking(file: TextIO) -> None:
    file.write("half of it")
    file.flush()
    raise OSError(28, "No space left on device")


def test_a_file_is_made_with_the_rights_that_others_would_give_it(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "made.csv", filled)
    finally:
        os.umask(before)
    assert (tmp_path / "made.csv").read_text() == "new\n"
    assert stat.S_IMODE((tmp_path / "made.csv").stat().st_mode) == 0o640


def test_a_file_is_replaced_whole_and_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "made.csv"
    path.write_text("old, and longer than the new one\n")
    path.chmod(0o600)
    number = path.stat().st_ino
    write(path, filled)
    assert path.read_text() == "new\n"
    assert path.stat().st_ino != number
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_on_a_full_disk_the_old_file_stays_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "made.csv"
    path.write_text("old\n")
    with pytest.raises(OutputError, match=r"made\.csv: No space left on device"):
        write(path, breaking)
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_one_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    real, link = tmp_path / "far" / "real.csv", tmp_path / "link.csv"
    real.write_text("old\n")
    link.symlink_to(real)
    check(link)
    write(link, filled)
    assert link.is_symlink()
    assert real.read_text() == "new\n"


def test_a_device_is_written_to_and_not_replaced() -> None:
    check(Path("/dev/null"))
    write(Path("/dev/null"), filled)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    with pytest.raises(OutputError, match="No space left"):
        write(Path("/dev/full"), filled)


def test_a_dash_is_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    check(STDOUT)
    write(STDOUT, filled)
    assert capsys.readouterr().out == "new\n"


@pytest.mark.parametrize(
    ("name", "why"), [("circle", "Too many levels of symbolic links"), ("n" * 300, "File name too long")]
)
def test_a_name_that_leads_nowhere_is_told_before_the_work(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(OutputError, match=f"cannot write .*: {why}"):
        check(tmp_path / name)


def test_a_missing_directory_is_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=f"there is no directory {tmp_path}/away; make it first"):
        check(tmp_path / "away" / "made.csv")
    with pytest.raises(OutputError, match="it is a directory"):
        check(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_of_others_is_told_before_the_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="permission denied"):
        check(tmp_path / "made.csv")
