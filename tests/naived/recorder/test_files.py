import gzip
import os
import resource
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import structlog

from naived.core.amount import parse_price, parse_quantity
from naived.process.lock import followed, locked
from naived.recorder.files import Found, Tape, UnreadableRecordingError, find
from naived.recorder.layout import DAY, GAPS_HEADER, Cause, Gap, Trade, day_of, trade_line

SYMBOL = "ETHUSDT"
NOON = 1_795_867_200_000_000  # 2026-11-28 12:00 UTC
TODAY = day_of(NOON)
GAP = Gap(5, 9, NOON, NOON + 1, Cause.CONNECTION)


def trade(number: int, time: int = NOON) -> Trade:
    return Trade(number, parse_price("2683.8"), parse_quantity("0.5"), time, True)


def lines(*numbers: int) -> bytes:
    return "".join(trade_line(trade(number)) for number in numbers).encode()


def name(day: str = "2026-11-28", ending: str = ".csv") -> str:
    return f"{SYMBOL}-trades-{day}{ending}"


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A disk that is full: the system refuses to write beyond so many bytes of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# How far an earlier run came


def test_an_empty_directory_knows_nothing(tmp_path: Path) -> None:
    assert find(tmp_path, SYMBOL) == Found(None, known=False)


def test_the_last_trade_of_the_newest_day_is_found(tmp_path: Path) -> None:
    (tmp_path / name("2026-11-27")).write_bytes(lines(1, 2))
    (tmp_path / name()).write_bytes(lines(3, 4))
    (tmp_path / "BTCUSDT-trades-2026-11-29.csv").write_bytes(lines(9))
    assert find(tmp_path, SYMBOL) == Found(trade(4), known=True)


def test_a_day_without_a_trade_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / name("2026-11-27")).write_bytes(lines(1, 2))
    (tmp_path / name()).touch()
    assert find(tmp_path, SYMBOL).last == trade(2)
    (tmp_path / name("2026-11-27")).unlink()
    assert find(tmp_path, SYMBOL) == Found(None, known=True)


@pytest.mark.parametrize("torn", [b"5", lines(5)[:-1], b"\0" * 200_000])
def test_a_torn_line_is_cut_off_and_told(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / name()
    path.write_bytes(lines(3, 4) + torn)
    with structlog.testing.capture_logs() as records:
        assert find(tmp_path, SYMBOL).last == trade(4)
    assert path.read_bytes() == lines(3, 4)
    assert [(each["event"], each["bytes"]) for each in records] == [("a torn line is cut off", len(torn))]


def test_a_first_line_that_is_torn_leaves_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / name()).write_bytes(b"12,2683")
    assert find(tmp_path, SYMBOL) == Found(None, known=True)
    assert (tmp_path / name()).read_bytes() == b""


def test_days_that_were_compressed_since_count_too(tmp_path: Path) -> None:
    with gzip.open(tmp_path / name("2026-11-27", ".csv.gz"), "wb") as file:
        file.write(lines(1, 2))
    assert find(tmp_path, SYMBOL).last == trade(2)
    with zipfile.ZipFile(tmp_path / name("2026-11-28", ".zip"), "w") as archive:
        archive.writestr(name(), lines(3, 4))
    assert find(tmp_path, SYMBOL).last == trade(4)
    (tmp_path / name()).write_bytes(lines(5))
    assert find(tmp_path, SYMBOL).last == trade(5)


@pytest.mark.parametrize(
    ("ending", "content"),
    [(".csv", b"not a trade\n"), (".csv.gz", b"no gzip"), (".zip", b"no zip"), (".csv", b"1,2,3,4,5,6,7\n")],
)
def test_a_file_that_cannot_be_gone_on_with_is_named(tmp_path: Path, ending: str, content: bytes) -> None:
    (tmp_path / name(ending=ending)).write_bytes(content)
    with pytest.raises(UnreadableRecordingError, match=str(tmp_path / name(ending=ending))):
        find(tmp_path, SYMBOL)


def test_what_is_not_ours_stays_as_it_is(tmp_path: Path) -> None:
    content = b"not a trade\nand a last line"
    (tmp_path / name()).write_bytes(content)
    with pytest.raises(UnreadableRecordingError, match="does not end with a trade"):
        find(tmp_path, SYMBOL)
    assert (tmp_path / name()).read_bytes() == content


@pytest.mark.parametrize("file", [name(), f"{SYMBOL}-gaps.csv"])
def test_a_link_is_refused_at_the_start_and_not_followed(tmp_path: Path, file: str) -> None:
    (tmp_path / name("2026-11-27")).write_bytes(lines(1, 2))
    (tmp_path / "elsewhere").write_bytes(lines(3)[:-1])
    (tmp_path / file).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnreadableRecordingError, match=f"{file} is a link; move it away"):
        find(tmp_path, SYMBOL)
    assert (tmp_path / "elsewhere").read_bytes() == lines(3)[:-1]


def test_a_directory_with_the_name_of_a_day_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / name()).mkdir()
    with pytest.raises(IsADirectoryError):
        find(tmp_path, SYMBOL)


# Appending


