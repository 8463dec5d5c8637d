"""Several files of one tape: what lies between them, and what two of them both have."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naived.backtest.tape import BLOCK, Tape, TapeError, load
from tests.support.tapes import Row, aggregates, ids, trades, written


def tape(folder: Path, *files: list[Row]) -> Tape:
    paths = [written(folder / f"{name}.csv", rows) for name, rows in zip("abcdefgh", files, strict=False)]
    return load("ETHUSDT", paths, cache=None)


def error(folder: Path, *files: list[Row]) -> str:
    with pytest.raises(TapeError) as caught:
        tape(folder, *files)
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize("rows", [trades, aggregates])
def test_trades_that_are_missing_between_two_files_are_counted(tmp_path: Path, rows: type) -> None:
    read = tape(tmp_path, rows(21, 10), rows(1, 10), rows(31, 5))
    missing = 20 if rows is aggregates else 10
    assert read.warnings == (f"b.csv, a.csv: between them {missing} trades are missing, after id 10",)


def test_trades_and_aggregates_are_not_mixed(tmp_path: Path) -> None:
    said = error(tmp_path, trades(1, 10), aggregates(11, 10))
    assert said == "a.csv is a file of trades, b.csv one of aggTrades; take one kind: an aggregate adds up trades"


@pytest.mark.parametrize("rows", [trades, aggregates])
def test_what_two_files_both_have_counts_once(tmp_path: Path, rows: type) -> None:
    read = tape(tmp_path, rows(1, 600), rows(301, 700))
    assert ids(read) == list(range(1, 1001))
    assert read.warnings == ("b.csv: 300 rows that a.csv has too, dropped",)
    rest = read.parts[1]
    assert rest.low.tolist() == [rest.prices[:BLOCK].min(), rest.prices[BLOCK:].min()]
    assert rest.high.tolist() == [rest.prices[:BLOCK].max(), rest.prices[BLOCK:].max()]


def test_days_within_their_month_count_once(tmp_path: Path) -> None:
    read = tape(tmp_path, trades(1, 100), trades(1, 30), trades(31, 30), trades(71, 30), trades(101, 1))
    assert [part.source.name for part in read.parts] == ["a.csv", "e.csv"]
    assert ids(read) == list(range(1, 102))
    assert read.warnings == (
        "b.csv: 30 rows that a.csv has too, dropped",
        "c.csv: 30 rows that a.csv has too, dropped",
        "d.csv: 30 rows that a.csv has too, dropped",
    )


@pytest.mark.parametrize("change", [{"price": 1}, {"quantity": 1}, {"time": trades(1, 1)[0].time}])
def test_what_two_files_have_differently_is_an_error(tmp_path: Path, change: dict[str, int]) -> None:
    other = trades(5, 10)
    other[3] = replace(other[3], **change)
    if "time" in change:
        other[:4] = [replace(row, **change) for row in other[:4]]
    number = 5 if "time" in change else 8
    assert error(tmp_path, trades(1, 10), other).startswith(
        f"a.csv and b.csv both have id {number}, with different"
    )


@pytest.mark.parametrize("rows", [trades, aggregates])
def test_a_day_fills_the_gap_of_its_month(tmp_path: Path, rows: type) -> None:
    """A month that was published without the second half of a day, and that day as it was published later."""
    month = [row for row in rows(1, 600) if not 200 <= row.id < 400]
    read = tape(tmp_path, month, rows(150, 250))
    (part,) = read.parts
    assert part.ids.tolist() == list(range(1, 601))
    assert part.prices.tolist() == [row.price for row in rows(1, 600)]
    assert part.low.tolist() == [part.prices[at : at + BLOCK].min() for at in range(0, 600, BLOCK)]
    assert read.warnings[1:] == (
        "b.csv: 50 rows that a.csv has too, dropped",
        "b.csv: 200 rows put into gaps of a.csv",
    )
    with pytest.raises(ValueError, match="read-only"):
        part.prices[0] = 1


def test_the_tick_is_that_of_all_prices(tmp_path: Path) -> None:
    month = [row for row in trades(1, 20) if row.id != 10]
    fine = replace(trades(10, 1)[0], price=268_380_500_000)
    assert tape(tmp_path, month).parts[0].tick == 1_000_000
    assert tape(tmp_path, month, [fine]).parts[0].tick == 500_000


def test_what_fills_a_gap_at_another_time_is_an_error(tmp_path: Path) -> None:
    month = [row for row in trades(1, 20) if row.id != 10]
    late = replace(trades(10, 1)[0], time=trades(15, 1)[0].time)
    assert "gaps of a.csv have other times" in error(tmp_path, month, [late])


def test_files_whose_ids_and_times_contradict_each_other_are_an_error(tmp_path: Path) -> None:
    other = [replace(row, id=row.id + 1000) for row in trades(1, 10)]
    said = error(tmp_path, trades(5, 10), other)
    assert said.startswith("b.csv has higher ids than a.csv and earlier times; are both files of one symbol?")


def test_aggregates_that_begin_with_trades_of_the_file_before_are_an_error(tmp_path: Path) -> None:
    later = [
        replace(row, trades=(row.trades[0] - 2, row.trades[1] - 2)) for row in aggregates(11, 10) if row.trades
    ]
    assert error(tmp_path, aggregates(1, 10), later).startswith(
        "b.csv begins with trade 20, but a.csv ends with trade 21"
    )


def test_other_trades_under_the_last_id_of_the_day_before_are_kept(tmp_path: Path) -> None:
    """Published so for ZILBTC at the end of February 2021."""
    later = [replace(row, id=row.id - 1) for row in aggregates(11, 10)]
    read = tape(tmp_path, aggregates(1, 10), later)
    assert ids(read) == [*range(1, 11), *range(10, 20)]
    assert read.warnings == ("b.csv: 1 row with the id of another and other trades, kept",)


@given(
    files=st.lists(st.sets(st.integers(1, 20), min_size=1), min_size=1, max_size=5),
    kind=st.sampled_from([trades, aggregates]),
)
@settings(deadline=None, max_examples=60)
def test_any_files_together_have_what_each_has(
    tmp_path_factory: pytest.TempPathFactory, files: list[set[int]], kind: type
) -> None:
    rows = {row.id: row for row in kind(1, 20)}
    read = tape(tmp_path_factory.mktemp("tape"), *([rows[n] for n in sorted(file)] for file in files))
    expected = sorted(set().union(*files))
    assert ids(read) == expected
    assert [price for part in read.parts for price in part.prices.tolist()] == [rows[n].price for n in expected]
    for part in read.parts:
        assert (part.low.min(), part.high.max()) == (part.prices.min(), part.prices.max())
