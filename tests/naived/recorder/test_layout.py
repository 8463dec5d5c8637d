import pytest

from naived.core.amount import parse_price, parse_quantity
from naived.recorder.layout import (
    DAY,
    Cause,
    Gap,
    Trade,
    day_in,
    day_of,
    gap_line,
    gaps_name,
    outdated_name,
    read_gap,
    read_trade,
    trade_line,
    trades_name,
)

PUBLISHED = "1520538926,2683.80000000,0.03450000,92.59110000,1723161255611000,True,True\n"
NOON = 1_795_867_200_000_000  # 2026-11-28 12:00 UTC


def trade(price: str, quantity: str) -> Trade:
    return Trade(1, parse_price(price), parse_quantity(quantity), NOON, False)


def test_a_line_is_what_the_exchange_publishes() -> None:
    assert trade_line(read_trade(PUBLISHED)) == PUBLISHED


def test_a_file_of_milliseconds_ends_at_the_same_time() -> None:
    assert read_trade(PUBLISHED.replace("1723161255611000", "1723161255611")) == read_trade(PUBLISHED)


@pytest.mark.parametrize(
    ("price", "quantity", "quote"),
    [
        ("2683.8", "0.002", "5.36760000"),
        ("0.00000001", "1", "0.00000001"),
        ("0.00000003", "0.5", "0.000000015"),
        ("0.00000001", "0.00000001", "0.0000000000000001"),
        ("123456789.12345678", "9876.54321", "1219326312345.6789122374638"),
    ],
)
def test_the_quote_quantity_is_the_exact_product(price: str, quantity: str, quote: str) -> None:
    assert trade_line(trade(price, quantity)).split(",")[3] == quote


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\0\0\0",
        "1,2,3",
        PUBLISHED.replace(",True,True", ",true,True,x"),
        PUBLISHED.replace("True,", "yes,"),
        PUBLISHED.replace("1520538926", "-1"),
        PUBLISHED.replace("2683.80000000", "2683.8x"),
        "id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch",
    ],
)
def test_what_is_no_trade_is_refused(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each has words of its own
        read_trade(line)


def test_a_day_begins_at_midnight_utc() -> None:
    day = day_of(NOON)
    assert trades_name("ETHUSDT", day) == "ETHUSDT-trades-2026-11-28.csv"
    assert day_of((day + 1) * DAY - 1) == day
    assert day_of((day + 1) * DAY) == day + 1


def test_the_files_of_a_symbol_are_known_by_their_names() -> None:
    day = day_of(NOON)
    for ending in (".csv", ".csv.gz", ".zip"):
        assert day_in(f"ETHUSDT-trades-2026-11-28{ending}", "ETHUSDT") == day
    assert day_in(trades_name("这是测试币456", day), "这是测试币456") == day
    others = (
        "2ETHUSDT-trades-2026-11-28.csv",
        "ETHUSDT-trades-2026-02-30.csv",
        "ETHUSDT-trades-2026-11-28.csv.part",
    )
    for name in (
        *others,
        gaps_name("ETHUSDT"),
        outdated_name("ETHUSDT", day, 7),
        "ETHUSDT-aggTrades-2026-11-28.csv",
    ):
        assert day_in(name, "ETHUSDT") is None


def test_a_gap_is_read_back() -> None:
    for gap in (Gap(5, 9, NOON, NOON + 1, Cause.CONNECTION), Gap(10, -1, NOON, NOON, Cause.RESTART)):
        assert read_gap(gap_line(gap)) == gap
    assert gap_line(Gap(5, 9, 1, 2, Cause.NOT_RUNNING)) == "5,9,1,2,not running\n"
    assert read_gap("from_id,to_id,from_time,to_time,why\n") is None
    assert read_gap("5,9,1,2,for fun\n") is None
