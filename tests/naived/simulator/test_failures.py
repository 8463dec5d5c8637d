from typing import Any

import pytest

from naived.simulator.failures import failure
from naived.simulator.faults import Fault
from naived.simulator.limits import Limits
from tests.simulator_values import NOW


def answered(kind: str = "error", **values: Any) -> tuple[int, int, str, Any]:
    given = {"method": None, "symbol": None, "left": 1, "seconds": None, "code": -1007, "probability": 1.0}
    error = failure(Fault(kind, **{**given, **values}), Limits([], enforced=True), NOW)
    return error.status, error.code, error.message, error.data


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *((code, 500) for code in (-1000, -1001, -1006)),
        *((code, 503) for code in (-1008, -1016)),
        (-1007, 504),
        *((code, 400) for code in (-1013, -1021, -1022, -2010, -2011, -2013, -4242)),
        (-2015, 401),
    ],
)
def test_a_code_has_the_status_that_goes_with_it_and_no_data(code: int, status: int) -> None:
    assert answered(code=code)[:2] == (status, code)
    assert answered(code=code)[3] is None


@pytest.mark.parametrize(
    ("status", "code"), [(500, -1000), (502, -1000), (503, -1000), (401, -2015), (403, -1000), (429, -1003)]
)
def test_a_status_alone_has_the_code_that_goes_with_it(status: int, code: int) -> None:
    assert answered(code=status)[:2] == (status, code)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (-1003, "Too much request weight used; current limit is 6000 request weight per 1 MINUTE."),
        (-1015, "Too many new orders; current limit is 50 orders per 10 SECOND."),
    ],
)
def test_who_asked_too_much_is_told_when_to_come_back(code: int, text: str) -> None:
    status, given, message, data = answered(code=code)
    assert (status, given) == (429, code)
    assert message.startswith(text)
    assert data == {"serverTime": NOW, "retryAfter": NOW + 1_000}
    assert answered(code=code, seconds=42)[3] == {"serverTime": NOW, "retryAfter": NOW + 42_000}


def test_a_ban_says_until_when_and_lasts_two_minutes_at_least() -> None:
    until = NOW + 120_000
    assert answered(code=418) == (
        418,
        -1003,
        f"Way too much request weight used; IP banned until {until}. "
        "Please use WebSocket Streams for live updates to avoid bans.",
        {"serverTime": NOW, "retryAfter": until},
    )
    assert answered(code=418, seconds=2)[3]["retryAfter"] == NOW + 2_000


def test_no_balance_is_worded_as_the_engine_has_it() -> None:
    text = "Account has insufficient balance for requested action."
    assert answered("balance") == (400, -2010, text, None)