def test_what_is_appended_goes_on_a_file_of_its_day(tmp_path: Path) -> None:
    (tmp_path / name()).write_bytes(lines(3))
    tape = Tape(tmp_path, SYMBOL, trade(3))
    tape.append(TODAY, lines(4))
    tape.append(TODAY + 1, lines(5, 6))
    tape.close()
    assert (tmp_path / name()).read_bytes() == lines(3, 4)
    assert (tmp_path / name("2026-11-29")).read_bytes() == lines(5, 6)
    assert tape.day == TODAY + 1


def test_a_full_disk_leaves_whole_lines_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / name()
    tape = Tape(tmp_path, SYMBOL, None)
    tape.append(TODAY, lines(1))
    with files_of_at_most(len(lines(1, 2)) - 10):
        for _ in range(2):
            with pytest.raises(OSError, match="File too large"):
                tape.append(TODAY, lines(2, 3))
            assert path.read_bytes() == lines(1)
    tape.append(TODAY, lines(2, 3))
    tape.close()
    assert path.read_bytes() == lines(1, 2, 3)


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    tape = Tape(tmp_path, SYMBOL, None)
    tape.append(TODAY, lines(1))
    (tmp_path / name()).rename(tmp_path / "kept.csv")
    with structlog.testing.capture_logs() as records:
        tape.sync()
    tape.append(TODAY, lines(2))
    tape.close()
    assert (tmp_path / "kept.csv").read_bytes() == lines(1)
    assert (tmp_path / name()).read_bytes() == lines(2)
    assert [each["log_level"] for each in records] == ["warning"]


def test_nothing_is_written_into_a_directory_that_another_one_has(tmp_path: Path) -> None:
    (tmp_path / "tape").mkdir()
    with followed(tmp_path / "tape", "a.lock", "another one has it") as follow:
        tape = Tape(tmp_path / "tape", SYMBOL, None, follow)
        tape.append(TODAY, lines(1))
        (tmp_path / "tape").rename(tmp_path / "moved")
        (tmp_path / "tape").mkdir()
        tape.sync()
        with locked(tmp_path / "tape", "a.lock"):
            for write in (partial(tape.append, TODAY, lines(2)), partial(tape.gap, GAP)):
                with pytest.raises(OSError, match="another one has it"):
                    write()
        tape.append(TODAY, lines(2))
        tape.close()
    assert (tmp_path / "moved" / name()).read_bytes() == lines(1)
    assert (tmp_path / "tape" / name()).read_bytes() == lines(2)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / name()).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        Tape(tmp_path, SYMBOL, None).append(TODAY, lines(1))
    assert not (tmp_path / "elsewhere").exists()


def test_what_was_appended_is_durable_after_a_sync_at_the_next_day_and_before_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def sync(descriptor: int) -> None:
        synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))

    monkeypatch.setattr(os, "fsync", sync)
    tape = Tape(tmp_path, SYMBOL, None)
    tape.append(TODAY, lines(1))
    assert tape.unsynced
    tape.sync()
    tape.sync()
    assert not tape.unsynced
    tape.append(TODAY, lines(2))
    tape.append(TODAY + 1, lines(3))
    tape.gap(Gap(4, 9, NOON, NOON + 1, Cause.CONNECTION))
    directory = tmp_path.name
    assert synced == [
        *(directory, name(), name()),
        *(directory, name("2026-11-29")),
        *(directory, f"{SYMBOL}-gaps.csv"),
    ]


# Gaps


def test_gaps_are_written_down_below_a_header(tmp_path: Path) -> None:
    tape = Tape(tmp_path, SYMBOL, trade(4))
    tape.gap(GAP)
    tape.gap(Gap(11, 11, NOON + 1, NOON + 2, Cause.SEQUENCE))
    assert (tmp_path / f"{SYMBOL}-gaps.csv").read_text() == (
        f"{GAPS_HEADER}5,9,{NOON},{NOON + 1},connection lost\n11,11,{NOON + 1},{NOON + 2},sequence\n"
    )


def test_a_gap_without_a_trade_behind_it_is_taken_back_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / name()).write_bytes(lines(3, 4))
    tape = Tape(tmp_path, SYMBOL, trade(4))
    tape.gap(Gap(1, 2, NOON, NOON, Cause.SEQUENCE))
    tape.gap(Gap(5, 9, NOON, NOON, Cause.CONNECTION))
    for _ in range(2):
        find(tmp_path, SYMBOL)
        assert (tmp_path / f"{SYMBOL}-gaps.csv").read_text() == f"{GAPS_HEADER}1,2,{NOON},{NOON},sequence\n"


def test_when_ids_begin_again_the_days_file_is_put_aside(tmp_path: Path) -> None:
    tape = Tape(tmp_path, SYMBOL, None)
    tape.append(TODAY, lines(999, 1000))
    tape.gap(Gap(1001, 0, NOON, NOON + 1, Cause.RESTART))
    tape.append(TODAY, lines(1, 2))
    tape.close()
    assert (tmp_path / f"{SYMBOL}-trades-2026-11-28.until-1000.csv").read_bytes() == lines(999, 1000)
    assert (tmp_path / name()).read_bytes() == lines(1, 2)
    assert find(tmp_path, SYMBOL).last == trade(2)
    assert "1001,0," in (tmp_path / f"{SYMBOL}-gaps.csv").read_text()
    assert DAY * TODAY < NOON
