"""Columns on the disk: opened again, made again, shared, and never in the way."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from naived.backtest import cache, reading
from naived.backtest.columns import Columns
from naived.backtest.tape import Tape, TapeError, load
from tests.support.tapes import Row, aggregates, ids, trades, written

COLUMNS = ("ids", "prices", "quantities", "times", "low", "high")
PATIENCE = 60  # seconds that starting programs may take on a busy machine
LATER = 1_800_000_000 * 10**9  # ns


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "tapes"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return written(tmp_path / "ETHUSDT-trades-2024-08.csv", [*trades(1, 600), *trades(602, 1)])


def opened(source: Path, kept: Path) -> Tape:
    return load("ETHUSDT", [source], cache=kept)


def generation(kept: Path) -> Path:
    (folder,) = (path for path in kept.iterdir() if path.is_dir())
    return folder


def entry(kept: Path) -> Path:
    (path,) = kept.glob("*.json")
    return path


def same(one: Columns, other: Columns) -> bool:
    return one.tick == other.tick and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in COLUMNS
    )


def test_what_is_opened_again_is_what_was_parsed(source: Path, kept: Path) -> None:
    parsed = load("ETHUSDT", [source], cache=None)
    for _ in range(2):
        again = opened(source, kept)
        assert (
            again.warnings
            == parsed.warnings
            == ("ETHUSDT-trades-2024-08.csv: 1 gap, 1 trade is missing, the first after id 600",)
        )
        assert same(again.parts[0], parsed.parts[0])
    made = generation(kept)
    opened(source, kept)
    assert generation(kept) == made


def test_columns_are_files_of_numpy(source: Path, kept: Path) -> None:
    (part,) = opened(source, kept).parts
    assert sorted(path.stem for path in generation(kept).iterdir()) == sorted(COLUMNS)
    for name in COLUMNS:
        column = np.load(generation(kept) / f"{name}.npy")
        assert column.dtype == np.int64
        assert np.array_equal(column, getattr(part, name))


def test_the_entry_says_what_the_columns_are_of(source: Path, kept: Path) -> None:
    opened(source, kept)
    said = json.loads(entry(kept).read_text())
    assert said["source"] == str(source)
    assert (said["version"], said["size"], said["unit"]) == (1, source.stat().st_size, "ms")
    assert (said["mtime_ns"], len(said["sha256"])) == (source.stat().st_mtime_ns, 64)
    found = said["findings"]
    assert (found["first_id"], found["last_id"], found["rows"], found["tick"]) == (1, 602, 601, 1_000_000)
    assert (found["gaps"], found["missing"], found["duplicates"]) == (1, 1, 0)


@pytest.mark.parametrize(("times", "unit"), [((1, 1), "ms"), ((1000, 1000), "us"), ((1000, 1), "mixed")])
def test_the_entry_says_the_unit_of_time(tmp_path: Path, kept: Path, times: tuple[int, int], unit: str) -> None:
    rows = [Row(number, time=1_723_161_255_611 * scale) for number, scale in enumerate(times)]
    opened(written(tmp_path / "tape.csv", rows), kept)
    assert json.loads(entry(kept).read_text())["unit"] == unit


def test_what_is_mapped_needs_no_memory_of_its_own(source: Path, kept: Path) -> None:
    (part,) = opened(source, kept).parts
    for name in COLUMNS:
        array = getattr(part, name)
        assert isinstance(array.base, memoryview | np.ndarray) or hasattr(array.base, "madvise")
        assert not array.flags.owndata


def test_a_changed_source_is_parsed_again(source: Path, kept: Path) -> None:
    opened(source, kept)
    first = generation(kept)
    written(source, trades(1, 700))
    assert ids(opened(source, kept)) == list(range(1, 701))
    assert generation(kept) != first


def test_a_source_that_was_only_touched_is_not_parsed_again(source: Path, kept: Path) -> None:
    opened(source, kept)
    first = generation(kept)
    os.utime(source, ns=(LATER, LATER))
    assert opened(source, kept).length == 601
    assert generation(kept) == first
    assert json.loads(entry(kept).read_text())["mtime_ns"] == LATER


def test_a_change_of_the_same_size_is_noticed(source: Path, kept: Path) -> None:
    opened(source, kept)
    source.write_text(source.read_text().replace("0.00200000", "0.00300000"))
    os.utime(source, ns=(LATER, LATER))
    assert opened(source, kept).parts[0].quantities[0] == 300_000


def test_a_change_that_keeps_size_and_time_is_noticed(source: Path, kept: Path) -> None:
    opened(source, kept)
    status = source.stat()
    source.write_text(source.read_text().replace("0.00200000", "0.00300000"))
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert opened(source, kept).parts[0].quantities[0] == 300_000


def test_a_file_that_grows_while_it_is_read_is_not_kept(source: Path, kept: Path) -> None:
    whole = source.read_bytes()
    source.write_bytes(whole[: whole.rindex(b"602,")])
    tape = load("ETHUSDT", [source], cache=kept, progress=lambda _: source.write_bytes(whole) and None)
    assert ids(tape) == [*range(1, 601), 602]
    assert tape.warnings[0] == (
        "the columns of 1 file are not kept, and parsed again next time: "
        "ETHUSDT-trades-2024-08.csv grew while it was read"
    )
    assert [path.suffix for path in kept.iterdir()] == [".lock"]


def test_a_file_that_is_replaced_while_it_is_read_is_an_error(source: Path, kept: Path) -> None:
    def replace(done: int, rows: int) -> None:
        os.utime(source, ns=(LATER, LATER))

    with pytest.raises(TapeError, match="changed while it was read"):
        cache.stored(kept, source, replace)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 8)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(8))


def _other_type(path: Path) -> None:
    np.save(path, np.load(path).astype(np.float64))


def _other_content(path: Path) -> None:
    np.save(path, np.load(path) + 1)


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("spoil", [_cut, _empty, _lengthen, _other_type, Path.unlink])
def test_a_column_that_is_not_what_it_was_is_made_again(
    source: Path, kept: Path, name: str, spoil: Callable[[Path], None]
) -> None:
    whole = load("ETHUSDT", [source], cache=None)
    opened(source, kept)
    spoil(generation(kept) / f"{name}.npy")
    assert same(opened(source, kept).parts[0], whole.parts[0])
    assert same(opened(source, kept).parts[0], whole.parts[0])


@pytest.mark.parametrize("name", ["ids", "prices", "low", "high"])
def test_columns_of_another_tape_are_noticed(source: Path, kept: Path, name: str) -> None:
    whole = load("ETHUSDT", [source], cache=None)
    opened(source, kept)
    _other_content(generation(kept) / f"{name}.npy")
    assert same(opened(source, kept).parts[0], whole.parts[0])


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0},
        {"generation": "../x"},
        {"generation": "ffff"},
        {"size": "x"},
        {"findings": {}},
        {"rows": 0},
        {"rows": -1},
        None,
    ],
)
def test_an_entry_that_is_not_ours_is_made_again(
    source: Path, kept: Path, change: dict[str, object] | None
) -> None:
    opened(source, kept)
    said = json.loads(entry(kept).read_text())
    changed = said | (change or {})
    if change and "rows" in change:
        changed = said | {"findings": said["findings"] | change}
    entry(kept).write_text("{" if change is None else json.dumps(changed))
    assert opened(source, kept).length == 601
    assert json.loads(entry(kept).read_text())["version"] == 1
    assert generation(kept).is_dir()


def test_what_a_crash_left_behind_is_removed(source: Path, kept: Path) -> None:
    opened(source, kept)
    left = generation(kept).with_name(f"{entry(kept).stem}-0123456789ab")
    shutil.copytree(generation(kept), left)
    written(source, trades(1, 700))
    opened(source, kept)
    assert not left.exists()


def test_a_file_that_fails_leaves_nothing_behind(tmp_path: Path, kept: Path) -> None:
    bad = written(tmp_path / "tape.csv", [*trades(1, 10), *trades(3, 1), Row(4, time=1_723_161_255_000)])
    with pytest.raises(TapeError):
        load("ETHUSDT", [bad], cache=kept)
    assert [path.suffix for path in kept.iterdir()] == [".lock"]


def test_files_of_the_same_name_are_kept_apart(tmp_path: Path, kept: Path) -> None:
    for folder, count in (("one", 10), ("two", 20)):
        (tmp_path / folder).mkdir()
        assert opened(written(tmp_path / folder / "tape.csv", trades(1, count)), kept).length == count
    assert len(list(kept.glob("*.json"))) == 2


def test_a_name_of_any_characters_can_be_kept(tmp_path: Path, kept: Path) -> None:
    path = written(tmp_path / f"[a*]? {'ü' * 100}.csv", trades(1, 10))
    assert opened(path, kept).warnings == opened(path, kept).warnings == ()
    assert len(list(kept.glob("*.json"))) == 1


def test_a_directory_that_cannot_be_written_is_a_warning(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for _ in range(2):
        tape = load("ETHUSDT", [source], cache=tmp_path / "file" / "cache")
        assert tape.length == 601
        assert tape.warnings[0].startswith(
            "the columns of 1 file are not kept, and parsed again next time: Not a direc"
        )


def test_a_full_disk_is_a_warning(source: Path, kept: Path) -> None:
    """A process may write files of 4 KiB at most, which is what a full disk looks like to it."""
    program = (
        "import resource, signal, sys; from pathlib import Path; from naived.backtest.tape import load\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "tape = load('ETHUSDT', [Path(sys.argv[1])], cache=Path(sys.argv[2])); print(tape.length, tape.warnings[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, source, kept], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith(
        "601 the columns of 1 file are not kept, and parsed again next time: File too large"
    )
    assert [path.suffix for path in kept.iterdir()] == [".lock"]
    assert opened(source, kept).length == 601


def _loaded(source: Path, kept: Path, times: int) -> list[int]:
    return [sum(ids(load("ETHUSDT", [source], cache=kept))) for _ in range(times)]


def test_two_processes_at_once_do_not_hurt_each_other(source: Path, kept: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        results = [pool.apply_async(_loaded, (source, kept, 20)) for _ in range(2)]
        for _ in range(10):  # meanwhile a third spoils what they read
            for path in kept.glob("*/prices.npy"):
                path.unlink(missing_ok=True)
        sums = [total for result in results for total in result.get(timeout=60)]
    assert sums == [sum(range(1, 601)) + 602] * 40
    assert len(list(kept.glob("*.json"))) == 1
    assert generation(kept).name.removeprefix(f"{entry(kept).stem}-") in entry(kept).read_text()


def test_a_process_waits_for_another_that_parses_and_takes_what_it_made(source: Path, kept: Path) -> None:
    kept.mkdir(parents=True)
    place = cache._place(kept, source)
    waited = []

    def wait(done: int, rows: int) -> None:
        """What is called while waiting: the other process has made the entry, and lets go."""
        if not waited:
            waited.append(done)
            lock.__exit__(None, None, None)

    opened(source, kept)
    made = generation(kept)
    entry(kept).rename(hidden := kept / "hidden")
    lock = cache._locked(place, lambda: None)
    lock.__enter__()
    hidden.rename(place.with_suffix(".json"))
    assert cache.stored(kept, source, wait).findings.rows == 601
    assert waited == [0]
    assert generation(kept) == made


@pytest.mark.parametrize("keeps", [True, False])
def test_several_files_are_parsed_in_processes(
    tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, keeps: bool
) -> None:
    monkeypatch.setattr(reading, "_WORTH_PROCESSES", 0)
    names = {201: ".csv", 1: ".csv.gz", 101: ".zip"}
    paths = [written(tmp_path / f"{first}{suffix}", aggregates(first, 100)) for first, suffix in names.items()]
    told = []
    tape = load("ETHUSDT", paths, cache=kept if keeps else None, jobs=2, progress=told.append)
    assert ids(tape) == list(range(1, 301))
    assert tape.warnings == ()
    total = sum(path.stat().st_size for path in paths)
    assert (told[-1].done, told[-1].total, told[-1].rows) == (total, total, 300)
    assert len(list(tmp_path.glob("cache/tapes/*.json"))) == 3 * keeps


@pytest.mark.skipif(
    not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="this kernel does not tell children"
)
@pytest.mark.parametrize("killed", [signal.SIGKILL, signal.SIGINT])
def test_processes_end_with_the_one_that_began_them(tmp_path: Path, kept: Path, killed: signal.Signals) -> None:
    """They are held by the lock of a source meanwhile."""
    paths = [written(tmp_path / f"{first}.csv", trades(first, 100)) for first in (1, 101)]
    kept.mkdir(parents=True)
    program = tmp_path / "program.py"
    program.write_text(
        "import sys; from pathlib import Path; from naived.backtest import reading, tape\n"
        "if __name__ == '__main__':\n"
        "    reading._WORTH_PROCESSES = 0\n"
        "    tape.load('ETHUSDT', [*map(Path, sys.argv[2:])], cache=Path(sys.argv[1]), jobs=2)\n"
    )
    with cache._locked(cache._place(kept, paths[0]), print), cache._locked(cache._place(kept, paths[1]), print):
        started = subprocess.Popen([sys.executable, program, kept, *paths], stderr=subprocess.DEVNULL)
        try:
            until(lambda: len(_children(started.pid)) >= 3)  # two that parse, one that Python keeps beside them
            children = _children(started.pid)
            started.send_signal(killed)
            assert started.wait(timeout=PATIENCE) != 0
            until(lambda: not any(map(_is_alive, children)))
        finally:
            started.kill()
    assert [path.suffix for path in kept.iterdir()] == [".lock", ".lock"]


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except FileNotFoundError:
        return []


def _is_alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_error_in_a_process_is_the_error_of_its_file(
    tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_WORTH_PROCESSES", 0)
    paths = [written(tmp_path / f"{first}.csv", trades(first, 100)) for first in (1, 101)]
    paths[1].write_text(paths[1].read_text() + "x\n")
    with pytest.raises(TapeError, match=r"101.csv, line 101: its columns are 1"):
        load("ETHUSDT", paths, cache=kept, jobs=2)
