"""Layouts, and what is wrong with single lines."""

import gzip
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naived.backtest import source
from naived.backtest.tape import TapeError, load
from naived.simulator.tape import read
from tests.support.tapes import START, Row, aggregates, ids, trades, written

HEADERS = {
    trades: "id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch",
    aggregates: "id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker,is_best_match",
}
THREE = "".join(map(str, trades(1, 3)))
MANY = 200  # rows: more than are read at once in these tests


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "PIECE", 4096)


def refused(path: Path) -> str:
    with pytest.raises(TapeError) as caught:
        load("ETHUSDT", [path], cache=None)
    return str(caught.value)


def error(tmp_path: Path, text: str | bytes) -> str:
    """What is said of a file with this text, without its name."""
    path = written(tmp_path / "tape.csv", text)
    return refused(path).removeprefix(str(path)).removeprefix(", ")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(THREE, id="plain"),
        pytest.param(THREE.rstrip("\n"), id="no newline at the end"),
        pytest.param(THREE.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(THREE.replace("\n", "\r\n").rstrip("\n"), id="CRLF, but for the last"),
        pytest.param("\n\n" + THREE.replace("\n", "\n\n\n"), id="empty lines"),
        pytest.param("\r\n" + THREE.replace("\n", "\r\n\r\n"), id="empty lines, CRLF"),
        pytest.param(HEADERS[trades] + "\n" + THREE, id="header"),
        pytest.param("\ufeff" + HEADERS[trades] + "\r\n" + THREE, id="byte order mark and header"),
        pytest.param("\ufeff" + THREE, id="byte order mark"),
        pytest.param(THREE.replace("True", "true"), id="lower case"),
        pytest.param(THREE.replace("000000,", ","), id="few decimals"),
        pytest.param(THREE.replace("0,5.", "00,5."), id="a ninth decimal that is zero"),
        pytest.param(THREE.replace("\n1", "\n0001"), id="leading zeros"),
    ],
)
def test_a_file_is_read_in_all_its_forms(tmp_path: Path, text: str) -> None:
    tape = load("ETHUSDT", [written(tmp_path / "tape.csv", text)], cache=None)
    (part,) = tape.parts
    assert ids(tape) == [1, 2, 3]
    assert part.prices.tolist() == [row.price for row in trades(1, 3)]
    assert part.quantities.tolist() == [row.quantity for row in trades(1, 3)]
    assert part.times.tolist() == [row.time for row in trades(1, 3)]


