import gzip
import zipfile
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import pytest
import trio
import trio.testing

from naived.core.amount import Price, Quantity, format_amount, parse_price
from naived.core.market import Filters
from naived.simulator.errors import TapeError
from naived.simulator.symbols import built_in_prices, load
from naived.simulator.tape import Pace, TapeTrade, read, walk
from tests.support.simulator import DATA

TRADES = "1,2683.80,0.002,5.3676,1723161255611,True,True\n2,2683.81,0.5,1341.9,1723161255711,False,True\n"
AGGREGATES = "1,2683.80,0.002,7,9,1723161255611,True,True\n2,2683.81,0.5,10,10,1723161255711,False,True\n"
EXPECTED = [("2683.8", "0.002", 1723161255611000, True), ("2683.81", "0.5", 1723161255711000, False)]


def plain(trades: list[TapeTrade]) -> list[tuple[str, str, int, bool]]:
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


SECOND = 1_000_000


def prints(*seconds: float) -> list[TapeTrade]:
    return [TapeTrade(Price(1), Quantity(1), 1_723_161_255 * SECOND + int(s * SECOND), False) for s in seconds]


async def never_crowded() -> None:
    """Readers that keep up."""


class Heard:
    """When each print was published, in seconds since the beginning."""

    def __init__(self) -> None:
        self.begun = trio.current_time()
        self.times: list[float] = []

    def __call__(self, trade: TapeTrade) -> None:
        self.times.append(round(trio.current_time() - self.begun, 3))


async def test_gaps_are_preserved_and_divided_by_the_speed(autojump_clock: trio.testing.MockClock) -> None:
    heard = Heard()
    await Pace(Fraction(10), held=False).run(iter(prints(0, 1, 1, 5)), heard, never_crowded)
    assert heard.times == [0, 0.1, 0.1, 0.5]


async def test_a_hold_publishes_nothing_and_shifts_all_that_follows(
    autojump_clock: trio.testing.MockClock,
) -> None:
    heard = Heard()
    pace = Pace(Fraction(1), held=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pace.run, iter(prints(0, 1, 2, 3)), heard, never_crowded)
        await trio.sleep(100)
        assert heard.times == []
        pace.play()
        await trio.sleep(1.5)
        pace.hold()
        pace.hold()
        await trio.sleep(98.5)
        pace.play()
    assert heard.times == [100, 101, 200, 201]


async def test_at_full_speed_nothing_waits_but_for_crowded_readers(
    autojump_clock: trio.testing.MockClock,
) -> None:
    heard = Heard()
    waits = iter([0.0, 2.0, 0.0])

    async def crowded() -> None:
        await trio.sleep(next(waits))

    await Pace(None, held=False).run(iter(prints(0, 1000, 2000)), heard, crowded)
    assert heard.times == [0, 2, 2]


async def test_at_full_speed_others_get_their_turn(autojump_clock: trio.testing.MockClock) -> None:
    published: list[TapeTrade] = []
    async with trio.open_nursery() as nursery:
        tape = iter(prints(*range(10_000)))
        nursery.start_soon(Pace(None, held=False).run, tape, published.append, never_crowded)
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        assert 0 < len(published) < 100
        nursery.cancel_scope.cancel()


LISTINGS = load(None)[0]


def trades(symbol: str, count: int, seed: int = 0) -> list[TapeTrade]:
    filters: Filters = LISTINGS[symbol].info.filters
    return list(islice(walk(symbol, built_in_prices()[symbol], filters, seed), count))


def test_the_same_seed_gives_the_same_walk_and_another_another() -> None:
    assert trades("ETHUSDT", 100, seed=1) == trades("ETHUSDT", 100, seed=1)
    assert trades("ETHUSDT", 100, seed=1) != trades("ETHUSDT", 100, seed=2)
    assert [t.time for t in trades("ETHUSDT", 100)] != [t.time for t in trades("BTCUSDT", 100)]


@pytest.mark.parametrize("symbol", ["ETHUSDT", "PEPEUSDT", "BNBBTC"])
def test_every_trade_is_on_tick_and_step_and_worth_something(symbol: str) -> None:
    filters = LISTINGS[symbol].info.filters
    for trade in trades(symbol, 2000):
        assert trade.price % filters.tick_size == 0
        assert trade.quantity % filters.step_size == 0
        assert trade.price * trade.quantity >= filters.min_notional


def test_there_are_about_five_trades_a_second() -> None:
    walked = trades("ETHUSDT", 5000)
    assert 900 < (walked[-1].time - walked[0].time) / 1_000_000 < 1100
    assert all(earlier.time < later.time for earlier, later in pairwise(walked))


@pytest.mark.parametrize("seed", range(5))
def test_a_walk_moves_enough_for_a_cycle_a_minute_and_stays_home(seed: int) -> None:
    anchor = built_in_prices()["ETHUSDT"]
    prices = [trade.price for trade in trades("ETHUSDT", 20_000, seed)]
    minutes = [prices[begin : begin + 300] for begin in range(0, len(prices), 300)]
    moved = sum((max(minute) - min(minute)) * 1000 > 3 * anchor for minute in minutes)
    assert moved > len(minutes) // 2
    assert anchor * 9 < min(prices) * 10
    assert max(prices) * 10 < anchor * 11


def test_a_price_of_one_tick_does_not_fall_to_nothing() -> None:
    filters = LISTINGS["ETHUSDT"].info.filters
    assert {t.price for t in islice(walk("X", parse_price("0.01"), filters, 0), 500)} <= {
        Price(filters.tick_size),
        Price(2 * filters.tick_size),
    }
