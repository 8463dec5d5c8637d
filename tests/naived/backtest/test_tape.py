import gzip
import zipfile
from pathlib import Path

import pytest

from naived.backtest.tape import BLOCK, TapeError, load
from naived.simulator.tape import read
from tests.support.simulator import DATA

RECORDED = DATA / "ETHUSDT-trades-2024-08-08.csv"


def trades(first: int, count: int, *, time: int = 1723161255611) -> str:
    """Rows of single trades with rising ids and times."""
    return "".join(
        f"{n},{2683 + n % 7}.8{n % 10},0.002,5.3676,{time + n},True,True\n" for n in range(first, first + count)
    )


def written(path: Path, text: str) -> Path:
    """A file of this text, packed as its name says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(path.stem + ".csv", text)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".zip"])
def test_a_file_is_read_as_the_simulator_reads_it(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"ETHUSDT-trades-2024-08{suffix}", trades(1, 1000))
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


def test_files_in_any_order_are_put_in_the_order_of_their_ids(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{n}.csv", trades(n, 10)) for n in (21, 1, 11)]
    tape = load("ETHUSDT", paths, cache=None)
    assert [part.source.name for part in tape.parts] == ["1.csv", "11.csv", "21.csv"]
    assert tape.warnings == ()


def test_a_file_of_another_symbol_is_refused_by_its_name(tmp_path: Path) -> None:
    path = written(tmp_path / "BTCUSDT-trades-2024-08.csv", trades(1, 10))
    with pytest.raises(TapeError, match="has the name of BTCUSDT, not of ETHUSDT"):
        load("ETHUSDT", [path], cache=None)


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
