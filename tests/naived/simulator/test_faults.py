from collections import Counter
from random import Random
from typing import Any

import pytest

from naived.simulator.errors import ApiError
from naived.simulator.faults import ACT, FILL, REPORT, REQUEST, STREAM, Fault, Switchboard, failure
from naived.simulator.limits import Limits
from tests.support.simulator import NOW


def fault(kind: str, **changes: Any) -> Fault:
    values = {
        "method": None,
        "symbol": None,
        "left": 1,
        "seconds": None,
        "code": -1007,
        "probability": 1.0,
    }
    return Fault(kind, **{**values, **changes})


class Board(Switchboard):
    """A switchboard that shows what was consumed."""

    def __init__(self) -> None:
        self.counted = Counter[str]()
        super().__init__(Random(1), lambda kind: self.counted.update([kind]))


def board(*faults: Fault) -> Board:
    armed = Board()
    for one in faults:
        armed.arm(one)
    return armed


def test_the_oldest_that_fits_goes_first_and_one_at_a_time() -> None:
    armed = board(fault("late", method="order.cancel"), fault("error", left=2), fault("reply_lost"))
    taken = [armed.take(REQUEST, method="order.place") for _ in range(4)]
    assert [one and one.kind for one in taken] == ["error", "error", "reply_lost", None]
    assert armed.counted == {"error": 2, "reply_lost": 1}
    cancel = armed.take(REQUEST, method="order.cancel")
    assert cancel is not None
    assert cancel.kind == "late"


def test_a_fault_for_a_symbol_leaves_others_alone() -> None:
    armed = board(fault("error", symbol="ETHUSDT"))
    assert armed.take(REQUEST, method="order.place", symbol="BTCUSDT") is None
    assert armed.take(REQUEST, method="time") is None
    assert armed.take(REQUEST, method="order.place", symbol="ETHUSDT") is not None


def test_a_report_does_not_look_at_the_method() -> None:
    armed = board(fault("report_late", method="order.place"))
    assert armed.take(REQUEST, method="order.place") is None
    assert armed.take(REPORT, symbol="ETHUSDT") is not None


def test_only_placing_consumes_what_makes_sense_for_placing() -> None:
    armed = board(fault("balance"), fault("not_found_lag"))
    assert armed.take(REQUEST, method="order.status") is None
    assert armed.take(REQUEST, method="order.place") is not None


def test_a_lag_can_be_met_by_a_query_that_it_was_armed_for_and_by_nothing_senseless() -> None:
    armed = board(fault("not_found_lag", method="order.status"), fault("not_found_lag", method="time"))
    armed.arm(fault("balance", method="order.status"))
    assert armed.take(REQUEST, method="order.place") is None
    assert armed.take(REQUEST, method="time") is None
    taken = armed.take(REQUEST, method="order.status")
    assert taken is not None
    assert taken.kind == "not_found_lag"
    assert armed.take(REQUEST, method="order.status") is None


def test_a_stream_consumes_only_what_was_meant_for_it() -> None:
    armed = board(fault("silence"), fault("silence", method="SUBSCRIBE"))
    taken = armed.take(STREAM, method="SUBSCRIBE", named=True)
    assert taken is not None
    assert taken.method == "SUBSCRIBE"
    assert armed.take(STREAM, method="SUBSCRIBE", named=True) is None


def test_dice_decide_where_a_probability_is_given() -> None:
    armed = board(fault("error", left=1000, probability=0.25))
    hits = sum(armed.take(REQUEST, method="time") is not None for _ in range(1000))
    assert 200 < hits < 300
    assert armed.counted == {"error": hits}
    assert board(fault("error", probability=0.0)).take(REQUEST, method="time") is None


@pytest.mark.parametrize("seed", [1, 2])
def test_the_dice_fall_as_the_seed_has_it(seed: int) -> None:
    def falls(seed: int) -> list[bool]:
        armed = Switchboard(Random(seed), lambda kind: None)
        armed.arm(fault("reply_lost", left=200, probability=0.5))
        return [armed.take(REQUEST, method="order.place") is not None for _ in range(200)]

    assert falls(seed) == falls(seed)
    assert falls(seed) != falls(seed + 10)


def test_an_act_waits_until_it_can_be_done_and_for_its_method() -> None:
    armed = board(fault("manual_cancel"), fault("halt", method="order.place"))
    possible = False
    acted: list[str] = []

    def do(one: Fault) -> bool:
        if possible:
            acted.append(one.kind)
        return possible

    armed.act(None, None, do)
    assert acted == []
    possible = True
    armed.act("time", None, do)
    assert acted == ["manual_cancel"]
    armed.act("order.place", "ETHUSDT", do)
    armed.act("order.place", "ETHUSDT", do)
    assert acted == ["manual_cancel", "halt"]


def test_clear_disarms_and_keeps_the_count() -> None:
    armed = board(fault("error", left=5), fault("partial_fills"))
    armed.take(REQUEST, method="time")
    armed.clear()
    assert armed.take(REQUEST, method="time") is None
    assert armed.take(FILL, symbol="ETHUSDT") is None
    assert armed.counted == {"error": 1}


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ApiError, match="-1130"):
        board(fault("earthquake"))


CONTRACT = """
    reply_lost request_lost late error error_after disconnect silence report_duplicate report_missing report_late
    report_reorder partial_fills not_found_lag manual_cancel manual_order manual_amend halt filters
    balance server_shutdown
"""


def test_every_kind_of_the_contract_can_be_armed_and_no_other() -> None:
    board(*(fault(kind) for kind in CONTRACT.split()))
    assert set(CONTRACT.split()) == REQUEST | REPORT | FILL | ACT


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