@given(
    rows=st.lists(
        st.tuples(st.integers(1, 10**12), st.integers(1, 10**17), st.integers(0, 10**7)),
        min_size=1,
        max_size=20,
    ),
    kind=st.sampled_from([trades, aggregates]),
    first=st.integers(0, 2**62),
    header=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
    last=st.booleans(),
    flag=st.sampled_from(["True", "true", "False"]),
    microseconds=st.sampled_from([1, 1000]),
    suffix=st.sampled_from([".csv", ".csv.gz", ".zip"]),
    piece=st.sampled_from([50, 333, 5000]),
)
@settings(deadline=None, max_examples=60)
def test_what_is_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, int, int]],
    kind: type,
    first: int,
    header: bool,
    end: str,
    last: bool,
    flag: str,
    microseconds: int,
    suffix: str,
    piece: int,
) -> None:
    lines, expected, time = [], [], START
    for number, (price, quantity, pause) in enumerate(rows, start=first):
        time += pause
        expected.append((number, price, quantity, time))
        stamp = time if microseconds == 1 else time * 1000 + 999
        span = (number, number) if kind is aggregates else None
        lines.append(str(Row(number, price, quantity, stamp, span)).rstrip("\n").replace("True", flag))
    text = end.join([HEADERS[kind]] * header + lines) + end * last
    path = written(tmp_path_factory.mktemp("tape") / f"tape{suffix}", text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "PIECE", piece)
        (part,) = load("ETHUSDT", [path], cache=None).parts
    columns = (part.ids, part.prices, part.quantities, part.times)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
    by_simulator = [(trade.price, trade.quantity, trade.time // 1000) for trade in read(path)]
    assert by_simulator == [row[1:] for row in expected]


def test_milliseconds_and_microseconds_may_be_mixed(tmp_path: Path) -> None:
    rows = [Row(1, time=START), Row(2, time=START * 1000 + 1999), Row(3, time=START + 1)]
    (part,) = load("ETHUSDT", [written(tmp_path / "tape.csv", rows)], cache=None).parts
    assert part.times.tolist() == [START, START + 1, START + 1]


@pytest.mark.parametrize(
    ("field", "text", "why"),
    [
        (0, "x", "'x' is not a number of 64 bits"),
        (0, "-5", "'-5' is not a number of 64 bits"),
        (0, "9223372036854775808", "is not a number of 64 bits"),
        (1, "", "'' is not a plain decimal"),
        (1, "1e5", "'1e5' is not a plain decimal"),
        (1, '"2683.8"', "is not a plain decimal"),
        (1, "2683.123456789", "has more than 8 decimals"),
        (1, "0", "a price of 0 and a quantity of 0.002 are no trade"),
        (1, "0.00000000", "a price of 0 and a quantity of 0.002 are no trade"),
        (1, "-1", "'-1' is not a plain decimal"),
        (1, "92233720368.54775808", "92233720368.54775808 is more than 64 bits hold"),
        (2, "0.00000000", "and a quantity of 0 are no trade"),
        (2, "nan", "'nan' is not a plain decimal"),
        (4, "1723161255", "the time 1723161255 is not between 2010 and 2100"),
        (4, "1262303999999", "the time 1262303999999 is not between 2010 and 2100"),
        (4, "4102444800000", "the time 4102444800000 is not between 2010 and 2100"),
        (4, "1723161255611000000", "the time 1723161255611000000 is not between 2010 and 2100"),
        (4, "", "'' is not a number of 64 bits"),
        (5, "1", "'1' is neither True nor False"),
        (6, "", "'' is neither True nor False"),
        (6, "True,", "its columns are 8, those of the first row 7"),
    ],
)
@pytest.mark.parametrize("line", [2, MANY - 1])
def test_a_bad_field_is_an_error_that_names_its_line(
    tmp_path: Path, field: int, text: str, why: str, line: int
) -> None:
    rows = [str(row).rstrip("\n") for row in trades(1, MANY)]
    fields = rows[line - 1].split(",")
    fields[field] = text
    rows[line - 1] = ",".join(fields)
    said = error(tmp_path, "\n".join(rows) + "\n")
    assert said.startswith(f"line {line}: ")
    assert why in said
    assert said.endswith("; download the file again, or remove the line")


def test_nothing_but_empty_lines_may_be_between_two_rows(tmp_path: Path) -> None:
    text = THREE + "\n" * 10_000 + str(Row(4, time=START + 9)) + "\n" * 10_000
    assert ids(load("ETHUSDT", [written(tmp_path / "tape.csv", text)], cache=None)) == [1, 2, 3, 4]
    assert error(tmp_path, text + "5,\n").startswith("line 20005: ")


def test_a_line_is_counted_with_the_header_and_the_empty_ones(tmp_path: Path) -> None:
    rows = [str(row) for row in trades(1, MANY)]
    rows[MANY - 2] = rows[MANY - 2].replace("True", "maybe")
    assert error(tmp_path, f"\n{HEADERS[trades]}\n\r\n\n{''.join(rows)}").startswith(f"line {MANY + 3}: 'maybe'")
    rows[100] = "\n" + rows[100]
    assert error(tmp_path, f"\n{HEADERS[trades]}\n\r\n\n{''.join(rows)}").startswith(f"line {MANY + 4}: 'maybe'")


def test_the_largest_price_and_id_are_read(tmp_path: Path) -> None:
    rows = [Row(2**63 - 2), Row(2**63 - 1, price=2**63 - 1, quantity=2**63 - 1)]
    (part,) = load("ETHUSDT", [written(tmp_path / "tape.csv", rows)], cache=None).parts
    assert (part.ids[-1], part.prices[-1], part.quantities[-1]) == (2**63 - 1,) * 3


@pytest.mark.parametrize("cut", range(1, len(str(trades(3, 1)[0]))))
def test_a_last_line_that_is_cut_off_is_an_error_that_names_it(tmp_path: Path, cut: int) -> None:
    text = THREE[:-cut]
    if cut == 1:  # only the newline is missing
        assert load("ETHUSDT", [written(tmp_path / "tape.csv", text)], cache=None).length == 3
    else:
        assert error(tmp_path, text).startswith("line 3: the file ends within the line (")


@pytest.mark.parametrize("rows", [trades, aggregates])
def test_a_gz_that_is_cut_off_is_an_error(tmp_path: Path, rows: type) -> None:
    whole = gzip.compress("".join(map(str, rows(1, MANY))).encode())
    for size in (12, len(whole) // 2, len(whole) - 1):
        path = tmp_path / "tape.csv.gz"
        path.write_bytes(whole[:size])
        said = refused(path)
        assert "cut off; download it again" in said
        assert (size == 12) != ("after line " in said)


def test_a_zip_that_is_cut_off_or_damaged_is_an_error(tmp_path: Path) -> None:
    whole = written(tmp_path / "tape.zip", trades(1, MANY)).read_bytes()
    for size in (12, len(whole) // 2, len(whole) - 1):
        (tmp_path / "tape.zip").write_bytes(whole[:size])
        assert "File is not a zip file; download it again" in refused(tmp_path / "tape.zip")
    stored = tmp_path / "stored.zip"
    with zipfile.ZipFile(stored, "w") as archive:
        archive.writestr("tape.csv", THREE)
    stored.write_bytes(stored.read_bytes().replace(b"2683.8", b"2683.9", 1))
    assert "Bad CRC-32" in refused(stored)


def test_what_is_no_zip_and_no_gz_is_an_error(tmp_path: Path) -> None:
    page = b"<Error><Code>NoSuchKey</Code></Error>"
    for name in ("tape.zip", "tape.csv.gz"):
        (tmp_path / name).write_bytes(page)
        assert "it is damaged or cut off" in refused(tmp_path / name)


def test_several_gz_in_one_file_and_zeros_behind_them_are_read(tmp_path: Path) -> None:
    path = tmp_path / "tape.csv.gz"
    path.write_bytes(gzip.compress(THREE[:50].encode()) + gzip.compress(THREE[50:].encode()) + bytes(512))
    assert load("ETHUSDT", [path], cache=None).length == 3
    path.write_bytes(gzip.compress(THREE.encode()) + b"more")
    assert "after line 3: it is damaged" in refused(path)


def test_a_zip_has_one_table(tmp_path: Path) -> None:
    path = tmp_path / "tape.zip"
    for names, count in (({"a.csv", "b.csv"}, 2), ({"a.txt"}, 0)):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, THREE)
        assert f"it holds {count} .csv files, not one; unpack it" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:  # as macOS packs a file
        archive.writestr("ETHUSDT-trades-2024-08.csv", THREE)
        archive.writestr("__MACOSX/._ETHUSDT-trades-2024-08.csv", "resource fork")
    assert load("ETHUSDT", [path], cache=None).length == 3


@pytest.mark.parametrize("text", ["", "\n\r\n\n", HEADERS[trades], HEADERS[aggregates] + "\n", "Not Found\n"])
def test_a_file_without_rows_is_an_error(tmp_path: Path, text: str) -> None:
    assert error(tmp_path, text) == " has no trades; download it again, or leave it out"
    assert "has no trades" in refused(written(tmp_path / "tape.zip", text))
    assert "has no trades" in refused(written(tmp_path / "tape.csv.gz", text))
    (tmp_path / "nothing.csv.gz").write_bytes(b"")
    assert "has no trades" in refused(tmp_path / "nothing.csv.gz")


def test_a_file_of_futures_is_refused_as_such(tmp_path: Path) -> None:
    futures = "it looks like a file of futures; naived trades spot"
    assert futures in error(tmp_path, "1,2683.80,0.002,5.3676,1723161255611,true\n")
    header = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
    assert futures in error(tmp_path, header + "1,2683.80,0.002,7,9,1723161255611,true\n")


def test_what_is_no_table_is_an_error(tmp_path: Path) -> None:
    assert error(tmp_path, "<html>\n").startswith("line 1: its columns are 1, neither 7 (trades) nor 8 (aggTrades)")
    assert "there are no lines" in error(tmp_path, b"1" * 1_000_000)
    assert "line 4: its columns are 8" in error(tmp_path, THREE + str(aggregates(4, 1)[0]))
    assert "line 4: 'id' is not a number" in error(tmp_path, f"{THREE}{HEADERS[trades]}\n{THREE}")
    assert "line 4: '\\x00ÿ' is not a number" in error(tmp_path, THREE.encode() + b"\0\xff,".ljust(8, b",") + b"\n")
