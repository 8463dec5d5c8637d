import os
from pathlib import Path

import pytest

from naived.backtest.tape import BLOCK, Progress, TapeError, cache_directory, load
from naived.simulator.tape import read
from tests.support.simulator import DATA
from tests.support.tapes import aggregates, ids, trades, written

RECORDED = DATA / "ETHUSDT-trades-2024-08-08.csv"


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".zip"])
@pytest.mark.parametrize("rows", [trades, aggregates])
def test_a_file_is_read_as_the_simulator_reads_it(tmp_path: Path, rows: type, suffix: str) -> None:
    path = written(tmp_path / f"ETHUSDT-trades-2024-08{suffix}", rows(1, 1000))
    (part,) = load("ETHUSDT", [path], cache=None).parts
    expected = list(read(path))
    assert part.ids.tolist() == list(range(1, 1001))
    assert part.prices.tolist() == [trade.price for trade in expected]
    assert part.quantities.tolist() == [trade.quantity for trade in expected]
    assert part.times.tolist() == [trade.time // 1000 for trade in expected]


def test_each_block_has_its_lowest_and_highest_price(tmp_path: Path) -> None:
    tape = load("ETHUSDT", [written(tmp_path / "tape.csv", trades(1, 2 * BLOCK + 3))], cache=None)
    (part,) = tape.parts
    blocks = [part.prices[begin : begin + BLOCK] for begin in (0, BLOCK, 2 * BLOCK)]
    assert part.low.tolist() == [block.min() for block in blocks]
    assert part.high.tolist() == [block.max() for block in blocks]
    assert (tape.length, part.tick) == (2 * BLOCK + 3, 1_000_000)


def test_no_column_can_be_changed(tmp_path: Path) -> None:
    path = written(tmp_path / "tape.csv", trades(1, 10))
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        (part,) = load("ETHUSDT", [path], cache=cache).parts
        for column in (part.ids, part.prices, part.quantities, part.times, part.low, part.high):
            with pytest.raises(ValueError, match="read-only"):
                column[0] = 1


def test_files_in_any_order_are_put_in_the_order_of_their_ids(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{n}.csv", trades(n, 10)) for n in (21, 1, 11)]
    tape = load("ETHUSDT", paths, cache=None)
    assert [part.source.name for part in tape.parts] == ["1.csv", "11.csv", "21.csv"]
    assert ids(tape) == list(range(1, 31))
    assert tape.warnings == ()


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTCUSDT-trades-2024-08.csv", "BTCUSDT"),
        ("BTCUSDT-aggTrades-2024-08-01.zip", "BTCUSDT"),
        ("ETHUSDTX-trades-2024-08.csv.gz", "ETHUSDTX"),
    ],
)
def test_a_file_of_another_symbol_is_refused_by_its_name(tmp_path: Path, name: str, symbol: str) -> None:
    path = written(tmp_path / name, trades(1, 10))
    with pytest.raises(TapeError, match=f"{name} has the name of {symbol}, not of ETHUSDT; leave it out"):
        load("ETHUSDT", [path], cache=None)


def test_a_zip_under_another_name_is_refused_by_the_name_of_what_is_in_it(tmp_path: Path) -> None:
    path = written(tmp_path / "BTCUSDT-trades-2024-08.zip", trades(1, 10)).rename(tmp_path / "tape.zip")
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        with pytest.raises(
            TapeError, match=r"tape.zip holds BTCUSDT-trades-2024-08.csv, which has the name of BTC"
        ):
            load("ETHUSDT", [path], cache=cache)
        assert load("BTCUSDT", [path], cache=cache).length == 10


@pytest.mark.parametrize("name", ["ethusdt-trades-2024-08.csv", "mine-trades.csv", "a-b-c.csv", "1.csv"])
def test_a_name_of_another_form_says_nothing_of_the_symbol(tmp_path: Path, name: str) -> None:
    assert load("ETHUSDT", [written(tmp_path / name, trades(1, 10))], cache=None).length == 10


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", trades(1, 10))
    (tmp_path / "b.csv").symlink_to(path)
    tape = load("ETHUSDT", [path, tmp_path / "b.csv"], cache=None)
    assert (tape.length, tape.warnings) == (10, ("b.csv: named twice, read once",))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none.csv", "there is no such file"),
        ("folder.csv", "it is a directory; name the files in it"),
        ("tape.txt", "it is neither .csv nor .csv.gz nor .zip"),
        ("secret.csv", "cannot be read: Permission denied"),
        ("circle.csv", "cannot be read: Too many levels of symbolic links"),
        ("n" * 300 + ".csv", "cannot be read: File name too long"),
        ("tape.txt/a.csv", "there is no such file"),
        ("pipe.csv", "it is a pipe or a device"),
    ],
)
def test_what_is_no_file_of_trades_is_refused_with_its_name(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "circle.csv").symlink_to(tmp_path / "circle.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    written(tmp_path / "tape.txt", trades(1, 10))
    secret = written(tmp_path / "secret.csv", trades(1, 10))
    secret.chmod(0)
    if name == "secret.csv" and _can_read(secret):
        pytest.skip("whoever runs the tests may read everything")
    with pytest.raises(TapeError, match=why) as caught:
        load("ETHUSDT", [tmp_path / name], cache=None)
    assert str(tmp_path / name) in str(caught.value)


def _can_read(path: Path) -> bool:
    try:
        path.read_bytes()
    except PermissionError:
        return False
    return True


def test_no_file_is_no_tape() -> None:
    with pytest.raises(TapeError, match="at least one file"):
        load("ETHUSDT", [], cache=None)


def test_progress_counts_bytes_and_rows_of_all_files(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{n}{suffix}", trades(n, 10)) for n, suffix in ((1, ".csv"), (11, ".zip"))]
    told: list[Progress] = []
    load("ETHUSDT", paths, cache=None, progress=told.append)
    total = sum(path.stat().st_size for path in paths)
    assert told[-1] == Progress(total, total, 20)
    assert told == sorted(told, key=lambda progress: progress.done)


def test_a_user_without_a_home_has_no_place_for_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 3)  # a user whom no list of users has
    with pytest.raises(TapeError, match="use --no-cache"):
        cache_directory()


def test_the_cache_is_where_caches_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "naived" / "tapes"
    monkeypatch.setenv("HOME", str(tmp_path))
    for unset in ("", "relative/path"):  # a relative path is to be ignored, says the specification
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert cache_directory() == tmp_path / ".cache" / "naived" / "tapes"


@pytest.mark.skipif(not RECORDED.exists(), reason=f"{RECORDED} is not there")
def test_the_recorded_tape_is_read_as_the_simulator_reads_it() -> None:
    tape = load("ETHUSDT", [RECORDED], cache=None)
    (part,) = tape.parts
    expected = list(read(RECORDED))
    assert (tape.length, tape.warnings, part.tick) == (6106, (), 1_000_000)
    assert part.ids.tolist() == list(range(1520538925, 1520545031))
    assert part.prices.tolist() == [trade.price for trade in expected]
    assert part.quantities.tolist() == [trade.quantity for trade in expected]
    assert part.times.tolist() == [trade.time // 1000 for trade in expected]
