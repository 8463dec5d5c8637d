from collections import Counter
from random import Random
from typing import Any

import pytest

from naived.simulator.errors import ApiError
from naived.simulator.faults import ACT, FILL, REPORT, REQUEST, STREAM, Fault, Switchboard


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
    report_reorder partial_fills not_found_lag manual_cancel manual_order halt filters balance server_shutdown
"""


def test_every_kind_of_the_contract_can_be_armed_and_no_other() -> None:
    board(*(fault(kind) for kind in CONTRACT.split()))
    assert set(CONTRACT.split()) == REQUEST | REPORT | FILL | ACT
