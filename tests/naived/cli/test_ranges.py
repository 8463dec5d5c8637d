import pytest

from naived.cli.options import SWEEP, UsageError, gather
from naived.cli.ranges import grid_of, spelled_out
from naived.core.amount import parse_money, parse_rate


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.001", ["0.001"]),
        ("0.1%", ["0.1%"]),
        ("0.003,0.006,1%", ["0.003", "0.006", "1%"]),
        ("2:5:1", ["2", "3", "4", "5"]),
        ("0.001:0.002:0.0005", ["0.0010", "0.0015", "0.0020"]),
        ("0.1%:0.3%:0.1%", ["0.1%", "0.2%", "0.3%"]),
        ("0.001:0.0029:0.001", ["0.001", "0.002"]),
        ("5:5:1", ["5"]),
        ("0.00000001:0.00000003:0.00000001", ["0.00000001", "0.00000002", "0.00000003"]),
    ],
)
def test_values_are_spelled_out(text: str, values: list[str]) -> None:
    assert spelled_out(text) == values


def test_a_range_of_tenths_has_no_rounding_in_it() -> None:
    found = spelled_out("0.0001:0.1:0.0001")
    assert [parse_rate(text) for text in found] == [10_000 * number for number in range(1, 1001)]


@pytest.mark.parametrize(
    "text",
    ["1:2", "1:2:3:4", "a:b:c", "1:2:0", "2:1:1", "1:2:-1", "0.1%:0.2%:0.001", "1e3:2e3:1e2", ":5:1", "1:99999:1"],
)
def test_a_range_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not FROM:TO:STEP|never reaches its end|more than 10000"):
        spelled_out(text)


def test_every_setting_may_be_a_list_or_a_range() -> None:
    flags = {"chunks": "2:4:1", "budget": "500", "profit": "0.2%,0.1%,0.1%", "floor": "none,2000"}
    grid = grid_of(gather(SWEEP, flags, {}))
    assert {axis.name: axis.values for axis in grid.axes} == {
        "chunks": (2, 3, 4),
        "profit": (parse_rate("0.001"), parse_rate("0.002")),
        "floor": (None, 2000 * 10**8),
    }
    assert grid.fixed == {"budget": parse_money("500")}
    assert grid.size == 12


def test_a_list_may_come_from_a_variable_or_a_file(tmp_path: object) -> None:
    grid = grid_of(gather(SWEEP, {}, {"NAIVED_REBUY": "0.003,0.006"}))
    assert [axis.name for axis in grid.axes] == ["rebuy"]


@pytest.mark.parametrize(
    ("flags", "cause"),
    [
        ({"profit": "0:0.01:0.001"}, "--profit: profit must be above 0 and below 1"),
        ({"chunks": "0,5"}, "--chunks: chunks must be 1 to 1000, not 0"),
        ({"rebuy": "0.003,,0.006"}, "--rebuy: '' is not a plain decimal"),
        ({"rebuy": "0.003:0.006"}, "--rebuy: '0.003:0.006' is not FROM:TO:STEP"),
        ({"budget": "none"}, "--budget: "),
    ],
)
def test_a_value_out_of_its_range_is_a_usage_error(flags: dict[str, str], cause: str) -> None:
    with pytest.raises(UsageError) as refused:
        grid_of(gather(SWEEP, flags, {}))
    assert str(refused.value).startswith(cause)
