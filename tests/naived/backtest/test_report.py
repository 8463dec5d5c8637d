import io
import re
from dataclasses import replace

import pytest

from naived.backtest import figures, report
from naived.backtest.result import Result
from naived.backtest.run import backtest
from naived.core.amount import Money, Price, Quantity, parse_money, parse_price
from tests.support.tape import BEGAN, setup, tape, walk

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def found(**wanted: object) -> Result:
    prices, times = walk(5, 8_000, step=25)
    return backtest(tape(prices, times), setup(**({"rebuy": "0.002", "profit": "0.0005"} | wanted)))


def drawn(result: Result) -> list[str]:
    screen = Terminal()
    report.show(result, screen)
    return _STYLE.sub("", screen.getvalue()).splitlines()


def piped(result: Result) -> list[str]:
    file = io.StringIO()
    report.show(result, file)
    return file.getvalue().splitlines()


def cell(lines: list[str], name: str) -> list[str]:
    (line,) = [line for line in lines if line.startswith(f"{name}  ")]
    return re.split(r" {2,}", line.rstrip())


def test_profit_is_told_first_and_all_figures_are_there() -> None:
    lines = piped(found())
    assert lines[0].startswith("ETHUSDT, 2023-11-14 22:13 to 2023-11-14 22:")
    assert lines[1].startswith("chunks 5, budget 1000, buy-down 0.01%, profit 0.05%, rebuy 0.2%, reprice 1%")
    names = [re.split(r" {2,}", line)[0] for line in lines[2:]]
    assert names == [
        *("profit after fees", "unrealised", "both together", "buy and hold", "largest drawdown", "most tied up"),
        *("fees", "time in market", "cycles", "orders", "trades"),
    ]


def test_a_pipe_gets_all_digits_and_no_colour() -> None:
    result = found()
    lines = piped(result)
    assert cell(lines, "profit after fees")[1] == f"+{figures.exact(result.profit)} USDT"
    assert "\x1b" not in "".join(lines)
    starts = {line.index(re.split(r" {2,}", line)[-1]) for line in lines[2:]}
    assert len(starts) == 1  # the last column is aligned


def test_a_terminal_gets_as_many_digits_as_matter() -> None:
    result = replace(found(), profit=Money(123_456_789_012), max_drawdown=Money(400_000))
    lines = drawn(result)
    assert cell(lines, "profit after fees") == ["profit after fees", "+1,234.57 USDT", "123.46% of the budget"]
    assert cell(lines, "largest drawdown")[1] == "0.00 USDT"  # and no sign
    small = replace(found(budget=parse_money("26")), profit=Money(-123_456))
    assert cell(drawn(small), "profit after fees")[1] == "-0.0012 USDT"


@pytest.mark.parametrize("columns", [80, 132])
def test_it_fits_a_terminal_of_80_columns_whatever_it_found(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    huge = 10**9 * 10**8
    large = replace(
        found(budget=parse_money("100000000"), latency=50),
        trades_scanned=10**9,
        profit=Money(-huge),
        held=Quantity(huge + 1),
        held_cost=Money(huge + 123_456_789),
        max_tied_up=Money(huge),
        first_price=Price(123_456_789_012),
        last_price=Price(123_456_789_013),
        ended=BEGAN + 400 * 86_400_000,
        in_market=399 * 86_400_000,
        load_seconds=12_345.678,
        scan_seconds=1_234.567,
    )
    for result in (found(), large):
        lines = drawn(result)
        assert max(map(len, lines)) <= columns
        assert sum(line.startswith("trades ") for line in lines) == 1
    if columns > 80:
        assert len(drawn(found())) == 14  # nothing is broken into two lines


def test_a_backtest_that_bought_nothing_says_why() -> None:
    poor = found(budget=parse_money("9"))
    assert poor.idle is not None
    for lines in (piped(poor), drawn(poor)):
        text = " ".join(lines)
        assert "nothing was bought: too small" in text or "nothing was bought: " + poor.idle[:20] in text
    assert "NOTIONAL" in poor.idle or "budget" in poor.idle


def test_a_buy_that_nothing_reached_is_named() -> None:
    prices = [parse_price("2000"), parse_price("2001"), parse_price("2000")]
    result = backtest(tape(prices, [BEGAN, BEGAN + 1_000, BEGAN + 2_000]), setup())
    assert result.idle == "the price never fell below the buy at 1999.8"
    falling = [parse_price("2000"), parse_price("1900"), parse_price("1900")]
    late = replace(setup(), latency=60_000)
    result = backtest(tape(falling, [BEGAN, BEGAN + 1_000, BEGAN + 2_000]), late)
    assert result.idle == "the buy at 1999.8 was on its way when the tape ended (latency)"
    assert found().idle is None
    assert "nothing was bought" not in " ".join(piped(found()))


def test_where_a_guard_keeps_it_from_buying_the_report_says_so() -> None:
    idle = found(ceiling=parse_price("50")).idle
    assert idle is not None
    assert idle.startswith("a buy would be above the ceiling 50: at ")


@pytest.mark.parametrize("trades", [1, 3])
def test_of_a_tape_without_any_time_there_is_a_summary_too(trades: int) -> None:
    result = backtest(tape([parse_price("2000")] * trades, [BEGAN] * trades), setup())
    assert cell(piped(result), "time in market") == ["time in market", "-", "0.0s of 0.0s"]
    assert cell(drawn(result), "profit after fees")[1] == "0.00 USDT"


def test_warnings_are_told_and_no_text_of_a_file_moves_the_cursor() -> None:
    result = replace(found(), warnings=("evil\x1b[2J.csv: 3 trades are missing",))
    assert piped(result)[-1] == r"warning: evil\x1b[2J.csv: 3 trades are missing"
    screen = Terminal()
    report.show(result, screen)
    assert "\x1b[2J" not in screen.getvalue()


def test_of_a_terminal_that_draws_nothing_plain_columns_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert drawn(found())[2].startswith("profit after fees  ")


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        *((1, 3, "33.33%"), (2, 3, "66.67%"), (-1, 3, "-33.33%"), (0, 5, "0.00%"), (5, 0, "-")),
        *((-1, 10**9, "0.00%"), (12_345, 1, "1,234,500.00%"), (1, 20_000, "0.01%"), (-1, 20_000, "-0.01%")),
    ],
)
def test_a_percentage_is_rounded_and_never_minus_nothing(part: int, whole: int, text: str) -> None:
    assert figures.percent(part, whole) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        *((0, "0.0s"), (340, "0.3s"), (9_999, "9.9s"), (10_000, "10s"), (59_999, "59s"), (60_000, "1m 0s")),
        *((3_599_999, "59m 59s"), (3_600_000, "1h 0m"), (86_399_999, "23h 59m"), (86_400_000 * 3 + 1, "3d 0h")),
    ],
)
def test_a_time_has_its_two_largest_units(milliseconds: int, text: str) -> None:
    assert figures.span(milliseconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(7, "7"), (999, "999"), (1_234, "1.23 thousand"), (12_345_678, "12.3 million"), (10**9, "1.00 billion")],
)
def test_a_rate_has_three_digits_and_a_word(number: int, text: str) -> None:
    assert figures.count(number) == text
