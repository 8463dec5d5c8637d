import gzip
import zipfile
from itertools import islice
from pathlib import Path

import pytest

from naived.core.amount import format_amount
from naived.simulator.errors import TapeError
from naived.simulator.tape import Print, read
from tests.simulator_values import DATA

TRADES = "1,2683.80,0.002,5.3676,1723161255611,True,True\n2,2683.81,0.5,1341.9,1723161255711,False,True\n"
AGGREGATES = "1,2683.80,0.002,7,9,1723161255611,True,True\n2,2683.81,0.5,10,10,1723161255711,False,True\n"
EXPECTED = [("2683.8", "0.002", 1723161255611000, True), ("2683.81", "0.5", 1723161255711000, False)]


def plain(trades: list[Print]) -> list[tuple[str, str, int, bool]]:
    return [(format_amount(t.price), format_amount(t.quantity), t.time, t.buyer_is_maker) for t in trades]


@pytest.mark.parametrize(
    "text",
    [
        TRADES,
        AGGREGATES,
        "id,price,qty,quote_qty,time,is_buyer_maker,is_best_match\n" + TRADES,
        "agg_trade_id,price,quantity,first,last,transact_time,is_buyer_maker,best\n" + AGGREGATES,
        TRADES.replace("1723161255611", "1723161255611000").replace("1723161255711", "1723161255711000"),
        TRADES.replace("True", "true").replace("False", "false").replace("\n", "\r\n"),
    ],
)
def test_both_layouts_are_told_apart_with_or_without_header_in_ms_or_us(tmp_path: Path, text: str) -> None:
    (tmp_path / "tape.csv").write_text(text, newline="")
    assert plain(list(read(tmp_path / "tape.csv"))) == EXPECTED


def test_a_tape_may_be_compressed(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "tape.csv.gz", "wt") as file:
        file.write(TRADES)
    with zipfile.ZipFile(tmp_path / "tape.zip", "w") as archive:
        archive.writestr("ETHUSDT-trades-2024-08-08.csv", TRADES)
    assert plain(list(read(tmp_path / "tape.csv.gz"))) == EXPECTED
    assert plain(list(read(tmp_path / "tape.zip"))) == EXPECTED


def test_a_looped_tape_goes_on_in_time(tmp_path: Path) -> None:
    (tmp_path / "tape.csv").write_text(TRADES)
    times = [trade.time for trade in islice(read(tmp_path / "tape.csv", loop=True), 5)]
    begin = 1723161255611000
    assert times == [begin, begin + 100_000, begin + 100_000, begin + 200_000, begin + 200_000]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has no trades"),
        (TRADES + "3,x,1,1,1723161255811,True,True\n", r"line 3: 'x' is not a plain decimal"),
        (TRADES + "3,1,1\n", "line 3: 3 columns"),
        (TRADES + "3,1,1,1,soon,True,True\n", "line 3: 'soon' is not a time"),
        (TRADES + "3,1,1,1,1723161255811,maybe,True\n", "line 3: 'maybe' is neither"),
        (TRADES + "3,1,1,1,1723161255000,True,True\n", "line 3: the time goes back"),
        (TRADES + "3,1.123456789,1,1,1723161255811,True,True\n", "line 3: .*more than 8 decimals"),
    ],
)
def test_a_bad_tape_names_the_file_and_the_line(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "tape.csv").write_text(text)
    with pytest.raises(TapeError, match=rf"tape\.csv.*{complaint}"):
        list(read(tmp_path / "tape.csv"))


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(TRADES.encode())[:-12])
    (tmp_path / "no.zip").write_bytes(b"PK nothing")
    (tmp_path / "tape.txt").write_text(TRADES)
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", TRADES)
        archive.writestr("b.csv", TRADES)
    for name in ("cut.csv.gz", "no.zip", "tape.txt", "two.zip", "missing.csv"):
        with pytest.raises(TapeError, match=name):
            list(read(tmp_path / name))


def test_the_recorded_tape_is_read_whole_and_in_order() -> None:
    path = DATA / "ETHUSDT-trades-2024-08-08.csv"
    if not path.exists():
        pytest.skip(f"no recording at {path}")
    trades = list(read(path))
    assert len(trades) == 6106
    assert format_amount(sum(trade.quantity for trade in trades)) == "2261.3149"
    assert format_amount(min(trade.price for trade in trades)) == "2679"
    assert format_amount(max(trade.price for trade in trades)) == "2685.37"
    assert sum(trade.buyer_is_maker for trade in trades) == 2875
    assert sum(trade.time == 1723161588721000 for trade in trades) == 219
