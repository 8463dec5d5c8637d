"""Rows that are missing, there twice, out of order or withdrawn, as they were published."""

from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naived.backtest import parse, source
from naived.backtest.tape import Tape, TapeError, load
from tests.support.tapes import START, Row, aggregates, ids, trades, written

AGAIN = "; download the file again, or remove the line"


@pytest.fixture(params=[1 << 19, 300], ids=["at once", "in pieces"])
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both within what is read at once and across its edges."""
    monkeypatch.setattr(source, "PIECE", request.param)
    monkeypatch.setattr(parse, "_AT_ONCE", 7 if request.param == 300 else 1 << 16)


def tape(tmp_path: Path, rows: list[Row], cache: Path | None = None) -> Tape:
    return load("ETHUSDT", [written(tmp_path / "tape.csv", rows)], cache=cache)


def error(tmp_path: Path, rows: list[Row]) -> str:
    with pytest.raises(TapeError) as caught:
        tape(tmp_path, rows)
    return str(caught.value).removeprefix(f"{tmp_path / 'tape.csv'}")


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("rows", [trades, aggregates])
def test_missing_rows_are_counted(tmp_path: Path, rows: type) -> None:
    read = tape(tmp_path, [row for row in rows(1, 60) if row.id not in (5, 6, 20, 41, 42, 43)])
    missing = 12 if rows is aggregates else 6
    assert read.warnings == (f"tape.csv: 3 gaps, {missing} trades are missing, the first after id 4",)
    assert read.length == 54


@pytest.mark.usefixtures("piece")
def test_a_gap_between_trades_of_aggregates_is_found_by_what_they_add_up(tmp_path: Path) -> None:
    rows = [replace(row, trades=(2 * row.id + (row.id > 30), 2 * row.id + 1)) for row in aggregates(1, 31)]
    assert tape(tmp_path, rows).warnings == ("tape.csv: 1 gap, 1 trade is missing, the first after id 30",)


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("rows", [trades, aggregates])
@pytest.mark.parametrize("times", [2, 3])
def test_a_row_that_is_there_more_than_once_counts_once(tmp_path: Path, rows: type, times: int) -> None:
    read = tape(tmp_path, [row for row in rows(1, 40) for _ in range(times if 10 < row.id < 31 else 1)])
    assert ids(read) == list(range(1, 41))
    assert read.warnings == (f"tape.csv: {20 * (times - 1)} rows with trades that were there before, dropped",)


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("change", [{"price": 1}, {"quantity": 1}, {"time": START + 8}])
def test_two_different_rows_with_one_id_are_an_error(tmp_path: Path, change: dict[str, int]) -> None:
    rows = trades(1, 20)
    rows.insert(9, replace(rows[8], **change))
    assert error(tmp_path, rows) == f", line 10: id 9 is there twice, with different contents{AGAIN}"


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("rows", [trades, aggregates])
def test_a_month_whose_halves_are_interleaved_is_sorted(tmp_path: Path, rows: type) -> None:
    halves = rows(1, 40)
    mixed = list(chain.from_iterable(zip(halves[:20], halves[20:], strict=True)))
    for cache in (None, tmp_path / "cache"):
        read = tape(tmp_path, mixed, cache)
        assert ids(read) == list(range(1, 41))
        assert read.parts[0].prices.tolist() == [row.price for row in halves]
        assert read.warnings == ("tape.csv: 19 rows behind a higher id, sorted",)
    assert not list((tmp_path / "cache").glob("*/scratch*"))


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("rows", [trades, aggregates])
def test_rows_out_of_order_are_checked_as_others_are(tmp_path: Path, rows: type) -> None:
    backwards = rows(1, 40)[::-1]
    backwards.insert(5, backwards[5])
    del backwards[20:22]
    read = tape(tmp_path, backwards)
    assert sorted(ids(read)) == ids(read) == [n for n in range(1, 41) if n not in (20, 21)]
    missing = 4 if rows is aggregates else 2
    assert read.warnings == (
        f"tape.csv: 1 gap, {missing} trades are missing, the first after id 19",
        "tape.csv: 1 row with trades that were there before, dropped",
        "tape.csv: 38 rows behind a higher id, sorted",
    )


@pytest.mark.usefixtures("piece")
def test_ids_and_times_that_contradict_each_other_are_an_error(tmp_path: Path) -> None:
    rows = trades(1, 20)
    rows[9] = replace(rows[9], time=rows[8].time - 1)
    assert error(tmp_path, rows) == f", line 10: the time of id 10 is before that of the id before it{AGAIN}"
    assert error(tmp_path, rows[::-1]) == f": the time of id 10 is before that of the id before it{AGAIN}"


@pytest.mark.usefixtures("piece")
def test_two_different_rows_with_one_id_are_an_error_in_a_file_out_of_order(tmp_path: Path) -> None:
    rows = trades(1, 20)[::-1]
    rows.append(replace(rows[3], price=1))
    assert error(tmp_path, rows) == f": id 17 is there twice, with different contents{AGAIN}"


@pytest.mark.usefixtures("piece")
def test_an_aggregate_that_the_exchange_withdrew_is_no_trade_and_no_gap(tmp_path: Path) -> None:
    """Marked so in April 2022; their times are those of the trades that they once repeated."""
    rows = aggregates(1, 40)
    for place in (0, 10, 11, 39):
        rows.insert(place, Row(0, 0, 0, START, (-1, -1)))
    rows = [replace(row, id=number) for number, row in enumerate(rows)]
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        read = tape(tmp_path, rows, cache)
        assert ids(read) == [row.id for row in rows if row.price]
        assert read.warnings == ("tape.csv: 4 rows that the exchange marked as invalid, dropped",)


@pytest.mark.usefixtures("piece")
def test_an_aggregate_that_repeats_trades_of_earlier_ones_is_dropped(tmp_path: Path) -> None:
    """Published so before April 2022, under a new id and with the time of then."""
    rows = aggregates(1, 40)
    rows.insert(20, replace(rows[17], id=0))
    rows.insert(21, replace(rows[18], id=0))
    rows = [replace(row, id=number) for number, row in enumerate(rows)]
    read = tape(tmp_path, rows)
    assert ids(read) == [number for number in range(42) if number not in (20, 21)]
    assert read.warnings == ("tape.csv: 2 rows with trades that were there before, dropped",)


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("span", [(39, 41), (40, 39), (-1, 41), (-1, -1), (60, 50)])
def test_aggregates_that_do_not_follow_each_other_are_an_error(tmp_path: Path, span: tuple[int, int]) -> None:
    rows = aggregates(1, 40)
    rows[19] = replace(rows[19], trades=span)
    said = error(tmp_path, rows)
    assert said.startswith(", line 20: trades ") or said.startswith(", line 21: trades ")
    assert said.endswith(f"do not follow the trades of the row before{AGAIN}")


@pytest.mark.usefixtures("piece")
@pytest.mark.parametrize("ordered", [True, False])
def test_other_trades_under_the_id_of_the_row_before_are_kept(tmp_path: Path, ordered: bool) -> None:
    """Published so for ZILBTC at the end of February 2021."""
    rows = [replace(row, id=row.id - (row.id > 20)) for row in aggregates(1, 40)]
    if not ordered:
        rows = rows[30:] + rows[:30]
    read = tape(tmp_path, rows)
    assert ids(read) == [*range(1, 21), *range(20, 40)]
    assert read.parts[0].prices.tolist() == [row.price for row in aggregates(1, 40)]
    assert read.warnings[-1] == "tape.csv: 1 row with the id of another and other trades, kept"
    assert len(read.warnings) == (1 if ordered else 2)


def test_a_file_of_nothing_but_withdrawn_rows_has_no_trades(tmp_path: Path) -> None:
    assert "has no trades" in error(tmp_path, [Row(1, 0, 0, START, (-1, -1))])


@given(
    order=st.permutations(range(12)),
    copies=st.lists(st.integers(0, 11), max_size=6),
    kind=st.sampled_from([trades, aggregates]),
    piece=st.sampled_from([100, 500, 5000]),
)
@settings(deadline=None, max_examples=60)
def test_any_order_with_any_copies_is_the_same_tape(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], copies: list[int], kind: type, piece: int
) -> None:
    rows = kind(1, 12)
    for copy in copies:
        order.insert(copy, copy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "PIECE", piece)
        read = tape(tmp_path_factory.mktemp("tape"), [rows[number] for number in order])
    (part,) = read.parts
    assert part.ids.tolist() == [row.id for row in rows]
    assert part.prices.tolist() == [row.price for row in rows]
    assert part.times.tolist() == [row.time for row in rows]
    dropped = [line for line in read.warnings if line.endswith("dropped")]
    assert bool(dropped) == bool(copies)
    assert not copies or f" {len(copies)} row" in dropped[0]
